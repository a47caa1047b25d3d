//! An arena in letters.
//!
//! ```text
//!   before                                        after
//!   0x010000 +------------------------------+     0x010000 +-----------...
//!            |~~~~ 4 discardable, 8 KiB ~~~~|              |~~~~ 4 disc...
//!   0x00e000 +------------------------------+     0x00e000 +-----------...
//! ```
//!
//! Columns stand on one ground: the shorter one begins further down.

use super::picture::{Label, Piece, PieceKind, Snapshot};
use core::fmt::{self, Write};

/// Letters between a piece's sides.
const INSIDE: usize = 32;
/// Letters of a column: address, blank and sides.
const COLUMN: usize = 8 + 1 + 1 + INSIDE + 1;
/// Lines that a piece as large as the arena has more than the smallest.
const LINES: u64 = 12;

/// Draws arenas side by side, with a line of titles if they have some, and what
/// the letters mean.
pub(super) fn draw(out: &mut dyn Write, columns: &[(&str, &Snapshot)]) -> fmt::Result {
    let height = columns.iter().map(|(_, of)| lines_of(of)).max();
    let height = height.unwrap_or(0);
    if columns.iter().any(|(title, _)| !title.is_empty()) {
        for (at, (title, _)) in columns.iter().enumerate() {
            let last = at + 1 == columns.len();
            between(out, at)?;
            if last {
                write!(out, "{:9}{title}", "")?;
            } else {
                write!(out, "{:9}{title:rest$}", "", rest = COLUMN - 9)?;
            }
        }
        out.write_char('\n')?;
    }
    for line in 0..height {
        let drawn = |of: &Snapshot| line.checked_sub(height - lines_of(of));
        // Nothing, not even blanks, after the last column that has begun.
        let last = columns.iter().rposition(|(_, of)| drawn(of).is_some());
        let end = last.map_or(0, |last| last + 1);
        for (at, (_, of)) in columns.iter().take(end).enumerate() {
            between(out, at)?;
            match drawn(of) {
                Some(line) => draw_line(out, of, line)?,
                None => write!(out, "{:COLUMN$}", "")?,
            }
        }
        out.write_char('\n')?;
    }
    out.write_str("# fixed  = moveable  ~ discardable  * locked\n")
}

/// The space between columns.
fn between(out: &mut dyn Write, at: usize) -> fmt::Result {
    if at == 0 {
        return Ok(());
    }
    out.write_str("   ")
}

/// Lines inside a piece.
fn rows(of: &Snapshot, piece: &Piece) -> u64 {
    let all = u64::from(of.high() - of.low()).max(1);
    1 + u64::from(piece.size) * LINES / all
}

/// Lines of an arena: those of its pieces, with one below each and one above all.
fn lines_of(of: &Snapshot) -> u64 {
    1 + of.pieces().map(|piece| rows(of, &piece) + 1).sum::<u64>()
}

/// One line of an arena, counted from the top.
fn draw_line(out: &mut dyn Write, of: &Snapshot, line: u64) -> fmt::Result {
    if line == 0 {
        return border(out, of.high());
    }
    let mut left = line - 1;
    for piece in of.pieces().rev() {
        let rows = rows(of, &piece);
        if left < rows {
            return inside(out, piece, left == (rows - 1) / 2);
        }
        if left == rows {
            return border(out, piece.start);
        }
        left -= rows + 1;
    }
    Ok(())
}

fn border(out: &mut dyn Write, address: u32) -> fmt::Result {
    write!(out, "{address:#08x} +{:-<INSIDE$}+", "")
}

fn inside(out: &mut dyn Write, piece: Piece, with_label: bool) -> fmt::Result {
    let fill = match piece.kind {
        PieceKind::Free => ' ',
        PieceKind::Fixed => '#',
        _ if piece.locked => '*',
        PieceKind::Moveable => '=',
        PieceKind::Discardable => '~',
    };
    let mut label = Short::new();
    if with_label {
        // A label that is too long is cut.
        let _ = write!(label, " {} ", Label(piece));
    }
    let text = label.text();
    let before = (INSIDE - text.len()) / 2;
    write!(out, "{:9}|", "")?;
    repeat(out, fill, before)?;
    out.write_str(text)?;
    repeat(out, fill, INSIDE - text.len() - before)?;
    out.write_char('|')
}

fn repeat(out: &mut dyn Write, letter: char, times: usize) -> fmt::Result {
    (0..times).try_for_each(|_| out.write_char(letter))
}

/// A text of at most [`INSIDE`] bytes, all ASCII.
struct Short {
    bytes: [u8; INSIDE],
    length: usize,
}

impl Short {
    fn new() -> Short {
        Short {
            bytes: [0; INSIDE],
            length: 0,
        }
    }

    fn text(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let place = self.bytes.get_mut(self.length).ok_or(fmt::Error)?;
            *place = byte;
            self.length += 1;
        }
        Ok(())
    }
}

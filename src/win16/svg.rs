//! An arena as SVG: a column of boxes to scale, low addresses at the bottom.

use super::picture::{Label, Piece, PieceKind, Snapshot};
use core::fmt::{self, Write};

/// The column's left side, without addresses, and its width.
const LEFT: u32 = 76;
const WIDTH: u32 = 190;
/// From one column's left side to the next one's.
const PITCH: u32 = 300;
/// The column's upper end and its height.
const TOP: u32 = 44;
const HEIGHT: u32 = 480;
/// A box lower than this has no label; an address nearer to the last one drawn
/// is left out. In tenths of a unit, as all that is to scale.
const LABEL: u64 = 130;

/// Draws arenas side by side; blocks of the first that lie elsewhere in the
/// second are joined by lines.
pub(super) fn draw(out: &mut dyn Write, columns: &[(&str, &Snapshot)]) -> fmt::Result {
    let count = u32::try_from(columns.len()).unwrap_or(1).max(1);
    let width = LEFT + PITCH * (count - 1) + WIDTH + LEFT;
    let height = TOP + HEIGHT + 56;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">"
    )?;
    writeln!(
        out,
        "<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"
    )?;
    let mut left = LEFT;
    for (title, of) in columns {
        column(out, left, title, of)?;
        left += PITCH;
    }
    if let [(_, before), (_, after), ..] = columns {
        moves(out, before, after)?;
    }
    legend(out)?;
    out.write_str("</svg>\n")
}

/// Where an address is drawn, in tenths of a unit.
fn height_of(of: &Snapshot, address: u32) -> u64 {
    let all = u64::from(of.high() - of.low()).max(1);
    let above = u64::from(of.high() - address);
    u64::from(TOP) * 10 + above * u64::from(HEIGHT) * 10 / all
}

/// A length in tenths.
struct Tenths(u64);

impl fmt::Display for Tenths {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

fn colour(kind: PieceKind) -> &'static str {
    match kind {
        PieceKind::Free => "#ffffff",
        PieceKind::Fixed => "#9aa5b1",
        PieceKind::Moveable => "#8ecae6",
        PieceKind::Discardable => "#ffd27f",
    }
}

fn column(out: &mut dyn Write, left: u32, title: &str, of: &Snapshot) -> fmt::Result {
    let middle = left + WIDTH / 2;
    writeln!(
        out,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" font-size=\"15\">{title}</text>",
        TOP - 18
    )?;
    for piece in of.pieces() {
        draw_piece(out, left, of, piece)?;
    }
    // Addresses from the bottom up, those that have room.
    let mut last = u64::MAX;
    for address in of.pieces().map(|piece| piece.start).chain([of.high()]) {
        let at = height_of(of, address);
        if last - at.min(last) < LABEL {
            continue;
        }
        last = at;
        // Outside, so that lines between columns meet nothing.
        let (x, anchor) = match left {
            LEFT => (left - 6, "end"),
            _ => (left + WIDTH + 6, "start"),
        };
        writeln!(
            out,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\" font-family=\"monospace\">{address:#08x}</text>",
            Tenths(at + 40)
        )?;
    }
    Ok(())
}

fn draw_piece(out: &mut dyn Write, left: u32, of: &Snapshot, piece: Piece) -> fmt::Result {
    let (top, bottom) = (height_of(of, piece.end()), height_of(of, piece.start));
    let stroke = if piece.locked { 3 } else { 1 };
    writeln!(
        out,
        "<rect x=\"{left}\" y=\"{}\" width=\"{WIDTH}\" height=\"{}\" fill=\"{}\" \
         stroke=\"#333333\" stroke-width=\"{stroke}\"><title>{}</title></rect>",
        Tenths(top),
        Tenths(bottom - top),
        colour(piece.kind),
        Label(piece)
    )?;
    if bottom - top < LABEL {
        return Ok(());
    }
    writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        left + WIDTH / 2,
        Tenths(u64::midpoint(top, bottom) + 40),
        Label(piece)
    )
}

/// A line for each block that lies elsewhere afterwards.
fn moves(out: &mut dyn Write, before: &Snapshot, after: &Snapshot) -> fmt::Result {
    let (from, to) = (LEFT + WIDTH, LEFT + PITCH);
    for old in before.pieces() {
        let new = after.pieces().find(|new| new.is_same_block(&old));
        let Some(new) = new.filter(|new| new.start != old.start) else {
            continue;
        };
        let middle = |of: &Snapshot, piece: &Piece| {
            u64::midpoint(height_of(of, piece.start), height_of(of, piece.end()))
        };
        writeln!(
            out,
            "<line x1=\"{from}\" y1=\"{}\" x2=\"{to}\" y2=\"{}\" stroke=\"#c1121f\" \
             stroke-dasharray=\"4 3\"/>",
            Tenths(middle(before, &old)),
            Tenths(middle(after, &new))
        )?;
    }
    Ok(())
}

fn legend(out: &mut dyn Write) -> fmt::Result {
    let entries = [
        ("fixed", PieceKind::Fixed),
        ("moveable", PieceKind::Moveable),
        ("discardable", PieceKind::Discardable),
        ("free", PieceKind::Free),
    ];
    let y = TOP + HEIGHT + 22;
    let mut x = 10;
    for (name, kind) in entries {
        writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{}\" stroke=\"#333333\"/>\
             <text x=\"{}\" y=\"{}\">{name}</text>",
            colour(kind),
            x + 17,
            y + 10
        )?;
        x += 95;
    }
    writeln!(out, "<text x=\"10\" y=\"{}\">thick: locked</text>", y + 28)
}

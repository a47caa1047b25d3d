//! What lies where at one moment, to be drawn.

use super::error::Error;
use super::global::GlobalHeap;
use super::local::LocalHeap;
use super::memory::Table;
use super::space::{Handle, Kind, Space};
use super::{svg, text};
use core::cell::Cell;
use core::fmt;

/// What a piece of an arena is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// In no block.
    Free,
    /// A block that never moves.
    Fixed,
    /// A block that moves when it is not locked.
    Moveable,
    /// A moveable block that may go.
    Discardable,
}

/// A block or a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it starts: an offset in the arena or the segment.
    pub start: u32,
    /// Its bytes.
    pub size: u32,
    /// What it is.
    pub kind: PieceKind,
    /// It is locked, and thus stays.
    pub locked: bool,
    block: Option<Handle>,
}

impl Piece {
    /// The number of its block's handle; `None` for a hole.
    pub fn number(&self) -> Option<u16> {
        self.block.map(|block| block.slot)
    }

    /// Where it ends.
    pub fn end(&self) -> u32 {
        self.start + self.size
    }

    /// Whether both are the same block, maybe in two places.
    pub fn is_same_block(&self, other: &Piece) -> bool {
        self.block.is_some() && self.block == other.block
    }
}

/// An arena, or a local heap's part of its segment, at one moment: blocks and
/// holes without gaps, from low to high. Its records come from the system and
/// go back when it is dropped.
///
/// ```
/// use ntheap::win16::{Flags, GlobalHeap, PieceKind};
///
/// let heap = GlobalHeap::new(0x1_0000)?;
/// let first = heap.alloc(Flags::MOVEABLE, 0x4000)?;
/// heap.alloc(Flags::MOVEABLE, 0x4000)?;
/// heap.free(first)?;
/// let before = heap.snapshot()?;
/// heap.compact(0)?;
/// let after = heap.snapshot()?;
/// let mut picture = String::new();
/// before.write_text_beside(&after, &mut picture).expect("strings take all");
/// let holes = |of: &ntheap::win16::Snapshot| {
///     of.pieces().filter(|piece| piece.kind == PieceKind::Free).count()
/// };
/// assert_eq!((holes(&before), holes(&after)), (2, 1));
/// # Ok::<(), ntheap::win16::Error>(())
/// ```
pub struct Snapshot {
    pieces: Table<Piece>,
    low: u32,
    high: u32,
}

impl Snapshot {
    fn of(space: &Space) -> Result<Snapshot, Error> {
        let mut blocks = 0;
        let mut slot = space.next(0);
        while slot != 0 {
            blocks += 1;
            slot = space.next(slot);
        }
        // A hole before each block and after the last.
        let pieces = Table::new(2 * blocks + 1).ok_or(Error::NoMemory)?;
        slot = 0;
        loop {
            let (start, size) = (space.end_of(slot), space.gap_after(slot));
            if size != 0 {
                pieces.push(Piece {
                    start,
                    size,
                    kind: PieceKind::Free,
                    locked: false,
                    block: None,
                });
            }
            slot = space.next(slot);
            if slot == 0 {
                break;
            }
            let record = space.record(slot);
            pieces.push(Piece {
                start: record.start,
                size: record.size,
                kind: match record.kind {
                    Kind::Fixed => PieceKind::Fixed,
                    Kind::Moveable => PieceKind::Moveable,
                    Kind::Discardable => PieceKind::Discardable,
                },
                locked: record.locks() != 0,
                block: Some(space.handle(slot)),
            });
        }
        Ok(Snapshot {
            pieces,
            low: space.low(),
            high: space.high(),
        })
    }

    /// The pieces, from low to high.
    pub fn pieces(&self) -> impl DoubleEndedIterator<Item = Piece> + '_ {
        self.pieces.cells().iter().map(Cell::get)
    }

    /// Where the arena starts: 0, or a local heap's first offset.
    pub fn low(&self) -> u32 {
        self.low
    }

    /// Where it ends.
    pub fn high(&self) -> u32 {
        self.high
    }

    /// Draws it in letters, high addresses first. Each piece has a line at
    /// least, and more the larger it is.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_text(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        text::draw(out, &[("", self)])
    }

    /// Draws it beside what it became.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_text_beside(&self, after: &Snapshot, out: &mut dyn fmt::Write) -> fmt::Result {
        text::draw(out, &[("before", self), ("after", after)])
    }

    /// Draws it as SVG, to scale.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_svg(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        svg::draw(out, &[("arena", self)])
    }

    /// Draws it as SVG beside what it became, with a line for each block that
    /// was moved.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_svg_beside(&self, after: &Snapshot, out: &mut dyn fmt::Write) -> fmt::Result {
        svg::draw(out, &[("before", self), ("after", after)])
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.pieces()).finish()
    }
}

impl GlobalHeap<'_> {
    /// What lies where now.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        Snapshot::of(&self.space)
    }
}

impl LocalHeap<'_, '_> {
    /// What lies where in the segment now.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        Snapshot::of(self.space())
    }
}

/// What is written on a piece: its block's number, what it is, its size.
pub(super) struct Label(pub(super) Piece);

impl fmt::Display for Label {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Label(piece) = self;
        if let Some(number) = piece.number() {
            write!(out, "{number} ")?;
        }
        let kind = match piece.kind {
            PieceKind::Free => "free",
            PieceKind::Fixed => "fixed",
            PieceKind::Moveable => "moveable",
            PieceKind::Discardable => "discardable",
        };
        let locked = if piece.locked && piece.kind != PieceKind::Fixed {
            " locked"
        } else {
            ""
        };
        write!(out, "{kind}{locked}, {}", Bytes(piece.size))
    }
}

/// A number of bytes, in KiB if they are whole ones.
struct Bytes(u32);

impl fmt::Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1024) {
            write!(out, "{} KiB", self.0 / 1024)
        } else {
            write!(out, "{} B", self.0)
        }
    }
}

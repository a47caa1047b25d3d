//! A stretch of a heap's memory cut into cells: how much of each is in what state.

use ntheap_inspect::model::{Area, AreaKind, Snapshot, State};

/// What a byte of a heap's memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A block's that is in use.
    Busy,
    /// A block's that is in a cache, or may be.
    Cached,
    /// A free block's, or of no block, and committed.
    Free,
    /// Not committed, or known to hold no memory.
    Absent,
}

impl Use {
    pub(crate) const ALL: [Use; 4] = [Use::Busy, Use::Cached, Use::Free, Use::Absent];

    pub(crate) fn class(self) -> &'static str {
        match self {
            Use::Busy => "busy",
            Use::Cached => "cached",
            Use::Free => "free",
            Use::Absent => "absent",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Use::Busy => "busy",
            Use::Cached => "in a cache",
            Use::Free => "free",
            Use::Absent => "not committed or empty",
        }
    }
}

/// Bytes by [`Use`], in its order.
pub(crate) type Cell = [u64; 4];

/// A stretch of memory in cells of one size.
#[derive(Clone, Debug)]
pub(crate) struct Strip {
    pub(crate) start: u64,
    pub(crate) length: u64,
    pub(crate) cells: Vec<Cell>,
}

impl Strip {
    /// A stretch of which nothing is known to be the heap's.
    pub(crate) fn new(start: u64, length: u64, cells: usize) -> Strip {
        Strip {
            start,
            length: length.max(1),
            cells: vec![[0; 4]; cells.max(1)],
        }
    }

    /// Makes bytes the heap's; nothing is committed of them so far.
    pub(crate) fn own(&mut self, from: u64, to: u64) {
        self.fill(from, to, |cell, bytes| cell[Use::Absent as usize] += bytes);
    }

    /// Makes bytes from `from` to `to` something else.
    pub(crate) fn mark(&mut self, from: u64, to: u64, was: Use, is: Use) {
        self.fill(from, to, |cell, bytes| {
            let moved = bytes.min(cell[was as usize]);
            cell[was as usize] -= moved;
            cell[is as usize] += moved;
        });
    }

    fn fill(&mut self, from: u64, to: u64, mut each: impl FnMut(&mut Cell, u64)) {
        let (start, length) = (self.start, self.length);
        let count = self.cells.len() as u64;
        let (from, to) = (from.max(start), to.min(start + length));
        if from >= to {
            return;
        }
        let scaled = |part: u64, by: u64, of: u64| {
            u64::try_from(u128::from(part) * u128::from(by) / u128::from(of)).unwrap_or(u64::MAX)
        };
        let first = scaled(from - start, count, length);
        let last = scaled(to - 1 - start, count, length).min(count - 1);
        for number in first..=last {
            let low = start + scaled(number, length, count);
            let high = start + scaled(number + 1, length, count);
            let bytes = to.min(high).saturating_sub(from.max(low));
            if let Some(cell) = self.cells.get_mut(number as usize) {
                each(cell, bytes);
            }
        }
    }

    /// Makes an area the heap's, and marks what is committed of it, and its blocks.
    pub(crate) fn add_area(&mut self, snapshot: &Snapshot, area: &Area) {
        self.own(area.start, area.start + area.reserved);
        self.mark(
            area.start,
            area.start + area.committed,
            Use::Absent,
            Use::Free,
        );
        // Neighbours in one state are marked at once.
        let blocks = snapshot.blocks_of(area);
        let of = |state: State| match state {
            State::Busy => Use::Busy,
            State::Kept | State::Out => Use::Cached,
            State::Free => Use::Free,
        };
        for run in blocks.chunk_by(|a, b| of(a.state) == of(b.state)) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue;
            };
            let is = of(first.state);
            if is != Use::Free {
                self.mark(first.address, last.address + last.room(), Use::Free, is);
            }
        }
    }

    /// All cells together.
    #[cfg(test)]
    pub(crate) fn total(&self) -> Cell {
        let mut total = [0; 4];
        for cell in &self.cells {
            for (sum, bytes) in total.iter_mut().zip(cell) {
                *sum += bytes;
            }
        }
        total
    }
}

/// A row of a heap's memory, before it is cut into cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) name: String,
    /// The areas in it, by number.
    areas: Vec<usize>,
    /// The segment that it is, by number.
    segment: Option<usize>,
    /// Whether its areas are blocks with guard pages.
    is_guarded: bool,
}

/// Bytes of a row: what a segment has.
const ROW: u64 = 4 << 20;
/// Bytes of a slice.
const SLICE: u64 = 1 << 16;

/// The rows of a heap, by address: a process heap's segments, and for other heaps
/// stretches of as many bytes; whatever lies elsewhere, too, blocks with guard pages in rows
/// of their own. Large blocks are not among them.
pub(crate) fn stretches(snapshot: &Snapshot, number: u32) -> Vec<Stretch> {
    let Some(heap) = snapshot.heaps.get(number as usize) else {
        return Vec::new();
    };
    let mut rows: Vec<Stretch> = Vec::new();
    for (at, segment) in snapshot.segments.iter().enumerate() {
        if heap.is_process && segment.copy == heap.copy {
            rows.push(Stretch {
                start: segment.base,
                end: segment.base + u64::from(segment.slices) * SLICE,
                name: "segment".to_owned(),
                areas: Vec::new(),
                segment: Some(at),
                is_guarded: false,
            });
        }
    }
    rows.sort_by_key(|row| row.start);
    let segments = rows.len();
    for (at, area) in snapshot.areas.iter().enumerate() {
        if area.heap != number || area.kind == AreaKind::Large {
            continue;
        }
        let end = area.start + area.reserved;
        let before = rows[..segments].partition_point(|row| row.start <= area.start);
        let segment = before.checked_sub(1).and_then(|at| rows.get_mut(at));
        if let Some(segment) = segment.filter(|segment| area.start < segment.end) {
            segment.areas.push(at);
            continue;
        }
        // Areas come by address, so that the last row is the one below; those with guard
        // pages come after all others, by address again.
        let is_guarded = area.kind == AreaKind::Guarded;
        let fits = |row: &&mut Stretch| {
            row.segment.is_none()
                && row.is_guarded == is_guarded
                && row.start <= area.start
                && end - row.start <= ROW
        };
        match rows.last_mut().filter(fits) {
            Some(last) => {
                last.end = end;
                last.areas.push(at);
                let what = if is_guarded {
                    "guarded blocks"
                } else {
                    "areas"
                };
                last.name = format!("{} {what}", last.areas.len());
            }
            None => rows.push(Stretch {
                start: area.start,
                end,
                name: match area.kind {
                    AreaKind::Region => "region".to_owned(),
                    AreaKind::Guarded => "guarded block".to_owned(),
                    _ => format!("bucket of {}", area.block_size),
                },
                areas: vec![at],
                segment: None,
                is_guarded,
            }),
        }
    }
    rows
}

impl Stretch {
    /// What it holds, in so many cells.
    pub(crate) fn strip(&self, snapshot: &Snapshot, cells: usize) -> Strip {
        let mut strip = Strip::new(self.start, self.end - self.start, cells);
        if let Some(segment) = self.segment.and_then(|at| snapshot.segments.get(at)) {
            for slice in 0..u64::from(segment.slices) {
                let is = |bits: u64| bits >> slice & 1 != 0;
                let at = segment.base + slice * SLICE;
                if !is(segment.used) {
                    strip.own(at, at + SLICE);
                    if is(segment.dirty) {
                        strip.mark(at, at + SLICE, Use::Absent, Use::Free);
                    }
                }
            }
        }
        for area in self.areas.iter().filter_map(|&at| snapshot.areas.get(at)) {
            strip.add_area(snapshot, area);
        }
        strip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_strip_is_in_one_state() {
        let mut strip = Strip::new(1000, 1003, 10);
        assert_eq!(strip.total(), [0; 4]);
        strip.own(0, 5000);
        assert_eq!(strip.total(), [0, 0, 0, 1003]);
        strip.mark(1000, 1500, Use::Absent, Use::Free);
        strip.mark(1100, 1107, Use::Free, Use::Busy);
        strip.mark(1990, 5000, Use::Absent, Use::Cached);
        assert_eq!(strip.total(), [7, 13, 493, 490]);
        let cell = strip.cells[1];
        assert_eq!(cell[0], 7);
        let sizes: Vec<u64> = strip.cells.iter().map(|cell| cell.iter().sum()).collect();
        assert!(
            sizes.iter().all(|&size| size == 100 || size == 101),
            "{sizes:?}"
        );
    }

    #[test]
    fn areas_lie_in_segments_or_in_rows_of_their_own() {
        let area = |start: u64, kind, reserved| Area {
            kind,
            start,
            reserved,
            committed: reserved,
            ..Area::default()
        };
        let snapshot = Snapshot {
            heaps: vec![ntheap_inspect::model::Heap {
                is_process: true,
                ..Default::default()
            }],
            segments: vec![ntheap_inspect::model::Segment {
                base: 0x40_0000,
                slices: 64,
                used: 3,
                dirty: 4,
                ..Default::default()
            }],
            areas: vec![
                area(0x10_0000, AreaKind::Region, 0x1_0000),
                area(0x20_0000, AreaKind::Region, 0x1_0000),
                area(0x40_0000, AreaKind::Subsegment, 0x1_0000),
                area(0x41_0000, AreaKind::Large, 0x1_0000),
                area(0x90_0000, AreaKind::Region, 0x80_0000),
                area(0x2_0000, AreaKind::Guarded, 0x1000),
                area(0x2_2000, AreaKind::Guarded, 0x1000),
            ],
            ..Snapshot::default()
        };
        let rows = stretches(&snapshot, 0);
        let told: Vec<(u64, &str)> = rows
            .iter()
            .map(|row| (row.start, row.name.as_str()))
            .collect();
        let expected = [
            (0x40_0000, "segment"),
            (0x10_0000, "2 areas"),
            (0x90_0000, "region"),
            (0x2_0000, "2 guarded blocks"),
        ];
        assert_eq!(told, expected);
        // A slice of the segment is the heap's area, one another's, one dirty.
        let total = rows[0].strip(&snapshot, 16).total();
        assert_eq!(total, [0, 0, 2 << 16, 61 << 16]);
        // The page between two blocks is no heap's.
        assert_eq!(rows[3].strip(&snapshot, 3).total(), [0, 0, 0x2000, 0]);
    }

    #[test]
    fn a_strip_of_nothing_has_a_cell() {
        let strip = Strip::new(0, 0, 0);
        assert_eq!(strip.cells.len(), 1);
    }
}

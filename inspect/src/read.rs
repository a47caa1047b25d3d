//! A process's heaps, found and read.
//!
//! ```text
//!   mappings --> root records --> each copy's slice table, as far as something is
//!                                 mapped --> areas (area.rs) --> heaps
//! ```

use crate::Error;
use crate::area::{self, Found};
use crate::kept;
use crate::memory::Memory;
use crate::model::{Block, Copy, Heap, Mapping, Problem, Range, Segment, Snapshot, State};
use crate::progress::Work;
use crate::traces;
use ntheap::outside::profile::{self as bytes, Facts};
use ntheap::outside::{self, SLICE_BYTES, Slices};
use ntheap::vm::root::{self, ANCHORS, Anchor, RootRecord};
use std::collections::{HashMap, HashSet};

/// Entries of a slice table that are read at a time.
const ENTRIES: usize = 4096;
/// Segments that a process can have: as many as cover 48 bits of addresses.
const MOST_SEGMENTS: usize = 1 << 26;

/// How a process is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// It is held still, so that nothing needs to be read twice.
    pub is_held: bool,
    /// What is asked for.
    pub wanted: Wanted,
}

/// What is wanted of a process beside its heaps and blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing.
    #[default]
    Blocks,
    /// The call stacks of blocks, where the process keeps them.
    Stacks,
    /// The stacks, and the heaps' figures compared with what was counted.
    Checks,
}

/// The name of the front end's blocks where malloc is not served from there: a heap of the
/// debug layer has the process heap's name, and what malloc gives.
const FRONT_ALONE: &str = "process heap, before the debug layer";

/// Reads the heaps of the process whose memory it is. `mappings` are the
/// process's, by address.
///
/// # Errors
/// [`Error::NoHeap`], [`Error::OtherVersion`] and [`Error::OtherBuild`] where there
/// is nothing that can be read.
pub fn heaps(
    memory: &dyn Memory,
    mappings: Vec<Mapping>,
    options: Options,
) -> Result<Snapshot, Error> {
    let mut reader = Reader {
        memory,
        options,
        mappings: Ranges::of(&mappings),
        snapshot: Snapshot::default(),
        records: HashMap::new(),
        tallies: Vec::new(),
        first_area: 0,
    };
    for root in reader.roots(&mappings)? {
        reader.copy(&root, &mappings);
    }
    reader.put_in_order();
    reader.snapshot.records.sort_unstable();
    reader.snapshot.mappings = mappings;
    Ok(reader.snapshot)
}

/// A root record that can be read.
struct Root {
    address: usize,
    anchors: [usize; ANCHORS],
    /// Whether private heaps can be read as well.
    has_heaps: bool,
}

impl Root {
    fn anchor(&self, which: Anchor) -> usize {
        self.anchors.get(which as usize).copied().unwrap_or(0)
    }
}

pub(crate) struct Reader<'a> {
    pub(crate) memory: &'a dyn Memory,
    pub(crate) options: Options,
    pub(crate) mappings: Ranges,
    pub(crate) snapshot: Snapshot,
    /// Private heaps by their records' addresses.
    records: HashMap<usize, Known>,
    /// What was counted, by the heap's number.
    tallies: Vec<Tally>,
    /// The first area of the copy that is being read, whose areas come by address.
    first_area: usize,
}

/// A private heap's number and its record.
#[derive(Clone, Copy)]
struct Known {
    number: u32,
    record: outside::Heap,
}

/// What a private heap's figures count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) regions: usize,
    pub(crate) bytes: usize,
    pub(crate) blocks: usize,
    pub(crate) large_bytes: usize,
    pub(crate) large_blocks: usize,
    pub(crate) reserved: usize,
}

/// What is mapped, neighbours joined.
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    pub(crate) fn of(mappings: &[Mapping]) -> Ranges {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for mapping in mappings {
            match ranges.last_mut() {
                Some(last) if last.1 == mapping.start => last.1 = mapping.end,
                _ => ranges.push((mapping.start, mapping.end)),
            }
        }
        Ranges(ranges)
    }

    /// How many bytes are mapped.
    pub(crate) fn bytes(&self) -> u64 {
        let sizes = self.0.iter().map(|(start, end)| end - start);
        sizes.fold(0, u64::saturating_add)
    }

    /// Whether all of these bytes are mapped.
    pub(crate) fn have(&self, address: usize, bytes: usize) -> bool {
        let (start, Some(end)) = (address as u64, address.checked_add(bytes)) else {
            return false;
        };
        let after = self.0.partition_point(|range| range.0 <= start);
        let range = after.checked_sub(1).and_then(|at| self.0.get(at));
        range.is_some_and(|range| end as u64 <= range.1)
    }
}

impl<'a> Reader<'a> {
    fn roots(&mut self, mappings: &[Mapping]) -> Result<Vec<Root>, Error> {
        let mut roots = Vec::new();
        let mut why_not = Error::NoHeap;
        for mapping in mappings {
            let address = mapping.start as usize;
            if !mapping.is_readable
                || !mapping.is_writable
                || !address.is_multiple_of(ntheap::vm::GRANULARITY)
            {
                continue;
            }
            let mut bytes = [0; size_of::<RootRecord>()];
            if !self.memory.read(address, &mut bytes) {
                continue;
            }
            let Some(version) = root::version(&bytes, address) else {
                continue;
            };
            let Some(anchors) = root::recognise(&bytes, address) else {
                why_not = Error::OtherVersion(version, root::VERSION);
                continue;
            };
            let mut root = Root {
                address,
                anchors,
                has_heaps: false,
            };
            let layout = root.anchor(Anchor::Layout);
            if root.anchor(Anchor::ProcessHeap) == 0 {
                // Nobody has used it yet.
                continue;
            }
            let (can_read, has_heaps) = outside::can_read(layout);
            if !can_read {
                why_not = Error::OtherBuild;
                continue;
            }
            if !has_heaps {
                self.note(format!(
                    "the heaps of HeapCreate of the copy of ntheap at {address:#x} are laid out as \
                     another build's"
                ));
            }
            root.has_heaps = has_heaps;
            roots.push(root);
        }
        match why_not {
            _ if roots.is_empty() => Err(why_not),
            Error::NoHeap => Ok(roots),
            // Some can be read, and others not.
            other => {
                self.note(format!("a copy of ntheap in the process: {other}"));
                Ok(roots)
            }
        }
    }

    pub(crate) fn note(&mut self, what: String) {
        if !self.snapshot.missing.contains(&what) {
            self.snapshot.missing.push(what);
        }
    }

    pub(crate) fn problem(&mut self, heap: u64, address: usize, what: impl Into<String>) {
        self.snapshot.problems.push(Problem {
            heap,
            address: address as u64,
            what: what.into(),
        });
    }

    /// Says which blocks are not found.
    fn note_sampled(&mut self, root: &Root) {
        if root.anchor(Anchor::Sampled) != 0 {
            self.note(
                "the blocks that NTHEAP_SAMPLE guards, at most 256: they lie in pages of their own, \
                 to which nothing leads"
                    .to_owned(),
            );
        }
    }

    fn copy(&mut self, root: &Root, mappings: &[Mapping]) {
        let process = root.anchor(Anchor::ProcessHeap);
        let copy = self.snapshot.copies.len() as u32;
        self.snapshot.copies.push(Copy {
            root: root.address as u64,
            module: module_of(mappings, process as u64),
        });
        let number = self.snapshot.heaps.len() as u32;
        self.snapshot.heaps.push(Heap {
            copy,
            handle: process as u64,
            is_process: true,
            flags: 0,
            name: "process heap".to_owned(),
        });
        self.tallies.push(Tally::default());
        self.note_sampled(root);
        self.segments(copy, root);
        self.records(root);
        self.first_area = self.snapshot.areas.len();
        let kept = kept::of_front(self.memory, root.anchor(Anchor::PlainFront));
        let before = self.snapshot.heaps.len();
        let place = area::Place {
            copy,
            process: number,
            has_heaps: root.has_heaps,
        };
        self.slice_table(root, mappings, place);
        match kept {
            Some(kept) => self.settle(self.first_area, number, &kept),
            None => self.note(
                "threads' caches: of blocks without marks it is not known which are in use"
                    .to_owned(),
            ),
        }
        self.name_front(number);
        if self.options.wanted == Wanted::Checks {
            self.compare_figures(before);
        }
        let at = root.anchor(Anchor::Profile);
        if at != 0 {
            self.profile_records(at);
        }
        let at = root.anchor(Anchor::Traces);
        if at != 0
            && let Err(what) = traces::add(
                self.memory,
                at,
                (mappings, &self.mappings),
                &mut self.snapshot,
                (self.first_area, self.options.wanted != Wanted::Blocks),
            )
        {
            self.note(what.to_owned());
        }
    }

    /// Tells the front end of heap `number` from a heap of the same copy that has its name
    /// and serves malloc in its place.
    fn name_front(&mut self, number: u32) {
        let own = self.snapshot.heaps.get(number as usize);
        let Some((copy, name)) = own.map(|heap| (heap.copy, heap.name.clone())) else {
            return;
        };
        let is_served = self.snapshot.heaps.iter().any(|heap| {
            !heap.is_process
                && heap.copy == copy
                && heap.name == name
                && heap.flags & outside::WATCHED != 0
        });
        if let Some(own) = self
            .snapshot
            .heaps
            .get_mut(number as usize)
            .filter(|_| is_served)
        {
            FRONT_ALONE.clone_into(&mut own.name);
        }
    }

    /// Tells of the memory that holds a heap profile's records as the heaps' own: a block's
    /// address in it leads nobody to the block.
    fn profile_records(&mut self, header: usize) {
        let facts = self
            .memory
            .bytes(header, bytes::HEADER_BYTES)
            .and_then(|copy| Facts::decode(&copy));
        let range = facts.and_then(|facts| {
            let size = facts.record_count.checked_mul(bytes::RECORD_BYTES)?;
            self.mappings
                .have(facts.records, size)
                .then_some((facts.records, size))
        });
        match range {
            Some((start, size)) => self.snapshot.records.push(Range {
                start: start as u64,
                end: (start + size) as u64,
            }),
            None => self.note("the heap profile's records".to_owned()),
        }
    }

    /// Tells blocks in use from kept ones, where marks do not.
    fn settle(&mut self, first_area: usize, heap: u32, kept: &HashSet<u64>) {
        let Snapshot { areas, blocks, .. } = &mut self.snapshot;
        for area in areas
            .iter()
            .skip(first_area)
            .filter(|area| area.heap == heap)
        {
            let own = blocks.iter_mut().skip(area.first).take(area.count);
            for block in own.filter(|block| block.state == State::Out) {
                let is_kept = kept.contains(&block.address);
                block.state = if is_kept { State::Kept } else { State::Busy };
            }
        }
    }

    fn segments(&mut self, copy: u32, root: &Root) {
        let mut at = root.anchor(Anchor::Segments);
        let mut seen = HashSet::new();
        while at != 0 && seen.len() < MOST_SEGMENTS {
            if !seen.insert(at) {
                self.problem(0, at, "the list of segments leads back to this one");
                return;
            }
            let bytes = self.memory.bytes(at, outside::SEGMENT_BYTES);
            let Some(slices) = bytes.and_then(|bytes| Slices::decode(&bytes)) else {
                // A segment that was released meanwhile ends the list as well.
                self.note(format!("segments from the one at {at:#x} on"));
                return;
            };
            self.snapshot.segments.push(Segment {
                copy,
                base: slices.base as u64,
                slices: slices.count as u32,
                used: slices.used,
                dirty: slices.dirty,
                absent: slices.absent,
            });
            self.snapshot.records.push(Range {
                start: at as u64,
                end: at.saturating_add(slices.records) as u64,
            });
            at = slices.next;
        }
    }

    /// Where magazines, caches and other records lie.
    fn records(&mut self, root: &Root) {
        let mut at = root.anchor(Anchor::Records);
        let mut seen = HashSet::new();
        while at != 0 {
            let bytes = self.memory.bytes(at, outside::LINK_BYTES);
            let region = bytes.and_then(|bytes| outside::records_region(&bytes));
            let Some((before, length)) = region.filter(|_| seen.insert(at)) else {
                self.note(format!("records from those at {at:#x} on"));
                return;
            };
            self.snapshot.records.push(Range {
                start: at as u64,
                end: at.saturating_add(length) as u64,
            });
            at = before;
        }
    }

    /// Visits every entry of a slice table for which something is mapped.
    fn slice_table(&mut self, root: &Root, mappings: &[Mapping], place: area::Place) {
        let entries = root.anchor(Anchor::SliceTable);
        let mask = root.anchor(Anchor::SliceMask);
        if entries == 0 || !mask.wrapping_add(1).is_power_of_two() {
            self.note(format!(
                "the slice table of the copy at {:#x}",
                root.address
            ));
            return;
        }
        let table = Range {
            start: entries as u64,
            end: entries.saturating_add((mask + 1).saturating_mul(size_of::<usize>())) as u64,
        };
        self.snapshot.records.push(table);
        let mut seen = HashSet::new();
        let mut next = 0;
        let mut bytes = vec![0; ENTRIES * size_of::<usize>()];
        let work = Work::of(self.mappings.bytes());
        let mut before = 0;
        for mapping in mappings {
            let mut slice = (mapping.start as usize / SLICE_BYTES).max(next);
            let end = (mapping.end as usize).div_ceil(SLICE_BYTES);
            // More slices than there are entries share them.
            let end = end.min(slice.saturating_add(mask + 1));
            while slice < end {
                let index = slice & mask;
                let count = (end - slice).min(mask + 1 - index).min(ENTRIES);
                let Some(bytes) = bytes.get_mut(..count * size_of::<usize>()) else {
                    return;
                };
                // What cannot be read of a table was never used.
                if self
                    .memory
                    .read(entries + index * size_of::<usize>(), bytes)
                {
                    for (nth, entry) in bytes.as_chunks().0.iter().enumerate() {
                        let entry = usize::from_ne_bytes(*entry);
                        let descriptor = outside::descriptor_at(entries, entry);
                        if let Some(descriptor) = descriptor
                            && seen.insert(descriptor)
                        {
                            self.area(descriptor, (slice + nth) * SLICE_BYTES, place);
                        }
                    }
                }
                slice += count;
                let into = (slice * SLICE_BYTES) as u64;
                work.at(before + into.saturating_sub(mapping.start));
            }
            before += mapping.end - mapping.start;
            next = next.max(end);
        }
    }

    /// Has the areas of all copies, and their blocks, by address.
    fn put_in_order(&mut self) {
        let areas = &mut self.snapshot.areas;
        let is_sorted = areas.is_sorted_by_key(|area| area.start);
        areas.sort_by_key(|area| area.start);
        let count = areas.len();
        self.part_copies();
        if is_sorted && self.snapshot.areas.len() == count {
            return;
        }
        let Snapshot { areas, blocks, .. } = &mut self.snapshot;
        let mut in_order = Vec::with_capacity(blocks.len());
        for (number, area) in areas.iter_mut().enumerate() {
            let own = area.first..area.first + area.count;
            area.first = in_order.len();
            in_order.extend(
                blocks
                    .get(own)
                    .unwrap_or_default()
                    .iter()
                    .map(|block| Block {
                        area: number as u32,
                        ..*block
                    }),
            );
        }
        *blocks = in_order;
    }

    /// Leaves out what a second copy claims of a first one's memory: one of them says
    /// what is not so.
    fn part_copies(&mut self) {
        let mut claimed = Vec::new();
        let mut end = 0;
        self.snapshot.areas.retain(|area| {
            let is_apart = area.start >= end;
            if is_apart {
                end = area.start + area.reserved;
            } else {
                claimed.push(area.start);
            }
            is_apart
        });
        let mut segments: Vec<Segment> = Vec::new();
        self.snapshot.segments.sort_by_key(|segment| segment.base);
        for segment in std::mem::take(&mut self.snapshot.segments) {
            match segments.last() {
                Some(last) if last.range().end > segment.base => claimed.push(segment.base),
                _ => segments.push(segment),
            }
        }
        self.snapshot.segments = segments;
        for address in claimed {
            self.note(format!("what lies at {address:#x}, which two copies claim"));
        }
    }

    fn area(&mut self, descriptor: usize, address: usize, place: area::Place) {
        let first = self.snapshot.blocks.len();
        let (mut area, tally) = match area::read(self, descriptor, address, place) {
            Found::Nothing => return,
            Found::Area(area, tally) => (area, tally),
        };
        let last = self
            .snapshot
            .areas
            .get(self.first_area..)
            .unwrap_or_default()
            .last();
        let overlaps = last.is_some_and(|last| last.start + last.reserved > area.start);
        let is_mapped = self
            .mappings
            .have(area.start as usize, area.reserved as usize);
        if overlaps || !is_mapped {
            self.snapshot.blocks.truncate(first);
            self.note(format!(
                "what lies at {:#x}, which changed meanwhile",
                area.start
            ));
            return;
        }
        area.first = first;
        area.count = self.snapshot.blocks.len() - first;
        let number = self.snapshot.areas.len() as u32;
        for block in self.snapshot.blocks.iter_mut().skip(first) {
            block.area = number;
        }
        self.snapshot.areas.push(area);
        if let Some(sum) = self.tallies.get_mut(area.heap as usize) {
            sum.regions += tally.regions;
            sum.bytes += tally.bytes;
            sum.blocks += tally.blocks;
            sum.large_bytes += tally.large_bytes;
            sum.large_blocks += tally.large_blocks;
            sum.reserved += tally.reserved;
        }
    }

    /// The number of the private heap whose record lies there.
    pub(crate) fn heap(&mut self, record: usize, place: area::Place) -> Option<u32> {
        if let Some(known) = self.records.get(&record) {
            return Some(known.number);
        }
        let bytes = self.memory.bytes(record, outside::Heap::BYTES)?;
        let heap = outside::Heap::decode(&bytes)?;
        if heap.handle == 0 {
            return None;
        }
        let number = self.snapshot.heaps.len() as u32;
        self.snapshot.heaps.push(Heap {
            copy: place.copy,
            handle: heap.handle as u64,
            is_process: false,
            flags: heap.flags,
            name: heap.name().to_owned(),
        });
        self.tallies.push(Tally::default());
        self.records.insert(
            record,
            Known {
                number,
                record: heap,
            },
        );
        Some(number)
    }

    /// Whether the private heaps' figures are what was counted.
    fn compare_figures(&mut self, first: usize) {
        let mut known: Vec<Known> = self.records.values().copied().collect();
        known.retain(|known| known.number as usize >= first);
        known.sort_by_key(|known| known.number);
        for Known { number, record } in known {
            let tally = self
                .tallies
                .get(number as usize)
                .copied()
                .unwrap_or_default();
            for (what, says, counted) in [
                ("regions", record.regions, tally.regions),
                ("blocks in regions", record.blocks, tally.blocks),
                ("bytes in regions", record.bytes, tally.bytes),
                ("large blocks", record.large_blocks, tally.large_blocks),
                (
                    "bytes of large blocks",
                    record.large_bytes,
                    tally.large_bytes,
                ),
                ("bytes reserved", record.reserved, tally.reserved),
            ] {
                if says != counted {
                    self.problem(
                        record.handle as u64,
                        record.handle,
                        format!("the heap says it has {says} {what}, and {counted} were counted"),
                    );
                }
            }
        }
    }
}

/// The file of the module that an address of its data lies in: data of no file
/// follow the file's.
fn module_of(mappings: &[Mapping], address: u64) -> String {
    let at = mappings.partition_point(|mapping| mapping.start <= address);
    let mut before = mappings.get(..at).unwrap_or_default().iter().rev();
    let Some(mut mapping) = before.next().filter(|mapping| address < mapping.end) else {
        return String::new();
    };
    while !mapping.is_file {
        match before.next() {
            Some(lower) if lower.end == mapping.start => mapping = lower,
            _ => return String::new(),
        }
    }
    mapping.name.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_neighbours() {
        let mapping = |start, end| Mapping {
            start,
            end,
            ..Mapping::default()
        };
        let ranges = Ranges::of(&[
            mapping(0x1000, 0x2000),
            mapping(0x2000, 0x3000),
            mapping(0x5000, 0x6000),
        ]);
        assert!(ranges.have(0x1000, 0x2000) && ranges.have(0x1fff, 2) && ranges.have(0x5fff, 1));
        assert!(!ranges.have(0x1000, 0x2001) && !ranges.have(0xfff, 1) && !ranges.have(0x4fff, 2));
        assert!(!ranges.have(usize::MAX, 2));
    }

    #[test]
    fn data_behind_a_file_is_its_modules() {
        let mapping = |start, end, name: &str| Mapping {
            start,
            end,
            is_file: !name.is_empty(),
            name: name.to_owned(),
            ..Mapping::default()
        };
        let maps = [mapping(1, 2, "/a.so"), mapping(2, 3, ""), mapping(4, 5, "")];
        assert_eq!(module_of(&maps, 1), "/a.so");
        assert_eq!(module_of(&maps, 2), "/a.so");
        assert_eq!(module_of(&maps, 4), "");
        assert_eq!(module_of(&maps, 3), "");
    }
}

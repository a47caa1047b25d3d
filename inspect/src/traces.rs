//! Who allocated each block: the records that a process keeps of its blocks, and its
//! call stacks (`ust`).
//!
//! ```text
//!   registry's shards --> records by address --+
//!   areas' blocks, by address -----------------+--> Block::stack
//!   number --> the database's frames --> words --> Snapshot::stacks
//! ```
//!
//! Blocks with guard pages (`hpa`) are in no slice of a heap's: their records alone tell
//! of them, and each is an area of its own.
//!
//! What holds the records is told as the heaps' own memory: a block's address in it leads
//! nobody to the block.
//!
//! A frame is told as reports tell it: the module's file and the address in it, or the
//! address alone where no file lies there.

use crate::memory::Memory;
use crate::model::{Area, AreaKind, Block, Mapping, Range, Snapshot, Stack, State};
use crate::read::Ranges;
use ntheap::outside::{Busy, FIRST_MODULE, TRACES_BYTES, Traces};
use std::collections::HashMap;

/// How often a shard's table is read that grows meanwhile.
const TRIES: usize = 8;

/// Fills in who allocated the blocks of a copy, those of the areas from number
/// `first_area` on, which are in the order of their addresses, if `has_stacks`; behind them,
/// areas are added of the blocks with guard pages, by address as well. `at` is where the copy
/// says its records are.
///
/// # Errors
/// What is missing, in words.
pub(crate) fn add(
    memory: &dyn Memory,
    at: usize,
    (mappings, ranges): (&[Mapping], &Ranges),
    snapshot: &mut Snapshot,
    (first_area, has_stacks): (usize, bool),
) -> Result<(), &'static str> {
    const MISSING: &str = "call stacks of allocations, and blocks with guard pages";
    let bytes = memory.bytes(at, TRACES_BYTES).ok_or(MISSING)?;
    let traces = Traces::decode(&bytes).ok_or(MISSING)?;
    for [start, end] in traces.tables {
        let bytes = end.saturating_sub(start);
        if ranges.have(start, bytes) {
            push(&mut snapshot.records, start, bytes);
        }
    }
    let records = records(memory, &traces, ranges.bytes(), &mut snapshot.records);
    let records = records.ok_or(MISSING)?;
    let database = words(memory, traces.database).ok_or(MISSING)?;
    if database.1 != 0 && !ranges.have(database.0, database.1) {
        return Err(MISSING);
    }
    push(&mut snapshot.records, database.0, database.1);
    let mut stacks = Stacks {
        memory,
        traces,
        base: database.0,
        used: database.1,
        left: database.1,
        places: Places {
            memory,
            mappings,
            slides: HashMap::new(),
            of_mappings: HashMap::new(),
        },
        has_stacks,
        numbers: HashMap::new(),
        are_whole: true,
    };
    let (guarded, records): (Vec<Busy>, Vec<Busy>) = records
        .into_iter()
        .partition(|record| traces.is_guarded(record));
    let mut records = records.into_iter().peekable();
    let Snapshot {
        areas,
        blocks,
        heaps,
        stacks: known,
        tags: names,
        ..
    } = snapshot;
    let mut tags = Tags {
        memory,
        traces,
        numbers: HashMap::new(),
    };
    for area in areas.iter().skip(first_area) {
        for block in blocks.iter_mut().skip(area.first).take(area.count) {
            let end = block.address.saturating_add(block.room().max(1));
            while records
                .next_if(|record| (record.start as u64) < block.address)
                .is_some()
            {}
            // With page heap's patterns the program's block begins behind them.
            if block.state.is_held()
                && let Some(record) = records.next_if(|record| (record.start as u64) < end)
            {
                block.stack = stacks.number(record.stack, known);
                block.tag = tags.number(record.tag, names);
            }
        }
    }
    let numbers: HashMap<u64, u32> = (0..)
        .zip(heaps.iter())
        .map(|(n, h)| (h.handle, n))
        .collect();
    let mut last = 0;
    for record in guarded {
        let area = area_of(&record).filter(|area| {
            area.start >= last && ranges.have(area.start as usize, area.reserved as usize)
        });
        let heap = numbers.get(&(record.heap as u64)).copied();
        // Of a heap that ended meanwhile, of a page that changed hands, or of no page.
        let (Some(heap), Some(area)) = (heap, area) else {
            stacks.are_whole = false;
            continue;
        };
        last = area.start + area.reserved;
        blocks.push(Block {
            address: record.start as u64,
            size: record.size as u64,
            slack: 0,
            area: areas.len() as u32,
            stack: stacks.number(record.stack, known),
            state: State::Busy,
            tag: tags.number(record.tag, names),
        });
        areas.push(Area {
            heap,
            first: blocks.len() - 1,
            ..area
        });
    }
    if stacks.are_whole {
        Ok(())
    } else {
        Err(MISSING)
    }
}

/// The pages of a block with guard pages; `None` for what no block has.
fn area_of(record: &Busy) -> Option<Area> {
    const PAGE: u64 = 4096;
    let start = record.start as u64 / PAGE * PAGE;
    let end = (record.start as u64).checked_add(record.size.max(1) as u64)?;
    let bytes = end.checked_next_multiple_of(PAGE)? - start;
    Some(Area {
        kind: AreaKind::Guarded,
        start,
        reserved: bytes,
        committed: bytes,
        count: 1,
        ..Area::default()
    })
}

/// Tells of memory that holds records.
fn push(own: &mut Vec<Range>, start: usize, bytes: usize) {
    if bytes != 0 {
        own.push(Range {
            start: start as u64,
            end: start.saturating_add(bytes) as u64,
        });
    }
}

/// Two words.
fn words(memory: &dyn Memory, at: usize) -> Option<(usize, usize)> {
    let words = memory.words(at, 16)?;
    Some((*words.first()? as usize, *words.get(1)? as usize))
}

/// The records of all blocks that are handed out, by address; `own` is told where they
/// are. All tables together have at most `left` bytes: what is more is read twice.
fn records(
    memory: &dyn Memory,
    traces: &Traces,
    mut left: u64,
    own: &mut Vec<Range>,
) -> Option<Vec<Busy>> {
    let mut found = Vec::new();
    for shard in 0..traces.count {
        let at = traces.shards.checked_add(shard * traces.stride)?;
        let table = || {
            let table = memory.words(at.checked_add(traces.table)?, 8)?;
            let capacity = memory.words(at.checked_add(traces.capacity)?, 8)?;
            Some((*table.first()? as usize, *capacity.first()? as usize))
        };
        let mut tries = 0;
        let bytes = loop {
            let (start, capacity) = table()?;
            if capacity == 0 {
                break Vec::new();
            }
            let size = capacity.checked_mul(traces.record)?;
            if size as u64 > left {
                return None;
            }
            // The old table is gone when there is a new one.
            let bytes = memory.bytes(start, size);
            tries += 1;
            match bytes {
                Some(bytes) if table()? == (start, capacity) => {
                    push(own, start, bytes.len());
                    break bytes;
                }
                _ if tries == TRIES => return None,
                _ => {}
            }
        };
        left -= bytes.len() as u64;
        let records = bytes.chunks_exact(traces.record);
        found.extend(records.filter_map(|record| traces.busy(record)));
    }
    found.sort_unstable_by_key(|record| record.start);
    Some(found)
}

/// The stacks of a copy.
struct Stacks<'a> {
    memory: &'a dyn Memory,
    traces: Traces,
    /// The database's address, and its bytes in use.
    base: usize,
    used: usize,
    /// Bytes that the stacks not read yet can have: no two share any.
    left: usize,
    places: Places<'a>,
    /// Whether they are asked for.
    has_stacks: bool,
    /// The snapshot's numbers by the copy's; 0 for a stack that could not be read.
    numbers: HashMap<u32, u32>,
    /// Whether nothing is missing.
    are_whole: bool,
}

impl Stacks<'_> {
    /// The snapshot's number of a stack, which is read if it is not among `known`; 0 for
    /// none.
    fn number(&mut self, own: u32, known: &mut Vec<Stack>) -> u32 {
        if own == 0 || !self.has_stacks {
            return 0;
        }
        if let Some(number) = self.numbers.get(&own) {
            return *number;
        }
        let id = u32::try_from(known.len() + 1).unwrap_or(0);
        let number = match self.frames(own) {
            Some(frames) if id != 0 => {
                let frames = frames.iter().map(|&frame| self.places.words(frame));
                known.push(Stack {
                    id,
                    frames: frames.collect(),
                });
                id
            }
            _ => {
                self.are_whole = false;
                0
            }
        };
        self.numbers.insert(own, number);
        number
    }

    fn frames(&mut self, own: u32) -> Option<Vec<u64>> {
        let at = Traces::stack_at(own);
        let head = self.traces.head;
        if at.checked_add(head)? > self.used {
            return None;
        }
        let place = self.base.checked_add(at)?;
        let count = self.traces.frames_of(&self.memory.bytes(place, head)?)?;
        self.left = self.left.checked_sub(head + count * 8)?;
        self.memory.words(place.checked_add(head)?, count * 8)
    }
}

/// The tags of a copy.
struct Tags<'a> {
    memory: &'a dyn Memory,
    traces: Traces,
    /// The snapshot's numbers by the copy's.
    numbers: HashMap<u16, u16>,
}

impl Tags<'_> {
    /// The snapshot's number of a tag, which is named if it is not among `names`; 0 for none.
    fn number(&mut self, own: u16, names: &mut Vec<String>) -> u16 {
        if own == 0 {
            return 0;
        }
        if let Some(number) = self.numbers.get(&own) {
            return *number;
        }
        let name = self.name(own);
        // Another copy may have the same one.
        let known = names.iter().position(|known| *known == name);
        let place = known.unwrap_or(names.len());
        let number = u16::try_from(place + 1).unwrap_or(0);
        if known.is_none() && number != 0 {
            names.push(name);
        }
        self.numbers.insert(own, number);
        number
    }

    fn name(&self, own: u16) -> String {
        let Some(at) = self.traces.module_at(own) else {
            return format!("tag {own}");
        };
        let record = self.memory.bytes(at, self.traces.modules[2]);
        let name = record
            .as_deref()
            .and_then(|record| self.traces.module_name(record));
        match name.map(String::from_utf8_lossy) {
            Some(name) => name.escape_debug().to_string(),
            None => format!("module {}", own - FIRST_MODULE + 1),
        }
    }
}

/// Where addresses of code are in their files.
struct Places<'a> {
    memory: &'a dyn Memory,
    mappings: &'a [Mapping],
    /// What was added to the addresses of a file, by the index of its first mapping.
    slides: HashMap<usize, u64>,
    /// The same by any of its mappings that was asked for: between two of a file there may
    /// lie tens of thousands of others.
    of_mappings: HashMap<usize, u64>,
}

impl Places<'_> {
    /// An address in words.
    fn words(&mut self, address: u64) -> String {
        let after = self
            .mappings
            .partition_point(|mapping| mapping.start <= address);
        let at = after.wrapping_sub(1);
        match self.mappings.get(at) {
            Some(mapping) if address < mapping.end && mapping.is_file => {
                let file = mapping.name.rsplit('/').next().unwrap_or_default();
                format!("{file}+{:#x}", address.wrapping_sub(self.slide(at)))
            }
            _ => format!("{address:#x}"),
        }
    }

    /// What was added to the addresses in the file that mapping `at` is of.
    fn slide(&mut self, at: usize) -> u64 {
        if let Some(slide) = self.of_mappings.get(&at) {
            return *slide;
        }
        let slide = self.find_slide(at);
        self.of_mappings.insert(at, slide);
        slide
    }

    fn find_slide(&mut self, at: usize) -> u64 {
        let (before, _) = self.mappings.split_at(at + 1);
        let own = before.last().map_or("", |mapping| &mapping.name);
        let mut first = at;
        for (index, mapping) in before.iter().enumerate().rev() {
            if mapping.name == own {
                first = index;
            } else if mapping.is_file {
                break;
            }
        }
        if let Some(slide) = self.slides.get(&first) {
            return *slide;
        }
        let start = before.get(first).map_or(0, |mapping| mapping.start);
        let slide = start.wrapping_sub(self.linked_at(start).unwrap_or(0));
        self.slides.insert(first, slide);
        slide
    }

    /// The address that the file which lies at `start` was linked to begin at: the lowest
    /// of its segments'.
    fn linked_at(&self, start: u64) -> Option<u64> {
        const LOAD: u32 = 1;
        let header = self.memory.bytes(start as usize, 64)?;
        if !header.starts_with(b"\x7fELF\x02") {
            return None;
        }
        let word = |bytes: &[u8], at: usize| -> Option<u64> {
            Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
        };
        let short = |at: usize| -> Option<usize> {
            let short = u16::from_le_bytes(*header.get(at..)?.first_chunk()?);
            Some(usize::from(short))
        };
        let (segments, bytes, count) = (word(&header, 32)?, short(54)?, short(56)?);
        let at = start.checked_add(segments)? as usize;
        let table = self.memory.bytes(at, bytes.checked_mul(count)?)?;
        let lowest = table
            .chunks_exact(bytes.max(1))
            .filter(|segment| segment.starts_with(&LOAD.to_le_bytes()))
            .filter_map(|segment| word(segment, 16))
            .min()?;
        Some(lowest & !0xfff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Heap;

    const BASE: u64 = 0x10_0000;
    const END: u64 = BASE + 0x4000;
    const HEAP: u64 = 0x7000;
    /// Where the words of a copy are; behind them, two shards, their tables, and the
    /// database.
    const AT: usize = BASE as usize;
    const SHARDS: usize = AT + 0x200;
    const TABLES: [usize; 2] = [AT + 0x400, AT + 0x800];
    const DATABASE: usize = AT + 0x300;
    const STACKS: usize = AT + 0x1000;
    const RECORD: usize = 64;

    /// Memory of another process, and nothing else of it.
    struct Other(Vec<u8>);

    impl Memory for Other {
        fn read(&self, address: usize, to: &mut [u8]) -> bool {
            let from = address.checked_sub(AT).and_then(|at| self.0.get(at..));
            match from.and_then(|from| from.get(..to.len())) {
                Some(from) => to.copy_from_slice(from),
                None => return false,
            }
            true
        }
    }

    impl Other {
        fn write(&mut self, address: usize, words: &[u64]) {
            for (place, word) in (address - AT..).step_by(8).zip(words) {
                self.0[place..place + 8].copy_from_slice(&word.to_ne_bytes());
            }
        }

        /// A record: start, size, heap, stack and state.
        fn record(&mut self, address: usize, start: u64, size: u64, stack: u64) {
            self.write(address, &[start, size, HEAP, stack, 0]);
        }
    }

    /// A copy with two blocks in its guarded pages, the last half of the memory.
    fn honest() -> Other {
        let mut other = Other(vec![0; (END - BASE) as usize]);
        let guarded = [BASE + 0x2000, END];
        let words = [
            DATABASE, SHARDS, 2, 24, 0, 8, RECORD, 0, 24, 32, 8, 16, 8, 0,
        ];
        other.write(AT, &words.map(|word| word as u64));
        other.write(AT + 14 * 8, &guarded);
        for (shard, table) in TABLES.into_iter().enumerate() {
            other.write(SHARDS + shard * 24, &[table as u64, 16]);
        }
        other.write(DATABASE, &[STACKS as u64, 64]);
        // Two stacks of two frames.
        other.write(STACKS + 8, &[2, 0x11, 0x12, 2, 0x21, 0x22]);
        other.record(TABLES[0], BASE + 0x2ff0, 16, 1);
        other.record(TABLES[1] + RECORD, BASE + 0x3100, 0xf00, 4);
        other
    }

    fn read(other: &Other) -> (Result<(), &'static str>, Snapshot) {
        let mut snapshot = Snapshot {
            heaps: vec![Heap {
                handle: HEAP,
                ..Heap::default()
            }],
            ..Snapshot::default()
        };
        let mapping = |start, end| Mapping {
            start,
            end,
            ..Mapping::default()
        };
        let mappings = [mapping(BASE, BASE + 0x2800), mapping(BASE + 0x2800, END)];
        let ranges = Ranges::of(&mappings);
        let answer = add(other, AT, (&mappings, &ranges), &mut snapshot, (0, true));
        (answer, snapshot)
    }

    #[test]
    fn guarded_blocks_and_their_stacks_are_read() {
        let (answer, snapshot) = read(&honest());
        assert_eq!(answer, Ok(()));
        let starts: Vec<u64> = snapshot.areas.iter().map(|area| area.start).collect();
        assert_eq!(starts, [BASE + 0x2000, BASE + 0x3000]);
        assert_eq!(snapshot.stacks[1].frames, ["0x21", "0x22"]);
        assert_eq!(snapshot.records.len(), 3);
    }

    /// Whatever another process says, the answer says that something is missing, and
    /// has no more than what is there.
    #[test]
    fn what_cannot_be_is_missing() {
        type Change = fn(&mut Other);
        let changes: [(&str, usize, Change); 9] = [
            ("no pages", 1, |other| {
                other.write(AT + 15 * 8, &[u64::MAX]);
                other.record(TABLES[0], u64::MAX - 20, 16, 1);
            }),
            ("pages up to the last address", 1, |other| {
                other.write(AT + 15 * 8, &[u64::MAX]);
                other.record(TABLES[0], u64::MAX - 0x2000, 0x1000, 1);
            }),
            ("pages behind the mappings", 1, |other| {
                other.write(AT + 15 * 8, &[u64::MAX]);
                other.record(TABLES[0], BASE + 0x3ff0, 0x1000, 1);
            }),
            ("pages of another block", 1, |other| {
                other.record(TABLES[0], BASE + 0x3080, 16, 1);
            }),
            ("one shard for all", 0, |other| {
                other.write(AT + 2 * 8, &[4096, 0]);
            }),
            ("tables of more than is mapped", 0, |other| {
                for shard in 0..2 {
                    other.write(SHARDS + shard * 24, &[BASE, 0x3000 / RECORD as u64]);
                }
            }),
            ("a capacity of all addresses", 0, |other| {
                other.write(SHARDS + 8, &[u64::MAX]);
            }),
            ("a database of more than is mapped", 0, |other| {
                other.write(DATABASE, &[STACKS as u64, u64::MAX]);
            }),
            ("stacks that share frames", 2, |other| {
                // The second begins with the first's last frame.
                other.write(STACKS + 8, &[4, 0x11, 0x12, 4, 0x21, 0x22, 0x23, 0x24]);
                other.write(DATABASE, &[STACKS as u64, 72]);
            }),
        ];
        for (what, blocks, change) in changes {
            let mut other = honest();
            change(&mut other);
            let (answer, snapshot) = read(&other);
            assert!(answer.is_err(), "{what}");
            assert_eq!(snapshot.blocks.len(), blocks, "{what}");
            assert_eq!(snapshot.areas.len(), blocks, "{what}");
            for area in &snapshot.areas {
                assert!(area.start + area.reserved <= END, "{what}");
            }
        }
    }
}

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
//! A frame is told as reports tell it: the module's file and the address in it, or the
//! address alone where no file lies there.

use crate::memory::Memory;
use crate::model::{Area, AreaKind, Block, Mapping, Snapshot, Stack, State};
use ntheap::outside::{Busy, TRACES_BYTES, Traces};
use std::collections::HashMap;

/// How often a shard's table is read that grows meanwhile.
const TRIES: usize = 8;

/// Fills in who allocated the blocks of a copy, those of the areas from number
/// `first_area` on, which are in the order of their addresses; behind them, areas are added
/// of the blocks with guard pages, by address as well. `at` is where the copy says its
/// records are.
///
/// # Errors
/// What is missing, in words.
pub(crate) fn add(
    memory: &dyn Memory,
    at: usize,
    mappings: &[Mapping],
    snapshot: &mut Snapshot,
    first_area: usize,
) -> Result<(), &'static str> {
    const MISSING: &str = "call stacks of allocations, and blocks with guard pages";
    let bytes = memory.bytes(at, TRACES_BYTES).ok_or(MISSING)?;
    let traces = Traces::decode(&bytes).ok_or(MISSING)?;
    let records = records(memory, &traces).ok_or(MISSING)?;
    let database = words(memory, traces.database).ok_or(MISSING)?;
    let mut stacks = Stacks {
        memory,
        traces,
        base: database.0,
        used: database.1,
        places: Places {
            memory,
            mappings,
            slides: HashMap::new(),
        },
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
        ..
    } = snapshot;
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
            }
        }
    }
    let numbers: HashMap<u64, u32> = (0..)
        .zip(heaps.iter())
        .map(|(n, h)| (h.handle, n))
        .collect();
    let mut last = 0;
    for record in guarded {
        let area = area_of(&record);
        let heap = numbers.get(&(record.heap as u64)).copied();
        // Of a heap that ended meanwhile, or of a page that changed hands.
        let (Some(heap), true) = (heap, area.start >= last) else {
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

/// The pages of a block with guard pages.
fn area_of(record: &Busy) -> Area {
    const PAGE: u64 = 4096;
    let start = record.start as u64 / PAGE * PAGE;
    let end = (record.start as u64).saturating_add(record.size.max(1) as u64);
    let bytes = end.next_multiple_of(PAGE) - start;
    Area {
        kind: AreaKind::Guarded,
        start,
        reserved: bytes,
        committed: bytes,
        count: 1,
        ..Area::default()
    }
}

/// Two words.
fn words(memory: &dyn Memory, at: usize) -> Option<(usize, usize)> {
    let words = memory.words(at, 16)?;
    Some((*words.first()? as usize, *words.get(1)? as usize))
}

/// The records of all blocks that are handed out, by address.
fn records(memory: &dyn Memory, traces: &Traces) -> Option<Vec<Busy>> {
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
            // The old table is gone when there is a new one.
            let bytes = memory.bytes(start, capacity.checked_mul(traces.record)?);
            tries += 1;
            match bytes {
                Some(bytes) if table()? == (start, capacity) => break bytes,
                _ if tries == TRIES => return None,
                _ => {}
            }
        };
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
    places: Places<'a>,
    /// The snapshot's numbers by the copy's; 0 for a stack that could not be read.
    numbers: HashMap<u32, u32>,
    /// Whether nothing is missing.
    are_whole: bool,
}

impl Stacks<'_> {
    /// The snapshot's number of a stack, which is read if it is not among `known`; 0 for
    /// none.
    fn number(&mut self, own: u32, known: &mut Vec<Stack>) -> u32 {
        if own == 0 {
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

    fn frames(&self, own: u32) -> Option<Vec<u64>> {
        let at = Traces::stack_at(own);
        let head = self.traces.head;
        if at.checked_add(head)? > self.used {
            return None;
        }
        let place = self.base.checked_add(at)?;
        let count = self.traces.frames_of(&self.memory.bytes(place, head)?)?;
        self.memory.words(place.checked_add(head)?, count * 8)
    }
}

/// Where addresses of code are in their files.
struct Places<'a> {
    memory: &'a dyn Memory,
    mappings: &'a [Mapping],
    /// What was added to the addresses of a file, by the index of its first mapping.
    slides: HashMap<usize, u64>,
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

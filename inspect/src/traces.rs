//! Who allocated each block: the records that a process keeps of its blocks, and its
//! call stacks (`ust`).
//!
//! ```text
//!   registry's shards --> (block, number) by address --+
//!   areas' blocks, by address -------------------------+--> Block::stack
//!   number --> the database's frames --> words --> Snapshot::stacks
//! ```
//!
//! A frame is told as reports tell it: the module's file and the address in it, or the
//! address alone where no file lies there.

use crate::memory::Memory;
use crate::model::{Mapping, Snapshot, Stack};
use ntheap::outside::{TRACES_BYTES, Traces};
use std::collections::HashMap;

/// How often a shard's table is read that grows meanwhile.
const TRIES: usize = 8;

/// Fills in who allocated the blocks of a copy: those of the areas from number
/// `first_area` on, which are in the order of their addresses. `at` is where the copy says
/// its records are.
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
    const MISSING: &str = "call stacks of allocations";
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
    };
    let mut records = records.into_iter().peekable();
    let Snapshot {
        areas,
        blocks,
        stacks: known,
        ..
    } = snapshot;
    let mut are_whole = true;
    for area in areas.iter().skip(first_area) {
        for block in blocks.iter_mut().skip(area.first).take(area.count) {
            let end = block.address.saturating_add(block.room().max(1));
            while records.next_if(|record| record.0 < block.address).is_some() {}
            // With page heap's patterns the program's block begins behind them.
            if block.state.is_held()
                && let Some((_, number)) = records.next_if(|record| record.0 < end)
            {
                let stack = stacks.number(number, known);
                are_whole &= stack.is_some();
                block.stack = stack.unwrap_or(0);
            }
        }
    }
    if are_whole { Ok(()) } else { Err(MISSING) }
}

/// Two words.
fn words(memory: &dyn Memory, at: usize) -> Option<(usize, usize)> {
    let words = memory.words(at, 16)?;
    Some((*words.first()? as usize, *words.get(1)? as usize))
}

/// All blocks whose allocation's stack was kept, with its number, by address.
fn records(memory: &dyn Memory, traces: &Traces) -> Option<Vec<(u64, u32)>> {
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
        let busy = bytes
            .chunks_exact(traces.record)
            .filter_map(|record| traces.busy(record));
        found.extend(busy.map(|(start, stack)| (start as u64, stack)));
    }
    found.sort_unstable();
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
    /// The snapshot's numbers by the copy's; none for a stack that could not be read.
    numbers: HashMap<u32, Option<u32>>,
}

impl Stacks<'_> {
    /// The snapshot's number of a stack, which is read if it is not among `known`.
    fn number(&mut self, own: u32, known: &mut Vec<Stack>) -> Option<u32> {
        if let Some(number) = self.numbers.get(&own) {
            return *number;
        }
        let number = self.frames(own).and_then(|frames| {
            let id = u32::try_from(known.len()).ok()?.checked_add(1)?;
            let frames = frames
                .iter()
                .map(|&frame| self.places.words(frame))
                .collect();
            known.push(Stack { id, frames });
            Some(id)
        });
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

//! Which blocks nothing leads to.
//!
//! A word that is the address of a byte of a block that a program has leads to it,
//! whatever the word was meant as. What is looked through for such words: the
//! registers of stopped threads, their stacks from the stack pointer up, and every
//! other private mapping that can be written to, but for the heaps' own memory;
//! then each block that was reached.
//!
//! ```text
//!   registers, stacks, data ---> block ---> block
//!                                block ---> block      nothing leads to these
//! ```
//!
//! Of a large mapping only those pages are looked through that hold something.
//!
//! So a block that is reached may be lost all the same, because an old word or a
//! number looks like its address; one that is not reached is lost, unless the
//! program hides addresses: in files, in other processes, or with bits added.

use crate::held_pages::page_size;
use crate::memory::Memory;
use crate::model::{Mapping, Range, Snapshot, State};
use crate::progress::Work;

/// Bytes that are looked through at a time.
const PIECE: usize = 256 * 1024;
/// Bytes of a page, by which a piece is read where it cannot be as a whole.
const PAGE: usize = 4096;
/// Bytes below a stack pointer that a function may use.
const RED_ZONE: u64 = 128;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Numbers of the blocks that nothing leads to, in use for certain.
    pub lost: Vec<usize>,
    /// Numbers of those that may be in a thread's cache instead.
    pub unsure: Vec<usize>,
    /// Blocks that something leads to.
    pub reached: usize,
    /// Bytes that were looked through.
    pub bytes: u64,
}

/// Looks for blocks that nothing leads to. The process is held, and `registers`
/// are its threads'.
pub fn unreached(memory: &dyn Memory, snapshot: &Snapshot, registers: &[u64]) -> Reached {
    let mut scan = Scan {
        memory,
        snapshot,
        is_reached: vec![false; snapshot.blocks.len()],
        pending: Vec::new(),
        low: snapshot.areas.first().map_or(u64::MAX, |area| area.start),
        high: snapshot
            .areas
            .last()
            .map_or(0, |area| area.start.saturating_add(area.reserved)),
        bytes: 0,
        work: None,
    };
    for &word in registers {
        scan.word(word);
    }
    // It leads nowhere but by the blocks in it.
    let own = snapshot.own_ranges();
    let mut ranges = Vec::new();
    for mapping in &snapshot.mappings {
        if mapping.is_readable && mapping.is_writable && !mapping.is_shared {
            scan.parts(mapping, &own, &mut ranges);
        }
    }
    let sizes = ranges.iter().map(|range| range.end - range.start);
    let held = snapshot.blocks.iter().filter(|block| block.state.is_held());
    // What a damaged heap says of its blocks may be more than there can be.
    let sizes = sizes.chain(held.map(|block| block.size));
    let total = sizes.fold(0, u64::saturating_add);
    scan.work = Some(Work::of(total));
    for range in ranges {
        scan.range(range.start, range.end);
    }
    while let Some(number) = scan.pending.pop() {
        if let Some(block) = snapshot.blocks.get(number) {
            scan.range(block.address, block.address.saturating_add(block.size));
        }
    }
    let mut found = Reached {
        bytes: scan.bytes,
        ..Reached::default()
    };
    for (number, (block, is_reached)) in snapshot.blocks.iter().zip(&scan.is_reached).enumerate() {
        match (block.state, is_reached) {
            (State::Free | State::Kept, _) => {}
            (_, true) => found.reached += 1,
            (State::Out, false) => found.unsure.push(number),
            (State::Busy, false) => found.lost.push(number),
        }
    }
    found
}

struct Scan<'a> {
    memory: &'a dyn Memory,
    snapshot: &'a Snapshot,
    is_reached: Vec<bool>,
    pending: Vec<usize>,
    low: u64,
    high: u64,
    bytes: u64,
    work: Option<Work>,
}

/// Ranges from here on are asked of the system for what they hold.
const LARGE: u64 = 1 << 20;

impl Scan<'_> {
    fn word(&mut self, word: u64) {
        if word < self.low || word >= self.high {
            return;
        }
        if let Some(number) = self.snapshot.held_at(word)
            && let Some(is_reached) = self.is_reached.get_mut(number)
            && !std::mem::replace(is_reached, true)
        {
            self.pending.push(number);
        }
    }

    /// Adds the parts of a mapping that are not the heaps' own and hold something; of a stack,
    /// those that are in use.
    fn parts(&self, mapping: &Mapping, own: &[Range], to: &mut Vec<Range>) {
        let mut add = |start: u64, end: u64| {
            if end.saturating_sub(start) < LARGE {
                to.extend((start < end).then_some(Range { start, end }));
                return;
            }
            // The pages that the ends lie in are asked for as a whole.
            let page = page_size();
            let whole = Range {
                start: start / page * page,
                end: end.next_multiple_of(page),
            };
            to.extend(self.memory.held(whole).into_iter().map(|held| Range {
                start: held.start.max(start),
                end: held.end.min(end),
            }));
        };
        let pointers = &self.snapshot.process.stack_pointers;
        let inside = pointers
            .iter()
            .filter(|&&sp| mapping.start <= sp && sp < mapping.end);
        // Several stacks in one mapping: the lowest is all that is known.
        let start = inside.min().map_or(mapping.start, |&sp| {
            sp.saturating_sub(RED_ZONE).max(mapping.start)
        });
        let mut at = start & !7;
        let first = own.partition_point(|range| range.end <= at);
        for range in own.iter().skip(first) {
            if range.start >= mapping.end {
                break;
            }
            add(at, range.start);
            at = at.max(range.end);
        }
        add(at, mapping.end);
    }

    fn range(&mut self, from: u64, to: u64) {
        let Some(mut at) = from.checked_next_multiple_of(8) else {
            return;
        };
        let mut piece = vec![0; PIECE.min(to.saturating_sub(at) as usize)];
        while at < to {
            let length = piece.len().min((to - at) as usize);
            let Some(bytes) = piece.get_mut(..length) else {
                return;
            };
            if self.memory.read(at as usize, bytes) {
                self.words(bytes);
            } else {
                // Some of its pages may be readable.
                for (page, bytes) in (at..).step_by(PAGE).zip(bytes.chunks_mut(PAGE)) {
                    if self.memory.read(page as usize, bytes) {
                        self.words(bytes);
                    }
                }
            }
            at += length as u64;
        }
    }

    fn words(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if let Some(work) = &self.work {
            work.at(self.bytes);
        }
        for word in bytes.as_chunks::<8>().0 {
            let word = u64::from_ne_bytes(*word);
            if word >= self.low && word < self.high {
                self.word(word);
            }
        }
    }
}

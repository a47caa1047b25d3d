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
/// Bytes between two blocks that are read with them rather than left out.
const GAP: u64 = 4096;
/// Ranges that are read at a time.
const RANGES: usize = 512;
/// Blocks that are reached at once up to which each is read by itself, with what lies about it.
const FEW: usize = 8;
/// Bytes that are read with such a block, as long as none of them was looked at, and at most.
const NEAR: [u64; 2] = [4096, 64 * 1024];
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
        near: Near::default(),
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
    while !scan.pending.is_empty() {
        let mut round = std::mem::take(&mut scan.pending);
        if round.len() < FEW {
            for number in round {
                scan.nearby(number);
            }
        } else {
            round.sort_unstable();
            scan.round(&round);
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
    near: Near,
}

/// What was read with a block: where one leads to the next, as in a list, that mostly lies
/// near it.
#[derive(Default)]
struct Near {
    start: u64,
    bytes: Vec<u8>,
    /// Bytes to read next time.
    reach: u64,
}

impl Near {
    /// The bytes of a range, if all of them were read.
    fn get(&self, range: Range) -> Option<&[u8]> {
        let from = usize::try_from(range.start.checked_sub(self.start)?).ok()?;
        let to = usize::try_from(range.end.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..to)
    }
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

    /// The whole words of a block; `None` for one of no words.
    fn words_of(&self, number: usize) -> Option<(Range, u32)> {
        let block = self.snapshot.blocks.get(number)?;
        let start = block.address.checked_next_multiple_of(8)?;
        let end = block.address.saturating_add(block.size);
        (start < end).then_some((Range { start, end }, block.area))
    }

    /// Looks through blocks, which are in the order of their addresses.
    fn round(&mut self, numbers: &[usize]) {
        let (mut spans, mut blocks, mut bytes) = (Vec::<Range>::new(), Vec::new(), 0);
        let mut last_area = None;
        for &number in numbers {
            let Some((words, area)) = self.words_of(number) else {
                continue;
            };
            if words.end - words.start >= PIECE as u64 {
                self.range(words.start, words.end);
                continue;
            }
            if spans.len() == RANGES || bytes >= PIECE as u64 {
                self.spans(&spans, &blocks);
                spans.clear();
                blocks.clear();
                (bytes, last_area) = (0, None);
            }
            match spans.last_mut() {
                // What lies between two blocks of an area mostly can be read as well.
                Some(span)
                    if last_area == Some(area)
                        && words.start >= span.end
                        && words.start - span.end <= GAP =>
                {
                    bytes += words.end - span.end;
                    span.end = words.end;
                }
                _ => {
                    bytes += words.end - words.start;
                    spans.push(words);
                }
            }
            last_area = Some(area);
            blocks.push((spans.len() - 1, words));
        }
        self.spans(&spans, &blocks);
    }

    /// Looks through blocks that lie in ranges, each with the number of its range.
    fn spans(&mut self, spans: &[Range], blocks: &[(usize, Range)]) {
        let mut starts = Vec::with_capacity(spans.len());
        let mut total = 0;
        for span in spans {
            starts.push(total);
            total += (span.end - span.start) as usize;
        }
        let mut bytes = vec![0; total];
        let read = self.memory.read_many(spans, &mut bytes);
        for &(number, words) in blocks {
            let found = spans.get(number).zip(starts.get(number));
            let found = found.and_then(|(span, start)| {
                let from = start + (words.start - span.start) as usize;
                let to = from + (words.end - words.start) as usize;
                bytes.get(..read)?.get(from..to)
            });
            match found {
                Some(found) => self.words(found),
                None => self.range(words.start, words.end),
            }
        }
    }

    /// Looks through a block, and reads what lies about it if that was of use before.
    fn nearby(&mut self, number: usize) {
        let Some((words, area)) = self.words_of(number) else {
            return;
        };
        let [least, most] = NEAR;
        if words.end - words.start > least {
            return self.range(words.start, words.end);
        }
        if self.near.get(words).is_some() {
            self.near.reach = (self.near.reach * 2).min(most);
        } else {
            let reach = self.near.reach.max(least);
            self.near.reach = least;
            let area = self.snapshot.areas.get(area as usize);
            let area = area.map(|area| (area.start, area.start.saturating_add(area.reserved)));
            let (low, high) = area.unwrap_or((words.start, words.end));
            // Up to whole pages: those that a block lies in can be read.
            let start = (words.start / reach * reach).max(low).min(words.start);
            let end = words.end.next_multiple_of(reach).min(high).max(words.end);
            let mut bytes = std::mem::take(&mut self.near.bytes);
            bytes.resize((end - start) as usize, 0);
            if !self.memory.read(start as usize, &mut bytes) {
                return self.range(words.start, words.end);
            }
            self.near.start = start;
            self.near.bytes = bytes;
        }
        let near = std::mem::take(&mut self.near);
        if let Some(found) = near.get(words) {
            self.words(found);
        }
        self.near = near;
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

//! What differs between two snapshots: by heap, by size, by stack, by tag.
//!
//! Sums are of blocks that a program has. Heaps are the same in both by their
//! handles, where both snapshots are of one process, else by their names.

use crate::model::{Block, Heap, Snapshot};
use crate::progress::Work;
use std::collections::HashMap;
use std::fmt::{self, Write};
use std::hash::Hash;

/// Blocks and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Blocks.
    pub blocks: u64,
    /// Bytes of them.
    pub bytes: u64,
}

impl Sum {
    fn add(&mut self, block: &Block) {
        self.blocks += 1;
        self.bytes += block.size;
    }
}

/// Blocks that have something in common, before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<K> {
    /// What they have in common.
    pub key: K,
    /// Before.
    pub before: Sum,
    /// After.
    pub after: Sum,
}

impl<K> Line<K> {
    /// Bytes more, or fewer.
    pub fn growth(&self) -> i128 {
        i128::from(self.after.bytes) - i128::from(self.before.bytes)
    }

    /// Blocks more, or fewer.
    pub fn block_growth(&self) -> i128 {
        i128::from(self.after.blocks) - i128::from(self.before.blocks)
    }
}

/// A heap in two snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeapName {
    /// Its handle after, or before where it is gone.
    pub handle: u64,
    /// Its name.
    pub name: String,
}

/// A stack in two snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StackName {
    /// Its number after, or before where it has none after.
    pub id: u32,
    /// Its frames, the innermost first.
    pub frames: Vec<String>,
}

/// What blocks without a tag are summed under, where others have one.
pub const NO_TAG: &str = "-";

/// What differs. Lines that have nothing before or after are left out; the
/// others are in the order of their growth, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// All blocks.
    pub before: Sum,
    /// All blocks.
    pub after: Sum,
    /// By heap.
    pub heaps: Vec<Line<HeapName>>,
    /// By heap and size.
    pub sizes: Vec<Line<(HeapName, u64)>>,
    /// By stack; none where no stacks were noted.
    pub stacks: Vec<Line<StackName>>,
    /// By tag; none where no block has one. Blocks without are [`NO_TAG`]'s then.
    pub tags: Vec<Line<String>>,
    /// Blocks that are at an address where there was none, or one of another size
    /// or heap.
    pub appeared: Sum,
    /// Blocks that are there no more.
    pub vanished: Sum,
}

/// Compares two snapshots. Takes time with their blocks.
pub fn between(before: &Snapshot, after: &Snapshot) -> Diff {
    let (names, old, new) = match_heaps(before, after);
    let (stacks, old_stacks, new_stacks) = match_stacks(before, after);
    let mut heaps = vec![[Sum::default(); 2]; names.len()];
    let mut by_size: HashMap<(usize, u64), [Sum; 2]> = HashMap::new();
    let mut by_stack = vec![[Sum::default(); 2]; stacks.len()];
    let has_tags = !before.tags.is_empty() || !after.tags.is_empty();
    let mut by_tag: HashMap<&str, [Sum; 2]> = HashMap::new();
    let mut all = [Sum::default(); 2];
    let sides = [(before, &old, &old_stacks), (after, &new, &new_stacks)];
    let work = Work::of((before.blocks.len() + after.blocks.len()) as u64);
    let mut done = 0;
    for (side, (snapshot, heap_of, stack_of)) in sides.into_iter().enumerate() {
        for area in &snapshot.areas {
            work.at(done);
            done += area.count as u64;
            let Some(&heap) = heap_of.get(area.heap as usize) else {
                continue;
            };
            // Neighbours are alike more often than not: one look-up for a run.
            let mut run = (0, Sum::default());
            let mut flush = |run: &(u64, Sum)| {
                if run.1.blocks != 0 {
                    let sum = &mut by_size.entry((heap, run.0)).or_default()[side];
                    sum.blocks += run.1.blocks;
                    sum.bytes += run.1.bytes;
                }
            };
            for block in snapshot.blocks_of(area) {
                if !block.state.is_held() {
                    continue;
                }
                if run.0 != block.size {
                    flush(&run);
                    run = (block.size, Sum::default());
                }
                run.1.add(block);
                heaps[heap][side].add(block);
                all[side].add(block);
                if has_tags {
                    let tag = snapshot.tag_of(block).unwrap_or(NO_TAG);
                    by_tag.entry(tag).or_default()[side].add(block);
                }
                if block.stack != 0
                    && let Some(&stack) = stack_of.get(&block.stack)
                {
                    by_stack[stack][side].add(block);
                }
            }
            flush(&run);
        }
    }
    let (appeared, vanished) = changes((before, &old), (after, &new));
    Diff {
        before: all[0],
        after: all[1],
        heaps: lines(names.iter().cloned().zip(heaps)),
        sizes: lines(
            by_size
                .into_iter()
                .filter_map(|((heap, size), sums)| Some(((names.get(heap)?.clone(), size), sums))),
        ),
        stacks: lines(stacks.into_iter().zip(by_stack)),
        tags: lines(by_tag.into_iter().map(|(tag, sums)| (tag.to_owned(), sums))),
        appeared,
        vanished,
    }
}

fn lines<K: Ord>(sums: impl Iterator<Item = (K, [Sum; 2])>) -> Vec<Line<K>> {
    let mut lines: Vec<Line<K>> = sums
        .map(|(key, [before, after])| Line { key, before, after })
        .filter(|line| line.before.blocks != 0 || line.after.blocks != 0)
        .collect();
    lines.sort_by(|a, b| b.growth().cmp(&a.growth()).then_with(|| a.key.cmp(&b.key)));
    lines
}

/// The heaps of both, and for each side which of them its own are.
fn match_heaps(before: &Snapshot, after: &Snapshot) -> (Vec<HeapName>, Vec<usize>, Vec<usize>) {
    let is_one = is_one_process(before, after);
    let mut names: Vec<HeapName> = Vec::new();
    let mut places: HashMap<(u64, String, usize), usize> = HashMap::new();
    let mut place = |snapshot: &Snapshot| -> Vec<usize> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let of_heap = |heap: &Heap| {
            let nth = seen.entry(heap.name.clone()).or_default();
            let key = if is_one {
                (heap.handle, heap.name.clone(), 0)
            } else {
                // The second of a name is the other's second.
                (0, heap.name.clone(), *nth)
            };
            *nth += 1;
            let name = HeapName {
                handle: heap.handle,
                name: heap.name.clone(),
            };
            let at = *places.entry(key).or_insert(names.len());
            if at == names.len() {
                names.push(name);
            } else {
                names[at] = name;
            }
            at
        };
        snapshot.heaps.iter().map(of_heap).collect()
    };
    let old = place(before);
    let new = place(after);
    (names, old, new)
}

type StackPlaces = HashMap<u32, usize>;

fn match_stacks(before: &Snapshot, after: &Snapshot) -> (Vec<StackName>, StackPlaces, StackPlaces) {
    let mut names: Vec<StackName> = Vec::new();
    let mut places: HashMap<Vec<String>, usize> = HashMap::new();
    let mut place = |snapshot: &Snapshot| -> StackPlaces {
        let mut own = HashMap::new();
        for stack in &snapshot.stacks {
            let at = *places.entry(stack.frames.clone()).or_insert(names.len());
            let name = StackName {
                id: stack.id,
                frames: stack.frames.clone(),
            };
            if at == names.len() {
                names.push(name);
            } else {
                names[at] = name;
            }
            own.insert(stack.id, at);
        }
        own
    };
    let old = place(before);
    let new = place(after);
    (names, old, new)
}

fn is_one_process(before: &Snapshot, after: &Snapshot) -> bool {
    let id = |snapshot: &Snapshot| (snapshot.process.pid, snapshot.process.started);
    id(before) == id(after)
}

/// Goes through both in the order of addresses.
fn changes(
    (before, old): (&Snapshot, &[usize]),
    (after, new): (&Snapshot, &[usize]),
) -> (Sum, Sum) {
    fn held<'a>(
        snapshot: &'a Snapshot,
        heap_of: &'a [usize],
    ) -> impl Iterator<Item = (u64, u64, usize)> + 'a {
        snapshot.areas.iter().flat_map(move |area| {
            let heap = heap_of
                .get(area.heap as usize)
                .copied()
                .unwrap_or(usize::MAX);
            let blocks = snapshot.blocks_of(area).iter();
            blocks
                .filter(|block| block.state.is_held())
                .map(move |block| (block.address, block.size, heap))
        })
    }
    let (mut appeared, mut vanished) = (Sum::default(), Sum::default());
    let count = |sum: &mut Sum, size: u64| {
        sum.blocks += 1;
        sum.bytes += size;
    };
    let mut olds = held(before, old).peekable();
    let mut news = held(after, new).peekable();
    loop {
        match (olds.peek().copied(), news.peek().copied()) {
            (None, None) => return (appeared, vanished),
            (Some(was), Some(is)) if was.0 == is.0 => {
                if was != is {
                    count(&mut vanished, was.1);
                    count(&mut appeared, is.1);
                }
                olds.next();
                news.next();
            }
            (Some(was), is) if is.is_none_or(|is| was.0 < is.0) => {
                count(&mut vanished, was.1);
                olds.next();
            }
            (_, is) => {
                count(&mut appeared, is.map_or(0, |is| is.1));
                news.next();
            }
        }
    }
}

impl Diff {
    /// The growth by stack as UMDH writes it: numbers in hexadecimal, a line for
    /// each stack, its frames below it, the total at the end ("Using UMDH to Find
    /// a User-Mode Memory Leak"). Stacks that did not change are left out.
    ///
    /// # Errors
    /// The writer's.
    pub fn write_umdh(&self, to: &mut dyn Write) -> fmt::Result {
        for line in self.stacks.iter().filter(|line| line.growth() != 0) {
            let growth = line.growth();
            writeln!(
                to,
                "{} {:7x} ( {:6x} - {:6x}) {:6x} allocs\tBackTrace{:05X}",
                if growth < 0 { '-' } else { '+' },
                growth.unsigned_abs(),
                line.after.bytes,
                line.before.bytes,
                line.after.blocks,
                line.key.id,
            )?;
            for frame in &line.key.frames {
                writeln!(to, "\t{frame}")?;
            }
            writeln!(to)?;
        }
        let total: i128 = self.stacks.iter().map(Line::growth).sum();
        let word = if total < 0 { "decrease" } else { "increase" };
        writeln!(to, "Total {word} == {:x}", total.unsigned_abs())
    }
}

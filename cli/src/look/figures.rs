//! What a snapshot's heaps hold, in sums: by heap, and by bucket.

use ntheap_inspect::model::{AreaKind, Snapshot, State};
use std::collections::BTreeMap;

/// Bytes of a slice, of which segments are made.
const SLICE: u64 = 1 << 16;

/// What a heap holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Bytes of address space: areas, and for a process heap its segments.
    pub(crate) reserved: u64,
    /// Bytes of them that are committed.
    pub(crate) committed: u64,
    /// Bytes that a program has, as it asked for them where the heap knows.
    pub(crate) in_use: u64,
    /// Blocks that a program has.
    pub(crate) blocks: u64,
    /// Bytes of blocks that caches keep.
    pub(crate) cached: u64,
    /// Blocks straight from pages, and their bytes.
    pub(crate) large_blocks: u64,
    pub(crate) large_bytes: u64,
    /// Its buckets, by size.
    pub(crate) buckets: Vec<Bucket>,
}

/// What is known of the blocks of one size in a heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) size: u64,
    pub(crate) subsegments: u64,
    /// Blocks by state: free, cached, busy, out.
    pub(crate) blocks: [u64; 4],
    /// Bytes of busy blocks that were not asked for, as far as is known.
    pub(crate) unused: u64,
}

impl Figures {
    /// Bytes that are committed and nobody has: free blocks, and what is between.
    pub(crate) fn free(&self) -> u64 {
        self.committed
            .saturating_sub(self.in_use)
            .saturating_sub(self.cached)
    }
}

impl Bucket {
    /// Blocks that a program has, that caches keep, and that are free.
    pub(crate) fn shares(&self) -> [u64; 3] {
        let [free, kept, busy, out] = self.blocks;
        [busy + out, kept, free]
    }

    /// Bytes of all its blocks.
    pub(crate) fn bytes(&self) -> u64 {
        self.size * self.blocks.iter().sum::<u64>()
    }
}

/// The heaps' figures, in the heaps' order; goes through all blocks once.
pub(crate) fn of(snapshot: &Snapshot) -> Vec<Figures> {
    let mut heaps = vec![Figures::default(); snapshot.heaps.len()];
    let mut buckets: Vec<BTreeMap<u64, Bucket>> = vec![BTreeMap::new(); heaps.len()];
    for area in &snapshot.areas {
        let at = area.heap as usize;
        let (Some(sum), Some(buckets)) = (heaps.get_mut(at), buckets.get_mut(at)) else {
            continue;
        };
        let is_in_segment = area.kind == AreaKind::Subsegment
            && snapshot.heap_of(area).is_some_and(|heap| heap.is_process);
        if !is_in_segment {
            sum.reserved += area.reserved;
        }
        sum.committed += area.committed;
        let mut bucket = Bucket {
            size: u64::from(area.block_size),
            subsegments: 1,
            ..Bucket::default()
        };
        for block in snapshot.blocks_of(area) {
            if let Some(count) = bucket.blocks.get_mut(block.state as usize) {
                *count += 1;
            }
            match block.state {
                State::Busy | State::Out => {
                    sum.blocks += 1;
                    sum.in_use += block.size;
                    if block.state == State::Busy {
                        bucket.unused += u64::from(block.slack);
                    }
                }
                State::Kept => sum.cached += block.room(),
                State::Free => {}
            }
        }
        match area.kind {
            AreaKind::Large => {
                sum.large_blocks += 1;
                sum.large_bytes += area.committed;
            }
            AreaKind::Region | AreaKind::Guarded => {}
            AreaKind::Subsegment => {
                let all = buckets.entry(bucket.size).or_default();
                all.size = bucket.size;
                all.subsegments += 1;
                all.unused += bucket.unused;
                for (sum, blocks) in all.blocks.iter_mut().zip(bucket.blocks) {
                    *sum += blocks;
                }
            }
        }
    }
    let processes = snapshot.heaps.iter().zip(&mut heaps);
    for (heap, sum) in processes.filter(|(heap, _)| heap.is_process) {
        let segments = snapshot.segments.iter();
        for segment in segments.filter(|segment| segment.copy == heap.copy) {
            sum.reserved += u64::from(segment.slices) * SLICE;
            let dirty = segment.dirty & !segment.used;
            sum.committed += u64::from(dirty.count_ones()) * SLICE;
        }
    }
    for (sum, buckets) in heaps.iter_mut().zip(buckets) {
        sum.buckets = buckets.into_values().collect();
    }
    heaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntheap_inspect::model::{Area, Block, Heap, Segment};

    #[test]
    fn every_block_counts_once() {
        let block = |address, size, slack, state| Block {
            address,
            size,
            slack,
            state,
            ..Block::default()
        };
        let area = |kind, start, committed, block_size, first, count| Area {
            kind,
            heap: 0,
            start,
            reserved: 0x1_0000,
            committed,
            block_size,
            first,
            count,
        };
        let snapshot = Snapshot {
            heaps: vec![Heap {
                is_process: true,
                ..Heap::default()
            }],
            segments: vec![Segment {
                slices: 64,
                used: 1,
                dirty: 7,
                ..Segment::default()
            }],
            areas: vec![
                area(AreaKind::Subsegment, 0, 0x1_0000, 32, 0, 4),
                area(AreaKind::Large, 0x90_0000, 0x8000, 0, 4, 1),
            ],
            blocks: vec![
                block(0, 20, 12, State::Busy),
                block(32, 32, 0, State::Kept),
                block(64, 32, 0, State::Free),
                block(96, 32, 0, State::Out),
                block(0x90_0000, 0x7000, 0x1000, State::Busy),
            ],
            ..Snapshot::default()
        };
        let found = of(&snapshot);
        let expected = Figures {
            reserved: 64 * SLICE + 0x1_0000,
            committed: 0x1_0000 + 0x8000 + 2 * SLICE,
            in_use: 20 + 32 + 0x7000,
            blocks: 3,
            cached: 32,
            large_blocks: 1,
            large_bytes: 0x8000,
            buckets: vec![Bucket {
                size: 32,
                subsegments: 1,
                blocks: [1, 1, 1, 1],
                unused: 12,
            }],
        };
        assert_eq!(found, [expected]);
        assert_eq!(found[0].buckets[0].shares(), [2, 1, 1]);
    }
}

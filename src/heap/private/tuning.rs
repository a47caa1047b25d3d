//! What RTL_HEAP_PARAMETERS choose of a heap, and what it is otherwise.

use super::LARGEST;
use super::region::{COMMIT_STEP, PAGE};
use crate::heap::classes::{MAX_BUCKET_SIZE, SLICE};

/// Bytes of the second region of a heap; each further one is twice as large.
const SECOND_REGION: usize = 0x10_0000;
/// Bytes of a region at most, unless a block needs more.
pub(super) const MOST_REGION: usize = 0xfd_0000;
/// Bytes freed in regions before free pages are looked for.
const FREED_LEAST: usize = 64 * 1024;

/// How a heap reserves, commits and gives back ("RTL_HEAP_PARAMETERS structure
/// (ntifs.h)"). A member of 0 is Windows' own choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// SegmentReserve: bytes of the second region, at most 0xFD0000.
    pub region: usize,
    /// SegmentCommit: bytes that a region commits at a time at least.
    pub commit: usize,
    /// DeCommitFreeBlockThreshold: bytes of a free block from which on its pages
    /// go back to the system.
    pub free_block: usize,
    /// DeCommitTotalFreeThreshold: bytes freed before that is done.
    pub freed: usize,
    /// MaximumAllocationSize: bytes of the largest block.
    pub most: usize,
    /// VirtualMemoryThreshold: bytes of the largest block in a region, with what
    /// Windows' header takes; no more than Windows' own threshold.
    pub large: usize,
}

/// The same as a heap keeps it: few bytes, for there may be many heaps.
pub(super) struct Choices {
    region_slices: u16,
    commit_pages: u16,
    free_block_pages: u32,
    freed_pages: u32,
    largest: u32,
    most: usize,
}

/// A number of bytes, or what is chosen where none is told.
fn told(bytes: usize, otherwise: usize) -> usize {
    if bytes == 0 { otherwise } else { bytes }
}

fn pages(bytes: usize) -> usize {
    bytes.div_ceil(PAGE)
}

impl Choices {
    /// What is chosen where `tuning` leaves it open.
    pub(super) fn of(tuning: &Tuning) -> Choices {
        let region = told(tuning.region, SECOND_REGION).min(MOST_REGION);
        let commit = pages(told(tuning.commit, COMMIT_STEP)).min(usize::from(u16::MAX));
        let narrow = |pages: usize| u32::try_from(pages).unwrap_or(u32::MAX);
        // A block of a region takes eight bytes more, in units of sixteen.
        let largest = told(tuning.large, usize::MAX) & !15;
        Choices {
            region_slices: region.div_ceil(SLICE) as u16,
            commit_pages: commit as u16,
            free_block_pages: narrow(pages(told(tuning.free_block, PAGE))),
            freed_pages: narrow(pages(told(tuning.freed, FREED_LEAST))),
            largest: largest.saturating_sub(8).min(LARGEST) as u32,
            most: told(tuning.most, usize::MAX),
        }
    }

    /// Bytes of the next region of a heap that has so many.
    pub(super) fn region(&self, regions: usize) -> usize {
        let doublings = regions.saturating_sub(1).min(8);
        ((usize::from(self.region_slices) * SLICE) << doublings).min(MOST_REGION)
    }

    /// Bytes committed at a time, if there are so many left.
    pub(super) fn commit_step(&self) -> usize {
        usize::from(self.commit_pages) * PAGE
    }

    /// Bytes of a free block from which on its pages go back.
    pub(super) fn free_block(&self) -> usize {
        self.free_block_pages as usize * PAGE
    }

    /// Bytes freed before free pages go back.
    pub(super) fn freed(&self) -> usize {
        (self.freed_pages as usize).saturating_mul(PAGE)
    }

    /// Bytes of the largest block that a region holds.
    pub(super) fn largest(&self) -> usize {
        self.largest as usize
    }

    /// Whether a block may have so many bytes.
    pub(super) fn allows(&self, size: usize) -> bool {
        size <= self.most
    }

    /// Whether a block of a bucket is one that the heap may hand out, whatever
    /// its size.
    pub(super) fn allows_buckets(&self) -> bool {
        self.most >= MAX_BUCKET_SIZE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_windows() {
        let choices = Choices::of(&Tuning::default());
        assert_eq!(choices.region(1), 0x10_0000);
        assert_eq!(choices.region(2), 0x20_0000);
        assert_eq!(choices.region(5), 0xfd_0000);
        assert_eq!(choices.region(1000), 0xfd_0000);
        assert_eq!(choices.commit_step(), 0x2000);
        assert_eq!((choices.free_block(), choices.freed()), (0x1000, 0x1_0000));
        assert_eq!(choices.largest(), LARGEST);
        assert!(choices.allows(usize::MAX) && choices.allows_buckets());
    }

    #[test]
    fn what_is_told_is_kept_within_bounds() {
        let choices = Choices::of(&Tuning {
            region: 0x2_8001,
            commit: 0x2801,
            free_block: 0x8000,
            freed: usize::MAX,
            most: 0x1000,
            large: 0x8_0000,
        });
        assert_eq!(choices.region(1), 0x3_0000);
        assert_eq!(choices.region(2), 0x6_0000);
        assert_eq!(choices.commit_step(), 0x3000);
        assert_eq!(choices.free_block(), 0x8000);
        assert_eq!(choices.freed(), (u32::MAX as usize).saturating_mul(PAGE));
        assert_eq!(choices.largest(), 0x7_fff8);
        assert!(choices.allows(0x1000) && !choices.allows(0x1001));
        assert!(!choices.allows_buckets());
        let most = Choices::of(&Tuning {
            region: usize::MAX,
            commit: usize::MAX,
            large: usize::MAX,
            ..Tuning::default()
        });
        assert_eq!(most.region(1), 0xfd_0000);
        assert_eq!(most.commit_step(), 0xffff * PAGE);
        assert_eq!(most.largest(), LARGEST);
    }
}

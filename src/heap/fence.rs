//! Fences: pages beside blocks of whole pages that any access faults in.
//!
//! ```text
//!   4 KiB              | f f B f f B f f B f f B f f B f |    a slice
//!   8 KiB to 64 KiB    |  f   B   f   B   f   B   f   f  |    every other block
//!   128 KiB to 1 MiB   | f | B               | f |            a slice before and behind
//!   no bytes           | f f f f f f f f f f f f f f f f |    nothing.rs
//! ```
//!
//! The default heap's blocks of malloc whose class is one of whole pages have them, so
//! that what runs over such a block's end or start is stopped there. They cost address
//! space and neither memory nor an instruction on a fast path: a fence is a block that
//! is never handed out. They are marks in the page tables, which Linux has since 6.13;
//! elsewhere there are none, for mappings are few.
//!
//! Invariants:
//! - They are laid where pages were never used or have been given back, which is paid for
//!   in page faults anyway, and in a few more places ([`MOST_LAID_ON_DIRTY`]). They stay
//!   while slices are unused, for the next subsegment of the same class
//!   (segment/fences.rs).
//! - Of a class whose fences are many for its bytes a few subsegments have them ([`most`]).
//! - They are laid in no chunk that asks for huge pages: a fence would split one. A heap of
//!   32 MiB or more, which asks for them everywhere, lays no more.
//! - Where the system refuses a first one, none is tried again.
//!
//! Wrong if a count of instructions rises; if a thousand blocks of 4 KiB, touched once,
//! take a tenth longer; or if an attack on a block of whole pages goes through where
//! `docs/hardening.md` says that it faults.

use super::classes::{self, COUNT, SLICE};
#[cfg(feature = "hardened")]
use crate::sys;
#[cfg(feature = "hardened")]
use core::ptr;
#[cfg(feature = "hardened")]
use core::sync::atomic::{AtomicBool, Ordering};

/// The page size that fences are made for.
const PAGE: usize = 4096;

/// Subsegments fenced in memory that is there already, at most, in a process.
#[cfg(feature = "hardened")]
pub(super) const MOST_LAID_ON_DIRTY: u32 = 256;

/// How a class's blocks are fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fence {
    /// Not at all.
    None,
    /// No byte of a subsegment can be accessed.
    All,
    /// Of so many blocks in a row one is used, the last.
    Between(usize),
    /// The one block of a subsegment has a slice before and behind it.
    Around,
}

/// How blocks of `class` are fenced.
pub(super) const fn of(class: usize) -> Fence {
    let size = classes::size_of(class);
    if class == 0 {
        Fence::All
    } else if !size.is_multiple_of(PAGE) {
        Fence::None
    } else if size == PAGE {
        // A page past a block's end is no other block's either.
        Fence::Between(3)
    } else if size <= SLICE {
        Fence::Between(2)
    } else {
        Fence::Around
    }
}

/// The blocks of a fenced subsegment that are used, a bit each, for [`Fence::Between`];
/// else 0.
static USED: [u32; COUNT] = {
    let mut table = [0; COUNT];
    let mut class = 1;
    while class < COUNT {
        if let Fence::Between(step) = of(class) {
            let (size, blocks) = (classes::size_of(class), classes::blocks_of(class));
            // The last one needs a page behind it, too.
            let room = classes::slices_of(class) * SLICE - PAGE;
            let mut index = step - 1;
            while index < blocks && (index + 1) * size <= room {
                table[class] |= 1 << index;
                index += step;
            }
        }
        class += 1;
    }
    table
};

/// The blocks of a fenced subsegment of `class` that are used, a bit each; 0 where all
/// are.
pub(super) const fn used(class: usize) -> u32 {
    if class < COUNT { USED[class] } else { 0 }
}

/// Subsegments of `class` that are fenced at a time, at most: a program that has more
/// blocks of some class than these hold takes them in bulk, and would pay for the fences.
pub(super) const fn most(class: usize) -> usize {
    match of(class) {
        Fence::None => 0,
        Fence::Between(_) => 32,
        Fence::All | Fence::Around => usize::MAX,
    }
}

/// Whether block `index` of a fenced subsegment of `class` is one, and no fence.
pub(super) fn is_block(class: usize, index: usize) -> bool {
    let used = used(class);
    used == 0 || u64::from(used) & 1u64.unbounded_shl(index as u32) != 0
}

/// The bytes of the blocks below `end`, fences left out.
pub(super) fn bytes_below(class: usize, end: usize) -> usize {
    let used = used(class);
    let blocks = if used == 0 {
        end
    } else {
        let below = 1u64.unbounded_shl(end as u32).wrapping_sub(1);
        (u64::from(used) & below).count_ones() as usize
    };
    blocks * classes::size_of(class)
}

/// The first class of whole pages.
const FIRST: usize = classes::class_of(PAGE);

/// False for most classes whose blocks have no fences, by one comparison.
#[inline(always)]
pub(super) fn may_have_fences(class: usize) -> bool {
    class.wrapping_sub(1) >= FIRST - 1
}

/// Slices that a fenced subsegment of `class` takes.
pub(super) const fn slices_of(class: usize) -> usize {
    classes::slices_of(class) + 2 * lead_of(class)
}

/// How many of them lie before its first block.
pub(super) const fn lead_of(class: usize) -> usize {
    match of(class) {
        Fence::Around => 1,
        _ => 0,
    }
}

/// Whether the system is known to have no marks for fences.
#[cfg(feature = "hardened")]
static IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// Whether fences can be had, as far as is known.
#[cfg(feature = "hardened")]
pub(super) fn can_be() -> bool {
    !IS_REFUSED.load(Ordering::Relaxed) && crate::vm::page_size() == PAGE
}

/// Fences a subsegment of `class` whose slices start at `base`. What the fences' pages held
/// is lost. False, and nothing changed, when the system has no such marks.
///
/// # Safety
/// The slices are committed and the caller's, and nothing in them is used.
#[cfg(feature = "hardened")]
pub(super) unsafe fn lay(base: usize, class: usize) -> bool {
    let size = classes::size_of(class);
    let bytes = slices_of(class) * SLICE;
    // SAFETY: the pages lie in the caller's slices.
    let close = |from: usize, to: usize| unsafe {
        let pages = ptr::with_exposed_provenance_mut(base + from);
        from == to || sys::install_guard(pages, to - from)
    };
    let is_laid = match of(class) {
        Fence::None => false,
        Fence::All => close(0, bytes),
        Fence::Around => {
            let is_laid = close(0, SLICE);
            if is_laid {
                // One fence is better than none.
                close(bytes - SLICE, bytes);
            }
            is_laid
        }
        Fence::Between(_) => {
            let mut is_laid = false;
            let mut left = used(class);
            let mut from = 0;
            loop {
                let index = left.trailing_zeros() as usize;
                let to = if left == 0 { bytes } else { index * size };
                let done = close(from, to);
                is_laid |= done;
                if left == 0 || !done {
                    break is_laid;
                }
                from = to + size;
                left &= left - 1;
            }
        }
    };
    if !is_laid {
        IS_REFUSED.store(true, Ordering::Relaxed);
    }
    is_laid
}

/// Ends the fences in `slices` slices from `base` on, whose pages read zero then. False
/// where the system refuses.
///
/// # Safety
/// The slices are committed and the caller's, and nothing in them is used.
#[cfg(feature = "hardened")]
pub(super) unsafe fn lift(base: usize, slices: usize) -> bool {
    let pages = ptr::with_exposed_provenance_mut(base);
    // SAFETY: the caller's slices.
    unsafe { sys::remove_guard(pages, slices * SLICE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_used_block_has_fences_beside_it() {
        let mut fenced = 0;
        for class in 1..COUNT {
            let (size, blocks) = (classes::size_of(class), classes::blocks_of(class));
            let used = used(class);
            let Fence::Between(step) = of(class) else {
                assert_eq!(used, 0);
                assert!(may_have_fences(class) || of(class) == Fence::None);
                assert_eq!(of(class) == Fence::Around, size > SLICE, "class {class}");
                continue;
            };
            fenced += 1;
            assert!(used != 0 && size.is_multiple_of(PAGE), "class {class}");
            let end = classes::slices_of(class) * SLICE;
            for index in (0..blocks).filter(|&index| is_block(class, index)) {
                let apart = (step - 1) * size;
                assert!(index * size >= apart && apart > PAGE);
                assert!((index + 1) * size + PAGE <= end, "class {class}");
                for other in 1..step {
                    assert!(!is_block(class, index + other) || index + other >= blocks);
                    assert!(!is_block(class, index - other));
                }
            }
            assert_eq!(
                bytes_below(class, blocks),
                used.count_ones() as usize * size
            );
            assert_eq!(bytes_below(class, 1), 0);
        }
        assert_eq!(fenced, 12);
        assert_eq!((most(1), most(FIRST), most(COUNT - 1)), (0, 32, usize::MAX));
        assert!(of(0) == Fence::All && may_have_fences(0) && !may_have_fences(1));
        assert_eq!(
            (slices_of(139), lead_of(139)),
            (classes::slices_of(139) + 2, 1)
        );
    }
}

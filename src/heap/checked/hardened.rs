//! What a hardened heap does behind malloc's and free's fast paths.

use super::super::cache::{Marked, ThreadCache};
use super::super::hard::{self, Keep, Put, Taken};
use super::super::word::Word;

/// [`take_hardened`](super::take_hardened) of more bytes than that has.
///
/// # Safety
/// As for [`take_hardened`](super::take_hardened).
#[inline(always)]
pub unsafe fn take_larger(cache: *const ThreadCache, size: usize) -> Taken {
    // SAFETY: the caller's promise.
    unsafe { hard::take_larger(cache, size) }
}

/// Reports a block that [`take_hardened`](super::take_hardened) found written to.
///
/// # Safety
/// It was found just now.
pub unsafe fn tell_written(block: *mut u8, capacity: usize, size: usize) {
    // SAFETY: the caller's promise.
    unsafe { hard::tell_written(block, capacity, size) };
}

/// [`free_fast`](super::free_fast) of a block whose mark it did not know, in a hardened heap.
///
/// # Safety
/// As for [`free`](super::free); `met` is what [`free_fast`](super::free_fast) said, and `cache` the calling thread's
/// [`Word::own`](crate::heap::Word::own).
#[inline(always)]
pub unsafe fn free_marked(cache: *const ThreadCache, address: *mut u8, met: Marked) -> Put {
    // SAFETY: the caller's promise.
    unsafe { hard::put(cache, address, met) }
}

/// [`free_marked`] where that did nothing.
///
/// # Safety
/// As for [`free_marked`].
#[inline(always)]
pub unsafe fn free_larger(cache: *const ThreadCache, address: *mut u8, met: Marked) -> Put {
    // SAFETY: the caller's promise.
    unsafe { hard::put_larger(cache, address, met) }
}

/// Frees a block whose bin [`free_fast`](super::free_fast) found full in a hardened heap, if it is a large one
/// that the thread may keep.
///
/// # Safety
/// As for [`free_marked`].
#[inline(always)]
pub unsafe fn free_large(cache: *const ThreadCache, address: *mut u8, met: Marked) -> Keep {
    // SAFETY: the caller's promise.
    unsafe { hard::keep_large(cache, met.descriptor, address, None) }
}

/// Reports the block that [`free_large`] says is freed by somebody else.
#[cold]
pub fn tell_freed(address: *mut u8, met: Marked) {
    hard::tell_freed("free", met.descriptor, address);
}

/// [`allocate_zeroed`](super::allocate_zeroed) where the bin had no block. Small blocks read
/// zero as they are.
#[inline(always)]
pub(super) fn allocate_zeroed(word: &Word, size: usize) -> *mut u8 {
    // SAFETY: the callers' word is the thread's.
    match unsafe { hard::take(word.own(), size) } {
        Taken::Block(block) => {
            if hard::is_partly_wiped(size) {
                // SAFETY: the block holds `size` bytes.
                unsafe { block.write_bytes(0, size) };
            }
            block
        }
        Taken::Written(block, capacity) => {
            // SAFETY: found just now; the block holds `size` bytes.
            unsafe {
                hard::tell_written(block, capacity, size);
                block.write_bytes(0, size);
            }
            block
        }
        Taken::Nothing => super::allocate_slow(word, size, 16, true),
    }
}

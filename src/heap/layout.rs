//! Rust's allocator interface while a global flag is on: its blocks are the
//! process heap's, with records that know their Layout.
//!
//! The front ends come here from their slow ways, which are the only ones then.
//! A block that was allocated before the flags were known is not one of these:
//! the functions say so, and the front end frees it itself.

use super::private::{lookup_is_heaps, lookup_is_process, met};
use super::word::Word;
use super::{Kind, PROCESS, debug, misuse};
use crate::config::Config;
use core::alloc::Layout;

/// Allocates for a Layout, whoever serves now; null when the system has nothing to
/// give.
#[cold]
#[inline(never)]
pub(super) fn allocate(word: &Word, config: &Config, layout: Layout, zero: bool) -> *mut u8 {
    if !PROCESS.is_ready(config) {
        return core::ptr::null_mut();
    }
    if !debug::is_on() || !met::serves_malloc() {
        return PROCESS.allocate(Kind::Plain, word, layout.size(), layout.align(), zero);
    }
    met::allocate_as(
        debug::registry::Family::Layout,
        layout.size(),
        layout.align(),
        zero,
    )
}

/// Whether Rust's blocks are the process heap's now.
#[inline]
pub(super) fn is_on() -> bool {
    debug::is_on() && met::serves_malloc()
}

/// Frees a block if it is one of a private heap; reports what is no heap's. False,
/// and nothing done, for what the front end may have.
///
/// # Safety
/// As for [`core::alloc::GlobalAlloc::dealloc`].
#[cold]
#[inline(never)]
pub(super) unsafe fn free(block: *mut u8, layout: Layout) -> bool {
    if !is_on() || lookup_is_process(block.addr()) {
        return false;
    }
    if !lookup_is_heaps(block.addr()) {
        misuse::bad_address("dealloc", block.addr());
        return true;
    }
    // SAFETY: the caller's promise.
    unsafe { met::free_layout(block, layout) };
    true
}

/// Resizes a block of any front end's; null, and the block as it was, when the
/// system has nothing to give.
///
/// # Safety
/// As for [`core::alloc::GlobalAlloc::realloc`]; `free_other` frees a block that
/// is not one of a private heap.
#[cold]
#[inline(never)]
pub(super) unsafe fn reallocate(
    word: &Word,
    config: &Config,
    block: *mut u8,
    layout: Layout,
    size: usize,
    free_other: unsafe fn(&Word, *mut u8, Layout),
) -> *mut u8 {
    let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
        return core::ptr::null_mut();
    };
    let is_heaps = lookup_is_heaps(block.addr());
    // A freed block could be the very one that is given out for it.
    if is_heaps
        && !(met::expect_layout("realloc", block, layout) && met::expect_busy("realloc", block))
    {
        return core::ptr::null_mut();
    }
    // SAFETY: the caller's block, which is in use; the new one is distinct and large
    // enough for what both hold.
    unsafe {
        let new = allocate(word, config, wanted, false);
        if !new.is_null() {
            new.copy_from_nonoverlapping(block, layout.size().min(size));
            if !free(block, layout) {
                free_other(word, block, layout);
            }
        }
        new
    }
}

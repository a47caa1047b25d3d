//! The entrance for callers that know a block's Layout: Rust's.
//!
//! The class follows from the Layout alone, so a free looks nothing up. That
//! also means that a wrong Layout or a second free cannot be seen here; the
//! free bits see a second free when the block returns to its subsegment.

use super::bin::Bin;
use super::cache::{BIN, ThreadCache, Word};
use super::classes::{self, MAX_LINEAR_SIZE};
use super::descriptor::{Descriptor, Kind};
use super::large::LargeList;
use super::{PROCESS, cache, misuse, slices};
use crate::config::Config;
use core::alloc::Layout;

// A linear size, rounded up, is its bin's offset.
const _: () = assert!(BIN == 16);

/// Whether the class is `ceil(size / 16)`.
#[inline(always)]
fn is_linear(layout: Layout) -> bool {
    layout.size() <= MAX_LINEAR_SIZE && layout.align() <= 16
}

/// The offset of a linear size's bin.
#[inline(always)]
fn offset_of(size: usize) -> usize {
    (size + 15) & !15
}

/// Allocates; null when the system has nothing to give.
///
/// # Safety
/// `word` is the calling thread's word for plain front ends.
#[inline(always)]
pub unsafe fn allocate(word: &Word, config: &Config, layout: Layout) -> *mut u8 {
    if !is_linear(layout) {
        return allocate_sized(word, config, layout);
    }
    // SAFETY: the word leads to this thread's cache or a shared one, and a
    // rounded linear size is a bin's offset.
    let block = unsafe {
        let bin = ThreadCache::bin_at(word.get(), offset_of(layout.size()));
        ThreadCache::pop::<false>(bin)
    };
    if block.is_null() {
        return allocate_slow(word, config, layout);
    }
    block
}

#[inline(never)]
fn allocate_sized(word: &Word, config: &Config, layout: Layout) -> *mut u8 {
    if let Some(class) = classes::class_for(layout.size(), layout.align()) {
        // SAFETY: as in `allocate`; a class's offset is `class * BIN`.
        let block = unsafe {
            let bin = ThreadCache::bin_at(word.get(), class * BIN);
            ThreadCache::pop::<false>(bin)
        };
        if !block.is_null() {
            return block;
        }
    }
    allocate_slow(word, config, layout)
}

#[cold]
#[inline(never)]
fn allocate_slow(word: &Word, config: &Config, layout: Layout) -> *mut u8 {
    if let Some(class) = classes::class_for(layout.size(), layout.align()) {
        // SAFETY: a word leads to a cache, and caches are never unmapped.
        let cache = unsafe { &*word.get() };
        let shared = PROCESS.shared(Kind::Plain);
        if PROCESS.plain.swap_in(shared, cache, class) {
            // SAFETY: the cache is this thread's.
            let block = unsafe { ThreadCache::pop::<false>(cache.bin(class)) };
            if !block.is_null() {
                return block;
            }
        }
    }
    allocate_anew(word, config, layout)
}

#[inline(never)]
fn allocate_anew(word: &Word, config: &Config, layout: Layout) -> *mut u8 {
    if !PROCESS.is_ready(config) {
        return core::ptr::null_mut();
    }
    PROCESS.allocate(Kind::Plain, word, layout.size(), layout.align(), false)
}

/// Allocates zeroed memory; null when the system has nothing to give. Fresh
/// pages are known to be zero and not cleared again.
///
/// # Safety
/// As for [`allocate`].
#[inline]
pub unsafe fn allocate_zeroed(word: &Word, config: &Config, layout: Layout) -> *mut u8 {
    if layout.size() <= classes::MAX_BUCKET_SIZE {
        // SAFETY: the caller's promise is the callee's.
        let block = unsafe { allocate(word, config, layout) };
        if !block.is_null() {
            // SAFETY: the block holds the layout's size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        return block;
    }
    if !PROCESS.is_ready(config) {
        return core::ptr::null_mut();
    }
    PROCESS.allocate(Kind::Plain, word, layout.size(), layout.align(), true)
}

/// Frees a block.
///
/// # Safety
/// `word` is the calling thread's word for plain front ends; `block` was
/// allocated here with this layout and nobody uses it any more.
#[inline(always)]
pub unsafe fn free(word: &Word, block: *mut u8, layout: Layout) {
    let cache = word.get();
    // SAFETY: a word leads to a live cache.
    let diverted = unsafe { (*cache).diverts(block.addr()) };
    if is_linear(layout) && !diverted {
        // SAFETY: as in `allocate`; the block is the caller's and of the class
        // that its layout says.
        let kept = unsafe {
            let bin = ThreadCache::bin_at(cache, offset_of(layout.size()));
            Bin::push(bin, block)
        };
        if kept {
            return;
        }
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe { free_sized(word, block, layout) }
}

#[inline(never)]
unsafe fn free_sized(word: &Word, block: *mut u8, layout: Layout) {
    // SAFETY: a word leads to a live cache.
    let diverted = unsafe { (*word.get()).diverts(block.addr()) };
    if !diverted && let Some(class) = classes::class_for(layout.size(), layout.align()) {
        // SAFETY: as in `free`.
        let kept = unsafe {
            let bin = ThreadCache::bin_at(word.get(), class * cache::BIN);
            let shared = PROCESS.shared(Kind::Plain);
            Bin::push(bin, block)
                || swap_and_push(word, class, block)
                || PROCESS
                    .plain
                    .free(shared, word, class, block, core::ptr::null_mut())
        };
        if kept {
            return;
        }
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe { free_large(block) }
}

/// Makes room in the block's bin and puts it there; false if there is more to
/// do.
///
/// # Safety
/// As for [`free`]; the block is of `class`.
unsafe fn swap_and_push(word: &Word, class: usize, block: *mut u8) -> bool {
    // SAFETY: a word leads to a cache, and caches are never unmapped; the
    // block is the caller's.
    let done = unsafe {
        let cache = &*word.get();
        PROCESS
            .plain
            .swap_out(PROCESS.shared(Kind::Plain), cache, class)
            && Bin::push(cache.bin(class), block)
    };
    misuse::report_late();
    done
}

#[inline(never)]
unsafe fn free_large(block: *mut u8) {
    let descriptor = slices::find(block.addr());
    // SAFETY: `find` leads to a readable descriptor; one that says large and
    // starts here is the block's, which is the caller's.
    unsafe {
        let mut large = PROCESS.large.lock();
        if LargeList::is_block(descriptor, block.addr()) {
            return large.free(descriptor);
        }
    }
    misuse::bad_address("dealloc", block.addr());
}

/// Resizes a block; null, and the block as it was, when the system has
/// nothing to give. Within a class nothing moves; large blocks move by their
/// pages, without copying.
///
/// # Safety
/// As for [`free`], and `size` is not 0; the old block is used no more unless
/// null is returned.
#[inline]
pub unsafe fn reallocate(
    word: &Word,
    config: &Config,
    block: *mut u8,
    layout: Layout,
    size: usize,
) -> *mut u8 {
    let Ok(new_layout) = Layout::from_size_align(size, layout.align()) else {
        return core::ptr::null_mut();
    };
    let old_class = classes::class_for(layout.size(), layout.align());
    let new_class = classes::class_for(size, layout.align());
    if old_class == new_class {
        if old_class.is_some() {
            return block;
        }
        let descriptor = slices::find(block.addr());
        // SAFETY: a layout without a class has a large block, whose own slice
        // entry leads to its descriptor.
        let resized = unsafe { resize_large(descriptor, block, size, layout.align()) };
        if !resized.is_null() {
            return resized;
        }
    }
    // SAFETY: the caller's block; the new one is distinct and large enough
    // for what both hold.
    unsafe {
        let new = allocate(word, config, new_layout);
        if !new.is_null() {
            new.copy_from_nonoverlapping(block, layout.size().min(size));
            free(word, block, layout);
        }
        new
    }
}

/// Resizes a large block without copying; null when that cannot be done.
///
/// # Safety
/// `descriptor` came from [`slices::find`] for `block`, which is the caller's.
pub(super) unsafe fn resize_large(
    descriptor: *mut Descriptor,
    block: *mut u8,
    size: usize,
    align: usize,
) -> *mut u8 {
    let mut large = PROCESS.large.lock();
    // SAFETY: `find` leads to a readable descriptor, which the list's lock
    // keeps as it is.
    unsafe {
        if !LargeList::is_block(descriptor, block.addr()) || align > crate::vm::page_size() {
            return core::ptr::null_mut();
        }
        large.resize(descriptor, size)
    }
}

/// Gives back to the system all that is free. See [`crate::purge`].
pub fn purge(word: &Word) {
    PROCESS.purge(Kind::Plain, word);
}

/// The thread's end.
pub(super) unsafe extern "C" fn thread_exit(cache: *mut u8) {
    // SAFETY: the hook was set with this thread's cache.
    unsafe {
        PROCESS
            .plain
            .bury(PROCESS.shared(Kind::Plain), cache.cast())
    }
}

//! malloc where every allocation is counted: what comes behind the fast paths, which have
//! nothing then (counted.rs).

use super::super::cache::ThreadCache;
use super::super::classes::{self, MAX_CLASS_SIZE};
use super::super::counted::{self, Counted};
use super::super::descriptor::Kind;
use super::super::word::Word;
use super::super::{PROCESS, private};
use super::allocate_slow;
use core::ptr;

/// [`allocate`](super::allocate) of a small block that is at hand.
///
/// # Safety
/// `cache` is the calling thread's [`Word::own`].
#[inline(always)]
pub unsafe fn take_counted(cache: *const ThreadCache, size: usize) -> Counted {
    // SAFETY: the caller's promise. A size near the largest has the offset of none.
    unsafe { counted::take::<true>(cache, size.wrapping_add(15) & !15) }
}

/// [`take_counted`] of a block of any size that has a class.
///
/// # Safety
/// As for [`take_counted`].
#[inline(always)]
pub unsafe fn take_counted_any(cache: *const ThreadCache, size: usize) -> Counted {
    // One comparison for both: no class has 0 bytes here.
    if size.wrapping_sub(1) >= MAX_CLASS_SIZE {
        return Counted::Nothing;
    }
    // SAFETY: the caller's promise.
    unsafe { counted::take_any::<true>(cache, classes::class_of(size)) }
}

/// Notes the block that [`take_counted`] or [`take_counted_any`] says is due, before it is
/// handed out.
///
/// # Safety
/// One of them said so just now, of this cache and size.
#[cold]
pub unsafe fn note_counted(cache: *const ThreadCache, block: *mut u8, size: usize) {
    // SAFETY: it had a block, so it is a thread's own.
    let cache = unsafe { &*cache };
    counted::look::<true>(cache, block, size, classes::class_of(size));
}

/// [`allocate_swap`](super::allocate_swap) where every allocation is counted.
#[inline(never)]
pub(super) fn allocate(word: &Word, size: usize) -> *mut u8 {
    let cache = word.own();
    // SAFETY: the word leads to the thread's cache.
    match unsafe { take_counted(cache, size) } {
        Counted::Block(block) => block,
        // SAFETY: as above.
        Counted::Due(block) => unsafe { due(cache, block, size) },
        Counted::Nothing => allocate_any(word, size),
    }
}

#[inline(never)]
fn allocate_any(word: &Word, size: usize) -> *mut u8 {
    let cache = word.own();
    // SAFETY: the word leads to the thread's cache.
    match unsafe { take_counted_any(cache, size) } {
        Counted::Block(block) => block,
        // SAFETY: as above.
        Counted::Due(block) => unsafe { due(cache, block, size) },
        Counted::Nothing => allocate_counted(word, size),
    }
}

/// # Safety
/// As for [`note_counted`].
#[cold]
#[inline(never)]
unsafe fn due(cache: *const ThreadCache, block: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { note_counted(cache, block, size) };
    block
}

/// [`allocate`](super::allocate) where no block is at hand, or it is one that has a coin of its
/// own.
#[cold]
#[inline(never)]
pub fn allocate_counted(word: &Word, size: usize) -> *mut u8 {
    if size.wrapping_sub(1) < MAX_CLASS_SIZE {
        let block = fill(word, size, classes::class_of(size));
        if !block.is_null() {
            return block;
        }
    }
    allocate_slow(word, size, 16, false)
}

/// A block for `size` bytes of `class`, counted, from its bin when that is filled; null where
/// there is none.
fn fill(word: &Word, size: usize, class: usize) -> *mut u8 {
    if private::met::serves_malloc() {
        return ptr::null_mut();
    }
    // SAFETY: a word leads to its thread's cache or a shared one.
    unsafe {
        let cache = &*word.own();
        let shared = PROCESS.shared(Kind::Checked);
        let bin = PROCESS.checked.swap_in(shared, cache, class);
        if bin.is_null() {
            return ptr::null_mut();
        }
        let block = ThreadCache::pop::<true>(bin);
        if !block.is_null() {
            counted::took::<true>(cache, block, size, classes::size_of(class));
        }
        block
    }
}

/// [`allocate_aligned`](super::allocate_aligned), at a multiple of more than 16, where every
/// allocation is counted.
#[inline(never)]
pub(super) fn allocate_aligned(word: &Word, size: usize, align: usize) -> *mut u8 {
    if size != 0
        && let Some(class) = classes::class_for(size, align)
    {
        let cache = word.own();
        // SAFETY: the word leads to the thread's cache, or to one whose bins are closed.
        let block = match unsafe { counted::take_any::<true>(cache, class) } {
            Counted::Block(block) => block,
            // SAFETY: as above; it had a block, so it is a thread's own.
            Counted::Due(block) => counted::look::<true>(unsafe { &*cache }, block, size, class),
            Counted::Nothing => fill(word, size, class),
        };
        if !block.is_null() {
            return block;
        }
    }
    allocate_slow(word, size, align, false)
}

//! How blocks are resized that are known by their address alone.

use super::{
    allocate, allocate_unasked, bin_offset, block_at, busy_block, free, is_hard, linear_offset,
    take_from,
};
use crate::heap::cache::ThreadCache;
use crate::heap::classes::{self, MAX_CLASS_SIZE};
#[cfg(feature = "debug")]
use crate::heap::debug;
use crate::heap::descriptor::{BUSY, Descriptor, Kind};
#[cfg(feature = "hardened")]
use crate::heap::hard;
use crate::heap::word::Word;
use crate::heap::{PROCESS, private};
use core::ptr;
use core::sync::atomic::Ordering;

/// [`reallocate`] for what is no block of the front end's, or one of a hardened heap.
///
/// # Safety
/// As for [`reallocate`].
#[cold]
#[inline(never)]
unsafe fn reallocate_other(word: &Word, address: *mut u8, size: usize) -> *mut u8 {
    #[cfg(feature = "hardened")]
    if hard::is_on()
        // SAFETY: the caller's promise is the callee's.
        && let Some(new) = unsafe { hard::reallocate(word, "realloc", address, size, 16, None) }
    {
        return new;
    }
    #[cfg(feature = "debug")]
    if debug::has_block(address) {
        // SAFETY: the caller's promise is the callees'.
        return unsafe { debug::reallocate("realloc", address, size, || allocate(word, size)) };
    }
    #[cfg(not(feature = "debug"))]
    let _ = word;
    // SAFETY: the caller's promise is the callee's.
    unsafe { private::met::reallocate(address, size) }
}

/// Resizes the block that starts at `address` to `size` bytes, not 0; null,
/// and the block as it was, when the system has nothing to give.
///
/// # Safety
/// As for [`free`]; the old block is used no more unless null is returned.
pub unsafe fn reallocate(word: &Word, address: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: a block that is marked so is handed out. The rest is the caller's promise.
    unsafe {
        if let Some((descriptor, _, BUSY)) = block_at(address.addr()) {
            return reallocate_found(word, descriptor, address, size);
        }
        reallocate_marked(word, address, size)
    }
}

/// [`reallocate`] of a block whose mark is another one, or of what is no block of the front
/// end's.
///
/// # Safety
/// As for [`reallocate`].
#[cold]
#[inline(never)]
unsafe fn reallocate_marked(word: &Word, address: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        match busy_block(address.addr()) {
            Some((descriptor, _)) => reallocate_found(word, descriptor, address, size),
            None => reallocate_other(word, address, size),
        }
    }
}

/// [`reallocate`] of a block that is handed out.
///
/// # Safety
/// As for [`reallocate`]; the descriptor is the block's.
#[inline(always)]
unsafe fn reallocate_found(
    word: &Word,
    descriptor: *mut Descriptor,
    address: *mut u8,
    size: usize,
) -> *mut u8 {
    // SAFETY: the block is handed out, so its descriptor is live.
    let (old_size, class) = unsafe {
        let this = &*descriptor;
        (
            this.block_size(),
            usize::from(this.class.load(Ordering::Relaxed)),
        )
    };
    if class != 0 && size <= old_size && (size > old_size / 2 || classes::class_of(size) == class) {
        return address;
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe { reallocate_elsewhere(word, descriptor, address, size) }
}

/// [`reallocate`] of a block of malloc's that has to change: a function of its
/// own, so that the other one has nothing to save.
///
/// # Safety
/// As for [`reallocate`]; the descriptor is the block's.
#[inline(never)]
unsafe fn reallocate_elsewhere(
    word: &Word,
    descriptor: *mut Descriptor,
    address: *mut u8,
    size: usize,
) -> *mut u8 {
    // A hardened heap's large block; its others are not known for the front end's here.
    if is_hard() {
        // SAFETY: the caller's promise is the callee's.
        return unsafe { reallocate_other(word, address, size) };
    }
    // SAFETY: the block is handed out, so its descriptor is live; it is the
    // caller's. The new one is distinct and large enough for what both hold.
    unsafe {
        let old_size = (*descriptor).block_size();
        let has_class = (*descriptor).class.load(Ordering::Relaxed) != 0;
        if size > MAX_CLASS_SIZE && !has_class {
            let to = (size, 16);
            let resized = PROCESS.resize_large(Kind::Checked, word, descriptor, address, to);
            if !resized.is_null() {
                return resized;
            }
            return move_large(word, address, old_size, size);
        }
        let mut new = ptr::null_mut();
        if has_class && size > MAX_CLASS_SIZE {
            new = PROCESS.allocate_growing(Kind::Checked, word, size, 16);
        }
        if size <= old_size {
            new = allocate_smaller(word, size);
            if new.is_null() {
                return address;
            }
        }
        if new.is_null() {
            new = allocate(word, size);
        }
        if !new.is_null() {
            new.copy_from_nonoverlapping(address, old_size.min(size));
            free(word, address);
        }
        new
    }
}

/// [`allocate`] for a block that can stay where it is: nobody is asked when there is no memory.
#[inline(always)]
fn allocate_smaller(word: &Word, size: usize) -> *mut u8 {
    // SAFETY: as in `allocate`, the small sizes in the thread's own row, the others in its cache.
    let block = unsafe {
        match (linear_offset(size), bin_offset(size)) {
            (Some(offset), _) => take_from(word.row_at(offset).cast()),
            (None, Some(offset)) => take_from(ThreadCache::bin_at(word.cache(), offset).cast()),
            (None, None) => ptr::null_mut(),
        }
    };
    if !block.is_null() {
        return block;
    }
    allocate_unasked::<2>(word, size, 16, false)
}

/// [`reallocate`] of a large block that could not be resized, to another large one; where it
/// lies after all, if there is room for that alone. Only then whoever is asked when there is no
/// memory.
///
/// # Safety
/// As for [`reallocate`].
#[cold]
#[inline(never)]
unsafe fn move_large(word: &Word, address: *mut u8, old_size: usize, size: usize) -> *mut u8 {
    loop {
        let new = allocate_unasked::<1>(word, size, 16, false);
        // SAFETY: the caller's block; the new one is distinct and large enough for what both
        // hold.
        unsafe {
            if !new.is_null() {
                new.copy_from_nonoverlapping(address, old_size.min(size));
                free(word, address);
                return new;
            }
            let to = (size, 16);
            let resized = PROCESS.resize_large_again(Kind::Checked, word, address, to);
            if !resized.is_null() || !private::met::tries_again(size) {
                return resized;
            }
        }
    }
}

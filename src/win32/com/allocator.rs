//! Task memory itself: blocks of the process heap.

use crate::heap::private::{self, HeapRef};
use core::ptr;

fn heap() -> Option<HeapRef> {
    HeapRef::process().ok()
}

/// A block of `size` bytes; null when there is no memory.
pub(super) fn allocate(size: usize) -> *mut u8 {
    // SAFETY: the process heap is serialized and lives for ever.
    let block = heap().and_then(|heap| unsafe { heap.allocate::<false>(size, 16) }.ok());
    block.map_or(ptr::null_mut(), |block| block.as_ptr())
}

/// A block of another size; null when there is no memory, or `block` is none.
///
/// # Safety
/// Nobody uses the block by its old address, unless this is null.
pub(super) unsafe fn resize(block: *mut u8, size: usize) -> *mut u8 {
    let Some(heap) = heap() else {
        return ptr::null_mut();
    };
    // SAFETY: the caller's promise; the process heap is serialized.
    let resized = unsafe { private::reallocate(heap.handle(), 0, block, size) };
    resized.map_or(ptr::null_mut(), |block| block.as_ptr())
}

/// Frees a block, or null. What is none is left alone, and reported if that is asked for.
///
/// # Safety
/// Nobody uses the block any more.
pub(super) unsafe fn free(block: *mut u8) {
    if block.is_null() {
        return;
    }
    if let Some(heap) = heap() {
        // SAFETY: the caller's promise.
        let _ = unsafe { heap.free_as("HeapFree", block) };
    }
}

/// A block's size; all ones of what is none.
pub(super) fn size_of(block: *mut u8) -> usize {
    heap()
        .filter(|_| !block.is_null())
        .and_then(|heap| private::size_of(heap.handle(), 0, block).ok())
        .unwrap_or(usize::MAX)
}

/// Whether an address is a block's.
pub(super) fn is_block(address: *mut u8) -> bool {
    heap().is_some_and(|heap| !address.is_null() && private::validate(heap.handle(), 0, address))
}

/// Gives free memory back to the system.
pub(super) fn minimize() {
    if let Some(heap) = heap() {
        let _ = private::compact(heap.handle(), 0);
    }
}

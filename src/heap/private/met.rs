//! Blocks that HeapAlloc took from the process heap, met by C's functions: there
//! `malloc` and `HeapAlloc` may free each other's.

use super::{Handle, free as free_block, process_heap_at, size_of, validate};
use crate::heap::misuse;
use core::ptr::{self, NonNull};

/// The process heap's handle, if `address` is a block that HeapAlloc took from
/// it. Anything else is reported as found by `operation`.
#[cold]
#[inline(never)]
fn process_heap_of(operation: &str, address: usize) -> Option<Handle> {
    let block = ptr::without_provenance(address);
    let heap = process_heap_at(address).filter(|&heap| validate(heap, 0, block));
    if heap.is_none() {
        misuse::bad_address(operation, address);
    }
    heap
}

/// Frees a block that HeapAlloc took from the process heap; reports what is
/// none.
///
/// # Safety
/// The caller gives the block up, if `address` is one.
#[cold]
#[inline(never)]
pub(in crate::heap) unsafe fn free(address: *mut u8) {
    if let Some(heap) = process_heap_of("free", address.addr()) {
        // SAFETY: the caller's block. Of two frees at once the second one is an
        // error of the heap's, which is not told of here.
        let _ = unsafe { free_block(heap, 0, address) };
    }
}

/// The bytes of a block that HeapAlloc took from the process heap; 0, and a
/// report, for what is none.
#[cold]
#[inline(never)]
pub(in crate::heap) fn usable_size(address: *mut u8) -> usize {
    process_heap_of("malloc_usable_size", address.addr())
        .and_then(|heap| size_of(heap, 0, address).ok())
        .unwrap_or(0)
}

/// Resizes a block that HeapAlloc took from the process heap; null, and the
/// block as it was, when the system has nothing to give. Reports what is none.
///
/// # Safety
/// The old block is used no more unless null is returned.
#[cold]
#[inline(never)]
pub(in crate::heap) unsafe fn reallocate(address: *mut u8, size: usize) -> *mut u8 {
    process_heap_of("realloc", address.addr())
        // SAFETY: the caller's promise is the callee's.
        .and_then(|heap| unsafe { super::reallocate(heap, 0, address, size) }.ok())
        .map_or(ptr::null_mut(), NonNull::as_ptr)
}

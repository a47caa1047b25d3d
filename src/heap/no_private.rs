//! What the rest of the heap asks of `private`, where the crate is built without
//! it: there are no heaps but the process's.

use crate::report::{Block, Report};
use crate::stats::Stats;
use crate::sync::Lock;

/// No layout (heap/fingerprint.rs).
pub(super) const LAYOUT: u32 = 0;

pub(super) fn for_each_lock(_is_taking: bool, _visit: &mut dyn FnMut(&Lock)) {}

pub(super) fn forget_holders() {}

pub(super) fn collect(_stats: &mut Stats) {}

pub(super) fn active_bytes() -> usize {
    0
}

pub(super) fn block_at(_address: usize) -> Option<Block> {
    None
}

/// What is said of an address beside the block it is in: nothing, here.
pub(super) struct Said;

pub(super) fn said(_operation: &str, _address: usize, _used: usize) -> Said {
    Said
}

impl Said {
    pub(super) fn block(&self) -> Option<Block> {
        None
    }

    pub(super) fn owner_or(&self, own: usize) -> usize {
        own
    }

    pub(super) fn add_to<'a>(&'a self, report: Report<'a>) -> Report<'a> {
        report
    }
}

/// Addresses that are no block of malloc's: here always a mistake.
pub(super) mod met {
    use crate::heap::misuse::bad_address;

    #[inline]
    pub(in crate::heap) fn serves_malloc() -> bool {
        false
    }

    #[inline]
    pub(in crate::heap) fn tries_again(_size: usize) -> bool {
        false
    }

    pub(in crate::heap) fn allocate(_size: usize, _align: usize, _zero: bool) -> *mut u8 {
        core::ptr::null_mut()
    }

    #[cold]
    #[inline(never)]
    pub(in crate::heap) unsafe fn free(address: *mut u8) {
        bad_address("free", address.addr());
    }

    #[cold]
    #[inline(never)]
    pub(in crate::heap) fn usable_size(address: *mut u8) -> usize {
        bad_address("malloc_usable_size", address.addr());
        0
    }

    #[cold]
    #[inline(never)]
    pub(in crate::heap) unsafe fn reallocate(address: *mut u8, _size: usize) -> *mut u8 {
        bad_address("realloc", address.addr());
        core::ptr::null_mut()
    }
}

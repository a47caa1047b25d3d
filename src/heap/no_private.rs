//! What the rest of the heap asks of `private`, where the crate is built without
//! it: there are no heaps but the process's.

use crate::report::Block;
use crate::stats::Stats;
use crate::sync::Lock;

pub(super) fn for_each_lock(_is_taking: bool, _visit: &mut dyn FnMut(&Lock)) {}

pub(super) fn forget_holders() {}

pub(super) fn collect(_stats: &mut Stats) {}

pub(super) fn block_at(_address: usize) -> Option<Block> {
    None
}

pub(super) fn owner_name(_address: usize) -> Option<&'static str> {
    None
}

/// Addresses that are no block of malloc's: here always a mistake.
pub(super) mod met {
    use crate::heap::misuse::bad_address;

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

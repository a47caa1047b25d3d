//! Delayed reuse: freed blocks that a thread keeps from use.
//!
//! A freed block takes the place of another, by chance, which goes back to the
//! thread's cache: so a block comes into use again after as many frees as there are
//! places, in the mean, and nobody can tell when.

use super::chance;
use crate::heap::cache::ThreadCache;
use crate::heap::descriptor::Descriptor;
use crate::heap::front::{Front, Shared};
use crate::heap::{meta, slices};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// Blocks up to this size, in bytes, are small.
const SMALL: usize = 1024;
/// Small blocks that a thread keeps.
const SMALL_PLACES: usize = 64;
/// Larger ones, of up to 128 KiB: 1 MiB at most, and in programs that have few such
/// blocks a few.
const LARGE_PLACES: usize = 8;

/// A thread's freed blocks.
struct Quarantine {
    state: u64,
    small: [AtomicPtr<u8>; SMALL_PLACES],
    large: [AtomicPtr<u8>; LARGE_PLACES],
}

fn of(cache: &ThreadCache) -> *mut Quarantine {
    cache.quarantine.load(Ordering::Relaxed).cast()
}

#[cold]
#[inline(never)]
fn make(cache: &ThreadCache) -> *mut Quarantine {
    let place = meta::allocate(size_of::<Quarantine>());
    if !place.is_null() {
        // Zeros are one: no blocks.
        // SAFETY: memory of a fitting size that is nobody's.
        unsafe { (*place.cast::<Quarantine>()).state = chance::random() };
        cache.quarantine.store(place, Ordering::Relaxed);
    }
    place.cast()
}

/// Keeps a freed block of `size` bytes from use; the block that may be used instead, or
/// null.
///
/// # Safety
/// The cache is the calling thread's, and the block one of the front end's that nobody
/// uses.
#[inline(always)]
pub(super) unsafe fn exchange(cache: &ThreadCache, block: *mut u8, size: usize) -> *mut u8 {
    let mut own = of(cache);
    if own.is_null() {
        own = make(cache);
        if own.is_null() {
            return block;
        }
    }
    // SAFETY: the thread's own; no reference outlives this call, and other threads
    // read the places alone, which are atomic.
    let own = unsafe { &mut *own };
    // A congruence does where only the place in a quarantine depends on it.
    own.state = own
        .state
        .wrapping_mul(0x5851_f42d_4c95_7f2d)
        .wrapping_add(1);
    let bits = (own.state >> 56) as usize;
    let place = if size <= SMALL {
        own.small.get(bits % SMALL_PLACES)
    } else {
        own.large.get(bits % LARGE_PLACES)
    };
    let Some(place) = place else {
        return block;
    };
    let other = place.load(Ordering::Relaxed);
    place.store(block, Ordering::Relaxed);
    other
}

/// Gives back all that a cache keeps from use, to the free bits.
pub(in crate::heap) fn end(front: &Front, shared: Shared<'_>, cache: &ThreadCache) {
    let own = of(cache);
    if own.is_null() {
        return;
    }
    // SAFETY: a cache's quarantine is never unmapped.
    let own = unsafe { &*own };
    for place in own.small.iter().chain(&own.large) {
        let block = place.swap(ptr::null_mut(), Ordering::Relaxed);
        if block.is_null() {
            continue;
        }
        // SAFETY: a block of the front end's, which keeps its subsegment: so what the
        // slice table leads to is its descriptor. Nobody uses the block.
        unsafe {
            let descriptor: *mut Descriptor = slices::find(block.addr());
            let class = usize::from((*descriptor).class.load(Ordering::Relaxed));
            front.free_direct(shared, class, block);
        }
    }
}

//! Delayed reuse: freed blocks that a thread keeps from use.
//!
//! A freed block takes the place of another, by chance, which goes back to the
//! thread's cache: so a block comes into use again after as many frees as there are
//! places, in the mean, and nobody can tell when.
//!
//! ```text
//!   free ──> | block, key, bin | ... | 32 or 8 places | ──> that block's bin ──> malloc
//! ```
//!
//! With a block its place has what puts it into its bin, so that whoever leaves is not looked
//! up again.

use super::chance;
use super::spare::{self, Spares};
use crate::heap::bin::Bin;
use crate::heap::cache::ThreadCache;
use crate::heap::descriptor::Descriptor;
use crate::heap::front::{Front, Shared};
use crate::heap::magazine::{Entry, MARKS};
use crate::heap::seize::Slot;
use crate::heap::{PROCESS, meta, slices};
use core::cell::Cell;
use core::hint::select_unpredictable;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// Blocks up to this size, in bytes, are small.
pub(super) const SMALL: usize = 1024;
/// Those up to this size are the smallest, of which a thread keeps many.
const SMALLEST: usize = 128;
const SMALLEST_PLACES: usize = 32;
/// Other small blocks that a thread keeps. A program that has a hundred blocks of a size needs
/// memory for as many more as are kept.
const OTHER_PLACES: usize = 8;
/// Larger ones, of up to 128 KiB: 1 MiB at most, and in programs that have few such
/// blocks a few.
const LARGE_PLACES: usize = 8;

/// A block that is kept from use, or none.
#[repr(C, align(32))]
struct Place {
    block: AtomicPtr<u8>,
    key: Cell<*mut u8>,
    bin: Cell<*const Bin>,
}

/// A thread's freed blocks. Zeros are one that has none.
pub(super) struct Quarantine {
    state: Cell<u64>,
    small: [Place; SMALLEST_PLACES + OTHER_PLACES],
    large: [Place; LARGE_PLACES],
    /// Large blocks that wait for no time.
    pub(super) spares: Spares,
}

/// A block that left, with its key and its bin in the thread's cache.
pub(super) struct Left {
    pub(super) block: *mut u8,
    key: *mut u8,
    bin: *const Bin,
}

/// A cache's, or null.
#[inline(always)]
pub(super) fn of(cache: &ThreadCache) -> *const Quarantine {
    cache.quarantine.load(Ordering::Relaxed).cast()
}

/// Makes the one of a cache that has none; null where there is no memory.
#[cold]
#[inline(never)]
pub(super) fn make(cache: &ThreadCache) -> *const Quarantine {
    let place = meta::allocate(size_of::<Quarantine>());
    if !place.is_null() {
        // SAFETY: zeroed memory of a fitting size that is nobody's.
        unsafe { (*place.cast::<Quarantine>()).state.set(chance::random()) };
        cache.quarantine.store(place, Ordering::Relaxed);
    }
    place.cast()
}

/// Keeps a freed block of `capacity` bytes, which may be a [small](SMALL) one, from use; what may be used instead, its block null
/// where that is nothing. Which it is, all that went by says together, each by some bits of
/// `chance`.
///
/// # Safety
/// The quarantine is that of the calling thread's cache, of which `bin` is one; the block
/// is one of the bin's class that nobody uses, and `key` its mark's.
#[inline(always)]
pub(super) unsafe fn exchange<const IS_SMALL: bool>(
    this: *const Quarantine,
    capacity: usize,
    block: *mut u8,
    key: *mut u8,
    bin: *const Bin,
    chance: u64,
) -> Left {
    // SAFETY: the thread's own, never unmapped; other threads read the blocks alone, which
    // are atomic. Five bits are a place's number, and three.
    unsafe {
        // The highest bits of a mask are of all of its block's address and of the secrets.
        let state = (*this).state.get().wrapping_add(chance);
        (*this).state.set(state);
        let place = if IS_SMALL {
            let any = (state >> 59) as usize % SMALLEST_PLACES;
            // Sizes come in no order that the processor could foresee.
            let any = select_unpredictable(
                capacity <= SMALLEST,
                any,
                SMALLEST_PLACES + any % OTHER_PLACES,
            );
            (*this).small.get_unchecked(any)
        } else {
            (*this)
                .large
                .get_unchecked((state >> 61) as usize % LARGE_PLACES)
        };
        let left = Left {
            block: place.block.load(Ordering::Relaxed),
            key: place.key.get(),
            bin: place.bin.get(),
        };
        place.block.store(block, Ordering::Relaxed);
        place.key.set(key);
        place.bin.set(bin);
        left
    }
}

/// Puts a block that left into its bin; false, and nothing done, when that is full.
///
/// # Safety
/// The block came from [`exchange`] just now.
#[inline(always)]
pub(super) unsafe fn put_back(left: &Left) -> bool {
    // SAFETY: the bin is one of the thread's; below the limit its magazine has room for an
    // entry and its key.
    unsafe {
        let top = (*left.bin).top.load(Ordering::Relaxed);
        if Bin::is_at_limit(left.bin, top) {
            return false;
        }
        Entry::between();
        Entry::set(top, left.block);
        top.add(MARKS).write(left.key);
        Entry::between();
        (*left.bin).top.store(top.add(1), Ordering::Relaxed);
    }
    true
}

/// Gives back the large blocks of a cache.
pub(in crate::heap) fn end_spares(cache: &ThreadCache) {
    // SAFETY: null, or a cache's quarantine, which is never unmapped.
    let Some(own) = (unsafe { of(cache).as_ref() }) else {
        return;
    };
    loop {
        let descriptor = spare::pop(&own.spares);
        if descriptor.is_null() {
            break;
        }
        // SAFETY: a live block that nobody uses.
        unsafe { PROCESS.large.lock().free(descriptor) };
    }
}

/// Calls `visit` with the class of each block that a cache keeps from use, and with the bytes
/// of each of its large ones, of class 0. True while its thread does nothing; otherwise what was
/// at some moment.
pub(in crate::heap) fn for_each_kept(cache: &ThreadCache, visit: &mut dyn FnMut(usize, usize)) {
    // SAFETY: null, or a cache's quarantine, which is never unmapped.
    let Some(own) = (unsafe { of(cache).as_ref() }) else {
        return;
    };
    for place in own.small.iter().chain(&own.large) {
        let block = place.block.load(Ordering::Relaxed);
        if !block.is_null() {
            let descriptor = slices::find(block.addr());
            // SAFETY: what `find` leads to is readable, whatever became of the block.
            let class = unsafe { (*descriptor).class.load(Ordering::Relaxed) };
            visit(usize::from(class), 0);
        }
    }
    spare::for_each(&own.spares, &mut |bytes| visit(0, bytes));
}

/// Gives back all that a cache keeps from use, to the free bits, and its large blocks.
pub(in crate::heap) fn end(front: &Front, shared: Shared<'_>, cache: &ThreadCache) {
    let own = of(cache);
    if own.is_null() {
        return;
    }
    // SAFETY: a cache's quarantine is never unmapped.
    let own = unsafe { &*own };
    end_spares(cache);
    for place in own.small.iter().chain(&own.large) {
        let block = place.block.swap(ptr::null_mut(), Ordering::Relaxed);
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

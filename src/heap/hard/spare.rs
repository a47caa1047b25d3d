//! Large blocks that were freed and cannot be shut, for want of credit (budget.rs): a thread
//! keeps a few for itself, as they are.
//!
//! A program that takes a block of a megabyte and frees it, over and over, and does nothing
//! with it, would otherwise do nothing but enter it in the heap's lists and take it out
//! again. A block here is still one of the live list, but its mark says that it is free:
//! so a second free of it is seen. Nobody else has it, so no lock is needed.

use crate::heap::cache::ThreadCache;
use crate::heap::classes::SLICE;
use crate::heap::descriptor::Descriptor;
use crate::heap::large::LargeList;
use crate::vm;
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::budget::could_afford;
use super::quarantine;

/// Blocks that a thread keeps,
pub(super) const PLACES: usize = 2;
/// of up to so many bytes each.
const MOST: usize = 1024 * 1024;
/// Frees that do not look at the clock after one that had no credit, however late they come: to
/// read it takes as long as all else.
const BLIND: u32 = 15;

/// A thread's blocks. Zeros are none.
pub(super) struct Spares {
    places: [AtomicPtr<Descriptor>; PLACES],
    /// Frees that need not look at the clock.
    blind: Cell<u32>,
}

impl Spares {
    /// Whether there is no time to shut a block, as far as is known.
    #[inline(always)]
    fn is_poor(&self, span: usize) -> bool {
        let blind = self.blind.get();
        if blind != 0 {
            self.blind.set(blind - 1);
            return true;
        }
        let is_poor = !could_afford(LargeList::least_price(span));
        if is_poor {
            self.blind.set(BLIND);
        }
        is_poor
    }
}

fn of(cache: &ThreadCache) -> Option<&Spares> {
    let quarantine = quarantine::of(cache);
    // SAFETY: null, or a cache's quarantine, which is never unmapped.
    unsafe { quarantine.as_ref().map(|own| &own.spares) }
}

/// Bytes of a block, its rest up to a page included.
fn span_of(descriptor: *const Descriptor) -> usize {
    // SAFETY: the callers' descriptor is a large block's, live or not, and so readable.
    unsafe { (*descriptor).span.load(Ordering::Relaxed) }
}

/// A place of a thread's that is empty.
pub(super) struct Room<'a>(&'a AtomicPtr<Descriptor>);

/// A place for a large block that is freed, if there is one and no time to shut the block. Reads
/// nothing of it but its span: the block may be another thread's yet.
#[inline(always)]
pub(super) fn room(cache: &ThreadCache, descriptor: *const Descriptor) -> Option<Room<'_>> {
    let own = of(cache)?;
    let span = span_of(descriptor);
    if span > MOST {
        return None;
    }
    let is_free = |place: &&AtomicPtr<Descriptor>| place.load(Ordering::Relaxed).is_null();
    let place = own.places.iter().find(is_free)?;
    own.is_poor(span).then_some(Room(place))
}

/// Keeps a block that is freed.
///
/// # Safety
/// The room is the calling thread's; the descriptor is that of a large block whose mark says
/// that it is free, and that nobody else knows of.
#[inline(always)]
pub(super) unsafe fn keep(room: Room<'_>, descriptor: *mut Descriptor) {
    // SAFETY: the caller's block.
    unsafe { LargeList::erase_fill(descriptor) };
    room.0.store(descriptor, Ordering::Relaxed);
}

/// A block for `size` bytes at a multiple of a page; null when there is none.
///
/// # Safety
/// The cache is the calling thread's, or a shared one.
pub(super) unsafe fn take(cache: &ThreadCache, size: usize) -> *mut u8 {
    let (Some(own), Some(bytes)) = (of(cache), vm::round_to_pages(size.max(SLICE))) else {
        return ptr::null_mut();
    };
    for place in &own.places {
        let descriptor = place.load(Ordering::Relaxed);
        if descriptor.is_null() || span_of(descriptor) != bytes {
            continue;
        }
        place.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: a block of the thread's alone, of as many bytes.
        unsafe {
            LargeList::set_size(descriptor, size);
            LargeList::hand_out(descriptor);
            return ptr::with_exposed_provenance_mut((*descriptor).base.load(Ordering::Relaxed));
        }
    }
    ptr::null_mut()
}

/// Calls `visit` with the bytes of each block.
pub(super) fn for_each(spares: &Spares, visit: &mut dyn FnMut(usize)) {
    for place in &spares.places {
        let descriptor = place.load(Ordering::Relaxed);
        if !descriptor.is_null() {
            visit(span_of(descriptor));
        }
    }
}

/// Takes any block out for the caller to free; null when there is none. Its mark goes on
/// saying that it is free: a second free by another thread meanwhile finds that.
pub(super) fn pop(spares: &Spares) -> *mut Descriptor {
    for place in &spares.places {
        let descriptor = place.swap(ptr::null_mut(), Ordering::Relaxed);
        if !descriptor.is_null() {
            return descriptor;
        }
    }
    ptr::null_mut()
}

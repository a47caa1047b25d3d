//! All heaps of the process in the order they were made, and what is left of
//! those that were destroyed.
//!
//! A destroyed heap's first region stays out of use until so many others were
//! destroyed after it: for that long its handle, and every address in it, is
//! known to be a destroyed heap's.

use super::advice::HeapName;
use super::heap::PrivateHeap;
use super::home;
use super::large;
use super::lfh;
use super::memory::{self, Source};
use super::region::Region;
use super::roll::Roll;
use crate::heap::classes::SLICE;
use crate::heap::descriptor::REGION_GONE;
use crate::heap::meta::{self, FreeList};
use crate::sync::{Lock, Mutex};
use core::ptr;
use core::sync::atomic::Ordering;

/// Destroyed heaps that are remembered.
pub(super) const REMEMBERED: usize = 32;

/// A destroyed heap.
#[derive(Clone, Copy)]
pub(super) struct Gone {
    /// What its handle was.
    pub(super) start: usize,
    pub(super) name: HeapName,
    /// An address in the module whose C runtime it was; 0 for other heaps.
    pub(super) module: usize,
}

impl Gone {
    const NONE: Gone = Gone {
        start: 0,
        name: HeapName::NONE,
        module: 0,
    };
}

/// The destroyed heap of a C runtime whose first region an address lies in.
pub(super) fn gone_at(address: usize) -> Option<Gone> {
    let list = LIST.lock();
    let is_it = |gone: &&Gone| gone.module != 0 && address / SLICE == gone.start / SLICE;
    list.names.iter().find(is_it).copied()
}

/// The list of heaps. Its lock comes before every other lock of a heap.
pub(super) static LIST: Mutex<List> = Mutex::new(List {
    roll: Roll::new(),
    records: FreeList::new(),
    gone: [ptr::null_mut(); REMEMBERED],
    names: [Gone::NONE; REMEMBERED],
    oldest: 0,
    gone_bytes: 0,
});

pub(super) struct List {
    pub(super) roll: Roll<PrivateHeap>,
    records: FreeList,
    /// First regions of destroyed heaps, a ring.
    gone: [*mut Region; REMEMBERED],
    /// Whose those were that were C runtimes'.
    names: [Gone; REMEMBERED],
    oldest: usize,
    /// Bytes that those regions hold on to.
    pub(super) gone_bytes: usize,
}

// SAFETY: the lists belong to whichever thread holds the lock.
unsafe impl Send for List {}

impl List {
    /// Memory for a heap's record; null when the system has none.
    pub(super) fn take_record(&mut self) -> *mut PrivateHeap {
        let record = self.records.pop();
        if record.is_null() {
            return meta::allocate(size_of::<PrivateHeap>()).cast();
        }
        record.cast()
    }

    /// Takes a record back.
    ///
    /// # Safety
    /// It came from `take_record` and is no live heap's.
    pub(super) unsafe fn give_record(&mut self, record: *mut PrivateHeap) {
        // SAFETY: the caller's record; its first word is not looked at while
        // its handle, the second one, is 0.
        unsafe { self.records.push(record.cast()) };
    }

    /// Remembers the first region of a destroyed heap; returns the one that is
    /// forgotten for it, or null.
    fn remember(&mut self, region: *mut Region, whose: Gone) -> *mut Region {
        let oldest = self.oldest;
        self.oldest = (oldest + 1) % REMEMBERED;
        if let Some(place) = self.names.get_mut(oldest) {
            *place = whose;
        }
        let Some(place) = self.gone.get_mut(oldest) else {
            return region;
        };
        let forgotten = core::mem::replace(place, region);
        // SAFETY: the ring's regions are its own, and change no more.
        unsafe {
            self.gone_bytes += memory::held(region);
            if !forgotten.is_null() {
                self.gone_bytes -= memory::held(forgotten);
            }
        }
        forgotten
    }
}

/// Gives the record of a destroyed heap back, and its first region once it is
/// to be forgotten.
///
/// # Safety
/// The heap was taken out of the list, and nothing of it is in use.
pub(super) unsafe fn retire(heap: *mut PrivateHeap, first: *mut Region) {
    // SAFETY: the caller's region. A caller's memory goes back to the caller:
    // nothing may be known of it afterwards.
    unsafe {
        let descriptor = &(*first).descriptor;
        let is_callers = matches!((*first).backing.source(), Source::Caller { .. });
        if !is_callers {
            descriptor.what.store(REGION_GONE, Ordering::Relaxed);
            descriptor.owner.store(ptr::null_mut(), Ordering::Relaxed);
            memory::empty(first);
        }
        let forgotten = {
            let whose = Gone {
                start: (*first).start,
                name: HeapName::of((*heap).name()),
                module: (*heap).module,
            };
            let mut list = LIST.lock();
            list.give_record(heap);
            if is_callers {
                first
            } else {
                list.remember(first, whose)
            }
        };
        if !forgotten.is_null() {
            memory::release(forgotten);
        }
    }
}

/// Visits the locks that a fork holds: the list's first when they are taken, and
/// last when they are given back, since it keeps the heaps that are visited.
pub(in crate::heap) fn for_each_lock(is_taking: bool, visit: &mut dyn FnMut(&Lock)) {
    if is_taking {
        visit(LIST.raw());
    }
    for_each_held(&mut |heap| visit(heap.lock.inner()));
    // While this one is held, no slot is made.
    if is_taking {
        visit(lfh::RECORDS.raw());
    }
    for_each_held(&mut |heap| {
        lfh::for_each(heap.table.find(), |bucket| {
            bucket.hold_slots(is_taking);
            visit(bucket.state.raw());
        });
    });
    visit(large::RECORDS.raw());
    visit(memory::RECORDS.raw());
    if !is_taking {
        visit(lfh::RECORDS.raw());
        visit(LIST.raw());
    }
}

/// In a forked child: threads that are gone hold no heap, and have no number.
/// The heaps' locks are held still.
pub(in crate::heap) fn forget_holders() {
    home::forget_others();
    let me = crate::sys::thread_token();
    for_each_held(&mut |heap| heap.lock.forget_holder(me));
}

/// Visits all heaps. The list's lock is held by the fork under way.
fn for_each_held(visit: &mut dyn FnMut(&PrivateHeap)) {
    // SAFETY: the lock is held by this thread, so the list stays and the
    // heaps on it are live.
    unsafe {
        (*LIST.held()).roll.each().for_each(visit);
    }
}

//! Regions that the system would not take back.
//!
//! At the limit of mappings it may refuse to unmap what it has joined with a
//! neighbour, since that makes two mappings of one. Such a region is kept here, in the
//! account and without memory, and given back when the next one is.
//!
//! ```text
//!   free --keep--> being written --> kept --try again--> being written --> free
//!                                     ^                        |
//!                                     +--------refused---------+
//! ```
//!
//! No lock: a place is its taker's alone from the exchange of its first word on. What a
//! thread is at during a fork stays reserved in the child.

use super::{Use, ledger};
use crate::sys;
use core::sync::atomic::{AtomicUsize, Ordering};

/// A region, or none.
struct Place {
    /// Where it begins; [`FREE`] or [`WRITTEN`] instead.
    base: AtomicUsize,
    size: AtomicUsize,
    committed: AtomicUsize,
    of: AtomicUsize,
}

const FREE: usize = 0;
/// Somebody is writing or reading the place. No region begins here.
const WRITTEN: usize = 1;

/// More than these stay reserved for good.
const PLACES: usize = 64;

static LEFT: [Place; PLACES] = [const {
    Place {
        base: AtomicUsize::new(FREE),
        size: AtomicUsize::new(0),
        committed: AtomicUsize::new(0),
        of: AtomicUsize::new(0),
    }
}; PLACES];

/// How many regions are kept.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Ends a region as [`release`](super::release) does. Refused, its memory is given back,
/// and its addresses are kept to be ended later; false then. From then on any thread may
/// end it.
///
/// # Safety
/// As for [`release`](super::release); the caller has done with the region, whatever
/// comes of it.
pub(crate) unsafe fn give_back(of: Use, base: *mut u8, size: usize, committed: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    if unsafe { super::release(of, base, size, committed) } {
        if COUNT.load(Ordering::Relaxed) != 0 {
            try_again();
        }
        return true;
    }
    // Before others may end the region: what lies there then is not ours.
    // SAFETY: the caller has done with what the region held.
    unsafe { sys::purge(base, size) };
    for place in &LEFT {
        let taken =
            place
                .base
                .compare_exchange(FREE, WRITTEN, Ordering::Acquire, Ordering::Relaxed);
        if taken.is_ok() {
            place.size.store(size, Ordering::Relaxed);
            place.committed.store(committed, Ordering::Relaxed);
            place.of.store(of as usize, Ordering::Relaxed);
            COUNT.fetch_add(1, Ordering::Relaxed);
            place
                .base
                .store(base.expose_provenance(), Ordering::Release);
            break;
        }
    }
    false
}

/// Gives back what is kept, until the system refuses again.
#[cold]
fn try_again() {
    for place in &LEFT {
        let base = place.base.load(Ordering::Relaxed);
        if base <= WRITTEN
            || place
                .base
                .compare_exchange(base, WRITTEN, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
        {
            continue;
        }
        let size = place.size.load(Ordering::Relaxed);
        let committed = place.committed.load(Ordering::Relaxed);
        let Some(&of) = Use::ALL.get(place.of.load(Ordering::Relaxed)) else {
            continue;
        };
        // SAFETY: the region was kept whole by whoever had done with it, and the
        // exchange above made it this thread's.
        if !unsafe { sys::release(core::ptr::with_exposed_provenance_mut(base), size) } {
            place.base.store(base, Ordering::Release);
            return;
        }
        ledger(of).reserved.fetch_sub(size, Ordering::Relaxed);
        super::credit(of, committed);
        COUNT.fetch_sub(1, Ordering::Relaxed);
        place.base.store(FREE, Ordering::Release);
    }
}

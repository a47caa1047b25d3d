//! Places for regions that the system would not take back.
//!
//! ```text
//!   free --keep--> being written --> kept --try again--> being written --> free
//!                                     ^                        |
//!                                     +--------refused---------+
//! ```
//!
//! No lock: a place is its taker's alone from the exchange of its first word on. What a
//! thread is at during a fork stays reserved in the child.

use crate::sync::atomic::{AtomicUsize, Ordering};

/// A region, as it is kept.
#[derive(Clone, Copy)]
pub(super) struct Region {
    /// Where it begins: more than [`WRITTEN`].
    pub(super) base: usize,
    pub(super) size: usize,
    pub(super) committed: usize,
    /// What it was used for, as a number.
    pub(super) of: usize,
}

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
const PLACES: usize = if cfg!(ntheap_model) { 2 } else { 64 };

impl Place {
    #[cfg(not(ntheap_model))]
    const fn new() -> Self {
        Place {
            base: AtomicUsize::new(FREE),
            size: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
            of: AtomicUsize::new(0),
        }
    }

    #[cfg(ntheap_model)]
    fn new() -> Self {
        Place {
            base: AtomicUsize::new(FREE),
            size: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
            of: AtomicUsize::new(0),
        }
    }

    /// Makes the place the calling thread's, if `from` is in it.
    fn take(&self, from: usize) -> bool {
        self.base
            .compare_exchange(from, WRITTEN, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }
}

/// All places.
pub(super) struct Places {
    places: [Place; PLACES],
    /// How many regions are kept.
    count: AtomicUsize,
}

impl Places {
    /// Nothing is kept.
    #[cfg(not(ntheap_model))]
    pub(super) const fn new() -> Self {
        Places {
            places: [const { Place::new() }; PLACES],
            count: AtomicUsize::new(0),
        }
    }

    /// Nothing is kept.
    #[cfg(ntheap_model)]
    pub(super) fn new() -> Self {
        Places {
            places: [(); PLACES].map(|()| Place::new()),
            count: AtomicUsize::new(0),
        }
    }

    /// Whether nothing is kept, as far as is known here.
    #[inline]
    pub(super) fn are_free(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Keeps a region, which any thread may end from then on; false when there is no
    /// place for it.
    pub(super) fn keep(&self, region: Region) -> bool {
        for place in &self.places {
            if place.take(FREE) {
                place.size.store(region.size, Ordering::Relaxed);
                place.committed.store(region.committed, Ordering::Relaxed);
                place.of.store(region.of, Ordering::Relaxed);
                self.count.fetch_add(1, Ordering::Relaxed);
                place.base.store(region.base, Ordering::Release);
                return true;
            }
        }
        false
    }

    /// Has `end` end what is kept, until it refuses.
    #[cold]
    pub(super) fn try_again(&self, mut end: impl FnMut(Region) -> bool) {
        for place in &self.places {
            let base = place.base.load(Ordering::Relaxed);
            if base <= WRITTEN || !place.take(base) {
                continue;
            }
            let region = Region {
                base,
                size: place.size.load(Ordering::Relaxed),
                committed: place.committed.load(Ordering::Relaxed),
                of: place.of.load(Ordering::Relaxed),
            };
            if !end(region) {
                place.base.store(base, Ordering::Release);
                return;
            }
            self.count.fetch_sub(1, Ordering::Relaxed);
            place.base.store(FREE, Ordering::Release);
        }
    }
}

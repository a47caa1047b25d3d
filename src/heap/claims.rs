//! The protocol of the slice table's entries: who has a slice of address space.
//!
//! ```text
//!   0 --claim--> CLAIMED --enter--> what lies there --clear--> CLAIMED --disclaim--> 0
//! ```
//!
//! Invariants: an entry is claimed by one caller at a time, and all entries of a range or
//! none. Only who claimed an entry changes it until it is given up. Whoever is handed a
//! block finds what was entered for it.

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// The entries by their slices' numbers. Of two slices that are far apart the entry may
/// be the same one.
pub(crate) trait Entries {
    /// What an entry says of a slice that is claimed and where nothing lies.
    const CLAIMED: usize;

    /// The entry of a slice, which can be changed from then on; `None` when the system
    /// refuses. Only who has the lock may ask for it the first time.
    fn make(&self, slice: usize) -> Option<&AtomicUsize>;

    /// The entry of a slice that was claimed.
    fn claimed(&self, slice: usize) -> &AtomicUsize;
}

/// Claims `count` slices from `first`. False, and nothing claimed, when one of them is
/// somebody's already, or the system refuses.
pub(crate) fn claim<E: Entries>(
    entries: &E,
    writers: &Mutex<()>,
    first: usize,
    count: usize,
) -> bool {
    let _writing = writers.lock();
    for slice in first..first.saturating_add(count) {
        let is_free = |entry: &AtomicUsize| entry.load(Ordering::Relaxed) == 0;
        if !entries.make(slice).is_some_and(is_free) {
            return false;
        }
    }
    for slice in first..first.saturating_add(count) {
        entries.claimed(slice).store(E::CLAIMED, Ordering::Relaxed);
    }
    true
}

/// Gives claimed slices up, where nothing lies any more.
pub(crate) fn disclaim<E: Entries>(entries: &E, writers: &Mutex<()>, first: usize, count: usize) {
    let _writing = writers.lock();
    for slice in first..first.saturating_add(count) {
        entries.claimed(slice).store(0, Ordering::Release);
    }
}

/// Enters what lies in slices that the caller claimed.
pub(crate) fn enter<E: Entries>(entries: &E, first: usize, count: usize, what: usize) {
    for slice in first..first.saturating_add(count) {
        entries.claimed(slice).store(what, Ordering::Release);
    }
}

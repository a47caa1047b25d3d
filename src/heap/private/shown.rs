//! Records that come to be while their heap is used, and are found from then on: the table of
//! buckets, the buckets, their slots beside the first.
//!
//! ```text
//!   stand-in --find_or_make, under the lock of those that make--> the record, for good
//!            --show----------------------------------------------> one made elsewhere
//! ```
//!
//! Invariants: whoever finds a record finds it whole, with no lock; one is made for a place,
//! whoever asks at the same time; where none could be had, the stand-in is found still, and
//! made anew the next time. It goes when the heap does, which nobody uses then.

use crate::sync::atomic::{AtomicPtr, Ordering};
use core::ptr;

/// Where a record is found, or what stands for it. A word, as it lies in memory.
#[repr(transparent)]
pub(crate) struct Shown<T>(AtomicPtr<T>);

impl<T> Shown<T> {
    /// What stands for a record is found.
    #[cfg(not(ntheap_model))]
    pub(crate) const fn new(stand_in: *mut T) -> Self {
        Shown(AtomicPtr::new(stand_in))
    }

    /// [`Shown::new`] of the models.
    #[cfg(ntheap_model)]
    pub(crate) fn new(stand_in: *mut T) -> Self {
        Shown(AtomicPtr::new(stand_in))
    }

    /// The record, whole, or what stands for it.
    #[inline(always)]
    pub(crate) fn find(&self) -> *mut T {
        self.0.load(Ordering::Acquire)
    }

    /// Has a record found here that is whole.
    pub(crate) fn show(&self, record: *mut T) {
        self.0.store(record, Ordering::Release);
    }

    /// The record; what `make` gives, whole, if `stand_in` is found still. Where that is null
    /// nothing changes. The caller holds the lock under which records for this place are made.
    pub(crate) fn find_or_make(&self, stand_in: *const T, make: impl FnOnce() -> *mut T) -> *mut T {
        let found = self.0.load(Ordering::Relaxed);
        if !ptr::eq(found, stand_in) {
            return found;
        }
        let made = make();
        if made.is_null() {
            return found;
        }
        self.show(made);
        made
    }
}

//! Address space of which every page faults but those that are opened: what
//! blocks with guard pages lie in.
//!
//! ```text
//!   |<--------------- one reservation --------------->|
//!   | guarded, some opened             | no access    |
//!   |<-- committed, one mapping: Advice |
//! ```
//!
//! By [`Guards::Advice`] the guards are marks in the page tables: however many
//! there are, the system's list of mappings has one line. Where the kernel has no
//! such marks, or the program forbids them, each opened range is a mapping of its
//! own ([`Guards::Mappings`]), and the kernel's limit of mappings is the limit of
//! opened ranges.
//!
//! Invariant: only opened pages are charged, for only they hold anything.

use super::{Use, charge, credit, reserve, reserve_low};
use crate::sys;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes that are made ready at a time.
const STEP: usize = 4 * 1024 * 1024;

/// How pages are made to fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guards {
    /// By advice: Linux since 6.13.
    Advice,
    /// By rights, which makes mappings.
    Mappings,
}

/// Such address space, of which there is one and which is never given back.
pub(crate) struct Guarded {
    base: AtomicUsize,
    size: AtomicUsize,
    /// Bytes from the base on that are committed and guarded.
    ready: AtomicUsize,
    by_advice: AtomicBool,
}

impl Guarded {
    /// None yet.
    pub(crate) const fn new() -> Guarded {
        Guarded {
            base: AtomicUsize::new(0),
            size: AtomicUsize::new(0),
            ready: AtomicUsize::new(0),
            by_advice: AtomicBool::new(false),
        }
    }

    /// Reserves up to `most` bytes, less where the system has not as much, and finds out
    /// how to guard; with [`Guards::Mappings`] advice is not tried. With a number in `low`,
    /// drawn by chance, at low addresses ([`sys::KEEPS_LOW`]) if there is room. False when
    /// not even a step can be had. Once, by one thread.
    pub(crate) fn begin(&self, most: usize, guards: Guards, low: Option<u64>) -> bool {
        let limit = sys::address_space_limit() / 4;
        let mut size = most.min(limit).max(STEP) / STEP * STEP;
        let mut base = low.map_or(ptr::null_mut(), |choice| {
            reserve_low(Use::Large, size, choice)
        });
        while base.is_null() {
            base = reserve(Use::Large, size, super::GRANULARITY);
            if base.is_null() {
                if size <= STEP {
                    return false;
                }
                size = (size / 4).max(STEP) / STEP * STEP;
            }
        }
        self.size.store(size, Ordering::Relaxed);
        let start = base.expose_provenance();
        if guards == Guards::Advice {
            // SAFETY: the first step of the region just reserved, which nobody
            // knows of.
            let works = unsafe { sys::commit(base, STEP) && sys::install_guard(base, STEP) };
            if works {
                self.ready.store(STEP, Ordering::Relaxed);
                self.by_advice.store(true, Ordering::Relaxed);
            } else {
                // SAFETY: as above. Nothing is kept there.
                unsafe { sys::decommit(base, STEP) };
            }
        }
        self.base.store(start, Ordering::Release);
        true
    }

    /// The first address; 0 before [`Guarded::begin`].
    #[inline]
    pub(crate) fn base(&self) -> usize {
        self.base.load(Ordering::Acquire)
    }

    /// Bytes in all.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// How pages are made to fault.
    pub(crate) fn guards(&self) -> Guards {
        if self.by_advice.load(Ordering::Relaxed) {
            Guards::Advice
        } else {
            Guards::Mappings
        }
    }

    /// Sees to it that the first `end` bytes can be opened. One thread at a time.
    /// False, and nothing changed, when the system refuses or there are not as
    /// many.
    pub(crate) fn make_ready(&self, end: usize) -> bool {
        if end > self.size() {
            return false;
        }
        if self.guards() == Guards::Mappings {
            return true;
        }
        loop {
            let ready = self.ready.load(Ordering::Relaxed);
            if ready >= end {
                return true;
            }
            let next = ptr::with_exposed_provenance_mut(self.base() + ready);
            // SAFETY: the next step of the region, which nobody uses yet; a region
            // is whole steps.
            unsafe {
                if !sys::commit(next, STEP) {
                    return false;
                }
                if !sys::install_guard(next, STEP) {
                    sys::decommit(next, STEP);
                    return false;
                }
            }
            self.ready.store(ready + STEP, Ordering::Relaxed);
        }
    }

    /// Opens whole pages, which are then zero; false, and nothing changed, when
    /// the system refuses or the commit limit is reached.
    ///
    /// # Safety
    /// The pages were made ready, are shut, and are the caller's.
    pub(crate) unsafe fn open(&self, start: usize, size: usize) -> bool {
        if !charge(Use::Large, size) {
            return false;
        }
        let pages = ptr::with_exposed_provenance_mut(start);
        // SAFETY: the caller's pages, in the region.
        let done = unsafe {
            match self.guards() {
                Guards::Advice => sys::remove_guard(pages, size),
                Guards::Mappings => sys::commit(pages, size),
            }
        };
        if !done {
            credit(Use::Large, size);
        }
        done
    }

    /// Shuts whole pages and gives their memory back. False, and nothing changed,
    /// when the system refuses, as it may at its limit of mappings.
    ///
    /// # Safety
    /// The pages were opened and are the caller's; their contents are dead.
    pub(crate) unsafe fn shut(&self, start: usize, size: usize) -> bool {
        let pages = ptr::with_exposed_provenance_mut(start);
        // SAFETY: the caller's pages, in the region.
        let done = unsafe {
            match self.guards() {
                Guards::Advice => sys::install_guard(pages, size),
                Guards::Mappings => sys::decommit(pages, size),
            }
        };
        if done {
            credit(Use::Large, size);
        }
        done
    }
}

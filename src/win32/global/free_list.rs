//! The list of free entries: a stack without a lock.
//!
//! ```text
//!   head   | turns: 43 bits | the first entry's distance from the region: 21 bits |
//!             \____ one more at each push ____/
//! ```
//!
//! Each free entry has the address of the next one, the last has the region's,
//! where no entry lies. Who takes the first entry has read its link before it is
//! known to be the first still. It may have been taken and given back in between;
//! then the turns differ, and the exchange fails. An entry that was taken comes
//! back by a push alone, so that pushes are all that need be counted.
//!
//! Callers know an entry by its handle, which leads [`HANDLE`] bytes into it.

use crate::sync::atomic::{AtomicUsize, Ordering};

/// Regions lie at multiples of this, and entries within.
pub(crate) const REGION: usize = 1 << 21;
/// The distance's bits of the head.
const DISTANCE: usize = REGION - 1;
/// Where in its entry a handle leads to. Entries lie at multiples of twice that, so
/// that a handle differs from its entry's address in this bit.
pub(crate) const HANDLE: usize = 8;
/// One turn.
const TURN: usize = REGION;

/// What [`FreeList::place`] found.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    head: usize,
    new: usize,
    /// The entry that comes behind.
    pub(crate) next: usize,
}

/// The list.
pub(crate) struct FreeList {
    head: AtomicUsize,
}

impl FreeList {
    /// An empty list.
    #[cfg(not(ntheap_model))]
    pub(crate) const fn new() -> Self {
        FreeList {
            head: AtomicUsize::new(0),
        }
    }

    /// An empty list.
    #[cfg(ntheap_model)]
    pub(crate) fn new() -> Self {
        FreeList {
            head: AtomicUsize::new(0),
        }
    }

    /// Takes the first entry: its handle; `None` when there is none, or another
    /// thread came between. `base`, the region's address and [`HANDLE`], is asked once
    /// an entry was seen, and `link` tells the link of a handle's entry; it may tell
    /// something else of one in use.
    #[inline(always)]
    pub(crate) fn try_pop(
        &self,
        base: impl Fn() -> usize,
        link: impl Fn(usize) -> usize,
    ) -> Option<usize> {
        let head = self.head.load(Ordering::Acquire);
        let distance = head & DISTANCE;
        if distance == 0 {
            return None;
        }
        let handle = base() + distance;
        // The links are addresses in one region, so their difference is the distances'.
        let between = link(handle).wrapping_sub(handle - HANDLE);
        let new = head.wrapping_add(between);
        self.exchange(head, new, Ordering::Acquire)
            .then_some(handle)
    }

    /// As [`FreeList::try_pop`], but that `None` means that there is none.
    pub(crate) fn pop(
        &self,
        base: impl Fn() -> usize,
        link: impl Fn(usize) -> usize,
    ) -> Option<usize> {
        loop {
            let handle = self.try_pop(&base, &link);
            if handle.is_some() || self.head.load(Ordering::Acquire) & DISTANCE == 0 {
                return handle;
            }
        }
    }

    /// Where a handle's entry would be put, or a chain of them that begins with it. The
    /// link of the last one is to be [`Place::next`] before it is.
    #[inline(always)]
    pub(crate) fn place(&self, first: usize) -> Place {
        let head = self.head.load(Ordering::Relaxed);
        // The next entry's address differs from this handle in the distance only, and
        // in the bit that makes the handle.
        let between = (first ^ head) & DISTANCE;
        Place {
            head,
            next: first ^ between,
            new: (head ^ between).wrapping_add(TURN.wrapping_sub(HANDLE)),
        }
    }

    /// Puts an entry in its place; false when another thread came between.
    #[inline(always)]
    pub(crate) fn try_push(&self, place: Place) -> bool {
        self.exchange(place.head, place.new, Ordering::Release)
    }

    /// Puts a handle's entry, or a chain of them that begins with it, before the others.
    /// `set_link` writes the link of the last one.
    pub(crate) fn push(&self, first: usize, set_link: impl Fn(usize)) {
        loop {
            let place = self.place(first);
            set_link(place.next);
            if self.try_push(place) {
                return;
            }
        }
    }

    #[inline(always)]
    fn exchange(&self, old: usize, new: usize, order: Ordering) -> bool {
        // What a push published stays so: the exchanges that follow it go on its
        // release, whoever makes them.
        self.head
            .compare_exchange(old, new, order, Ordering::Relaxed)
            .is_ok()
    }
}

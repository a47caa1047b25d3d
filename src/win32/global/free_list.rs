//! The list of free entries: a stack of numbers without a lock.
//!
//! ```text
//!   head   | turns: 47 bits | number + 1, or 0: 17 bits |
//!             \____ one more at each change ____/
//! ```
//!
//! Who takes the first entry has read its successor before it is known to be
//! the first still. It may have been taken and given back in between; then the
//! turns differ, and the exchange fails.

use crate::sync::atomic::{AtomicUsize, Ordering};

/// Bits of a number, and of none.
const BITS: u32 = 17;
/// The number's bits of the head.
const NUMBER: usize = (1 << BITS) - 1;
/// One turn.
const TURN: usize = 1 << BITS;

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

    /// Takes the first entry's number. `next` tells what lies behind an entry: a
    /// number and one, or 0; it may be told wrongly of an entry in use.
    #[inline(always)]
    pub(crate) fn pop(&self, next: impl Fn(usize) -> usize) -> Option<usize> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let number = (head & NUMBER).checked_sub(1)?;
            let new = (head & !NUMBER).wrapping_add(TURN) | next(number) & NUMBER;
            match self.exchange(head, new, Ordering::Acquire) {
                Ok(()) => return Some(number),
                Err(now) => head = now,
            }
        }
    }

    /// Puts an entry, or a chain of them that begins with it, before the others.
    /// `link` writes what comes behind the chain, as [`FreeList::pop`] is told it.
    #[inline(always)]
    pub(crate) fn push(&self, first: usize, link: impl Fn(usize)) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            link(head & NUMBER);
            let new = (head & !NUMBER).wrapping_add(TURN) | (first + 1);
            match self.exchange(head, new, Ordering::Release) {
                Ok(()) => return,
                Err(now) => head = now,
            }
        }
    }

    #[inline(always)]
    fn exchange(&self, old: usize, new: usize, on_success: Ordering) -> Result<(), usize> {
        // An entry's link is published by the exchange that put it there, whoever
        // changed the head since: each of these goes on that one's release.
        self.head
            .compare_exchange(old, new, on_success, Ordering::Acquire)
            .map(|_| ())
    }
}

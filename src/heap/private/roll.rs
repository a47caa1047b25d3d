//! The roll: the heaps there are, in the order they were made, and what says of
//! a record that it is a heap's that lives.
//!
//! ```text
//!   make:   record written -> life begins -> slice table leads to it -> enters
//!   end:    leaves, and its life with that -> slice table cleared -> record reused
//!
//!   whoever holds the roll's lock:  every member of the roll
//!                                   any record whose life has not ended   lives on
//! ```
//!
//! A thread may be led to a record by the slice table at any time, as by an
//! address of a heap that another thread ends at that moment. While it holds the
//! lock, a record that lives is whole and stays; without, only the handle itself
//! may be looked at. Whoever uses a heap by its own handle needs no lock: nobody
//! ends a heap in use.

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::cell::UnsafeCell;
use core::ptr;

/// Whether a record is a heap's: its handle, or 0.
#[repr(transparent)]
pub(crate) struct Life(AtomicUsize);

impl Life {
    /// Nobody's.
    pub(crate) fn none() -> Self {
        Life(AtomicUsize::new(0))
    }

    /// Begins, once all of the record is written.
    pub(crate) fn begin(&self, handle: usize) {
        self.0.store(handle, Ordering::Release);
    }

    /// The handle; 0 where there is none.
    #[inline]
    pub(crate) fn handle(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether the record may be looked at by whoever holds the roll's lock.
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }

    /// The handle, read as if by one thread: the read folds into the comparison
    /// with the number that a caller takes for his heap's.
    ///
    /// # Safety
    /// The record is never unmapped.
    #[cfg(not(ntheap_model))]
    #[inline(always)]
    pub(crate) unsafe fn peek(this: *const Life) -> usize {
        // SAFETY: the caller's record. It is the handle of a heap that lives as
        // long as the caller uses it, or a number that differs.
        unsafe { (*this).0.as_ptr().read() }
    }
}

/// A member's neighbours and its number; they belong to the roll's lock.
pub(crate) struct Links<M> {
    /// Above those of all that are before it: where a walk goes on that let the lock go.
    number: UnsafeCell<u64>,
    next: UnsafeCell<*mut M>,
    previous: UnsafeCell<*mut M>,
}

impl<M> Links<M> {
    /// No neighbours.
    pub(crate) fn new() -> Self {
        Links {
            number: UnsafeCell::new(0),
            next: UnsafeCell::new(ptr::null_mut()),
            previous: UnsafeCell::new(ptr::null_mut()),
        }
    }
}

/// What can be on a roll.
pub(crate) trait Member: Sized {
    /// Whether it lives.
    fn life(&self) -> &Life;
    /// Its neighbours.
    fn links(&self) -> &Links<Self>;
}

/// The roll, behind a lock.
pub(crate) struct Roll<M> {
    first: *mut M,
    last: *mut M,
    count: usize,
    /// Members that ever entered last.
    entered: u64,
}

impl<M: Member> Roll<M> {
    /// Empty.
    pub(crate) const fn new() -> Self {
        Roll {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
            count: 0,
            entered: 0,
        }
    }

    /// Members.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Enters a member, last or first; one at most ever enters first.
    ///
    /// # Safety
    /// It is on no roll, and stays readable until it has left.
    pub(crate) unsafe fn enter(&mut self, member: *mut M, is_first: bool) {
        let (previous, next) = if is_first {
            (ptr::null_mut(), self.first)
        } else {
            (self.last, ptr::null_mut())
        };
        self.entered += u64::from(!is_first);
        // SAFETY: the caller's member, and the roll's, whose lock is held.
        unsafe {
            *(*member).links().number.get() = if is_first { 0 } else { self.entered };
            *(*member).links().previous.get() = previous;
            *(*member).links().next.get() = next;
            self.join(previous, member);
            self.join(member, next);
        }
        self.count += 1;
    }

    /// Takes a member out; its life ends with that.
    ///
    /// # Safety
    /// It is on this roll.
    pub(crate) unsafe fn leave(&mut self, member: *mut M) {
        // SAFETY: the caller's member is on the roll, whose lock is held.
        unsafe {
            let previous = *(*member).links().previous.get();
            let next = *(*member).links().next.get();
            self.join(previous, next);
            (*member).life().0.store(0, Ordering::Relaxed);
        }
        self.count -= 1;
    }

    /// Makes two members neighbours; null stands for the end on that side.
    ///
    /// # Safety
    /// Those that are not null are on the roll.
    unsafe fn join(&mut self, previous: *mut M, next: *mut M) {
        // SAFETY: the caller's members, and the roll's lock is held.
        unsafe {
            match previous.as_ref() {
                Some(previous) => *previous.links().next.get() = next,
                None => self.first = next,
            }
            match next.as_ref() {
                Some(next) => *next.links().previous.get() = previous,
                None => self.last = previous,
            }
        }
    }

    /// The members from the first on.
    pub(crate) fn each(&self) -> impl Iterator<Item = &M> {
        let mut at = self.first;
        core::iter::from_fn(move || {
            // SAFETY: members are readable while they are on the roll, and the
            // borrow of it excludes that one leaves.
            let member = unsafe { at.as_ref() }?;
            // SAFETY: as above; the links belong to the roll's lock.
            at = unsafe { *member.links().next.get() };
            Some(member)
        })
    }

    /// The first member whose number is above `number`, or of all; and its own.
    pub(crate) fn after(&self, number: Option<u64>) -> Option<(&M, u64)> {
        // SAFETY: the numbers belong to the roll's lock.
        let mut numbered = self.each().map(|m| (m, unsafe { *m.links().number.get() }));
        numbered.find(|(_, own)| number.is_none_or(|number| *own > number))
    }
}

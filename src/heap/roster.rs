//! The roster of a front end's caches, and how a thread's end takes its cache off it.
//!
//! ```text
//!            make                    forget
//!   (free) -------> live, a thread's -------> (free)
//!     ^               |         ^
//!     |          park |         | unpark
//!     |               v         |
//!     +--- never --- live, no thread's
//! ```
//!
//! Invariants:
//! - All of it is under one lock, which comes before the buckets'. Whoever looks at other
//!   threads' caches holds it as long as that takes, so that none of them changes hands
//!   meanwhile.
//! - A cache is emptied before it is forgotten: the next thread finds nothing in it. It is
//!   found by others, who may take from it, until then.
//! - A parked cache has no owner, so that nobody takes it for one that was lost.
//! - A cache is lost if its thread has ended and it still has an owner (lost.rs).

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicPtr, Ordering};
use core::ptr;

/// Caches of threads that have ended, kept for others to begin with: a program
/// whose threads live for a moment would fill and drain one each time.
const MOST_PARKED: usize = if cfg!(ntheap_model) { 1 } else { 4 };

/// Whose a cache is.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    /// The thread's number; 0 for no thread.
    pub(super) thread: u64,
    /// The process that it was of when it got the cache.
    pub(super) process: u32,
    /// Greater the later it got the cache.
    pub(super) since: u64,
}

/// What is on a roster.
pub(super) trait Member: Sized {
    /// The next of those that are live, or of those that are free.
    fn next(&self) -> &AtomicPtr<Self>;
    /// The next of those that are parked.
    fn next_parked(&self) -> &AtomicPtr<Self>;
    /// Whose it is. Of members that are live.
    fn owner(&self) -> Owner;
    /// Makes it no thread's.
    fn belong_to_nobody(&self);
}

/// The caches of a front end's threads.
pub(super) struct Roster<C> {
    pub(super) live: *mut C,
    free: *mut C,
    pub(super) count: usize,
    /// Those of the live ones whose threads have ended: the next to begin get
    /// them, blocks and all.
    parked: *mut C,
    pub(super) parked_count: usize,
}

// SAFETY: the lists belong to the front end, whichever thread holds its lock.
unsafe impl<C> Send for Roster<C> {}

/// The members of a list, from one of them on.
struct Members<'a, C, N> {
    at: *mut C,
    next: N,
    lock: core::marker::PhantomData<&'a C>,
}

impl<'a, C: 'a, N: Fn(&C) -> &AtomicPtr<C>> Iterator for Members<'a, C, N> {
    type Item = &'a C;

    fn next(&mut self) -> Option<&'a C> {
        // SAFETY: a list of the roster's, whose lock is held for `'a`, links members that
        // are never unmapped.
        let member = unsafe { self.at.as_ref() }?;
        self.at = (self.next)(member).load(Ordering::Relaxed);
        Some(member)
    }
}

impl<C: Member> Roster<C> {
    /// Nobody is on it.
    pub(super) const fn new() -> Self {
        Roster {
            live: ptr::null_mut(),
            free: ptr::null_mut(),
            count: 0,
            parked: ptr::null_mut(),
            parked_count: 0,
        }
    }

    /// All that are live, those that are parked among them.
    pub(super) fn live(&self) -> impl Iterator<Item = &C> {
        Members {
            at: self.live,
            next: C::next,
            lock: core::marker::PhantomData,
        }
    }

    /// Those that are no thread's.
    pub(super) fn parked(&self) -> impl Iterator<Item = &C> {
        Members {
            at: self.parked,
            next: C::next_parked,
            lock: core::marker::PhantomData,
        }
    }

    /// Keeps a member whose thread ends, which `keep` is told before; false, and nothing
    /// done, when enough are kept.
    ///
    /// # Safety
    /// The member is live, and the calling thread's.
    unsafe fn park(&mut self, place: *mut C, keep: impl FnOnce(&C)) -> bool {
        if self.parked_count == MOST_PARKED {
            return false;
        }
        // SAFETY: a member, and never unmapped.
        let member = unsafe { &*place };
        keep(member);
        member.belong_to_nobody();
        member.next_parked().store(self.parked, Ordering::Relaxed);
        self.parked = place;
        self.parked_count += 1;
        true
    }

    /// A member of a thread that has ended, blocks and all; null if none is kept.
    pub(super) fn unpark(&mut self) -> *mut C {
        let place = self.parked;
        // SAFETY: a parked member, and never unmapped.
        if let Some(member) = unsafe { place.as_ref() } {
            self.parked = member.next_parked().load(Ordering::Relaxed);
            self.parked_count -= 1;
        }
        place
    }

    /// Forgets which members are parked: in a forked child, where nobody comes for them.
    pub(super) fn unpark_all(&mut self) {
        self.parked = ptr::null_mut();
        self.parked_count = 0;
    }

    /// A member that was forgotten, to be made anew; null if there is none.
    pub(super) fn reuse(&mut self) -> *mut C {
        let place = self.free;
        // SAFETY: the free list links members that nobody uses.
        if let Some(member) = unsafe { place.as_ref() } {
            self.free = member.next().load(Ordering::Relaxed);
        }
        place
    }

    /// Makes a member live.
    ///
    /// # Safety
    /// It is on no list, is never unmapped, and stays where it is.
    pub(super) unsafe fn enter(&mut self, place: *mut C) {
        // SAFETY: the caller's member.
        let member = unsafe { &*place };
        member.next().store(self.live, Ordering::Relaxed);
        self.live = place;
        self.count += 1;
    }

    /// Takes a member that was emptied off the live ones; false if it is none.
    pub(super) fn forget(&mut self, place: *mut C) -> bool {
        let is_before = |member: &&C| ptr::eq(member.next().load(Ordering::Relaxed), place);
        let before = self.live().find(is_before);
        if before.is_none() && self.live != place {
            return false;
        }
        // SAFETY: a member that is live, and never unmapped.
        let member = unsafe { &*place };
        let next = member.next().load(Ordering::Relaxed);
        match before {
            Some(before) => before.next().store(next, Ordering::Relaxed),
            None => self.live = next,
        }
        member.next().store(self.free, Ordering::Relaxed);
        self.free = place;
        self.count -= 1;
        true
    }

    /// The numbers that more than one live member goes by, and maybe others.
    pub(super) fn shared_numbers(&self) -> Numbers {
        let mut once = Numbers::default();
        let mut again = Numbers::default();
        for member in self.live() {
            let thread = member.owner().thread;
            if once.has(thread) {
                again.note(thread);
            }
            once.note(thread);
        }
        again
    }

    /// Whether the thread of a live member has ended without giving it back: the system
    /// has no such thread in `process`, this one, or it is another one, which came to the
    /// number later. Of that only numbers among `shared` are looked at.
    pub(super) fn is_lost(
        &self,
        member: &C,
        process: u32,
        shared: &Numbers,
        is_gone: impl FnOnce(u64) -> bool,
    ) -> bool {
        let own = member.owner();
        if own.thread == 0 || own.process != process {
            return false;
        }
        let is_later = |other: Owner| other.thread == own.thread && other.since > own.since;
        is_gone(own.thread)
            || shared.has(own.thread) && self.live().any(|member| is_later(member.owner()))
    }
}

/// A set of numbers that holds others too, now and then.
#[derive(Default)]
pub(super) struct Numbers([u64; 32]);

impl Numbers {
    fn note(&mut self, number: u64) {
        if let Some(word) = self.0.get_mut(number as usize / 64 % 32) {
            *word |= 1 << (number % 64);
        }
    }

    fn has(&self, number: u64) -> bool {
        let word = self.0.get(number as usize / 64 % 32);
        word.is_some_and(|word| word & 1 << (number % 64) != 0)
    }
}

/// The end of a thread, by its exit hook: its cache is kept as it is for the next thread
/// that begins, if it `may_stay` and few are kept, and `keep` is told under the lock; or
/// else it is emptied by `drain` and forgotten, which `forgotten` is told under the lock.
///
/// # Safety
/// `place` is the calling thread's live cache, to which its word does not lead any more.
pub(super) unsafe fn retire<C: Member>(
    roster: &Mutex<Roster<C>>,
    place: *mut C,
    may_stay: bool,
    keep: impl FnOnce(&C),
    drain: impl FnOnce(&C),
    forgotten: impl FnOnce(&C),
) {
    // SAFETY: the caller's cache, and caches are never unmapped.
    let cache = unsafe { &*place };
    // SAFETY: the caller's promise is the callee's.
    if may_stay && unsafe { roster.lock().park(place, keep) } {
        return;
    }
    drain(cache);
    let mut roster = roster.lock();
    if roster.forget(place) {
        forgotten(cache);
    }
}

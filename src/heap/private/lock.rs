//! A heap's locks: the one that `HeapLock` takes, and the one that operations
//! are short under.
//!
//! ```text
//!   operation:  inner taken --> holder nobody or me? --yes--> work, inner given back
//!                   ^                |no
//!                   +--- wait for the outer lock, inner given back
//!
//!   HeapLock:   outer taken, holder = me --> inner taken and given back
//! ```
//!
//! Whoever holds the outer lock runs code of its own. So operations do not
//! hold it: they wait until nobody else does, and look at that under the inner
//! lock. `HeapLock` passes through the inner lock once it is the holder, so
//! that no operation is under way when it returns. A fork takes inner locks
//! only, and never waits for a program's code.

use crate::sync::Lock;
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Both locks of a heap.
pub(crate) struct HeapLock {
    outer: Lock,
    /// The thread that holds the outer lock, 0 for none.
    holder: AtomicUsize,
    /// How often it has taken it.
    depth: AtomicU32,
    inner: Lock,
}

impl HeapLock {
    /// Both free.
    #[cfg(not(ntheap_model))]
    pub(crate) const fn new() -> Self {
        HeapLock {
            outer: Lock::new(),
            holder: AtomicUsize::new(0),
            depth: AtomicU32::new(0),
            inner: Lock::new(),
        }
    }

    /// Both free.
    #[cfg(ntheap_model)]
    pub(crate) fn new() -> Self {
        HeapLock {
            outer: Lock::new(),
            holder: AtomicUsize::new(0),
            depth: AtomicU32::new(0),
            inner: Lock::new(),
        }
    }

    /// Begins an operation of thread `me`; with `waits`, not before every other
    /// thread has given the outer lock back.
    #[inline]
    pub(crate) fn enter(&self, me: usize, waits: bool) {
        self.inner.acquire();
        while waits && !self.is_open_to(me) {
            self.inner.release();
            self.outer.acquire();
            self.outer.release();
            self.inner.acquire();
        }
    }

    /// Whether `me` may go on though somebody may hold the outer lock.
    #[inline]
    fn is_open_to(&self, me: usize) -> bool {
        // Whoever sees that the last holder is gone sees what he did.
        let holder = self.holder.load(Ordering::Acquire);
        holder == 0 || holder == me
    }

    /// Ends an operation.
    #[inline]
    pub(crate) fn leave(&self) {
        self.inner.release();
    }

    /// Takes the outer lock for thread `me`, once more if it has it. When this
    /// returns, no operation of another thread that waits is under way.
    pub(crate) fn hold(&self, me: usize) {
        if self.holder.load(Ordering::Relaxed) == me {
            let depth = self.depth.load(Ordering::Relaxed);
            self.depth.store(depth + 1, Ordering::Relaxed);
            return;
        }
        self.outer.acquire();
        self.holder.store(me, Ordering::Relaxed);
        self.depth.store(1, Ordering::Relaxed);
        self.inner.acquire();
        self.inner.release();
    }

    /// Gives the outer lock back as often as it was taken. False, and nothing
    /// done, when thread `me` does not hold it.
    pub(crate) fn let_go(&self, me: usize) -> bool {
        if self.holder.load(Ordering::Relaxed) != me {
            return false;
        }
        let depth = self.depth.load(Ordering::Relaxed) - 1;
        self.depth.store(depth, Ordering::Relaxed);
        if depth == 0 {
            self.holder.store(0, Ordering::Release);
            self.outer.release();
        }
        true
    }

    /// The inner lock, for the fork handlers.
    pub(crate) fn inner(&self) -> &Lock {
        &self.inner
    }

    /// In a forked child, whose only thread is `me`: nobody else holds the
    /// outer lock or waits for it.
    pub(crate) fn forget_holder(&self, me: usize) {
        if self.holder.load(Ordering::Relaxed) != me {
            self.holder.store(0, Ordering::Relaxed);
            self.depth.store(0, Ordering::Relaxed);
            self.outer.reset();
        }
    }
}

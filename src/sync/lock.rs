//! A mutual-exclusion lock of one word.
//!
//! ```text
//!   0 free --lock--> 1 held --another waits--> 2 held, somebody may sleep
//!   ^                   |                          |
//!   +------unlock-------+-----unlock + wake--------+
//! ```
//!
//! A thread that slept takes the lock in state 2, since it cannot know
//! whether it was the only sleeper: one needless wake at most, never a missed
//! one.

use super::atomic::{AtomicU32, Ordering};
use super::cell::UnsafeCell;
use super::os;
use core::ops::{Deref, DerefMut};

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;

/// Tries before a thread goes to sleep. Every critical section of the
/// allocator is short except those that call the system.
const SPINS: u32 = if cfg!(ntheap_model) { 1 } else { 100 };

/// The bare lock: no data, no owner. Not recursive.
pub(crate) struct Lock {
    state: AtomicU32,
}

impl Lock {
    /// A free lock.
    #[cfg(not(ntheap_model))]
    pub(crate) const fn new() -> Self {
        Lock {
            state: AtomicU32::new(FREE),
        }
    }

    /// A free lock.
    #[cfg(ntheap_model)]
    pub(crate) fn new() -> Self {
        Lock {
            state: AtomicU32::new(FREE),
        }
    }

    /// Takes the lock, waiting as long as it is held.
    #[inline]
    pub(crate) fn acquire(&self) {
        if self
            .state
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            self.acquire_contended();
        }
    }

    #[cold]
    fn acquire_contended(&self) {
        let mut spins = SPINS;
        while spins > 0 && self.state.load(Ordering::Relaxed) != FREE {
            os::spin_loop();
            spins -= 1;
        }
        if self
            .state
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
        {
            return;
        }
        while self.state.swap(CONTENDED, Ordering::Acquire) != FREE {
            os::wait(&self.state, CONTENDED);
        }
    }

    /// Gives the lock back. Only the thread that took it may call this.
    #[inline]
    pub(crate) fn release(&self) {
        if self.state.swap(FREE, Ordering::Release) == CONTENDED {
            os::wake_one(&self.state);
        }
    }

    /// Makes the lock free whoever holds it: in a forked child, where the
    /// threads that waited do not exist.
    pub(crate) fn reset(&self) {
        self.state.store(FREE, Ordering::Release);
    }
}

/// A value that only the holder of its lock can reach.
pub(crate) struct Mutex<T> {
    lock: Lock,
    value: UnsafeCell<T>,
}

// SAFETY: `value` is reached only through a `Guard`, of which the lock lets at
// most one exist, so sharing the mutex moves `T` between threads at most.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// Where in it the value is, in bytes.
    #[cfg(not(ntheap_model))]
    pub(crate) const VALUE: usize = core::mem::offset_of!(Mutex<T>, value);

    /// A free mutex around `value`.
    #[cfg(not(ntheap_model))]
    pub(crate) const fn new(value: T) -> Self {
        Mutex {
            lock: Lock::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// A free mutex around `value`.
    #[cfg(ntheap_model)]
    pub(crate) fn new(value: T) -> Self {
        Mutex {
            lock: Lock::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock for as long as the guard lives.
    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        self.lock.acquire();
        Guard { mutex: self }
    }

    /// The value, for the fork handlers: they hold the lock by [`Mutex::raw`],
    /// without a guard. To be used by whoever holds it only.
    #[cfg(any(feature = "heaps", all(unix, feature = "pages")))]
    pub(crate) fn held(&self) -> *mut T {
        self.value.get()
    }

    /// The bare lock, for the fork handlers, which hold every lock across the
    /// fork without touching what it protects.
    pub(crate) const fn raw(&self) -> &Lock {
        &self.lock
    }
}

/// The proof that a [`Mutex`] is held; gives it back when dropped.
pub(crate) struct Guard<'a, T> {
    mutex: &'a Mutex<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: a guard exists only between acquire and release of its own
        // mutex, so no other guard can reach the value.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `&mut self` excludes other borrows made
        // through this guard.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.lock.release();
    }
}

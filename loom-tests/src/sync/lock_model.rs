//! The lock: one thread at a time, each sees what the one before did, and
//! whoever waits gets it.

use super::cell::UnsafeCell;
use super::{lock, lock_forgets_sleepers, lock_never_wakes};
use super::{lock_releases_relaxed, lock_takes_relaxed};
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

/// A lock of one of the compiled files.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    fn acquire(&self);
    fn release(&self);
}

macro_rules! models {
    ($($file:ident)*) => {$(
        impl Model for $file::Lock {
            fn new() -> Self {
                $file::Lock::new()
            }
            fn acquire(&self) {
                $file::Lock::acquire(self)
            }
            fn release(&self) {
                $file::Lock::release(self)
            }
        }
    )*};
}

models!(lock lock_takes_relaxed lock_releases_relaxed lock_never_wakes lock_forgets_sleepers);

/// `threads` threads that each take the lock `rounds` times and add one.
fn count<L: Model>(threads: usize, rounds: usize) {
    let shared = Arc::new((L::new(), UnsafeCell::new(0usize)));
    let add = move |shared: &(L, UnsafeCell<usize>)| {
        for _ in 0..rounds {
            shared.0.acquire();
            // SAFETY: the lock is held; the cell tells if that is not enough.
            unsafe { *shared.1.get() += 1 };
            shared.0.release();
        }
    };
    let others: Vec<_> = (1..threads)
        .map(|_| {
            let shared = shared.clone();
            thread::spawn(move || add(&shared))
        })
        .collect();
    add(&shared);
    for other in others {
        other.join().unwrap();
    }
    shared.0.acquire();
    // SAFETY: as above.
    assert_eq!(unsafe { *shared.1.get() }, threads * rounds);
    shared.0.release();
}

#[test]
fn two_threads_take_turns() {
    check(6, || count::<lock::Lock>(2, 2));
}

#[test]
fn three_threads_take_turns() {
    check(4, || count::<lock::Lock>(3, 1));
}

#[test]
fn a_guard_is_the_lock() {
    check(3, || {
        let shared = Arc::new(lock::Mutex::new(0));
        let other = {
            let shared = shared.clone();
            thread::spawn(move || *shared.lock() += 1)
        };
        *shared.lock() += 1;
        other.join().unwrap();
        assert_eq!(*shared.lock(), 2);
    });
}

#[test]
fn mutants_are_caught() {
    let unordered = "Causality violation";
    let asleep = "deadlock";
    are_caught(
        "sync::lock_model::mutants_are_caught",
        &[
            ("takes relaxed", unordered, || {
                check(3, || count::<lock_takes_relaxed::Lock>(2, 2))
            }),
            ("releases relaxed", unordered, || {
                check(3, || count::<lock_releases_relaxed::Lock>(2, 1))
            }),
            ("never wakes", asleep, || {
                check(3, || count::<lock_never_wakes::Lock>(2, 1))
            }),
            ("forgets sleepers", asleep, || {
                check(3, || count::<lock_forgets_sleepers::Lock>(3, 1))
            }),
        ],
    );
}

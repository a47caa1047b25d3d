//! What the protocol files find under `crate::sync`, in the model checker's
//! form, and those of them that lie there themselves.

#[path = "../../src/sync/forks/hooks.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod hooks;
#[path = "../../src/sync/lock.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod lock;
#[path = "../../src/sync/once.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod once;

mod forks_model;
mod lock_model;
mod once_model;

crate::mutant!(lock_takes_relaxed);
crate::mutant!(lock_releases_relaxed);
crate::mutant!(lock_never_wakes);
crate::mutant!(lock_forgets_sleepers);
crate::mutant!(once_ends_relaxed);
crate::mutant!(once_looks_relaxed);
crate::mutant!(once_starts_twice);
crate::mutant!(once_takes_over_the_living);
crate::mutant!(once_waits_for_the_absent);

crate::mutant!(forks_enter_meanwhile);
crate::mutant!(forks_copy_unheld);
crate::mutant!(forks_end_others);
crate::mutant!(forks_take_twice);
crate::mutant!(forks_child_counts_nothing);
crate::mutant!(forks_child_keeps_forking);
crate::mutant!(forks_give_back_untaken);
crate::mutant!(forks_own_hook_waits);
crate::mutant!(forks_ask_within);

pub(crate) use lock::{Lock, Mutex};

pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

/// Sleeping as the system does it: the comparison and the falling asleep are
/// one step, nobody wakes for no reason, and a wake without a sleeper is gone.
/// A wake-up that gets lost is a deadlock, which the model checker reports.
pub(crate) mod os {
    use super::atomic::{AtomicU32, Ordering};
    use loom::sync::{Arc, Condvar, Mutex};
    use std::collections::HashMap;

    /// Who sleeps, by word.
    type Sleepers = HashMap<usize, Arc<Condvar>>;

    loom::lazy_static! {
        static ref SLEEPERS: Mutex<Sleepers> = Mutex::new(HashMap::new());
    }

    fn on(sleepers: &mut Sleepers, word: &AtomicU32) -> Arc<Condvar> {
        let word = (&raw const *word).addr();
        let new = || Arc::new(Condvar::new());
        sleepers.entry(word).or_insert_with(new).clone()
    }

    pub(crate) fn wait(word: &AtomicU32, expected: u32) {
        let mut sleepers = SLEEPERS.lock().unwrap();
        // The system compares with the word's latest value, as only an
        // exchange of the model's does.
        if word.fetch_add(0, Ordering::Relaxed) == expected {
            let here = on(&mut sleepers, word);
            drop(here.wait(sleepers).unwrap());
        }
    }

    pub(crate) fn wake_one(word: &AtomicU32) {
        let here = on(&mut SLEEPERS.lock().unwrap(), word);
        here.notify_one();
    }

    /// Nothing: the loops that spin are bounded, and are to go on at once.
    pub(crate) fn spin_loop() {}

    pub(crate) fn yield_now() {
        loom::thread::yield_now();
    }

    loom::thread_local! {
        static TOKEN: usize = new_token();
    }

    fn new_token() -> usize {
        static LAST: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1
    }

    /// A number of the calling thread's own, not 0.
    pub(crate) fn thread_token() -> usize {
        TOKEN.with(|token| *token)
    }

    std::thread_local! {
        /// The model checker runs all threads of a model on one of the system's.
        static GENERATION: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    }

    /// Forks before this process.
    pub(crate) fn generation() -> u32 {
        GENERATION.get()
    }

    /// From here on the model is a process after so many forks.
    pub(super) fn set_generation(generation: u32) {
        GENERATION.set(generation);
    }
}

pub(crate) mod cell {
    /// A cell of which the model checker knows every access: two that are not
    /// ordered are an error, unless both only look.
    pub(crate) struct UnsafeCell<T> {
        accesses: loom::cell::UnsafeCell<()>,
        value: core::cell::UnsafeCell<T>,
    }

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            UnsafeCell {
                accesses: loom::cell::UnsafeCell::new(()),
                value: core::cell::UnsafeCell::new(value),
            }
        }

        pub(crate) fn get(&self) -> *mut T {
            self.accesses.with_mut(|_| ());
            self.value.get()
        }

        /// As [`UnsafeCell::get`], for reading.
        pub(crate) fn look(&self) -> *const T {
            self.accesses.with(|_| ());
            self.value.get()
        }
    }

    // SAFETY: the model checker runs one thread at a time, and stops at an
    // access that is not ordered with all others.
    unsafe impl<T: Send> Sync for UnsafeCell<T> {}
}

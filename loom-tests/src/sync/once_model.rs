//! The start: by one thread at a time, tried again after a failure, and seen
//! whole by everybody who is told that it is done.

use super::cell::UnsafeCell;
use super::os;
use super::{
    once, once_ends_relaxed, once_looks_relaxed, once_starts_twice, once_takes_over_the_living,
    once_waits_for_the_absent,
};
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

/// A start of one of the compiled files.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    fn is_ready(&self) -> bool;
    fn begin(&self) -> bool;
    fn end(&self, ready: bool);
}

macro_rules! models {
    ($($file:ident)*) => {$(
        impl Model for $file::Once {
            fn new() -> Self {
                $file::Once::new()
            }
            fn is_ready(&self) -> bool {
                $file::Once::is_ready(self)
            }
            fn begin(&self) -> bool {
                $file::Once::begin(self)
            }
            fn end(&self, ready: bool) {
                $file::Once::end(self, ready)
            }
        }
    )*};
}

models!(
    once once_ends_relaxed once_looks_relaxed once_starts_twice once_takes_over_the_living
    once_waits_for_the_absent
);

/// What the start makes ready.
#[derive(Default)]
struct Made {
    attempts: usize,
    successes: usize,
}

struct Shared<O> {
    once: O,
    made: UnsafeCell<Made>,
    failures: usize,
}

/// One call into the heap: true when it could be served.
fn call<O: Model>(shared: &Shared<O>) -> bool {
    if !shared.once.is_ready() && shared.once.begin() {
        // SAFETY: this thread is the one that starts.
        let made = unsafe { &mut *shared.made.get() };
        made.attempts += 1;
        if made.attempts <= shared.failures {
            shared.once.end(false);
            return false;
        }
        made.successes += 1;
        shared.once.end(true);
    }
    // SAFETY: ready, so nobody writes any more.
    assert_eq!(unsafe { (*shared.made.look()).successes }, 1);
    true
}

/// Two threads that call until they are served, the first `failures` starts
/// failing, and `lookers` that only look. (Of three callers two might wait at
/// once, and the model checker would let them take turns at that for ever.)
fn start<O: Model>(failures: usize, lookers: usize) {
    os::set_generation(0);
    run(O::new(), failures, lookers);
}

/// [`start`] in the child of a fork, which copied an attempt of the parent's.
fn start_in_a_child<O: Model>(failures: usize, lookers: usize) {
    os::set_generation(0);
    let once = O::new();
    assert!(once.begin());
    os::set_generation(1);
    run(once, failures, lookers);
}

fn run<O: Model>(once: O, failures: usize, lookers: usize) {
    let shared = Arc::new(Shared {
        once,
        made: UnsafeCell::new(Made::default()),
        failures,
    });
    let caller = {
        let shared = shared.clone();
        thread::spawn(move || while !call(&shared) {})
    };
    let lookers: Vec<_> = (0..lookers)
        .map(|_| {
            let shared = shared.clone();
            thread::spawn(move || shared.once.is_ready() && call(&shared))
        })
        .collect();
    while !call(&shared) {}
    caller.join().unwrap();
    for looker in lookers {
        looker.join().unwrap();
    }
    // SAFETY: all threads are done.
    let made = unsafe { &*shared.made.look() };
    assert_eq!((made.attempts, made.successes), (failures + 1, 1));
}

#[test]
fn two_threads_start_once() {
    check(4, || start::<once::Once>(0, 0));
    check(3, || start::<once::Once>(0, 1));
}

#[test]
fn a_failed_start_is_tried_again() {
    check(4, || start::<once::Once>(1, 0));
    check(3, || start::<once::Once>(2, 1));
}

#[test]
fn a_child_takes_over_what_a_fork_left_behind() {
    check(4, || start_in_a_child::<once::Once>(0, 0));
    check(2, || start_in_a_child::<once::Once>(1, 1));
}

#[test]
fn mutants_are_caught() {
    let unordered = "Causality violation";
    are_caught(
        "sync::once_model::mutants_are_caught",
        &[
            ("ends relaxed", unordered, || {
                check(3, || start::<once_ends_relaxed::Once>(0, 0))
            }),
            ("looks relaxed", unordered, || {
                check(3, || start::<once_looks_relaxed::Once>(0, 0))
            }),
            ("starts twice", unordered, || {
                check(3, || start::<once_starts_twice::Once>(0, 0))
            }),
            ("takes over the living", unordered, || {
                check(3, || {
                    start_in_a_child::<once_takes_over_the_living::Once>(0, 0)
                })
            }),
            (
                "waits for the absent",
                "exceeded maximum number of branches",
                || {
                    check(3, || {
                        start_in_a_child::<once_waits_for_the_absent::Once>(0, 0)
                    })
                },
            ),
        ],
    );
}

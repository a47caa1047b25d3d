//! A heap's two locks: its holder is alone with the heap, operations exclude
//! each other and wait for the holder, and whoever waits gets his turn.

use super::{heap_lock_does_not_wait, heap_lock_ends_relaxed, heap_lock_forgets_holder};
use super::{heap_lock_looks_early, heap_lock_passes_nothing, lock};
use crate::sync::cell::UnsafeCell;
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

/// The locks of one of the compiled files.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    fn enter(&self, me: usize, waits: bool);
    fn leave(&self);
    fn hold(&self, me: usize);
    fn let_go(&self, me: usize) -> bool;
}

macro_rules! models {
    ($($file:ident)*) => {$(
        impl Model for $file::HeapLock {
            fn new() -> Self {
                $file::HeapLock::new()
            }
            fn enter(&self, me: usize, waits: bool) {
                $file::HeapLock::enter(self, me, waits);
            }
            fn leave(&self) {
                $file::HeapLock::leave(self);
            }
            fn hold(&self, me: usize) {
                $file::HeapLock::hold(self, me);
            }
            fn let_go(&self, me: usize) -> bool {
                $file::HeapLock::let_go(self, me)
            }
        }
    )*};
}

models!(lock heap_lock_looks_early heap_lock_does_not_wait heap_lock_passes_nothing
    heap_lock_forgets_holder heap_lock_ends_relaxed);

/// What operations that wait, and the holder between them, may touch; and what
/// every operation may.
struct Heap<L> {
    locks: L,
    held: UnsafeCell<usize>,
    inner: UnsafeCell<usize>,
}

impl<L: Model> Heap<L> {
    fn operate(&self, me: usize, waits: bool) {
        self.locks.enter(me, waits);
        // SAFETY: the inner lock is held; the cells tell if that is not enough.
        unsafe {
            *self.inner.get() += 1;
            if waits {
                *self.held.get() += 1;
            }
        }
        self.locks.leave();
    }

    fn hold(&self, me: usize) {
        self.locks.hold(me);
        // SAFETY: the heap is held; as above.
        unsafe { *self.held.get() += 1 };
        self.locks.hold(me);
        self.operate(me, true);
        assert!(self.locks.let_go(me));
        // SAFETY: it was taken twice and given back once.
        unsafe { *self.held.get() += 1 };
        assert!(self.locks.let_go(me));
        assert!(!self.locks.let_go(me), "given back more often than taken");
    }
}

/// Thread 1 holds the heap, and others are in operations that wait, or do not.
fn share<L: Model>(waits: &'static [bool]) {
    let heap = Arc::new(Heap {
        locks: L::new(),
        held: UnsafeCell::new(0),
        inner: UnsafeCell::new(0),
    });
    let others: Vec<_> = waits
        .iter()
        .enumerate()
        .map(|(nth, &waits)| {
            let heap = heap.clone();
            thread::spawn(move || heap.operate(nth + 2, waits))
        })
        .collect();
    heap.hold(1);
    for other in others {
        other.join().unwrap();
    }
    heap.locks.enter(1, true);
    let waiting = waits.iter().filter(|&&waits| waits).count();
    // SAFETY: the inner lock is held, and the others are through.
    unsafe {
        assert_eq!(*heap.held.get(), 3 + waiting);
        assert_eq!(*heap.inner.get(), 1 + waits.len());
    }
    heap.locks.leave();
}

/// Two threads that each hold the heap.
fn take_turns<L: Model>() {
    let heap = Arc::new(Heap {
        locks: L::new(),
        held: UnsafeCell::new(0),
        inner: UnsafeCell::new(0),
    });
    let other = {
        let heap = heap.clone();
        thread::spawn(move || heap.hold(2))
    };
    heap.hold(1);
    other.join().unwrap();
}

#[test]
fn a_holder_is_alone_with_the_heap() {
    check(3, || share::<lock::HeapLock>(&[true]));
    check(2, || share::<lock::HeapLock>(&[true, false]));
}

#[test]
fn holders_take_turns() {
    check(3, take_turns::<lock::HeapLock>);
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "heap::heap_lock_model::mutants_are_caught",
        &[
            ("looks early", "Causality violation", || {
                check(3, || share::<heap_lock_looks_early::HeapLock>(&[true]))
            }),
            ("does not wait", "Causality violation", || {
                check(3, || share::<heap_lock_does_not_wait::HeapLock>(&[true]))
            }),
            ("passes nothing", "Causality violation", || {
                check(3, || share::<heap_lock_passes_nothing::HeapLock>(&[true]))
            }),
            ("ends relaxed", "Causality violation", || {
                check(3, || share::<heap_lock_ends_relaxed::HeapLock>(&[true]))
            }),
            ("forgets holder", "subtract with overflow", || {
                check(3, || share::<heap_lock_forgets_holder::HeapLock>(&[true]))
            }),
        ],
    );
}

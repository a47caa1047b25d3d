//! The heap's lock: whom it keeps out, and whom not.

use super::heap::*;
use ntheap::heap::private::{self, Error, flags};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Long enough for a call that does not block, however busy the machine.
const WAIT: Duration = Duration::from_millis(50);

/// Whether `call` waits while this thread holds the heap's lock, and is done once
/// it does not.
fn waits(heap: &TestHeap, call: impl FnOnce() + Send) -> bool {
    let done = AtomicBool::new(false);
    private::lock(heap.0).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            call();
            done.store(true, Ordering::Release);
        });
        thread::sleep(WAIT);
        let waited = !done.load(Ordering::Acquire);
        private::unlock(heap.0).unwrap();
        waited
    })
}

#[test]
fn the_lock_keeps_other_threads_out() {
    let heap = TestHeap::new();
    let block = heap.allocate(100);
    let free = heap.allocate(100);
    assert!(waits(&heap, || {
        private::lock(heap.0).unwrap();
        private::unlock(heap.0).unwrap();
    }));
    assert!(waits(&heap, || assert!(heap.try_allocate(0, 10).is_ok())));
    assert!(waits(&heap, || heap.free(free).unwrap()));
    assert!(waits(&heap, || assert!(
        heap.reallocate(0, block, 200).is_ok()
    )));
    assert!(waits(&heap, || assert!(heap.is_valid(0))));
    assert!(waits(&heap, || assert!(heap.walk().len() > 3)));
    assert!(!waits(&heap, || {
        heap.try_allocate(flags::NO_SERIALIZE, 10).unwrap();
    }));
}

#[test]
fn its_holder_goes_on_and_may_take_it_again() {
    let heap = TestHeap::new();
    assert_eq!(private::unlock(heap.0), Err(Error::NotLocked));
    private::lock(heap.0).unwrap();
    private::lock(heap.0).unwrap();
    let block = heap.allocate(100);
    assert!(heap.is_valid(0) && heap.is_valid(block));
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(private::unlock(heap.0), Err(Error::NotLocked)));
    });
    private::unlock(heap.0).unwrap();
    let taken = AtomicBool::new(false);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            private::lock(heap.0).unwrap();
            taken.store(true, Ordering::Release);
            private::unlock(heap.0).unwrap();
        });
        thread::sleep(WAIT);
        assert!(!taken.load(Ordering::Acquire), "one of two was given back");
        private::unlock(heap.0).unwrap();
        other.join().unwrap();
    });
    assert_eq!(private::unlock(heap.0), Err(Error::NotLocked));
}

#[test]
fn a_heap_without_serialization_keeps_nobody_out() {
    let heap = TestHeap::flagged(flags::NO_SERIALIZE);
    assert!(!waits(&heap, || {
        private::lock(heap.0).unwrap();
        heap.allocate(10);
        private::unlock(heap.0).unwrap();
    }));
}

#[test]
fn a_size_is_told_while_the_heap_is_locked() {
    let heap = TestHeap::new();
    let block = heap.allocate(100);
    assert!(!waits(&heap, || assert_eq!(heap.size(block), Ok(100))));
    assert!(!waits(&heap, || assert!(heap.is_valid(block))));
}

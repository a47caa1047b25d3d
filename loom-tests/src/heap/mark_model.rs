//! Large blocks of a hardened heap: several threads free one, or resize it, and its record
//! is used again.

use super::{
    mark, mark_claims_in_two_steps, mark_claims_relaxed, mark_hands_out_relaxed,
    mark_looks_no_more, mark_takes_any,
};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::sync::cell::UnsafeCell;
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

/// Where a block lies, and where it is moved to.
const HERE: usize = 0x10000;
const THERE: usize = 0x20000;

/// The functions of one of the compiled files.
trait Model: Send + Sync + 'static {
    fn hand_out(mark: &AtomicU8);
    fn claim(mark: &AtomicU8, is_it: impl Fn() -> bool) -> bool;
}

macro_rules! models {
    ($($name:ident = $file:ident),*) => {$(
        struct $name;

        impl Model for $name {
            fn hand_out(mark: &AtomicU8) {
                $file::hand_out(mark);
            }
            fn claim(mark: &AtomicU8, is_it: impl Fn() -> bool) -> bool {
                $file::claim(mark, is_it)
            }
        }
    )*};
}

models!(
    Shipped = mark,
    HandsOutRelaxed = mark_hands_out_relaxed,
    ClaimsRelaxed = mark_claims_relaxed,
    ClaimsInTwoSteps = mark_claims_in_two_steps,
    LooksNoMore = mark_looks_no_more,
    TakesAny = mark_takes_any
);

/// A block's record. The list's lock is held by who moves the block, and by who makes
/// another of it.
struct Record {
    list: Mutex<()>,
    mark: AtomicU8,
    base: AtomicUsize,
    /// What was asked for: whoever has the block's mark, or made it, has this too.
    size: UnsafeCell<usize>,
}

// SAFETY: the cell tells if two threads are there.
unsafe impl Sync for Record {}

impl Record {
    /// A block that was handed out.
    fn new<M: Model>() -> Arc<Self> {
        let record = Record {
            list: Mutex::new(()),
            mark: AtomicU8::new(0),
            base: AtomicUsize::new(0),
            size: UnsafeCell::new(0),
        };
        record.write::<M>(HERE, 100);
        Arc::new(record)
    }

    fn write<M: Model>(&self, base: usize, size: usize) {
        self.base.store(base, Ordering::Relaxed);
        // SAFETY: the cell tells if another thread is there.
        unsafe { self.size.get().write(size) };
        M::hand_out(&self.mark);
    }

    fn claim<M: Model>(&self, address: usize) -> bool {
        M::claim(&self.mark, || self.base.load(Ordering::Relaxed) == address)
    }

    /// Frees the block at `address` without the list's lock, as a thread does that keeps it;
    /// the bytes it had, if it was freed.
    fn free<M: Model>(&self, address: usize) -> Option<usize> {
        if !self.claim::<M>(address) {
            return None;
        }
        let base = self.base.load(Ordering::Relaxed);
        assert_eq!(base, address, "another block is freed");
        // SAFETY: the cell tells if another thread is there.
        let size = unsafe { self.size.get().read() };
        // Filled again by who keeps it.
        // SAFETY: as above.
        unsafe { self.size.get().write(0) };
        Some(size)
    }

    /// Resizes the block at `address`, which moves it; whether it was done.
    fn resize<M: Model>(&self, address: usize, to: usize, size: usize) -> bool {
        let _list = self.list.lock();
        if !self.claim::<M>(address) {
            return false;
        }
        self.write::<M>(to, size);
        true
    }
}

/// Two threads free a block.
fn free_twice<M: Model>() {
    let record = Record::new::<M>();
    let other = {
        let record = record.clone();
        thread::spawn(move || record.free::<M>(HERE).is_some())
    };
    let is_mine = record.free::<M>(HERE).is_some();
    let is_others = other.join().unwrap();
    assert!(is_mine || is_others, "nobody frees the block");
    assert!(!(is_mine && is_others), "two threads free one block");
}

/// One thread frees a block that another one resizes, to somewhere else or where it is.
fn free_against_resize<M: Model>(to: usize) {
    let record = Record::new::<M>();
    let other = {
        let record = record.clone();
        thread::spawn(move || record.resize::<M>(HERE, to, 200))
    };
    let freed = record.free::<M>(HERE);
    let is_resized = other.join().unwrap();
    match freed {
        Some(100) => assert!(!is_resized, "a freed block is resized"),
        Some(size) => assert_eq!((size, to), (200, HERE), "a block of other bytes is freed"),
        None => assert!(is_resized, "nobody has the block"),
    }
    // What is handed out can be freed, once.
    let rest = record.free::<M>(to);
    assert_eq!(rest.is_some(), freed.is_none(), "handed out and free");
    assert_eq!(record.free::<M>(to), None, "handed out and free");
}

/// One thread frees a block, the record of which is used for another one, and a second
/// thread frees the first one again.
fn free_late<M: Model>(at: usize) {
    let record = Record::new::<M>();
    let other = {
        let record = record.clone();
        thread::spawn(move || {
            let is_free = record.free::<M>(HERE).is_some();
            if is_free {
                let _list = record.list.lock();
                record.write::<M>(at, 300);
            }
            is_free
        })
    };
    let mine = record.free::<M>(HERE);
    let is_others = other.join().unwrap();
    match mine {
        Some(100) => assert!(!is_others, "two threads free one block"),
        // At the same address, the second block cannot be told from the first.
        Some(size) => assert_eq!((size, at), (300, HERE), "another block is freed"),
        None => assert!(is_others, "nobody frees the block"),
    }
    let rest = record.free::<M>(at);
    assert_eq!(rest.is_some(), mine.is_none(), "handed out and free");
}

#[test]
fn one_thread_has_a_large_block() {
    check(3, free_twice::<Shipped>);
    for place in [HERE, THERE] {
        check(3, move || free_against_resize::<Shipped>(place));
        check(3, move || free_late::<Shipped>(place));
    }
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "heap::mark_model::mutants_are_caught",
        &[
            ("hands out relaxed", "Causality violation", || {
                check(3, || free_late::<HandsOutRelaxed>(HERE))
            }),
            ("claims relaxed", "Causality violation", || {
                check(3, || free_against_resize::<ClaimsRelaxed>(HERE))
            }),
            ("claims in two steps", "Causality violation", || {
                check(3, free_twice::<ClaimsInTwoSteps>)
            }),
            ("looks no more", "another block is freed", || {
                check(3, || free_against_resize::<LooksNoMore>(THERE))
            }),
            ("takes any", "Causality violation", || {
                check(3, free_twice::<TakesAny>)
            }),
        ],
    );
}

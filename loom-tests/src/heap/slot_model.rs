//! A slot: threads take blocks from it and put them back, and a block is one
//! thread's at a time.

use super::{slot, slot_gives_relaxed, slot_keeps_popped};
use super::{slot_looks_and_takes, slot_takes_relaxed};
use crate::sync::cell::UnsafeCell;
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

const BLOCKS: usize = 2;

/// The slot of one of the compiled files.
trait Model: Send + Sync + 'static {
    /// A slot in these words.
    fn new(words: *mut *mut u8) -> Self;
    fn try_acquire(&self) -> bool;
    fn release(&self);
    /// Takes a block and its key; null when there is none. For the lock's
    /// holder.
    fn pop(&self) -> (*mut u8, *mut u8);
    fn push(&self, block: *mut u8, key: *mut u8) -> bool;
    fn count(&self) -> usize;
}

macro_rules! models {
    ($($file:ident)*) => {$(
        // SAFETY: the words are used by the lock's holder; the models' cells
        // tell if that is not so.
        unsafe impl Send for $file::Slot {}

        impl Model for $file::Slot {
            fn new(words: *mut *mut u8) -> Self {
                // SAFETY: the models give zeroed words of their own.
                unsafe { $file::Slot::new(words, 0, BLOCKS) }
            }
            fn try_acquire(&self) -> bool {
                $file::Slot::try_acquire(self)
            }
            fn release(&self) {
                $file::Slot::release(self);
            }
            fn pop(&self) -> (*mut u8, *mut u8) {
                let mut key = std::ptr::null_mut();
                // SAFETY: the models hold the lock.
                let block = unsafe { $file::Slot::pop(self, |found| key = found) };
                (block, key)
            }
            fn push(&self, block: *mut u8, key: *mut u8) -> bool {
                // SAFETY: as above.
                unsafe { $file::Slot::push(self, block, key) }
            }
            fn count(&self) -> usize {
                $file::Slot::count(self)
            }
        }
    )*};
}

models!(slot slot_takes_relaxed slot_gives_relaxed slot_looks_and_takes slot_keeps_popped);

struct Shared<S> {
    slot: S,
    /// What each block holds: the model checker knows who uses it.
    contents: [UnsafeCell<usize>; BLOCKS],
    /// The slot's words, which it leads to.
    _words: Box<[usize]>,
}

// SAFETY: the words are used by the lock's holder alone.
unsafe impl<S: Send> Send for Shared<S> {}
// SAFETY: as above.
unsafe impl<S: Sync> Sync for Shared<S> {}

/// The address that stands for a block, and the key's.
fn block(nth: usize) -> (*mut u8, *mut u8) {
    let block = std::ptr::without_provenance_mut(0x1000 * (nth + 1));
    (block, std::ptr::without_provenance_mut(0x10 * (nth + 1)))
}

impl<S: Model> Shared<S> {
    fn new() -> Self {
        let mut words = vec![0usize; slot::WORDS].into_boxed_slice();
        let slot = S::new(words.as_mut_ptr().cast());
        for nth in 0..BLOCKS {
            let (block, key) = block(nth);
            assert!(slot.push(block, key));
        }
        Shared {
            slot,
            contents: [(); BLOCKS].map(|()| UnsafeCell::new(0)),
            _words: words,
        }
    }

    /// Takes a block, uses it, and puts it back; as a heap does, without
    /// waiting for a slot that is taken. How many blocks it used, and how many
    /// it could not put back.
    fn use_one(&self) -> (usize, usize) {
        if !self.slot.try_acquire() {
            return (0, 0);
        }
        let (found, key) = self.slot.pop();
        self.slot.release();
        if found.is_null() {
            return (0, 0);
        }
        let nth = found.addr() / 0x1000 - 1;
        assert_eq!((found, key), block(nth), "the key is the block's");
        // SAFETY: the block is this thread's; the cell tells if it is not.
        unsafe { *self.contents[nth].get() += 1 };
        if !self.slot.try_acquire() {
            return (1, 1);
        }
        assert!(self.slot.push(found, key), "there is room for all");
        self.slot.release();
        (1, 0)
    }

    fn use_some(&self, rounds: usize) -> (usize, usize) {
        (0..rounds)
            .map(|_| self.use_one())
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

fn exchange<S: Model>(rounds: usize) {
    let shared = Arc::new(Shared::<S>::new());
    let other = {
        let shared = shared.clone();
        thread::spawn(move || shared.use_some(rounds))
    };
    let (own, own_kept) = shared.use_some(rounds);
    let (others, others_kept) = other.join().unwrap();
    // All threads are through, so the lock is not needed. That it is free again is
    // not looked at: the model checker lets an exchange that finds the slot taken
    // read, and write again, what was overwritten already, which no machine does.
    let at_hand = shared.slot.count();
    assert_eq!(at_hand + own_kept + others_kept, BLOCKS);
    let mut seen = [false; BLOCKS];
    for _ in 0..at_hand {
        let nth = shared.slot.pop().0.addr() / 0x1000 - 1;
        assert!(!std::mem::replace(&mut seen[nth], true), "doubled");
    }
    assert!(shared.slot.pop().0.is_null());
    // SAFETY: all threads are through.
    let used: usize = unsafe { shared.contents.iter().map(|one| *one.get()).sum() };
    assert_eq!(used, own + others);
}

#[test]
fn two_threads_share_a_slot() {
    check(3, || exchange::<slot::Slot>(1));
    check(2, || exchange::<slot::Slot>(2));
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "heap::slot_model::mutants_are_caught",
        &[
            ("takes relaxed", "Causality violation", || {
                check(3, || exchange::<slot_takes_relaxed::Slot>(1))
            }),
            ("gives relaxed", "Causality violation", || {
                check(3, || exchange::<slot_gives_relaxed::Slot>(1))
            }),
            ("looks and takes", "there is room for all", || {
                check(3, || exchange::<slot_looks_and_takes::Slot>(1))
            }),
            ("keeps popped", "there is room for all", || {
                check(2, || exchange::<slot_keeps_popped::Slot>(1))
            }),
        ],
    );
}

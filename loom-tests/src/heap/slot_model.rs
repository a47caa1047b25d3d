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
        let mut words = vec![0usize; 2 * slot::KEYS].into_boxed_slice();
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

    fn acquire(&self) {
        while !self.slot.try_acquire() {
            thread::yield_now();
        }
    }

    /// Takes a block, uses it, and puts it back.
    fn use_one(&self) {
        self.acquire();
        let (found, key) = self.slot.pop();
        self.slot.release();
        assert!(!found.is_null(), "there is one for everybody");
        let nth = found.addr() / 0x1000 - 1;
        assert_eq!((found, key), block(nth), "the key is the block's");
        // SAFETY: the block is this thread's; the cell tells if it is not.
        unsafe { *self.contents[nth].get() += 1 };
        self.acquire();
        assert!(self.slot.push(found, key), "there is room for all");
        self.slot.release();
    }
}

fn exchange<S: Model>(rounds: usize) {
    let shared = Arc::new(Shared::<S>::new());
    let other = {
        let shared = shared.clone();
        thread::spawn(move || (0..rounds).for_each(|_| shared.use_one()))
    };
    (0..rounds).for_each(|_| shared.use_one());
    other.join().unwrap();
    shared.acquire();
    assert_eq!(shared.slot.count(), BLOCKS);
    let mut seen = [false; BLOCKS];
    let mut used = 0;
    for _ in 0..BLOCKS {
        let nth = shared.slot.pop().0.addr() / 0x1000 - 1;
        assert!(!std::mem::replace(&mut seen[nth], true), "doubled");
        // SAFETY: all threads are through.
        used += unsafe { *shared.contents[nth].get() };
    }
    assert!(shared.slot.pop().0.is_null());
    assert_eq!(used, 2 * rounds);
    shared.slot.release();
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

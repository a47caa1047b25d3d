//! An entry of the handle table: who has locked it uses its data while another gives it
//! other data, and of two that end it one does.

use super::{entry, entry_change_ends_relaxed, entry_change_unseen, entry_closes_twice};
use super::{entry_data_read_early, entry_exchanges_relaxed};
use crate::sync::cell::UnsafeCell;
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

/// What a block holds while it is one, and once it was freed.
const WHOLE: usize = 7;
const FREED: usize = 0;

/// The entry of one of the compiled files.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    fn open(&self, data: *mut u8);
    /// Locks; the data, or `None` to try again.
    fn lock(&self) -> Option<*mut u8>;
    /// Unlocks; whether it is locked still, or `None` to try again.
    fn unlock(&self) -> Option<bool>;
    /// Begins a change; whether it is locked and the word, or `None` to try again.
    fn begin(&self) -> Option<(bool, usize)>;
    fn end(&self, word: usize, data: *mut u8);
    /// Ends the handle; `None` when that was not this call.
    fn close(&self) -> Option<*mut u8>;
    fn data(&self) -> *mut u8;
    fn is_locked(&self) -> bool;
}

macro_rules! models {
    ($($file:ident)*) => {$(
        impl Model for $file::Entry {
            fn new() -> Self {
                $file::Entry::new()
            }
            fn open(&self, data: *mut u8) {
                $file::Entry::open(self, $file::IN_USE | $file::MOVEABLE, data);
            }
            fn lock(&self) -> Option<*mut u8> {
                self.lock_at_hand()
            }
            fn unlock(&self) -> Option<bool> {
                self.unlock_at_hand()
            }
            fn begin(&self) -> Option<(bool, usize)> {
                let word = self.try_begin().ok()?;
                Some((word & $file::LOCKS != 0, word))
            }
            fn end(&self, word: usize, data: *mut u8) {
                $file::Entry::end(self, word, data);
            }
            fn close(&self) -> Option<*mut u8> {
                self.try_close(0).ok()
            }
            fn data(&self) -> *mut u8 {
                $file::Entry::data(self)
            }
            fn is_locked(&self) -> bool {
                self.word().is_ok_and(|word| word & $file::LOCKS != 0)
            }
        }
    )*};
}

models!(entry entry_data_read_early entry_exchanges_relaxed entry_change_unseen
    entry_change_ends_relaxed entry_closes_twice);

struct Shared<E> {
    entry: E,
    /// Two blocks, the first the handle's at first.
    blocks: [UnsafeCell<usize>; 2],
}

/// The address that stands for a block.
fn address(block: usize) -> *mut u8 {
    std::ptr::without_provenance_mut(0x1000 * (block + 1))
}

fn block_at(address: *mut u8) -> usize {
    address.addr() / 0x1000 - 1
}

impl<E: Model> Shared<E> {
    fn new() -> Arc<Self> {
        let shared = Shared {
            entry: E::new(),
            blocks: [UnsafeCell::new(WHOLE), UnsafeCell::new(FREED)],
        };
        shared.entry.open(address(0));
        Arc::new(shared)
    }

    /// Does what another thread may have come between, until it did not.
    fn insist<R>(attempt: impl Fn() -> Option<R>) -> R {
        loop {
            if let Some(result) = attempt() {
                return result;
            }
            thread::yield_now();
        }
    }

    /// Locks the handle, reads its data, and unlocks it.
    fn read(&self) {
        let data = Self::insist(|| self.entry.lock());
        // SAFETY: locked data stays; the cell tells if it does not.
        let found = unsafe { *self.blocks[block_at(data)].look() };
        assert_eq!(found, WHOLE, "the block was freed");
        Self::insist(|| self.entry.unlock());
    }

    /// Gives the handle the other block, if it is not locked.
    fn change(&self) {
        let (is_locked, word) = Self::insist(|| self.entry.begin());
        let from = block_at(self.entry.data());
        if is_locked {
            self.entry.end(word, address(from));
            return;
        }
        let to = 1 - from;
        // SAFETY: nobody has locked the handle, so both blocks are this thread's; the
        // cells tell if that is not so.
        unsafe {
            *self.blocks[to].get() = *self.blocks[from].look();
            *self.blocks[from].get() = FREED;
        }
        self.entry.end(word, address(to));
    }
}

fn reads_while_it_changes<E: Model>() {
    let shared = Shared::<E>::new();
    let other = {
        let shared = shared.clone();
        thread::spawn(move || shared.read())
    };
    shared.change();
    shared.read();
    other.join().unwrap();
    assert!(!shared.entry.is_locked());
}

fn two_close<E: Model>() {
    let shared = Shared::<E>::new();
    let other = {
        let shared = shared.clone();
        thread::spawn(move || shared.entry.close().is_some())
    };
    let own = shared.entry.close().is_some();
    assert!(own != other.join().unwrap(), "not ended once");
    assert!(shared.entry.lock().is_none());
}

#[test]
fn locked_data_stays() {
    check(3, reads_while_it_changes::<entry::Entry>);
}

#[test]
fn a_handle_ends_once() {
    check(3, two_close::<entry::Entry>);
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "win32::entry_model::mutants_are_caught",
        &[
            ("data read early", "", || {
                check(3, reads_while_it_changes::<entry_data_read_early::Entry>)
            }),
            ("exchanges relaxed", "Causality violation", || {
                check(3, reads_while_it_changes::<entry_exchanges_relaxed::Entry>)
            }),
            ("change unseen", "", || {
                check(3, reads_while_it_changes::<entry_change_unseen::Entry>)
            }),
            ("change ends relaxed", "", || {
                check(
                    3,
                    reads_while_it_changes::<entry_change_ends_relaxed::Entry>,
                )
            }),
            ("closes twice", "not ended once", || {
                check(3, two_close::<entry_closes_twice::Entry>)
            }),
        ],
    );
}

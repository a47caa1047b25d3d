//! The state of page heap's cells: several threads free one block, and one looks.

use super::{state, state_left_twice, state_read_relaxed, state_set_relaxed};
use crate::sync::atomic::AtomicU8;
use crate::sync::cell::UnsafeCell;
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

/// A cell with what is written before its state says so.
struct Cell<S> {
    state: S,
    size: UnsafeCell<usize>,
    freed_by: UnsafeCell<usize>,
}

/// The states of one of the compiled files.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    fn set_busy(&self);
    fn set_kept(&self);
    fn is_busy(&self) -> bool;
    fn is_kept(&self) -> bool;
    fn leave(&self) -> bool;
}

macro_rules! models {
    ($($file:ident)*) => {$(
        impl Model for $file::StateWord {
            fn new() -> Self {
                $file::StateWord(AtomicU8::new(0))
            }
            fn set_busy(&self) {
                self.set($file::State::Busy);
            }
            fn set_kept(&self) {
                self.set($file::State::Kept);
            }
            fn is_busy(&self) -> bool {
                self.get() == $file::State::Busy
            }
            fn is_kept(&self) -> bool {
                self.get() == $file::State::Kept
            }
            fn leave(&self) -> bool {
                $file::StateWord::leave(self)
            }
        }
    )*};
}

models!(state state_left_twice state_read_relaxed state_set_relaxed);

impl<S: Model> Cell<S> {
    fn new() -> Self {
        Cell {
            state: S::new(),
            size: UnsafeCell::new(0),
            freed_by: UnsafeCell::new(0),
        }
    }

    /// Whether this thread has freed the block.
    fn free(&self, thread: usize) -> bool {
        let is_mine = self.state.leave();
        if is_mine {
            // SAFETY: the cell tells if another thread is there.
            unsafe { self.freed_by.get().write(thread) };
            self.state.set_kept();
        }
        is_mine
    }
}

/// Two threads free a block.
fn free_twice<S: Model>() {
    let cell = Arc::new(Cell::<S>::new());
    cell.state.set_busy();
    let other = {
        let cell = cell.clone();
        thread::spawn(move || cell.free(2))
    };
    let own = cell.free(1);
    let others = other.join().unwrap();
    assert!(own != others, "two threads free one block");
    // SAFETY: the other thread is gone.
    let by = unsafe { cell.freed_by.look().read() };
    assert_eq!(by, if own { 1 } else { 2 }, "the wrong thread is told");
}

/// One thread looks while another one makes a block and frees it.
fn look<S: Model>() {
    let cell = Arc::new(Cell::<S>::new());
    let other = {
        let cell = cell.clone();
        thread::spawn(move || {
            // SAFETY: nothing is said of the cell yet.
            unsafe { cell.size.get().write(7) };
            cell.state.set_busy();
            assert!(cell.free(2), "nobody else frees it");
        })
    };
    if cell.state.is_busy() {
        // SAFETY: the cell tells if it is still being written.
        assert_eq!(unsafe { cell.size.look().read() }, 7);
    }
    if cell.state.is_kept() {
        // SAFETY: as above.
        assert_eq!(unsafe { cell.freed_by.look().read() }, 2);
    }
    other.join().unwrap();
    assert!(cell.state.is_kept());
}

#[test]
fn one_thread_frees_a_block() {
    check(3, free_twice::<state::StateWord>);
    check(3, look::<state::StateWord>);
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "heap::state_model::mutants_are_caught",
        &[
            ("left twice", "Causality violation", || {
                check(3, free_twice::<state_left_twice::StateWord>)
            }),
            ("set relaxed", "Causality violation", || {
                check(3, look::<state_set_relaxed::StateWord>)
            }),
            ("read relaxed", "Causality violation", || {
                check(3, look::<state_read_relaxed::StateWord>)
            }),
        ],
    );
}

//! What a cell of page heap holds, and who has it.
//!
//! ```text
//!   empty --set--> busy --leave--> leaving --set--> kept --set--> empty
//!         maker          one of those that free            keeper
//! ```
//!
//! Invariants: of threads that free one block at the same time one has it, and the others
//! know; whoever sees a state sees what was written to the cell before it was set.

use crate::sync::atomic::{AtomicU8, Ordering};

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Nothing.
    Empty = 0,
    /// A block that is handed out.
    Busy = 1,
    /// A block that is just being freed.
    Leaving = 2,
    /// A freed block, kept from use.
    Kept = 3,
}

impl State {
    fn of(number: u8) -> State {
        match number {
            1 => State::Busy,
            2 => State::Leaving,
            3 => State::Kept,
            _ => State::Empty,
        }
    }
}

/// A [`State`], as it lies in a cell: all zeros are [`State::Empty`].
#[repr(transparent)]
pub(crate) struct StateWord(pub(crate) AtomicU8);

impl StateWord {
    /// What the cell holds.
    pub(crate) fn get(&self) -> State {
        State::of(self.0.load(Ordering::Acquire))
    }

    /// Sets what it holds. The caller has the cell.
    pub(crate) fn set(&self, state: State) {
        self.0.store(state as u8, Ordering::Release);
    }

    /// Takes a busy block away from whoever else frees it at the same time.
    pub(crate) fn leave(&self) -> bool {
        let (busy, leaving) = (State::Busy as u8, State::Leaving as u8);
        self.0
            .compare_exchange(busy, leaving, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}

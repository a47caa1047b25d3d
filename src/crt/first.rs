//! Which of several copies of ntheap is the first: each has a word that all can
//! find, and they may all begin in one instant.
//!
//! ```text
//!   own word:   0 --> deciding --> nobody else is --> the copy's table: the first
//!               ^         |  ^         |
//!               |         |  +- wait --+ another one is that comes behind
//!               |         |
//!               +- wait --+ one is that comes before
//!               |         |
//!               +---------+ another one's table: that copy is the first
//! ```
//!
//! Whoever becomes the first has said that it decides, and has seen after that
//! that nobody else does. Of two that would, the one that said so later sees the
//! other one. Where two see each other, one that comes behind in the order of
//! addresses gives way until the other one has decided, or patience ends.

use crate::sync::atomic::{AtomicUsize, Ordering, fence};
use crate::sync::os;

/// The word of a copy that decides; its table's address is another number.
const DECIDING: usize = 1;

/// How often a copy looks before it goes on alone: one that decides may have been
/// left over by a fork, which copies no other thread.
const PATIENCE: usize = if cfg!(ntheap_model) {
    usize::MAX
} else {
    10_000
};

/// Shows the other copies' words, and whether each comes before one's own.
pub(super) trait Others {
    /// Shows them all.
    fn each(&self, show: &mut dyn FnMut(&AtomicUsize, bool));
}

/// What a look at the other copies finds.
enum Seen {
    /// The first one's table.
    First(usize),
    /// One that comes before decides.
    Before,
    /// One that comes behind decides.
    Behind,
    /// None does.
    Nobody,
}

fn look(others: &impl Others) -> Seen {
    let mut seen = Seen::Nobody;
    others.each(&mut |word, is_before| {
        let found = word.load(Ordering::Acquire);
        seen = match (found, &seen) {
            (0, _) | (_, Seen::First(_)) => return,
            (DECIDING, Seen::Before) => return,
            (DECIDING, _) if is_before => Seen::Before,
            (DECIDING, _) => Seen::Behind,
            (table, _) => Seen::First(table),
        };
    });
    seen
}

/// The first copy's table; none where the caller's is the first now, and `own`
/// says so with `table`, which is neither 0 nor 1. Only one thread of a copy may be
/// here at a time.
pub(super) fn decide(own: &AtomicUsize, table: usize, others: &impl Others) -> Option<usize> {
    let mut is_deciding = false;
    let mut looks = PATIENCE;
    while looks != 0 {
        looks -= 1;
        if !is_deciding {
            own.store(DECIDING, Ordering::Release);
            // Of two copies one sees what the other one said.
            fence(Ordering::SeqCst);
            is_deciding = true;
        }
        match look(others) {
            Seen::First(table) => {
                own.store(0, Ordering::Release);
                return Some(table);
            }
            Seen::Nobody => break,
            Seen::Behind => os::yield_now(),
            Seen::Before => {
                own.store(0, Ordering::Release);
                is_deciding = false;
                wait(others, &mut looks);
            }
        }
    }
    own.store(table, Ordering::Release);
    None
}

/// Waits until no copy that comes before decides, or `looks` are used up.
fn wait(others: &impl Others, looks: &mut usize) {
    while *looks != 0 {
        *looks -= 1;
        os::yield_now();
        if !matches!(look(others), Seen::Before) {
            return;
        }
    }
}

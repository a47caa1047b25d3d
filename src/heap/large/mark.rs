//! Who has a large block: the mark in its record.
//!
//! ```text
//!   0 --hand_out--> BUSY --claim--> 0 --+--> freed: the record is kept, or a thread's own
//!                    ^------hand_out----+--> resized, or refused after a look
//! ```
//!
//! A hardened heap's frees claim a block without the list's lock, and a resizing claims it
//! with the lock and may move it. Invariants: of several that free or resize one block at a
//! time one has it, and the others know; whoever has it sees what was written to its record
//! before it was handed out; nobody gets a block that starts elsewhere, though a record is
//! used again, and a resized block moves, between the look at the address and the claim. In
//! that last case a block that is another's is unmarked for a moment, after which the
//! program that freed what was not its own is told of it.

use crate::heap::descriptor::BUSY;
use crate::sync::atomic::{AtomicU8, Ordering};

/// Hands a block out, or gives a claim back: all of its record is written.
pub(crate) fn hand_out(mark: &AtomicU8) {
    mark.store(BUSY, Ordering::Release);
}

/// Takes the mark away from a block that is handed out and, as `is_it` says, the one that is
/// meant: of several callers at once one alone has it from then on. False, and nothing done,
/// otherwise.
#[cfg(feature = "hardened")]
#[inline(always)]
pub(crate) fn claim(mark: &AtomicU8, is_it: impl Fn() -> bool) -> bool {
    if !is_it() {
        return false;
    }
    let was = mark.load(Ordering::Relaxed);
    let taken = mark.compare_exchange(was, 0, Ordering::Acquire, Ordering::Relaxed);
    if was == 0 || taken.is_err() {
        return false;
    }
    // The record may have become another block's, or the block have moved.
    if !is_it() {
        mark.store(was, Ordering::Release);
        return false;
    }
    true
}

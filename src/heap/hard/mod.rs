//! The hardened heap: blocks of malloc, new and Rust guarded against misuse.
//!
//! ```text
//!   malloc ── fast path finds nothing, ever ─────────────────> blocks.rs ──> a thread's
//!   free ──── fast path finds a mark that it does not know ──>     │         hidden cache
//!     | 0 0 0 ... 0 | ──> | data        | pattern | ──> | 0 0 0 ... 0 |
//!       checked at          handed out    checked         wiped, and kept from use
//!       the hand-out                      at the free     for a while (quarantine.rs)
//!
//!   subsegment   | block | block | ... | block | guard page |           (place.rs)
//!   whole pages  | data, 4 KiB | guard pages | data | guard pages | ...
//!   large block  | data ... pattern | guard pages | no access once freed (large/guard.rs)
//! ```
//!
//! It is the checked front end with other doors. Every thread's word leads to a closed
//! cache ([`ThreadCache::gate`](super::cache::ThreadCache::gate)), so that the fast paths, which
//! are those of the default heap to the instruction, always find nothing at hand; but that
//! cache has the true slice table, and blocks here have a mark of their own: so the fast path
//! of a free looks the block up, and hands on what it found. What comes next finds the
//! thread's own cache, which is one as ever, and does what the fast paths do, with checks.
//!
//! What there is of chance: which slices a subsegment gets, the order in which its
//! blocks are handed out, which freed block leaves the quarantine, and all patterns.
//!
//! Invariants:
//! - Free blocks read zero, those of more than [`pattern::WHOLE`] bytes at their ends: they
//!   are wiped when they are freed, and when their subsegment is made of memory that held
//!   something else. So a write after free is what does not read zero.
//! - Nothing that lies in a block is believed before it was checked against a secret;
//!   what it says then is how many bytes the block was asked for, where the mark does not.
//! - Whoever takes a large block's mark away, by one exchange, has the block alone: its end is
//!   read, and it is kept, without the list's lock; a mark that is there says that it is handed
//!   out. So do those that free and resize one under the lock, and the mark comes back only to a
//!   block that stays handed out. Who finds none reports a second free at once: a second look
//!   could find the block handed out again.
//! - Chosen once, before the heap serves, for the whole process. Global flags come first:
//!   with one on, the heap is not hardened.
//!
//! Wrong if the default heap's counts of instructions change; if a sound program is
//! reported; or if an attack that `docs/hardening.md` says is noticed goes through
//! (`capi/tests/attacks.rs`).

mod blocks;
mod budget;
mod chance;
mod guard;
mod lane;
pub(super) mod pattern;
mod place;
mod quarantine;
mod resize;
mod spare;

pub use blocks::{Keep, Put, Taken};
pub(super) use blocks::{
    allocate, expect_size, free, keep_large, put, put_elsewhere, put_larger, take, take_larger,
    tell_freed, tell_written, usable_size,
};
pub(super) use budget::affords;
pub(in crate::heap) use chance::{random, secrets};
pub(super) use guard::{forget, open, seal, shut};
pub(super) use place::{any_of, capacity, ends_in_guard, fill, prepare, shuffle, undo};
pub(super) use quarantine::{end as end_quarantine, end_spares, for_each_kept};
pub(super) use resize::reallocate;

use super::way;
use core::sync::atomic::Ordering;

/// Whether the heap is hardened.
#[inline(always)]
pub(super) fn is_on() -> bool {
    way::WAY.load(Ordering::Relaxed) == way::HARDENED
}

/// Whether blocks of `size` bytes that are at hand may be wiped in part.
#[inline(always)]
pub(super) fn is_partly_wiped(size: usize) -> bool {
    size > pattern::WHOLE - pattern::LEAST
}

/// Hardens the heap. Called by the thread that makes it ready, before it is.
pub(super) fn begin() {
    chance::begin();
    guard::begin();
    place::begin();
    way::go(way::HARDENED);
}

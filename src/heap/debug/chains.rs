//! The protocol of the stack database: entries are appended and never change, and whoever
//! looks for one takes no lock.
//!
//! ```text
//!   bucket of a hash --> newest entry --next--> older one --> ... --> 0
//!   used:  where the next entry begins; moved by who has the lock
//! ```
//!
//! Invariants: a bucket leads to an entry that is whole, and that to older ones. Of two
//! threads that keep the same frames at once, the second finds the first one's entry.

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Where the entries are.
pub(crate) trait Entries {
    /// The newest entry of a hash, by its number; 0 for none.
    fn bucket(&self, hash: u32) -> &AtomicU32;

    /// Bytes of an entry of these frames, a multiple of 8.
    fn bytes(frames: &[usize]) -> usize;

    /// Sees to it that there is memory up to `end`, as there is up to `committed`. False
    /// when there is none.
    fn make_room(&self, committed: &mut usize, end: usize) -> bool;

    /// Writes an entry at `at`, eight times its number.
    ///
    /// # Safety
    /// There is memory, and nobody but the caller knows of it.
    unsafe fn write(&self, at: usize, next: u32, hash: u32, frames: &[usize]);

    /// Whether the entry of this number is of this hash and these frames, and the number of
    /// the one before it.
    ///
    /// # Safety
    /// The entry was written before this, and for this thread to see.
    unsafe fn look(&self, number: u32, hash: u32, frames: &[usize]) -> (bool, u32);
}

/// What became of a stack that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It was known by this number.
    Known(u32),
    /// It has this number now.
    New(u32),
    /// There is no memory for it.
    Lost,
}

/// The number of the entry of these frames, whose hash is `hash`; 0 if there is none.
pub(crate) fn find<E: Entries>(entries: &E, hash: u32, frames: &[usize]) -> u32 {
    let mut number = entries.bucket(hash).load(Ordering::Acquire);
    while number != 0 {
        // SAFETY: whoever put the number there has written the entry before, and that
        // one's older ones were there already.
        let (is_it, next) = unsafe { entries.look(number, hash, frames) };
        if is_it {
            return number;
        }
        number = next;
    }
    0
}

/// Keeps the frames, whose hash is `hash`, if they are not known.
pub(crate) fn keep<E: Entries>(
    entries: &E,
    used: &AtomicUsize,
    committed: &Mutex<usize>,
    hash: u32,
    frames: &[usize],
) -> Kept {
    let known = find(entries, hash, frames);
    if known != 0 {
        return Kept::Known(known);
    }
    let mut committed = committed.lock();
    // Somebody may have kept them meanwhile.
    let known = find(entries, hash, frames);
    if known != 0 {
        return Kept::Known(known);
    }
    let at = used.load(Ordering::Relaxed);
    let end = at + E::bytes(frames);
    if !entries.make_room(&mut committed, end) {
        return Kept::Lost;
    }
    let bucket = entries.bucket(hash);
    let next = bucket.load(Ordering::Relaxed);
    // SAFETY: there is memory, and nobody else knows of it while this thread has the lock
    // and has not moved `used`.
    unsafe { entries.write(at, next, hash, frames) };
    used.store(end, Ordering::Release);
    let number = (at / 8) as u32;
    bucket.store(number, Ordering::Release);
    Kept::New(number)
}

//! Seizing: how `purge` takes free blocks out of another thread's bin while
//! that thread sleeps or runs, at no cost to its fast paths.
//!
//! The owner pops and pushes with plain loads and stores and never waits. The
//! seizing thread holds the bucket's lock, so the owner's slow path waits for
//! it, and makes use of a *process-wide barrier*: a system call after which
//! every thread of the process has passed a full fence since the call began.
//!
//! ```text
//!   seizer                                    owner, at any point of
//!   limit = null                 barrier      push: top? limit? slot = b, top + 1
//!   n = top                      barrier      pop:  top? e = slot?       top - 1
//!   copy the slots below n,
//!   store null in each           barrier
//!   m = top: keep what lies below m - 1, put slot m - 1 back
//! ```
//!
//! After the first barrier at most one push can still be under way, which will
//! fill slot `top` and touch nothing below; no other can begin, since only the
//! owner's slow path raises the limit again, under the lock. After the last one, a pop that
//! begins finds a null and goes to the slow path; a pop that is through has
//! lowered `top`; and one that is under way holds the block of slot
//! `top - 1`, and no other. So all below that slot is the seizer's. The slot
//! itself is put back: if its pop is under way, it will lie above the top and
//! mean nothing; if not, it is a block like any other.
//!
//! Seized slots stay null at the magazine's bottom; their number is the bin's
//! *floor*, which the owner's slow path clears away.
//!
//! A foreign bin (foreign.rs) is never popped, so what lies below `top` is
//! nobody's but the seizer's: one barrier, after which the slots are read.

use super::bin::Bin;
use super::magazine::ENTRIES;
use crate::sync::atomic::Ordering;
use core::ptr;

/// A place for a block in a magazine, that two threads may reach at once.
pub(crate) trait Slot: Sized {
    /// The block, or null.
    ///
    /// # Safety
    /// `this` is a slot of a live magazine.
    unsafe fn get(this: *mut Self) -> *mut u8;

    /// Sets the block.
    ///
    /// # Safety
    /// As for [`Slot::get`].
    unsafe fn set(this: *mut Self, block: *mut u8);

    /// Stands wherever a process-wide barrier may fall into the owner's fast
    /// paths: it keeps the compiler from moving accesses across.
    fn between();
}

impl Slot for *mut u8 {
    #[inline(always)]
    unsafe fn get(this: *mut Self) -> *mut u8 {
        #[cfg(not(ntheap_model))]
        // SAFETY: an aligned word of a live magazine.
        unsafe {
            core::sync::atomic::AtomicPtr::from_ptr(this).load(Ordering::Relaxed)
        }
        #[cfg(ntheap_model)]
        // SAFETY: models of this kind have one thread at the slots.
        unsafe {
            this.read()
        }
    }

    #[inline(always)]
    unsafe fn set(this: *mut Self, block: *mut u8) {
        #[cfg(not(ntheap_model))]
        // SAFETY: an aligned word of a live magazine.
        unsafe {
            core::sync::atomic::AtomicPtr::from_ptr(this).store(block, Ordering::Relaxed);
        }
        #[cfg(ntheap_model)]
        // SAFETY: models of this kind have one thread at the slots.
        unsafe {
            this.write(block);
        }
    }

    #[inline(always)]
    fn between() {
        #[cfg(not(ntheap_model))]
        core::sync::atomic::compiler_fence(Ordering::SeqCst);
    }
}

/// Blocks under seizure.
pub(super) struct Seizure {
    copies: [*mut u8; ENTRIES],
    floor: usize,
    top: usize,
}

/// How many slots lie below the bin's top.
fn height<S>(bin: &Bin<S>, first: *mut S) -> usize {
    let top = bin.top.load(Ordering::Relaxed);
    (top.addr().wrapping_sub(first.addr()) / size_of::<S>()).min(ENTRIES)
}

impl Seizure {
    /// Covers all slots of the bin's magazine, which starts at `first` and has
    /// `floor` nulls at its bottom. `barrier` is the process-wide one.
    ///
    /// # Safety
    /// The bin's magazine starts at `first` and stays; the caller holds the
    /// bucket's lock, and does so until [`Seizure::keep`] has returned.
    pub(super) unsafe fn cover<S: Slot>(
        bin: &Bin<S>,
        first: *mut S,
        floor: usize,
        barrier: impl Fn(),
    ) -> Self {
        bin.lower();
        barrier();
        let mut seizure = Seizure {
            copies: [ptr::null_mut(); ENTRIES],
            floor,
            top: height(bin, first),
        };
        barrier();
        let slots = seizure.copies.iter_mut().enumerate();
        for (at, copy) in slots.take(seizure.top).skip(floor) {
            // SAFETY: slots below the top are the magazine's.
            unsafe {
                *copy = S::get(first.wrapping_add(at));
                S::set(first.wrapping_add(at), ptr::null_mut());
            }
        }
        barrier();
        seizure
    }

    /// Keeps what is the seizer's and puts the rest back: the seized blocks,
    /// and the bin's new floor.
    ///
    /// # Safety
    /// As for [`Seizure::cover`].
    pub(super) unsafe fn keep<S: Slot>(&self, bin: &Bin<S>, first: *mut S) -> (&[*mut u8], usize) {
        let now = height(bin, first);
        let mut end = self.top;
        if now <= self.top {
            end = now.saturating_sub(1).max(self.floor);
            if let Some(&block) = self.copies.get(end)
                && end < now
            {
                // SAFETY: the slot is the magazine's.
                unsafe { S::set(first.wrapping_add(end), block) };
            }
        }
        (self.copies.get(self.floor..end).unwrap_or_default(), end)
    }
}

/// Seizes all blocks of a bin that its owner only pushes to (foreign.rs), and
/// returns how many slots from the magazine's `first` on are the seizer's now.
/// The owner goes on and fills the slots above them.
///
/// # Safety
/// The bin's magazine starts at `first` and stays; the caller holds the
/// bucket's lock, and notes the slots as seized before it gives it up.
pub(super) unsafe fn seize_unpopped<S: Slot>(
    bin: &Bin<S>,
    first: *mut S,
    barrier: impl Fn(),
) -> usize {
    let top = height(bin, first);
    // What the slots hold was written before `top` passed them.
    barrier();
    top
}

//! A thread's screen: what its fast paths see in place of its cache while every allocation
//! is looked at and no free is, as for heap profiles.
//!
//! ```text
//!   malloc:  word.row ---\                     free:  word.cache + descriptor.bin
//!                         v                                      |
//!   | screen: bins, closed | table, mask | cache: bins | ... | further rows |
//!     ^                                    ^    ^
//!   alloc: word.cache                      |  dealloc: word.row
//!                                        word.own
//! ```
//!
//! Whoever allocates finds bins that are empty, and comes to a lane of its own
//! (counted.rs), which does what the fast path does, in the bins behind the screen, and
//! counts. Frees go to these bins as ever: those of C because a descriptor says where its
//! bin is, [`DISTANCE`] more than without screens; those of Rust because the word leads to
//! them. So every bin, refill and exchange is as without.
//!
//! Invariants:
//! - All caches of a process have a screen, or none: that is settled before there is one,
//!   and before the first descriptor.
//! - A screen's bins stay empty and full. It begins as a cache does, as far as it goes, and
//!   no more of it is read than that: slow paths take what a word's `own` leads to.

use super::bin::Bin;
use super::cache::{ThreadCache, closed};
use super::classes::COUNT;
use super::slices;
use core::cell::Cell;
use core::mem::offset_of;
use core::sync::atomic::AtomicPtr;
#[cfg(feature = "debug")]
use core::sync::atomic::{AtomicUsize, Ordering};

/// A screen; the cache comes at once behind it.
#[repr(C, align(64))]
pub(super) struct Screen {
    bins: [Bin; COUNT],
    table: AtomicPtr<u8>,
    mask: Cell<usize>,
}

const _: () = assert!(
    offset_of!(Screen, bins) == offset_of!(ThreadCache, bins)
        && offset_of!(Screen, table) == offset_of!(ThreadCache, table)
        && offset_of!(Screen, mask) == offset_of!(ThreadCache, mask)
);

/// Bytes from a screen to its cache.
pub(super) const DISTANCE: usize = size_of::<Screen>();

/// [`DISTANCE`] where caches have screens, else 0.
#[cfg(feature = "debug")]
static BEFORE: AtomicUsize = AtomicUsize::new(0);

/// Gives all caches screens. Called by the thread that makes the heap ready, before it is.
#[cfg(feature = "debug")]
pub(super) fn begin() {
    BEFORE.store(DISTANCE, Ordering::Relaxed);
}

/// Bytes of the screen before each cache: 0 where there are none.
#[inline(always)]
pub(super) fn before() -> usize {
    #[cfg(feature = "debug")]
    return BEFORE.load(Ordering::Relaxed);
    #[cfg(not(feature = "debug"))]
    0
}

impl Screen {
    /// Writes the screen of the cache at `place`, and returns what a word leads to then.
    ///
    /// # Safety
    /// [`DISTANCE`] bytes before `place` are the caller's, and nobody uses them.
    pub(super) unsafe fn raise(place: *mut ThreadCache) -> *mut ThreadCache {
        let (table, mask) = slices::table();
        // SAFETY: the caller's memory, as aligned as the cache is, which the distance keeps.
        unsafe {
            let screen = place.byte_sub(DISTANCE).cast::<Screen>();
            let bins = (&raw mut (*screen).bins).cast::<Bin>();
            for class in 0..COUNT {
                bins.add(class).write(closed());
            }
            (&raw mut (*screen).table).write(AtomicPtr::new(table));
            (&raw mut (*screen).mask).write(Cell::new(mask));
            screen.cast()
        }
    }
}

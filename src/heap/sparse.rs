//! Sparse subsegments: the free pages between the last few blocks.
//!
//! A block in use, or in the cache of a thread that sleeps, holds on to its
//! whole subsegment. In a heap that was given up, that can be most of what is
//! left. So under pressure, each time what is in use has fallen to a quarter, the
//! pages that no block in use or in a cache reaches into go back to the system;
//! the blocks stay where they are, free as before. (Statistics go on counting them as
//! active: an upper bound.)
//!
//! ```text
//!   | page      | page      | page      | page      |
//!   | free free | free BUSY | free free | free free |
//!     purged                  purged
//! ```
//!
//! A heap that shrinks to nothing pays for hardly more subsegments than it had
//! when this began.

use super::classes::LAST_BUCKET;
use super::descriptor::{Descriptor, Geometry};
use super::front::{Front, Shared};
use crate::vm;
use core::sync::atomic::Ordering;

/// Bytes in use from which on it is enough that whole subsegments go back.
const CEILING: usize = 256 * 1024 * 1024;

/// Where giving back a page costs a system call or two for nothing else to go.
const IS_CHEAP: bool = !cfg!(windows);

impl Front {
    /// Notes that the heap has come under pressure, if it was not. One that
    /// does so over and over uses its pages again each time: it is thinned out
    /// the first, the second, the fourth, the eighth time and so on; one that
    /// is to retain everything, never.
    pub(super) fn watch_shrinking(shared: Shared<'_>) {
        let totals = shared.totals;
        if totals.is_shrinking.swap(true, Ordering::Relaxed) {
            return;
        }
        let times = totals.shrinkings.fetch_add(1, Ordering::Relaxed);
        let out = totals.out.load(Ordering::Relaxed).min(CEILING);
        let keeps_all = shared.back_end.lock().retain == usize::MAX;
        let is_due = times & times.wrapping_sub(1) == 0 && !keeps_all;
        totals
            .thinned
            .store(if is_due { out / 4 } else { 0 }, Ordering::Relaxed);
    }

    /// Purges the free pages of subsegments if what is in use is a quarter of
    /// what it was when that was last done, or a sixteenth of what it was when
    /// the heap came under pressure: with more in use, few pages are free and
    /// lie in many pieces. No lock may be held.
    pub(super) fn thin_out(&self, shared: Shared<'_>) {
        let out = shared.totals.out.load(Ordering::Relaxed);
        let thinned = shared.totals.thinned.load(Ordering::Relaxed);
        let relaxed = Ordering::Relaxed;
        // Of two threads at once one does it.
        if IS_CHEAP
            && out < thinned / 4
            && shared
                .totals
                .thinned
                .compare_exchange(thinned, out, relaxed, relaxed)
                .is_ok()
        {
            // Or the system would make huge pages of what is left in the end.
            shared.back_end.lock().advise_small();
            self.purge_free_pages();
        }
    }

    /// Gives back the pages of open subsegments that nothing reaches into. No
    /// lock may be held.
    pub(super) fn purge_free_pages(&self) {
        for class in 1..=LAST_BUCKET {
            let geometry = Geometry::of(class);
            let bits_at = geometry.bits_at(self.kind());
            let state = self.bucket(class).state.lock();
            // SAFETY: the bucket is locked, so its open subsegments are live
            // and their free bits stay.
            state.for_each_open(|descriptor| unsafe {
                purge_free_pages(descriptor, geometry, bits_at);
            });
        }
    }
}

/// # Safety
/// The descriptor is a live subsegment's of this geometry, with its free bits at
/// `bits_at`, and its bucket is locked.
unsafe fn purge_free_pages(descriptor: *mut Descriptor, geometry: &Geometry, bits_at: usize) {
    // SAFETY: the caller's descriptor is live and locked.
    let (base, words) = unsafe {
        let words = descriptor.byte_add(bits_at).cast::<u64>();
        (
            (*descriptor).base.load(Ordering::Relaxed),
            core::slice::from_raw_parts(words, geometry.blocks.div_ceil(64)),
        )
    };
    let is_free = |index: usize| {
        let word = words.get(index / 64).copied().unwrap_or(0);
        index >= geometry.blocks || word & (1 << (index % 64)) != 0
    };
    let page = vm::page_size();
    // A class of no bytes has blocks all the same, side by side.
    let size = geometry.size.max(1);
    let end = (geometry.blocks * size) & !(page - 1);
    let mut start = 0;
    let mut at = 0;
    while at < end {
        let first = at / size;
        let last = (at + page - 1) / size;
        let all_free = (first..=last).all(is_free);
        at += page;
        if all_free && at < end {
            continue;
        }
        let stop = if all_free { at } else { at - page };
        if stop > start {
            let place = core::ptr::with_exposed_provenance_mut(base + start);
            // SAFETY: only free blocks reach into these pages, the bucket's
            // lock keeps them so, and nothing lies in a free block.
            unsafe { vm::purge(place, stop - start) };
        }
        start = at;
    }
}

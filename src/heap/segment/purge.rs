//! How memory goes back to the system.
//!
//! Slices that are used no more are *dirty* as far as their pages may hold
//! memory. When dirty memory passes a limit, the segments are gone through in
//! turn and purged down to three quarters of it. The limit follows the heap's
//! size, so freeing alone lowers it: no timer and no later allocation is
//! needed.
//!
//! A program that frees and allocates the same megabytes over and over would
//! pay for it in page faults. So what is purged is remembered, and when it is
//! used again the limit rises by as much (*regret*), up to a bound; each purge
//! lowers it again by an eighth of what was purged. A heap that shrinks for
//! good purges on and ends at the limit of its size. The bound is lower for a heap
//! that was too large to be kept as a whole: a part of it would save little.

use super::{Alike, Backend, Pages, SEGMENT, SLICE, Segment, UNIT, mask};
use crate::vm::{self, Use};

/// Holes that running short of commit may leave in the segments at a time: each
/// can split a mapping in three, and a process has 65,530.
const MOST_HOLES: u32 = 400;

/// What a heap starts with: one that never shrinks by much pays nothing.
pub(super) const FIRST_REGRET: usize = 8 * 1024 * 1024;
/// Dirty bytes kept at most because purged memory was used again.
pub(super) const MOST_REGRET: usize = 32 * 1024 * 1024;
/// The same when a large heap shrinks, and how many bytes of subsegments make it large.
const MOST_REGRET_OF_LARGE: usize = 16 * 1024 * 1024;
const LARGE: usize = 40 * 1024 * 1024;

impl Backend {
    /// Bytes that unused slices may hold.
    pub(in crate::heap) fn dirty_bytes(&self) -> usize {
        self.dirty_units * UNIT
    }

    /// The dirty bytes kept now.
    fn limit(&self) -> usize {
        match self.retain {
            0 => 0,
            retain => retain
                .max(self.used_slices * SLICE / 8)
                .saturating_add(self.regret),
        }
    }

    /// Notes that so many bytes are used again that were purged.
    pub(super) fn regret(&mut self, bytes: usize) {
        self.regret = self.regret.saturating_add(bytes).min(MOST_REGRET);
    }

    /// Notes that a heap whose subsegments may hold `active` bytes of memory shrinks.
    #[inline(always)]
    pub(in crate::heap) fn note_shrinking(&mut self, active: usize) {
        if active > LARGE {
            self.regret = self.regret.min(MOST_REGRET_OF_LARGE);
        }
    }

    /// Purges when the limit is passed.
    pub(in crate::heap) fn purge_excess(&mut self) {
        let before = self.dirty_bytes();
        let limit = self.limit();
        if before > limit {
            let keep = limit / 4 * 3;
            self.release_down_to(keep);
            // So much that the limit is not passed again at once.
            let is_enough = self.dirty_bytes() <= limit && before - self.dirty_bytes() > limit / 4;
            if !is_enough {
                self.purge_slices_down_to(keep);
            }
            let purged = before - self.dirty_bytes();
            self.regret = self.regret.saturating_sub(purged / 8);
            let again = self.huge_again(self.used_slices * SLICE);
            self.again_above = self.again_above.min(again);
        }
        let may_purge = self.retain != usize::MAX;
        if may_purge && self.huge_chunks != 0 && self.used_slices * SLICE < self.huge_from / 2 {
            self.advise_small();
        }
    }

    /// Used bytes above which a heap that has shrunk to `used` asks for huge pages again.
    /// One that swings about the bound would do so each time, and hold 2 MiB for each
    /// page that it touches anew.
    fn huge_again(&self, used: usize) -> usize {
        used.saturating_add(self.huge_above.saturating_mul(2))
    }

    /// Asks for huge pages no more: in a heap that has shrunk, a page touched
    /// here and there would cost 2 MiB each. What lies about those that were
    /// may hold memory though it was never used, and goes back.
    #[inline(never)]
    pub(in crate::heap) fn advise_small(&mut self) {
        if self.huge_chunks == 0 {
            return;
        }
        self.again_above = self.huge_again(self.used_slices * SLICE);
        let mut segment = self.all;
        while !segment.is_null() {
            // SAFETY: the list links live segments of this back end, whose
            // leaders live as long; a chunk is committed and ours, and its
            // clean slices are unused.
            unsafe {
                let state = &*segment;
                if (*state.leader).is_huge {
                    state.purge_clean();
                }
                segment = state.next;
            }
        }
        self.advise_all(false);
        self.huge_chunks = 0;
        self.huge_from = 0;
        self.most_alike = 0;
        self.was_huge = true;
    }

    /// Notes how many bytes of all subsegments may hold memory, before one more is made.
    #[inline(always)]
    pub(in crate::heap) fn note_active(&mut self, bytes: usize) {
        self.active = bytes;
    }

    /// Whether at least three quarters of what is used may hold memory. In a program of
    /// many sizes much of each subsegment was never touched, and would be with huge pages.
    /// Slices that fences lie in count as used, so that a heap that has many is larger by as
    /// much before it is dense.
    fn is_dense(&self) -> bool {
        // All heaps are to have some.
        if self.huge_above == 0 {
            return true;
        }
        self.active >= self.used_slices * SLICE / 4 * 3
    }

    /// Whether the heap is large enough for huge pages.
    pub(super) fn is_large(&self) -> bool {
        let above = if self.was_huge {
            self.again_above
        } else {
            self.huge_above
        };
        self.used_slices * SLICE >= above
    }

    /// Whether the heap is large enough for huge pages, and would fill them.
    pub(super) fn wants_huge(&self) -> bool {
        self.is_large() && self.is_dense()
    }

    /// Asks for huge pages again: the heap has grown again.
    #[inline(never)]
    pub(super) fn advise_again(&mut self) {
        self.was_huge = false;
        self.huge_from = self.huge_above;
        self.advise_all(true);
    }

    /// Asks for huge pages in all chunks but the smallest, or no more in those
    /// that have them.
    fn advise_all(&mut self, huge: bool) {
        let mut segment = self.all;
        while !segment.is_null() {
            // SAFETY: the list links live segments of this back end; a leader's
            // chunk is committed and ours.
            unsafe {
                let state = &mut *segment;
                let is_small = huge && state.shape.blocks() <= SEGMENT;
                if state.leader == segment && state.is_huge != huge && !is_small {
                    state.is_huge = huge;
                    self.huge_chunks += usize::from(huge);
                    vm::advise_huge(state.base, state.shape.blocks(), huge);
                }
                segment = state.next;
            }
        }
    }

    /// Whether there is so much of one kind that huge pages fill up though the heap is not
    /// large. The process heap's small blocks share chunks from half as much of some size
    /// on, so that no more than the last huge page is partly unused; not in a heap that has
    /// shrunk.
    pub(super) fn fills_huge(&mut self, alike: Alike) -> bool {
        let (bytes, may) = match alike {
            Alike::No => return false,
            Alike::Private(bytes) => (bytes, true),
            Alike::Small(bytes) => {
                self.most_alike = self.most_alike.max(bytes);
                (2 * self.most_alike, !self.was_huge)
            }
        };
        may && bytes >= self.huge_above / 4 && self.huge_above != usize::MAX
    }

    /// The pages that slices without memory are to have, for a run that fills huge
    /// ones or may not. While some fill them in a heap that is not large, others stay out of
    /// those: they might touch a page of many.
    pub(super) fn pages_for(&self, fills: bool) -> Pages {
        if self.is_large() {
            Pages::Any
        } else if fills {
            Pages::Huge
        } else if self.huge_chunks != 0 {
            Pages::Small
        } else {
            Pages::Any
        }
    }

    /// Releases chunks that are not used, then purges dirty slices, until at most
    /// `keep` bytes are dirty.
    pub(in crate::heap) fn purge_down_to(&mut self, keep: usize) {
        self.release_down_to(keep);
        self.purge_slices_down_to(keep);
    }

    /// Releases chunks that are not used until at most `keep` bytes are dirty: a call
    /// of the system's for each.
    #[inline(never)]
    fn release_down_to(&mut self, keep: usize) {
        let keep = keep / UNIT;
        let mut segment = self.all;
        while self.dirty_units > keep && !segment.is_null() {
            // SAFETY: the list links live segments of this back end.
            let leader = unsafe { (*segment).leader };
            // SAFETY: a segment's leader lives as long as the segment.
            let is_unused = unsafe { (*leader).chunk_used == 0 };
            // SAFETY: as above; none of the leader's chunk is used.
            segment = if is_unused && unsafe { self.release_chunk(leader) } {
                self.all
            } else {
                // SAFETY: nothing was released.
                unsafe { (*segment).next }
            };
        }
    }

    /// Purges dirty slices until at most `keep` bytes are dirty.
    #[inline(never)]
    fn purge_slices_down_to(&mut self, keep: usize) {
        let keep = keep / UNIT;
        let mut visited_start = false;
        while self.dirty_units > keep {
            if self.cursor.is_null() {
                if visited_start {
                    return;
                }
                visited_start = true;
                self.cursor = self.all;
                if self.cursor.is_null() {
                    return;
                }
            }
            // SAFETY: the cursor is null or one of our segments; a released
            // chunk's segments are taken from under it.
            let state = unsafe { &mut *self.cursor };
            if state.is_empty() {
                state.forget_records();
            }
            while state.dirty != 0 && self.dirty_units > keep {
                let first = state.dirty.trailing_zeros();
                let length = (state.dirty >> first).trailing_ones() as usize;
                let base = state.base.wrapping_add(first as usize * SLICE);
                // SAFETY: dirty slices are unused, committed and ours.
                if !unsafe { vm::purge(base, length * SLICE) } {
                    return;
                }
                self.dirty_units -= state.units(mask(first, length));
                state.note_purged(mask(first, length));
            }
            if state.dirty == 0 {
                self.cursor = state.next;
            }
        }
    }

    /// Decommits unused slices until `bytes` are gained or none are left, so
    /// that something else can be committed. Each hole can split a mapping: no
    /// more than a bounded number is left at a time.
    pub(in crate::heap) fn decommit_unused(&mut self, bytes: usize) {
        let mut unused = 0;
        let mut holes = 0;
        let mut segment = self.all;
        while !segment.is_null() {
            // SAFETY: the list links live segments of this back end.
            let state = unsafe { &*segment };
            unused += (!state.used & !state.absent).count_ones() as usize;
            holes += (state.absent & !(state.absent << 1)).count_ones();
            segment = state.next;
        }
        // What is gained beyond the need spares the next allocations the same.
        let wanted = bytes.div_ceil(SLICE).max(unused / 8);
        let mut gained = 0;
        // Long runs first: they gain most for a hole.
        for least in [64, 16, 4, 1] {
            segment = self.all;
            while !segment.is_null() && gained < wanted && holes < MOST_HOLES {
                // SAFETY: the list links live segments of this back end.
                let state = unsafe { &mut *segment };
                let mut left = !state.used & !state.absent;
                while left != 0 && gained < wanted && holes < MOST_HOLES {
                    let first = left.trailing_zeros();
                    let length = (left >> first).trailing_ones() as usize;
                    let run = mask(first, length);
                    left &= !run;
                    if length < least {
                        continue;
                    }
                    let base = state.base.wrapping_add(first as usize * SLICE);
                    // SAFETY: the slices are unused, committed and ours.
                    if !unsafe { vm::decommit(Use::Segments, base, length * SLICE) } {
                        return;
                    }
                    self.dirty_units -= state.forget_dirty(run);
                    state.absent |= run;
                    state.forget_guards(run);
                    state.forget_fences(first, length);
                    holes += 1;
                    gained += length;
                }
                segment = state.next;
            }
        }
    }
}

impl Segment {
    /// The slices of `run` hold no memory any more; those that did were purged.
    fn note_purged(&mut self, run: u64) {
        for slice in 0..64 {
            if run & self.dirty & (1 << slice) != 0
                && let (Some(touched), Some(purged)) =
                    (self.touched.get_mut(slice), self.purged.get_mut(slice))
            {
                *purged = *touched;
                *touched = 0;
            }
        }
        self.dirty &= !run;
    }

    /// Purges the slices that are neither used nor dirty.
    ///
    /// # Safety
    /// The segment is the caller's.
    unsafe fn purge_clean(&self) {
        let mut clean = !self.used & !self.absent & !self.dirty;
        while clean != 0 {
            let first = clean.trailing_zeros();
            let length = (clean >> first).trailing_ones() as usize;
            clean &= !mask(first, length);
            let base = self.base.wrapping_add(first as usize * SLICE);
            // SAFETY: the slices are unused, committed and the caller's.
            unsafe { vm::purge(base, length * SLICE) };
        }
    }

    /// The slices of `run` hold no memory any more.
    /// Returns the units they held.
    fn forget_dirty(&mut self, run: u64) -> usize {
        let mut units = 0;
        for (slice, touched) in self.touched.iter_mut().enumerate() {
            if run & self.dirty & (1 << slice) != 0 {
                units += usize::from(core::mem::take(touched));
            }
        }
        self.dirty &= !run;
        units
    }
}

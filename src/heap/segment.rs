//! The back end: segments of 4 MiB, cut into 64 slices of 64 KiB.
//!
//! ```text
//!   chunk (one reservation, of 16, 4 or 1 segments, or a part of one)
//!   | segment 0 | segment 1 | ... | segment 15 | records 0 | ... | records 15 |
//!     4 MiB                                      384 KiB each
//!
//!   segment                                   records of a segment
//!   | slice 0 | slice 1 | ... | slice 63 |    | Segment | descriptors ...    |
//! ```
//!
//! A subsegment takes a run of slices. Three words of bits say everything: a
//! slice is used or not, and a slice that is not used is dirty (its pages may
//! hold memory), clean (they read zero and cost nothing), or, when commit was
//! short once, absent (not committed). A free run is
//! found by shifting the words; the lowest dirty run is taken first, because
//! its memory is there already.
//!
//! Memory goes back here: when more than a limit of dirty slices has gathered,
//! the segments are gone through in turn and purged down to three quarters of
//! it. The limit follows the heap's size, so freeing alone lowers it: no timer
//! and no later allocation is needed. A chunk none of whose segments is used
//! is released, if another one has room.

mod chunk;

use super::classes::SLICE;
use super::descriptor::Descriptor;
use crate::vm::{self, Use};
use chunk::Shape;
use core::ptr;

/// Holes that running short of commit may leave in the segments at a time: each
/// can split a mapping in three, and a process has 65,530.
const MOST_HOLES: u32 = 400;

/// Bytes of a segment.
pub(crate) const SEGMENT: usize = 64 * SLICE;

/// A segment's record, at the start of its records area.
#[repr(C, align(64))]
pub(crate) struct Segment {
    /// All segments of the heap, linked. This word and the next two are part
    /// of what outsiders read (vm::root).
    next: *mut Segment,
    /// Address of the first slice.
    base: *mut u8,
    /// Slices in use, one bit each.
    used: u64,
    /// Unused slices whose pages may hold memory.
    dirty: u64,
    /// Unused slices that are not committed.
    absent: u64,
    /// Segments with unused slices, linked both ways.
    next_open: *mut Segment,
    previous_open: *mut Segment,
    is_open: bool,
    /// Records handed out so far, in bytes from the start of the area.
    bump: usize,
    /// Descriptors given back, linked through `next`.
    free_descriptors: *mut Descriptor,
    /// How the chunk is cut.
    shape: Shape,
    /// The first segment of the chunk, and, there, how many of its segments
    /// have used slices.
    leader: *mut Segment,
    chunk_used: usize,
}

/// A run of slices just taken, and a descriptor's memory for it.
pub(super) struct Run {
    pub(super) segment: *mut Segment,
    pub(super) base: *mut u8,
    pub(super) first_slice: u32,
    /// No page of the run was used since it was last zero.
    pub(super) clean: bool,
    pub(super) descriptor: *mut Descriptor,
}

/// The segments of one heap.
pub(super) struct Backend {
    all: *mut Segment,
    open: *mut Segment,
    /// The last of the open segments.
    last_open: *mut Segment,
    /// Where the next purge starts.
    cursor: *mut Segment,
    /// Slices in use.
    pub(super) used_slices: usize,
    /// Slices not in use whose pages may hold memory.
    pub(super) dirty_slices: usize,
    /// Bytes of records handed out.
    pub(super) record_bytes: usize,
    /// Dirty bytes kept whatever the heap's size.
    pub(super) retain: usize,
    /// Used bytes above which new segments ask for huge pages.
    pub(super) huge_above: usize,
}

// SAFETY: the segments belong to the back end, whichever thread holds its lock.
unsafe impl Send for Backend {}

impl Backend {
    /// No segments.
    pub(super) const fn new() -> Self {
        Backend {
            all: ptr::null_mut(),
            open: ptr::null_mut(),
            last_open: ptr::null_mut(),
            cursor: ptr::null_mut(),
            used_slices: 0,
            dirty_slices: 0,
            record_bytes: 0,
            retain: 0,
            huge_above: usize::MAX,
        }
    }

    /// Takes `slices` slices (1 to 64) and `descriptor_size` bytes for their
    /// descriptor, zeroed. `None` when the system has nothing to give.
    pub(super) fn take(&mut self, slices: usize, descriptor_size: usize) -> Option<Run> {
        let mut segment = self.open;
        loop {
            if segment.is_null() {
                segment = self.grow(slices)?;
            }
            // SAFETY: the open list links live segments of this back end.
            let next = unsafe { (*segment).next_open };
            // SAFETY: as above; the back end's lock makes the segment ours.
            let state = unsafe { &mut *segment };
            if let Some(first) = state.find(slices)
                && state.make_present(mask(first, slices))
            {
                let descriptor = state.take_record(descriptor_size);
                if !descriptor.is_null() {
                    self.record_bytes += descriptor_size;
                    return Some(self.occupy(segment, first, slices, descriptor));
                }
            }
            segment = next;
        }
    }

    fn occupy(
        &mut self,
        segment: *mut Segment,
        first: u32,
        slices: usize,
        descriptor: *mut Descriptor,
    ) -> Run {
        // SAFETY: `take` got the segment from the open list.
        let state = unsafe { &mut *segment };
        let run = mask(first, slices);
        let dirty = (state.dirty & run).count_ones() as usize;
        if state.is_empty() {
            // SAFETY: a segment's leader lives as long as the segment.
            unsafe { (*state.leader).chunk_used += 1 };
        }
        state.used |= run;
        state.dirty &= !run;
        self.used_slices += slices;
        self.dirty_slices -= dirty;
        let base = state.base.wrapping_add(first as usize * SLICE);
        if state.used == u64::MAX {
            self.close(segment);
        }
        Run {
            segment,
            base,
            first_slice: first,
            clean: dirty == 0,
            descriptor,
        }
    }

    /// Gives a run back, with its descriptor's memory. `touched` says whether
    /// its pages may hold memory.
    ///
    /// # Safety
    /// The run came from [`Backend::take`] of this back end with these sizes,
    /// no slice-table entry leads to the descriptor any more, and nothing uses
    /// the blocks.
    pub(super) unsafe fn give_back(
        &mut self,
        segment: *mut Segment,
        first: u32,
        slices: usize,
        descriptor: *mut Descriptor,
        descriptor_size: usize,
    ) {
        let run = mask(first, slices);
        // SAFETY: the caller's segment is one of ours and live, and nobody
        // uses the descriptor.
        let (is_open, is_empty) = unsafe {
            let state = &mut *segment;
            state.used &= !run;
            state.dirty |= run;
            state.give_record_back(descriptor);
            if state.is_empty() {
                state.forget_records();
            }
            (state.is_open, state.is_empty())
        };
        self.used_slices -= slices;
        self.dirty_slices += slices;
        self.record_bytes -= descriptor_size;
        if !is_open {
            self.open(segment);
        }
        if is_empty {
            // Last in line, so that segments in use fill up first.
            self.close(segment);
            self.open_last(segment);
            // SAFETY: a segment's leader lives as long as the segment.
            let (leader, left) = unsafe {
                let leader = (*segment).leader;
                (*leader).chunk_used -= 1;
                (leader, (*leader).chunk_used)
            };
            if left == 0 {
                // SAFETY: no segment of the chunk is used.
                unsafe { self.release_chunk(leader) };
            }
        }
        self.purge_excess();
    }

    /// The dirty bytes kept now.
    fn limit(&self) -> usize {
        match self.retain {
            0 => 0,
            retain => retain.max(self.used_slices * SLICE / 8),
        }
    }

    fn purge_excess(&mut self) {
        if self.dirty_slices * SLICE > self.limit() {
            let keep = self.limit() / 4 * 3 / SLICE;
            self.purge_down_to(keep);
        }
    }

    /// Purges dirty slices until at most `keep` are left.
    #[inline(never)]
    pub(super) fn purge_down_to(&mut self, keep: usize) {
        let mut visited_start = false;
        while self.dirty_slices > keep {
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
            while state.dirty != 0 && self.dirty_slices > keep {
                let first = state.dirty.trailing_zeros();
                let length = (state.dirty >> first).trailing_ones() as usize;
                let base = state.base.wrapping_add(first as usize * SLICE);
                // SAFETY: dirty slices are unused, committed and ours.
                if !unsafe { vm::purge(base, length * SLICE) } {
                    return;
                }
                state.dirty &= !mask(first, length);
                self.dirty_slices -= length;
            }
            if state.dirty == 0 {
                self.cursor = state.next;
            }
        }
    }

    /// Decommits unused slices until `bytes` are gained or none are left, so
    /// that something else can be committed. Each hole can split a mapping: no
    /// more than a bounded number is left at a time.
    pub(super) fn decommit_unused(&mut self, bytes: usize) {
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
                    self.dirty_slices -= (state.dirty & run).count_ones() as usize;
                    state.dirty &= !run;
                    state.absent |= run;
                    holes += 1;
                    gained += length;
                }
                segment = state.next;
            }
        }
    }

    fn open(&mut self, segment: *mut Segment) {
        // SAFETY: the callers pass a live segment that is on no open list.
        unsafe {
            (*segment).is_open = true;
            (*segment).previous_open = ptr::null_mut();
            (*segment).next_open = self.open;
            if self.open.is_null() {
                self.last_open = segment;
            } else {
                (*self.open).previous_open = segment;
            }
        }
        self.open = segment;
    }

    fn open_last(&mut self, segment: *mut Segment) {
        let last = self.last_open;
        if last.is_null() {
            return self.open(segment);
        }
        // SAFETY: the open list links live segments and `segment` is not on it.
        unsafe {
            (*last).next_open = segment;
            (*segment).is_open = true;
            (*segment).previous_open = last;
            (*segment).next_open = ptr::null_mut();
        }
        self.last_open = segment;
    }

    fn close(&mut self, segment: *mut Segment) {
        // SAFETY: the callers pass a live segment; its neighbours on the open
        // list are live too.
        unsafe {
            if !(*segment).is_open {
                return;
            }
            (*segment).is_open = false;
            let (previous, next) = ((*segment).previous_open, (*segment).next_open);
            if previous.is_null() {
                self.open = next;
            } else {
                (*previous).next_open = next;
            }
            if next.is_null() {
                self.last_open = previous;
            } else {
                (*next).previous_open = previous;
            }
        }
    }
}

/// Bits `first` to `first + length - 1`.
fn mask(first: u32, length: usize) -> u64 {
    let ones = if length >= 64 {
        u64::MAX
    } else {
        (1 << length) - 1
    };
    ones << first
}

/// The lowest position of `length` ones in a row.
fn find_ones(mut bits: u64, length: usize) -> Option<u32> {
    let mut left = length - 1;
    let mut step = 1;
    while left > 0 {
        let shift = step.min(left);
        bits &= bits >> shift;
        left -= shift;
        step *= 2;
    }
    (bits != 0).then(|| bits.trailing_zeros())
}

impl Segment {
    /// Whether no slice is used.
    fn is_empty(&self) -> bool {
        self.used == self.shape.missing()
    }

    fn find(&self, slices: usize) -> Option<u32> {
        find_ones(!self.used & self.dirty, slices).or_else(|| find_ones(!self.used, slices))
    }

    /// Commits what of `run` is absent. False when the system or the commit
    /// limit refuses; what was committed by then stays so.
    #[inline(never)]
    fn make_present(&mut self, run: u64) -> bool {
        while self.absent & run != 0 {
            let absent = self.absent & run;
            let first = absent.trailing_zeros();
            let length = (absent >> first).trailing_ones() as usize;
            let base = self.base.wrapping_add(first as usize * SLICE);
            // SAFETY: the slices are unused, not committed and ours.
            if !unsafe { vm::commit(Use::Segments, base, length * SLICE) } {
                return false;
            }
            self.absent &= !mask(first, length);
        }
        true
    }

    /// Memory for a descriptor of `size` bytes, zeroed; null when the area is
    /// exhausted.
    #[inline(never)]
    fn take_record(&mut self, size: usize) -> *mut Descriptor {
        // Recycle the closest fit, but not one twice the size while there is
        // room for a new one.
        let most = if self.bump + size <= self.shape.records {
            size * 2
        } else {
            usize::MAX
        };
        let mut best: *mut *mut Descriptor = ptr::null_mut();
        let mut best_size = most;
        let mut link = &raw mut self.free_descriptors;
        // SAFETY: `link` walks the list of given-back descriptors, whose
        // memory is this segment's.
        unsafe {
            while !(*link).is_null() {
                let has = (**link).extent;
                if has >= size && has < best_size {
                    best = link;
                    best_size = has;
                    if has == size {
                        break;
                    }
                }
                link = &raw mut (**link).next;
            }
            if !best.is_null() {
                let found = *best;
                *best = (*found).next;
                found.cast::<u8>().write_bytes(0, size);
                (*found).extent = best_size;
                return found;
            }
        }
        if self.bump + size > self.shape.records {
            return ptr::null_mut();
        }
        let record = (&raw mut *self)
            .cast::<u8>()
            .wrapping_add(self.bump)
            .cast::<Descriptor>();
        self.bump += size;
        // SAFETY: the area is committed and everything from `bump` on is zero.
        unsafe { (*record).extent = size };
        record
    }

    /// Takes a descriptor's memory back.
    ///
    /// # Safety
    /// It came from `take_record` of this segment and nobody uses it.
    unsafe fn give_record_back(&mut self, descriptor: *mut Descriptor) {
        // SAFETY: the caller's descriptor is ours; `extent` is its true size.
        // What it described is wiped first, so that a late reader finds
        // nothing.
        unsafe {
            let extent = (*descriptor).extent;
            descriptor.write(Descriptor::nothing().0);
            (*descriptor).extent = extent;
            (*descriptor).next = self.free_descriptors;
        }
        self.free_descriptors = descriptor;
    }

    /// Starts the records area anew and gives its memory back; no slice of
    /// the segment is used.
    #[inline(never)]
    fn forget_records(&mut self) {
        let page = vm::page_size();
        let first = size_of::<Segment>().next_multiple_of(page);
        let last = self.bump.next_multiple_of(page).min(self.shape.records);
        let area = (&raw mut *self).cast::<u8>();
        // SAFETY: no descriptor of the segment is in use, so everything after
        // the segment's own record is dead.
        unsafe {
            area.add(size_of::<Segment>()).write_bytes(
                0,
                first.min(self.bump.max(size_of::<Segment>())) - size_of::<Segment>(),
            );
            if last > first && !vm::purge(area.add(first), last - first) {
                area.add(first).write_bytes(0, last - first);
            }
        }
        self.free_descriptors = ptr::null_mut();
        self.bump = size_of::<Segment>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_ones_are_found_lowest_first() {
        assert_eq!(find_ones(u64::MAX, 64), Some(0));
        assert_eq!(find_ones(0, 1), None);
        for length in 1..=64usize {
            for at in 0..=64 - length {
                let bits = mask(at as u32, length);
                assert_eq!(find_ones(bits, length), Some(at as u32));
                if length < 64 {
                    assert_eq!(find_ones(bits, length + 1), None);
                }
            }
        }
    }
}

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
//! A subsegment takes a run of slices. Three words of bits say how they are: a
//! slice is used or not, and a slice that is not used is dirty (its pages may
//! hold memory), clean (they read zero and cost nothing), or, when commit was
//! short once, absent (not committed). A free run is
//! found by shifting the words; the lowest dirty run is taken first, because
//! its memory is there already.
//!
//! Memory goes back here (purge.rs). A chunk none of whose segments is used is
//! released, if another one has room.

mod chunk;
#[cfg(feature = "hardened")]
mod fences;
#[cfg(not(feature = "hardened"))]
#[path = "segment/no_fences.rs"]
mod fences;
mod purge;
#[cfg(test)]
mod tests;

use super::classes::SLICE;
use super::descriptor::{Descriptor, HEADER};
use crate::vm::{self, Use};
use chunk::Shape;
use core::mem::offset_of;
use core::ptr;
use purge::{FIRST_REGRET, MOST_REGRET};

/// Bytes of a segment.
pub(crate) const SEGMENT: usize = 64 * SLICE;
/// Segments looked at for dirty slices.
const WALK: usize = 32;
/// Bytes that what a slice holds is counted in.
const UNIT: usize = 4096;

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
    /// Per slice, how much of it may hold memory, in [`UNIT`]s from its start.
    touched: [u8; 64],
    /// Per slice, how much of it was purged since it was last used.
    purged: [u8; 64],
    /// Unused slices that read zero though their pages may hold memory.
    zero: u64,
    /// In a hardened heap, slices that were never used and cannot be accessed, and
    /// those whose last page cannot.
    shut: u64,
    edges: u64,
    /// Slices that fences lie in, and those that begin a fenced run, with its class
    /// (fences.rs).
    fenced: u64,
    starts: u64,
    fenced_for: [u8; 64],
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
    /// Whether the chunk asked for huge pages; in the leader, too.
    is_huge: bool,
    /// Address space without memory above the chunk, of so many bytes; in the leader,
    /// where chance decides where chunks lie.
    gap: *mut u8,
    gap_size: usize,
}

/// What an outsider reads of a segment.
pub(super) const LAYOUT: [usize; 9] = [
    size_of::<Segment>(),
    offset_of!(Segment, next),
    offset_of!(Segment, base),
    offset_of!(Segment, used),
    offset_of!(Segment, dirty),
    offset_of!(Segment, absent),
    offset_of!(Segment, touched),
    offset_of!(Segment, shape) + offset_of!(Shape, slices),
    offset_of!(Segment, shape) + offset_of!(Shape, records),
];

/// A run of slices just taken, and a descriptor's memory for it.
pub(super) struct Run {
    pub(super) segment: *mut Segment,
    pub(super) base: *mut u8,
    pub(super) first_slice: u32,
    /// No page of the run was used since it was last zero.
    pub(super) clean: bool,
    /// The run reads zero; told in a hardened heap alone.
    #[cfg_attr(not(feature = "hardened"), allow(dead_code))]
    pub(super) is_zero: bool,
    /// So many bytes of it may hold memory; if it is of one slice, the first ones.
    #[cfg_attr(not(feature = "hardened"), allow(dead_code))]
    pub(super) touched: usize,
    /// Fences lie in it (heap/fence.rs).
    pub(super) is_fenced: bool,
    pub(super) descriptor: *mut Descriptor,
}

/// What slices are for, and how many bytes there are of it: huge pages fill up in much of
/// one kind.
#[derive(Clone, Copy)]
pub(super) enum Alike {
    /// Anything.
    No,
    /// Blocks of one size, of a private heap.
    Private(usize),
    /// Blocks of one size, of the process heap, so small that they fill their pages to the
    /// last.
    Small(usize),
}

/// The pages that slices without memory are to have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pages {
    Any,
    Huge,
    Small,
}

impl Pages {
    /// Whether those of a chunk will do, which asked for huge ones or did not.
    #[inline(always)]
    fn will_do(self, is_huge: bool) -> bool {
        match self {
            Pages::Any => true,
            Pages::Huge => is_huge,
            Pages::Small => !is_huge,
        }
    }
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
    /// Units of the slices not in use that may hold memory.
    dirty_units: usize,
    /// Bytes of chunks released and not reserved anew.
    released: usize,
    /// Dirty bytes kept beyond the limit, because purged memory was soon used
    /// again.
    regret: usize,
    /// Bytes of records handed out.
    pub(super) record_bytes: usize,
    /// Dirty bytes kept whatever the heap's size.
    pub(super) retain: usize,
    /// Used bytes above which new segments ask for huge pages.
    huge_above: usize,
    /// Bytes of all subsegments that may hold memory, when the last one was made.
    active: usize,
    /// The most bytes that one of the process heap's small classes has had in use.
    most_alike: usize,
    /// Chunks that asked for huge pages.
    huge_chunks: usize,
    /// Used bytes below half of which huge pages are not for the heap any more.
    huge_from: usize,
    /// Whether there were some before the heap shrank.
    was_huge: bool,
    /// Used bytes above which they do so again.
    again_above: usize,
    /// Whether an outsider learns nothing of its segments: the root record does
    /// not lead to them.
    is_hidden: bool,
    /// Whether runs and chunks lie where chance will have them.
    #[cfg(feature = "hardened")]
    is_random: bool,
}

// SAFETY: the segments belong to the back end, whichever thread holds its lock.
unsafe impl Send for Backend {}

impl Backend {
    /// No segments, and every word zero: a static one takes no room in a file.
    /// [`Backend::begin`] or [`Backend::begin_sparse`] comes before any use.
    pub(super) const fn new() -> Self {
        Backend {
            all: ptr::null_mut(),
            open: ptr::null_mut(),
            last_open: ptr::null_mut(),
            cursor: ptr::null_mut(),
            used_slices: 0,
            dirty_units: 0,
            released: 0,
            regret: 0,
            record_bytes: 0,
            retain: 0,
            huge_above: 0,
            active: 0,
            most_alike: 0,
            huge_chunks: 0,
            huge_from: 0,
            was_huge: false,
            again_above: 0,
            is_hidden: false,
            #[cfg(feature = "hardened")]
            is_random: false,
        }
    }

    /// Sets how many dirty bytes it keeps whatever its size, and above how many
    /// used bytes it asks for huge pages.
    pub(super) fn begin(&mut self, retain: usize, huge_above: usize) {
        self.regret = FIRST_REGRET;
        self.retain = retain;
        self.huge_above = huge_above;
    }

    /// The same for slices of which a page or two are used: an outsider learns
    /// nothing of the segments, and huge pages are never asked for.
    pub(super) fn begin_sparse(&mut self, retain: usize) {
        self.is_hidden = true;
        self.retain = retain;
        self.huge_above = usize::MAX;
    }

    /// Takes `slices` slices (1 to 64) and `descriptor_size` bytes for their
    /// descriptor, zeroed. `None` when the system has nothing to give. With `edge` the
    /// last page of the run is to be a guard page.
    #[inline(always)]
    pub(super) fn take(
        &mut self,
        slices: usize,
        descriptor_size: usize,
        alike: Alike,
        edge: bool,
    ) -> Option<Run> {
        #[cfg(feature = "hardened")]
        if self.is_random {
            return self.take_guarded(slices, descriptor_size, alike, edge);
        }
        let _ = edge;
        self.take_lowest(slices, descriptor_size, alike)
    }

    /// [`Backend::take`] where chance decides, and slices may be shut.
    #[cfg(feature = "hardened")]
    #[inline(never)]
    fn take_guarded(
        &mut self,
        slices: usize,
        descriptor_size: usize,
        alike: Alike,
        edge: bool,
    ) -> Option<Run> {
        self.take_as::<true>(slices, descriptor_size, alike, edge)
    }

    /// [`Backend::take`] of the lowest run.
    #[inline(never)]
    fn take_lowest(&mut self, slices: usize, descriptor_size: usize, alike: Alike) -> Option<Run> {
        self.take_as::<false>(slices, descriptor_size, alike, false)
    }

    /// [`Backend::take`]; `IS_HARD` in a hardened heap.
    #[inline(always)]
    fn take_as<const IS_HARD: bool>(
        &mut self,
        slices: usize,
        descriptor_size: usize,
        alike: Alike,
        edge: bool,
    ) -> Option<Run> {
        // Memory that is there already comes first, wherever it lies; the walk
        // is bounded, for there may be many segments.
        // Slices with fences are the second choice: those cost a call to end.
        let mut fenced = ptr::null_mut::<Segment>();
        let mut segment = self.open;
        let mut left = if self.dirty_units == 0 { 0 } else { WALK };
        while left != 0 && !segment.is_null() {
            // SAFETY: the open list links live segments of this back end, and
            // the back end's lock makes them ours.
            let state = unsafe { &mut *segment };
            let dirty = !state.used & state.dirty;
            if let Some(first) = find::<IS_HARD>(dirty & !state.fenced(), slices)
                && (!IS_HARD || state.open_up(first, slices, edge))
                && let Some(run) = self.occupy::<IS_HARD>(
                    segment,
                    first,
                    slices,
                    state.take_record(descriptor_size),
                    descriptor_size,
                )
            {
                return Some(run);
            }
            if state.has_fences()
                && fenced.is_null()
                && state.find_dirty_or_fenced(slices).is_some()
            {
                fenced = segment;
            }
            segment = state.next_open;
            left -= 1;
        }
        if !fenced.is_null()
            && let Some(run) = self.take_among_fences(fenced, slices, descriptor_size, true)
        {
            return Some(run);
        }
        if IS_HARD {
            self.take_hard_unused(slices, descriptor_size, alike, edge)
        } else {
            self.take_unused(slices, descriptor_size, alike)
        }
    }

    /// [`Backend::take`] of slices that hold no memory, or of any where no others are left.
    #[inline(never)]
    fn take_unused(&mut self, slices: usize, descriptor_size: usize, alike: Alike) -> Option<Run> {
        self.seek_unused::<false>(slices, descriptor_size, alike, false)
    }

    /// [`Backend::take_unused`] in a hardened heap: a name of its own, by which the linker keeps it
    /// from what every process runs.
    #[inline(never)]
    fn take_hard_unused(
        &mut self,
        slices: usize,
        descriptor_size: usize,
        alike: Alike,
        edge: bool,
    ) -> Option<Run> {
        self.seek_unused::<true>(slices, descriptor_size, alike, edge)
    }

    #[inline(always)]
    fn seek_unused<const IS_HARD: bool>(
        &mut self,
        slices: usize,
        descriptor_size: usize,
        alike: Alike,
        edge: bool,
    ) -> Option<Run> {
        let mut fenced = ptr::null_mut::<Segment>();
        let mut segment = self.open;
        let fills = self.fills_huge(alike);
        let mut pages = self.pages_for(fills);
        loop {
            if segment.is_null() {
                if !fenced.is_null()
                    && let Some(run) =
                        self.take_among_fences(fenced, slices, descriptor_size, false)
                {
                    return Some(run);
                }
                fenced = ptr::null_mut();
                segment = match self.grow(slices, fills) {
                    Some(grown) => grown,
                    None if pages == Pages::Any => return None,
                    None => self.open,
                };
                pages = Pages::Any;
                if segment.is_null() {
                    continue;
                }
            }
            // SAFETY: the open list links live segments of this back end, and
            // the back end's lock makes them ours.
            let state = unsafe { &mut *segment };
            let next = state.next_open;
            // SAFETY: a segment's leader lives as long as the segment.
            if !pages.will_do(unsafe { (*state.leader).is_huge }) {
                segment = next;
                continue;
            }
            if let Some(first) = find::<IS_HARD>(!state.used & !state.fenced(), slices)
                && state.make_present(mask(first, slices))
                && (!IS_HARD || state.open_up(first, slices, edge))
                && let Some(run) = self.occupy::<IS_HARD>(
                    segment,
                    first,
                    slices,
                    state.take_record(descriptor_size),
                    descriptor_size,
                )
            {
                return Some(run);
            }
            if state.has_fences() && fenced.is_null() && find_ones(!state.used, slices).is_some() {
                fenced = segment;
            }
            segment = next;
        }
    }

    /// Has runs and chunks lie where chance will have them, from now on, and asks for no
    /// huge pages.
    #[cfg(feature = "hardened")]
    pub(super) fn randomise(&mut self) {
        self.is_random = true;
        self.huge_above = usize::MAX;
    }

    /// Notes that a run in use reads zero, which is given back next.
    ///
    /// # Safety
    /// The segment is a live one of this back end, and the run is in use.
    #[cfg(feature = "hardened")]
    pub(super) unsafe fn note_zero(&mut self, segment: *mut Segment, first: u32, slices: usize) {
        // SAFETY: the caller's segment is live, and the lock makes it ours.
        unsafe { (*segment).zero |= mask(first, slices) };
    }

    /// Whether `slices` slices can be had that hold memory already.
    pub(super) fn can_reuse(&self, slices: usize) -> bool {
        let mut segment = self.open;
        let mut left = if self.dirty_units == 0 { 0 } else { WALK };
        while left != 0 && !segment.is_null() {
            // SAFETY: the open list links live segments of this back end, and
            // the back end's lock makes them ours.
            let state = unsafe { &*segment };
            if state.find_dirty_or_fenced(slices).is_some() {
                return true;
            }
            segment = state.next_open;
            left -= 1;
        }
        false
    }

    /// Takes a run of an open segment into use, with the memory for its descriptor; `None`, and
    /// nothing done, where that is null.
    #[inline(always)]
    fn occupy<const IS_HARD: bool>(
        &mut self,
        segment: *mut Segment,
        first: u32,
        slices: usize,
        descriptor: *mut Descriptor,
        descriptor_size: usize,
    ) -> Option<Run> {
        if descriptor.is_null() {
            return None;
        }
        // SAFETY: the callers got the segment from the open list.
        let state = unsafe { &mut *segment };
        let run = mask(first, slices);
        let dirty = state.units(state.dirty & run);
        let is_zero = IS_HARD && state.dirty & run & !state.zero == 0;
        if IS_HARD {
            state.zero &= !run;
        }
        if state.is_empty() {
            // SAFETY: a segment's leader lives as long as the segment.
            unsafe { (*state.leader).chunk_used += 1 };
        }
        state.used |= run;
        state.dirty &= !run;
        self.used_slices += slices;
        self.record_bytes += descriptor_size;
        self.dirty_units -= dirty;
        let regretted = state.take_purged(run);
        self.regret(regretted * UNIT);
        let base = state.base.wrapping_add(first as usize * SLICE);
        if state.used == u64::MAX {
            self.close(segment);
        }
        if self.was_huge && self.wants_huge() {
            self.advise_again();
        }
        Some(Run {
            segment,
            base,
            first_slice: first,
            clean: dirty == 0,
            is_zero,
            touched: dirty * UNIT,
            is_fenced: false,
            descriptor,
        })
    }

    /// Gives a run back, with its descriptor's memory. `touched` bytes from its
    /// start may hold memory.
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
        touched: usize,
        descriptor: *mut Descriptor,
        descriptor_size: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe { self.put_back(segment, first, slices, touched, descriptor, descriptor_size) };
        self.purge_excess();
    }

    /// [`Backend::give_back`] for one of many: the caller sees to it afterwards
    /// that what is too much is purged.
    ///
    /// # Safety
    /// As for [`Backend::give_back`].
    #[inline(always)]
    pub(super) unsafe fn put_back(
        &mut self,
        segment: *mut Segment,
        first: u32,
        slices: usize,
        touched: usize,
        descriptor: *mut Descriptor,
        descriptor_size: usize,
    ) {
        let run = mask(first, slices);
        // SAFETY: the caller's segment is one of ours and live, and nobody
        // uses the descriptor.
        let (is_open, is_empty) = unsafe {
            let state = &mut *segment;
            state.used &= !run;
            self.dirty_units += state.touch(first, slices, touched);
            state.give_record_back(descriptor);
            (state.is_open, state.is_empty())
        };
        self.used_slices -= slices;
        self.record_bytes -= descriptor_size;
        if !is_open {
            self.open(segment);
        }
        if is_empty {
            // Last in line, so that segments in use fill up first.
            self.close(segment);
            self.open_last(segment);
            // SAFETY: a segment's leader lives as long as the segment.
            unsafe { (*(*segment).leader).chunk_used -= 1 };
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

/// The sum of what `table` has for the bits of `run`.
fn sum(table: &[u8; 64], mut run: u64) -> usize {
    let mut units = 0;
    while run != 0 {
        units += usize::from(
            table
                .get(run.trailing_zeros() as usize)
                .copied()
                .unwrap_or(0),
        );
        run &= run - 1;
    }
    units
}

/// The lowest position of `length` ones in a row.
fn find_ones(bits: u64, length: usize) -> Option<u32> {
    let bits = positions(bits, length);
    (bits != 0).then(|| bits.trailing_zeros())
}

/// The position of `length` ones in a row: the lowest, or in a hardened heap any.
#[inline(always)]
fn find<const IS_HARD: bool>(bits: u64, length: usize) -> Option<u32> {
    #[cfg(feature = "hardened")]
    if IS_HARD {
        return super::hard::any_of(positions(bits, length));
    }
    find_ones(bits, length)
}

/// The positions of `length` ones in a row, a bit each.
fn positions(mut bits: u64, length: usize) -> u64 {
    let mut left = length - 1;
    let mut step = 1;
    while left > 0 {
        let shift = step.min(left);
        bits &= bits >> shift;
        left -= shift;
        step *= 2;
    }
    bits
}

impl Segment {
    /// Whether no slice is used.
    fn is_empty(&self) -> bool {
        self.used == self.shape.missing()
    }

    /// The units that may hold memory in the slices of `run`.
    fn units(&self, run: u64) -> usize {
        sum(&self.touched, run)
    }

    /// Notes that `bytes` from the start of `slices` slices, which are used no
    /// more, may hold memory, beside what held some before. Returns the units
    /// that do.
    fn touch(&mut self, first: u32, slices: usize, bytes: usize) -> usize {
        // SAFETY: a segment's leader lives as long as the segment.
        let is_huge = unsafe { (*self.leader).is_huge };
        let bytes = if is_huge { slices * SLICE } else { bytes };
        let mut left = bytes.next_multiple_of(vm::page_size()).div_ceil(UNIT);
        let run = mask(first, slices);
        if self.has_fences() && self.starts & run != 0 {
            return self.touch_fenced(first, run, left);
        }
        let in_run = self.touched.iter_mut().skip(first as usize).take(slices);
        for (slice, touched) in in_run.enumerate() {
            let here = left.min(SLICE / UNIT);
            left -= here;
            *touched = (*touched).max(here as u8);
            if *touched != 0 {
                self.dirty |= 1 << (first as usize + slice);
            }
        }
        self.units(run)
    }

    /// Forgets what was purged of the slices of `run`; returns how many units
    /// it was.
    fn take_purged(&mut self, run: u64) -> usize {
        let units = sum(&self.purged, run);
        if units != 0 {
            for (slice, purged) in self.purged.iter_mut().enumerate() {
                if run & (1 << slice) != 0 {
                    *purged = 0;
                }
            }
        }
        units
    }

    /// Commits what of `run`, which is in one piece is absent.
    /// False when the system or the commit
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

    /// Makes a run accessible, but for its last page if it is to end in a guard page
    /// (`edge`). False, and nothing changed, when the system refuses. A guard page stays
    /// while the slice is not used: the next subsegment to end there finds it.
    #[cfg(feature = "hardened")]
    #[inline(never)]
    fn open_up(&mut self, first: u32, slices: usize, edge: bool) -> bool {
        let run = mask(first, slices);
        let last = 1 << (first as usize + slices - 1);
        let base = self.base.addr() + first as usize * SLICE;
        let inner = if edge { run & !last } else { run };
        let size = slices * SLICE - if edge { UNIT } else { 0 };
        let closed = (self.shut | self.edges) & run;
        if self.shut & run != 0 || self.edges & inner != 0 {
            let edges = (self.edges & inner).count_ones() as usize;
            // SAFETY: the slices are unused, committed and ours.
            if !unsafe { super::hard::open(base, size, edges) } {
                return false;
            }
        }
        self.shut &= !run;
        self.edges &= !run;
        // SAFETY: as above; it is the run's last page.
        if edge && (closed & last != 0 || unsafe { super::hard::shut(base + size, UNIT) }) {
            self.edges |= last;
        }
        true
    }

    /// The slices of `run` go back to the system, and guard pages with them.
    fn forget_guards(&mut self, run: u64) {
        #[cfg(feature = "hardened")]
        super::hard::forget((self.edges & run).count_ones() as usize);
        self.shut &= !run;
        self.edges &= !run;
    }

    #[cfg(not(feature = "hardened"))]
    fn open_up(&mut self, _first: u32, _slices: usize, _edge: bool) -> bool {
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
                // Late readers may look at it still. It was wiped when it was given back;
                // the link alone was written since.
                (*found).next = ptr::null_mut();
                let behind = found.cast::<u8>().add(HEADER);
                behind.write_bytes(0, size.saturating_sub(HEADER));
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
            Descriptor::wipe(descriptor);
            (*descriptor).extent = extent;
            (*descriptor).next = self.free_descriptors;
        }
        self.free_descriptors = descriptor;
    }

    /// Starts the records area anew and gives its memory back; no slice of
    /// the segment is used. Others may look at what were descriptors by an address
    /// meanwhile: what they read of headers is nothing before, and is not written here; marks
    /// may say anything of an address that is no block's.
    #[inline(never)]
    fn forget_records(&mut self) {
        let page = vm::page_size();
        let start = size_of::<Segment>();
        let first = start.next_multiple_of(page);
        let last = self.bump.next_multiple_of(page).min(self.shape.records);
        let area = (&raw mut *self).cast::<u8>();
        // SAFETY: no descriptor of the segment is in use, so that all are on the list of
        // those that were given back, and nothing but this segment needs what they say.
        // Where the system refuses, they stay on that list.
        if last > first && !unsafe { vm::purge(area.add(first), last - first) } {
            return;
        }
        let end = first.min(self.bump);
        let mut at = start;
        // The second half of a header that `end` parts was purged, and the first was wiped:
        // link and extent are the second half's.
        const {
            assert!(core::mem::offset_of!(Descriptor, next) >= HEADER / 2);
            assert!(core::mem::offset_of!(Descriptor, extent) >= HEADER / 2);
        }
        while at + HEADER <= end {
            // SAFETY: up to `bump` the area is records, each as long as its extent says, and
            // all were wiped when they were given back: what is not zero of a header is its
            // link and its extent, which nobody reads without the back end's lock. Behind
            // the header lie free bits, which are read under a lock alone, and marks. A mark
            // is read by whoever frees a block of his own, and there is none, or frees an
            // address that is not his, to whom it may say anything (`Descriptor::index_of`).
            at += unsafe {
                let record = area.add(at).cast::<Descriptor>();
                let extent = (*record).extent;
                debug_assert!(extent >= HEADER, "no record");
                (*record).next = ptr::null_mut();
                (*record).extent = 0;
                let behind = extent.min(end - at) - HEADER;
                record.cast::<u8>().add(HEADER).write_bytes(0, behind);
                extent
            };
        }
        self.free_descriptors = ptr::null_mut();
        self.bump = start;
    }
}

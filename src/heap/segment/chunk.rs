//! Chunks: what segments are reserved in, and released with.
//!
//! A chunk is reserved and committed in one piece. Its records lie behind its
//! segments, in the same reservation, so that no record lies near a block and
//! one call gives all of it back.

use super::{Backend, MOST_REGRET, Pages, SEGMENT, Segment, UNIT, mask};
use crate::heap::classes::SLICE;
use crate::heap::slices;
use crate::vm::{self, Use};
use core::ptr;

/// How a chunk is cut: its segments, and each one's slices and bytes of
/// records. The worst case of records is a subsegment of 16-byte blocks with
/// marks in every slice, 4,736 bytes each; there is room for holes between
/// recycled ones.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    segments: usize,
    pub(super) slices: usize,
    pub(super) records: usize,
}

/// Chunks from large to small. The last two are for when address space or
/// commit is nearly used up.
static SHAPES: [Shape; 5] = [
    Shape::whole(16),
    Shape::whole(4),
    Shape::whole(1),
    Shape {
        segments: 1,
        slices: 16,
        records: 2 * SLICE,
    },
    Shape {
        segments: 1,
        slices: 4,
        records: SLICE,
    },
];

/// Gaps of so many sizes lie above chunks whose place chance decides.
#[cfg(feature = "hardened")]
const GAPS: u64 = 256;

/// Places tried for a chunk before a smaller one is.
const TRIES: usize = 4;

impl Shape {
    const fn whole(segments: usize) -> Self {
        Shape {
            segments,
            slices: 64,
            records: 6 * SLICE,
        }
    }

    /// Bytes of one segment's slices.
    const fn segment(self) -> usize {
        self.slices * SLICE
    }

    /// Bytes of all the chunk's slices, which come before the records.
    pub(super) const fn blocks(self) -> usize {
        self.segments * self.segment()
    }

    /// Bytes of the chunk.
    const fn size(self) -> usize {
        self.blocks() + self.segments * self.records
    }

    /// The bits of slices that a segment does not have: always used.
    pub(super) fn missing(self) -> u64 {
        !mask(0, self.slices)
    }
}

impl Backend {
    /// Reserves a chunk that has a run of `slices`, the smaller the less there
    /// is, and opens its segments. `fills` is what
    /// [`Backend::fills_huge`] says.
    #[inline(never)]
    pub(super) fn grow(&mut self, slices: usize, fills: bool) -> Option<*mut Segment> {
        // About as much as is in use already, so that a small heap stays small
        // in every account and a large one makes few calls. What is to have small pages
        // though others have huge ones is little.
        let used = self.used_slices * SLICE;
        let limit = crate::sys::address_space_limit();
        let pages = self.pages_for(fills);
        let huge = self.wants_huge() || fills;
        for shape in SHAPES {
            let too_much = shape.segments > 1
                && (pages == Pages::Small
                    || shape.blocks() > used.max(SEGMENT)
                    || shape.blocks() > limit / 8);
            if !too_much && shape.slices >= slices && self.reserve_chunk(shape, huge) {
                let again = self.released.min(shape.blocks());
                self.released -= again;
                self.regret(again);
                return Some(self.open);
            }
        }
        None
    }

    fn reserve_chunk(&mut self, shape: Shape, huge: bool) -> bool {
        let (gap, gap_size) = self.gap();
        let done = self.reserve_below(shape, huge);
        if gap.is_null() {
            return done;
        }
        if done {
            // SAFETY: the segment that was opened last is of the new chunk, and its
            // leader lives as long.
            unsafe {
                let leader = (*self.open).leader;
                (*leader).gap = gap;
                (*leader).gap_size = gap_size;
            }
        } else {
            // SAFETY: just reserved, and nothing in it.
            unsafe { vm::give_back(Use::Segments, gap, gap_size, 0) };
        }
        done
    }

    /// Address space of any size that keeps a chunk from what lies above it, and has
    /// its address follow from nothing but chance; null where there is to be none.
    #[cfg(feature = "hardened")]
    fn gap(&self) -> (*mut u8, usize) {
        if !self.is_random || crate::sys::address_space_limit() != usize::MAX {
            return (ptr::null_mut(), 0);
        }
        let size = SLICE + (crate::heap::hard::random() % GAPS) as usize * SEGMENT;
        (vm::reserve(Use::Segments, size, SLICE), size)
    }

    /// In a hardened heap, makes a new chunk's slices inaccessible until they are used;
    /// the bits of those that are so in each segment.
    #[cfg(feature = "hardened")]
    fn seal(&self, base: *mut u8, shape: Shape) -> u64 {
        // SAFETY: the chunk was just committed, and is not used yet.
        if self.is_random && unsafe { crate::heap::hard::seal(base.addr(), shape.blocks()) } {
            return mask(0, shape.slices);
        }
        0
    }

    #[cfg(not(feature = "hardened"))]
    fn seal(&self, _base: *mut u8, _shape: Shape) -> u64 {
        0
    }

    #[cfg(not(feature = "hardened"))]
    fn gap(&self) -> (*mut u8, usize) {
        (ptr::null_mut(), 0)
    }

    fn reserve_below(&mut self, shape: Shape, huge: bool) -> bool {
        let align = if shape.slices == 64 { SEGMENT } else { SLICE };
        // A chunk that would share slice-table entries stays in the way while
        // another place is sought, or the system would give the same again.
        let mut in_the_way = [ptr::null_mut(); TRIES];
        let mut done = false;
        for place in &mut in_the_way {
            let base = vm::reserve(Use::Segments, shape.size(), align);
            if base.is_null() {
                break;
            }
            if slices::claim(base.addr(), shape.blocks()) {
                done = self.commit_segments(base, shape, huge);
                if !done {
                    // SAFETY: claimed just above, and nothing entered.
                    unsafe { slices::disclaim(base.addr(), shape.blocks()) };
                    *place = base;
                }
                break;
            }
            *place = base;
        }
        for base in in_the_way {
            if !base.is_null() {
                // SAFETY: the chunk is ours, whole, and unused.
                unsafe { vm::give_back(Use::Segments, base, shape.size(), 0) };
            }
        }
        done
    }

    /// Commits the chunk's segments and their records and links them. All are
    /// committed at once, so that a chunk is one mapping however it is used;
    /// pages cost memory only when they are touched.
    #[inline(never)]
    fn commit_segments(&mut self, base: *mut u8, shape: Shape, huge: bool) -> bool {
        // SAFETY: the chunk was just reserved and none of it is committed.
        if !unsafe { vm::commit(Use::Segments, base, shape.size()) } {
            return false;
        }
        let shut = self.seal(base, shape);
        let records = base.wrapping_add(shape.blocks());
        let leader = records.cast::<Segment>();
        for index in (0..shape.segments).rev() {
            let segment = records
                .wrapping_add(index * shape.records)
                .cast::<Segment>();
            let first_slice = base.wrapping_add(index * shape.segment());
            // SAFETY: the records area is committed, zero, aligned to 64 KiB
            // and known to this thread alone.
            unsafe {
                segment.write(Segment {
                    base: first_slice,
                    used: shape.missing(),
                    dirty: 0,
                    absent: 0,
                    touched: [0; 64],
                    purged: [0; 64],
                    zero: 0,
                    shut,
                    edges: 0,
                    fenced: 0,
                    starts: 0,
                    fenced_for: [0; 64],
                    next: self.all,
                    next_open: ptr::null_mut(),
                    previous_open: ptr::null_mut(),
                    is_open: false,
                    bump: size_of::<Segment>(),
                    free_descriptors: ptr::null_mut(),
                    shape,
                    leader,
                    chunk_used: 0,
                    is_huge: false,
                    gap: ptr::null_mut(),
                    gap_size: 0,
                });
            }
            self.all = segment;
            self.open(segment);
        }
        if huge {
            // SAFETY: the segments are committed and ours.
            unsafe {
                vm::advise_huge(base, shape.blocks(), true);
                (*leader).is_huge = true;
            }
            self.huge_chunks += 1;
            let used = self.used_slices * SLICE;
            self.huge_from = self.huge_from.max(used.min(self.huge_above));
        }
        self.anchor();
        true
    }

    fn anchor(&self) {
        if !self.is_hidden {
            vm::root::set_anchor(vm::root::Anchor::Segments, self.all.addr());
        }
    }

    /// Releases the chunk of `leader` when another chunk has unused slices; false
    /// when there is none.
    ///
    /// # Safety
    /// `leader` leads a chunk of this back end, none of whose slices is used.
    #[inline(never)]
    pub(super) unsafe fn release_chunk(&mut self, leader: *mut Segment) -> bool {
        // SAFETY: the caller's leader is live.
        let (base, shape, is_huge, gap, gap_size) = unsafe {
            let leader = &*leader;
            (
                leader.base,
                leader.shape,
                leader.is_huge,
                leader.gap,
                leader.gap_size,
            )
        };
        let in_chunk = |segment: *mut Segment| {
            // SAFETY: only segments of this back end are asked about.
            !segment.is_null() && unsafe { (*segment).leader } == leader
        };
        let mut other = self.open;
        while in_chunk(other) {
            // SAFETY: the open list links live segments.
            other = unsafe { (*other).next_open };
        }
        if other.is_null() {
            return false;
        }
        let mut link: *mut *mut Segment = &raw mut self.all;
        let mut dirty = 0;
        let mut absent = 0;
        loop {
            // SAFETY: `link` is the list's head or the `next` field of a
            // segment that stays.
            let segment = unsafe { *link };
            if segment.is_null() {
                break;
            }
            if in_chunk(segment) {
                if self.cursor == segment {
                    self.cursor = ptr::null_mut();
                }
                self.close(segment);
                // SAFETY: the segment is live until the release below.
                unsafe {
                    dirty += (*segment).units((*segment).dirty);
                    absent += (*segment).absent.count_ones() as usize;
                    (*segment).forget_guards(u64::MAX);
                    *link = (*segment).next;
                }
            } else {
                // SAFETY: the segment is live and stays.
                link = unsafe { &raw mut (*segment).next };
            }
        }
        self.dirty_units -= dirty;
        self.released = (self.released + dirty * UNIT).min(MOST_REGRET);
        self.huge_chunks -= usize::from(is_huge);
        if self.huge_chunks == 0 {
            // What was much of one size has gone with them.
            self.huge_from = 0;
            self.most_alike = 0;
        }
        self.anchor();
        let size = shape.size();
        // SAFETY: nothing in the chunk is used and no list leads to it. When
        // the system refuses, the address space stays behind, empty.
        unsafe {
            slices::disclaim(base.addr(), shape.blocks());
            vm::give_back(Use::Segments, base, size, size - absent * SLICE);
            if !gap.is_null() {
                vm::give_back(Use::Segments, gap, gap_size, 0);
            }
        }
        true
    }
}

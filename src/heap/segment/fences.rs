//! Fenced runs of slices (heap/fence.rs): how they are made, kept and ended.
//!
//! ```text
//!   slice     0   1   2   3   4   5   6   7
//!   used      1   0   0   1   1   1   0   0
//!   fenced    0   1   1   1   1   1   1   0
//!   starts    0   1   0   1   0   0   0   0
//!                 |       +- a run in use, fenced for a class
//!                 +- an unused one, to be found by that class again
//! ```
//!
//! A run keeps its fences when it is used no more: the next subsegment of its class
//! costs no call of the system's. Whoever else takes one of its slices ends the fences in
//! what he takes, and the run is none any more: its other slices stay fenced, without
//! a start, until they are taken too.
//!
//! Invariant: a slice whose `starts` bit is set begins a run of as many slices as its class
//! takes, all fenced for it, all in use or all not.

use super::{Alike, Backend, Run, SLICE, Segment, UNIT, WALK, find_ones, mask};
use crate::heap::classes;
use crate::heap::descriptor::Descriptor;
use crate::heap::fence::{self, Fence, MOST_LAID_ON_DIRTY};
use crate::vm;
use core::sync::atomic::{AtomicU32, Ordering};

/// Runs of slices that hold memory that were fenced.
static LAID_ON_DIRTY: AtomicU32 = AtomicU32::new(0);

impl Backend {
    /// [`Backend::take`] of a run for `class`, with fences if it is to have some.
    #[inline(never)]
    pub(in crate::heap) fn take_for(&mut self, class: usize, record: usize) -> Option<Run> {
        let run = self.take_fenced(class, record);
        run.or_else(|| self.take(classes::slices_of(class), record, Alike::No, false))
    }

    /// A fenced run for `class`; `None` where one without fences is to do.
    fn take_fenced(&mut self, class: usize, record: usize) -> Option<Run> {
        if !fence::can_be() || self.is_large() {
            return None;
        }
        self.take_kept(class, record)
            .or_else(|| self.take_new(class, record))
    }

    /// A run that is fenced for the class already.
    fn take_kept(&mut self, class: usize, record: usize) -> Option<Run> {
        let mut segment = self.open;
        let mut left = WALK;
        while left != 0 && !segment.is_null() {
            // SAFETY: the open list links live segments of this back end, and
            // the back end's lock makes them ours.
            let state = unsafe { &mut *segment };
            let mut starts = state.starts & !state.used;
            while starts != 0 {
                let first = starts.trailing_zeros();
                starts &= starts - 1;
                if state.fenced_for(first) == Some(class) {
                    let descriptor = state.take_record(record);
                    let run = self.occupy_fenced(segment, first, class, descriptor, record);
                    if run.is_some() {
                        return run;
                    }
                }
            }
            segment = state.next_open;
            left -= 1;
        }
        None
    }

    /// A run that is fenced now. Memory that is there already is rather used without
    /// fences, but for a few times.
    fn take_new(&mut self, class: usize, record: usize) -> Option<Run> {
        let slices = fence::slices_of(class);
        let may_be_dirty = class == 0
            || (fence::of(class) != Fence::Around
                && LAID_ON_DIRTY.load(Ordering::Relaxed) < MOST_LAID_ON_DIRTY);
        // Memory that is there without room for fences is rather used than more made.
        if !may_be_dirty && self.can_reuse(classes::slices_of(class)) {
            return None;
        }
        // What is short is not to go to fences. A call of the system's tells, so it comes last.
        if class != 0 && (vm::is_limited() || crate::sys::address_space_limit() != usize::MAX) {
            return None;
        }
        let mut segment = self.open;
        let mut is_first = may_be_dirty;
        let mut has_grown = false;
        loop {
            if segment.is_null() {
                // Dirty ones first, then whatever is whole and was never used.
                segment = if is_first {
                    is_first = false;
                    self.open
                } else if has_grown {
                    return None;
                } else {
                    has_grown = true;
                    self.grow(slices, false)?
                };
                if segment.is_null() {
                    continue;
                }
            }
            // SAFETY: as above.
            let state = unsafe { &mut *segment };
            let next = state.next_open;
            // SAFETY: a segment's leader lives as long as the segment.
            let is_huge = unsafe { (*state.leader).is_huge };
            let unused = !state.used & !state.absent & !state.fenced;
            let wanted = if is_first {
                unused & state.dirty
            } else {
                unused & !state.dirty
            };
            if !is_huge && let Some(first) = find_ones(wanted, slices) {
                let descriptor = state.take_record(record);
                if !descriptor.is_null() {
                    // SAFETY: the slices are unused, committed and ours.
                    if !unsafe { state.lay_fences(first, class) } {
                        // SAFETY: it was taken just now.
                        unsafe { state.give_record_back(descriptor) };
                        return None;
                    }
                    if is_first {
                        LAID_ON_DIRTY.fetch_add(1, Ordering::Relaxed);
                    }
                    return self.occupy_fenced(segment, first, class, descriptor, record);
                }
            }
            segment = next;
        }
    }

    fn occupy_fenced(
        &mut self,
        segment: *mut Segment,
        first: u32,
        class: usize,
        descriptor: *mut Descriptor,
        record: usize,
    ) -> Option<Run> {
        let slices = fence::slices_of(class);
        let mut run = self.occupy::<false>(segment, first, slices, descriptor, record)?;
        run.is_fenced = true;
        run.base = run.base.wrapping_add(fence::lead_of(class) * SLICE);
        Some(run)
    }
}

impl Backend {
    /// Takes a run of `segment` that is dirty, or is just not used, and ends the fences in
    /// it. `None` where there is no such run, or no segment.
    #[inline(never)]
    pub(super) fn take_among_fences(
        &mut self,
        segment: *mut Segment,
        slices: usize,
        record: usize,
        is_dirty: bool,
    ) -> Option<Run> {
        // SAFETY: the caller's segment is on the open list, so it is live, and the lock
        // makes it ours.
        let state = unsafe { segment.as_mut() }?;
        let first = if is_dirty {
            state.find_dirty_or_fenced(slices)
        } else {
            find_ones(!state.used, slices)
        }?;
        if !state.make_present(mask(first, slices)) || !state.lift_fences(first, slices) {
            return None;
        }
        self.occupy::<false>(segment, first, slices, state.take_record(record), record)
    }
}

impl Segment {
    /// Slices that fences lie in.
    #[inline(always)]
    pub(super) fn fenced(&self) -> u64 {
        self.fenced
    }

    /// Whether fences lie in some slice.
    #[inline(always)]
    pub(super) fn has_fences(&self) -> bool {
        self.fenced != 0
    }

    /// A run of unused slices that hold memory. Fences between some are of no account where
    /// more than one is wanted: they would part what is there, for good.
    pub(super) fn find_dirty_or_fenced(&self, slices: usize) -> Option<u32> {
        let dirty = !self.used & self.dirty;
        find_ones(dirty, slices).or_else(|| {
            let fenced = !self.used & self.fenced;
            if slices == 1 || dirty == 0 {
                return None;
            }
            find_ones(dirty | fenced, slices)
        })
    }

    /// The class that a run which starts at `first` is fenced for.
    fn fenced_for(&self, first: u32) -> Option<usize> {
        if self.starts & (1 << first) == 0 {
            return None;
        }
        self.fenced_for
            .get(first as usize)
            .map(|&class| class.into())
    }

    /// Fences a run for `class` from `first` on. False, and nothing changed, when the
    /// system has no marks for it.
    ///
    /// # Safety
    /// The slices are unused, committed and the caller's.
    unsafe fn lay_fences(&mut self, first: u32, class: usize) -> bool {
        let base = self.base.addr() + first as usize * SLICE;
        // SAFETY: the caller's promise.
        if !unsafe { fence::lay(base, class) } {
            return false;
        }
        if let Some(of) = self.fenced_for.get_mut(first as usize) {
            *of = class as u8;
        }
        self.fenced |= mask(first, fence::slices_of(class));
        self.starts |= 1 << first;
        true
    }

    /// Ends what fences there are in a run. False, and nothing changed, when the system
    /// refuses.
    #[inline(never)]
    pub(super) fn lift_fences(&mut self, first: u32, slices: usize) -> bool {
        let base = self.base.addr() + first as usize * SLICE;
        // SAFETY: the slices are unused, committed and ours.
        if !unsafe { fence::lift(base, slices) } {
            return false;
        }
        self.forget_fences(first, slices);
        true
    }

    /// A run has no fences any more.
    pub(super) fn forget_fences(&mut self, first: u32, slices: usize) {
        let before = self.starts & !(u64::MAX << first);
        if let Some(last) = before.checked_ilog2()
            && let Some(class) = self.fenced_for(last)
            && last as usize + fence::slices_of(class) > first as usize
        {
            self.starts &= !(1 << last);
        }
        self.starts &= !mask(first, slices);
        self.fenced &= !mask(first, slices);
    }

    /// [`Segment::touch`] of a run with fences, which hold no memory, by units from its
    /// first block on.
    #[cold]
    #[inline(never)]
    pub(super) fn touch_fenced(&mut self, first: u32, run: u64, mut left: usize) -> usize {
        let class = self.fenced_for(first).unwrap_or(0);
        let share = match fence::of(class) {
            Fence::Between(step) => step,
            _ => 1,
        };
        let start = first as usize + fence::lead_of(class);
        let touched = self.touched.iter_mut().enumerate().skip(start);
        for (slice, touched) in touched.take(classes::slices_of(class)) {
            let here = left.min(SLICE / UNIT);
            left -= here;
            *touched = (*touched).max(here.div_ceil(share) as u8);
            if *touched != 0 {
                self.dirty |= 1 << slice;
            }
        }
        self.units(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A back end with one segment's worth of slices, of the machine's own.
    fn back_end() -> Backend {
        let mut back_end = Backend::new();
        back_end.begin(0, usize::MAX);
        back_end
    }

    fn give_back(back_end: &mut Backend, run: &Run, class: usize, slices: usize, touched: usize) {
        let record = Descriptor::size_for(class, crate::heap::Kind::Checked);
        // SAFETY: the run was taken with these sizes, and nobody uses it.
        unsafe {
            back_end.put_back(
                run.segment,
                run.first_slice,
                slices,
                touched,
                run.descriptor,
                record,
            );
        }
    }

    #[test]
    fn a_fenced_run_is_found_again_and_ended_by_others() {
        // The slice table is the process heap's.
        assert!(crate::heap::PROCESS.is_ready(&crate::config::Config::new()));
        let mut back_end = back_end();
        let class = classes::class_of(256 * 1024);
        let record = Descriptor::size_for(class, crate::heap::Kind::Checked);
        let slices = fence::slices_of(class);
        let Some(run) = back_end.take_fenced(class, record) else {
            // A kernel without such marks.
            return;
        };
        // SAFETY: one of the back end's segments.
        let state = |run: &Run| unsafe { &mut *run.segment };
        let run_mask = mask(run.first_slice, slices);
        assert_eq!(state(&run).fenced, run_mask);
        assert_eq!(state(&run).starts, 1 << run.first_slice);
        assert_eq!(
            run.base.addr(),
            state(&run).base.addr() + (run.first_slice as usize + 1) * SLICE
        );
        // SAFETY: the block is ours.
        unsafe { run.base.write_bytes(1, classes::size_of(class)) };
        give_back(&mut back_end, &run, class, slices, classes::size_of(class));
        // The fences hold no memory, and stay.
        assert_eq!(back_end.dirty_bytes(), classes::size_of(class));
        let again = back_end.take_fenced(class, record).expect("the same");
        assert_eq!((again.base, again.clean), (run.base, false));
        give_back(
            &mut back_end,
            &again,
            class,
            slices,
            classes::size_of(class),
        );
        // Another class takes what lies there, two slices of it, and can use all of them.
        let taken = back_end
            .take(2, record, Alike::No, false)
            .expect("dirty slices");
        assert_eq!(taken.first_slice, run.first_slice + 1);
        // SAFETY: the two slices are ours.
        unsafe { taken.base.write_bytes(2, 2 * SLICE) };
        let now = state(&taken);
        assert_eq!(now.starts, 0);
        assert_eq!(now.fenced, run_mask & !mask(taken.first_slice, 2));
        // What is left of the run is no run.
        let other = back_end.take_fenced(class, record).expect("a new run");
        assert_ne!(other.base, run.base);
        let rest = back_end.take(3, record, Alike::No, false).expect("slices");
        // SAFETY: as above.
        unsafe { rest.base.write_bytes(3, 3 * SLICE) };
        assert_eq!(state(&rest).fenced & mask(rest.first_slice, 3), 0);
    }
}

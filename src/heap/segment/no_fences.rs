//! What the back end asks of `fences`, where the crate is built without guards: no slice has
//! fences.

use super::{Alike, Backend, Run, Segment, find_ones};
use crate::heap::classes;

impl Backend {
    /// A run for `class`.
    pub(in crate::heap) fn take_for(&mut self, class: usize, record: usize) -> Option<Run> {
        self.take(classes::slices_of(class), record, Alike::No, false)
    }

    pub(super) fn take_among_fences(
        &mut self,
        _segment: *mut Segment,
        _slices: usize,
        _record: usize,
        _is_dirty: bool,
    ) -> Option<Run> {
        None
    }
}

impl Segment {
    #[inline(always)]
    pub(super) fn fenced(&self) -> u64 {
        0
    }

    #[inline(always)]
    pub(super) fn has_fences(&self) -> bool {
        false
    }

    /// A run of unused slices that hold memory.
    pub(super) fn find_dirty_or_fenced(&self, slices: usize) -> Option<u32> {
        find_ones(!self.used & self.dirty, slices)
    }

    pub(super) fn forget_fences(&mut self, _first: u32, _slices: usize) {}

    pub(super) fn touch_fenced(&mut self, _first: u32, run: u64, _left: usize) -> usize {
        self.units(run)
    }
}

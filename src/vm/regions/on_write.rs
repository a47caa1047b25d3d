//! Pages of views that are copied when they are written to.
//!
//! A view that was made to be copied, or only to be read, is the system's private
//! mapping, which copies by itself. One that is written to is a shared mapping: where a
//! program asks for copies in it, a private mapping of the same pages takes its place,
//! page by page, and a shared one again when it asks for them no more. Pages of which
//! there are copies keep them.
//!
//! ```text
//!   view, written to   | shared | private, copied | private | shared |
//!                                 PAGE_WRITECOPY  ----------
//! ```

use super::{Area, AreaId, Kind, Protect, Refusal, Regions, Use, ballast, pointer};
use crate::sys::{self, files};
use crate::vm;

/// What a change of protection comes to in the account, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Shift {
    charged: usize,
    credited: usize,
}

impl Regions {
    /// Shows `visit` those pages in a row of a range that are to be copied and are not,
    /// or the other way round, and of which there are no copies: their address, their
    /// bytes, and the protection that they have. Until it returns false; false then, and
    /// where the system does not tell of copies.
    fn for_each_other(
        &self,
        start: usize,
        end: usize,
        copies: bool,
        visit: &mut dyn FnMut(usize, usize, Protect) -> bool,
    ) -> bool {
        for run in self.runs_in(start, end) {
            let Some(protect) = run.committed.filter(|had| had.is_copy() != copies) else {
                continue;
            };
            let mut at = run.start;
            while at < run.end {
                let Some((size, is_copied)) = sys::copied_pages(at, run.end - at) else {
                    return false;
                };
                if !is_copied && !visit(at, size, protect) {
                    return false;
                }
                at += size;
            }
        }
        true
    }

    /// Before pages of a view get the right `protect`: has them be copied when they are
    /// written to, or no longer, and charges what copies may come to. What to do
    /// afterwards; `None` when nothing changes.
    pub(super) fn share_as(
        &self,
        area: &Area,
        start: usize,
        end: usize,
        protect: Protect,
    ) -> Result<Option<Shift>, Refusal> {
        let copies = protect.is_copy();
        let Kind::View(view) = area.kind else {
            return Ok(None);
        };
        if area.initial.is_copy() {
            return Ok(None);
        }
        let most = self
            .runs_in(start, end)
            .filter(|run| run.committed.is_some_and(|had| had.is_copy() != copies))
            .map(|run| run.end - run.start)
            .sum();
        if most == 0 {
            return Ok(None);
        }
        if !ballast::take() {
            return Err(Refusal::NoMemory);
        }
        let charged = if copies { most } else { 0 };
        if !vm::charge(Use::Program, charged) {
            return Err(Refusal::CommitLimit);
        }
        let shift = Shift {
            charged,
            credited: 0,
        };
        let mut bytes = 0;
        let mapped = self.for_each_other(start, end, copies, &mut |at, size, had| {
            bytes += size;
            !area.initial.writes_through()
                || map_again(area, view.file, at, size, protect.after(Some(had)), copies)
        });
        if !mapped {
            self.share_again(area, start, end, protect, shift);
            return Err(Refusal::NoMemory);
        }
        // Copies that there are have been charged, and stay so.
        Ok(Some(Shift {
            credited: if copies { most - bytes } else { bytes },
            ..shift
        }))
    }

    /// Undoes [`share_as`](Regions::share_as) where the records still say what was.
    pub(super) fn share_again(
        &self,
        area: &Area,
        start: usize,
        end: usize,
        protect: Protect,
        shift: Shift,
    ) {
        if let Kind::View(view) = area.kind
            && area.initial.writes_through()
        {
            let copies = protect.is_copy();
            self.for_each_other(start, end, copies, &mut |at, size, had| {
                ballast::put_back(|| map_again(area, view.file, at, size, Some(had), !copies));
                true
            });
            ballast::take();
        }
        vm::credit(Use::Program, shift.charged);
    }

    /// Notes in the account and in the view what came of a change.
    pub(super) fn settle_copies(&mut self, id: AreaId, shift: Shift) {
        vm::credit(Use::Program, shift.credited);
        if let Some(area) = self.areas.get_mut(id)
            && let Kind::View(view) = &mut area.kind
        {
            view.charged = (view.charged + shift.charged).saturating_sub(shift.credited);
        }
    }
}

/// Maps pages of a view anew. They are locked in memory if they were.
fn map_again(
    area: &Area,
    file: files::Descriptor,
    at: usize,
    size: usize,
    protect: Option<Protect>,
    copies: bool,
) -> bool {
    let (Kind::View(view), Some(protect)) = (area.kind, protect) else {
        return false;
    };
    let offset = view.offset + (at - area.start) as u64;
    // SAFETY: the pages are a view's of the program's, which asks for this; they show
    // afterwards what they showed before.
    let mapped =
        unsafe { files::map(pointer(at), size, file, offset, protect.system(), copies).is_ok() };
    if mapped && protect.is_locked() {
        // SAFETY: as above. Refused, they may leave memory.
        unsafe { sys::lock_pages(pointer(at), size) };
    }
    mapped
}

//! Views of sections: address space whose pages are a file's, or memory that is
//! shared. Who makes a section maps it, here is only where.

use super::reserve::Taken;
use super::{
    Area, Kind, Protect, Refusal, Regions, Request, Use, View, Whereabouts, hold, pointer,
};
use crate::sys;
use crate::vm::notes::Notes;
use crate::vm::{self, fault};

/// Takes address space for a view and has `map` map it there: `size` bytes from
/// the address it is given on, in place of what was reserved, with the rights of
/// `initial`. It returns false when it could not and what was there is as it
/// was. Pages of a sparse section that are not committed lose their rights
/// afterwards. The view's address; with `large`, its place, alignment and size are given
/// in large pages.
pub(crate) fn insert_view(
    at: &Whereabouts,
    size: usize,
    view: View,
    initial: Protect,
    large: bool,
    map: impl FnOnce(*mut u8) -> bool,
) -> Result<usize, Refusal> {
    if view.commits != 0 && !fault::catch() {
        return Err(Refusal::Unsupported);
    }
    let mut regions = hold();
    let taken = regions.take(at, size)?;
    let (start, end) = (taken.start, taken.end);
    if !map(pointer(start)) {
        regions.give_back(&taken);
        return Err(Refusal::NoMemory);
    }
    let request = Request {
        kind: Kind::View(view),
        commits: view.commits == 0,
        large,
        ..Request::private(initial)
    };
    if view.commits != 0 {
        // SAFETY: the view was mapped just above and nobody else knows it.
        if !unsafe { sys::protect(pointer(start), end - start, sys::Protection::None) } {
            regions.unmap(&taken);
            return Err(Refusal::NoMemory);
        }
    }
    let id = regions.settle(&taken, &request, Notes::NONE);
    if view.commits != 0 {
        regions.link_view(id);
        regions.refresh(id);
    }
    Ok(start)
}

/// Ends the view that `address` is in; a placeholder is left in its place if
/// `keeps` says so. What it was.
///
/// # Safety
/// Nobody uses the view any more.
pub(crate) unsafe fn drop_view(address: usize, keeps: bool) -> Result<(View, Area), Refusal> {
    let mut regions = hold();
    let (id, area) = regions.area_at(address).ok_or(Refusal::NotAllocated)?;
    let Kind::View(view) = area.kind else {
        return Err(Refusal::NotAllocated);
    };
    if keeps && !area.was_placeholder {
        return Err(Refusal::Conflict);
    }
    let (base, size) = (pointer(area.start), area.end - area.start);
    let unlinks = view.commits != 0;
    if keeps {
        if !regions.runs.room(2) || !regions.areas.room(2) {
            return Err(Refusal::NoMemory);
        }
        // SAFETY: the view is the program's, whole, which is done with it.
        if !unsafe { vm::decommit_part(Use::Program, base, size, 0) } {
            return Err(Refusal::NoMemory);
        }
        if unlinks {
            regions.unlink_view(id);
        }
        regions.become_placeholder(id, &area, area.start, area.end);
    } else {
        // SAFETY: as above; none of a view's pages is charged to it.
        if !unsafe { vm::release(Use::Program, base, size, 0) } {
            return Err(Refusal::NoMemory);
        }
        if unlinks {
            regions.unlink_view(id);
        }
        regions.forget(id, &area);
    }
    Ok((view, area))
}

/// Ends the view that begins at an address, as [`abandon`](super::abandon) does. What it
/// was.
///
/// # Safety
/// Nobody uses the view any more.
pub(crate) unsafe fn abandon_view(start: usize) -> Option<(View, Area)> {
    let mut regions = hold();
    let (id, area) = regions.area_at(start)?;
    let Kind::View(view) = area.kind else {
        return None;
    };
    // SAFETY: the caller's promise; none of a view's pages is charged to it.
    unsafe { regions.give_up(&area, 0) };
    if view.commits != 0 {
        regions.unlink_view(id);
    }
    regions.forget(id, &area);
    Some((view, area))
}

/// The view that `address` is in.
pub(crate) fn view_at(address: usize) -> Option<(View, Area)> {
    let regions = hold();
    let (_, area) = regions.area_at(address)?;
    match area.kind {
        Kind::View(view) => Some((view, area)),
        _ => None,
    }
}

impl Regions {
    /// Undoes a mapping that could not be made a view.
    fn unmap(&mut self, taken: &Taken) {
        let size = taken.end - taken.start;
        if taken.placeholder.is_some() {
            // SAFETY: the range was a placeholder and nobody knows of the
            // mapping in it.
            unsafe { vm::decommit_part(Use::Program, pointer(taken.start), size, 0) };
        }
        self.give_back(taken);
    }
}

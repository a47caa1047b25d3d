//! Ending areas, whole or in part.

use super::{
    Area, AreaId, Kind, Protect, Refusal, Regions, Run, Touch, Use, end_of, hold, pointer,
    round_down_to_page,
};
use crate::sys;
use crate::vm;
use crate::vm::notes::Notes;

/// Ends the area that begins at the page of `address`. Its first byte, and its
/// bytes.
///
/// # Safety
/// Nobody uses it any more.
pub(crate) unsafe fn release(address: usize) -> Result<(usize, usize), Refusal> {
    let start = round_down_to_page(address);
    let mut regions = hold();
    let (id, area) = regions.area_at(start).ok_or(Refusal::NotAllocated)?;
    if let Kind::View(_) = area.kind {
        return Err(Refusal::IsView);
    }
    if area.start != start {
        return Err(Refusal::NotAtBase);
    }
    let size = area.end - start;
    let committed = regions.charged(&area, start, area.end);
    // SAFETY: the whole area is the program's, which is done with it.
    if !unsafe { vm::release(Use::Program, pointer(start), size, committed) } {
        return Err(Refusal::NoMemory);
    }
    regions.physical.close_window(start);
    regions.forget(id, &area);
    Ok((start, size))
}

/// Ends the area that begins at an address. Where the system refuses, it is no area any
/// more all the same: its memory goes, and its addresses are given back when another region
/// is (`left`).
///
/// # Safety
/// It is no view, and nobody uses it any more.
pub(crate) unsafe fn abandon(start: usize) {
    let mut regions = hold();
    let Some((id, area)) = regions.area_at(start) else {
        return;
    };
    let committed = regions.charged(&area, start, area.end);
    // SAFETY: the caller's promise.
    unsafe { regions.give_up(&area, committed) };
    regions.physical.close_window(start);
    regions.forget(id, &area);
}

/// Ends the pages of one area that `[address, address + size)` touches: all of
/// it, its head, its tail, or what is between two areas then. The address of the
/// first page, and their bytes.
///
/// # Safety
/// Nobody uses them any more.
pub(crate) unsafe fn release_part(address: usize, size: usize) -> Result<(usize, usize), Refusal> {
    let start = round_down_to_page(address);
    let end = end_of(address, size)?;
    let mut regions = hold();
    let (id, area) = regions.area_at(start).ok_or(Refusal::NotAllocated)?;
    match area.kind {
        Kind::View(_) => return Err(Refusal::IsView),
        Kind::Physical if (area.start, area.end) != (start, end) => return Err(Refusal::Invalid),
        _ => {}
    }
    if end > area.end {
        return Err(Refusal::PastTheEnd);
    }
    if (area.start, area.end) != (start, end) {
        if area.is_large {
            return Err(Refusal::Invalid);
        }
        if !area.written.is_none() {
            return Err(Refusal::Unsupported);
        }
    }
    if !regions.runs.room(2) || !regions.areas.room(1) {
        return Err(Refusal::NoMemory);
    }
    let committed = regions.charged(&area, start, end);
    // SAFETY: the pages are the program's, which is done with them.
    if !unsafe { vm::release(Use::Program, pointer(start), end - start, committed) } {
        return Err(Refusal::NoMemory);
    }
    regions.physical.close_window(start);
    regions.cut_out(id, &area, start, end);
    Ok((start, end - start))
}

impl Regions {
    /// Gives back what an area lies in, now or later; `committed` of its bytes are charged.
    ///
    /// # Safety
    /// Nobody uses it any more, and the caller takes it out of the records.
    pub(super) unsafe fn give_up(&self, area: &Area, committed: usize) {
        let (base, size) = (pointer(area.start), area.end - area.start);
        let is_locked = |run: Run| run.committed.is_some_and(Protect::is_locked);
        if self.runs_in(area.start, area.end).any(is_locked) {
            // What is locked could not be taken from pages that stay.
            // SAFETY: unlocking changes nothing that they hold.
            unsafe { sys::unlock_pages(base, size) };
        }
        // SAFETY: the caller's promise.
        unsafe { vm::give_back(Use::Program, base, size, committed) };
    }

    /// Bytes of a range that are charged to the account.
    fn charged(&self, area: &Area, start: usize, end: usize) -> usize {
        match area.kind {
            Kind::Private => self.committed(start, end),
            _ => 0,
        }
    }

    /// Takes `[start, end)` out of an area; what is left of it are areas of
    /// their own. There is room for two runs and an area.
    /// What is noted about its pages ends.
    pub(super) fn cut_out(&mut self, id: AreaId, area: &Area, start: usize, end: usize) {
        area.free_notes();
        let area = &Area {
            written: Notes::NONE,
            offered: Notes::NONE,
            ..*area
        };
        if let Some(own) = self.areas.get_mut(id) {
            *own = *area;
        }
        if end < area.end {
            let tail = Area {
                start: end,
                ..*area
            };
            // The run that reaches over the cut is cut by the change.
            let tail_id = if start > area.start {
                self.areas.add(tail)
            } else {
                if let Some(own) = self.areas.get_mut(id) {
                    own.start = end;
                }
                id
            };
            self.runs.change(end, area.end, |run| run.area = tail_id);
        }
        if start > area.start {
            if let Some(own) = self.areas.get_mut(id) {
                own.end = start;
            }
        } else if end == area.end {
            self.areas.remove(id);
        }
        self.runs.cut(start, end);
    }

    /// Makes an area, or the whole pages that it has in `[start, end)`, a
    /// placeholder, with nothing of it committed. There is room for two runs and
    /// two areas.
    pub(super) fn become_placeholder(&mut self, id: AreaId, area: &Area, start: usize, end: usize) {
        self.cut_out(id, area, start, end);
        let placeholder = Area {
            start,
            end,
            kind: Kind::Placeholder,
            initial: Protect::NONE,
            was_placeholder: false,
            is_large: false,
            touch: Touch::Fault,
            written: Notes::NONE,
            offered: Notes::NONE,
        };
        self.enter(placeholder, None);
    }
}

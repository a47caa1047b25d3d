//! Committing, decommitting and protecting pages of an area.

use super::runs::{Place, Run};
use super::{
    Area, Kind, Protect, Refusal, Regions, Use, ballast, end_of, hold, pointer, round_down_to_page,
};
use crate::sys;
use crate::vm::{self, fault};

/// Commits the pages that `[address, address + size)` touches, all of one
/// area, or changes the protection of those that are committed already. What
/// they hold stays. The address of the first page, and their bytes.
pub(crate) fn commit(
    address: usize,
    size: usize,
    protect: Protect,
) -> Result<(usize, usize), Refusal> {
    let start = round_down_to_page(address);
    let end = end_of(address, size)?;
    if protect.is_guard() && !fault::catch() {
        return Err(Refusal::Unsupported);
    }
    let mut regions = hold();
    let found = regions.runs.find(start).ok_or(Refusal::Conflict)?;
    let id = found.1.area;
    let area = regions.areas.get(id).ok_or(Refusal::Conflict)?;
    if end > area.end {
        return Err(Refusal::Conflict);
    }
    match area.kind {
        Kind::Private if protect.is_copy() => return Err(Refusal::Protection),
        Kind::Private if area.is_large => return Err(Refusal::Invalid),
        Kind::Private => {
            let protect = protect.cached_as(area.initial);
            regions.commit_private(found, start, end, protect)?;
        }
        Kind::View(view) if view.commits != 0 => {
            if !area.initial.allows(protect) {
                return Err(Refusal::Protection);
            }
            let area = *area;
            regions.refresh(id);
            let protect = protect.cached_as(area.initial);
            regions.commit_shared(&area, start, end, protect)?;
        }
        Kind::View(_) => return Err(Refusal::IsCommitted),
        Kind::Placeholder | Kind::Physical => return Err(Refusal::Conflict),
    }
    Ok((start, end - start))
}

impl Regions {
    /// Gives a range other rights, by `give`. False, and no page has others, when
    /// the system refuses.
    ///
    /// What it refuses is to split a mapping, and over several mappings it finds
    /// that out when it has changed some. Only those that reach over the range's
    /// ends are split: so they come first, the one at the start before all. Even so
    /// some may have to be put back, and that may take a mapping more than there
    /// were: the ballast is for that.
    pub(super) fn give_rights(
        &self,
        start: usize,
        end: usize,
        give: impl Fn(*mut u8, usize) -> bool,
    ) -> bool {
        if !ballast::take() {
            return false;
        }
        // What the system sees as alike: rights, and whether pages are locked.
        let kind = |run: &Run| match run.committed {
            Some(protect) => (protect.system(), protect.is_locked()),
            None => (sys::Protection::None, false),
        };
        // The first group of runs that are alike ends here, the last begins there.
        let (mut head_end, mut tail_start) = (end, start);
        let mut before = None;
        for run in self.runs_in(start, end) {
            if let Some(before) = before
                && before != kind(&run)
            {
                if tail_start == start {
                    head_end = run.start;
                }
                tail_start = run.start;
            }
            before = Some(kind(&run));
        }
        let given = if tail_start == start {
            give(pointer(start), end - start)
        } else {
            give(pointer(start), head_end - start)
                && give(pointer(tail_start), end - tail_start)
                && (head_end == tail_start || give(pointer(head_end), tail_start - head_end))
        };
        if !given {
            self.restore(start, end);
        }
        given
    }

    /// [`give_rights`](Regions::give_rights) for pages that are alike.
    fn give_alike(&self, start: usize, end: usize, give: impl Fn(*mut u8, usize) -> bool) -> bool {
        if !ballast::take() {
            return false;
        }
        let given = give(pointer(start), end - start);
        if !given {
            self.restore(start, end);
        }
        given
    }

    /// Commits the pages of a range of a private area, or changes their
    /// protection. `found` is what holds the first one.
    pub(super) fn commit_private(
        &mut self,
        found: (Place, Run),
        start: usize,
        end: usize,
        protect: Protect,
    ) -> Result<(), Refusal> {
        let is_one = end <= found.1.end;
        let fresh = match found.1.committed {
            Some(_) if is_one => 0,
            None if is_one => end - start,
            _ => end - start - self.committed(start, end),
        };
        if !self.runs.room(2) {
            return Err(Refusal::NoMemory);
        }
        if !vm::charge(Use::Program, fresh) {
            return Err(Refusal::CommitLimit);
        }
        // SAFETY: the range lies in one area of the program's, which asks for
        // this; reserved pages take rights as committed ones do.
        let give = |base, size| unsafe { sys::commit_as(base, size, protect.system()) };
        let given = if is_one {
            self.give_alike(start, end, give)
        } else {
            self.give_rights(start, end, give)
        };
        if !given {
            vm::credit(Use::Program, fresh);
            vm::note_refused();
            return Err(Refusal::NoMemory);
        }
        self.runs.change_from(found, start, end, |run| {
            run.committed = protect.after(run.committed)
        });
        Ok(())
    }
}

impl Regions {
    /// Decommits pages of a watched area in place: the system forgets to watch
    /// what is mapped anew. There is room for two more runs.
    fn decommit_watched(
        &mut self,
        area: &Area,
        start: usize,
        end: usize,
        committed: usize,
    ) -> Result<(), Refusal> {
        self.note_written(area, start, end);
        self.unlock_pages(start, end);
        // SAFETY: the pages are the program's, which is done with them.
        let bar = |base, size| unsafe { sys::protect(base, size, sys::Protection::None) };
        if !self.give_rights(start, end, bar) {
            return Err(Refusal::NoMemory);
        }
        // SAFETY: as above.
        if !unsafe { vm::purge(pointer(start), end - start) } {
            self.restore(start, end);
            return Err(Refusal::NoMemory);
        }
        vm::credit(Use::Program, committed);
        Ok(())
    }
}

/// Gives the pages that `[address, address + size)` touches, all committed and
/// of one area, another protection. The address of the first page, their bytes,
/// and the protection that the first one had.
pub(crate) fn protect(
    address: usize,
    size: usize,
    protect: Protect,
) -> Result<(usize, usize, Protect), Refusal> {
    let start = round_down_to_page(address);
    let end = end_of(address, size)?;
    if protect.is_guard() && !fault::catch() {
        return Err(Refusal::Unsupported);
    }
    let mut regions = hold();
    let (id, area) = regions.area_at(start).ok_or(Refusal::Conflict)?;
    if end > area.end {
        return Err(Refusal::Conflict);
    }
    match area.kind {
        Kind::Private if protect.is_copy() => return Err(Refusal::Protection),
        Kind::View(_) if !area.initial.allows(protect) => return Err(Refusal::Protection),
        // The system copies ordinary pages only.
        Kind::View(_) if area.is_large && protect.is_copy() => return Err(Refusal::Protection),
        Kind::View(view) if view.commits != 0 => {
            regions.refresh(id);
        }
        Kind::Physical => return Err(Refusal::Protection),
        _ => {}
    }
    let first = regions.runs_in(start, end).next();
    let old = match first.and_then(|run| run.committed) {
        Some(old) if regions.committed(start, end) == end - start => old,
        _ => return Err(Refusal::NotCommitted),
    };
    let is_copied = |page| sys::copied_pages(page, vm::page_size()).is_some_and(|told| told.1);
    let old = if old.is_copy() && is_copied(start) {
        old.once_copied()
    } else {
        old
    };
    if !regions.runs.room(2) {
        return Err(Refusal::NoMemory);
    }
    let protect = protect.cached_as(area.initial);
    let shift = regions.share_as(&area, start, end, protect)?;
    // SAFETY: the range lies in one area of the program's, which asks for this,
    // and all of it is committed.
    let give = |base, size| unsafe { sys::protect(base, size, protect.system()) };
    if !regions.give_rights(start, end, give) {
        if let Some(shift) = shift {
            regions.share_again(&area, start, end, protect, shift);
        }
        // Of a large page no part has rights of its own.
        return Err(if area.is_large {
            Refusal::Invalid
        } else {
            Refusal::NoMemory
        });
    }
    if let Some(shift) = shift {
        regions.settle_copies(id, shift);
    }
    regions.runs.change(start, end, |run| {
        run.committed = protect.after(run.committed)
    });
    Ok((start, end - start, old))
}

/// Makes the pages that `[address, address + size)` touches reserved again,
/// whatever they were, and drops what they hold. A size of 0 names the whole
/// area that begins at `address`. The address of the first page, and their
/// bytes.
///
/// # Safety
/// Nobody uses the pages any more.
pub(crate) unsafe fn decommit(address: usize, size: usize) -> Result<(usize, usize), Refusal> {
    let start = round_down_to_page(address);
    let mut regions = hold();
    let (_, area) = regions.area_at(start).ok_or(Refusal::NotAllocated)?;
    match area.kind {
        Kind::Private if area.is_large => return Err(Refusal::Invalid),
        Kind::Private | Kind::Placeholder => {}
        Kind::View(_) | Kind::Physical => return Err(Refusal::IsView),
    }
    let end = if size == 0 {
        if start != area.start {
            return Err(Refusal::NotAtBase);
        }
        area.end
    } else {
        end_of(address, size)?
    };
    if end > area.end {
        return Err(Refusal::PastTheEnd);
    }
    let committed = regions.committed(start, end);
    if committed == 0 {
        return Ok((start, end - start));
    }
    if !regions.runs.room(2) {
        return Err(Refusal::NoMemory);
    }
    if area.written.is_none() {
        // SAFETY: the range lies in one area of the program's, which is done
        // with it; `committed` of its bytes are committed.
        if !unsafe { vm::decommit_part(Use::Program, pointer(start), end - start, committed) } {
            return Err(Refusal::NoMemory);
        }
    } else {
        regions.decommit_watched(&area, start, end, committed)?;
    }
    regions.runs.change(start, end, |run| run.committed = None);
    regions.forget_offer(&area, start, end);
    Ok((start, end - start))
}

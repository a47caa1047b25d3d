//! Views of sections: address space whose pages are a file's, or memory that is
//! shared.
//!
//! Who makes a section maps it, here is only where. Sections whose pages are
//! committed one by one keep a bit for each page, which all processes share: a
//! page is committed in every view as soon as it is in one. What another process
//! has committed is found out when somebody asks, or touches it.

use super::notes::Notes;
use super::reserve::Taken;
use super::{
    Area, AreaId, Kind, Protect, Refusal, Regions, Request, Use, View, Whereabouts, hold, pointer,
};
use crate::sys;
use crate::vm::{self, fault};
use core::sync::atomic::{AtomicU64, Ordering};

/// Takes address space for a view and has `map` map it there: `size` bytes from
/// the address it is given on, in place of what was reserved, with the rights of
/// `initial`. It returns false when it could not and what was there is as it
/// was. Pages of a sparse section that are not committed lose their rights
/// afterwards. The view's address.
pub(crate) fn insert_view(
    at: &Whereabouts,
    size: usize,
    view: View,
    initial: Protect,
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
        ..Request::private(initial)
    };
    if view.commits != 0 {
        // SAFETY: the view was mapped just above and nobody else knows it.
        if !unsafe { sys::protect(pointer(start), end - start, sys::Protection::None) } {
            regions.unmap(&taken);
            return Err(Refusal::NoMemory);
        }
    }
    regions.settle(&taken, &request, Notes::NONE);
    if view.commits != 0
        && let Some((_, area)) = regions.area_at(start)
    {
        regions.refresh(area);
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
    if keeps {
        if !regions.runs.room(2) || !regions.areas.room(2) {
            return Err(Refusal::NoMemory);
        }
        // SAFETY: the view is the program's, whole, which is done with it.
        if !unsafe { vm::decommit_part(Use::Program, base, size, 0) } {
            return Err(Refusal::NoMemory);
        }
        regions.become_placeholder(id, &area, area.start, area.end);
    } else {
        // SAFETY: as above; none of a view's pages is charged to it.
        if !unsafe { vm::release(Use::Program, base, size, 0) } {
            return Err(Refusal::NoMemory);
        }
        regions.forget(id, &area);
    }
    Ok((view, area))
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

/// Commits `size` bytes of a section from `offset` on, whole pages, in all its
/// views. Its pages that were not committed are charged to the account, once.
#[cfg(test)]
pub(crate) fn commit_sparse(section: usize, offset: u64, size: usize) -> Result<(), Refusal> {
    hold().commit_sparse(section, offset, size)
}

/// The bits of the pages from `first` on, in words, each with the mask of those
/// that are meant.
fn words(
    commits: usize,
    first: usize,
    count: usize,
) -> impl Iterator<Item = (*mut AtomicU64, u64)> {
    let end = first + count;
    (first / 64..end.div_ceil(64)).map(move |word| {
        let low = first.saturating_sub(word * 64).min(63);
        let high = (end - word * 64).min(64);
        let mask = (u64::MAX << low) & (u64::MAX >> (64 - high));
        let words = core::ptr::with_exposed_provenance_mut::<AtomicU64>(commits);
        (words.wrapping_add(word), mask)
    })
}

impl Regions {
    pub(super) fn commit_sparse(
        &mut self,
        section: usize,
        offset: u64,
        size: usize,
    ) -> Result<(), Refusal> {
        let page = vm::page_size();
        let first = usize::try_from(offset).map_err(|_| Refusal::Invalid)? / page;
        let found = self.areas.iter().find_map(|(_, area)| match area.kind {
            Kind::View(view) if view.section == section && view.commits != 0 => {
                Some((view.commits, view.token))
            }
            _ => None,
        });
        let (commits, token) = found.ok_or(Refusal::Conflict)?;
        let views = self
            .areas
            .iter()
            .filter(|(_, area)| is_view_of(area, section));
        let views = views.count();
        if !self.runs.room(2 * views) {
            return Err(Refusal::NoMemory);
        }
        let count = size / page;
        let mut fresh = 0;
        for (word, mask) in words(commits, first, count) {
            // SAFETY: the section has a bit for each of its pages, and lives
            // while it has a view.
            let before = unsafe { &*word }.load(Ordering::Relaxed);
            fresh += (mask & !before).count_ones() as usize;
        }
        if !vm::charge(Use::Program, fresh * page) {
            return Err(Refusal::CommitLimit);
        }
        let mut next = AreaId::from_index(0);
        while let Some((id, area)) = self.view_from(next, section) {
            next = id.next();
            let Some((start, end)) = part_of(&area, offset, size) else {
                continue;
            };
            let right = area.initial.system();
            // SAFETY: the pages are a view's of the program's, which asks for
            // this.
            if !unsafe { sys::protect(pointer(start), end - start, right) } {
                self.restore_views(section, offset, size);
                vm::credit(Use::Program, fresh * page);
                return Err(Refusal::NoMemory);
            }
        }
        for (word, mask) in words(commits, first, count) {
            // SAFETY: as above.
            unsafe { &*word }.fetch_or(mask, Ordering::Relaxed);
        }
        // SAFETY: the token is one of this section's views, which are there.
        unsafe { vm::sections::note_charged(token, fresh * page) };
        let mut next = AreaId::from_index(0);
        while let Some((id, area)) = self.view_from(next, section) {
            next = id.next();
            if let Some((start, end)) = part_of(&area, offset, size) {
                self.runs.change(start, end, |run| {
                    run.committed = run.committed.or(Some(area.initial));
                });
                // Pages that were committed keep the protection they had.
                self.restore(start, end);
            }
        }
        Ok(())
    }

    fn restore_views(&self, section: usize, offset: u64, size: usize) {
        for (_, area) in self.areas.iter() {
            if is_view_of(area, section)
                && let Some((start, end)) = part_of(area, offset, size)
            {
                self.restore(start, end);
            }
        }
    }

    /// The first view of a section from an area on.
    fn view_from(&self, from: AreaId, section: usize) -> Option<(AreaId, Area)> {
        let mut areas = self.areas.iter_from(from);
        let (id, area) = areas.find(|(_, area)| is_view_of(area, section))?;
        Some((id, *area))
    }

    /// Takes over what others have committed of a sparse section that `area` is
    /// a view of. Whether anything was new.
    pub(super) fn refresh(&mut self, area: Area) -> bool {
        let Kind::View(view) = area.kind else {
            return false;
        };
        let page = vm::page_size();
        let first = (view.offset / page as u64) as usize;
        let count = (area.end - area.start) / page;
        let mut changed = false;
        for (nth, (word, mask)) in words(view.commits, first, count).enumerate() {
            // SAFETY: the section has a bit for each of its pages, and lives
            // while it has a view.
            let mut bits = unsafe { &*word }.load(Ordering::Relaxed) & mask;
            let word = first / 64 + nth;
            while bits != 0 {
                let low = bits.trailing_zeros();
                let length = (!(bits >> low)).trailing_zeros().min(64 - low);
                let from = area.start + (word * 64 + low as usize - first) * page;
                let to = from + length as usize * page;
                changed |= self.take_over(&area, from, to);
                bits &= !(u64::MAX >> (64 - length) << low);
            }
        }
        changed
    }

    /// Makes the reserved pages of a range of a view committed ones.
    fn take_over(&mut self, area: &Area, start: usize, end: usize) -> bool {
        if self.committed(start, end) == end - start || !self.runs.room(2) {
            return false;
        }
        self.runs.change(start, end, |run| {
            run.committed = run.committed.or(Some(area.initial));
        });
        self.restore(start, end);
        true
    }

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

fn is_view_of(area: &Area, section: usize) -> bool {
    matches!(area.kind, Kind::View(view) if view.section == section)
}

/// The addresses at which an area shows `size` bytes of its section from
/// `offset` on.
fn part_of(area: &Area, offset: u64, size: usize) -> Option<(usize, usize)> {
    let Kind::View(view) = area.kind else {
        return None;
    };
    let length = area.end - area.start;
    let from = usize::try_from(offset.saturating_sub(view.offset)).ok()?;
    let end = (offset + size as u64).checked_sub(view.offset)?;
    let to = usize::try_from(end).ok()?.min(length);
    (from < to).then_some((area.start + from, area.start + to))
}

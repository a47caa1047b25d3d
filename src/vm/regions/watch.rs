//! Which pages of an area were written to.
//!
//! The system notes it: a page that it has marked loses the mark when anybody
//! writes to it, the program or the system itself on its behalf. What it noted is
//! moved to the area's own bits before anything that drops the marks: resetting
//! them, decommitting pages, a fork.

use super::{Area, Kind, Refusal, Regions, hold};
use crate::sys;
use crate::vm;
use crate::vm::notes::Notes;

/// Why written pages are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwatched {
    /// The range is not one that is watched.
    NotWatched,
    /// The system does not tell.
    System,
}

/// Shows `visit` the pages of `[address, address + size)` that were written to
/// since they were committed or last forgotten, in order, until it returns
/// false; those that it saw are forgotten if `forgets` says so. The range is
/// whole in one watched area. Without `harvests` only what was noted before counts.
fn written(
    address: usize,
    size: usize,
    harvests: bool,
    forgets: bool,
    mut visit: impl FnMut(usize) -> bool,
) -> Result<(), Unwatched> {
    let page = vm::page_size();
    let regions = hold();
    let (area, start, end) = regions.watched(address, size)?;
    if harvests && !harvest(&area, start, end, forgets) {
        return Err(Unwatched::System);
    }
    let number = |address: usize| (address - area.start) / page;
    let mut next = number(start);
    while let Some(found) = area.written.first(next, number(end)) {
        if !visit(area.start + found * page) {
            break;
        }
        if forgets {
            area.written.clear(found);
        }
        next = found + 1;
    }
    Ok(())
}

/// Shows `tell` up to `most` pages of `[address, address + size)` that were written to,
/// as [`written`] does, with their number from 0 on. How many. What `tell` writes to may
/// lie in any pages, watched ones too: they are told a piece at a time, with no lock held.
pub(crate) fn tell_written(
    address: usize,
    size: usize,
    forgets: bool,
    most: usize,
    mut tell: impl FnMut(usize, usize),
) -> Result<usize, Unwatched> {
    const PIECE: usize = 128;
    let mut told = 0;
    let mut next = address;
    let end = address.checked_add(size).ok_or(Unwatched::NotWatched)?;
    // The first piece asks the system about all of the range, also when nothing is to be told:
    // a range that is not watched is refused. The bits keep for later pieces what it noted.
    let mut is_first = true;
    while is_first || told < most && next < end {
        let mut piece = [0usize; PIECE];
        let mut filled = 0;
        let wanted = PIECE.min(most - told);
        written(next, end - next, is_first, forgets, |page| {
            if let Some(place) = piece.get_mut(filled)
                && filled < wanted
            {
                *place = page;
                filled += 1;
                return true;
            }
            false
        })?;
        is_first = false;
        for (index, &page) in piece.iter().take(filled).enumerate() {
            tell(told + index, page);
        }
        told += filled;
        let last = filled.checked_sub(1).and_then(|last| piece.get(last));
        match last {
            Some(&page) if filled == wanted => next = page + vm::page_size(),
            _ => break,
        }
    }
    Ok(told)
}

/// Forgets which pages of a range were written to.
pub(crate) fn forget_written(address: usize, size: usize) -> Result<(), Unwatched> {
    written(address, size, true, true, |_| true)
}

/// Moves what the system noted about a range to the area's bits, and marks the
/// pages again if `marks` says so.
fn harvest(area: &Area, start: usize, end: usize, marks: bool) -> bool {
    let page = vm::page_size();
    sys::written_pages(start, end - start, marks, &mut |from, to| {
        for number in (from - area.start) / page..(to - area.start) / page {
            area.written.set(number);
        }
    })
}

impl Regions {
    /// The watched area that has the pages that a range touches, and these.
    fn watched(&self, address: usize, size: usize) -> Result<(Area, usize, usize), Unwatched> {
        let start = super::round_down_to_page(address);
        let end = super::end_of(address, size).map_err(|_| Unwatched::NotWatched)?;
        match self.area_at(start) {
            Some((_, area)) if !area.written.is_none() && end <= area.end => Ok((area, start, end)),
            _ => Err(Unwatched::NotWatched),
        }
    }

    /// Has an area's range watched that was reserved just now: the bits for its
    /// pages.
    pub(super) fn watch(&self, start: usize, end: usize) -> Result<Notes, Refusal> {
        let pages = (end - start) / vm::page_size();
        let notes = Notes::new(pages).ok_or(Refusal::NoMemory)?;
        if !sys::watch(start, end - start) {
            notes.free(pages);
            return Err(Refusal::Unsupported);
        }
        Ok(notes)
    }

    /// Moves what the system noted about a range to the area's bits, before its
    /// pages go.
    pub(super) fn note_written(&self, area: &Area, start: usize, end: usize) {
        if !area.written.is_none() {
            harvest(area, start, end, false);
        }
    }

    /// Before a fork: what the system noted is not the child's.
    pub(super) fn note_all_written(&self) {
        for (_, area) in self.areas.iter() {
            if area.kind == Kind::Private {
                self.note_written(area, area.start, area.end);
            }
        }
    }

    /// In the child of a fork: has the system watch again.
    pub(super) fn watch_again(&self) {
        sys::forget_watching();
        for (_, area) in self.areas.iter() {
            if !area.written.is_none() && sys::watch(area.start, area.end - area.start) {
                // Every page that is there is not marked, and looks written.
                sys::written_pages(area.start, area.end - area.start, true, &mut |_, _| {});
            }
        }
    }
}

//! What pages hold: not needed, needed after all, offered, given up; and pages
//! that must stay in memory.
//!
//! The system takes pages that are offered to it without a word. So before, it is
//! noted which of them hold anything but zeros, and afterwards a page that was
//! noted and holds zeros was taken. One that still holds something is kept by
//! writing to it, in one step, what it holds.

use super::{
    Area, AreaId, Kind, Protect, Refusal, Regions, end_of, hold, pointer, round_down_to_page,
};
use crate::sys;
use crate::vm;
use crate::vm::notes::Notes;
use core::sync::atomic::{AtomicU64, Ordering};

/// Says that what the pages that `[address, address + size)` touches hold is
/// not needed: the system may take it while they are not written to. They are of
/// one area and keep their states. The address of the first page, and their
/// bytes.
///
/// Only pages that can be written to are offered to the system; others keep what
/// they hold.
///
/// # Safety
/// Nobody needs what the pages hold.
pub(crate) unsafe fn reset(address: usize, size: usize) -> Result<(usize, usize), Refusal> {
    let start = round_down_to_page(address);
    let end = end_of(address, size)?;
    let mut regions = hold();
    let (id, area) = regions.area_at(start).ok_or(Refusal::Conflict)?;
    if end > area.end || matches!(area.kind, Kind::Placeholder | Kind::Physical) {
        return Err(Refusal::Conflict);
    }
    if area.kind == Kind::Private && !area.is_large {
        regions.offer_pages(id, &area, start, end);
    }
    Ok((start, end - start))
}

/// Says that what pages hold is needed after all. The address of the first
/// page, and their bytes; refused when the system took any of it.
pub(crate) fn reset_undo(address: usize, size: usize) -> Result<(usize, usize), Refusal> {
    let start = round_down_to_page(address);
    let end = end_of(address, size)?;
    let regions = hold();
    let (_, area) = regions.area_at(start).ok_or(Refusal::Conflict)?;
    if end > area.end || area.kind != Kind::Private {
        return Err(Refusal::Conflict);
    }
    if area.offered.is_none() {
        return Err(Refusal::Invalid);
    }
    if regions.keep_pages(&area, start, end) {
        Ok((start, end - start))
    } else {
        Err(Refusal::NoMemory)
    }
}

/// Has pages of one private area hold from now on what they hold, taken by the system or
/// not. False if it may still take it from some: those that were offered and cannot be
/// written to.
pub(crate) fn keep(address: usize, size: usize) -> Result<bool, Refusal> {
    let start = round_down_to_page(address);
    let end = end_of(address, size)?;
    let regions = hold();
    let (_, area) = regions.area_at(start).ok_or(Refusal::Conflict)?;
    if end > area.end {
        return Err(Refusal::Conflict);
    }
    if area.offered.is_none() {
        return Ok(true);
    }
    regions.keep_pages(&area, start, end);
    let number = |address: usize| (address - area.start) / vm::page_size();
    Ok(area.offered.first(number(start), number(end)).is_none())
}

/// Offers committed pages of one private area, which are read-write and no guards: they
/// cannot be accessed until they are reclaimed, and the system may take what
/// they hold. Locked ones are no longer locked.
pub(crate) fn offer(address: usize, size: usize) -> Result<(), Refusal> {
    let mut regions = hold();
    let (id, area, end) = regions.whole_pages(address, size)?;
    let fits = |run: &super::Run| {
        let is_plain = |own: Protect| own.right() == Protect::READ_WRITE && !own.is_guard();
        run.committed.is_some_and(is_plain)
    };
    if !regions.runs_in(address, end).all(|run| fits(&run)) {
        return Err(Refusal::Protection);
    }
    if !regions.runs.room(2) {
        return Err(Refusal::NoMemory);
    }
    regions.unlock_pages(address, end);
    regions.offer_pages(id, &area, address, end);
    // SAFETY: the pages are the program's, which asks for this.
    let bar = |base, size| unsafe { sys::protect(base, size, sys::Protection::None) };
    if !regions.give_rights(address, end, bar) {
        return Err(Refusal::NoMemory);
    }
    regions.runs.change(address, end, |run| {
        run.committed = run.committed.map(Protect::with_offer);
    });
    Ok(())
}

/// Makes offered pages accessible again. Whether they hold what they did; if
/// not, some read zero.
pub(crate) fn reclaim(address: usize, size: usize) -> Result<bool, Refusal> {
    let mut regions = hold();
    let (_, area, end) = regions.whole_pages(address, size)?;
    let is_offered = |run: &super::Run| run.committed.is_some_and(Protect::is_offered);
    if !regions.runs_in(address, end).all(|run| is_offered(&run)) {
        return Err(Refusal::Invalid);
    }
    if !regions.runs.room(2) {
        return Err(Refusal::NoMemory);
    }
    // SAFETY: the pages are the program's, which asks for this; all are
    // read-write but for the offer.
    let open = |base, size| unsafe { sys::protect(base, size, sys::Protection::ReadWrite) };
    if !regions.give_rights(address, end, open) {
        return Err(Refusal::NoMemory);
    }
    regions.runs.change(address, end, |run| {
        run.committed = run.committed.map(Protect::without_offer);
    });
    Ok(regions.keep_pages(&area, address, end))
}

/// Gives the memory of committed, read-write pages of one private area back:
/// they read zero.
///
/// # Safety
/// Nobody needs what the pages hold.
pub(crate) unsafe fn discard(address: usize, size: usize) -> Result<(), Refusal> {
    let mut regions = hold();
    let (_, area, end) = regions.whole_pages(address, size)?;
    let fits = |run: &super::Run| run.committed.map(Protect::right) == Some(Protect::READ_WRITE);
    if !regions.runs_in(address, end).all(|run| fits(&run)) {
        return Err(Refusal::Protection);
    }
    regions.unlock_pages(address, end);
    regions.note_written(&area, address, end);
    // SAFETY: the pages are committed and the caller does not need what they
    // hold. Refused, they keep it, which is as good.
    if unsafe { vm::purge(pointer(address), size) } {
        regions.forget_offer(&area, address, end);
    }
    Ok(())
}

/// What came of locking pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locked {
    /// They stay in memory.
    Yes,
    /// One was a guard page, and is none any more.
    Guard,
    /// They are no pages that can be accessed.
    NoAccess,
    /// The system locks no more.
    Limit,
    /// The program has reserved nothing there.
    Foreign,
}

/// Has the committed pages that `[address, address + size)` touches stay in
/// memory.
pub(crate) fn lock_pages(address: usize, size: usize) -> Result<Locked, Refusal> {
    let start = round_down_to_page(address);
    let end = end_of(address, size)?;
    let mut regions = hold();
    let Some((_, area)) = regions.area_at(start) else {
        return Ok(Locked::Foreign);
    };
    if end > area.end || regions.committed(start, end) != end - start {
        return Ok(Locked::NoAccess);
    }
    if !regions.runs.room(2) {
        return Err(Refusal::NoMemory);
    }
    let guard = regions
        .runs_in(start, end)
        .find(|run| run.committed.is_some_and(Protect::is_guard));
    if let Some(run) = guard {
        regions.clear_guard(run.start, run.start + vm::page_size());
        return Ok(Locked::Guard);
    }
    let bars = |protect: Protect| protect.right() == Protect::NONE || protect.is_offered();
    if regions
        .runs_in(start, end)
        .any(|run| run.committed.is_none_or(bars))
    {
        return Ok(Locked::NoAccess);
    }
    // SAFETY: the pages are committed; locking changes nothing that they hold.
    if !unsafe { sys::lock_pages(pointer(start), end - start) } {
        // Those that were locked before stay so.
        for run in regions.runs_in(start, end) {
            if !run.committed.is_some_and(Protect::is_locked) {
                // SAFETY: as above.
                unsafe { sys::unlock_pages(pointer(run.start), run.end - run.start) };
            }
        }
        return Ok(Locked::Limit);
    }
    regions.runs.change(start, end, |run| {
        run.committed = run.committed.map(Protect::with_lock);
    });
    Ok(Locked::Yes)
}

/// Lets the pages that `[address, address + size)` touches leave memory. Whether
/// all were locked; `None` where the program has reserved nothing.
pub(crate) fn unlock_pages(address: usize, size: usize) -> Result<Option<bool>, Refusal> {
    let start = round_down_to_page(address);
    let end = end_of(address, size)?;
    let mut regions = hold();
    let Some((_, area)) = regions.area_at(start) else {
        return Ok(None);
    };
    let all = end <= area.end
        && regions
            .runs_in(start, end)
            .all(|run| run.committed.is_some_and(Protect::is_locked));
    if !all {
        return Ok(Some(false));
    }
    if !regions.runs.room(2) {
        return Err(Refusal::NoMemory);
    }
    regions.unlock_pages(start, end);
    Ok(Some(true))
}

impl Regions {
    /// The private area that has whole committed pages `[address, address +
    /// size)`, and their end.
    fn whole_pages(&self, address: usize, size: usize) -> Result<(AreaId, Area, usize), Refusal> {
        let mask = vm::page_size() - 1;
        let end = end_of(address, size)?;
        if (address | size) & mask != 0 {
            return Err(Refusal::Invalid);
        }
        let (id, area) = self.area_at(address).ok_or(Refusal::NotAllocated)?;
        if end > area.end || area.kind != Kind::Private || area.is_large {
            return Err(Refusal::Conflict);
        }
        if self.committed(address, end) != end - address {
            return Err(Refusal::NotCommitted);
        }
        Ok((id, area, end))
    }

    /// Lets locked pages go. There is room for two more runs.
    pub(super) fn unlock_pages(&mut self, start: usize, end: usize) {
        let is_locked = |protect: Protect| protect.is_locked();
        if !self
            .runs_in(start, end)
            .any(|run| run.committed.is_some_and(is_locked))
        {
            return;
        }
        // SAFETY: the pages are the program's; unlocking changes nothing that
        // they hold.
        unsafe { sys::unlock_pages(pointer(start), end - start) };
        self.runs.change(start, end, |run| {
            run.committed = run.committed.map(Protect::without_lock);
        });
    }

    /// Offers those pages of a private area's range to the system that can be
    /// written to, and notes which hold anything. Without memory for notes they
    /// are not offered.
    fn offer_pages(&mut self, id: AreaId, area: &Area, start: usize, end: usize) {
        let mut notes = area.offered;
        if notes.is_none() {
            match Notes::new((area.end - area.start) / vm::page_size()) {
                Some(new) => notes = new,
                None => return,
            }
            if let Some(area) = self.areas.get_mut(id) {
                area.offered = notes;
            }
        }
        self.note_written(area, start, end);
        for run in self.runs_in(start, end) {
            let offers = |protect: Protect| protect.is_writable() && !protect.is_locked();
            if run.committed.is_some_and(offers) {
                note_contents(notes, area.start, run.start, run.end);
                // SAFETY: the pages are committed and private, and the caller
                // does not need what they hold. Refused, they keep it.
                unsafe { sys::offer(pointer(run.start), run.end - run.start) };
            }
        }
    }

    /// Forgets of pages what they held when they were offered: they hold nothing of it now.
    pub(super) fn forget_offer(&self, area: &Area, start: usize, end: usize) {
        let number = |address: usize| (address - area.start) / vm::page_size();
        area.offered.clear_all(number(start), number(end));
    }

    /// Keeps what noted pages of a range hold. False if any was taken.
    fn keep_pages(&self, area: &Area, start: usize, end: usize) -> bool {
        let page = vm::page_size();
        let mut kept = true;
        for run in self.runs_in(start, end) {
            // Pages that cannot be written to now could not when they were
            // offered, or a program changed that: they are left to the system.
            if !run.committed.is_some_and(Protect::is_writable) {
                continue;
            }
            let first = (run.start - area.start) / page;
            let last = (run.end - area.start) / page;
            let mut next = first;
            while let Some(number) = area.offered.first(next, last) {
                kept &= keep_page(area.start + number * page);
                area.offered.clear(number);
                next = number + 1;
            }
        }
        kept
    }
}

/// Notes which pages of a range that can be read hold anything but zeros. Those that
/// were swapped out do too: the system drops them at once when they are offered.
fn note_contents(notes: Notes, base: usize, start: usize, end: usize) {
    let page = vm::page_size();
    for number in (start - base) / page..(end - base) / page {
        notes.clear(number);
    }
    sys::for_each_held(start, end - start, &mut |address| {
        if first_word(address).is_some() {
            notes.set((address - base) / page);
        }
    });
}

fn words_of(address: usize) -> impl Iterator<Item = &'static AtomicU64> {
    let words = core::ptr::with_exposed_provenance::<AtomicU64>(address);
    let count = vm::page_size() / size_of::<u64>();
    // SAFETY: callers name committed pages that can be read, and hold the lock
    // that keeps them so. The program may write to them meanwhile; each word is
    // read in one piece.
    (0..count).map(move |index| unsafe { &*words.add(index) })
}

/// The first word of a page that is not 0, and what it is.
fn first_word(address: usize) -> Option<(&'static AtomicU64, u64)> {
    words_of(address).find_map(|word| {
        let value = word.load(Ordering::Relaxed);
        (value != 0).then_some((word, value))
    })
}

/// Writes to a page what it holds, so that the system does not take it. False if
/// it holds nothing any more.
fn keep_page(address: usize) -> bool {
    while let Some((word, value)) = first_word(address) {
        if word
            .compare_exchange(value, value, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            return true;
        }
    }
    false
}

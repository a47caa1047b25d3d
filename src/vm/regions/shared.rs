//! Views of sections whose pages are committed one by one (SEC_RESERVE).
//!
//! ```text
//!   section's bits  0 1 1 0 ...      of all processes; set once, never cleared
//!   view            - w w - ...      as far as this process has looked
//!   view            - r r - ...
//! ```
//!
//! A page is committed in every view as soon as it is in one. The views of this process
//! are changed with it; what another process has committed is found out when somebody
//! asks, or touches it. A count of changes beside the bits tells whether there is anything
//! to find out.

use super::{Area, AreaId, Kind, Protect, Refusal, Regions, Run, Use, ballast, pointer};
use crate::sys;
use crate::vm::{self, sections};
use core::sync::atomic::{AtomicU64, Ordering};

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

/// How many times pages of a section were committed, by any process.
fn changes(commits: usize) -> &'static AtomicU64 {
    let words = core::ptr::with_exposed_provenance::<AtomicU64>(commits);
    // SAFETY: the word before the bits is the count's, and lives as they do: as long
    // as the section, and that as long as it has a view.
    unsafe { &*words.wrapping_sub(1) }
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

impl Regions {
    /// Puts a view into its section's list.
    pub(super) fn link_view(&mut self, id: AreaId) {
        if let Some(area) = self.areas.get_mut(id)
            && let Kind::View(view) = &mut area.kind
        {
            // SAFETY: the token is a view's of the section's.
            let first = unsafe { sections::first_view(view.token) };
            view.next = first.swap(id.number(), Ordering::Relaxed);
        }
    }

    /// Takes a view out of its section's list.
    pub(super) fn unlink_view(&mut self, id: AreaId) {
        let Some(Kind::View(own)) = self.areas.get(id).map(|area| area.kind) else {
            return;
        };
        // SAFETY: as above; the view is still there.
        let first = unsafe { sections::first_view(own.token) };
        let mut at = first.load(Ordering::Relaxed);
        if at == id.number() {
            first.store(own.next, Ordering::Relaxed);
        }
        while let Some(before) = AreaId::from_number(at) {
            let Some(Kind::View(view)) = self.areas.get_mut(before).map(|area| &mut area.kind)
            else {
                return;
            };
            at = view.next;
            if at == id.number() {
                view.next = own.next;
                return;
            }
        }
    }

    /// The view that follows one in their section's list, or its first one.
    fn view_after(&self, token: usize, before: Option<AreaId>) -> Option<(AreaId, Area)> {
        let next = match before {
            // SAFETY: the token is one of a view that is there.
            None => unsafe { sections::first_view(token) }.load(Ordering::Relaxed),
            Some(before) => match self.areas.get(before)?.kind {
                Kind::View(view) => view.next,
                _ => 0,
            },
        };
        let id = AreaId::from_number(next)?;
        Some((id, *self.areas.get(id)?))
    }

    /// Commits pages of one view of such a section, and so of all its views; in this
    /// one they have the right `protect` then, whatever they were, in the others that
    /// of the view if they were not committed. Pages that were not are charged to the
    /// account, once.
    pub(super) fn commit_shared(
        &mut self,
        area: &Area,
        start: usize,
        end: usize,
        protect: Protect,
    ) -> Result<(), Refusal> {
        let Kind::View(own) = area.kind else {
            return Err(Refusal::Conflict);
        };
        let page = vm::page_size();
        let (offset, size) = (own.offset + (start - area.start) as u64, end - start);
        let first = usize::try_from(offset).map_err(|_| Refusal::Invalid)? / page;
        let mut views = 0;
        let mut at = None;
        while let Some((id, _)) = self.view_after(own.token, at) {
            (at, views) = (Some(id), views + 1);
        }
        if !self.runs.room(2 * views) || !ballast::take() {
            return Err(Refusal::NoMemory);
        }
        let mut fresh = 0;
        for (word, mask) in words(own.commits, first, size / page) {
            // SAFETY: the section has a bit for each of its pages, and lives
            // while it has a view.
            let before = unsafe { &*word }.load(Ordering::Relaxed);
            fresh += (mask & !before).count_ones() as usize;
        }
        if !vm::charge(Use::Program, fresh * page) {
            return Err(Refusal::CommitLimit);
        }
        let opened = self.open_in_views(own.token, offset, size) && {
            let right = protect.system();
            // SAFETY: the pages are a view's of the program's, which asks for this.
            let give = |base, size| unsafe { sys::protect(base, size, right) };
            self.give_rights(start, end, give)
        };
        if !opened {
            let mut at = None;
            while let Some((id, area)) = self.view_after(own.token, at) {
                at = Some(id);
                if let Some((start, end)) = part_of(&area, offset, size) {
                    self.restore(start, end);
                }
            }
            vm::credit(Use::Program, fresh * page);
            return Err(Refusal::NoMemory);
        }
        let mut set = 0;
        for (word, mask) in words(own.commits, first, size / page) {
            // SAFETY: as above.
            let before = unsafe { &*word }.fetch_or(mask, Ordering::Relaxed);
            set += (mask & !before).count_ones() as usize;
        }
        // What another process committed meanwhile is charged to that.
        vm::credit(Use::Program, fresh.saturating_sub(set) * page);
        // SAFETY: the token is one of this section's views, which are there.
        unsafe { sections::note_charged(own.token, set.min(fresh) * page) };
        let before = match set {
            0 => changes(own.commits).load(Ordering::Relaxed),
            _ => changes(own.commits).fetch_add(1, Ordering::Release),
        };
        let mut at = None;
        while let Some((id, area)) = self.view_after(own.token, at) {
            at = Some(id);
            if let Some((start, end)) = part_of(&area, offset, size) {
                self.runs.change(start, end, |run| {
                    run.committed = run.committed.or(Some(area.initial));
                });
            }
            // Whoever knew all that was committed before does so still.
            if let Some(area) = self.areas.get_mut(id)
                && let Kind::View(view) = &mut area.kind
                && view.seen == before
                && set != 0
            {
                view.seen = before + 1;
            }
        }
        self.runs.change(start, end, |run| {
            run.committed = protect.after(run.committed);
        });
        Ok(())
    }

    /// Gives the reserved pages of a section's part their view's rights, in all its
    /// views. False when the system refuses: some may have them then.
    fn open_in_views(&self, token: usize, offset: u64, size: usize) -> bool {
        let mut at = None;
        while let Some((id, area)) = self.view_after(token, at) {
            at = Some(id);
            if let Some((start, end)) = part_of(&area, offset, size)
                && !self.open_reserved(&area, start, end)
            {
                return false;
            }
        }
        true
    }

    /// Gives the reserved pages of a range of a view the view's rights. False when
    /// the system refuses: some may have them then.
    fn open_reserved(&self, area: &Area, start: usize, end: usize) -> bool {
        let right = area.initial.system();
        self.runs_in(start, end)
            .filter(|run| run.committed.is_none())
            // SAFETY: the pages are a view's of the program's, and committed.
            .all(|run| unsafe { sys::protect(pointer(run.start), run.end - run.start, right) })
    }

    /// Takes over what others have committed of the section that an area is a view of.
    /// Whether anything was new.
    pub(super) fn refresh(&mut self, id: AreaId) -> bool {
        let Some(area) = self.areas.get(id).copied() else {
            return false;
        };
        let Kind::View(view) = area.kind else {
            return false;
        };
        // First: what comes after this is found the next time.
        let seen = changes(view.commits).load(Ordering::Acquire);
        if seen == view.seen {
            return false;
        }
        let mut changed = false;
        let mut done = true;
        let mut at = area.start;
        while let Some((from, to)) = next_committed(&area, at, area.end) {
            match self.take_over(&area, from, to) {
                Some(new) => changed |= new,
                None => done = false,
            }
            at = to;
        }
        if done
            && let Some(area) = self.areas.get_mut(id)
            && let Kind::View(view) = &mut area.kind
        {
            view.seen = seen;
        }
        changed
    }

    /// Takes over that another process has committed the pages around one, which is in
    /// a reserved run of a view. False if none has committed that page, or the system
    /// refuses.
    pub(super) fn take_over_around(&mut self, area: &Area, run: (usize, usize), at: usize) -> bool {
        match next_committed(area, at, run.1) {
            Some((from, to)) if from == at => self.take_over(area, from, to).is_some(),
            _ => false,
        }
    }

    /// Makes the reserved pages of a range of a view committed ones. Whether there
    /// were any; `None`, and nothing has changed, when the system refuses.
    fn take_over(&mut self, area: &Area, start: usize, end: usize) -> Option<bool> {
        if self.committed(start, end) == end - start {
            return Some(false);
        }
        if !self.runs.room(2) || !ballast::take() {
            return None;
        }
        if !self.open_reserved(area, start, end) {
            self.restore(start, end);
            return None;
        }
        self.runs.change(start, end, |run: &mut Run| {
            run.committed = run.committed.or(Some(area.initial));
        });
        Some(true)
    }
}

/// The next pages in a row of a view, from `from` on and before `end`, that are
/// committed in its section.
fn next_committed(area: &Area, from: usize, end: usize) -> Option<(usize, usize)> {
    let Kind::View(view) = area.kind else {
        return None;
    };
    let page = vm::page_size();
    // The page of the section that would lie at the address 0.
    let zero = (view.offset as usize / page).wrapping_sub(area.start / page);
    let first = zero.wrapping_add(from / page);
    let mut found: Option<(usize, usize)> = None;
    for (nth, (word, mask)) in words(view.commits, first, (end - from) / page).enumerate() {
        // SAFETY: the section has a bit for each of its pages, and lives while it has
        // a view.
        let mut bits = unsafe { &*word }.load(Ordering::Relaxed) & mask;
        let number = (first / 64 + nth) * 64;
        while bits != 0 {
            let low = bits.trailing_zeros();
            let length = (!(bits >> low)).trailing_zeros().min(64 - low);
            let start = number + low as usize;
            match &mut found {
                Some((_, until)) if *until == start => *until = start + length as usize,
                Some(_) => break,
                None => found = Some((start, start + length as usize)),
            }
            bits &= !(u64::MAX >> (64 - length) << low);
        }
        if found.is_some_and(|(_, until)| until != number + 64) {
            break;
        }
    }
    let address = |number: usize| number.wrapping_sub(zero) * page;
    found.map(|(start, until)| (address(start), address(until)))
}

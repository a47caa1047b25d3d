//! On Windows: which pages of a reservation were reset, and which are offered.
//!
//! The system does not tell afterwards. So a reservation keeps a bit for each of its pages,
//! beside it, from the first such call on.
//!
//! Invariants:
//! - A page that the system may be about to take the contents of is marked: before the
//!   system is told, and until it was told otherwise and the page was written to.
//! - Marks are set through a reservation that is borrowed mutably. They are cleared through
//!   shared ones too ([`Marks::keep`]), one thread at a time, and before anybody has a
//!   reference to what the page holds.

use super::notes::Notes;
use super::pages::{self, Alike, PageAccess, PageError};
use crate::sync::Lock;
use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicU8, Ordering};

/// The marks of a reservation's pages.
pub(super) struct Marks {
    /// Held while marks are cleared that others may look at.
    lock: Lock,
    reset: Notes,
    offered: Notes,
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Marks").finish_non_exhaustive()
    }
}

/// The pages that a range of bytes touches, by number.
fn numbers(range: &Range<usize>) -> Range<usize> {
    let page = super::page_size();
    range.start / page..range.end.div_ceil(page)
}

impl Marks {
    pub(super) const fn new() -> Marks {
        Marks {
            lock: Lock::new(),
            reset: Notes::NONE,
            offered: Notes::NONE,
        }
    }

    /// Ends the marks of a reservation of `size` bytes.
    pub(super) fn end(&mut self, size: usize) {
        let pages = size / super::page_size();
        core::mem::replace(&mut self.reset, Notes::NONE).free(pages);
        core::mem::replace(&mut self.offered, Notes::NONE).free(pages);
    }

    /// What the system told of the pages from the one of `offset` on, with what is marked.
    pub(super) fn told(&self, start: usize, offset: usize, told: Alike) -> Alike {
        let mut told = told;
        if !self.offered.is_none() {
            let page = super::page_size();
            let first = offset / page;
            let last = (told.end - start) / page;
            let is_offered = self.offered.is_set(first);
            let mut end = first + 1;
            while end < last && self.offered.is_set(end) == is_offered {
                end += 1;
            }
            told.start = start + first * page;
            told.end = told.end.min(start + end * page);
            if is_offered {
                told.is_offered = true;
                told.access = Some(PageAccess::ReadWrite);
            }
        }
        let marked = numbers(&(offset..told.end - start));
        told.may_go = self.reset.first(marked.start, marked.end).is_some();
        told
    }

    /// Has pages hold from now on what they hold. False if the system may still take it
    /// from some: those that cannot be written to.
    pub(super) fn keep(&self, start: usize, range: &Range<usize>) -> bool {
        let page = super::page_size();
        let marked = numbers(range);
        self.lock.acquire();
        let mut next = marked.start;
        while let Some(number) = self.reset.first(next, marked.end) {
            let at = start + number * page;
            let is_open = !self.offered.is_set(number)
                && pages::query(at).is_some_and(|told| told.opens_to(PageAccess::writes));
            if is_open {
                pages::undo_reset(at, page);
                // SAFETY: the page is committed and can be written to; nobody has a
                // reference to it, for it is marked and the lock is held.
                let first = unsafe { AtomicU8::from_ptr(pages::pointer(at)) };
                // In one step: written to, it is no longer the system's to take.
                let value = first.load(Ordering::Relaxed);
                let _ = first.compare_exchange(value, value, Ordering::Relaxed, Ordering::Relaxed);
                self.reset.clear(number);
            }
            next = number + 1;
        }
        let kept = self.reset.first(marked.start, marked.end).is_none();
        self.lock.release();
        kept
    }

    /// Resets those pages that can be written to. Without memory for marks they keep what
    /// they hold.
    pub(super) fn reset(&mut self, start: usize, size: usize, range: &Range<usize>) {
        let page = super::page_size();
        if !make(&mut self.reset, size) {
            return;
        }
        let marked = numbers(range);
        let (mut at, end) = (start + marked.start * page, start + marked.end * page);
        while at < end {
            let Some(told) = pages::query(at) else {
                return;
            };
            let told = self.told(start, at - start, told);
            let mut run = numbers(&(at - start..told.end.min(end) - start));
            // Pages in a row that are marked, or that are not.
            let was_marked = self.reset.is_set(run.start);
            let alike = |number: &usize| self.reset.is_set(*number) == was_marked;
            run.end = run.start + run.clone().take_while(alike).count();
            let to = start + run.end * page;
            if told.opens_to(PageAccess::writes) {
                run.clone().for_each(|number| self.reset.set(number));
                // Refused, pages are what they were: those of an earlier reset may still go.
                if !pages::reset(at, to - at) && !was_marked {
                    self.reset.clear_all(run.start, run.end);
                }
            }
            at = to;
        }
    }

    /// Has pages keep what they hold that were reset: whether all still hold it.
    pub(super) fn undo_reset(
        &mut self,
        start: usize,
        range: &Range<usize>,
    ) -> Result<bool, PageError> {
        if self.reset.is_none() {
            return Err(PageError::Invalid);
        }
        let page = super::page_size();
        let marked = numbers(range);
        let mut whole = true;
        let mut next = marked.start;
        while let Some(number) = self.reset.first(next, marked.end) {
            next = number + 1;
            while next < marked.end && self.reset.is_set(next) {
                next += 1;
            }
            whole &= pages::undo_reset(start + number * page, (next - number) * page);
        }
        self.keep(start, range);
        Ok(whole)
    }

    /// Offers whole pages.
    pub(super) fn offer(
        &mut self,
        start: usize,
        size: usize,
        range: &Range<usize>,
    ) -> Result<(), PageError> {
        self.check(start, range, |told| {
            told.access == Some(PageAccess::ReadWrite) && !told.is_guard
        })?;
        if !make(&mut self.offered, size) {
            return Err(PageError::NoMemory);
        }
        let page = super::page_size();
        // Runs of those that are not offered yet.
        let runs = |to: usize| {
            let mut next = range.start / page;
            let offered = self.offered;
            core::iter::from_fn(move || {
                while next < to && offered.is_set(next) {
                    next += 1;
                }
                let first = next;
                while next < to && !offered.is_set(next) {
                    next += 1;
                }
                (first < next).then_some(first..next)
            })
        };
        let end = range.end / page;
        for run in runs(end) {
            let size = (run.end - run.start) * page;
            if let Err(error) = pages::offer(start + run.start * page, size) {
                // What is refused has changed nothing.
                for run in runs(run.start) {
                    let size = (run.end - run.start) * page;
                    let _ = pages::reclaim(start + run.start * page, size);
                }
                return Err(error);
            }
        }
        numbers(range).for_each(|number| self.offered.set(number));
        Ok(())
    }

    /// Makes offered pages accessible again. Whether all hold what they did.
    pub(super) fn reclaim(
        &mut self,
        start: usize,
        range: &Range<usize>,
    ) -> Result<bool, PageError> {
        self.check(start, range, |told| told.is_offered)?;
        let kept = pages::reclaim(start + range.start, range.end - range.start)?;
        let marked = numbers(range);
        self.offered.clear_all(marked.start, marked.end);
        Ok(kept)
    }

    /// Whether a range is of whole committed pages that `fit`.
    fn check(
        &self,
        start: usize,
        range: &Range<usize>,
        fit: impl Fn(&Alike) -> bool,
    ) -> Result<(), PageError> {
        let mask = super::page_size() - 1;
        if (range.start | range.end) & mask != 0 {
            return Err(PageError::Invalid);
        }
        let mut at = range.start;
        let mut result = Ok(());
        while at < range.end {
            let told = pages::query(start + at).ok_or(PageError::Invalid)?;
            let told = self.told(start, at, told);
            if told.access.is_none() {
                return Err(PageError::NotCommitted);
            }
            if !fit(&told) {
                result = Err(PageError::Invalid);
            }
            at = told.end - start;
        }
        result
    }

    /// Makes pages accessible that are offered, before they are committed.
    pub(super) fn open(&mut self, start: usize, range: &Range<usize>) {
        let page = super::page_size();
        let marked = numbers(range);
        let mut next = marked.start;
        while let Some(number) = self.offered.first(next, marked.end) {
            if pages::reclaim(start + number * page, page).is_ok() {
                self.offered.clear(number);
            }
            next = number + 1;
        }
    }

    /// Forgets what is marked of pages that hold nothing any more.
    pub(super) fn forget(&mut self, range: &Range<usize>) {
        let marked = numbers(range);
        self.reset.clear_all(marked.start, marked.end);
        self.offered.clear_all(marked.start, marked.end);
    }
}

/// Makes marks for `size` bytes, if there are none. False without memory for them.
fn make(notes: &mut Notes, size: usize) -> bool {
    if notes.is_none()
        && let Some(new) = Notes::new(size / super::page_size())
    {
        *notes = new;
    }
    !notes.is_none()
}

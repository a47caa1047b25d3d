//! What a touch of pages that cannot be accessed comes to.

use super::{Area, GRANULARITY, Kind, Protect, Refusal, Regions, Touch, hold, pointer};
use crate::sys;
use crate::vm;

/// What came of a touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    /// The page can be accessed now: the program tries again.
    Ready,
    /// The page can be accessed as far as is known here.
    Open,
    /// It was a guard page, and is none any more.
    Guard,
    /// It was the last page that a stack could grow into.
    StackEnd,
    /// It is not accessible.
    Barred,
    /// The program has reserved nothing there.
    Foreign,
}

/// What an access wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    Execute,
}

/// Answers a touch of `address` that the processor refused.
pub(crate) fn touched(address: usize, access: Access) -> Touched {
    let mut regions = hold();
    let Some(told) = regions.told(address) else {
        return Touched::Foreign;
    };
    let page = super::round_down_to_page(address);
    match told.committed {
        Some(protect) if protect.is_guard() => {
            if told.area.touch == Touch::Grow {
                return regions.grow(&told.area, page);
            }
            if !regions.clear_guard(page, page + vm::page_size()) {
                return Touched::Barred;
            }
            Touched::Guard
        }
        Some(protect) => {
            let opens = match access {
                Access::Read => protect.is_readable() || protect.is_executable(),
                Access::Write => protect.is_writable(),
                Access::Execute => protect.is_executable(),
            };
            if opens {
                Touched::Open
            } else {
                Touched::Barred
            }
        }
        None => match told.area.kind {
            Kind::View(view) if view.commits != 0 => {
                if regions.take_over_around(&told.area, (told.start, told.end), page) {
                    Touched::Ready
                } else {
                    Touched::Barred
                }
            }
            Kind::Private if told.area.touch == Touch::Commit => {
                match regions.commit_around(&told.area, told.start, told.end, page) {
                    Ok(()) => Touched::Ready,
                    Err(_) => Touched::Barred,
                }
            }
            _ => Touched::Barred,
        },
    }
}

/// Makes a page a guard page again that was one: nobody took notice of the
/// touch.
pub(crate) fn set_guard(address: usize) {
    let mut regions = hold();
    let page = super::round_down_to_page(address);
    let end = page + vm::page_size();
    let Some(told) = regions.told(address) else {
        return;
    };
    if told.committed.is_none() || !regions.runs.room(2) {
        return;
    }
    // SAFETY: the page is one of the program's, which asked for the guard.
    if unsafe { sys::protect(pointer(page), end - page, sys::Protection::None) } {
        regions.runs.change(page, end, |run| {
            run.committed = run.committed.map(Protect::with_guard);
        });
    }
}

impl Regions {
    /// Makes guard pages of one run ordinary ones. False, and nothing changed,
    /// when the system refuses.
    pub(super) fn clear_guard(&mut self, start: usize, end: usize) -> bool {
        if !self.runs.room(2) {
            return false;
        }
        let Some(protect) = self.told(start).and_then(|told| told.committed) else {
            return false;
        };
        let right = protect.without_guard().system();
        // SAFETY: the pages are the program's and get the rights that they were
        // given.
        if !unsafe { sys::protect(pointer(start), end - start, right) } {
            return false;
        }
        self.runs.change(start, end, |run| {
            run.committed = run.committed.map(Protect::without_guard);
        });
        true
    }

    /// Commits a range of a private area.
    fn commit_reserved(
        &mut self,
        start: usize,
        end: usize,
        protect: Protect,
    ) -> Result<(), Refusal> {
        let found = self.runs.find(start).ok_or(Refusal::Conflict)?;
        self.commit_private(found, start, end, protect)
    }

    /// Commits the reserved pages of a run in the 64 KiB around one, or this
    /// one alone when that is too much.
    fn commit_around(
        &mut self,
        area: &Area,
        start: usize,
        end: usize,
        page: usize,
    ) -> Result<(), Refusal> {
        let unit = page & !(GRANULARITY - 1);
        let (from, to) = (unit.max(start), (unit + GRANULARITY).min(end));
        self.commit_reserved(from, to, area.initial)
            .or_else(|_| self.commit_reserved(page, page + vm::page_size(), area.initial))
    }

    /// The stack of an area has reached its guard page: that becomes an ordinary
    /// one, and the one below is committed and the guard. The last page of all
    /// is never committed.
    fn grow(&mut self, area: &Area, page: usize) -> Touched {
        let size = vm::page_size();
        if !self.runs.room(4) {
            return Touched::Barred;
        }
        let next = page - size;
        if next <= area.start {
            // What is left is for whoever handles the overflow.
            self.clear_guard(page, page + size);
            return Touched::StackEnd;
        }
        let guard = area.initial.with_guard();
        if self.commit_reserved(next, page, guard).is_err() {
            return Touched::StackEnd;
        }
        if self.clear_guard(page, page + size) {
            Touched::Ready
        } else {
            Touched::Barred
        }
    }
}

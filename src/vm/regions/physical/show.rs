//! Having windows show frames.

use super::super::{Kind, Protect, Refusal, Regions, ballast, hold, pointer};
use super::{FIRST, Frame, NAMED, PAGE_NAMED, UNMAPPED};
use crate::sys::{self, files};
use crate::vm::page_size;

/// What is to be shown: at the `nth` address, a page's first, the `nth` frame, or
/// nothing.
struct Wanted<A, F> {
    count: usize,
    address: A,
    frame: F,
}

impl<A: Fn(usize) -> usize, F: Fn(usize) -> Option<usize>> Wanted<A, F> {
    /// How many pages from the `first` on lie one behind the other, are shown something
    /// all or not at all, and are otherwise as `alike` says of what two neighbours
    /// are shown.
    fn stretch(&self, first: usize, alike: impl Fn(Option<usize>, Option<usize>) -> bool) -> usize {
        let page = page_size();
        let mut length = 1;
        while first + length < self.count {
            let (before, next) = (first + length - 1, first + length);
            let (one, other) = ((self.frame)(before), (self.frame)(next));
            let follows = (self.address)(before).checked_add(page) == Some((self.address)(next));
            if !follows || one.is_some() != other.is_some() || !alike(one, other) {
                break;
            }
            length += 1;
        }
        length
    }
}

/// Frames in a row are mapped at once.
fn in_a_row(one: Option<usize>, other: Option<usize>) -> bool {
    one.map(|number| number.wrapping_add(1)) == other
}

/// Has windows show frames: at the `nth` address, a page's first, the `nth` frame,
/// or nothing. What was shown there before is not any more. All or nothing.
pub(crate) fn map_frames(
    count: usize,
    address: impl Fn(usize) -> usize,
    frame: impl Fn(usize) -> Option<usize>,
) -> Result<(), Refusal> {
    let wanted = &Wanted {
        count,
        address,
        frame,
    };
    let mut regions = hold();
    regions.physical.be_own();
    regions.check(wanted)?;

    // A stretch of pages is a run, or becomes one.
    let (mut nth, mut stretches) = (0, 0usize);
    while nth < count {
        nth += wanted.stretch(nth, |_, _| true);
        stretches += 1;
    }
    if !regions.runs.room(stretches.saturating_mul(2)) || !ballast::take() {
        return Err(Refusal::NoMemory);
    }
    let mut nth = 0;
    while nth < count {
        let length = wanted.stretch(nth, in_a_row);
        let (at, size) = ((wanted.address)(nth), length * page_size());
        let done = match (wanted.frame)(nth) {
            Some(number) => regions.show_frame(at, size, number),
            None => regions.show_nothing(at, size),
        };
        if !done {
            for nth in 0..nth + length {
                regions.show_again((wanted.address)(nth));
            }
            ballast::take();
            return Err(Refusal::NoMemory);
        }
        nth += length;
    }
    // All that was shown at these pages first: a frame may have changed places.
    for nth in 0..count {
        let physical = &mut regions.physical;
        let shown = physical.shown((wanted.address)(nth)).map(core::mem::take);
        let number = shown.and_then(|shown| (shown as usize).checked_sub(1));
        if let Some(frame) = number.and_then(|number| physical.taken(number)) {
            *frame = UNMAPPED;
        }
    }
    for nth in 0..count {
        regions.record((wanted.address)(nth), (wanted.frame)(nth));
    }
    let mut nth = 0;
    while nth < count {
        let length = wanted.stretch(nth, |_, _| true);
        let at = (wanted.address)(nth);
        let committed = (wanted.frame)(nth).map(|_| Protect::READ_WRITE);
        regions.runs.change(at, at + length * page_size(), |run| {
            run.committed = committed
        });
        nth += length;
    }
    Ok(())
}

impl Regions {
    /// Whether all of what is wanted can be shown.
    fn check<A: Fn(usize) -> usize, F: Fn(usize) -> Option<usize>>(
        &mut self,
        wanted: &Wanted<A, F>,
    ) -> Result<(), Refusal> {
        // All pages are named before any frame is looked at: a frame may come from a
        // page that shows another one afterwards, and from no other.
        let (mut pages, mut frames) = (0, 0);
        let mut checked = Ok(());
        while checked.is_ok() && pages < wanted.count {
            checked = self.name_page((wanted.address)(pages));
            pages += usize::from(checked.is_ok());
        }
        while checked.is_ok() && frames < wanted.count {
            checked = match (wanted.frame)(frames) {
                Some(number) => self.name_frame(number),
                None => Ok(()),
            };
            frames += usize::from(checked.is_ok());
        }
        for nth in 0..pages {
            if let Some(shown) = self.physical.shown((wanted.address)(nth)) {
                *shown &= !PAGE_NAMED;
            }
        }
        for nth in 0..frames {
            let number = (wanted.frame)(nth);
            if let Some(frame) = number.and_then(|number| self.physical.taken(number)) {
                frame.0 &= !NAMED;
            }
        }
        checked
    }

    /// Notes that the call under way has named a page, which may show a frame.
    fn name_page(&mut self, address: usize) -> Result<(), Refusal> {
        if !address.is_multiple_of(page_size()) {
            return Err(Refusal::Invalid);
        }
        let (_, area) = self.area_at(address).ok_or(Refusal::Conflict)?;
        if area.kind != Kind::Physical {
            return Err(Refusal::Conflict);
        }
        if !self.physical.open_window(area.start, area.end) {
            return Err(Refusal::NoMemory);
        }
        let shown = self.physical.shown(address).ok_or(Refusal::Conflict)?;
        if *shown & PAGE_NAMED != 0 {
            return Err(Refusal::Invalid);
        }
        *shown |= PAGE_NAMED;
        Ok(())
    }

    /// Notes that the call under way, all of whose pages are named, has named a
    /// frame, which may be shown.
    fn name_frame(&mut self, number: usize) -> Result<(), Refusal> {
        let state = *self.physical.taken(number).ok_or(Refusal::Invalid)?;
        if state.0 & NAMED != 0 {
            return Err(Refusal::Invalid);
        }
        let stays_elsewhere = state != UNMAPPED
            && (self.physical.shown(state.0)).is_none_or(|shown| *shown & PAGE_NAMED == 0);
        if stays_elsewhere {
            return Err(Refusal::Invalid);
        }
        if let Some(frame) = self.physical.taken(number) {
            frame.0 |= NAMED;
        }
        Ok(())
    }

    fn show_frame(&self, address: usize, size: usize, number: usize) -> bool {
        let Some(file) = self.physical.file else {
            return false;
        };
        let offset = ((number - FIRST) * page_size()) as u64;
        let base = pointer(address);
        // SAFETY: the pages are a window's of the program's, which asks for this.
        unsafe { files::map(base, size, file, offset, sys::Protection::ReadWrite, false).is_ok() }
    }

    pub(super) fn show_nothing(&self, address: usize, size: usize) -> bool {
        // SAFETY: as above; what the pages showed stays in its frame.
        unsafe { sys::decommit(pointer(address), size) }
    }

    /// Has a page show what the records say, after a call failed on its way.
    fn show_again(&mut self, address: usize) {
        let shown = self.physical.shown(address).map_or(0, |shown| *shown) as usize;
        ballast::put_back(|| match shown.checked_sub(1) {
            Some(number) => self.show_frame(address, page_size(), number),
            None => self.show_nothing(address, page_size()),
        });
    }

    /// Records which frame a page shows.
    pub(super) fn record(&mut self, address: usize, frame: Option<usize>) {
        if let Some(shown) = self.physical.shown(address) {
            *shown = frame.map_or(0, |number| number as u32 + 1);
        }
        if let Some(state) = frame.and_then(|number| self.physical.taken(number)) {
            *state = Frame(address);
        }
    }
}

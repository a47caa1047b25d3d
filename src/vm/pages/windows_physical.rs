//! On Windows: physical pages and windows, which are the system's (AWE).
//!
//! What a window shows is noted here, one bit for a page: `VirtualQuery` tells of the window,
//! not of that.

use super::{PageError, error_of, pointer};
use crate::sys;
use crate::vm::notes::Notes;
use crate::vm::numbers::Numbers;
use core::ops::Range;
use windows_sys::Win32::Foundation::ERROR_INVALID_PARAMETER;

/// Who pages are of: there are no forks here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Owner;

impl Owner {
    /// The calling process.
    pub(in super::super) fn own() -> Owner {
        Owner
    }
}

/// Takes up to `count` pages from the system: their numbers, and how many there are.
pub(in super::super) fn take_pages(count: usize) -> Result<(Numbers, usize), PageError> {
    let bytes = count.checked_mul(crate::vm::page_size());
    if bytes.is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(PageError::NoMemory);
    }
    let mut numbers = Numbers::new(count).ok_or(PageError::NoMemory)?;
    match sys::take_physical(numbers.get_mut()).map_err(error_of)? {
        0 => Err(PageError::NoMemory),
        given => Ok((numbers, given)),
    }
}

/// Gives pages back.
pub(in super::super) fn give_pages(mut left: &[usize]) {
    while !left.is_empty() {
        // One that is refused stays the process's.
        let freed = sys::give_physical(left);
        left = left.get(freed.saturating_add(1)..).unwrap_or_default();
    }
}

/// A window's addresses.
#[derive(Debug)]
pub(in super::super) struct Opened {
    start: usize,
    size: usize,
    /// Which pages show something.
    shown: Notes,
}

impl Opened {
    pub(in super::super) fn new(size: usize) -> Result<Opened, PageError> {
        let size = crate::vm::round_to_pages(size).filter(|&size| size != 0);
        let size = size.filter(|&size| isize::try_from(size).is_ok());
        let size = size.ok_or(PageError::Invalid)?;
        let pages = size / crate::vm::page_size();
        let shown = Notes::new(pages).ok_or(PageError::NoMemory)?;
        match sys::reserve_window(size) {
            Ok(base) => Ok(Opened {
                start: base.expose_provenance(),
                size,
                shown,
            }),
            Err(error) => {
                shown.free(pages);
                Err(error_of(error))
            }
        }
    }

    pub(in super::super) fn size(&self) -> usize {
        self.size
    }

    /// Has the `count` pages at these places of the window show those with these numbers, or
    /// nothing. All places are inside.
    pub(in super::super) fn map(
        &mut self,
        count: usize,
        place: impl Fn(usize) -> usize,
        number: impl Fn(usize) -> Option<usize>,
    ) -> Result<(), PageError> {
        let page = crate::vm::page_size();
        let mut addresses = Numbers::new(count).ok_or(PageError::NoMemory)?;
        let mut numbers = Numbers::new(count).ok_or(PageError::NoMemory)?;
        let pairs = addresses.get_mut().iter_mut().zip(numbers.get_mut());
        for (nth, (address, own)) in pairs.enumerate() {
            *address = self.start + place(nth) * page;
            *own = number(nth).unwrap_or(0);
        }
        // SAFETY: the addresses are this window's, which is borrowed mutably.
        let shown = unsafe { sys::show_physical(addresses.get(), numbers.get()) };
        shown.map_err(|error| match error.0 {
            // All else was checked before: a page is shown elsewhere, or named twice.
            ERROR_INVALID_PARAMETER => PageError::InUse,
            _ => error_of(error),
        })?;
        for nth in 0..count {
            match number(nth) {
                Some(_) => self.shown.set(place(nth)),
                None => self.shown.clear(place(nth)),
            }
        }
        Ok(())
    }

    /// Whether pages are shown in all of a range of bytes, which is inside.
    pub(in super::super) fn shows(&self, range: &Range<usize>) -> bool {
        let page = crate::vm::page_size();
        range.is_empty()
            || (range.start / page..range.end.div_ceil(page))
                .all(|number| self.shown.is_set(number))
    }

    /// A pointer to a byte of it.
    pub(in super::super) fn pointer(&self, offset: usize) -> *mut u8 {
        pointer(self.start + offset)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // SAFETY: whoever showed anything in the window borrowed it.
        unsafe { sys::release(pointer(self.start), self.size) };
        self.shown.free(self.size / crate::vm::page_size());
    }
}

//! On Unix: physical pages and windows, by the table of regions.

use super::{PageAccess, PageError, error_of, pointer, query};
use crate::sync::forks;
use crate::sys::{self, Whereabouts};
use crate::vm::numbers::Numbers;
use crate::vm::regions::{self, Kind, Protect, Refusal, Request};
use core::ops::Range;

/// Who pages are of: a process, and how many forks there were before it, for another may
/// have its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Owner {
    id: u32,
    generation: u32,
}

impl Owner {
    /// The calling process.
    pub(in super::super) fn own() -> Owner {
        Owner {
            id: sys::process_id(),
            generation: forks::generation(),
        }
    }
}

/// The most pages that are worth asking for: more the system cannot keep in memory.
fn most_pages() -> usize {
    let bytes = sys::system::memory().map_or(u64::MAX, |memory| memory.available);
    usize::try_from(bytes).unwrap_or(usize::MAX) / crate::vm::page_size()
}

/// Takes up to `count` pages from the system: their numbers, and how many there are.
pub(in super::super) fn take_pages(count: usize) -> Result<(Numbers, usize), PageError> {
    let bytes = count.checked_mul(crate::vm::page_size());
    if bytes.is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(PageError::NoMemory);
    }
    // Asking costs a file of the system's; a few pages it has, or refuses.
    const FEW: usize = 1024;
    let count = if count > FEW {
        count.min(most_pages().max(FEW))
    } else {
        count
    };
    let mut numbers = Numbers::new(count).ok_or(PageError::NoMemory)?;
    let given = regions::allocate_frames(numbers.get_mut()).map_err(error_of)?;
    Ok((numbers, given))
}

/// Gives pages back. One that is refused stays charged, as it is.
pub(in super::super) fn give_pages(mut left: &[usize]) {
    while !left.is_empty() {
        let (freed, _) = regions::free_frames(left);
        left = left.get(freed.saturating_add(1)..).unwrap_or_default();
    }
}

/// A window's addresses.
#[derive(Debug)]
pub(in super::super) struct Opened {
    start: usize,
    size: usize,
}

impl Opened {
    pub(in super::super) fn new(size: usize) -> Result<Opened, PageError> {
        let request = Request {
            kind: Kind::Physical,
            ..Request::private(Protect::READ_WRITE)
        };
        let reserved = regions::reserve(&Whereabouts::default(), size, &request);
        let (start, size) = reserved.map_err(error_of)?;
        Ok(Opened { start, size })
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
        let address = |nth| self.start + place(nth) * page;
        regions::map_frames(count, address, number).map_err(|refusal| match refusal {
            // All else is checked before: numbers are the process's own, addresses a window's.
            Refusal::Invalid => PageError::InUse,
            other => error_of(other),
        })
    }

    /// Whether pages are shown in all of a range of bytes, which is inside.
    pub(in super::super) fn shows(&self, range: &Range<usize>) -> bool {
        let mut at = range.start;
        while at < range.end {
            match query(self.start + at) {
                Some(told) if told.opens_to(PageAccess::writes) => at = told.end - self.start,
                _ => return false,
            }
        }
        true
    }

    /// A pointer to a byte of it.
    pub(in super::super) fn pointer(&self, offset: usize) -> *mut u8 {
        pointer(self.start + offset)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // SAFETY: whoever showed anything in the window borrowed it.
        unsafe { regions::abandon(self.start) };
    }
}

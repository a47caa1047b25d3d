//! How a reservation is to be made.

use super::pages::{self, Caching, PageError, Wanted};
use super::placeholder::Placeholder;
use super::reservation::Reservation;
use crate::sys::Whereabouts;

/// Bytes of a large page, for [`ReserveOptions::large_pages`]; `None` where the system has
/// none.
///
/// Source: "GetLargePageMinimum function (memoryapi.h)".
pub fn large_page_size() -> Option<usize> {
    crate::sys::large_page_size()
}

/// What a reservation is to be beyond its size: where it lies, in which pages, and
/// whether writes to it are noted. Without any option it is what [`Reservation::new`]
/// makes.
///
/// Source: "VirtualAlloc2 function (memoryapi.h)", "MEM_ADDRESS_REQUIREMENTS".
///
/// ```
/// use ntheap::vm::ReserveOptions;
///
/// let low = ReserveOptions::new()
///     .below(1 << 32)
///     .alignment(1 << 20)
///     .reserve(64 << 10)?;
/// assert_eq!(low.as_ptr().addr() % (1 << 20), 0);
/// assert!(low.as_ptr().addr() < 1 << 32);
/// # Ok::<(), ntheap::vm::PageError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ReserveOptions {
    wanted: Wanted,
}

impl ReserveOptions {
    /// No options.
    pub fn new() -> ReserveOptions {
        ReserveOptions::default()
    }

    /// At this address, a multiple of 64 KiB (it is [`PageError::Invalid`] otherwise):
    /// there or nowhere. 0 stands for anywhere. Not together with bounds or an alignment.
    #[must_use]
    pub fn at(mut self, address: usize) -> ReserveOptions {
        self.wanted.at.address = address;
        self
    }

    /// No byte below this address, a multiple of 64 KiB.
    #[must_use]
    pub fn at_or_above(mut self, lowest: usize) -> ReserveOptions {
        self.wanted.at.lowest = lowest;
        self
    }

    /// All bytes below this address, a multiple of the page size; 0 for no limit.
    #[must_use]
    pub fn below(mut self, limit: usize) -> ReserveOptions {
        self.wanted.at.limit = limit;
        self
    }

    /// At a multiple of so many bytes: a power of two from 64 KiB on; 0 for 64 KiB.
    #[must_use]
    pub fn alignment(mut self, bytes: usize) -> ReserveOptions {
        self.wanted.at.alignment = bytes;
        self
    }

    /// At the highest address that is free, within the bounds (MEM_TOP_DOWN).
    #[must_use]
    pub fn top_down(mut self) -> ReserveOptions {
        self.wanted.at.top_down = true;
        self
    }

    /// In large pages (MEM_LARGE_PAGES), committed at once, readable and writable, for
    /// good: they can be neither committed nor decommitted, nor protected in part of one,
    /// nor made a placeholder. The size is a multiple of [`large_page_size`].
    ///
    /// They come from a pool that the system's owner has filled; where it is empty,
    /// reserving is [`PageError::NoMemory`]. On Windows the process needs
    /// SeLockMemoryPrivilege ([`PageError::Denied`]).
    ///
    /// [`large_page_size`]: super::large_page_size
    #[must_use]
    pub fn large_pages(mut self) -> ReserveOptions {
        self.wanted.large = true;
        self
    }

    /// Has the system note which pages are written to (MEM_WRITE_WATCH), for
    /// [`Reservation::written`]. Not together with large pages.
    ///
    /// On Linux it takes a kernel of 6.7 or later with userfaultfd; where there is none,
    /// reserving is [`PageError::Unsupported`].
    #[must_use]
    pub fn write_watch(mut self) -> ReserveOptions {
        self.wanted.watched = true;
        self
    }

    /// Cached so (PAGE_NOCACHE, PAGE_WRITECOMBINE): all pages that are committed, as long as
    /// the reservation.
    #[must_use]
    pub fn caching(mut self, caching: Caching) -> ReserveOptions {
        self.wanted.caching = caching;
        self
    }

    /// Whether the options say where, and nothing else.
    pub(super) fn is_place(&self) -> bool {
        let says_more = self.wanted.large || self.wanted.watched;
        !says_more && self.wanted.caching == Caching::Usual && self.wanted.is_possible()
    }

    /// Where.
    pub(super) fn place(&self) -> &Whereabouts {
        &self.wanted.at
    }

    /// Reserves `size` bytes, rounded up to pages.
    ///
    /// With bounds the time grows with the number of the process's mappings, otherwise it
    /// is a system call.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for a size of 0 or more than there are addresses, and for
    /// options that have no meaning or do not go together; [`PageError::InUse`] when
    /// something is at the address; [`PageError::NoMemory`] when there is no such place, or
    /// the system refuses; [`PageError::Unsupported`] for bounds and alignments on Windows
    /// before Windows 10 1803.
    pub fn reserve(self, size: usize) -> Result<Reservation, PageError> {
        Reservation::wanted(&self.wanted, size)
    }

    /// Reserves `size` bytes, rounded up to pages, as a placeholder: address space that a
    /// reservation or a view takes the place of later.
    ///
    /// # Errors
    /// As for [`reserve`](ReserveOptions::reserve), and [`PageError::Invalid`] for large
    /// pages, noted writes and caching. [`PageError::Unsupported`] on Windows before
    /// Windows 10 1803.
    pub fn placeholder(self, size: usize) -> Result<Placeholder, PageError> {
        if !self.is_place() {
            return Err(PageError::Invalid);
        }
        let wanted = Wanted {
            is_placeholder: true,
            ..self.wanted
        };
        #[cfg(unix)]
        let (start, size) = pages::reserve(&wanted, size, super::regions::Touch::Fault)?;
        #[cfg(windows)]
        let (start, size) = pages::reserve(&wanted, size)?;
        Ok(Placeholder::of(start, size))
    }
}

//! What the pages of a reservation hold: needed or not, in memory or not, written to or
//! not.
//!
//! Contents that are not needed the system may take, page by page, when it is short of
//! memory: a page that was taken reads 0. It does so at a moment of its own. No reference
//! may see that, so that pages whose contents may go are not shown: those that are offered
//! cannot be accessed at all, and those that were reset hold what they hold, for good, as
//! soon as they are shown.

use super::pages::{self, PageError};
use super::reservation::Reservation;
use core::ops::Range;

/// Which pages of a reservation were written to, what they hold, and whether that stays in
/// memory.
impl Reservation {
    /// Says that what pages hold is not needed: the system may take it, and they stay
    /// committed (MEM_RESET). It never fails because of what the pages are: those that
    /// cannot be written to, locked ones and large ones keep what they hold.
    ///
    /// The system takes contents at any moment from now on, and 0 is read then. That
    /// ends for a page when it is shown by [`bytes`](Reservation::bytes) and its kin: it
    /// holds then what it held, whole, or only zeros, and keeps it. Through
    /// [`as_ptr`](Reservation::as_ptr) a page may change between two reads until it is
    /// written to.
    ///
    /// The time grows with the pages of the range that are in memory, of which the first
    /// words are read.
    ///
    /// Source: "VirtualAlloc function (memoryapi.h)", MEM_RESET.
    ///
    /// ```
    /// use ntheap::vm::Reservation;
    ///
    /// let mut cache = Reservation::new(1 << 20)?;
    /// cache.commit(0..1 << 20)?.fill(7);
    /// cache.reset(0..1 << 20)?;
    /// // Later: is it still there?
    /// if !cache.undo_reset(0..1 << 20)? {
    ///     cache.bytes_mut(0..1 << 20)?.fill(7);
    /// }
    /// assert_eq!(cache.bytes(0..1)?, [7]);
    /// # Ok::<(), ntheap::vm::PageError>(())
    /// ```
    ///
    /// # Errors
    /// [`PageError::Invalid`] for an empty range or one that is not inside.
    pub fn reset(&mut self, range: Range<usize>) -> Result<(), PageError> {
        #[cfg(unix)]
        {
            let (start, length) = self.pages(&range)?;
            // SAFETY: nobody borrows from the reservation, and what it shows from now on is
            // kept first.
            unsafe { pages::reset(start, length) }
        }
        #[cfg(windows)]
        {
            self.pages(&range)?;
            let size = self.size();
            let (marks, start) = self.marks();
            marks.reset(start, size, &range);
            Ok(())
        }
    }

    /// Says that what pages hold is needed after all (MEM_RESET_UNDO). Whether all that
    /// were reset hold what they held; if not, some read 0 and the others are kept. On
    /// Windows it is the system's answer, and Wine's is always no.
    ///
    /// Source: "VirtualAlloc function (memoryapi.h)", MEM_RESET_UNDO.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for an empty range, one that is not inside, and a reservation
    /// of which nothing was ever reset.
    pub fn undo_reset(&mut self, range: Range<usize>) -> Result<bool, PageError> {
        #[cfg(unix)]
        {
            let (start, length) = self.pages(&range)?;
            pages::undo_reset(start, length)
        }
        #[cfg(windows)]
        {
            self.pages(&range)?;
            let (marks, start) = self.marks();
            marks.undo_reset(start, &range)
        }
    }

    /// Offers whole pages, committed and [`ReadWrite`](super::PageAccess::ReadWrite), to
    /// the system: they cannot be accessed until they are reclaimed, and the system may
    /// take what they hold. Locked ones are no longer locked.
    ///
    /// Committing offered pages makes them accessible as well; what they hold then is what
    /// they held, or 0, page by page, and nothing tells which.
    ///
    /// The time is that of [`reset`](Reservation::reset).
    ///
    /// Source: "OfferVirtualMemory function (memoryapi.h)".
    ///
    /// # Errors
    /// [`PageError::Invalid`] for bytes that are no whole pages, and pages with another
    /// access; [`PageError::NotCommitted`]; [`PageError::NoMemory`] when the system has no
    /// room for another mapping; [`PageError::Unsupported`] on Windows before 8.1.
    pub fn offer(&mut self, range: Range<usize>) -> Result<(), PageError> {
        #[cfg(unix)]
        {
            let (start, length) = self.pages(&range)?;
            pages::offer(start, length)
        }
        #[cfg(windows)]
        {
            self.pages(&range)?;
            let size = self.size();
            let (marks, start) = self.marks();
            marks.offer(start, size, &range)
        }
    }

    /// Makes offered pages accessible again. Whether they hold what they held; if not,
    /// some read 0, all bytes of a page or none. On Windows the system does not say then what
    /// any of them hold.
    ///
    /// Source: "ReclaimVirtualMemory function (memoryapi.h)".
    ///
    /// # Errors
    /// [`PageError::Invalid`] for bytes that are no whole pages, and pages that are not
    /// offered; [`PageError::NotCommitted`]; [`PageError::NoMemory`].
    pub fn reclaim(&mut self, range: Range<usize>) -> Result<bool, PageError> {
        #[cfg(unix)]
        {
            let (start, length) = self.pages(&range)?;
            pages::reclaim(start, length)
        }
        #[cfg(windows)]
        {
            self.pages(&range)?;
            let (marks, start) = self.marks();
            marks.reclaim(start, &range)
        }
    }

    /// Gives the memory of whole pages back at once; they stay committed, which is
    /// [`ReadWrite`](super::PageAccess::ReadWrite), and read 0. Where the system does not
    /// take it on Unix they keep what they hold.
    ///
    /// Source: "DiscardVirtualMemory function (memoryapi.h)".
    ///
    /// # Errors
    /// [`PageError::Invalid`] for bytes that are no whole pages, large pages, and pages
    /// with another access or (on Windows) a guard; [`PageError::NotCommitted`], also where
    /// some are offered; [`PageError::NoMemory`] on Windows, where they are decommitted and
    /// committed again.
    pub fn discard(&mut self, range: Range<usize>) -> Result<(), PageError> {
        let (start, length) = self.pages(&range)?;
        self.bar_offered(&range)?;
        // SAFETY: nobody borrows from the reservation.
        unsafe { pages::discard(start, length) }?;
        #[cfg(windows)]
        self.marks().0.forget(&range);
        Ok(())
    }

    /// Refuses ranges in which something is offered.
    fn bar_offered(&self, range: &Range<usize>) -> Result<(), PageError> {
        let mut at = range.start;
        while at < range.end {
            let told = self.alike(at).ok_or(PageError::Invalid)?;
            if told.is_offered {
                return Err(PageError::NotCommitted);
            }
            at = told.end - self.as_ptr().addr();
        }
        Ok(())
    }

    /// Says that pages will be used soon. A hint, which changes nothing that can be read;
    /// pages that are not committed are skipped.
    ///
    /// Source: "PrefetchVirtualMemory function (memoryapi.h)".
    ///
    /// # Errors
    /// [`PageError::Invalid`] for an empty range or one that is not inside.
    pub fn prefetch(&self, range: Range<usize>) -> Result<(), PageError> {
        let (start, length) = self.pages(&range)?;
        pages::prefetch(start, length);
        Ok(())
    }

    /// Has committed pages stay in memory until they are unlocked or given back. There is
    /// no count: one [`unlock`](Reservation::unlock) undoes any number of calls.
    ///
    /// Source: "VirtualLock function (memoryapi.h)".
    ///
    /// # Errors
    /// [`PageError::Guard`] when one was a guard page, which is none any more, and nothing
    /// is locked; [`PageError::NotCommitted`] when some cannot be accessed;
    /// [`PageError::LockLimit`] when the system locks no more (`RLIMIT_MEMLOCK`; the
    /// working set's minimum on Windows), and those that were locked stay so;
    /// [`PageError::Invalid`].
    pub fn lock(&mut self, range: Range<usize>) -> Result<(), PageError> {
        let (start, length) = self.pages(&range)?;
        self.bar_offered(&range)?;
        pages::lock(start, length)
    }

    /// Lets locked pages leave memory again.
    ///
    /// Source: "VirtualUnlock function (memoryapi.h)".
    ///
    /// # Errors
    /// [`PageError::NotLocked`] when not all were locked, and nothing changes then;
    /// [`PageError::Invalid`].
    pub fn unlock(&mut self, range: Range<usize>) -> Result<(), PageError> {
        let (start, length) = self.pages(&range)?;
        pages::unlock(start, length)
    }

    /// Tells which pages of a range were written to since they were reserved or last
    /// forgotten: the offsets of their first bytes go to `found`, in order, as many as it
    /// has room for. How many. A page counts as written whoever wrote to it, the system on
    /// the program's behalf included, and stays noted when it is decommitted.
    ///
    /// The time grows with the pages of the range that are in memory.
    ///
    /// Source: "GetWriteWatch function (memoryapi.h)".
    ///
    /// ```
    /// use ntheap::vm::{PageError, Reservation, page_size};
    ///
    /// let page = page_size();
    /// let mut memory = match Reservation::options().write_watch().reserve(8 * page) {
    ///     // This system does not note what is written.
    ///     Err(PageError::Unsupported) => return Ok(()),
    ///     other => other?,
    /// };
    /// memory.commit(0..8 * page)?[5 * page + 9] = 1;
    /// let mut found = [0; 8];
    /// assert_eq!(memory.take_written(0..8 * page, &mut found)?, 1);
    /// assert_eq!(found[0], 5 * page);
    /// assert_eq!(memory.written(0..8 * page, &mut found)?, 0);
    /// # Ok::<(), PageError>(())
    /// ```
    ///
    /// # Errors
    /// [`PageError::Invalid`] for an empty range, one that is not inside, and a reservation
    /// without [`write_watch`](super::ReserveOptions::write_watch);
    /// [`PageError::Unsupported`] when the system does not tell.
    pub fn written(&self, range: Range<usize>, found: &mut [usize]) -> Result<usize, PageError> {
        self.tell_written(&range, found, false)
    }

    /// The same, and forgets the pages that it tells of, each in one step: what is written
    /// meanwhile is told now or the next time.
    pub fn take_written(
        &self,
        range: Range<usize>,
        found: &mut [usize],
    ) -> Result<usize, PageError> {
        self.tell_written(&range, found, true)
    }

    fn tell_written(
        &self,
        range: &Range<usize>,
        found: &mut [usize],
        forgets: bool,
    ) -> Result<usize, PageError> {
        let (start, length) = self.pages(range)?;
        let base = self.as_ptr().addr();
        let most = found.len();
        pages::written(start, length, forgets, most, |nth, page| {
            if let Some(place) = found.get_mut(nth) {
                *place = page - base;
            }
        })
    }

    /// Forgets which pages of a range were written to.
    ///
    /// Source: "ResetWriteWatch function (memoryapi.h)".
    ///
    /// # Errors
    /// As for [`written`](Reservation::written).
    pub fn forget_written(&self, range: Range<usize>) -> Result<(), PageError> {
        let (start, length) = self.pages(&range)?;
        pages::forget_written(start, length)
    }
}

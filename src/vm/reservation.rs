//! A reservation of a program's own, safe.

use super::pages::{self, PageAccess, PageError};
use core::ops::Range;

/// Address space that is a program's own: reserved first, committed, protected
/// and decommitted by the page, and given back when it is dropped.
///
/// Offsets are in bytes from its start. Ranges of bytes stand for all pages that
/// they touch. On Unix `VirtualQuery` tells of it as of any reservation, and its
/// committed bytes are counted as [`Use::Program`](super::Use::Program).
///
/// Operations take a system call or none; finding what pages are takes a time
/// that grows with the logarithm of the number of regions in the process.
///
/// ```
/// use ntheap::vm::{PageAccess, Reservation};
///
/// let mut gigabyte = Reservation::new(1 << 30)?;
/// gigabyte.commit(0..4096)?[0] = 7;
/// gigabyte.protect(0..4096, PageAccess::Read)?;
/// assert_eq!(gigabyte.bytes(0..1)?, [7]);
/// assert!(gigabyte.bytes_mut(0..1).is_err());
/// gigabyte.decommit(0..4096)?;
/// assert!(gigabyte.bytes(0..1).is_err());
/// # Ok::<(), ntheap::vm::PageError>(())
/// ```
#[derive(Debug)]
pub struct Reservation {
    start: usize,
    size: usize,
}

/// Pages in a row of a reservation that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRun {
    /// Where they lie, in bytes from the reservation's start.
    pub range: Range<usize>,
    /// Their access; `None` where they are only reserved.
    pub access: Option<PageAccess>,
}

impl Reservation {
    /// Reserves `size` bytes, rounded up to pages, at a multiple of 64 KiB.
    pub fn new(size: usize) -> Result<Reservation, PageError> {
        let (start, size) = pages::reserve(size)?;
        Ok(Reservation { start, size })
    }

    #[cfg(unix)]
    pub(super) fn touched(
        size: usize,
        touch: super::regions::Touch,
    ) -> Result<Reservation, PageError> {
        let (start, size) = pages::reserve_touched(size, touch)?;
        Ok(Reservation { start, size })
    }

    /// The first byte. What lies there may be used only where it is committed,
    /// and not across a call that takes the reservation mutably.
    pub fn as_ptr(&self) -> *mut u8 {
        core::ptr::with_exposed_provenance_mut(self.start)
    }

    /// How many bytes are reserved.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The address and length of a range that lies inside.
    fn part(&self, range: &Range<usize>) -> Result<(usize, usize), PageError> {
        if range.start > range.end || range.end > self.size {
            return Err(PageError::Invalid);
        }
        Ok((self.start + range.start, range.end - range.start))
    }

    /// Commits pages, readable and writable, and shows the bytes named: 0 where
    /// they were not committed, what they held where they were. Refused as a whole
    /// or done as a whole.
    pub fn commit(&mut self, range: Range<usize>) -> Result<&mut [u8], PageError> {
        let (start, length) = self.part(&range)?;
        pages::commit(start, length, PageAccess::ReadWrite)?;
        self.bytes_mut(range)
    }

    /// Gives committed pages other rights.
    pub fn protect(&mut self, range: Range<usize>, access: PageAccess) -> Result<(), PageError> {
        let (start, length) = self.part(&range)?;
        pages::protect(start, length, access)
    }

    /// Gives pages back: they are reserved again, and what they held is gone.
    pub fn decommit(&mut self, range: Range<usize>) -> Result<(), PageError> {
        let (start, length) = self.part(&range)?;
        if length == 0 {
            return Err(PageError::Invalid);
        }
        // SAFETY: whoever had a reference to the bytes borrowed the reservation,
        // which is borrowed mutably here.
        unsafe { pages::decommit(start, length) }
    }

    /// The pages around a byte that are alike; `None` beyond the end.
    pub fn query(&self, offset: usize) -> Option<PageRun> {
        if offset >= self.size {
            return None;
        }
        let (start, end, access) = pages::query(self.start + offset)?;
        Some(PageRun {
            range: start.max(self.start) - self.start..end.min(self.start + self.size) - self.start,
            access,
        })
    }

    /// Whether all pages of a range have an access that `fits`.
    fn all(&self, range: &Range<usize>, fits: impl Fn(PageAccess) -> bool) -> bool {
        let mut at = range.start;
        while at < range.end {
            match self.query(at) {
                Some(run) if run.access.is_some_and(&fits) => at = run.range.end,
                _ => return false,
            }
        }
        true
    }

    /// Bytes that are committed and readable.
    pub fn bytes(&self, range: Range<usize>) -> Result<&[u8], PageError> {
        let (start, length) = self.part(&range)?;
        if !self.all(&range, |access| access != PageAccess::None) {
            return Err(PageError::NotCommitted);
        }
        // SAFETY: the bytes are committed and readable, as was just seen, and
        // stay so while the reservation is borrowed; nobody writes to them.
        Ok(unsafe {
            core::slice::from_raw_parts(core::ptr::with_exposed_provenance(start), length)
        })
    }

    /// Bytes that are committed and writable.
    pub fn bytes_mut(&mut self, range: Range<usize>) -> Result<&mut [u8], PageError> {
        let (start, length) = self.part(&range)?;
        let fits = |access| matches!(access, PageAccess::ReadWrite | PageAccess::ReadWriteExecute);
        if !self.all(&range, fits) {
            return Err(PageError::NotCommitted);
        }
        let start = core::ptr::with_exposed_provenance_mut(start);
        // SAFETY: the bytes are committed and writable, as was just seen, and
        // stay so while the reservation is borrowed, mutably.
        Ok(unsafe { core::slice::from_raw_parts_mut(start, length) })
    }

    /// How many bytes are committed.
    pub fn committed(&self) -> usize {
        let mut sum = 0;
        let mut at = 0;
        while let Some(run) = self.query(at) {
            if run.access.is_some() {
                sum += run.range.end - at;
            }
            at = run.range.end;
        }
        sum
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the owner of the reservation is gone, and with it all that
        // borrowed from it.
        unsafe { pages::release(self.start, self.size) };
    }
}

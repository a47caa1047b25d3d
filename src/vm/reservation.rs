//! A reservation of a program's own, safe.

use super::options::ReserveOptions;
use super::pages::{self, Alike, PageAccess, PageError, Refused, Wanted};
use super::placeholder::Placeholder;
use core::mem::ManuallyDrop;
use core::ops::Range;

/// Address space that is a program's own: reserved first, committed, protected
/// and decommitted by the page, and given back when it is dropped.
///
/// Offsets are in bytes from its start. Ranges of bytes stand for all pages that
/// they touch, unless it is said that they are whole pages. On Unix `VirtualQuery`
/// tells of it as of any reservation, and its committed bytes are counted as
/// [`Use::Program`](super::Use::Program).
///
/// Operations take a system call or none; finding what pages are takes a time
/// that grows with the logarithm of the number of regions in the process. None panics.
/// What changes pages borrows the reservation mutably, so that nobody has a reference to
/// bytes that go away; through a shared reference any thread may read.
///
/// Safe functions show only bytes whose access does not fault: pages that are reserved,
/// without access, guarded or offered are refused. Whoever uses [`as_ptr`] on such pages
/// faults, which ends the process unless a handler goes on.
///
/// A reservation that is forgotten stays, as any memory does that is leaked.
///
/// Source: "VirtualAlloc function (memoryapi.h)" and the pages of its kin.
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
///
/// [`as_ptr`]: Reservation::as_ptr
#[derive(Debug)]
pub struct Reservation {
    start: usize,
    size: usize,
    #[cfg(windows)]
    marks: super::marks::Marks,
}

/// Pages in a row of a reservation or a view that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageRun {
    /// Where they lie, in bytes from its start.
    pub range: Range<usize>,
    /// Their access; `None` where they are only reserved.
    pub access: Option<PageAccess>,
    /// Whether the next access is caught ([`Reservation::guard`]).
    pub is_guard: bool,
    /// Whether they are locked in memory. On Windows never: the system does not tell.
    pub is_locked: bool,
    /// Whether they are offered to the system, and barred until they are reclaimed.
    pub is_offered: bool,
}

impl PageRun {
    /// Pages of a range of offsets, as the table tells of them.
    pub(super) fn of(range: Range<usize>, told: &Alike) -> PageRun {
        PageRun {
            range,
            access: told.access,
            is_guard: told.is_guard,
            is_locked: told.is_locked,
            is_offered: told.is_offered,
        }
    }
}

impl Reservation {
    /// Reserves `size` bytes, rounded up to pages, at a multiple of 64 KiB.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for a size of 0 or more than there are addresses;
    /// [`PageError::NoMemory`].
    pub fn new(size: usize) -> Result<Reservation, PageError> {
        Reservation::wanted(&Wanted::default(), size)
    }

    /// How a reservation is to be made: [`ReserveOptions::new`].
    pub fn options() -> ReserveOptions {
        ReserveOptions::new()
    }

    pub(super) fn wanted(wanted: &Wanted, size: usize) -> Result<Reservation, PageError> {
        #[cfg(unix)]
        let (start, size) = pages::reserve(wanted, size, super::regions::Touch::Fault)?;
        #[cfg(windows)]
        let (start, size) = pages::reserve(wanted, size)?;
        Ok(Reservation::of(start, size))
    }

    #[cfg(unix)]
    pub(super) fn touched(
        size: usize,
        touch: super::regions::Touch,
    ) -> Result<Reservation, PageError> {
        let (start, size) = pages::reserve(&Wanted::default(), size, touch)?;
        Ok(Reservation::of(start, size))
    }

    /// The reservation of these bytes, which nobody else has.
    pub(super) fn of(start: usize, size: usize) -> Reservation {
        Reservation {
            start,
            size,
            #[cfg(windows)]
            marks: super::marks::Marks::new(),
        }
    }

    /// The first byte. What lies there may be used only where it is committed,
    /// and not across a call that takes the reservation mutably.
    pub fn as_ptr(&self) -> *mut u8 {
        pages::pointer(self.start)
    }

    /// How many bytes are reserved.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The address and length of a range that lies inside.
    pub(super) fn part(&self, range: &Range<usize>) -> Result<(usize, usize), PageError> {
        if range.start > range.end || range.end > self.size {
            return Err(PageError::Invalid);
        }
        Ok((self.start + range.start, range.end - range.start))
    }

    /// The same of a range that is not empty.
    pub(super) fn pages(&self, range: &Range<usize>) -> Result<(usize, usize), PageError> {
        let (start, length) = self.part(range)?;
        if length == 0 {
            return Err(PageError::Invalid);
        }
        Ok((start, length))
    }

    /// Commits pages, readable and writable, and shows the bytes named: 0 where
    /// they were not committed, what they held where they were. Refused as a whole
    /// or done as a whole.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for an empty range or one that is not inside, and in large
    /// pages; [`PageError::NoMemory`]; [`PageError::CommitLimit`].
    pub fn commit(&mut self, range: Range<usize>) -> Result<&mut [u8], PageError> {
        let (start, length) = self.pages(&range)?;
        self.open_offered(&range);
        pages::commit(start, length, PageAccess::ReadWrite)?;
        self.bytes_mut(range)
    }

    /// Commits pages with this access; those that were committed keep what they hold and
    /// get it too. Refused as a whole or done as a whole.
    ///
    /// Source: "VirtualAlloc function (memoryapi.h)".
    ///
    /// # Errors
    /// As for [`commit`](Reservation::commit).
    pub fn commit_as(&mut self, range: Range<usize>, access: PageAccess) -> Result<(), PageError> {
        let (start, length) = self.pages(&range)?;
        // What the system may be about to take of pages that cannot be written to then, it
        // might take while they are shown.
        self.open_offered(&range);
        self.keep(&range);
        pages::commit(start, length, access)
    }

    /// Makes pages accessible that are offered and will be committed.
    #[cfg_attr(unix, expect(clippy::unused_self, reason = "committing does it"))]
    fn open_offered(&mut self, _range: &Range<usize>) {
        #[cfg(windows)]
        self.marks.open(self.start, _range);
    }

    /// Gives committed pages other rights; a guard that they had is gone.
    ///
    /// Source: "VirtualProtect function (memoryapi.h)".
    ///
    /// # Errors
    /// [`PageError::NotCommitted`] when not all are committed, or the system may be about
    /// to take what some of them hold (`reset` and `offer`); [`PageError::Invalid`];
    /// [`PageError::NoMemory`].
    pub fn protect(&mut self, range: Range<usize>, access: PageAccess) -> Result<(), PageError> {
        let (start, length) = self.settled(&range)?;
        pages::protect(start, length, access, false)
    }

    /// Gives committed pages this access, and has the next access to each be caught
    /// (PAGE_GUARD): a guard page is an alarm that rings once.
    ///
    /// What happens on the first access to a guarded page, by [`as_ptr`] or from code
    /// that runs there, reading or writing: the page is no guard any more, then
    /// handlers are asked. With `win32` those are exception handlers, who see
    /// STATUS_GUARD_PAGE_VIOLATION; on Unix one that `set_guard_handler` has set comes
    /// before. If one of them goes on, the access is made with the rights of `access`, and
    /// so are all that follow. If none does, the page is a guard page again, handlers of
    /// the system are asked, and the process ends. [`lock`](Reservation::lock) takes a
    /// guard away as well, and says so. A system call that meets a guard page (`read`
    /// into it) fails on Unix, and leaves it.
    ///
    /// Safe functions do not touch guard pages: [`bytes`](Reservation::bytes) and its kin
    /// are refused, until the guard is gone.
    ///
    /// Source: "Creating Guard Pages", "Memory Protection Constants".
    ///
    /// ```
    /// use ntheap::vm::{PageAccess, PageError, Reservation};
    ///
    /// let mut memory = Reservation::new(4096)?;
    /// memory.commit(0..4096)?;
    /// memory.guard(0..4096, PageAccess::ReadWrite)?;
    /// assert!(memory.bytes(0..1).is_err());
    /// memory.protect(0..4096, PageAccess::Read)?;
    /// assert_eq!(memory.bytes(0..1), Ok(&[0][..]));
    /// # Ok::<(), PageError>(())
    /// ```
    ///
    /// # Errors
    /// [`PageError::Invalid`] for [`PageAccess::None`] and large pages' parts;
    /// [`PageError::Unsupported`] when faults cannot be caught; otherwise as
    /// [`protect`](Reservation::protect).
    ///
    /// [`as_ptr`]: Reservation::as_ptr
    pub fn guard(&mut self, range: Range<usize>, access: PageAccess) -> Result<(), PageError> {
        let (start, length) = self.settled(&range)?;
        pages::protect(start, length, access, true)
    }

    /// The pages of a range, once nothing that they hold is the system's to take.
    fn settled(&self, range: &Range<usize>) -> Result<(usize, usize), PageError> {
        let (start, length) = self.pages(range)?;
        let mut at = range.start;
        let mut may_go = false;
        while at < range.end {
            let told = self.alike(at).ok_or(PageError::Invalid)?;
            if told.is_offered {
                return Err(PageError::NotCommitted);
            }
            may_go |= told.may_go;
            at = told.end - self.start;
        }
        if may_go && !self.keep(range) {
            return Err(PageError::NotCommitted);
        }
        Ok((start, length))
    }

    /// What is noted of its pages, and where it begins.
    #[cfg(windows)]
    pub(super) fn marks(&mut self) -> (&mut super::marks::Marks, usize) {
        (&mut self.marks, self.start)
    }

    /// The pages around a byte inside that are alike, by addresses.
    pub(super) fn alike(&self, offset: usize) -> Option<Alike> {
        let told = pages::query(self.start + offset)?;
        #[cfg(windows)]
        let told = self.marks.told(self.start, offset, told);
        Some(told)
    }

    /// Has pages hold from now on what they hold. False if the system may still take it
    /// from some.
    fn keep(&self, range: &Range<usize>) -> bool {
        #[cfg(unix)]
        return pages::keep(self.start + range.start, range.end - range.start);
        #[cfg(windows)]
        self.marks.keep(self.start, range)
    }

    /// Gives pages back: they are reserved again, and what they held is gone.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for an empty range or one that is not inside, and in large
    /// pages; [`PageError::NoMemory`] when the system has no room for another mapping.
    pub fn decommit(&mut self, range: Range<usize>) -> Result<(), PageError> {
        let (start, length) = self.pages(&range)?;
        // SAFETY: whoever had a reference to the bytes borrowed the reservation,
        // which is borrowed mutably here.
        unsafe { pages::decommit(start, length) }?;
        #[cfg(windows)]
        self.marks.forget(&range);
        Ok(())
    }

    /// The pages around a byte that are alike; `None` beyond the end.
    pub fn query(&self, offset: usize) -> Option<PageRun> {
        if offset >= self.size {
            return None;
        }
        let told = self.alike(offset)?;
        let end = self.start + self.size;
        let range = told.start.max(self.start) - self.start..told.end.min(end) - self.start;
        Some(PageRun::of(range, &told))
    }

    /// Whether all pages of a range can be accessed, without a fault, as `fits` says of
    /// their access, and stay as they are.
    fn opens(&self, range: &Range<usize>, fits: impl Fn(PageAccess) -> bool) -> bool {
        let mut at = range.start;
        let mut may_go = false;
        while at < range.end {
            match self.alike(at) {
                Some(told) if told.opens_to(&fits) => {
                    at = told.end - self.start;
                    may_go |= told.may_go;
                }
                _ => return false,
            }
        }
        // A page that was reset may become zeros at any moment, which no reference may see:
        // from now on it holds what it holds now.
        !may_go || self.keep(range)
    }

    /// Bytes that are committed and readable; an empty range is always.
    ///
    /// # Errors
    /// [`PageError::NotCommitted`] when not all are committed, or some are guarded, offered
    /// or without access; [`PageError::Invalid`] beyond the end.
    pub fn bytes(&self, range: Range<usize>) -> Result<&[u8], PageError> {
        let (start, length) = self.part(&range)?;
        if !self.opens(&range, PageAccess::reads) {
            return Err(PageError::NotCommitted);
        }
        // SAFETY: the bytes are committed and readable, as was just seen, and
        // stay so while the reservation is borrowed; nobody writes to them.
        Ok(unsafe { core::slice::from_raw_parts(pages::pointer(start), length) })
    }

    /// Bytes that are committed and writable.
    ///
    /// # Errors
    /// As for [`bytes`](Reservation::bytes).
    pub fn bytes_mut(&mut self, range: Range<usize>) -> Result<&mut [u8], PageError> {
        let (start, length) = self.part(&range)?;
        if !self.opens(&range, PageAccess::writes) {
            return Err(PageError::NotCommitted);
        }
        // SAFETY: the bytes are committed and writable, as was just seen, and
        // stay so while the reservation is borrowed, mutably.
        Ok(unsafe { core::slice::from_raw_parts_mut(pages::pointer(start), length) })
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

    /// Makes a reservation that took a placeholder's place a placeholder again: its pages
    /// are given back, and its addresses are kept.
    ///
    /// Source: "VirtualFree function (memoryapi.h)", MEM_PRESERVE_PLACEHOLDER.
    ///
    /// # Errors
    /// Refused, with the reservation: [`PageError::Invalid`] when it was none;
    /// [`PageError::NoMemory`].
    pub fn into_placeholder(self) -> Result<Placeholder, Refused<Reservation>> {
        #[cfg_attr(unix, expect(unused_mut, reason = "it has no marks"))]
        let mut own = ManuallyDrop::new(self);
        let (start, size) = (own.start, own.size);
        // SAFETY: the reservation is this function's alone, and nobody borrows from it.
        match unsafe { super::placeholder::make(start, size) } {
            Ok(()) => {
                #[cfg(windows)]
                own.marks.end(size);
                Ok(Placeholder::of(start, size))
            }
            Err(error) => Err(Refused::new(error, ManuallyDrop::into_inner(own))),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the owner of the reservation is gone, and with it all that
        // borrowed from it.
        unsafe { pages::release(self.start, self.size) };
        #[cfg(windows)]
        self.marks.end(self.size);
    }
}

//! Pages that a program has by their numbers, and windows that show them in turn.
//!
//! ```text
//!   PhysicalPages   0 1 2 3 4 5 6 7 ...     memory, wherever the system has it
//!                       |   |
//!   Window          | 2 | 4 | - | - |       addresses
//! ```
//!
//! A page is shown in one place at most, which the table of regions sees to. So what a
//! window shows of pages is borrowed from both ([`Shown`]), and while it is, nobody else
//! shows these pages, and nobody ends them.

use super::numbers::Numbers;
use super::pages::{self, Opened, Owner, PageError};
use core::ops::Range;

/// Pages of memory that no address shows yet: more of them than there is room for in a
/// window (AWE). They hold 0 at first, keep what they hold while they are not shown, and
/// are locked in memory as far as the system lets the process lock any.
///
/// Here they are known by their places, from 0 on. They are charged as committed, and given
/// back when they are dropped. Any thread may have them. In a child of a fork they are the
/// parent's, and cannot be shown. Nothing panics.
///
/// On Windows they are the system's own: always locked, and only for a process with
/// SeLockMemoryPrivilege in force ([`PageError::Denied`] without it), whose account is the
/// system's.
///
/// Source: "Address Windowing Extensions", "AllocateUserPhysicalPages function
/// (memoryapi.h)".
///
/// ```
/// use ntheap::vm::{PageError, PhysicalPages, Window, page_size};
///
/// let pages = match PhysicalPages::new(8) {
///     // On Windows without the privilege.
///     Err(PageError::Denied | PageError::Unsupported) => return Ok(()),
///     other => other?,
/// };
/// let mut window = Window::new(2 * page_size())?;
/// let mut shown = window.show(&pages)?;
/// for half in 0..pages.len() / 2 {
///     // The same two pages of addresses, each time two other pages of memory.
///     shown.unmap(0..2)?;
///     shown.map(0, 2 * half..2 * half + 2)?;
///     shown.bytes_mut(0..1)?[0] = half as u8;
/// }
/// shown.unmap(0..2)?;
/// shown.map(1, 4..5)?;
/// assert_eq!(shown.bytes(page_size()..page_size() + 1)?, [2]);
/// # Ok::<(), ntheap::vm::PageError>(())
/// ```
#[derive(Debug)]
pub struct PhysicalPages {
    numbers: Numbers,
    count: usize,
    /// The process that they are of.
    owner: Owner,
}

impl PhysicalPages {
    /// Takes so many pages from the system, or fewer where it has not as many:
    /// [`len`](PhysicalPages::len) says how many.
    ///
    /// No more are taken than there is memory for. The time grows with their number.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for 0; [`PageError::NoMemory`] when there is not one, and for
    /// more bytes than there are addresses; [`PageError::CommitLimit`];
    /// [`PageError::Denied`] and [`PageError::Unsupported`] on Windows.
    pub fn new(count: usize) -> Result<PhysicalPages, PageError> {
        if count == 0 {
            return Err(PageError::Invalid);
        }
        let (numbers, given) = pages::take_pages(count)?;
        Ok(PhysicalPages {
            numbers,
            count: given,
            owner: Owner::own(),
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none: never.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Their numbers, if they are this process's: a child of a fork may have others by the
    /// numbers of its parent's.
    fn numbers(&self) -> Result<&[usize], PageError> {
        if self.owner != Owner::own() {
            return Err(PageError::Invalid);
        }
        Ok(self.numbers.get().get(..self.count).unwrap_or_default())
    }
}

impl Drop for PhysicalPages {
    fn drop(&mut self) {
        pages::give_pages(self.numbers().unwrap_or_default());
    }
}

/// Addresses that pages are shown at, one after the other.
///
/// It is given back when it is dropped. Any thread may have it. Nothing panics.
///
/// Source: "VirtualAlloc function (memoryapi.h)", MEM_PHYSICAL.
#[derive(Debug)]
pub struct Window {
    opened: Opened,
    /// Whether it shows nothing, as far as is known: what showed pages may have been
    /// forgotten.
    is_empty: bool,
}

impl Window {
    /// Reserves a window of `size` bytes, rounded up to pages, at a multiple of 64 KiB.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for a size of 0 or more than there are addresses;
    /// [`PageError::NoMemory`]; [`PageError::Denied`] and [`PageError::Unsupported`] on
    /// Windows, as of [`PhysicalPages`].
    pub fn new(size: usize) -> Result<Window, PageError> {
        Ok(Window {
            opened: Opened::new(size)?,
            is_empty: true,
        })
    }

    /// How many bytes it has.
    pub fn size(&self) -> usize {
        self.opened.size()
    }

    /// How many pages it has.
    pub fn len(&self) -> usize {
        self.size() / super::page_size()
    }

    /// The first byte. What lies there may be used only where something is shown, which
    /// [`Shown`] does.
    pub fn as_ptr(&self) -> *mut u8 {
        self.opened.pointer(0)
    }

    /// Whether it has none: never.
    pub fn is_empty(&self) -> bool {
        self.size() == 0
    }

    /// Has the window show these pages: at first none of them.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for the pages of a parent of this process;
    /// [`PageError::NoMemory`] when something that showed pages before was forgotten, and
    /// the system refuses to end what it showed.
    pub fn show<'a>(&'a mut self, pages: &'a PhysicalPages) -> Result<Shown<'a>, PageError> {
        pages.numbers()?;
        self.empty()?;
        Ok(Shown {
            window: self,
            pages,
        })
    }

    /// Shows nothing any more.
    fn empty(&mut self) -> Result<(), PageError> {
        if !self.is_empty {
            self.map(0..self.len(), |_| None)?;
        }
        self.is_empty = true;
        Ok(())
    }

    fn map(
        &mut self,
        at: Range<usize>,
        frame: impl Fn(usize) -> Option<usize>,
    ) -> Result<(), PageError> {
        let first = at.start;
        self.opened.map(at.end - first, |nth| first + nth, frame)
    }
}

/// What a window shows of pages. Places are counted in pages, of the window and of
/// [`PhysicalPages`]; bytes from the window's beginning.
///
/// While it is there, the pages cannot be given back, and what it shows nobody else does.
/// When it is dropped, the window shows nothing again; the pages hold what they held.
/// Several windows may show pages of the same [`PhysicalPages`] at once, each page in one
/// of them.
///
/// Changes are all or nothing. Pages in a row that come to lie in a row are one call of
/// the system. In a child of a fork a window shows what the parent's does, the same
/// memory, until it is changed, and gives no bytes of it: a program that forks while it
/// has borrowed some must not use them in both.
#[derive(Debug)]
pub struct Shown<'a> {
    window: &'a mut Window,
    pages: &'a PhysicalPages,
}

impl Shown<'_> {
    fn inside(&self, at: &Range<usize>) -> Result<(), PageError> {
        if at.start >= at.end || at.end > self.window.len() {
            return Err(PageError::Invalid);
        }
        Ok(())
    }

    /// Shows pages in a row, from the page `at` of the window on, in place of what was shown
    /// there.
    ///
    /// Source: "MapUserPhysicalPages function (memoryapi.h)".
    ///
    /// # Errors
    /// [`PageError::Invalid`] for no pages, and places that are not there;
    /// [`PageError::InUse`] for a page that is shown elsewhere, here or in another window,
    /// and stays there; [`PageError::NoMemory`] when the system has no more mappings.
    pub fn map(&mut self, at: usize, which: Range<usize>) -> Result<(), PageError> {
        let numbers = self.pages.numbers()?;
        let numbers = numbers.get(which).ok_or(PageError::Invalid)?;
        let end = at.checked_add(numbers.len()).ok_or(PageError::Invalid)?;
        self.inside(&(at..end))?;
        // A number that is not there is no page's.
        let number = |nth| Some(numbers.get(nth).copied().unwrap_or(0));
        self.window.is_empty = false;
        self.window.map(at..end, number)
    }

    /// Shows nothing in these pages of the window.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for no pages, and places that are not there;
    /// [`PageError::NoMemory`].
    pub fn unmap(&mut self, at: Range<usize>) -> Result<(), PageError> {
        self.inside(&at)?;
        self.window.map(at, |_| None)
    }

    /// Shows pages in any order: of each pair, at the first, a page of the window, the
    /// second, one of the pages. Two pages may change places in one call.
    ///
    /// The pairs are copied first.
    ///
    /// Source: "MapUserPhysicalPagesScatter function (winbase.h)".
    ///
    /// # Errors
    /// [`PageError::InUse`] as well when either is named twice; otherwise as
    /// [`map`](Shown::map).
    pub fn scatter(&mut self, pairs: &[(usize, usize)]) -> Result<(), PageError> {
        if pairs.is_empty() {
            return Err(PageError::Invalid);
        }
        let numbers = self.pages.numbers()?;
        let mut places = Numbers::new(pairs.len()).ok_or(PageError::NoMemory)?;
        let mut wanted = Numbers::new(pairs.len()).ok_or(PageError::NoMemory)?;
        let copies = places.get_mut().iter_mut().zip(wanted.get_mut());
        for ((place, number), &(at, which)) in copies.zip(pairs) {
            if at >= self.window.len() {
                return Err(PageError::Invalid);
            }
            *place = at;
            *number = numbers.get(which).copied().ok_or(PageError::Invalid)?;
        }
        // A number that is not there is no page's.
        let at = |numbers: &Numbers, nth| numbers.get().get(nth).copied().unwrap_or(0);
        self.window.is_empty = false;
        self.window.opened.map(
            pairs.len(),
            |nth| at(&places, nth),
            |nth| Some(at(&wanted, nth)),
        )
    }

    /// Bytes in pages that show something: the first, and how many.
    fn part(&self, range: &Range<usize>) -> Result<(*mut u8, usize), PageError> {
        self.pages.numbers()?;
        if range.start > range.end || range.end > self.window.size() {
            return Err(PageError::Invalid);
        }
        if !self.window.opened.shows(range) {
            return Err(PageError::NotCommitted);
        }
        let start = self.window.opened.pointer(range.start);
        Ok((start, range.end - range.start))
    }

    /// Bytes of pages that are shown.
    ///
    /// # Errors
    /// [`PageError::NotCommitted`] where nothing is; [`PageError::Invalid`] beyond the end,
    /// and for the pages of a parent of this process.
    pub fn bytes(&self, range: Range<usize>) -> Result<&[u8], PageError> {
        let (start, length) = self.part(&range)?;
        // SAFETY: the bytes are those of pages that are shown, here alone, as long as this
        // value is borrowed: what changes that borrows it mutably, and the pages, which are
        // borrowed too, are given back after it. Nobody writes to them meanwhile.
        Ok(unsafe { core::slice::from_raw_parts(start, length) })
    }

    /// The same, to be written to.
    pub fn bytes_mut(&mut self, range: Range<usize>) -> Result<&mut [u8], PageError> {
        let (start, length) = self.part(&range)?;
        // SAFETY: as in `bytes`, and this value is borrowed mutably.
        Ok(unsafe { core::slice::from_raw_parts_mut(start, length) })
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        // Refused, it is tried again before the window shows anything else, and what is
        // shown meanwhile nobody can reach.
        let _ = self.window.empty();
    }
}

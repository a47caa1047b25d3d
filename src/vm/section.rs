//! Sections of memory and of files, and their names.

use super::name::Name;
use super::options::ReserveOptions;
use super::pages::{self, Caching, Made, PageError, RawFile, Refused, SectionKind};
use super::placeholder::Placeholder;
use super::view::{View, ViewAccess};
use crate::sys::Whereabouts;

/// Memory, or a file's contents, that views show: at any address, in several places at
/// once, in several processes.
///
/// A section is there as long as it, or any view of it, is. On Unix its memory is charged to
/// the account when it is made ([`Use::Program`](super::Use::Program)); a
/// [`reserved`](SectionOptions::reserved) one's when pages are committed, a file's never.
///
/// A *name* is known to all processes of one user, on Linux and Android. It is there as
/// long as any process has a `Section` of it, however processes end, killed or not, and no
/// longer: views alone keep the memory, not the name. It is the name that a program gives
/// to `CreateFileMapping` of `ntheap::win32`, without a prefix. Nothing is left in any file
/// system.
///
/// Any thread may use it. Making, opening and mapping take a few system calls; with a name
/// a few hundred microseconds, for the system's list of local sockets is read. Nothing
/// panics.
///
/// On Windows it is the system's own: what `CreateFileMapping` makes, whose names are those of
/// the session, and which the system's account has.
///
/// Source: "CreateFileMappingW function (memoryapi.h)", "Sharing Files and Memory".
///
/// ```
/// use ntheap::vm::{Section, ViewAccess};
///
/// let section = Section::new(1 << 16)?;
/// let one = section.map(0, 0, ViewAccess::ReadWrite)?;
/// let other = section.map(0, 0, ViewAccess::Read)?;
/// one.write(8, 5u32)?;
/// assert_eq!(other.read::<u32>(8)?, 5);
/// // What is written to a copy only this view shows.
/// let copy = section.map(0, 0, ViewAccess::Copy)?;
/// copy.write(8, 6u32)?;
/// assert_eq!((other.read::<u32>(8)?, copy.read::<u32>(8)?), (5, 6));
/// # Ok::<(), ntheap::vm::PageError>(())
/// ```
#[derive(Debug)]
pub struct Section {
    made: Made,
}

/// What a section is to be beyond its size.
#[derive(Clone, Copy, Debug, Default)]
pub struct SectionOptions<'a> {
    name: Option<&'a str>,
    kind: SectionKind,
}

impl<'a> SectionOptions<'a> {
    /// No options: memory that is committed, without a name.
    pub fn new() -> SectionOptions<'a> {
        SectionOptions::default()
    }

    /// With this name: 1 to 260 units of UTF-16, no backslash and no NUL. If there is a
    /// section of it, that one is opened, whatever it is
    /// ([`Section::existed`]).
    #[must_use]
    pub fn named(mut self, name: &'a str) -> SectionOptions<'a> {
        self.name = Some(name);
        self
    }

    /// Reserved only (SEC_RESERVE): pages are committed by [`View::commit`], in all views at
    /// once, and stay so. Asks for the fault handler, as guard pages do. A file's pages are
    /// committed all the same.
    #[must_use]
    pub fn reserved(mut self) -> SectionOptions<'a> {
        self.kind.reserved = true;
        self
    }

    /// Whose views may run code (PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE): without it
    /// views with [`ViewAccess::ReadExecute`] and its kin are [`PageError::Denied`]. On
    /// Windows a file's handle has to have the right to run it.
    #[must_use]
    pub fn executable(mut self) -> SectionOptions<'a> {
        self.kind.executable = true;
        self
    }

    /// Of large pages (SEC_LARGE_PAGES): memory, all of which is taken from the system's pool
    /// when the section is made. Its size, and the places and offsets of its views, are
    /// multiples of [`large_page_size`](super::large_page_size); nothing of it can be copied,
    /// reserved only, or protected in part of a page. On Windows the process needs
    /// SeLockMemoryPrivilege ([`PageError::Denied`]).
    #[must_use]
    pub fn large_pages(mut self) -> SectionOptions<'a> {
        self.kind.large = true;
        self
    }

    /// Cached so (SEC_NOCACHE, SEC_WRITECOMBINE).
    #[must_use]
    pub fn caching(mut self, caching: Caching) -> SectionOptions<'a> {
        self.kind.caching = caching;
        self
    }

    /// Makes a section of `size` bytes of memory, rounded up to pages, all 0.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for a size of 0 or more than there are addresses, for a name
    /// that is none, and for large pages that are no whole number or reserved only;
    /// [`PageError::NoMemory`], also without a free descriptor or large pages;
    /// [`PageError::CommitLimit`]; [`PageError::Denied`] where the system does not let this
    /// process look into the one that has the name; [`PageError::Unsupported`] for a name
    /// on a system without them; [`PageError::InUse`] where, on Windows, the name is
    /// something else's.
    pub fn create(self, size: usize) -> Result<Section, PageError> {
        let name = self.wanted_name()?;
        let made = pages::create_section(name.as_ref(), size, &self.kind)?;
        Ok(Section { made })
    }

    /// Makes a section of a file's contents: its first `size` bytes, or all for 0. The
    /// section stays when the caller closes its file. With `writes`, views may write to the
    /// file, and one that is shorter is made longer, unless the name leads to a section that
    /// is there.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for what is not open or no regular file, an empty file
    /// without a size, one that is shorter and must not be made longer, and for large
    /// pages; [`PageError::Denied`] when it was not opened for reading, or for writing with
    /// `writes`; otherwise as [`create`](SectionOptions::create), and
    /// [`PageError::NoMemory`] when the disk is full.
    ///
    /// # Safety
    /// `file` is an open descriptor (`AsRawFd` gives it), or on Windows an open handle
    /// (`AsRawHandle`), that the caller may use, or none that anybody has.
    pub unsafe fn of_file(
        self,
        file: RawFile,
        size: u64,
        writes: bool,
    ) -> Result<Section, PageError> {
        let name = self.wanted_name()?;
        // SAFETY: the caller's promise is the callee's.
        let made =
            unsafe { pages::create_section_of(name.as_ref(), file, size, writes, &self.kind) }?;
        Ok(Section { made })
    }

    fn wanted_name(self) -> Result<Option<Name>, PageError> {
        self.name.map(Name::new).transpose()
    }
}

impl Section {
    /// A section of `size` bytes of memory, committed and without a name;
    /// [`SectionOptions`] has others, and tells the errors.
    pub fn new(size: usize) -> Result<Section, PageError> {
        SectionOptions::new().create(size)
    }

    /// How a section is to be made: [`SectionOptions::new`].
    pub fn options<'a>() -> SectionOptions<'a> {
        SectionOptions::new()
    }

    /// Opens the section of a name.
    ///
    /// # Errors
    /// [`PageError::NotFound`] when no process holds it; otherwise as
    /// [`SectionOptions::create`].
    pub fn open(name: &str) -> Result<Section, PageError> {
        let made = pages::open_section(&Name::new(name)?)?;
        Ok(Section { made })
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.made.size
    }

    /// Whether it was there before, and only opened.
    pub fn existed(&self) -> bool {
        self.made.existed
    }

    /// What holds it.
    pub(super) fn made(&self) -> &Made {
        &self.made
    }

    /// Maps a view: `size` bytes from `offset` on, a multiple of 64 KiB, or all from there
    /// on for a size of 0. It lies at a multiple of 64 KiB, and ends with a page; of a file
    /// that ends before, the rest of the page reads 0. [`ReserveOptions::map`] says where it
    /// lies.
    ///
    /// Source: "MapViewOfFile function (memoryapi.h)".
    ///
    /// # Errors
    /// [`PageError::Invalid`] for another offset, and a part that the section has not;
    /// [`PageError::Denied`] for a view to write through of a file that must not be written
    /// to, and one to run code of a section that is not
    /// [`executable`](SectionOptions::executable); [`PageError::NoMemory`];
    /// [`PageError::CommitLimit`] for a copy, which is charged whole;
    /// [`PageError::Unsupported`] when faults cannot be caught that a reserved section
    /// needs.
    pub fn map(&self, offset: u64, size: usize, access: ViewAccess) -> Result<View, PageError> {
        if !offset.is_multiple_of(super::GRANULARITY as u64) {
            return Err(PageError::Invalid);
        }
        View::map(&self.made, &Whereabouts::default(), offset, size, access)
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        pages::close_section(self.made.held);
    }
}

impl ReserveOptions {
    /// Maps a view of a section where these options say: at an address, or within bounds, or
    /// at a multiple of some power of two. Everything else is as for [`Section::map`].
    ///
    /// On Windows [`top_down`](ReserveOptions::top_down) does nothing.
    ///
    /// Source: "MapViewOfFileEx function (memoryapi.h)", "MapViewOfFile3 function
    /// (memoryapi.h)".
    ///
    /// ```
    /// use ntheap::vm::{ReserveOptions, Section, ViewAccess};
    ///
    /// let section = Section::new(1 << 16)?;
    /// let first = section.map(0, 0, ViewAccess::ReadWrite)?;
    /// let at = first.as_ptr().addr();
    /// drop(first);
    /// // Where it was, unless somebody else took the place meanwhile.
    /// if let Ok(again) = ReserveOptions::new().at(at).map(&section, 0, 0, ViewAccess::Read) {
    ///     assert_eq!(again.as_ptr().addr(), at);
    /// }
    /// # Ok::<(), ntheap::vm::PageError>(())
    /// ```
    ///
    /// # Errors
    /// [`PageError::Invalid`] for options of large pages, noted writes or caching, which
    /// are the section's or none; [`PageError::InUse`] when something is at the address;
    /// otherwise as [`Section::map`]. [`PageError::Unsupported`] on Windows before Windows
    /// 10 1803, for bounds.
    pub fn map(
        self,
        section: &Section,
        offset: u64,
        size: usize,
        access: ViewAccess,
    ) -> Result<View, PageError> {
        if !self.is_place() || !offset.is_multiple_of(super::GRANULARITY as u64) {
            return Err(PageError::Invalid);
        }
        View::map(section.made(), self.place(), offset, size, access)
    }
}

impl Placeholder {
    /// Maps a view of a section in its place, of its size, from `offset` on, a multiple of
    /// the page size. Of a file it may be the last page, which the file ends in.
    ///
    /// Source: "MapViewOfFile3 function (memoryapi.h)", MEM_REPLACE_PLACEHOLDER.
    ///
    /// ```
    /// use ntheap::vm::{Placeholder, Section, ViewAccess};
    ///
    /// # // Wine has none.
    /// # if cfg!(windows) {
    /// #     return Ok::<(), ntheap::vm::PageError>(());
    /// # }
    /// // A ring: what is written over the end is at the beginning.
    /// let size = 1 << 16;
    /// let ring = Section::new(size)?;
    /// let (low, high) = Placeholder::new(2 * size)?.split(size)?;
    /// let low = low.map(&ring, 0, ViewAccess::ReadWrite)?;
    /// let high = high.map(&ring, 0, ViewAccess::ReadWrite)?;
    /// assert_eq!(low.as_ptr().wrapping_add(size), high.as_ptr());
    /// high.write_bytes(0, b"again")?;
    /// let mut bytes = [0; 5];
    /// low.read_bytes(0, &mut bytes)?;
    /// assert_eq!(&bytes, b"again");
    /// # Ok::<(), ntheap::vm::PageError>(())
    /// ```
    ///
    /// # Errors
    /// Refused, with the placeholder, as [`Section::map`] is.
    pub fn map(
        self,
        section: &Section,
        offset: u64,
        access: ViewAccess,
    ) -> Result<View, Refused<Placeholder>> {
        if !offset.is_multiple_of(super::page_size() as u64) {
            return Err(Refused::new(PageError::Invalid, self));
        }
        let at = Whereabouts::in_place_of(self.address());
        let left = section.size().checked_sub(offset);
        // All that is left stands for its pages whole.
        let is_rest = left.is_some_and(|left| {
            left != 0
                && left.checked_next_multiple_of(super::page_size() as u64)
                    == Some(self.size() as u64)
        });
        let size = if is_rest { 0 } else { self.size() };
        match View::map(&section.made, &at, offset, size, access) {
            Ok(view) => {
                self.taken();
                Ok(view)
            }
            Err(error) => Err(Refused::new(error, self)),
        }
    }
}

//! Sections of memory and of files, and their names.

use super::pages::{PageError, Refused};
use super::placeholder::Placeholder;
use super::regions::Whereabouts;
use super::sections::{self, Failure, LONGEST_NAME, RESERVED, Request, Unfit};
use super::view::{View, ViewAccess};
use crate::sys::files::{self, Errno};

/// SEC_COMMIT: all pages are committed.
const COMMITTED: u32 = 0x800_0000;
/// SEC_FILE: the pages are a file's.
const OF_FILE: u32 = 0x80_0000;
/// PAGE_READONLY and PAGE_READWRITE.
const READ: u32 = 0x2;
const READ_WRITE: u32 = 0x4;

/// Memory, or a file's contents, that views show: at any address, in several places at
/// once, in several processes.
///
/// A section is there as long as it, or any view of it, is. Its memory is charged to the
/// account when it is made ([`Use::Program`](super::Use::Program)); a
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
/// On Windows it is not there: the system's own are `CreateFileMapping` and its kin, which
/// `ntheap::win32` has.
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
    number: usize,
    size: u64,
    existed: bool,
}

/// What a section is to be beyond its size.
#[derive(Clone, Copy, Debug, Default)]
pub struct SectionOptions<'a> {
    name: Option<&'a str>,
    reserved: bool,
}

fn error_of(failure: Failure) -> PageError {
    match failure {
        Failure::NotFound => PageError::NotFound,
        Failure::NoMemory | Failure::NoLargePages => PageError::NoMemory,
        Failure::CommitLimit => PageError::CommitLimit,
        Failure::System(Errno(libc::EACCES | libc::EPERM)) => PageError::Denied,
        Failure::System(Errno(libc::ENOSYS)) => PageError::Unsupported,
        Failure::System(Errno(libc::EBADF)) => PageError::Invalid,
        Failure::System(_) => PageError::NoMemory,
    }
}

/// A name in 16-bit units, as sections have it.
struct Name {
    units: [u16; LONGEST_NAME],
    length: usize,
}

impl Name {
    fn new(text: &str) -> Result<Name, PageError> {
        let mut name = Name {
            units: [0; LONGEST_NAME],
            length: 0,
        };
        if text.is_empty() || text.contains(['\\', '\0']) {
            return Err(PageError::Invalid);
        }
        for unit in text.encode_utf16() {
            *name.units.get_mut(name.length).ok_or(PageError::Invalid)? = unit;
            name.length += 1;
        }
        Ok(name)
    }

    fn units(&self) -> &[u16] {
        self.units.get(..self.length).unwrap_or_default()
    }
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
        self.reserved = true;
        self
    }

    /// Makes a section of `size` bytes of memory, rounded up to pages, all 0.
    ///
    /// [`PageError::Invalid`] for a size of 0 or more than there are addresses, and for a
    /// name that is none; [`PageError::NoMemory`], also without a free descriptor;
    /// [`PageError::CommitLimit`]; [`PageError::Denied`] where the system does not let this
    /// process look into the one that has the name; [`PageError::Unsupported`] for a name
    /// on a system without them.
    pub fn create(self, size: usize) -> Result<Section, PageError> {
        let size = sections::memory_size(size as u64).filter(|&size| size != 0);
        let attributes = if self.reserved { RESERVED } else { COMMITTED };
        let name = self.wanted_name()?;
        make(&Request {
            name: name.as_ref().map_or(&[], Name::units),
            file: None,
            size: size.ok_or(PageError::Invalid)?,
            protect: READ_WRITE,
            attributes,
            writes: true,
        })
    }

    /// Makes a section of a file's contents: its first `size` bytes, or all for 0. The
    /// descriptor is duplicated: the section stays when the caller closes its own. With
    /// `writes`, views may write to the file, and one that is shorter is made longer.
    ///
    /// [`PageError::Invalid`] for a descriptor that is not open, what is no regular file,
    /// an empty file without a size, and one that is shorter and must not be made longer;
    /// [`PageError::Denied`] when it was not opened for reading, or for writing with
    /// `writes`; otherwise as [`create`](SectionOptions::create), and
    /// [`PageError::NoMemory`] when the disk is full.
    ///
    /// # Safety
    /// `file` is an open descriptor that the caller may use (`AsRawFd` gives it), or
    /// none that anybody has.
    pub unsafe fn of_file(self, file: i32, size: u64, writes: bool) -> Result<Section, PageError> {
        let told = |error: Errno| error_of(Failure::System(error));
        // Before the file is made longer.
        let name = self.wanted_name()?;
        let status = files::status(file).map_err(told)?;
        if !status.is_regular {
            return Err(PageError::Invalid);
        }
        let (may_read, may_write) = files::rights(file).map_err(told)?;
        if !may_read || writes && !may_write {
            return Err(PageError::Denied);
        }
        let size = sections::file_size(file, status.size, size, writes);
        let size = size.map_err(|unfit| match unfit {
            Unfit::Empty | Unfit::TooShort => PageError::Invalid,
            Unfit::System(error) => told(error),
        })?;
        make(&Request {
            name: name.as_ref().map_or(&[], Name::units),
            file: Some(file),
            size,
            protect: if writes { READ_WRITE } else { READ },
            attributes: OF_FILE,
            writes,
        })
    }

    fn wanted_name(self) -> Result<Option<Name>, PageError> {
        self.name.map(Name::new).transpose()
    }
}

fn make(request: &Request<'_>) -> Result<Section, PageError> {
    let (number, existed) = sections::create(request).map_err(error_of)?;
    Ok(Section::held(number, existed))
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

    /// Opens the section of a name. [`PageError::NotFound`] when no process holds it;
    /// otherwise as [`SectionOptions::create`].
    pub fn open(name: &str) -> Result<Section, PageError> {
        let name = Name::new(name)?;
        let number = sections::open(name.units()).map_err(error_of)?;
        Ok(Section::held(number, true))
    }

    fn held(number: usize, existed: bool) -> Section {
        let size = sections::get(number).map_or(0, |section| section.size);
        Section {
            number,
            size,
            existed,
        }
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it was there before, and only opened.
    pub fn existed(&self) -> bool {
        self.existed
    }

    /// Maps a view: `size` bytes from `offset` on, a multiple of 64 KiB, or all from there
    /// on for a size of 0. It lies at a multiple of 64 KiB, and ends with a page; of a file
    /// that ends before, the rest of the page reads 0.
    ///
    /// [`PageError::Invalid`] for another offset, and a part that the section has not;
    /// [`PageError::Denied`] for a view to write through of a file that must not be written
    /// to; [`PageError::NoMemory`]; [`PageError::CommitLimit`] for a copy, which is charged
    /// whole; [`PageError::Unsupported`] when faults cannot be caught that a reserved
    /// section needs.
    ///
    /// Source: "MapViewOfFile function (memoryapi.h)".
    pub fn map(&self, offset: u64, size: usize, access: ViewAccess) -> Result<View, PageError> {
        if !offset.is_multiple_of(super::GRANULARITY as u64) {
            return Err(PageError::Invalid);
        }
        View::map(self.number, &Whereabouts::default(), offset, size, access)
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        sections::drop_handle(self.number);
    }
}

impl Placeholder {
    /// Maps a view of a section in its place, of its size, from `offset` on, a multiple of
    /// the page size.
    ///
    /// Refused, with the placeholder, as [`Section::map`] is.
    ///
    /// Source: "MapViewOfFile3 function (memoryapi.h)", MEM_REPLACE_PLACEHOLDER.
    ///
    /// ```
    /// use ntheap::vm::{Placeholder, Section, ViewAccess};
    ///
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
    pub fn map(
        self,
        section: &Section,
        offset: u64,
        access: ViewAccess,
    ) -> Result<View, Refused<Placeholder>> {
        if !offset.is_multiple_of(super::page_size() as u64) {
            return Err(Refused::new(PageError::Invalid, self));
        }
        let at = Whereabouts {
            address: self.address(),
            replaces: true,
            ..Whereabouts::default()
        };
        match View::map(section.number, &at, offset, self.size(), access) {
            Ok(view) => {
                self.taken();
                Ok(view)
            }
            Err(error) => Err(Refused::new(error, self)),
        }
    }
}

//! On Unix: sections and views, by the tables of sections and regions.

use super::{PageAccess, PageError, SectionKind, error_of, error_of_taking, protect_of};
use crate::sys::Whereabouts;
use crate::sys::files::{self, Errno};
use crate::vm::name::Name;
use crate::vm::regions::{self, Protect, Refusal};
use crate::vm::sections::views::{self, Unflushed, Unmapped, Wanted};
use crate::vm::sections::{self, Failure, LARGE_PAGES, RESERVED, Request, Unfit};
use crate::vm::{Caching, ViewAccess};

/// SEC_COMMIT: all pages are committed.
const COMMITTED: u32 = 0x800_0000;
/// SEC_FILE: the pages are a file's.
const OF_FILE: u32 = 0x80_0000;
const NO_CACHE: u32 = 0x1000_0000;
const WRITE_COMBINE: u32 = 0x4000_0000;

/// What the system knows an open file by: on Unix a descriptor, which `AsRawFd` gives, on
/// Windows a handle, which `AsRawHandle` gives.
pub type RawFile = files::Descriptor;

/// What a section is known by: its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Held(usize);

/// A section that was made or opened.
#[derive(Debug)]
pub(in super::super) struct Made {
    pub(in super::super) held: Held,
    /// Bytes.
    pub(in super::super) size: u64,
    pub(in super::super) existed: bool,
    /// Whether pages are committed one by one.
    pub(in super::super) is_sparse: bool,
}

fn error_of_making(failure: Failure) -> PageError {
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

fn made(number: usize, existed: bool) -> Made {
    let section = sections::get(number);
    Made {
        held: Held(number),
        size: section.map_or(0, |section| section.size),
        existed,
        is_sparse: section.is_some_and(|section| section.commits != 0),
    }
}

fn make(request: &Request<'_>) -> Result<Made, PageError> {
    let (number, existed) = sections::create(request).map_err(error_of_making)?;
    Ok(made(number, existed))
}

fn attributes(kind: &SectionKind) -> u32 {
    let caching = match kind.caching {
        Caching::Usual => 0,
        Caching::None => NO_CACHE,
        Caching::WriteCombined => WRITE_COMBINE,
    };
    let large = if kind.large { LARGE_PAGES } else { 0 };
    caching | large
}

fn protect_number(kind: &SectionKind, writes: bool) -> u32 {
    let protect = match (kind.executable, writes) {
        (false, false) => Protect::READ,
        (false, true) => Protect::READ_WRITE,
        (true, false) => Protect::EXECUTE_READ,
        (true, true) => Protect::EXECUTE_READ_WRITE,
    };
    protect.number()
}

fn units(name: Option<&Name>) -> &[u16] {
    name.map_or(&[], Name::units)
}

/// Makes a section of memory of so many bytes.
pub(in super::super) fn create_section(
    name: Option<&Name>,
    size: usize,
    kind: &SectionKind,
) -> Result<Made, PageError> {
    let size = sections::memory_size(size as u64).filter(|&size| size != 0);
    let size = size.ok_or(PageError::Invalid)?;
    if kind.large {
        let unit = crate::sys::large_page_size().ok_or(PageError::NoMemory)?;
        if !size.is_multiple_of(unit as u64) || kind.reserved {
            return Err(PageError::Invalid);
        }
    }
    let pages = if kind.reserved { RESERVED } else { COMMITTED };
    make(&Request {
        name: units(name),
        file: None,
        size,
        protect: protect_number(kind, true),
        attributes: pages | attributes(kind),
        writes: true,
    })
}

/// Makes a section of a file's first `size` bytes, all for 0.
///
/// # Safety
/// `file` is an open descriptor that the caller may use, or none that anybody has.
pub(in super::super) unsafe fn create_section_of(
    name: Option<&Name>,
    file: RawFile,
    size: u64,
    writes: bool,
    kind: &SectionKind,
) -> Result<Made, PageError> {
    let told = |error: Errno| error_of_making(Failure::System(error));
    let status = files::status(file).map_err(told)?;
    if !status.is_regular || kind.large {
        return Err(PageError::Invalid);
    }
    let (may_read, may_write) = files::rights(file).map_err(told)?;
    if !may_read || writes && !may_write {
        return Err(PageError::Denied);
    }
    let size = sections::file_size(status.size, size, writes);
    make(&Request {
        name: units(name),
        file: Some(file),
        size: size.map_err(|_: Unfit| PageError::Invalid)?,
        protect: protect_number(kind, writes),
        attributes: OF_FILE | attributes(kind),
        writes,
    })
}

/// Opens the section of a name.
pub(in super::super) fn open_section(name: &Name) -> Result<Made, PageError> {
    let number = sections::open(name.units()).map_err(error_of_making)?;
    Ok(made(number, true))
}

/// Ends what holds a section.
pub(in super::super) fn close_section(held: Held) {
    sections::drop_handle(held.0);
}

fn protect_of_view(access: ViewAccess) -> Protect {
    match access {
        ViewAccess::Read => Protect::READ,
        ViewAccess::ReadWrite => Protect::READ_WRITE,
        ViewAccess::Copy => Protect::WRITE_COPY,
        ViewAccess::ReadExecute => Protect::EXECUTE_READ,
        ViewAccess::ReadWriteExecute => Protect::EXECUTE_READ_WRITE,
    }
}

fn error_of_mapping(unmapped: Unmapped) -> PageError {
    match unmapped {
        Unmapped::NoSection | Unmapped::Size | Unmapped::LargeAlignment | Unmapped::Large => {
            PageError::Invalid
        }
        Unmapped::Protection => PageError::Denied,
        Unmapped::NoMemory => PageError::NoMemory,
        Unmapped::CommitLimit => PageError::CommitLimit,
        Unmapped::Region(refusal) => error_of_taking(refusal),
    }
}

/// Maps a view: its address and its bytes. The offset is one that the place allows.
pub(in super::super) fn map_view(
    made: &Made,
    at: &Whereabouts,
    offset: u64,
    size: usize,
    access: ViewAccess,
) -> Result<(usize, usize), PageError> {
    let wanted = Wanted {
        at: *at,
        offset,
        size,
        protect: protect_of_view(access),
        large: false,
    };
    views::map(made.held.0, &wanted).map_err(error_of_mapping)
}

/// Commits pages of a view whose section's are committed one by one.
pub(in super::super) fn commit_view(
    start: usize,
    size: usize,
    access: ViewAccess,
) -> Result<(), PageError> {
    let done = regions::commit(start, size, protect_of_view(access));
    done.map(|_| ()).map_err(error_of)
}

/// Gives committed pages of a view this access, behind a guard if `guards` says so.
pub(in super::super) fn protect_view(
    start: usize,
    size: usize,
    access: PageAccess,
    is_copy: bool,
    guards: bool,
) -> Result<(), PageError> {
    let right = match (access, is_copy) {
        (PageAccess::ReadWrite, true) => Protect::WRITE_COPY,
        (PageAccess::ReadWriteExecute, true) => Protect::EXECUTE_WRITE_COPY,
        _ => protect_of(access),
    };
    let protect = match (right, guards) {
        (Protect::NONE, true) => return Err(PageError::Invalid),
        (right, true) => right.with_guard(),
        (right, false) => right,
    };
    let done = regions::protect(start, size, protect);
    done.map(|_| ()).map_err(|refusal| match refusal {
        Refusal::Protection => PageError::Denied,
        other => error_of(other),
    })
}

/// Writes what was changed in a range of a view to its file.
pub(in super::super) fn flush_view(start: usize, size: usize) -> Result<(), PageError> {
    views::flush(start, size).map_err(|unflushed| match unflushed {
        Unflushed::NoView => PageError::Invalid,
        Unflushed::System(_) => PageError::NoMemory,
    })
}

/// Ends the view that begins at an address.
///
/// # Safety
/// Nobody uses the view any more.
pub(in super::super) unsafe fn unmap_view(start: usize) {
    // SAFETY: the caller's promise is the callee's.
    unsafe { views::abandon(start) };
}

/// Ends the view that begins at an address, and leaves the placeholder whose place it took.
///
/// # Safety
/// Nobody uses the view any more.
pub(in super::super) unsafe fn unmap_to_placeholder(start: usize) -> Result<(), PageError> {
    // SAFETY: the caller's promise is the callee's.
    unsafe { views::unmap(start, true) }.map_err(|refusal| match refusal {
        Refusal::NoMemory => PageError::NoMemory,
        _ => PageError::Invalid,
    })
}

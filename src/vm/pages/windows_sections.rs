//! On Windows: sections and views, which are the system's.

use super::{
    PageAccess, PageError, SectionKind, error_of, error_of_taking, give_rights, pointer,
    protection_of, query,
};
use crate::sys::{self, Protection, Rights, SectionHandle, SectionPages, Whereabouts};
use crate::vm::name::Name;
use crate::vm::{Caching, ViewAccess};
use windows_sys::Win32::Foundation::ERROR_INVALID_HANDLE;
use windows_sys::Win32::System::Memory::{
    FILE_MAP_COPY, FILE_MAP_EXECUTE, FILE_MAP_LARGE_PAGES, FILE_MAP_READ, FILE_MAP_WRITE,
};

pub use crate::sys::RawFile;

/// A section that was made or opened.
#[derive(Debug)]
pub(in super::super) struct Made {
    pub(in super::super) held: SectionHandle,
    /// Bytes.
    pub(in super::super) size: u64,
    pub(in super::super) existed: bool,
    /// Whether pages are committed one by one.
    pub(in super::super) is_sparse: bool,
    is_large: bool,
}

/// What the system says of a section that it had.
fn found(held: SectionHandle, existed: bool) -> Result<Made, PageError> {
    match sys::query_section(held) {
        Ok(told) => Ok(Made {
            held,
            size: told.size,
            existed,
            is_sparse: told.is_sparse,
            is_large: told.is_large,
        }),
        Err(error) => {
            sys::close_section(held);
            Err(error_of(error))
        }
    }
}

fn make(
    name: Option<&Name>,
    file: Option<RawFile>,
    size: u64,
    writes: bool,
    kind: &SectionKind,
) -> Result<Made, PageError> {
    let protection = match (kind.executable, writes) {
        (false, false) => Protection::Read,
        (false, true) => Protection::ReadWrite,
        (true, false) => Protection::ReadExecute,
        (true, true) => Protection::ReadWriteExecute,
    };
    let pages = SectionPages {
        reserved: kind.reserved,
        large: kind.large,
        uncached: kind.caching == Caching::None,
        write_combined: kind.caching == Caching::WriteCombined,
    };
    let name_at = name.map_or(core::ptr::null(), Name::as_ptr);
    let rights = Rights::of(protection);
    // SAFETY: the name ends with a 0; the file was asked about, so it is open.
    let made = unsafe { sys::create_section(name_at, file, size, rights, pages) };
    let (held, existed) = made.map_err(|error| match error.0 {
        // The file is one: so it is the name, which something else has.
        ERROR_INVALID_HANDLE if name.is_some() => PageError::InUse,
        _ => error_of(error),
    })?;
    if existed {
        return found(held, true);
    }
    Ok(Made {
        held,
        size,
        existed,
        is_sparse: kind.reserved && file.is_none(),
        is_large: kind.large,
    })
}

/// Makes a section of memory of so many bytes.
pub(in super::super) fn create_section(
    name: Option<&Name>,
    size: usize,
    kind: &SectionKind,
) -> Result<Made, PageError> {
    let size = crate::vm::round_to_pages(size).filter(|&size| size != 0);
    let size = size.filter(|&size| isize::try_from(size).is_ok());
    let size = size.ok_or(PageError::Invalid)?;
    if kind.large {
        let unit = sys::large_page_size().ok_or(PageError::NoMemory)?;
        if !size.is_multiple_of(unit) || kind.reserved {
            return Err(PageError::Invalid);
        }
    }
    make(name, None, size as u64, true, kind)
}

/// Makes a section of a file's first `size` bytes, all for 0.
///
/// # Safety
/// `file` is an open handle that the caller may use, or none that anybody has.
pub(in super::super) unsafe fn create_section_of(
    name: Option<&Name>,
    file: RawFile,
    size: u64,
    writes: bool,
    kind: &SectionKind,
) -> Result<Made, PageError> {
    // SAFETY: the caller's promise.
    let length = unsafe { sys::file_size(file) }.map_err(error_of)?;
    let length = length.filter(|_| !kind.large).ok_or(PageError::Invalid)?;
    let size = match (size, length) {
        (0, 0) => return Err(PageError::Invalid),
        (0, length) => length,
        (size, length) if size > length && !writes => return Err(PageError::Invalid),
        (size, _) => size,
    };
    make(name, Some(file), size, writes, kind)
}

/// Opens the section of a name.
pub(in super::super) fn open_section(name: &Name) -> Result<Made, PageError> {
    // SAFETY: the name ends with a 0.
    let opened = unsafe { sys::open_section(name.as_ptr()) };
    let held = opened.map_err(|error| match error.0 {
        // The name is there, and something else's.
        ERROR_INVALID_HANDLE => PageError::NotFound,
        _ => error_of(error),
    })?;
    found(held, true)
}

/// Ends what holds a section.
pub(in super::super) fn close_section(held: SectionHandle) {
    sys::close_section(held);
}

fn page_access_of(access: ViewAccess) -> PageAccess {
    match access {
        ViewAccess::Read => PageAccess::Read,
        ViewAccess::ReadWrite | ViewAccess::Copy => PageAccess::ReadWrite,
        ViewAccess::ReadExecute => PageAccess::ReadExecute,
        ViewAccess::ReadWriteExecute => PageAccess::ReadWriteExecute,
    }
}

fn rights_of(access: ViewAccess) -> Rights {
    Rights {
        copies: access == ViewAccess::Copy,
        ..Rights::of(protection_of(page_access_of(access)))
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
    // The system calls a part that is not there denied.
    let left = made.size.checked_sub(offset).filter(|&left| left != 0);
    let left = left.ok_or(PageError::Invalid)?;
    if size as u64 > left {
        return Err(PageError::Invalid);
    }
    let bytes = if size == 0 {
        usize::try_from(left).map_err(|_| PageError::NoMemory)?
    } else {
        size
    };
    let bytes = crate::vm::round_to_pages(bytes).ok_or(PageError::Invalid)?;
    let mut wanted = match access {
        ViewAccess::Read => FILE_MAP_READ,
        ViewAccess::ReadWrite => FILE_MAP_READ | FILE_MAP_WRITE,
        ViewAccess::Copy => FILE_MAP_COPY,
        ViewAccess::ReadExecute => FILE_MAP_READ | FILE_MAP_EXECUTE,
        ViewAccess::ReadWriteExecute => FILE_MAP_READ | FILE_MAP_WRITE | FILE_MAP_EXECUTE,
    };
    if made.is_large {
        wanted |= FILE_MAP_LARGE_PAGES;
    }
    let rights = rights_of(access);
    let view = sys::map_view(made.held, at, offset, size, wanted, rights);
    let base = view.map_err(error_of_taking)?;
    Ok((base.expose_provenance(), bytes))
}

/// Commits pages of a view whose section's are committed one by one.
pub(in super::super) fn commit_view(
    start: usize,
    size: usize,
    access: ViewAccess,
) -> Result<(), PageError> {
    // SAFETY: the range lies in a view of the caller's.
    unsafe { sys::commit_as(pointer(start), size, rights_of(access)) }.map_err(error_of)
}

/// Gives committed pages of a view this access, behind a guard if `guards` says so.
pub(in super::super) fn protect_view(
    start: usize,
    size: usize,
    access: PageAccess,
    is_copy: bool,
    guards: bool,
) -> Result<(), PageError> {
    // What is not committed the system may refuse as it does what the view was not made for.
    let end = start + size;
    let mut at = start;
    while at < end {
        let told = query(at).filter(|told| told.access.is_some());
        at = told.ok_or(PageError::NotCommitted)?.end;
    }
    give_rights(start, size, access, is_copy, guards)
}

/// Writes what was changed in a range of a view to its file.
pub(in super::super) fn flush_view(start: usize, size: usize) -> Result<(), PageError> {
    sys::flush_view(start, size).map_err(|_| PageError::NoMemory)
}

/// Ends the view that begins at an address.
///
/// # Safety
/// Nobody uses the view any more.
pub(in super::super) unsafe fn unmap_view(start: usize) {
    // SAFETY: the caller's promise is the callee's. The system has no reason to refuse.
    let _ = unsafe { sys::unmap_view(pointer(start)) };
}

/// Ends the view that begins at an address, and leaves the placeholder whose place it took.
///
/// # Safety
/// Nobody uses the view any more.
pub(in super::super) unsafe fn unmap_to_placeholder(start: usize) -> Result<(), PageError> {
    // SAFETY: the caller's promise is the callee's.
    unsafe { sys::unmap_to_placeholder(pointer(start)) }.map_err(error_of_placeholder)
}

/// A view or reservation that took no placeholder's place the system calls by its address.
pub(in super::super) fn error_of_placeholder(error: sys::LastError) -> PageError {
    match error_of(error) {
        PageError::NotCommitted => PageError::Invalid,
        other => other,
    }
}

//! Windows: sections and their views.
//!
//! Sources: the pages "CreateFileMappingW function", "OpenFileMappingW function",
//! "MapViewOfFile function" and its kin, "UnmapViewOfFileEx function", "FlushViewOfFile
//! function" and "ZwQuerySection function" of Microsoft's documentation.

use super::windows_newer as newer;
use super::windows_pages::{LastError, Rights, done, lies_within, with_bounds};
use super::{Call, Whereabouts, admit};
use core::ffi::c_void;
use core::ptr;
use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_GEN_FAILURE, HANDLE,
    INVALID_HANDLE_VALUE, SetLastError,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_DISK, GetFileSizeEx, GetFileType};
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_ALL_ACCESS, FILE_MAP_EXECUTE, FILE_MAP_LARGE_PAGES, FILE_MAP_READ,
    FILE_MAP_WRITE, FlushViewOfFile, MEM_LARGE_PAGES, MEM_PRESERVE_PLACEHOLDER,
    MEM_REPLACE_PLACEHOLDER, MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFileEx, OpenFileMappingW,
    SEC_COMMIT, SEC_LARGE_PAGES, SEC_NOCACHE, SEC_RESERVE, SEC_WRITECOMBINE, UnmapViewOfFile,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// What the system knows an open file by: on Unix a descriptor, which `AsRawFd` gives, on
/// Windows a handle, which `AsRawHandle` gives.
pub type RawFile = *mut c_void;

/// A section's handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionHandle(HANDLE);

// SAFETY: a handle is a number of the process's, which any thread may use.
unsafe impl Send for SectionHandle {}
// SAFETY: as above.
unsafe impl Sync for SectionHandle {}

/// What a section's pages are.
#[derive(Clone, Copy, Debug, Default)]
pub struct SectionPages {
    /// Committed one by one.
    pub reserved: bool,
    /// Large.
    pub large: bool,
    /// Not cached.
    pub uncached: bool,
    /// Written to through a buffer.
    pub write_combined: bool,
}

/// What is known of a section.
#[derive(Clone, Copy, Debug)]
pub struct SectionTold {
    /// Bytes.
    pub size: u64,
    /// Whether its pages are committed one by one.
    pub is_sparse: bool,
    /// Whether they are large.
    pub is_large: bool,
}

/// The bytes of a file; the system's number if it is none that is open.
///
/// # Safety
/// The handle is one that the caller may use, or none that anybody has.
pub unsafe fn file_size(file: RawFile) -> Result<Option<u64>, LastError> {
    let mut size = 0;
    // SAFETY: the caller's promise; the size goes to a local.
    unsafe {
        done(GetFileSizeEx(file, &raw mut size))?;
        Ok((GetFileType(file) == FILE_TYPE_DISK).then_some(size as u64))
    }
}

/// Makes a section of `size` bytes of a file, or of memory for `None`, or opens the one that
/// has the name. Whether there was one.
///
/// # Safety
/// The name is null or ends with a 0. The file is one that the caller may use.
pub unsafe fn create_section(
    name: *const u16,
    file: Option<RawFile>,
    size: u64,
    rights: Rights,
    pages: SectionPages,
) -> Result<(SectionHandle, bool), LastError> {
    if !admit(Call::File) {
        return Err(LastError::MOCKED);
    }
    let mut protect = rights.number();
    let flags = [
        (file.is_none() && pages.reserved, SEC_RESERVE),
        (file.is_none() && !pages.reserved, SEC_COMMIT),
        (pages.large, SEC_LARGE_PAGES),
        (pages.uncached, SEC_NOCACHE),
        (pages.write_combined, SEC_WRITECOMBINE),
    ];
    for (is, flag) in flags {
        protect |= if is { flag } else { 0 };
    }
    // The system's functions that name a file's section want some flag of these beside
    // others.
    if file.is_some() && (pages.uncached || pages.write_combined) {
        protect |= SEC_COMMIT;
    }
    let file = file.unwrap_or(INVALID_HANDLE_VALUE);
    let (high, low) = ((size >> 32) as u32, size as u32);
    // SAFETY: the caller's promise; no security descriptor is given.
    let (made, error) = unsafe {
        SetLastError(0);
        let made = CreateFileMappingW(file, ptr::null(), protect, high, low, name);
        (made, LastError::get())
    };
    if made.is_null() {
        return Err(error);
    }
    Ok((SectionHandle(made), error.0 == ERROR_ALREADY_EXISTS))
}

/// Opens the section of a name, with all rights or, where those are denied, as many as there
/// are.
///
/// # Safety
/// The name ends with a 0.
pub unsafe fn open_section(name: *const u16) -> Result<SectionHandle, LastError> {
    let all = FILE_MAP_ALL_ACCESS | FILE_MAP_EXECUTE;
    let mut error = LastError(ERROR_ACCESS_DENIED);
    for rights in [all, FILE_MAP_WRITE | FILE_MAP_READ, FILE_MAP_READ] {
        // SAFETY: the caller's promise.
        let opened = unsafe { OpenFileMappingW(rights, 0, name) };
        if !opened.is_null() {
            return Ok(SectionHandle(opened));
        }
        error = LastError::get();
        if error.0 != ERROR_ACCESS_DENIED {
            break;
        }
    }
    Err(error)
}

/// What is known of a section.
pub fn query_section(section: SectionHandle) -> Result<SectionTold, LastError> {
    #[repr(C)]
    struct Basic {
        base: *mut c_void,
        attributes: u32,
        size: i64,
    }
    let query = newer::query_section().ok_or(LastError::MISSING)?;
    let mut told = Basic {
        base: ptr::null_mut(),
        attributes: 0,
        size: 0,
    };
    let told_at = (&raw mut told).cast();
    // SAFETY: what is asked for is SectionBasicInformation, 0, of which the structure is; the
    // system does not say how many bytes it wrote.
    let status = unsafe { query(section.0, 0, told_at, size_of::<Basic>(), ptr::null_mut()) };
    if status < 0 {
        return Err(LastError(ERROR_GEN_FAILURE));
    }
    Ok(SectionTold {
        size: told.size as u64,
        is_sparse: told.attributes & SEC_RESERVE != 0,
        is_large: told.attributes & SEC_LARGE_PAGES != 0,
    })
}

/// Closes a section's handle. Its views keep it.
pub fn close_section(section: SectionHandle) {
    // SAFETY: the handle is one of this module's, whose owner uses it no more.
    unsafe { CloseHandle(section.0) };
}

/// Maps a view; `access` is FILE_MAP_…, and `rights` the same as protection. Its first byte.
pub fn map_view(
    section: SectionHandle,
    at: &Whereabouts,
    offset: u64,
    size: usize,
    access: u32,
    rights: Rights,
) -> Result<*mut u8, LastError> {
    if !admit(Call::File) {
        return Err(LastError::MOCKED);
    }
    let address = ptr::without_provenance(at.address);
    let base = if at.replaces || at.is_bounded() {
        let map = newer::map_view_of_file3().ok_or(LastError::MISSING)?;
        let mut kind = 0;
        if at.replaces {
            kind |= MEM_REPLACE_PLACEHOLDER;
        }
        if access & FILE_MAP_LARGE_PAGES != 0 {
            kind |= MEM_LARGE_PAGES;
        }
        let rights = rights.number();
        with_bounds(at, |bounds, count| {
            // SAFETY: a view takes free addresses, or the place of the caller's placeholder;
            // the system reads the parameters.
            unsafe {
                let own = GetCurrentProcess();
                map(
                    section.0, own, address, offset, size, kind, rights, bounds, count,
                )
            }
        })
    } else {
        let (high, low) = ((offset >> 32) as u32, offset as u32);
        // SAFETY: a view takes free addresses only.
        unsafe { MapViewOfFileEx(section.0, access, high, low, size, address) }.Value
    };
    if base.is_null() {
        return Err(LastError::get());
    }
    // A size of 0 is the section's affair, which ends above.
    if !lies_within(at, base.addr(), size) {
        // SAFETY: mapped just above, and nobody else knows it.
        unsafe { UnmapViewOfFile(MEMORY_MAPPED_VIEW_ADDRESS { Value: base }) };
        return Err(LastError::MISSING);
    }
    Ok(base.cast())
}

/// Ends a view.
///
/// # Safety
/// A view of the caller's begins there, which nobody uses any more.
pub unsafe fn unmap_view(base: *mut u8) -> Result<(), LastError> {
    let view = MEMORY_MAPPED_VIEW_ADDRESS { Value: base.cast() };
    // SAFETY: the caller's promise.
    done(unsafe { UnmapViewOfFile(view) })
}

/// Ends a view, and leaves the placeholder whose place it took.
///
/// # Safety
/// As for [`unmap_view`].
pub unsafe fn unmap_to_placeholder(base: *mut u8) -> Result<(), LastError> {
    let unmap = newer::unmap_view_of_file_ex().ok_or(LastError::MISSING)?;
    // SAFETY: the caller's promise.
    done(unsafe { unmap(base.cast_const().cast(), MEM_PRESERVE_PLACEHOLDER) })
}

/// Writes what was changed in a range of a view to its file.
pub fn flush_view(start: usize, size: usize) -> Result<(), LastError> {
    // SAFETY: the system writes out what the pages hold, and refuses what is no view.
    done(unsafe { FlushViewOfFile(ptr::with_exposed_provenance(start), size) })
}

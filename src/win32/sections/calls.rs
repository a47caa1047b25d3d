//! The documented functions.

use super::super::answers::{self, truth};
use super::super::constants::*;
use super::super::handles;
use super::super::last_error;
use super::super::pages;
use super::super::types::{
    BOOL, DWORD, HANDLE, LPCSTR, LPCVOID, LPCWSTR, LPSECURITY_ATTRIBUTES, LPVOID, NTSTATUS,
    PMEM_EXTENDED_PARAMETER, PVOID, SIZE_T, ULONG,
};
use super::super::wide;
use super::object::{self, Name};
use super::view::{self, Wanted};
use crate::vm::regions::Whereabouts;
use crate::vm::sections::LONGEST_NAME;
use core::ffi::CStr;
use core::ptr;

fn handle_told(result: Result<HANDLE, NTSTATUS>) -> HANDLE {
    match result {
        Ok(handle) => handle,
        Err(status) => {
            answers::fail(status);
            ptr::null_mut()
        }
    }
}

/// The name that a text of 8-bit characters says.
///
/// # Safety
/// The text ends with 0, or is null.
unsafe fn narrow_name(text: LPCSTR) -> Result<Name, NTSTATUS> {
    if text.is_null() {
        return Ok(Name::NONE);
    }
    // Longer than any prefix with any name.
    let mut units = [0; LONGEST_NAME + 8];
    // SAFETY: the caller's text ends with 0.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    Name::new(wide::from_utf8(bytes, &mut units).ok_or(STATUS_NAME_TOO_LONG)?)
}

/// The name that a text of 16-bit characters says.
///
/// # Safety
/// The text ends with 0, or is null.
unsafe fn wide_name(text: LPCWSTR) -> Result<Name, NTSTATUS> {
    if text.is_null() {
        return Ok(Name::NONE);
    }
    // SAFETY: the caller's text ends with 0.
    Name::new(unsafe { wide::until_zero(text) })
}

fn create(
    name: Result<Name, NTSTATUS>,
    file: HANDLE,
    protect: DWORD,
    high: DWORD,
    low: DWORD,
) -> HANDLE {
    const ATTRIBUTES: DWORD = 0xff80_0000;
    let attributes = match protect & ATTRIBUTES {
        0 => SEC_COMMIT,
        some => some,
    };
    let file = if file == INVALID_HANDLE_VALUE {
        ptr::null_mut()
    } else {
        file
    };
    let made = name.and_then(|name| {
        object::create(&object::Wanted {
            name: name.units(),
            file,
            size: u64::from(high) << 32 | u64::from(low),
            protect: protect & !ATTRIBUTES,
            attributes,
            access: 0,
        })
    });
    handle_told(made.map(|(handle, existed)| {
        last_error::set(if existed {
            ERROR_ALREADY_EXISTS
        } else {
            ERROR_SUCCESS
        });
        handle
    }))
}

/// Makes a section of a file's contents or, with INVALID_HANDLE_VALUE or null, of memory,
/// and gives it a name, or opens the one that has the name.
///
/// - `protect` is PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOPY or one of these
///   with EXECUTE, and of SEC_COMMIT (what holds without any), SEC_RESERVE,
///   SEC_IMAGE one, with SEC_NOCACHE or SEC_WRITECOMBINE, which have no effect.
/// - The size in bytes has two halves; 0 stands for the file's length. A file that
///   is shorter grows if it may be written to.
/// - Names are case-sensitive and those of one user's processes; `Local\` before
///   one says nothing, `Global\` has names of its own. The name is there as long as
///   any process has a handle, however processes end, and no longer.
///
/// A handle, with the last error ERROR_ALREADY_EXISTS if the name existed (then
/// size and protection are the old ones) and 0 otherwise. Null and the last error
/// otherwise: ERROR_INVALID_PARAMETER for a protection, attributes, or a size of
/// memory of 0; ERROR_INVALID_HANDLE for no file; ERROR_ACCESS_DENIED for a handle
/// without the rights that the protection needs; ERROR_FILE_INVALID for an empty
/// file and no size; ERROR_NOT_ENOUGH_MEMORY, also for a file that would have to
/// grow and may not; ERROR_DISK_FULL; ERROR_TOO_MANY_OPEN_FILES, since sections are
/// files to the system; ERROR_COMMITMENT_LIMIT at the limit of committed bytes;
/// ERROR_BAD_EXE_FORMAT with SEC_IMAGE, always; for SEC_LARGE_PAGES, which goes with
/// SEC_COMMIT and takes a multiple of
/// [`GetLargePageMinimum`](crate::win32::GetLargePageMinimum) of memory and no file,
/// ERROR_PRIVILEGE_NOT_HELD unless SeLockMemoryPrivilege is in force, and
/// ERROR_NO_SYSTEM_RESOURCES when the system's pool has too few: all of them are taken
/// at once;
/// ERROR_PATH_NOT_FOUND for a name with other backslashes;
/// ERROR_FILENAME_EXCED_RANGE above 260 characters. Any thread may call it. With a
/// name it takes a few hundred microseconds: the system's list of local sockets is
/// read.
///
/// Source: "CreateFileMappingA function (winbase.h)".
///
/// # Safety
/// `name` is null or a text that ends with 0.
pub unsafe extern "system" fn CreateFileMappingA(
    file: HANDLE,
    _security: LPSECURITY_ATTRIBUTES,
    protect: DWORD,
    size_high: DWORD,
    size_low: DWORD,
    name: LPCSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { narrow_name(name) };
    create(name, file, protect, size_high, size_low)
}

/// As [`CreateFileMappingA`], with a name in 16-bit characters.
///
/// Source: "CreateFileMappingW function (memoryapi.h)".
///
/// # Safety
/// `name` is null or a text that ends with 0.
pub unsafe extern "system" fn CreateFileMappingW(
    file: HANDLE,
    _security: LPSECURITY_ATTRIBUTES,
    protect: DWORD,
    size_high: DWORD,
    size_low: DWORD,
    name: LPCWSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { wide_name(name) };
    create(name, file, protect, size_high, size_low)
}

/// The rights of a section that FILE_MAP_… stand for.
fn section_rights(access: DWORD) -> DWORD {
    let rights = access & !(FILE_MAP_LARGE_PAGES | FILE_MAP_TARGETS_INVALID);
    // The right to copies has no bit of its own: copying is reading.
    if rights & FILE_MAP_COPY != 0 && rights & FILE_MAP_WRITE == 0 {
        rights | FILE_MAP_READ
    } else {
        rights
    }
}

fn open(name: Result<Name, NTSTATUS>, access: DWORD) -> HANDLE {
    handle_told(name.and_then(|name| object::open(name.units(), section_rights(access))))
}

/// Opens the section of a name, with the rights of `access` (FILE_MAP_…), which
/// views then need. `inherit` has no effect.
///
/// A handle; null and the last error otherwise: ERROR_FILE_NOT_FOUND when no
/// process holds the name, ERROR_INVALID_NAME for none, ERROR_ACCESS_DENIED where
/// the system does not let this process look into the holder,
/// ERROR_PATH_NOT_FOUND, ERROR_FILENAME_EXCED_RANGE, ERROR_NOT_ENOUGH_MEMORY. Any
/// thread may call it; the time is that of [`CreateFileMappingA`].
///
/// Source: "OpenFileMappingA function (winbase.h)".
///
/// # Safety
/// `name` is null or a text that ends with 0.
pub unsafe extern "system" fn OpenFileMappingA(
    access: DWORD,
    _inherit: BOOL,
    name: LPCSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    open(unsafe { narrow_name(name) }, access)
}

/// As [`OpenFileMappingA`], with a name in 16-bit characters.
///
/// Source: "OpenFileMappingW function (memoryapi.h)".
///
/// # Safety
/// `name` is null or a text that ends with 0.
pub unsafe extern "system" fn OpenFileMappingW(
    access: DWORD,
    _inherit: BOOL,
    name: LPCWSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    open(unsafe { wide_name(name) }, access)
}

/// The protection of the view that FILE_MAP_… ask for.
fn protection_for(access: DWORD) -> DWORD {
    let executes = access & FILE_MAP_EXECUTE != 0;
    let (plain, executed) = if access & FILE_MAP_WRITE != 0 {
        (PAGE_READWRITE, PAGE_EXECUTE_READWRITE)
    } else if access & FILE_MAP_COPY != 0 {
        (PAGE_WRITECOPY, PAGE_EXECUTE_WRITECOPY)
    } else if access & FILE_MAP_READ != 0 {
        (PAGE_READONLY, PAGE_EXECUTE_READ)
    } else {
        (PAGE_NOACCESS, PAGE_EXECUTE)
    };
    if executes { executed } else { plain }
}

fn map(section: HANDLE, access: DWORD, offset: u64, size: usize, base: usize) -> LPVOID {
    answers::address(view::map(&Wanted {
        section,
        at: Whereabouts {
            address: base,
            ..Whereabouts::default()
        },
        offset,
        size,
        protect: protection_for(access),
        large: access & FILE_MAP_LARGE_PAGES != 0,
    }))
}

/// As [`MapViewOfFileEx`], at any address.
///
/// Source: "MapViewOfFile function (memoryapi.h)".
///
/// # Safety
/// As for [`MapViewOfFileEx`].
pub unsafe extern "system" fn MapViewOfFile(
    section: HANDLE,
    access: DWORD,
    offset_high: DWORD,
    offset_low: DWORD,
    size: SIZE_T,
) -> LPVOID {
    let offset = u64::from(offset_high) << 32 | u64::from(offset_low);
    map(section, access, offset, size, 0)
}

/// Maps a view of a section: `size` bytes from an offset on, or all of them for 0.
///
/// - FILE_MAP_WRITE (and FILE_MAP_ALL_ACCESS) gives a view that is read and written
///   to, FILE_MAP_READ one that is read, FILE_MAP_COPY one whose written pages are
///   the process's own, 0 one without access; FILE_MAP_EXECUTE lets code in it run.
/// - The offset, in two halves, is a multiple of 64 KiB, and so is `base`, where the
///   view is to begin, unless that is null. The view ends with a page.
/// - All views of a section show the same, in all processes, but for pages that were
///   copied. A view that copies is charged as committed, whole.
/// - A view of a section of large pages is of large pages, with FILE_MAP_LARGE_PAGES or
///   without; its place, offset and size are multiples of
///   [`GetLargePageMinimum`](crate::win32::GetLargePageMinimum), and nothing of it can
///   be copied when it is written to. FILE_MAP_TARGETS_INVALID has no effect: this
///   system guards no calls.
///
/// The address of the view; null and the last error otherwise:
/// ERROR_INVALID_HANDLE; ERROR_ACCESS_DENIED when the handle lacks a right or the
/// view goes beyond the section; ERROR_INVALID_PARAMETER when the section's
/// protection does not allow the view's, for FILE_MAP_LARGE_PAGES of a section of
/// ordinary pages, and for a size or copies that large pages do not have;
/// ERROR_MAPPED_ALIGNMENT;
/// ERROR_INVALID_ADDRESS when the addresses are in use; ERROR_NOT_ENOUGH_MEMORY;
/// ERROR_COMMITMENT_LIMIT. Any thread may call it.
///
/// Source: "MapViewOfFileEx function (memoryapi.h)"; where errors are not told
/// there, what Windows is seen to do.
///
/// # Safety
/// The memory of a view is as shared as its section is: the program answers for
/// what other views, other processes and the file's other users do to it. A file
/// that is made shorter takes the pages behind its end away: touching them ends the
/// program.
pub unsafe extern "system" fn MapViewOfFileEx(
    section: HANDLE,
    access: DWORD,
    offset_high: DWORD,
    offset_low: DWORD,
    size: SIZE_T,
    base: LPVOID,
) -> LPVOID {
    let offset = u64::from(offset_high) << 32 | u64::from(offset_low);
    map(section, access, offset, size, base.addr())
}

/// As [`MapViewOfFile`], with an offset in one piece, and without code that runs:
/// FILE_MAP_EXECUTE is ERROR_INVALID_PARAMETER.
///
/// Source: "MapViewOfFileFromApp function (memoryapi.h)".
///
/// # Safety
/// As for [`MapViewOfFileEx`].
pub unsafe extern "system" fn MapViewOfFileFromApp(
    section: HANDLE,
    access: ULONG,
    offset: u64,
    size: SIZE_T,
) -> PVOID {
    if access & FILE_MAP_EXECUTE != 0 {
        last_error::set(ERROR_INVALID_PARAMETER);
        return ptr::null_mut();
    }
    map(section, access, offset, size, 0)
}

/// Where a view is to be.
///
/// # Safety
/// `parameters` is null or leads to `count` of them, and those that are pointers
/// lead to what their types say.
unsafe fn whereabouts(
    base: PVOID,
    parameters: PMEM_EXTENDED_PARAMETER,
    count: ULONG,
) -> Result<Whereabouts, NTSTATUS> {
    // SAFETY: the caller's promise is the callee's.
    let extended = unsafe { pages::extended(parameters, count) }?;
    let bounded = extended.lowest | extended.limit | extended.alignment != 0;
    if bounded && !base.is_null() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    Ok(Whereabouts {
        address: base.addr(),
        lowest: extended.lowest,
        limit: extended.limit,
        alignment: extended.alignment,
        ..Whereabouts::default()
    })
}

/// Maps a view by a page protection, perhaps in place of a placeholder.
///
/// - `allocation` is 0, MEM_RESERVE, which changes nothing, or
///   MEM_REPLACE_PLACEHOLDER: then `base` and `size` are exactly a placeholder's, and
///   they and the offset are multiples of the page size only. MEM_LARGE_PAGES is as
///   FILE_MAP_LARGE_PAGES.
/// - `count` further arguments at `parameters`, as for
///   [`VirtualAlloc2`](crate::win32::VirtualAlloc2): limits and alignment of the
///   address, if `base` is null.
///
/// The address of the view; null and the last error otherwise, as for
/// [`MapViewOfFileEx`]; ERROR_INVALID_HANDLE when `process` is not the calling one;
/// ERROR_INVALID_PARAMETER for another allocation or wrong further arguments;
/// ERROR_INVALID_ADDRESS where there is no such placeholder. Any thread may call
/// it.
///
/// Source: "MapViewOfFile3 function (memoryapi.h)".
///
/// # Safety
/// As for [`MapViewOfFileEx`].
pub unsafe extern "system" fn MapViewOfFile3(
    section: HANDLE,
    process: HANDLE,
    base: PVOID,
    offset: u64,
    size: SIZE_T,
    allocation: ULONG,
    protect: ULONG,
    parameters: PMEM_EXTENDED_PARAMETER,
    count: ULONG,
) -> PVOID {
    // No process is the calling one here.
    let mapped = if !process.is_null() && !handles::is_own_process(process) {
        Err(STATUS_INVALID_HANDLE)
    } else {
        // SAFETY: the caller's parameters are as many as it says.
        unsafe { whereabouts(base, parameters, count) }.and_then(|at| {
            let replaces = allocation & MEM_REPLACE_PLACEHOLDER != 0;
            let known = MEM_RESERVE | MEM_REPLACE_PLACEHOLDER | MEM_LARGE_PAGES;
            if allocation & !known != 0 || replaces && base.is_null() {
                return Err(STATUS_INVALID_PARAMETER);
            }
            view::map(&Wanted {
                section,
                at: Whereabouts { replaces, ..at },
                offset,
                size,
                protect,
                large: allocation & MEM_LARGE_PAGES != 0,
            })
        })
    };
    answers::address(mapped)
}

/// [`MapViewOfFile3`], but for ERROR_INVALID_PARAMETER for every right to run code.
///
/// Source: "MapViewOfFile3FromApp function (memoryapi.h)".
///
/// # Safety
/// As for [`MapViewOfFileEx`].
pub unsafe extern "system" fn MapViewOfFile3FromApp(
    section: HANDLE,
    process: HANDLE,
    base: PVOID,
    offset: u64,
    size: SIZE_T,
    allocation: ULONG,
    protect: ULONG,
    parameters: PMEM_EXTENDED_PARAMETER,
    count: ULONG,
) -> PVOID {
    if protect & pages::EXECUTE_RIGHTS != 0 {
        last_error::set(ERROR_INVALID_PARAMETER);
        return ptr::null_mut();
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe {
        MapViewOfFile3(
            section, process, base, offset, size, allocation, protect, parameters, count,
        )
    }
}

/// Ends the view that an address is in. What was changed in it reaches its file
/// sooner or later.
///
/// TRUE; FALSE with ERROR_INVALID_ADDRESS where there is no view. Any thread may
/// call it.
///
/// Source: "UnmapViewOfFile function (memoryapi.h)".
///
/// # Safety
/// Nobody uses the view any more.
pub unsafe extern "system" fn UnmapViewOfFile(address: LPCVOID) -> BOOL {
    // SAFETY: the caller's promise.
    truth(unsafe { view::unmap(address.addr(), false) })
}

fn flags_of(flags: ULONG) -> Result<bool, NTSTATUS> {
    if flags & !(MEM_UNMAP_WITH_TRANSIENT_BOOST | MEM_PRESERVE_PLACEHOLDER) != 0 {
        return Err(STATUS_INVALID_PARAMETER);
    }
    Ok(flags & MEM_PRESERVE_PLACEHOLDER != 0)
}

/// Ends a view as [`UnmapViewOfFile`] does. `flags` may have
/// MEM_UNMAP_WITH_TRANSIENT_BOOST, without effect, and MEM_PRESERVE_PLACEHOLDER,
/// which leaves the placeholder that the view replaced.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_HANDLE when `process`
/// is not the calling one, ERROR_INVALID_PARAMETER for other flags,
/// ERROR_INVALID_ADDRESS where there is no view, or none that replaced a
/// placeholder. Any thread may call it.
///
/// Source: "UnmapViewOfFile2 function (memoryapi.h)".
///
/// # Safety
/// Nobody uses the view any more.
pub unsafe extern "system" fn UnmapViewOfFile2(
    process: HANDLE,
    address: PVOID,
    flags: ULONG,
) -> BOOL {
    let ended = if handles::is_own_process(process) {
        // SAFETY: the caller's promise.
        flags_of(flags).and_then(|keeps| unsafe { view::unmap(address.addr(), keeps) })
    } else {
        Err(STATUS_INVALID_HANDLE)
    };
    truth(ended)
}

/// As [`UnmapViewOfFile2`], in the calling process.
///
/// Source: "UnmapViewOfFileEx function (memoryapi.h)".
///
/// # Safety
/// Nobody uses the view any more.
pub unsafe extern "system" fn UnmapViewOfFileEx(address: PVOID, flags: ULONG) -> BOOL {
    // SAFETY: the caller's promise.
    truth(flags_of(flags).and_then(|keeps| unsafe { view::unmap(address.addr(), keeps) }))
}

/// Writes what was changed in `size` bytes of a view, or all from the address on for
/// 0, to its file, and waits until the system has done so. Views of memory, and
/// those that copy or are only read, have nothing to write.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_ADDRESS where the bytes
/// are not one view's, ERROR_NO_SYSTEM_RESOURCES when the file could not be
/// written. Any thread may call it.
///
/// Source: "FlushViewOfFile function (memoryapi.h)".
///
/// # Safety
/// The view is not ended meanwhile.
pub unsafe extern "system" fn FlushViewOfFile(address: LPCVOID, size: SIZE_T) -> BOOL {
    truth(view::flush(address.addr(), size))
}

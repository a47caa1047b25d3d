//! Files, as far as mapping them needs it, and descriptors as handles.
//!
//! Paths are the host's, with `/` between their parts. A file that was opened
//! without a right has a handle without it, which calls check; whether others may
//! open it at the same time (`FILE_SHARE_…`) is not kept from them.

use super::answers::told;
use super::constants::*;
use super::handles::{self, Borrowed, Kind};
use super::last_error;
use super::types::{
    BOOL, DWORD, HANDLE, LONG, LPCSTR, LPCVOID, LPCWSTR, LPDWORD, LPOVERLAPPED,
    LPSECURITY_ATTRIBUTES, LPVOID, PLARGE_INTEGER,
};
use crate::sys::files::{self, Descriptor, Disposition, Errno, From};
use core::ffi::{CStr, c_int};

/// The right to read a file's contents.
pub(super) const READ_DATA: DWORD = 0x1;
/// The right to write to a file.
pub(super) const WRITE_DATA: DWORD = 0x2;
/// The right to run what is in a file.
pub(super) const EXECUTE: DWORD = 0x20;

/// A file. Its value is twice the descriptor, and 1 more where that is the
/// program's own, which is not closed with the handle.
pub(super) static FILE: Kind = Kind {
    end: |value| {
        if value & 1 == 0 {
            files::close((value / 2) as Descriptor);
        }
    },
    all: 0x001f_01ff,
    generic: [0x0012_0089, 0x0012_0116, 0x0012_00a0, 0x001f_01ff],
    is_bounded: true,
};

/// Rights that whoever opens a file has: SYNCHRONIZE and FILE_READ_ATTRIBUTES.
const IMPLIED: DWORD = 0x0010_0080;

/// An open file's descriptor.
pub(super) fn descriptor(file: &Borrowed) -> Descriptor {
    (file.value / 2) as Descriptor
}

/// The last error that stands for the system's.
pub(super) fn error_of(error: Errno) -> DWORD {
    match error.0 {
        libc::ENOENT => ERROR_FILE_NOT_FOUND,
        libc::ENOTDIR | libc::ELOOP => ERROR_PATH_NOT_FOUND,
        libc::EACCES | libc::EPERM | libc::EISDIR => ERROR_ACCESS_DENIED,
        libc::EROFS => ERROR_WRITE_PROTECT,
        libc::EMFILE | libc::ENFILE => ERROR_TOO_MANY_OPEN_FILES,
        libc::EEXIST => ERROR_FILE_EXISTS,
        libc::ENOSPC | libc::EFBIG | libc::EDQUOT => ERROR_DISK_FULL,
        libc::ENOMEM => ERROR_NOT_ENOUGH_MEMORY,
        libc::EBADF => ERROR_INVALID_HANDLE,
        libc::EFAULT => ERROR_NOACCESS,
        libc::ENAMETOOLONG => ERROR_FILENAME_EXCED_RANGE,
        libc::ETXTBSY => ERROR_SHARING_VIOLATION,
        libc::EIO => ERROR_IO_DEVICE,
        libc::ENOSYS => ERROR_NOT_SUPPORTED,
        libc::EINVAL => ERROR_INVALID_PARAMETER,
        _ => ERROR_GEN_FAILURE,
    }
}

/// Opens or makes a file. Of the arguments there are the path, the rights
/// (generic or the file's own; none for a file that is only asked about), and
/// what is to become of the file; the others have no effect.
///
/// A handle; with CREATE_ALWAYS and OPEN_ALWAYS the last error is
/// ERROR_ALREADY_EXISTS if the file existed and 0 otherwise. INVALID_HANDLE_VALUE
/// and the last error otherwise: ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND for a
/// missing folder, ERROR_ACCESS_DENIED also for folders, ERROR_FILE_EXISTS with
/// CREATE_NEW, ERROR_INVALID_PARAMETER for another disposition,
/// ERROR_TOO_MANY_OPEN_FILES, ERROR_FILENAME_EXCED_RANGE from 4,095 bytes on.
/// Any thread may call it.
///
/// Source: "CreateFileA function (fileapi.h)".
///
/// # Safety
/// `path` is a text that ends with 0, or null.
pub unsafe extern "system" fn CreateFileA(
    path: LPCSTR,
    access: DWORD,
    _share: DWORD,
    _security: LPSECURITY_ATTRIBUTES,
    disposition: DWORD,
    _flags: DWORD,
    _template: HANDLE,
) -> HANDLE {
    if path.is_null() {
        return opened(Err(ERROR_PATH_NOT_FOUND));
    }
    // SAFETY: the caller's text ends with 0.
    let path = unsafe { CStr::from_ptr(path) };
    opened(create(path, access, disposition))
}

/// As [`CreateFileA`], of a path in 16-bit characters, which becomes UTF-8.
///
/// Source: "CreateFileW function (fileapi.h)".
///
/// # Safety
/// `path` is a text that ends with 0, or null.
pub unsafe extern "system" fn CreateFileW(
    path: LPCWSTR,
    access: DWORD,
    _share: DWORD,
    _security: LPSECURITY_ATTRIBUTES,
    disposition: DWORD,
    _flags: DWORD,
    _template: HANDLE,
) -> HANDLE {
    if path.is_null() {
        return opened(Err(ERROR_PATH_NOT_FOUND));
    }
    let mut bytes = [0; LONGEST_PATH];
    // SAFETY: the caller's text ends with 0.
    let units = unsafe { super::wide::until_zero(path) };
    opened(match super::wide::to_utf8(units, &mut bytes) {
        Some(path) => create(path, access, disposition),
        None => Err(ERROR_FILENAME_EXCED_RANGE),
    })
}

/// Bytes of a path, with its end.
const LONGEST_PATH: usize = 4096;

fn opened(result: Result<HANDLE, DWORD>) -> HANDLE {
    match result {
        Ok(handle) => handle,
        Err(error) => {
            last_error::set(error);
            INVALID_HANDLE_VALUE
        }
    }
}

fn create(path: &CStr, access: DWORD, disposition: DWORD) -> Result<HANDLE, DWORD> {
    let (disposition, tells) = match disposition {
        CREATE_NEW => (Disposition::New, false),
        CREATE_ALWAYS => (Disposition::Always, true),
        OPEN_EXISTING => (Disposition::Existing, false),
        OPEN_ALWAYS => (Disposition::OpenOrNew, true),
        TRUNCATE_EXISTING => (Disposition::Truncated, false),
        _ => return Err(ERROR_INVALID_PARAMETER),
    };
    let rights = FILE.rights(access);
    if disposition == Disposition::Truncated && rights & WRITE_DATA == 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // A section reads what it writes to, whatever else the handle is for.
    let (read, write) = (
        rights & (READ_DATA | EXECUTE) != 0,
        rights & WRITE_DATA != 0,
    );
    let (file, existed) = files::open(path, read, write, disposition).map_err(|error| {
        if error == Errno(libc::ENOENT) && !has_folder(path) {
            return ERROR_PATH_NOT_FOUND;
        }
        error_of(error)
    })?;
    let is_folder = files::status(file).is_ok_and(|status| status.is_folder);
    if is_folder {
        files::close(file);
        return Err(ERROR_ACCESS_DENIED);
    }
    forget_closed(file);
    let handle = handles::open(&FILE, file as usize * 2, rights | IMPLIED);
    let handle = handle.ok_or(ERROR_NOT_ENOUGH_MEMORY)?;
    if tells {
        last_error::set(if existed {
            ERROR_ALREADY_EXISTS
        } else {
            ERROR_SUCCESS
        });
    }
    Ok(handle)
}

/// Ends handles that the program had of a descriptor of this number, which it has
/// closed: the number is another file's now.
fn forget_closed(file: Descriptor) {
    while let Some(stale) = handles::find(&FILE, file as usize * 2 + 1, |_| true) {
        // SAFETY: what the handle led to is not there any more.
        unsafe { handles::CloseHandle(stale) };
    }
}

/// Whether the folder exists that a path says its file is in.
fn has_folder(path: &CStr) -> bool {
    let bytes = path.to_bytes();
    let Some(end) = bytes.iter().rposition(|&byte| byte == b'/') else {
        return true;
    };
    let mut folder = [0; LONGEST_PATH];
    let folder = match (folder.get_mut(..=end + 1), bytes.get(..=end)) {
        (Some(room), Some(bytes)) => {
            if let Some(start) = room.get_mut(..=end) {
                start.copy_from_slice(bytes);
            }
            room
        }
        _ => return true,
    };
    let Ok(folder) = CStr::from_bytes_with_nul(folder) else {
        return true;
    };
    match files::open(folder, false, false, Disposition::Existing) {
        Ok((file, _)) => {
            files::close(file);
            true
        }
        Err(error) => error == Errno(libc::EACCES),
    }
}

/// The file of a handle that has all of `rights`.
fn with_rights(handle: HANDLE, rights: DWORD) -> Result<Borrowed, DWORD> {
    let file = handles::borrow(handle, &FILE).ok_or(ERROR_INVALID_HANDLE)?;
    if file.access & rights == rights {
        Ok(file)
    } else {
        Err(ERROR_ACCESS_DENIED)
    }
}

/// A file's length in bytes, up to 2^63. TRUE; FALSE and the last error
/// otherwise: ERROR_INVALID_HANDLE, ERROR_NOACCESS for a null pointer. Any thread
/// may call it.
///
/// Source: "GetFileSizeEx function (fileapi.h)".
///
/// # Safety
/// `size` is null or can be written to.
pub unsafe extern "system" fn GetFileSizeEx(file: HANDLE, size: PLARGE_INTEGER) -> BOOL {
    let answer = if size.is_null() {
        Err(ERROR_NOACCESS)
    } else {
        length_of(file)
    };
    told(answer.map(|length| {
        // SAFETY: the caller's pointer can be written to.
        unsafe { size.write_unaligned(length as i64) }
    }))
}

fn length_of(file: HANDLE) -> Result<u64, DWORD> {
    let file = with_rights(file, 0)?;
    let status = files::status(descriptor(&file)).map_err(error_of)?;
    Ok(status.size)
}

/// A file's length in bytes: its low half, and at `high`, unless that is null,
/// its high half. INVALID_FILE_SIZE with a last error for a failure, and with a
/// last error of 0 for a length that ends so. Any thread may call it.
///
/// Source: "GetFileSize function (fileapi.h)".
///
/// # Safety
/// `high` is null or can be written to.
pub unsafe extern "system" fn GetFileSize(file: HANDLE, high: LPDWORD) -> DWORD {
    match length_of(file) {
        Ok(length) => {
            if !high.is_null() {
                // SAFETY: the caller's pointer can be written to.
                unsafe { high.write_unaligned((length >> 32) as DWORD) };
            }
            let low = length as DWORD;
            if low == INVALID_FILE_SIZE {
                last_error::set(ERROR_SUCCESS);
            }
            low
        }
        Err(error) => {
            last_error::set(error);
            INVALID_FILE_SIZE
        }
    }
}

/// Moves the place of the next read or write by `distance` bytes from the start
/// (FILE_BEGIN), where it is (FILE_CURRENT) or the end (FILE_END); where it then
/// is goes to `place`, unless that is null.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_HANDLE,
/// ERROR_NEGATIVE_SEEK for a place before the start, ERROR_INVALID_PARAMETER.
/// Any thread may call it.
///
/// Source: "SetFilePointerEx function (fileapi.h)".
///
/// # Safety
/// `place` is null or can be written to.
pub unsafe extern "system" fn SetFilePointerEx(
    file: HANDLE,
    distance: i64,
    place: PLARGE_INTEGER,
    from: DWORD,
) -> BOOL {
    told(seek(file, distance, from).map(|now| {
        if !place.is_null() {
            // SAFETY: the caller's pointer can be written to.
            unsafe { place.write_unaligned(now as i64) };
        }
    }))
}

fn seek(file: HANDLE, distance: i64, from: DWORD) -> Result<u64, DWORD> {
    let from = match from {
        FILE_BEGIN => From::Start,
        FILE_CURRENT => From::Here,
        FILE_END => From::End,
        _ => return Err(ERROR_INVALID_PARAMETER),
    };
    let file = with_rights(file, 0)?;
    files::seek(descriptor(&file), distance, from).map_err(|error| match error {
        Errno(libc::EINVAL) => ERROR_NEGATIVE_SEEK,
        other => error_of(other),
    })
}

/// As [`SetFilePointerEx`], with the distance in two halves: `distance`, and the
/// one at `high`, unless that is null, which then gets the place's high half. The
/// place's low half; INVALID_SET_FILE_POINTER with a last error for a failure, and
/// with a last error of 0 for a place that ends so.
///
/// Source: "SetFilePointer function (fileapi.h)".
///
/// # Safety
/// `high` is null or can be read and written to.
pub unsafe extern "system" fn SetFilePointer(
    file: HANDLE,
    distance: LONG,
    high: *mut LONG,
    from: DWORD,
) -> DWORD {
    let whole = if high.is_null() {
        i64::from(distance)
    } else {
        // SAFETY: the caller's pointer can be read.
        let upper = i64::from(unsafe { high.read_unaligned() });
        upper << 32 | i64::from(distance.cast_unsigned())
    };
    match seek(file, whole, from) {
        Ok(place) => {
            if !high.is_null() {
                // SAFETY: the caller's pointer can be written to.
                unsafe { high.write_unaligned((place >> 32) as LONG) };
            }
            let low = place as DWORD;
            if low == INVALID_SET_FILE_POINTER {
                last_error::set(ERROR_SUCCESS);
            }
            low
        }
        Err(error) => {
            last_error::set(error);
            INVALID_SET_FILE_POINTER
        }
    }
}

/// Makes a file end where it stands. TRUE; FALSE and the last error otherwise:
/// ERROR_INVALID_HANDLE, ERROR_ACCESS_DENIED, ERROR_DISK_FULL. Any thread may call
/// it. What is mapped of a file that becomes shorter must not be touched any more,
/// where Windows refuses to shorten it.
///
/// Source: "SetEndOfFile function (fileapi.h)".
pub extern "system" fn SetEndOfFile(file: HANDLE) -> BOOL {
    let set = with_rights(file, WRITE_DATA).and_then(|file| {
        let file = descriptor(&file);
        let place = files::seek(file, 0, From::Here).map_err(error_of)?;
        files::set_size(file, place).map_err(error_of)
    });
    told(set)
}

/// Has all that was written to a file reach its device. TRUE; FALSE and the last
/// error otherwise: ERROR_INVALID_HANDLE, ERROR_ACCESS_DENIED. Any thread may call
/// it.
///
/// Source: "FlushFileBuffers function (fileapi.h)".
pub extern "system" fn FlushFileBuffers(file: HANDLE) -> BOOL {
    let file = with_rights(file, WRITE_DATA);
    told(file.and_then(|file| files::sync(descriptor(&file)).map_err(error_of)))
}

/// The place that a call names in its file, if it does.
///
/// # Safety
/// `overlapped` is null or can be read.
unsafe fn offset_in(overlapped: LPOVERLAPPED) -> Option<u64> {
    if overlapped.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let overlapped = unsafe { overlapped.read_unaligned() };
    Some(u64::from(overlapped.OffsetHigh) << 32 | u64::from(overlapped.Offset))
}

/// Ends a read or write: how many bytes there were.
///
/// # Safety
/// Both pointers are null or can be written to.
unsafe fn moved(bytes: usize, count: LPDWORD, overlapped: LPOVERLAPPED) {
    if !count.is_null() {
        // SAFETY: the caller's promise.
        unsafe { count.write_unaligned(bytes as DWORD) };
    }
    if !overlapped.is_null() {
        // SAFETY: the caller's promise.
        unsafe {
            (&raw mut (*overlapped).Internal).write_unaligned(0);
            (&raw mut (*overlapped).InternalHigh).write_unaligned(bytes);
        }
    }
}

/// Reads up to `size` bytes of a file, from where it stands or, with
/// `overlapped`, from the place named there on, and waits for them. The bytes read
/// go to `count`; 0 at the end.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_HANDLE,
/// ERROR_ACCESS_DENIED, ERROR_NOACCESS for a buffer that cannot be written to,
/// ERROR_HANDLE_EOF with `overlapped` from behind the end. Any thread may call it.
///
/// Source: "ReadFile function (fileapi.h)".
///
/// # Safety
/// `buffer` leads to `size` bytes that are nobody else's; `count` and
/// `overlapped` are null or can be read and written to.
pub unsafe extern "system" fn ReadFile(
    file: HANDLE,
    buffer: LPVOID,
    size: DWORD,
    count: LPDWORD,
    overlapped: LPOVERLAPPED,
) -> BOOL {
    // SAFETY: the caller's promise.
    unsafe { moved(0, count, core::ptr::null_mut()) };
    told(with_rights(file, READ_DATA).and_then(|file| {
        // SAFETY: the caller's promise.
        let offset = unsafe { offset_in(overlapped) };
        // SAFETY: the buffer is the caller's.
        let got = unsafe { files::read(descriptor(&file), buffer.cast(), size as usize, offset) };
        let got = got.map_err(error_of)?;
        if got == 0 && size != 0 && offset.is_some() {
            return Err(ERROR_HANDLE_EOF);
        }
        // SAFETY: the caller's promise.
        unsafe { moved(got, count, overlapped) };
        Ok(())
    }))
}

/// Writes `size` bytes to a file, where it stands or, with `overlapped`, at the
/// place named there, and waits for it. The bytes written go to `count`.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_HANDLE,
/// ERROR_ACCESS_DENIED, ERROR_NOACCESS for a buffer that cannot be read,
/// ERROR_DISK_FULL. Any thread may call it.
///
/// Source: "WriteFile function (fileapi.h)".
///
/// # Safety
/// `buffer` leads to `size` bytes; `count` and `overlapped` are null or can be
/// read and written to.
pub unsafe extern "system" fn WriteFile(
    file: HANDLE,
    buffer: LPCVOID,
    size: DWORD,
    count: LPDWORD,
    overlapped: LPOVERLAPPED,
) -> BOOL {
    // SAFETY: the caller's promise.
    unsafe { moved(0, count, core::ptr::null_mut()) };
    told(with_rights(file, WRITE_DATA).and_then(|file| {
        // SAFETY: the caller's promise.
        let mut offset = unsafe { offset_in(overlapped) };
        let (mut from, mut left) = (buffer.cast::<u8>(), size as usize);
        // The system may take a part at a time.
        while left != 0 {
            // SAFETY: the rest of the caller's bytes.
            let put = unsafe { files::write(descriptor(&file), from, left, offset) };
            // SAFETY: the caller's promise.
            let put =
                put.inspect_err(|_| unsafe { moved(size as usize - left, count, overlapped) });
            let put = put.map_err(error_of)?;
            from = from.wrapping_add(put);
            left -= put.min(left);
            offset = offset.map(|offset| offset + put as u64);
        }
        // SAFETY: the caller's promise.
        unsafe { moved(size as usize, count, overlapped) };
        Ok(())
    }))
}

/// The handle of an open file's descriptor: the same each time. The descriptor
/// stays the program's: closing the handle does not close it, and what the handle
/// leads to is what the descriptor does.
///
/// -1 for a number that is no open file's, with `errno` EBADF. Any thread may call
/// it; the time grows with the number of handles.
///
/// Source: "_get_osfhandle".
pub extern "C" fn _get_osfhandle(file: c_int) -> isize {
    const NONE: isize = -1;
    let Ok((read, write)) = files::rights(file) else {
        return NONE;
    };
    let value = file as usize * 2 + 1;
    let mut rights = EXECUTE;
    if read {
        rights |= FILE.rights(GENERIC_READ);
    }
    if write {
        rights |= FILE.rights(GENERIC_WRITE);
    }
    // One that reads or writes otherwise is of a file that had the number
    // before, or a duplicate; _open_osfhandle's may lack the right to execute.
    let modes = |rights: DWORD| rights & (READ_DATA | WRITE_DATA);
    let known = handles::find(&FILE, value, |own| modes(own) == modes(rights));
    match known.or_else(|| handles::open(&FILE, value, rights)) {
        Some(handle) => handle.addr().cast_signed(),
        None => NONE,
    }
}

/// The descriptor of a file's handle. It is the program's from then on: closing
/// it closes the file, and closing the handle does not. `flags` have no effect:
/// files have one mode.
///
/// -1 for a handle that is none of a file. Any thread may call it.
///
/// Source: "_open_osfhandle".
pub extern "C" fn _open_osfhandle(handle: isize, _flags: c_int) -> c_int {
    let handle = core::ptr::without_provenance_mut(handle.cast_unsigned());
    let Some(file) = handles::borrow(handle, &FILE) else {
        return -1;
    };
    file.set_value(file.value | 1);
    descriptor(&file)
}

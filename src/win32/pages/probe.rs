//! Memory that may not be there: asked about, read and written without a fault.

use super::super::constants::*;
use super::super::last_error;
use super::super::types::{
    BOOL, FARPROC, HANDLE, LPCSTR, LPCVOID, LPCWSTR, LPVOID, NTSTATUS, PSIZE_T, SIZE_T, UINT_PTR,
};
use super::{own, query, truth};
use crate::sys::{self, Mapping};
use crate::vm::regions::Protect;

/// Whether all of `[address, address + size)` can be read; yes where the system
/// does not tell.
pub(in super::super) fn is_readable(address: usize, size: usize) -> bool {
    let size = size.max(1);
    if address.checked_add(size).is_none() {
        return false;
    }
    match sys::readable(address, size) {
        Some(readable) => readable == size,
        None => is_readable_by_list(address, size),
    }
}

/// The same by the system's list of mappings.
fn is_readable_by_list(address: usize, size: usize) -> bool {
    let Some(end) = address.checked_add(size) else {
        return false;
    };
    let mut next = address;
    let told = sys::for_each_mapping(&mut |mapping: &Mapping| {
        if mapping.end <= next {
            return true;
        }
        if mapping.start > next || !mapping.readable {
            return false;
        }
        next = mapping.end;
        next < end
    });
    !told || next >= end
}

/// Whether each page of `[address, address + size)` is committed with a
/// protection that `allows` takes.
fn all_pages(address: usize, size: usize, allows: impl Fn(Protect) -> bool) -> bool {
    let Some(end) = address.checked_add(size) else {
        return false;
    };
    let mut at = address;
    while at < end {
        let Ok(told) = query(at) else {
            return false;
        };
        let protect = Protect::from_number(told.Protect);
        if told.State != MEM_COMMIT || !protect.is_some_and(&allows) {
            return false;
        }
        at = told.BaseAddress.addr() + told.RegionSize;
    }
    true
}

fn is_writable(address: usize, size: usize) -> bool {
    is_readable(address, size) && all_pages(address, size, Protect::is_writable)
}

/// TRUE unless all `size` bytes from `address` on can be read. A guard page
/// cannot, and stays one. Any thread may call it; what other threads do to the
/// memory meanwhile it does not know. A system call for each 64 pages.
///
/// Source: "IsBadReadPtr function (winbase.h)".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn IsBadReadPtr(address: LPCVOID, size: UINT_PTR) -> BOOL {
    BOOL::from(size != 0 && !is_readable(address.addr(), size))
}

/// [`IsBadReadPtr`] under the name that it had for large blocks.
///
/// Source: "IsBadHugeReadPtr function (winbase.h)".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn IsBadHugeReadPtr(address: LPCVOID, size: UINT_PTR) -> BOOL {
    // SAFETY: nothing to keep.
    unsafe { IsBadReadPtr(address, size) }
}

/// TRUE unless all `size` bytes from `address` on can be written to; as
/// [`IsBadReadPtr`] otherwise. Nothing is written.
///
/// Source: "IsBadWritePtr function (winbase.h)".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn IsBadWritePtr(address: LPVOID, size: UINT_PTR) -> BOOL {
    BOOL::from(size != 0 && !is_writable(address.addr(), size))
}

/// [`IsBadWritePtr`] under the name that it had for large blocks.
///
/// Source: "IsBadHugeWritePtr function (winbase.h)".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn IsBadHugeWritePtr(address: LPVOID, size: UINT_PTR) -> BOOL {
    // SAFETY: nothing to keep.
    unsafe { IsBadWritePtr(address, size) }
}

/// TRUE unless the byte at `address` can be read; null cannot.
///
/// Source: "IsBadCodePtr function (winbase.h)".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn IsBadCodePtr(address: FARPROC) -> BOOL {
    let address = address.map_or(0, |code| (code as *const ()).addr());
    BOOL::from(!is_readable(address, 1))
}

/// TRUE unless the text can be read up to its end or its first `most`
/// characters, whichever comes first.
///
/// Source: "IsBadStringPtrA function (winbase.h)".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn IsBadStringPtrA(text: LPCSTR, most: UINT_PTR) -> BOOL {
    BOOL::from(is_bad_text(text.addr(), most, 1))
}

/// [`IsBadStringPtrA`] for characters of 16 bits.
///
/// Source: "IsBadStringPtrW function (winbase.h)".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn IsBadStringPtrW(text: LPCWSTR, most: UINT_PTR) -> BOOL {
    BOOL::from(is_bad_text(text.addr(), most, 2))
}

/// Reads a text in pieces into a buffer here, so that it may vanish meanwhile.
fn is_bad_text(address: usize, most: usize, width: usize) -> bool {
    let mut buffer = [0u8; 256];
    let Some(end) = most
        .checked_mul(width)
        .and_then(|size| address.checked_add(size))
        .or(Some(usize::MAX))
    else {
        return true;
    };
    let mut at = address;
    while at < end {
        let room = buffer.len() - at % buffer.len();
        let want = (end - at).min(room / width * width).max(width);
        let Some(got) = sys::copy(buffer.as_mut_ptr().expose_provenance(), at, want) else {
            return !is_readable_by_list(at, 1);
        };
        let got = buffer.get(..got.min(want)).unwrap_or_default();
        if got
            .chunks_exact(width)
            .any(|unit| unit.iter().all(|&byte| byte == 0))
        {
            return false;
        }
        if got.len() < want {
            return true;
        }
        at = at.saturating_add(want);
    }
    false
}

/// Copies `size` bytes of the process's memory from `address` to `buffer`. The
/// process is the own one, whose handle is `(HANDLE)-1`. How many were copied
/// goes to `copied`, if that is not null.
///
/// TRUE; FALSE and the last error otherwise: ERROR_PARTIAL_COPY when not all can
/// be read, ERROR_NOACCESS when the buffer cannot be written to, with 0 copied
/// (the buffer may have changed); ERROR_INVALID_HANDLE. Any thread may call it.
/// The protections of both are kept, and a guard page cannot be read.
///
/// Source: "ReadProcessMemory function (memoryapi.h)".
///
/// # Safety
/// `buffer` leads to `size` bytes that nobody else uses, or to none that can be
/// written to. `copied` is null or leads to a number that can be written to.
pub unsafe extern "system" fn ReadProcessMemory(
    process: HANDLE,
    address: LPCVOID,
    buffer: LPVOID,
    size: SIZE_T,
    copied: PSIZE_T,
) -> BOOL {
    let result = own(process).and_then(|()| {
        let done = sys::copy(
            buffer.expose_provenance(),
            address.expose_provenance(),
            size,
        );
        match done {
            Some(done) if done == size => Ok(size),
            None => Err(STATUS_NOT_SUPPORTED),
            Some(_) if !is_readable(address.addr(), size) => Err(STATUS_PARTIAL_COPY),
            Some(_) => Err(STATUS_ACCESS_VIOLATION),
        }
    });
    if !copied.is_null() {
        // SAFETY: the caller's number, wherever it lies.
        unsafe { copied.write_unaligned(result.unwrap_or(0)) };
    }
    truth(result.map(|_| ()))
}

/// Copies `size` bytes from `buffer` to the process's memory at `address`. The
/// process is the own one, whose handle is `(HANDLE)-1`. How many were copied
/// goes to `copied`, if that is not null. Code that can be run or read but not
/// written to is written to all the same; what can only be read is not.
///
/// TRUE; FALSE and the last error otherwise: ERROR_NOACCESS when not all at
/// `address` may be written to, `copied` is left alone then; ERROR_PARTIAL_COPY
/// with 0 copied when not all of the buffer can be read; ERROR_INVALID_HANDLE.
/// Any thread may call it. Processors that keep instructions apart want
/// [`FlushInstructionCache`] afterwards.
///
/// Source: "WriteProcessMemory function (memoryapi.h)".
///
/// # Safety
/// Nobody relies on what the bytes at `address` were. `copied` is null or leads
/// to a number that can be written to.
pub unsafe extern "system" fn WriteProcessMemory(
    process: HANDLE,
    address: LPVOID,
    buffer: LPCVOID,
    size: SIZE_T,
    copied: PSIZE_T,
) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    let result = own(process).and_then(|()| unsafe { write(address, buffer, size) });
    let count = match result {
        Ok(()) => Some(size),
        Err(STATUS_PARTIAL_COPY) => Some(0),
        Err(_) => None,
    };
    if let Some(count) = count
        && !copied.is_null()
    {
        // SAFETY: the caller's number, wherever it lies.
        unsafe { copied.write_unaligned(count) };
    }
    truth(result)
}

/// # Safety
/// Nobody relies on what the bytes at `address` were.
unsafe fn write(address: LPVOID, buffer: LPCVOID, size: usize) -> Result<(), NTSTATUS> {
    if size == 0 {
        return Ok(());
    }
    if !is_readable(buffer.addr(), size) {
        return Err(STATUS_PARTIAL_COPY);
    }
    let to = address.expose_provenance();
    let may_write = |protect: Protect| protect.is_writable() || protect.is_executable();
    if !all_pages(to, size, may_write) {
        return Err(STATUS_ACCESS_VIOLATION);
    }
    if sys::copy(to, buffer.expose_provenance(), size) == Some(size) {
        return Ok(());
    }
    // SAFETY: the caller's promise is the callee's; the buffer could be read a
    // moment ago, and the kernel checks.
    if unsafe { sys::overwrite(to, buffer.cast(), size) } {
        Ok(())
    } else {
        Err(STATUS_ACCESS_VIOLATION)
    }
}

/// Has processors run the instructions that were written to
/// `[address, address + size)`, or anywhere when `address` is null. The process
/// is the own one, whose handle is `(HANDLE)-1`; FALSE and ERROR_INVALID_HANDLE
/// for any other. On x86-64 they do so by themselves.
///
/// Source: "FlushInstructionCache function (processthreadsapi.h)".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn FlushInstructionCache(
    process: HANDLE,
    address: LPCVOID,
    size: SIZE_T,
) -> BOOL {
    if own(process).is_err() {
        last_error::set(ERROR_INVALID_HANDLE);
        return FALSE;
    }
    sys::flush_instructions(address.addr(), size);
    TRUE
}

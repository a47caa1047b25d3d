//! The functions for handles of any kind, and those that name the process.

use super::super::constants::{
    DUPLICATE_CLOSE_SOURCE, DUPLICATE_SAME_ACCESS, ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE,
    ERROR_NOT_ENOUGH_MEMORY, FALSE, STATUS_INVALID_HANDLE, STATUS_SUCCESS, TRUE,
};
use super::super::last_error;
use super::super::types::{BOOL, DWORD, HANDLE, NTSTATUS, PHANDLE};
use super::table::{Kind, any, borrow, close, open};
use crate::sys;
use core::ptr;

/// A process: its value is the process's number.
static PROCESS: Kind = Kind {
    end: |_| {},
    all: 0x001f_ffff,
    generic: [0x0002_0410, 0x0002_0bea, 0x0012_1001, 0x001f_ffff],
    is_bounded: false,
};

/// The number that stands for the calling process.
const THIS_PROCESS: usize = usize::MAX;

/// Whether a handle is the calling process's.
pub(in crate::win32) fn is_own_process(process: HANDLE) -> bool {
    if process.addr() == THIS_PROCESS {
        return true;
    }
    let own = sys::process_id() as usize;
    borrow(process, &PROCESS).is_some_and(|process| process.value == own)
}

/// The number that stands for the calling process wherever a handle of a process
/// is asked for, -1. It need not be closed. Any thread may call it.
///
/// Source: "GetCurrentProcess function (processthreadsapi.h)".
pub extern "system" fn GetCurrentProcess() -> HANDLE {
    ptr::without_provenance_mut(THIS_PROCESS)
}

/// The calling process's number. Any thread may call it.
///
/// Source: "GetCurrentProcessId function (processthreadsapi.h)".
pub extern "system" fn GetCurrentProcessId() -> DWORD {
    sys::process_id()
}

/// Ends a handle of a file, section, token or process. What it led to is there
/// until the last handle and the last use are gone; views of a section stay.
///
/// TRUE; FALSE with ERROR_INVALID_HANDLE for a number that is no open handle. The
/// numbers that stand for the process and the thread can be closed without
/// effect. Any thread may call it.
///
/// Source: "CloseHandle function (handleapi.h)".
///
/// # Safety
/// Nobody uses the handle any more.
pub unsafe extern "system" fn CloseHandle(handle: HANDLE) -> BOOL {
    if is_pseudo(handle) || close(handle) {
        return TRUE;
    }
    last_error::set(ERROR_INVALID_HANDLE);
    FALSE
}

/// As [`CloseHandle`], with a status: STATUS_SUCCESS or STATUS_INVALID_HANDLE.
///
/// Source: "NtClose function (winternl.h)".
///
/// # Safety
/// Nobody uses the handle any more.
pub unsafe extern "system" fn NtClose(handle: HANDLE) -> NTSTATUS {
    if is_pseudo(handle) || close(handle) {
        STATUS_SUCCESS
    } else {
        STATUS_INVALID_HANDLE
    }
}

/// -1 and -2: the process and the thread.
fn is_pseudo(handle: HANDLE) -> bool {
    handle.addr() >= THIS_PROCESS - 1
}

/// Makes a second handle of an object, with rights of its own:
/// DUPLICATE_SAME_ACCESS takes those of the first, otherwise `access` says which: of a
/// file none that the first has not, of other objects any.
/// DUPLICATE_CLOSE_SOURCE closes the first, whatever comes of it. Of the number
/// that stands for the calling process it makes a handle that other processes'
/// numbers would be, too. `inherit` has no effect: a forked process has all
/// handles, another program none.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_HANDLE when a process
/// is not the calling one, or `source` no open handle; ERROR_ACCESS_DENIED for a file's
/// rights that `source` has not;
/// ERROR_NOT_ENOUGH_MEMORY. Any thread may call it.
///
/// Source: "DuplicateHandle function (handleapi.h)".
///
/// # Safety
/// `target` is null or can be written to; with DUPLICATE_CLOSE_SOURCE nobody uses
/// the source any more.
pub unsafe extern "system" fn DuplicateHandle(
    source_process: HANDLE,
    source: HANDLE,
    target_process: HANDLE,
    target: PHANDLE,
    access: DWORD,
    _inherit: BOOL,
    options: DWORD,
) -> BOOL {
    if !is_own_process(source_process) {
        last_error::set(ERROR_INVALID_HANDLE);
        return FALSE;
    }
    let made = if is_own_process(target_process) {
        duplicate(source, access, options)
    } else {
        Err(ERROR_INVALID_HANDLE)
    };
    if options & DUPLICATE_CLOSE_SOURCE != 0 {
        close(source);
    }
    match made {
        Ok(handle) => {
            if target.is_null() {
                close(handle);
            } else {
                // SAFETY: the caller's pointer can be written to.
                unsafe { target.write_unaligned(handle) };
            }
            TRUE
        }
        Err(error) => {
            last_error::set(error);
            FALSE
        }
    }
}

fn duplicate(source: HANDLE, access: DWORD, options: DWORD) -> Result<HANDLE, DWORD> {
    let same = options & DUPLICATE_SAME_ACCESS != 0;
    if source.addr() == THIS_PROCESS {
        let rights = if same {
            PROCESS.all
        } else {
            PROCESS.rights(access)
        };
        let own = sys::process_id() as usize;
        return open(&PROCESS, own, rights).ok_or(ERROR_NOT_ENOUGH_MEMORY);
    }
    let object = any(source).ok_or(ERROR_INVALID_HANDLE)?;
    let rights = if same {
        object.access
    } else {
        let second = object.kind().second(access, object.access);
        second.ok_or(ERROR_ACCESS_DENIED)?
    };
    object.duplicate(rights).ok_or(ERROR_NOT_ENOUGH_MEMORY)
}

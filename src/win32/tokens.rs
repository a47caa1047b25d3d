//! The process's token and its privileges, as far as locking memory needs them.
//!
//! One privilege is known, SeLockMemoryPrivilege: a process holds it when the system
//! lets it lock memory at all. It is not in force until the program says so.

use super::answers::told;
use super::constants::*;
use super::handles::{self, Kind};
use super::last_error;
use super::types::{
    BOOL, DWORD, HANDLE, LPCSTR, LPCWSTR, LUID, LUID_AND_ATTRIBUTES, PHANDLE, PLUID,
    PTOKEN_PRIVILEGES, TOKEN_PRIVILEGES,
};
use super::wide;
use crate::sys;
use core::ffi::CStr;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, Ordering};

/// The process's token.
static TOKEN: Kind = Kind {
    end: |_| {},
    all: 0x000f_01ff,
    generic: [0x0002_0008, 0x0002_00e0, 0x0002_0000, 0x000f_01ff],
    is_bounded: false,
};

/// Windows' number for the privilege.
const LOCK_MEMORY: LUID = LUID {
    LowPart: 4,
    HighPart: 0,
};
const LOCK_MEMORY_NAME: &[u8] = b"SeLockMemoryPrivilege";

/// Whether the privilege is in force.
static MAY_LOCK: AtomicBool = AtomicBool::new(false);

/// Whether the process may allocate physical pages.
pub(super) fn may_lock_memory() -> bool {
    MAY_LOCK.load(Ordering::Relaxed)
}

/// Opens the calling process's token, with the rights of `access` (TOKEN_QUERY,
/// TOKEN_ADJUST_PRIVILEGES).
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_HANDLE when `process` is
/// not the calling one, ERROR_NOACCESS for a null pointer, ERROR_NOT_ENOUGH_MEMORY.
/// Any thread may call it.
///
/// Source: "OpenProcessToken function (processthreadsapi.h)".
///
/// # Safety
/// `token` is null or can be written to.
pub unsafe extern "system" fn OpenProcessToken(
    process: HANDLE,
    access: DWORD,
    token: PHANDLE,
) -> BOOL {
    if !handles::is_own_process(process) {
        return told(Err(ERROR_INVALID_HANDLE));
    }
    if token.is_null() {
        return told(Err(ERROR_NOACCESS));
    }
    let opened = handles::open(&TOKEN, 0, TOKEN.rights(access));
    told(opened.ok_or(ERROR_NOT_ENOUGH_MEMORY).map(|handle| {
        // SAFETY: the caller's pointer can be written to.
        unsafe { token.write_unaligned(handle) }
    }))
}

/// The number of a privilege: of "SeLockMemoryPrivilege", in letters of either
/// case. `system` is null: there is no other.
///
/// TRUE; FALSE and the last error otherwise: ERROR_NO_SUCH_PRIVILEGE,
/// ERROR_INVALID_PARAMETER for another system, ERROR_NOACCESS for a null pointer.
/// Any thread may call it.
///
/// Source: "LookupPrivilegeValueA function (winbase.h)".
///
/// # Safety
/// `system` and `name` are null or texts that end with 0; `number` is null or can be
/// written to.
pub unsafe extern "system" fn LookupPrivilegeValueA(
    system: LPCSTR,
    name: LPCSTR,
    number: PLUID,
) -> BOOL {
    if name.is_null() || number.is_null() {
        return told(Err(ERROR_NOACCESS));
    }
    // SAFETY: the caller's texts end with 0.
    let is_other = !system.is_null() && !unsafe { CStr::from_ptr(system) }.is_empty();
    // SAFETY: as above.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    // SAFETY: the caller's pointer can be written to.
    told(unsafe {
        look_up(
            is_other,
            name.eq_ignore_ascii_case(LOCK_MEMORY_NAME),
            number,
        )
    })
}

/// As [`LookupPrivilegeValueA`], with texts in 16-bit characters.
///
/// Source: "LookupPrivilegeValueW function (winbase.h)".
///
/// # Safety
/// As for [`LookupPrivilegeValueA`].
pub unsafe extern "system" fn LookupPrivilegeValueW(
    system: LPCWSTR,
    name: LPCWSTR,
    number: PLUID,
) -> BOOL {
    if name.is_null() || number.is_null() {
        return told(Err(ERROR_NOACCESS));
    }
    // SAFETY: the caller's texts end with 0.
    let is_other = !system.is_null() && !unsafe { wide::until_zero(system) }.is_empty();
    // SAFETY: as above.
    let name = unsafe { wide::until_zero(name) };
    let wanted = LOCK_MEMORY_NAME
        .iter()
        .map(|&byte| u16::from(byte.to_ascii_lowercase()));
    let given = name.iter().map(|&unit| match u8::try_from(unit) {
        Ok(byte) => u16::from(byte.to_ascii_lowercase()),
        Err(_) => unit,
    });
    // SAFETY: the caller's pointer can be written to.
    told(unsafe { look_up(is_other, given.eq(wanted), number) })
}

/// # Safety
/// `number` can be written to.
unsafe fn look_up(is_other: bool, is_known: bool, number: PLUID) -> Result<(), DWORD> {
    if is_other {
        return Err(ERROR_INVALID_PARAMETER);
    }
    if !is_known {
        return Err(ERROR_NO_SUCH_PRIVILEGE);
    }
    // SAFETY: the caller's promise.
    unsafe { number.write_unaligned(LOCK_MEMORY) };
    Ok(())
}

/// What is to become of the privilege.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Kept,
    Enabled,
    Disabled,
}

/// Puts privileges in force, or out of it: all of `wanted`, or every one with
/// `disable_all`. What they were before goes to `before`, unless that is null: those
/// that change; the bytes it takes go to `needed`.
///
/// TRUE, with the last error ERROR_SUCCESS, or ERROR_NOT_ALL_ASSIGNED when the
/// process does not hold all of them. FALSE and the last error otherwise:
/// ERROR_INVALID_HANDLE for no token, ERROR_ACCESS_DENIED for a handle without
/// TOKEN_ADJUST_PRIVILEGES (and TOKEN_QUERY, with `before`),
/// ERROR_INVALID_PARAMETER without privileges, ERROR_NOACCESS for `before` without
/// `needed`, ERROR_INSUFFICIENT_BUFFER for fewer than `needed` bytes: then nothing
/// has changed. Any thread may call it; the privileges are the process's.
///
/// Source: "AdjustTokenPrivileges function (securitybaseapi.h)".
///
/// # Safety
/// `wanted` is null or leads to as many privileges as it says; `before` is null or
/// leads to `size` bytes that can be written to; `needed` is null or can be written
/// to.
pub unsafe extern "system" fn AdjustTokenPrivileges(
    token: HANDLE,
    disable_all: BOOL,
    wanted: PTOKEN_PRIVILEGES,
    size: DWORD,
    before: PTOKEN_PRIVILEGES,
    needed: *mut DWORD,
) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    match unsafe { adjust(token, disable_all != FALSE, wanted, size, before, needed) } {
        Ok(all) => {
            last_error::set(if all {
                ERROR_SUCCESS
            } else {
                ERROR_NOT_ALL_ASSIGNED
            });
            TRUE
        }
        Err(error) => {
            last_error::set(error);
            FALSE
        }
    }
}

/// # Safety
/// As for [`AdjustTokenPrivileges`].
unsafe fn adjust(
    token: HANDLE,
    disable_all: bool,
    wanted: PTOKEN_PRIVILEGES,
    size: DWORD,
    before: PTOKEN_PRIVILEGES,
    needed: *mut DWORD,
) -> Result<bool, DWORD> {
    let token = handles::borrow(token, &TOKEN).ok_or(ERROR_INVALID_HANDLE)?;
    let mut rights = TOKEN_ADJUST_PRIVILEGES;
    if !before.is_null() {
        rights |= TOKEN_QUERY;
    }
    if token.access & rights != rights {
        return Err(ERROR_ACCESS_DENIED);
    }
    if wanted.is_null() && !disable_all {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let is_held = sys::system::lock_limit() != 0;
    let (mut change, mut all) = (Change::Kept, true);
    if disable_all {
        change = Change::Disabled;
    } else {
        // SAFETY: the caller's structure.
        let count = unsafe { (&raw const (*wanted).PrivilegeCount).read_unaligned() };
        let first = wanted.wrapping_byte_add(offset_of!(TOKEN_PRIVILEGES, Privileges));
        let first = first.cast::<LUID_AND_ATTRIBUTES>();
        for place in 0..count as usize {
            // SAFETY: there are as many privileges as the structure says.
            let privilege = unsafe { first.add(place).read_unaligned() };
            if privilege.Luid != LOCK_MEMORY || !is_held {
                all = false;
            } else if privilege.Attributes & SE_PRIVILEGE_ENABLED != 0 {
                change = Change::Enabled;
            } else {
                change = Change::Disabled;
            }
        }
    }
    let was = may_lock_memory();
    let changes = change != Change::Kept && was != (change == Change::Enabled);
    if !before.is_null() {
        if needed.is_null() {
            return Err(ERROR_NOACCESS);
        }
        let bytes = size_of::<TOKEN_PRIVILEGES>();
        // SAFETY: the caller's pointer can be written to.
        unsafe { needed.write_unaligned(bytes as DWORD) };
        if (size as usize) < bytes {
            return Err(ERROR_INSUFFICIENT_BUFFER);
        }
        let told = TOKEN_PRIVILEGES {
            PrivilegeCount: DWORD::from(changes),
            Privileges: [LUID_AND_ATTRIBUTES {
                Luid: LOCK_MEMORY,
                Attributes: if was { SE_PRIVILEGE_ENABLED } else { 0 },
            }],
        };
        // SAFETY: the caller's buffer has room for the structure.
        unsafe { before.write_unaligned(told) };
    }
    if changes {
        MAY_LOCK.store(change == Change::Enabled, Ordering::Relaxed);
    }
    Ok(all)
}

//! Decommitting and releasing.

use super::super::constants::*;
use super::super::types::{BOOL, DWORD, HANDLE, LPVOID, NTSTATUS, SIZE_T};
use super::{is_user_range, own, status_of, truth};
use crate::vm::regions;

/// Bits of a release about placeholders.
const PLACEHOLDERS: DWORD = MEM_COALESCE_PLACEHOLDERS | MEM_PRESERVE_PLACEHOLDER;

/// Does what all versions of `VirtualFree` do. The address of the first page
/// and the bytes freed.
///
/// # Safety
/// Nobody uses the pages any more.
pub(super) unsafe fn free(
    address: usize,
    size: usize,
    kind: DWORD,
) -> Result<(usize, usize), NTSTATUS> {
    check(kind)?;
    if !is_user_range(address, size) {
        return Err(STATUS_INVALID_PARAMETER_3);
    }
    // SAFETY: the caller's promise is the callees'.
    let done = unsafe {
        match kind & PLACEHOLDERS {
            _ if kind == MEM_DECOMMIT => regions::decommit(address, size),
            0 if size == 0 => regions::release(address),
            0 => regions::release_part(address, size),
            _ if size == 0 => return Err(STATUS_INVALID_PARAMETER_3),
            MEM_COALESCE_PLACEHOLDERS => regions::coalesce(address, size),
            _ => regions::split_placeholder(address, size),
        }
    };
    done.map_err(status_of)
}

/// Whether a type is one that can be freed by: before anything else is looked
/// at.
pub(super) fn check(kind: DWORD) -> Result<(), NTSTATUS> {
    let placeholders = kind & PLACEHOLDERS;
    match kind & !PLACEHOLDERS {
        MEM_DECOMMIT if placeholders == 0 => Ok(()),
        MEM_RELEASE if placeholders != PLACEHOLDERS => Ok(()),
        _ => Err(STATUS_INVALID_PARAMETER_4),
    }
}

/// # Safety
/// As for [`free`].
unsafe fn free_win32(address: LPVOID, size: SIZE_T, kind: DWORD) -> Result<(), NTSTATUS> {
    if kind == MEM_RELEASE && size != 0 {
        return Err(STATUS_INVALID_PARAMETER_3);
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe { free(address.addr(), size, kind) }.map(|_| ())
}

/// Decommits pages (MEM_DECOMMIT) or ends a region (MEM_RELEASE).
///
/// - Decommitting, all pages that `[address, address + size)` touches become
///   reserved, committed or not; a size of 0 with the region's first address
///   means all of them. Their memory and commit go back to the system.
/// - Releasing, `address` is the region's first and `size` is 0.
/// - MEM_RELEASE with MEM_PRESERVE_PLACEHOLDER makes a placeholder of a part of
///   one, or of the whole region that had replaced one.
/// - MEM_RELEASE with MEM_COALESCE_PLACEHOLDERS makes one placeholder of two or
///   more that are exactly `[address, address + size)`.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_PARAMETER for any
/// other type, a size where none may be, none where one must be, a range that
/// goes on past its region's end, or a view's pages; ERROR_INVALID_ADDRESS where
/// there is no region or placeholder, or none begins; ERROR_NOT_ENOUGH_MEMORY
/// when the system has no room for another mapping. Nothing has changed then.
/// Any thread may call it. The time grows with the logarithm of the number of
/// regions.
///
/// Source: "VirtualFree function (memoryapi.h)"; where errors are not told
/// there, what Windows is seen to do.
///
/// # Safety
/// Nobody uses the pages any more.
pub unsafe extern "system" fn VirtualFree(address: LPVOID, size: SIZE_T, free_type: DWORD) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    truth(unsafe { free_win32(address, size, free_type) })
}

/// [`VirtualFree`] in a process: the own one, whose handle is `(HANDLE)-1`.
/// FALSE and ERROR_INVALID_HANDLE for any other.
///
/// Source: "VirtualFreeEx function (memoryapi.h)".
///
/// # Safety
/// Nobody uses the pages any more.
pub unsafe extern "system" fn VirtualFreeEx(
    process: HANDLE,
    address: LPVOID,
    size: SIZE_T,
    free_type: DWORD,
) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    truth(own(process).and_then(|()| unsafe { free_win32(address, size, free_type) }))
}

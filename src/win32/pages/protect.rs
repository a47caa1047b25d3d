//! Changing protections.

use super::super::constants::*;
use super::super::types::{BOOL, DWORD, HANDLE, LPVOID, NTSTATUS, PDWORD, PVOID, SIZE_T, ULONG};
use super::{EXECUTE_RIGHTS, is_user_range, leads_nowhere, own, query, status_of, truth};
use crate::sys;
use crate::vm::regions::{self, Protect, Refusal};
use core::ptr;

/// Does what all versions of `VirtualProtect` do. The address of the first page,
/// the bytes that were changed, and the protection that the first page had.
pub(super) fn protect(
    address: usize,
    size: usize,
    wanted: DWORD,
) -> Result<(usize, usize, DWORD), NTSTATUS> {
    let protect = Protect::from_number(wanted).ok_or(STATUS_INVALID_PAGE_PROTECTION)?;
    if size == 0 || !is_user_range(address, size) {
        return Err(STATUS_INVALID_PARAMETER);
    }
    if regions::find(address).is_none() {
        return protect_foreign(address, size, protect);
    }
    let (start, size, old) =
        regions::protect(address, size, protect).map_err(|refusal| match refusal {
            Refusal::Invalid => STATUS_INVALID_PARAMETER,
            other => status_of(other),
        })?;
    Ok((start, size, old.number()))
}

/// Pages that were not reserved here, such as a program's code: all in one
/// reservation as far as the system's list of mappings tells.
fn protect_foreign(
    address: usize,
    size: usize,
    protect: Protect,
) -> Result<(usize, usize, DWORD), NTSTATUS> {
    let page = sys::page_size();
    let start = address & !(page - 1);
    let end = (address + size).next_multiple_of(page);
    let first = query(start).map_err(|_| STATUS_CONFLICTING_ADDRESSES)?;
    let mut at = first;
    loop {
        if at.State == MEM_FREE || at.AllocationBase != first.AllocationBase {
            return Err(STATUS_CONFLICTING_ADDRESSES);
        }
        if at.State != MEM_COMMIT {
            return Err(STATUS_NOT_COMMITTED);
        }
        let next = at.BaseAddress.addr() + at.RegionSize;
        if next >= end {
            break;
        }
        at = query(next).map_err(|_| STATUS_CONFLICTING_ADDRESSES)?;
    }
    if protect.is_guard() || (protect.is_copy() && first.Type == MEM_PRIVATE) {
        return Err(STATUS_INVALID_PAGE_PROTECTION);
    }
    let base = ptr::with_exposed_provenance_mut(start);
    // SAFETY: the caller asks for this; nothing that the pages hold changes.
    if unsafe { sys::protect(base, end - start, protect.system()) } {
        Ok((start, end - start, first.Protect))
    } else {
        Err(STATUS_ACCESS_DENIED)
    }
}

/// # Safety
/// `old` is null or leads to a number that can be written to.
unsafe fn protect_win32(
    address: LPVOID,
    size: SIZE_T,
    wanted: DWORD,
    old: PDWORD,
) -> Result<(), NTSTATUS> {
    if leads_nowhere(old) {
        return Err(STATUS_ACCESS_VIOLATION);
    }
    let (_, _, before) = protect(address.expose_provenance(), size, wanted)?;
    // SAFETY: the caller's number, wherever it lies.
    unsafe { old.write_unaligned(before) };
    Ok(())
}

/// Gives all pages that `[address, address + size)` touches the protection
/// `protect`, as [`VirtualAlloc`](super::VirtualAlloc) takes it. They are committed and of one
/// region. The first one's protection goes to `old`.
///
/// A view's pages take no right that the view was not made with; PAGE_WRITECOPY
/// and PAGE_EXECUTE_WRITECOPY are for views only. Other memory of the process,
/// such as its code, takes rights as well, but no PAGE_GUARD; for heaps' blocks
/// [`VirtualQuery`](super::VirtualQuery) does not tell.
///
/// TRUE; FALSE and the last error otherwise: ERROR_NOACCESS when `old` is null;
/// ERROR_INVALID_PARAMETER for a protection that these pages cannot have and a
/// size of 0; ERROR_INVALID_ADDRESS when not all pages are committed and of one
/// region; ERROR_NOT_ENOUGH_MEMORY when the system has no room for another
/// mapping. Nothing has changed then. Any thread may call it. The time grows with
/// the logarithm of the number of regions.
///
/// Source: "VirtualProtect function (memoryapi.h)"; where errors are not told
/// there, what Windows is seen to do.
///
/// # Safety
/// Rights are taken away that other code may rely on. `old` is null or leads to
/// a number that can be written to.
pub unsafe extern "system" fn VirtualProtect(
    address: LPVOID,
    size: SIZE_T,
    protect: DWORD,
    old: PDWORD,
) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    truth(unsafe { protect_win32(address, size, protect, old) })
}

/// [`VirtualProtect`] in a process: the own one, whose handle is `(HANDLE)-1`.
/// FALSE and ERROR_INVALID_HANDLE for any other.
///
/// Source: "VirtualProtectEx function (memoryapi.h)".
///
/// # Safety
/// As for [`VirtualProtect`].
pub unsafe extern "system" fn VirtualProtectEx(
    process: HANDLE,
    address: LPVOID,
    size: SIZE_T,
    protect: DWORD,
    old: PDWORD,
) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    truth(own(process).and_then(|()| unsafe { protect_win32(address, size, protect, old) }))
}

/// [`VirtualProtect`], but for ERROR_INVALID_PARAMETER for every right to run
/// code.
///
/// Source: "VirtualProtectFromApp function (memoryapi.h)".
///
/// # Safety
/// As for [`VirtualProtect`].
pub unsafe extern "system" fn VirtualProtectFromApp(
    address: PVOID,
    size: SIZE_T,
    protect: ULONG,
    old: PDWORD,
) -> BOOL {
    if protect & EXECUTE_RIGHTS != 0 {
        return truth(Err(STATUS_INVALID_PAGE_PROTECTION));
    }
    // SAFETY: the caller's promise is the callee's.
    truth(unsafe { protect_win32(address, size, protect, old) })
}

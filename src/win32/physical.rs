//! Address windowing extensions: pages that a program allocates by their numbers
//! and shows in windows of its address space.
//!
//! A window is reserved by [`VirtualAlloc`](super::VirtualAlloc) with MEM_RESERVE and
//! MEM_PHYSICAL. Pages are locked in memory as far as the system lets the process
//! lock any.

use super::answers::told;
use super::constants::*;
use super::types::{BOOL, DWORD, HANDLE, PULONG_PTR, PVOID, ULONG_PTR};
use super::{handles, tokens};
use crate::vm::regions::{self, Refusal};

fn error_of(refusal: Refusal) -> DWORD {
    match refusal {
        Refusal::Conflict | Refusal::NotAllocated => ERROR_INVALID_ADDRESS,
        Refusal::Invalid => ERROR_INVALID_PARAMETER,
        Refusal::CommitLimit => ERROR_COMMITMENT_LIMIT,
        _ => ERROR_NOT_ENOUGH_MEMORY,
    }
}

/// How many pages a call names.
///
/// # Safety
/// `count` is null or can be read.
unsafe fn named(process: HANDLE, count: PULONG_PTR, frames: PULONG_PTR) -> Result<usize, DWORD> {
    if !handles::is_own_process(process) {
        return Err(ERROR_INVALID_HANDLE);
    }
    if count.is_null() || frames.is_null() {
        return Err(ERROR_NOACCESS);
    }
    // SAFETY: the caller's pointer can be read.
    Ok(unsafe { count.read_unaligned() })
}

/// Allocates `*count` pages of memory that no address shows yet; the numbers that
/// they are known by go to `frames`, and how many there are to `count`: there may be
/// fewer than were asked for. They are charged as committed.
///
/// TRUE; FALSE and the last error otherwise: ERROR_PRIVILEGE_NOT_HELD unless
/// SeLockMemoryPrivilege is in force
/// ([`AdjustTokenPrivileges`](super::AdjustTokenPrivileges)); ERROR_INVALID_HANDLE
/// when `process` is not the calling one; ERROR_NOACCESS for a null pointer;
/// ERROR_NOT_ENOUGH_MEMORY when there is not one page; ERROR_COMMITMENT_LIMIT. Any
/// thread may call it.
///
/// Source: "AllocateUserPhysicalPages function (memoryapi.h)".
///
/// # Safety
/// `count` is null or can be read and written to; `frames` is null or has room for so
/// many numbers.
pub unsafe extern "system" fn AllocateUserPhysicalPages(
    process: HANDLE,
    count: PULONG_PTR,
    frames: PULONG_PTR,
) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    let wanted = unsafe { named(process, count, frames) };
    told(wanted.and_then(|wanted| {
        if !tokens::may_lock_memory() {
            return Err(ERROR_PRIVILEGE_NOT_HELD);
        }
        let given = regions::allocate_frames(wanted, |nth, number| {
            // SAFETY: the caller has room for as many numbers as it asked for.
            unsafe { frames.add(nth).write_unaligned(number) };
        });
        let given = given.map_err(error_of)?;
        // SAFETY: the caller's pointer can be written to.
        unsafe { count.write_unaligned(given) };
        Ok(())
    }))
}

/// Gives `*count` pages back; windows that show them show nothing there
/// afterwards.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_PARAMETER at the first
/// number that is none of the program's, and `count` is then how many pages before
/// it were given back; ERROR_INVALID_HANDLE when `process` is not the calling one;
/// ERROR_NOACCESS for a null pointer. Any thread may call it.
///
/// Source: "FreeUserPhysicalPages function (memoryapi.h)".
///
/// # Safety
/// `count` is null or can be read and written to; `frames` is null or leads to so
/// many numbers. Nobody uses the pages any more.
pub unsafe extern "system" fn FreeUserPhysicalPages(
    process: HANDLE,
    count: PULONG_PTR,
    frames: PULONG_PTR,
) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    let wanted = unsafe { named(process, count, frames) };
    told(wanted.and_then(|wanted| {
        // SAFETY: the caller has as many numbers as it says.
        let freed = regions::free_frames(wanted, |nth| unsafe { frames.add(nth).read_unaligned() });
        // SAFETY: the caller's pointer can be written to.
        unsafe { count.write_unaligned(freed) };
        if freed == wanted {
            Ok(())
        } else {
            Err(ERROR_INVALID_PARAMETER)
        }
    }))
}

/// Has `count` pages of a window from `address` on show the pages of `frames`, in
/// their order, or, if that is null, nothing. What was shown there before is not any
/// more, and keeps what it holds. All or nothing.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_ADDRESS when the
/// addresses are no window's; ERROR_INVALID_PARAMETER for an address that is no
/// page's, a number that is none of the program's, one named twice, and one that is
/// shown at another address; ERROR_NOT_ENOUGH_MEMORY when the system has no more
/// mappings. Any thread may call it. Pages in a row with numbers in a row are one
/// mapping.
///
/// Source: "MapUserPhysicalPages function (memoryapi.h)".
///
/// # Safety
/// `frames` is null or leads to `count` numbers. Nobody uses what is shown there now.
pub unsafe extern "system" fn MapUserPhysicalPages(
    address: PVOID,
    count: ULONG_PTR,
    frames: PULONG_PTR,
) -> BOOL {
    let page = crate::vm::page_size();
    let end = count
        .checked_mul(page)
        .and_then(|bytes| address.addr().checked_add(bytes));
    if end.is_none() {
        return told(Err(ERROR_INVALID_ADDRESS));
    }
    let shown = regions::map_frames(
        count,
        |nth| address.addr() + nth * page,
        // SAFETY: the caller has as many numbers as it says.
        |nth| (!frames.is_null()).then(|| unsafe { frames.add(nth).read_unaligned() }),
    );
    told(shown.map_err(error_of))
}

/// As [`MapUserPhysicalPages`], at `count` addresses of windows, which may lie
/// anywhere.
///
/// Source: "MapUserPhysicalPagesScatter function (winbase.h)".
///
/// # Safety
/// `addresses` is null or leads to `count` addresses; beyond that as for
/// [`MapUserPhysicalPages`].
pub unsafe extern "system" fn MapUserPhysicalPagesScatter(
    addresses: *mut PVOID,
    count: ULONG_PTR,
    frames: PULONG_PTR,
) -> BOOL {
    if addresses.is_null() {
        return told(Err(ERROR_NOACCESS));
    }
    let shown = regions::map_frames(
        count,
        // SAFETY: the caller has as many addresses as it says.
        |nth| unsafe { addresses.add(nth).read_unaligned() }.addr(),
        // SAFETY: and as many numbers.
        |nth| (!frames.is_null()).then(|| unsafe { frames.add(nth).read_unaligned() }),
    );
    told(shown.map_err(error_of))
}

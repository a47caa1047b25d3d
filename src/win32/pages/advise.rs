//! Pages that are to be in memory, or need not.

use super::super::constants::*;
use super::super::status;
use super::super::types::{
    BOOL, DWORD, HANDLE, LPVOID, NTSTATUS, OFFER_PRIORITY, PVOID, PWIN32_MEMORY_RANGE_ENTRY,
    SIZE_T, ULONG, ULONG_PTR,
};
use super::{is_user_range, leads_nowhere, own, status_of, truth};
use crate::sys;
use crate::vm::regions::{self, Locked, Refusal};
use core::ptr;

fn lock(address: usize, size: usize) -> Result<(), NTSTATUS> {
    if size == 0 || !is_user_range(address, size) {
        return Err(STATUS_INVALID_PARAMETER);
    }
    match regions::lock_pages(address, size).map_err(status_of)? {
        Locked::Yes => Ok(()),
        Locked::Guard => Err(STATUS_GUARD_PAGE_VIOLATION),
        Locked::NoAccess => Err(STATUS_ACCESS_VIOLATION),
        Locked::Limit => Err(STATUS_WORKING_SET_QUOTA),
        Locked::Foreign if !super::is_readable(address, size) => Err(STATUS_ACCESS_VIOLATION),
        Locked::Foreign => {
            let (base, size) = pages_of(address, size);
            // SAFETY: locking changes nothing that the pages hold.
            if unsafe { sys::lock_pages(base, size) } {
                Ok(())
            } else {
                Err(STATUS_WORKING_SET_QUOTA)
            }
        }
    }
}

fn pages_of(address: usize, size: usize) -> (*mut u8, usize) {
    let page = sys::page_size();
    let start = address & !(page - 1);
    let end = (address + size).next_multiple_of(page);
    (ptr::with_exposed_provenance_mut(start), end - start)
}

fn unlock(address: usize, size: usize) -> Result<(), NTSTATUS> {
    if size == 0 || !is_user_range(address, size) {
        return Err(STATUS_INVALID_PARAMETER);
    }
    match regions::unlock_pages(address, size).map_err(status_of)? {
        Some(true) => Ok(()),
        Some(false) => Err(STATUS_NOT_LOCKED),
        None => {
            let (base, size) = pages_of(address, size);
            // SAFETY: unlocking changes nothing that the pages hold.
            if unsafe { sys::unlock_pages(base, size) } {
                Ok(())
            } else {
                Err(STATUS_NOT_LOCKED)
            }
        }
    }
}

/// Has all pages that `[address, address + size)` touches stay in memory until
/// they are unlocked or freed. There is no count: one
/// [`VirtualUnlock`] undoes any number of calls.
///
/// TRUE; FALSE and the last error otherwise: ERROR_NOACCESS when not all are
/// committed and accessible, STATUS_GUARD_PAGE_VIOLATION when one was a guard
/// page, which is none any more; ERROR_WORKING_SET_QUOTA when the system locks no
/// more for this process; ERROR_INVALID_PARAMETER for a size of 0. Any thread may
/// call it.
///
/// Source: "VirtualLock function (memoryapi.h)".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn VirtualLock(address: LPVOID, size: SIZE_T) -> BOOL {
    truth(lock(address.addr(), size))
}

/// Undoes [`VirtualLock`] for all pages that `[address, address + size)`
/// touches.
///
/// TRUE; FALSE and the last error otherwise: ERROR_NOT_LOCKED when not all were
/// locked, none changes then; ERROR_INVALID_PARAMETER for a size of 0. Of memory
/// that was not reserved here it is not known whether it was locked. Any thread
/// may call it.
///
/// Source: "VirtualUnlock function (memoryapi.h)".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn VirtualUnlock(address: LPVOID, size: SIZE_T) -> BOOL {
    truth(unlock(address.addr(), size))
}

/// Says that ranges of the process's memory will be used soon. The process is the
/// own one, whose handle is `(HANDLE)-1`. Ranges may have any address and length;
/// what is not there is skipped.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_PARAMETER for no
/// ranges, a length of 0, and flags, of which there are none; ERROR_NOACCESS
/// when `ranges` is null; ERROR_INVALID_HANDLE. Any thread may call it.
///
/// Source: "PrefetchVirtualMemory function (memoryapi.h)".
///
/// # Safety
/// `ranges` is null or leads to `count` of them.
pub unsafe extern "system" fn PrefetchVirtualMemory(
    process: HANDLE,
    count: ULONG_PTR,
    ranges: PWIN32_MEMORY_RANGE_ENTRY,
    flags: ULONG,
) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    truth(own(process).and_then(|()| unsafe { prefetch(count, ranges, flags) }))
}

/// Says that ranges will be used soon; a status otherwise.
///
/// # Safety
/// `ranges` is null or leads to `count` of them.
pub(super) unsafe fn prefetch(
    count: usize,
    ranges: PWIN32_MEMORY_RANGE_ENTRY,
    flags: ULONG,
) -> Result<(), NTSTATUS> {
    if flags != 0 {
        return Err(STATUS_INVALID_PARAMETER_5);
    }
    if count == 0 {
        return Err(STATUS_INVALID_PARAMETER_3);
    }
    if leads_nowhere(ranges) {
        return Err(STATUS_ACCESS_VIOLATION);
    }
    for index in 0..count {
        // SAFETY: the caller's array has `count` of them.
        let range = unsafe { ranges.add(index).read_unaligned() };
        let (address, size) = (range.VirtualAddress.addr(), range.NumberOfBytes);
        if size == 0 {
            return Err(STATUS_INVALID_PARAMETER_4);
        }
        if is_user_range(address, size) {
            let (base, size) = pages_of(address, size);
            sys::fetch(base.addr(), size);
        }
    }
    Ok(())
}

/// The last error of a function that returns it.
fn error_of(refusal: Refusal) -> DWORD {
    match refusal {
        // These functions want whole read-write pages, and call all else wrong.
        Refusal::NoMemory => ERROR_NOT_ENOUGH_MEMORY,
        other => status::error_of(status_of(other)),
    }
}

/// Gives the memory of whole pages back: their bytes are undefined (0 here), and
/// they stay committed. ERROR_SUCCESS; otherwise ERROR_INVALID_PARAMETER when
/// address or size is no multiple of a page, the size is 0, or the pages are not
/// PAGE_READWRITE; ERROR_INVALID_ADDRESS when they are not committed, private and
/// of one region. Any thread may call it.
///
/// Source: "DiscardVirtualMemory function (memoryapi.h)".
///
/// # Safety
/// Nobody needs what the pages hold.
pub unsafe extern "system" fn DiscardVirtualMemory(address: PVOID, size: SIZE_T) -> DWORD {
    // SAFETY: the caller's promise is the callee's.
    match unsafe { regions::discard(address.addr(), size) } {
        Ok(()) => ERROR_SUCCESS,
        Err(refusal) => error_of(refusal),
    }
}

/// Offers whole committed, read-write, private pages to the system: they cannot
/// be accessed until [`ReclaimVirtualMemory`], and the system may take what they
/// hold. Locked pages are not locked any more. The priority, 1 to 4, has no
/// effect. ERROR_SUCCESS; otherwise as [`DiscardVirtualMemory`],
/// ERROR_INVALID_PARAMETER for any other priority, and ERROR_NOT_ENOUGH_MEMORY
/// when the system has no room for another mapping. Any thread may call it. It
/// reads the pages that are in memory, to tell later whether they were taken.
///
/// Source: "OfferVirtualMemory function (memoryapi.h)".
///
/// # Safety
/// Nobody uses the pages until they are reclaimed.
pub unsafe extern "system" fn OfferVirtualMemory(
    address: PVOID,
    size: SIZE_T,
    priority: OFFER_PRIORITY,
) -> DWORD {
    if !(VmOfferPriorityVeryLow..=VmOfferPriorityNormal).contains(&priority) {
        return ERROR_INVALID_PARAMETER;
    }
    match regions::offer(address.addr(), size) {
        Ok(()) => ERROR_SUCCESS,
        Err(refusal) => error_of(refusal),
    }
}

/// Makes offered pages accessible again. ERROR_SUCCESS when they hold what they
/// held; ERROR_BUSY when the system took some of it: the pages can be used, and
/// what was taken reads 0. Otherwise as [`DiscardVirtualMemory`], and
/// ERROR_INVALID_PARAMETER for pages that are not offered. Any thread may call it.
///
/// Source: "ReclaimVirtualMemory function (memoryapi.h)".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn ReclaimVirtualMemory(address: PVOID, size: SIZE_T) -> DWORD {
    match regions::reclaim(address.addr(), size) {
        Ok(true) => ERROR_SUCCESS,
        Ok(false) => ERROR_BUSY,
        Err(refusal) => error_of(refusal),
    }
}

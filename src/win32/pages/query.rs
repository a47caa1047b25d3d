//! What is known of an address.

use super::super::constants::*;
use super::super::last_error;
use super::super::types::{
    DWORD, HANDLE, LPCVOID, MEMORY_BASIC_INFORMATION, PMEMORY_BASIC_INFORMATION, SIZE_T,
};
use super::{leads_nowhere, own};
use crate::vm::PageKind;
use crate::vm::query::{self, Untold};
use core::ptr;

/// Tells about the pages from that of `address` on that are alike: same region,
/// same state, same protection.
///
/// Regions of [`VirtualAlloc`](super::VirtualAlloc), views and heaps are told exactly. For what else
/// the process has mapped, the system's list is read: a mapping is a region,
/// without access it counts as reserved. Mappings in a row of one file are an
/// image (MEM_IMAGE) when code in any of them can run, with the memory right
/// behind; other files are MEM_MAPPED. Of the calling thread's stack it is told
/// what is committed, reserved, and guard page.
///
/// The bytes written, 48; 0 and the last error otherwise: ERROR_BAD_LENGTH for a
/// shorter buffer, ERROR_NOACCESS for none, ERROR_INVALID_PARAMETER above the
/// addresses that programs have, ERROR_NOT_SUPPORTED where the system has no
/// list of mappings. Any thread may call it; what it tells of other threads'
/// memory may change at once. Regions take a time that grows with the logarithm of
/// their number; free and foreign memory take a system call for each 4 KiB of the
/// list.
///
/// Source: "VirtualQuery function (memoryapi.h)", "MEMORY_BASIC_INFORMATION".
///
/// # Safety
/// `buffer` is null or leads to `length` bytes that can be written to.
pub unsafe extern "system" fn VirtualQuery(
    address: LPCVOID,
    buffer: PMEMORY_BASIC_INFORMATION,
    length: SIZE_T,
) -> SIZE_T {
    let answer = if leads_nowhere(buffer) {
        Err(ERROR_NOACCESS)
    } else if length < size_of::<MEMORY_BASIC_INFORMATION>() {
        Err(ERROR_BAD_LENGTH)
    } else {
        query(address.addr())
    };
    match answer {
        Ok(information) => {
            // SAFETY: the caller's buffer has room for the structure, wherever
            // it lies.
            unsafe { buffer.write_unaligned(information) };
            size_of::<MEMORY_BASIC_INFORMATION>()
        }
        Err(error) => {
            last_error::set(error);
            0
        }
    }
}

/// [`VirtualQuery`] of a process: the own one, whose handle is `(HANDLE)-1`. 0 and
/// ERROR_INVALID_HANDLE for any other.
///
/// Source: "VirtualQueryEx function (memoryapi.h)".
///
/// # Safety
/// As for [`VirtualQuery`].
pub unsafe extern "system" fn VirtualQueryEx(
    process: HANDLE,
    address: LPCVOID,
    buffer: PMEMORY_BASIC_INFORMATION,
    length: SIZE_T,
) -> SIZE_T {
    if own(process).is_err() {
        last_error::set(ERROR_INVALID_HANDLE);
        return 0;
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe { VirtualQuery(address, buffer, length) }
}

/// What is known of a page; the last error otherwise.
pub(in super::super) fn query(address: usize) -> Result<MEMORY_BASIC_INFORMATION, DWORD> {
    let found = query::about(address).map_err(|untold| match untold {
        Untold::Beyond => ERROR_INVALID_PARAMETER,
        Untold::System => ERROR_NOT_SUPPORTED,
    })?;
    let (state, protect) = match (found.kind, found.protect) {
        (None, _) => (MEM_FREE, PAGE_NOACCESS),
        (Some(_), None) => (MEM_RESERVE, 0),
        (Some(_), Some(protect)) => (MEM_COMMIT, protect.number()),
    };
    Ok(MEMORY_BASIC_INFORMATION {
        BaseAddress: ptr::with_exposed_provenance_mut(found.start),
        AllocationBase: ptr::with_exposed_provenance_mut(found.allocation),
        AllocationProtect: found.kind.map_or(0, |_| found.initial.number()),
        PartitionId: 0,
        RegionSize: found.end - found.start,
        State: state,
        Protect: protect,
        Type: match found.kind {
            None => 0,
            Some(PageKind::Private) => MEM_PRIVATE,
            Some(PageKind::Mapped) => MEM_MAPPED,
            Some(PageKind::Image) => MEM_IMAGE,
        },
    })
}

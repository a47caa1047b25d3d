//! Memory and address space: how much there is, and how much is left.

use super::super::constants::{ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, FALSE, TRUE};
use super::super::last_error;
use super::super::types::{
    BOOL, DWORD, LPMEMORYSTATUS, LPMEMORYSTATUSEX, MEMORYSTATUS, MEMORYSTATUSEX,
};
use super::machine::{HIGHEST, LOWEST};
use crate::sys::{self, system::Memory};
use crate::vm;

/// What can be committed on the system and what is, in bytes.
pub(super) struct Commit {
    pub(super) limit: u64,
    pub(super) total: u64,
}

/// What the system has promised, and this library where the system counts nothing.
pub(super) fn commit(memory: &Memory) -> Commit {
    let (charged, _) = vm::charge_and_limit();
    let total = memory.committed.saturating_add(charged as u64);
    // A system that promises more than it has is as one whose page file grows.
    let room = memory.total.saturating_add(memory.swap_total);
    let limit = room.max(memory.committed.saturating_add(memory.available));
    Commit { limit, total }
}

fn status() -> Option<MEMORYSTATUSEX> {
    let memory = sys::system::memory()?;
    let own = sys::system::own()?;
    let commit = commit(&memory);
    let (charged, process_limit) = vm::charge_and_limit();
    let (charged, process_limit) = (charged as u64, process_limit as u64);
    let used = memory.total.saturating_sub(memory.available);
    let load = used.saturating_mul(100).checked_div(memory.total);
    let space = (HIGHEST - LOWEST + 1) as u64;
    let space = space.min(sys::address_space_limit() as u64);
    let left = commit.limit.saturating_sub(commit.total);
    Some(MEMORYSTATUSEX {
        dwLength: size_of::<MEMORYSTATUSEX>() as DWORD,
        dwMemoryLoad: load.unwrap_or(0).min(100) as DWORD,
        ullTotalPhys: memory.total,
        ullAvailPhys: memory.available,
        ullTotalPageFile: commit.limit.min(process_limit),
        ullAvailPageFile: left.min(process_limit.saturating_sub(charged)),
        ullTotalVirtual: space,
        ullAvailVirtual: space.saturating_sub(own.mapped),
        ullAvailExtendedVirtual: 0,
    })
}

/// Tells how much memory and address space there is, and how much is left, in
/// bytes. What can be committed is a sum for the whole system, or the process's
/// limit if that is smaller ([`crate::vm::set_commit_limit`]).
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_PARAMETER when
/// `dwLength` is not the structure's size, 64, or for a null pointer;
/// ERROR_NOT_SUPPORTED where the system does not tell. Any thread may call it. The
/// system's lists are read, which takes some ten microseconds.
///
/// Source: "GlobalMemoryStatusEx function (sysinfoapi.h)", "MEMORYSTATUSEX".
///
/// # Safety
/// `buffer` is null or can be read and written to.
pub unsafe extern "system" fn GlobalMemoryStatusEx(buffer: LPMEMORYSTATUSEX) -> BOOL {
    // SAFETY: the caller's pointer can be read.
    let length = || unsafe { (&raw const (*buffer).dwLength).read_unaligned() };
    if buffer.is_null() || length() as usize != size_of::<MEMORYSTATUSEX>() {
        last_error::set(ERROR_INVALID_PARAMETER);
        return FALSE;
    }
    let Some(told) = status() else {
        last_error::set(ERROR_NOT_SUPPORTED);
        return FALSE;
    };
    // SAFETY: the caller's pointer can be written to.
    unsafe { buffer.write_unaligned(told) };
    TRUE
}

/// As [`GlobalMemoryStatusEx`], in the older structure, whose size need not be set
/// and which is all zero but for it where the system does not tell.
///
/// Source: "GlobalMemoryStatus function (winbase.h)", "MEMORYSTATUS".
///
/// # Safety
/// `buffer` can be written to.
pub unsafe extern "system" fn GlobalMemoryStatus(buffer: LPMEMORYSTATUS) {
    let told = status();
    let size = |of: fn(&MEMORYSTATUSEX) -> u64| {
        let bytes = told.as_ref().map_or(0, of);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    };
    let status = MEMORYSTATUS {
        dwLength: size_of::<MEMORYSTATUS>() as DWORD,
        dwMemoryLoad: told.as_ref().map_or(0, |told| told.dwMemoryLoad),
        dwTotalPhys: size(|told| told.ullTotalPhys),
        dwAvailPhys: size(|told| told.ullAvailPhys),
        dwTotalPageFile: size(|told| told.ullTotalPageFile),
        dwAvailPageFile: size(|told| told.ullAvailPageFile),
        dwTotalVirtual: size(|told| told.ullTotalVirtual),
        dwAvailVirtual: size(|told| told.ullAvailVirtual),
    };
    // SAFETY: the caller's pointer can be written to.
    unsafe { buffer.write_unaligned(status) };
}

//! Who uses the memory: the system as a whole, and this process.

use super::super::answers::told;
use super::super::constants::{
    ERROR_BAD_LENGTH, ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_HANDLE, ERROR_NOACCESS,
    ERROR_NOT_SUPPORTED,
};
use super::super::handles;
use super::super::types::{
    BOOL, DWORD, HANDLE, PERFORMANCE_INFORMATION, PPERFORMANCE_INFORMATION,
    PPROCESS_MEMORY_COUNTERS, PROCESS_MEMORY_COUNTERS, PROCESS_MEMORY_COUNTERS_EX,
};
use super::memory::commit;
use crate::sys;
use core::sync::atomic::{AtomicU64, Ordering};

/// The most that was seen of a figure, this time included.
fn peak(of: &AtomicU64, now: u64) -> u64 {
    of.fetch_max(now, Ordering::Relaxed).max(now)
}

fn performance() -> Option<PERFORMANCE_INFORMATION> {
    static PEAK: AtomicU64 = AtomicU64::new(0);
    let memory = sys::system::memory()?;
    let running = sys::system::running()?;
    let commit = commit(&memory);
    let page = sys::page_size() as u64;
    let pages = |bytes: u64| usize::try_from(bytes / page).unwrap_or(usize::MAX);
    let paged = memory.kernel_reclaimable.min(memory.kernel);
    Some(PERFORMANCE_INFORMATION {
        cb: size_of::<PERFORMANCE_INFORMATION>() as DWORD,
        CommitTotal: pages(commit.total),
        CommitLimit: pages(commit.limit),
        CommitPeak: pages(peak(&PEAK, commit.total)),
        PhysicalTotal: pages(memory.total),
        PhysicalAvailable: pages(memory.available),
        SystemCache: pages(memory.cached),
        KernelTotal: pages(memory.kernel),
        KernelPaged: pages(paged),
        KernelNonpaged: pages(memory.kernel - paged),
        PageSize: page as usize,
        HandleCount: handles::count() as DWORD,
        ProcessCount: running.processes,
        ThreadCount: running.threads,
    })
}

/// Tells about the system's memory, in pages, and how much runs. The handles are
/// this process's, for the system has none.
///
/// TRUE; FALSE and the last error otherwise: ERROR_BAD_LENGTH for a `size` below the
/// structure's, 104; ERROR_NOACCESS for a null pointer; ERROR_NOT_SUPPORTED where the
/// system does not tell. Any thread may call it.
///
/// Source: "GetPerformanceInfo function (psapi.h)", "PERFORMANCE_INFORMATION".
///
/// # Safety
/// `information` is null or can be written to.
pub unsafe extern "system" fn K32GetPerformanceInfo(
    information: PPERFORMANCE_INFORMATION,
    size: DWORD,
) -> BOOL {
    if (size as usize) < size_of::<PERFORMANCE_INFORMATION>() {
        return told(Err(ERROR_BAD_LENGTH));
    }
    if information.is_null() {
        return told(Err(ERROR_NOACCESS));
    }
    told(performance().ok_or(ERROR_NOT_SUPPORTED).map(|told| {
        // SAFETY: the caller's pointer can be written to.
        unsafe { information.write_unaligned(told) }
    }))
}

fn usage() -> Option<PROCESS_MEMORY_COUNTERS_EX> {
    static PEAK: AtomicU64 = AtomicU64::new(0);
    let own = sys::system::own()?;
    let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Some(PROCESS_MEMORY_COUNTERS_EX {
        Counters: PROCESS_MEMORY_COUNTERS {
            cb: 0,
            PageFaultCount: own.faults as DWORD,
            PeakWorkingSetSize: bytes(own.peak_resident),
            WorkingSetSize: bytes(own.resident),
            QuotaPeakPagedPoolUsage: 0,
            QuotaPagedPoolUsage: 0,
            QuotaPeakNonPagedPoolUsage: 0,
            QuotaNonPagedPoolUsage: 0,
            PagefileUsage: bytes(own.private),
            PeakPagefileUsage: bytes(peak(&PEAK, own.private)),
        },
        PrivateUsage: bytes(own.private),
    })
}

/// Tells about this process's memory, in bytes: with a `size` of 80 or more also
/// PrivateUsage.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_HANDLE when `process` is
/// not the calling one; ERROR_INSUFFICIENT_BUFFER for a `size` below 72;
/// ERROR_NOACCESS for a null pointer; ERROR_NOT_SUPPORTED where the system does not
/// tell. Any thread may call it.
///
/// Source: "GetProcessMemoryInfo function (psapi.h)", "PROCESS_MEMORY_COUNTERS".
///
/// # Safety
/// `counters` is null or leads to `size` bytes that can be written to.
pub unsafe extern "system" fn K32GetProcessMemoryInfo(
    process: HANDLE,
    counters: PPROCESS_MEMORY_COUNTERS,
    size: DWORD,
) -> BOOL {
    if !handles::is_own_process(process) {
        return told(Err(ERROR_INVALID_HANDLE));
    }
    if (size as usize) < size_of::<PROCESS_MEMORY_COUNTERS>() {
        return told(Err(ERROR_INSUFFICIENT_BUFFER));
    }
    if counters.is_null() {
        return told(Err(ERROR_NOACCESS));
    }
    told(usage().ok_or(ERROR_NOT_SUPPORTED).map(|mut usage| {
        if (size as usize) < size_of::<PROCESS_MEMORY_COUNTERS_EX>() {
            usage.Counters.cb = size_of::<PROCESS_MEMORY_COUNTERS>() as DWORD;
            // SAFETY: the caller's buffer has room for the structure.
            unsafe { counters.write_unaligned(usage.Counters) };
        } else {
            usage.Counters.cb = size_of::<PROCESS_MEMORY_COUNTERS_EX>() as DWORD;
            // SAFETY: the caller's buffer has room for the larger structure.
            unsafe {
                counters
                    .cast::<PROCESS_MEMORY_COUNTERS_EX>()
                    .write_unaligned(usage)
            };
        }
    }))
}

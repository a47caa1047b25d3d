//! The machine: processors, pages, addresses, memory that is built in.

use super::super::constants::{
    ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, FALSE, PROCESSOR_AMD_X8664,
    PROCESSOR_ARCHITECTURE_AMD64, PROCESSOR_ARCHITECTURE_ARM64, PROCESSOR_ARCHITECTURE_UNKNOWN,
    TRUE,
};
use super::super::last_error;
use super::super::types::{BOOL, DWORD, LPSYSTEM_INFO, SIZE_T, SYSTEM_INFO};
use crate::sys;
use crate::vm;
use core::ptr;

/// The lowest address that a program can have: what lies below is never handed out.
pub(super) const LOWEST: usize = 0x1_0000;
/// The highest one.
pub(super) const HIGHEST: usize = sys::USER_END - 1;

/// Family, and model with stepping.
fn processor() -> (u16, u16) {
    #[cfg(all(target_arch = "x86_64", not(ntheap_portable)))]
    {
        #[allow(unused_unsafe, reason = "a safe function from Rust 1.94 on")]
        // SAFETY: every processor of 64 bits has the instruction and this leaf.
        let signature = unsafe { core::arch::x86_64::__cpuid(1) }.eax;
        let (stepping, mut model) = (signature & 0xf, signature >> 4 & 0xf);
        let mut family = signature >> 8 & 0xf;
        if family == 6 || family == 15 {
            model |= signature >> 12 & 0xf0;
        }
        if family == 15 {
            family += signature >> 20 & 0xff;
        }
        (family as u16, (model << 8 | stepping) as u16)
    }
    #[cfg(not(all(target_arch = "x86_64", not(ntheap_portable))))]
    {
        (0, 0)
    }
}

/// Tells about the machine: pages, granularity, the addresses that programs can
/// have, processors. A page is the system's, of 4 KiB or more. Any thread may call
/// it.
///
/// Source: "GetSystemInfo function (sysinfoapi.h)", "SYSTEM_INFO".
///
/// # Safety
/// `information` can be written to.
pub unsafe extern "system" fn GetSystemInfo(information: LPSYSTEM_INFO) {
    let count = sys::system::processors();
    let mask = match count {
        0..64 => (1 << count) - 1,
        _ => usize::MAX,
    };
    let (architecture, kind) = if cfg!(target_arch = "x86_64") {
        (PROCESSOR_ARCHITECTURE_AMD64, PROCESSOR_AMD_X8664)
    } else if cfg!(target_arch = "aarch64") {
        (PROCESSOR_ARCHITECTURE_ARM64, 0)
    } else {
        (PROCESSOR_ARCHITECTURE_UNKNOWN, 0)
    };
    let (level, revision) = processor();
    let told = SYSTEM_INFO {
        wProcessorArchitecture: architecture as u16,
        wReserved: 0,
        dwPageSize: sys::page_size() as DWORD,
        lpMinimumApplicationAddress: ptr::without_provenance_mut(LOWEST),
        lpMaximumApplicationAddress: ptr::without_provenance_mut(HIGHEST),
        dwActiveProcessorMask: mask,
        dwNumberOfProcessors: count,
        dwProcessorType: kind,
        dwAllocationGranularity: vm::GRANULARITY as DWORD,
        wProcessorLevel: level,
        wProcessorRevision: revision,
    };
    // SAFETY: the caller's pointer can be written to.
    unsafe { information.write_unaligned(told) };
}

/// As [`GetSystemInfo`]: there is no other system around this one.
///
/// Source: "GetNativeSystemInfo function (sysinfoapi.h)".
///
/// # Safety
/// `information` can be written to.
pub unsafe extern "system" fn GetNativeSystemInfo(information: LPSYSTEM_INFO) {
    // SAFETY: the caller's promise.
    unsafe { GetSystemInfo(information) };
}

/// KiB of memory that the machine has, used by the system or not.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_PARAMETER for a null
/// pointer, ERROR_NOT_SUPPORTED where the system does not tell. Any thread may call
/// it.
///
/// Source: "GetPhysicallyInstalledSystemMemory function (sysinfoapi.h)".
///
/// # Safety
/// `kib` is null or can be written to.
pub unsafe extern "system" fn GetPhysicallyInstalledSystemMemory(kib: *mut u64) -> BOOL {
    if kib.is_null() {
        last_error::set(ERROR_INVALID_PARAMETER);
        return FALSE;
    }
    // Some systems tell only of the memory that they manage.
    let managed = || Some(sys::system::memory()?.total);
    let Some(bytes) = sys::system::installed().or_else(managed) else {
        last_error::set(ERROR_NOT_SUPPORTED);
        return FALSE;
    };
    // SAFETY: the caller's pointer can be written to.
    unsafe { kib.write_unaligned(bytes / 1024) };
    TRUE
}

/// Bytes of a large page, of which MEM_LARGE_PAGES takes multiples; 0 if there are none.
/// Any thread may call it.
///
/// Source: "GetLargePageMinimum function (memoryapi.h)".
pub extern "system" fn GetLargePageMinimum() -> SIZE_T {
    sys::large_page_size().unwrap_or(0)
}

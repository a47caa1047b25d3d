//! Floor 4: the Windows names, for Rust and, through the shared libraries, for
//! C.
//!
//! Heaps, last errors, exceptions and pages as Windows documents them:
//! functions of the same names, arguments, results and last errors, and
//! structures of the same layout. 64-bit Windows is the model; where its
//! versions differ, the newest.
//!
//! ```text
//!   C program --HeapAlloc--> libntheap_win32.so --ntheap_HeapAlloc--> libntheap.so
//!   Rust program --ntheap::win32::HeapAlloc--------------------------> this module
//! ```
//!
//! Invariants:
//! - This module holds no heap: it turns arguments into calls of the layers
//!   below, and their answers into Windows' results. Nothing else knows of
//!   last errors, statuses and exceptions.
//! - The names are listed once, in `names/`; what is exported, linked and
//!   tested is made from that list.
//! - An exception is raised with no lock held, from frames that have nothing
//!   to clean up.
//! - A function leaves the last error alone unless it fails, and its
//!   documentation says what it then is.
//!
//! ```
//! use ntheap::win32::*;
//! use std::ptr;
//!
//! // SAFETY: the heap is used by this thread only, and its blocks not after it.
//! unsafe {
//!     let heap = HeapCreate(0, 0, 0x10000);
//!     assert!(!heap.is_null());
//!     let block = HeapAlloc(heap, HEAP_ZERO_MEMORY, 100);
//!     assert_eq!(HeapSize(heap, 0, block), 100);
//!     assert_eq!(HeapAlloc(heap, 0, 0x10000), ptr::null_mut());
//!     assert_eq!(GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
//!     assert_eq!(HeapDestroy(heap), TRUE);
//! }
//! ```
//!
//! On Windows itself the module of this name has the system's own functions
//! (`windows.rs`), as far as `windows-sys` has them.

#![allow(non_snake_case, non_camel_case_types, non_upper_case_globals)]
#![allow(clippy::upper_case_acronyms)]

mod answers;
mod com;
mod constants;
mod crt;
mod crtdbg;
mod crtdbg_report;
mod crtdbg_state;
#[cfg(unix)]
mod crtdbg_texts;
mod debug;
mod exceptions;
mod failure;
mod faults;
mod files;
mod global;
mod handles;
mod heap;
mod information;
mod last_error;
mod names;
mod pages;
mod physical;
mod rtl;
mod rtl_create;
mod sections;
mod stacks;
mod status;
mod system;
mod tokens;
mod toolhelp;
mod types;
mod walk;
mod wide;

pub use com::*;
pub use constants::*;
pub use crt::{
    __doserrno, _aligned_free, _aligned_malloc, _aligned_msize, _aligned_offset_malloc,
    _aligned_offset_realloc, _aligned_offset_recalloc, _aligned_realloc, _aligned_recalloc,
    _callnewh, _expand, _get_doserrno, _get_errno, _get_heap_handle,
    _get_invalid_parameter_handler, _get_sbh_threshold, _heapchk, _heapmin, _heapset, _heapwalk,
    _msize, _query_new_handler, _query_new_mode, _recalloc, _set_doserrno, _set_errno,
    _set_invalid_parameter_handler, _set_new_handler, _set_new_mode, _set_sbh_threshold,
};
pub use crtdbg::{
    _aligned_free_dbg, _aligned_malloc_dbg, _aligned_msize_dbg, _aligned_offset_malloc_dbg,
    _aligned_offset_realloc_dbg, _aligned_offset_recalloc_dbg, _aligned_realloc_dbg,
    _aligned_recalloc_dbg, _calloc_dbg, _expand_dbg, _free_dbg, _malloc_dbg, _mbsdup_dbg,
    _msize_dbg, _realloc_dbg, _recalloc_dbg, _strdup_dbg, _wcsdup_dbg,
};
pub use crtdbg_report::{
    _CrtDbgBreak, _CrtGetReportHook, _CrtSetReportFile, _CrtSetReportHook, _CrtSetReportHook2,
    _CrtSetReportHookW2, _CrtSetReportMode,
};
#[cfg(all(target_arch = "x86_64", not(windows)))]
#[doc(hidden)]
pub use crtdbg_report::{report_list, report_list_wide};
pub use crtdbg_state::{
    __p__crtBreakAlloc, __p__crtDbgFlag, _CrtCheckMemory, _CrtDoForAllClientObjects,
    _CrtDumpMemoryLeaks, _CrtGetAllocHook, _CrtGetDumpClient, _CrtIsMemoryBlock,
    _CrtIsValidHeapPointer, _CrtIsValidPointer, _CrtMemCheckpoint, _CrtMemDifference,
    _CrtMemDumpAllObjectsSince, _CrtMemDumpStatistics, _CrtReportBlockType, _CrtSetAllocHook,
    _CrtSetBreakAlloc, _CrtSetDbgFlag, _CrtSetDumpClient,
};
#[cfg(unix)]
pub use crtdbg_texts::{
    _dupenv_s_dbg, _fullpath_dbg, _getcwd_dbg, _tempnam_dbg, _wdupenv_s_dbg, _wfullpath_dbg,
    _wgetcwd_dbg, _wtempnam_dbg,
};
pub use debug::{OutputDebugStringA, OutputDebugStringW};
pub use exceptions::{AddVectoredExceptionHandler, RaiseException, RemoveVectoredExceptionHandler};
pub use files::{
    _get_osfhandle, _open_osfhandle, CreateFileA, CreateFileW, FlushFileBuffers, GetFileSize,
    GetFileSizeEx, ReadFile, SetEndOfFile, SetFilePointer, SetFilePointerEx, WriteFile,
};
pub use global::*;
pub use handles::{CloseHandle, DuplicateHandle, GetCurrentProcess, GetCurrentProcessId, NtClose};
pub use heap::{
    GetProcessHeap, GetProcessHeaps, HeapAlloc, HeapCompact, HeapCreate, HeapDestroy, HeapFree,
    HeapLock, HeapReAlloc, HeapSize, HeapUnlock, HeapValidate,
};
pub use information::{HeapQueryInformation, HeapSetInformation, HeapSummary};
pub use last_error::{GetLastError, SetLastError};
pub use pages::{
    DiscardVirtualMemory, FlushInstructionCache, GetWriteWatch, IsBadCodePtr, IsBadHugeReadPtr,
    IsBadHugeWritePtr, IsBadReadPtr, IsBadStringPtrA, IsBadStringPtrW, IsBadWritePtr,
    NtAllocateVirtualMemory, NtAllocateVirtualMemoryEx, NtFreeVirtualMemory,
    NtProtectVirtualMemory, NtQueryVirtualMemory, NtSetInformationVirtualMemory,
    OfferVirtualMemory, PrefetchVirtualMemory, ReadProcessMemory, ReclaimVirtualMemory,
    ResetWriteWatch, VirtualAlloc, VirtualAlloc2, VirtualAlloc2FromApp, VirtualAllocEx,
    VirtualAllocFromApp, VirtualFree, VirtualFreeEx, VirtualLock, VirtualProtect, VirtualProtectEx,
    VirtualProtectFromApp, VirtualQuery, VirtualQueryEx, VirtualUnlock, WriteProcessMemory,
};
pub use physical::{
    AllocateUserPhysicalPages, FreeUserPhysicalPages, MapUserPhysicalPages,
    MapUserPhysicalPagesScatter,
};
pub use rtl::{
    RtlAllocateHeap, RtlCompactHeap, RtlFreeHeap, RtlGetNtGlobalFlags, RtlGetProcessHeaps,
    RtlGetUserInfoHeap, RtlLockHeap, RtlMultipleAllocateHeap, RtlMultipleFreeHeap,
    RtlReAllocateHeap, RtlSetUserFlagsHeap, RtlSetUserValueHeap, RtlSizeHeap, RtlUnlockHeap,
    RtlValidateHeap,
};
pub use rtl_create::{RtlCreateHeap, RtlDestroyHeap};
pub use sections::{
    CreateFileMappingA, CreateFileMappingW, FlushViewOfFile, MapViewOfFile, MapViewOfFile3,
    MapViewOfFile3FromApp, MapViewOfFileEx, MapViewOfFileFromApp, NtCreateSection,
    NtMapViewOfSection, NtQuerySection, NtUnmapViewOfSection, OpenFileMappingA, OpenFileMappingW,
    UnmapViewOfFile, UnmapViewOfFile2, UnmapViewOfFileEx,
};
pub use stacks::SetThreadStackGuarantee;
pub use system::{
    GetLargePageMinimum, GetNativeSystemInfo, GetPhysicallyInstalledSystemMemory, GetSystemInfo,
    GlobalMemoryStatus, GlobalMemoryStatusEx, K32GetPerformanceInfo, K32GetProcessMemoryInfo,
};
pub use tokens::{
    AdjustTokenPrivileges, LookupPrivilegeValueA, LookupPrivilegeValueW, OpenProcessToken,
};
pub use toolhelp::*;
pub use types::*;
pub use walk::{HeapWalk, RtlWalkHeap};

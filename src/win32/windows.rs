//! Floor 4, on Windows: the system's own functions under the names that this module has
//! elsewhere.
//!
//! A program that is written with `ntheap::win32::VirtualAlloc` compiles on both systems,
//! and calls the system's `VirtualAlloc` here: nothing of ntheap's is between. What the
//! functions do, and what memory they give, is Windows' affair; their heaps are not
//! ntheap's.
//!
//! It is what `windows-sys` has of the same families: heaps, pages, sections, physical
//! pages, files as far as mapping needs them, global and local memory, COM's task memory,
//! system information, tokens, toolhelp, exceptions, and the native functions. Not in
//! `windows-sys`, so not here: `NtProtectVirtualMemory`, `NtQuerySection`, `SetOaNoCache`,
//! `RtlGetNtGlobalFlags` and the functions of `Rtl…Heap` but `RtlCreateHeap`,
//! `RtlAllocateHeap`, `RtlFreeHeap` and `RtlDestroyHeap`. The names of the C runtime
//! (`_msize` and its kin) are its library's, and `ntheap::win32`'s own types in Rust
//! (`MoveableBlock`, `TaskMem`, `HeapSnapshot`, …) are for other systems.
//!
//! Differences in types are `windows-sys`': an argument that is an enumeration there may
//! have a type of its own, and a handler that is `Option` here is so there.
//!
//! Source: Microsoft's documentation of each function; this module documents none.

#![allow(non_camel_case_types)]

use core::ffi::c_void;

pub use windows_sys::Wdk::Foundation::NtClose;
pub use windows_sys::Wdk::Storage::FileSystem::{
    MemoryBasicInformation, NtAllocateVirtualMemory, NtAllocateVirtualMemoryEx, NtCreateSection,
    NtFreeVirtualMemory, NtQueryVirtualMemory, NtSetInformationVirtualMemory, RtlAllocateHeap,
    RtlCreateHeap, RtlDestroyHeap, RtlFreeHeap, VmPrefetchInformation,
};
pub use windows_sys::Wdk::System::Memory::{
    NtMapViewOfSection, NtUnmapViewOfSection, ViewShare, ViewUnmap,
};
pub use windows_sys::Win32::Foundation::*;
pub use windows_sys::Win32::Security::{
    AdjustTokenPrivileges, LUID_AND_ATTRIBUTES, LookupPrivilegeValueA, LookupPrivilegeValueW,
    SE_PRIVILEGE_ENABLED, SE_PRIVILEGE_ENABLED_BY_DEFAULT, SE_PRIVILEGE_REMOVED,
    SECURITY_ATTRIBUTES, TOKEN_ADJUST_PRIVILEGES, TOKEN_PRIVILEGES, TOKEN_QUERY,
};
pub use windows_sys::Win32::Storage::FileSystem::{
    CREATE_ALWAYS, CREATE_NEW, CreateFileA, CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_BEGIN,
    FILE_CURRENT, FILE_END, FILE_SHARE_READ, FILE_SHARE_WRITE, FlushFileBuffers, GetFileSize,
    GetFileSizeEx, INVALID_FILE_SIZE, INVALID_SET_FILE_POINTER, OPEN_ALWAYS, OPEN_EXISTING,
    ReadFile, SetEndOfFile, SetFilePointer, SetFilePointerEx, TRUNCATE_EXISTING, WriteFile,
};
pub use windows_sys::Win32::System::Com::{
    CoGetMalloc, CoRegisterMallocSpy, CoRevokeMallocSpy, CoTaskMemAlloc, CoTaskMemFree,
    CoTaskMemRealloc,
};
pub use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, EXCEPTION_CONTINUE_EXECUTION, EXCEPTION_CONTINUE_SEARCH,
    EXCEPTION_POINTERS, EXCEPTION_RECORD, FlushInstructionCache, OutputDebugStringA,
    OutputDebugStringW, RaiseException, ReadProcessMemory, RemoveVectoredExceptionHandler,
    WriteProcessMemory,
};
pub use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, HEAPENTRY32, HEAPLIST32, Heap32First, Heap32ListFirst,
    Heap32ListNext, Heap32Next, TH32CS_SNAPHEAPLIST, Toolhelp32ReadProcessMemory,
};
pub use windows_sys::Win32::System::Memory::*;
pub use windows_sys::Win32::System::ProcessStatus::{
    K32GetPerformanceInfo, K32GetProcessMemoryInfo, PERFORMANCE_INFORMATION,
    PROCESS_MEMORY_COUNTERS, PROCESS_MEMORY_COUNTERS_EX,
};
pub use windows_sys::Win32::System::SystemInformation::{
    GetNativeSystemInfo, GetPhysicallyInstalledSystemMemory, GetSystemInfo, GlobalMemoryStatus,
    GlobalMemoryStatusEx, MEMORYSTATUS, MEMORYSTATUSEX, SYSTEM_INFO,
};
pub use windows_sys::Win32::System::SystemServices::{
    EXCEPTION_MAXIMUM_PARAMETERS, EXCEPTION_NONCONTINUABLE,
    HEAP_OPTIMIZE_RESOURCES_CURRENT_VERSION, MEM_COALESCE_PLACEHOLDERS, MEM_PHYSICAL, MEM_TOP_DOWN,
    MEM_WRITE_WATCH, PROCESS_HEAP_ENTRY_BUSY, PROCESS_HEAP_ENTRY_DDESHARE,
    PROCESS_HEAP_ENTRY_MOVEABLE, PROCESS_HEAP_REGION, PROCESS_HEAP_SEG_ALLOC,
    PROCESS_HEAP_UNCOMMITTED_RANGE, WRITE_WATCH_FLAG_RESET,
};
pub use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentProcessId, OpenProcessToken, SetThreadStackGuarantee,
};
pub use windows_sys::Win32::System::WindowsProgramming::{
    GlobalCompact, GlobalFix, GlobalUnWire, GlobalUnfix, GlobalWire, IsBadHugeReadPtr,
    IsBadHugeWritePtr, LocalCompact, LocalShrink,
};
pub use windows_sys::core::BOOL;

/// A 32-bit number without sign.
pub type DWORD = u32;
/// A 32-bit number without sign.
pub type ULONG = u32;
/// A 32-bit number without sign.
pub type UINT = u32;
/// A 32-bit number.
pub type LONG = i32;
/// A 16-bit number without sign.
pub type WORD = u16;
/// A number of bytes.
pub type SIZE_T = usize;
/// A number as wide as an address.
pub type ULONG_PTR = usize;
/// Where any bytes lie.
pub type PVOID = *mut c_void;
/// Where any bytes lie.
pub type LPVOID = *mut c_void;
/// Where any bytes lie that are not changed.
pub type LPCVOID = *const c_void;
/// A text of bytes that ends with 0.
pub type LPCSTR = *const u8;
/// A text of 16-bit characters that ends with 0.
pub type LPCWSTR = *const u16;
/// Where a handle lies.
pub type PHANDLE = *mut HANDLE;
/// Where a number of bytes lies.
pub type PSIZE_T = *mut usize;
/// Where a number lies that is as wide as an address.
pub type PULONG_PTR = *mut usize;

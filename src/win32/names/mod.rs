//! The one list of the exported names.
//!
//! Everything that must agree on the names is made from it: the functions that
//! `libntheap.so` exports, those of `libntheap_win32.so` that lead there, the
//! stub that the latter is linked against, and the tests of the headers.
//!
//! A family of names has a file here, with a macro that adds its functions to
//! those of the files before it and hands all to the next.

mod crt;
mod crtdbg;
mod global;
mod pages;
mod sections;

/// Hands the list of the Windows names to the macro `$then`: for each function
/// `fn Name(argument: TYPE, …) -> TYPE;`, one a line where it fits, with the
/// types by Windows' names (`ntheap::win32::*`).
#[doc(hidden)]
#[macro_export]
macro_rules! win32_names {
    ($then:path) => {
        $crate::win32_names_pages! { $then;
            fn GetLastError() -> DWORD;
            fn SetLastError(error: DWORD) -> ();

            fn HeapCreate(options: DWORD, initial: SIZE_T, maximum: SIZE_T) -> HANDLE;
            fn HeapDestroy(heap: HANDLE) -> BOOL;
            fn HeapAlloc(heap: HANDLE, flags: DWORD, bytes: SIZE_T) -> LPVOID;
            fn HeapReAlloc(
                heap: HANDLE,
                flags: DWORD,
                block: LPVOID,
                bytes: SIZE_T
            ) -> LPVOID;
            fn HeapFree(heap: HANDLE, flags: DWORD, block: LPVOID) -> BOOL;
            fn HeapSize(heap: HANDLE, flags: DWORD, block: LPCVOID) -> SIZE_T;
            fn HeapValidate(heap: HANDLE, flags: DWORD, block: LPCVOID) -> BOOL;
            fn HeapCompact(heap: HANDLE, flags: DWORD) -> SIZE_T;
            fn HeapLock(heap: HANDLE) -> BOOL;
            fn HeapUnlock(heap: HANDLE) -> BOOL;
            fn HeapWalk(heap: HANDLE, entry: LPPROCESS_HEAP_ENTRY) -> BOOL;
            fn HeapSummary(heap: HANDLE, flags: DWORD, summary: LPHEAP_SUMMARY) -> BOOL;
            fn HeapSetInformation(
                heap: HANDLE,
                class: HEAP_INFORMATION_CLASS,
                buffer: PVOID,
                length: SIZE_T
            ) -> BOOL;
            fn HeapQueryInformation(
                heap: HANDLE,
                class: HEAP_INFORMATION_CLASS,
                buffer: PVOID,
                length: SIZE_T,
                needed: PSIZE_T
            ) -> BOOL;
            fn GetProcessHeap() -> HANDLE;
            fn GetProcessHeaps(count: DWORD, heaps: PHANDLE) -> DWORD;

            fn RtlCreateHeap(
                flags: ULONG,
                base: PVOID,
                reserve: SIZE_T,
                commit: SIZE_T,
                lock: PVOID,
                parameters: PRTL_HEAP_PARAMETERS
            ) -> PVOID;
            fn RtlDestroyHeap(heap: PVOID) -> PVOID;
            fn RtlAllocateHeap(heap: PVOID, flags: ULONG, size: SIZE_T) -> PVOID;
            fn RtlReAllocateHeap(
                heap: PVOID,
                flags: ULONG,
                block: PVOID,
                size: SIZE_T
            ) -> PVOID;
            fn RtlFreeHeap(heap: PVOID, flags: ULONG, block: PVOID) -> ULONG;
            fn RtlSizeHeap(heap: PVOID, flags: ULONG, block: PVOID) -> SIZE_T;
            fn RtlValidateHeap(heap: PVOID, flags: ULONG, block: PVOID) -> BOOLEAN;
            fn RtlCompactHeap(heap: PVOID, flags: ULONG) -> SIZE_T;
            fn RtlWalkHeap(heap: PVOID, entry: PRTL_HEAP_WALK_ENTRY) -> NTSTATUS;
            fn RtlLockHeap(heap: PVOID) -> BOOLEAN;
            fn RtlUnlockHeap(heap: PVOID) -> BOOLEAN;
            fn RtlGetProcessHeaps(count: ULONG, heaps: *mut PVOID) -> ULONG;
            fn RtlMultipleAllocateHeap(
                heap: PVOID,
                flags: ULONG,
                size: SIZE_T,
                count: ULONG,
                blocks: *mut PVOID
            ) -> ULONG;
            fn RtlMultipleFreeHeap(
                heap: PVOID,
                flags: ULONG,
                count: ULONG,
                blocks: *mut PVOID
            ) -> ULONG;
            fn RtlSetUserValueHeap(
                heap: PVOID,
                flags: ULONG,
                block: PVOID,
                value: PVOID
            ) -> BOOLEAN;
            fn RtlGetUserInfoHeap(
                heap: PVOID,
                flags: ULONG,
                block: PVOID,
                value: *mut PVOID,
                user_flags: PULONG
            ) -> BOOLEAN;
            fn RtlSetUserFlagsHeap(
                heap: PVOID,
                flags: ULONG,
                block: PVOID,
                reset: ULONG,
                set: ULONG
            ) -> BOOLEAN;
            fn RtlGetNtGlobalFlags() -> ULONG;

            fn AddVectoredExceptionHandler(
                first: ULONG,
                handler: PVECTORED_EXCEPTION_HANDLER
            ) -> PVOID;
            fn RemoveVectoredExceptionHandler(handle: PVOID) -> ULONG;
            fn RaiseException(
                code: DWORD,
                flags: DWORD,
                count: DWORD,
                arguments: *const ULONG_PTR
            ) -> ();

            fn OutputDebugStringA(text: LPCSTR) -> ();
            fn OutputDebugStringW(text: LPCWSTR) -> ();
        }
    };
}

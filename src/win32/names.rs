//! The one list of the exported names.
//!
//! Everything that must agree on the names is made from it: the functions that
//! `libntheap.so` exports, those of `libntheap_win32.so` that lead there, the
//! stub that the latter is linked against, and the tests of the headers.

/// Hands the list of the Windows names to the macro `$then`: for each function
/// `fn Name(argument: TYPE, …) -> TYPE;`, one a line where it fits, with the
/// types by Windows' names (`ntheap::win32::*`).
#[doc(hidden)]
#[macro_export]
macro_rules! win32_names {
    ($then:path) => {
        $then! {
            fn GetLastError() -> DWORD;
            fn SetLastError(error: DWORD) -> ();

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

            fn VirtualAlloc(
                address: LPVOID,
                size: SIZE_T,
                allocation_type: DWORD,
                protect: DWORD
            ) -> LPVOID;
            fn VirtualFree(address: LPVOID, size: SIZE_T, free_type: DWORD) -> BOOL;
            fn VirtualQuery(
                address: LPCVOID,
                buffer: PMEMORY_BASIC_INFORMATION,
                length: SIZE_T
            ) -> SIZE_T;
        }
    };
}

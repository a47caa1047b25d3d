//! The debug C runtime.

/// Hands the list of the Windows names whose arguments vary to the macro
/// `$then`, as [`win32_names`](crate::win32_names) does for the others.
#[doc(hidden)]
#[macro_export]
macro_rules! win32_variadic_names {
    ($then:path) => {
        $then! {
            fn _CrtDbgReport(kind: INT, file: LPCSTR, line: INT, module: LPCSTR, format: LPCSTR, ...) -> INT;
            fn _CrtDbgReportW(kind: INT, file: LPCWSTR, line: INT, module: LPCWSTR, format: LPCWSTR, ...) -> INT;
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! win32_names_crtdbg {
    ($then:path; $($before:tt)*) => {
        $crate::win32_names_global! { $then; $($before)*
            fn _malloc_dbg(size: size_t, block_use: INT, file: LPCSTR, line: INT) -> PVOID;
            fn _calloc_dbg(
                count: size_t,
                size: size_t,
                block_use: INT,
                file: LPCSTR,
                line: INT
            ) -> PVOID;
            fn _realloc_dbg(
                block: PVOID,
                size: size_t,
                block_use: INT,
                file: LPCSTR,
                line: INT
            ) -> PVOID;
            fn _recalloc_dbg(
                block: PVOID,
                count: size_t,
                size: size_t,
                block_use: INT,
                file: LPCSTR,
                line: INT
            ) -> PVOID;
            fn _expand_dbg(
                block: PVOID,
                size: size_t,
                block_use: INT,
                file: LPCSTR,
                line: INT
            ) -> PVOID;
            fn _free_dbg(block: PVOID, block_use: INT) -> ();
            fn _msize_dbg(block: PVOID, block_use: INT) -> size_t;

            fn _aligned_malloc_dbg(
                size: size_t,
                alignment: size_t,
                file: LPCSTR,
                line: INT
            ) -> PVOID;
            fn _aligned_realloc_dbg(
                block: PVOID,
                size: size_t,
                alignment: size_t,
                file: LPCSTR,
                line: INT
            ) -> PVOID;
            fn _aligned_recalloc_dbg(
                block: PVOID,
                count: size_t,
                size: size_t,
                alignment: size_t,
                file: LPCSTR,
                line: INT
            ) -> PVOID;
            fn _aligned_offset_malloc_dbg(
                size: size_t,
                alignment: size_t,
                offset: size_t,
                file: LPCSTR,
                line: INT
            ) -> PVOID;
            fn _aligned_offset_realloc_dbg(
                block: PVOID,
                size: size_t,
                alignment: size_t,
                offset: size_t,
                file: LPCSTR,
                line: INT
            ) -> PVOID;
            fn _aligned_offset_recalloc_dbg(
                block: PVOID,
                count: size_t,
                size: size_t,
                alignment: size_t,
                offset: size_t,
                file: LPCSTR,
                line: INT
            ) -> PVOID;
            fn _aligned_msize_dbg(block: PVOID, alignment: size_t, offset: size_t) -> size_t;
            fn _aligned_free_dbg(block: PVOID) -> ();

            fn _strdup_dbg(text: LPCSTR, block_use: INT, file: LPCSTR, line: INT) -> LPSTR;
            fn _mbsdup_dbg(
                text: *const UCHAR,
                block_use: INT,
                file: LPCSTR,
                line: INT
            ) -> *mut UCHAR;
            fn _wcsdup_dbg(text: LPCWSTR, block_use: INT, file: LPCSTR, line: INT) -> LPWSTR;

            fn _getcwd_dbg(
                buffer: LPSTR,
                most: INT,
                block_use: INT,
                file: LPCSTR,
                line: INT
            ) -> LPSTR;
            fn _wgetcwd_dbg(
                buffer: LPWSTR,
                most: INT,
                block_use: INT,
                file: LPCSTR,
                line: INT
            ) -> LPWSTR;
            fn _fullpath_dbg(
                buffer: LPSTR,
                relative: LPCSTR,
                most: size_t,
                block_use: INT,
                file: LPCSTR,
                line: INT
            ) -> LPSTR;
            fn _wfullpath_dbg(
                buffer: LPWSTR,
                relative: LPCWSTR,
                most: size_t,
                block_use: INT,
                file: LPCSTR,
                line: INT
            ) -> LPWSTR;
            fn _tempnam_dbg(
                folder: LPCSTR,
                prefix: LPCSTR,
                block_use: INT,
                file: LPCSTR,
                line: INT
            ) -> LPSTR;
            fn _wtempnam_dbg(
                folder: LPCWSTR,
                prefix: LPCWSTR,
                block_use: INT,
                file: LPCSTR,
                line: INT
            ) -> LPWSTR;
            fn _dupenv_s_dbg(
                value: *mut LPSTR,
                letters: *mut size_t,
                name: LPCSTR,
                block_use: INT,
                file: LPCSTR,
                line: INT
            ) -> errno_t;
            fn _wdupenv_s_dbg(
                value: *mut LPWSTR,
                letters: *mut size_t,
                name: LPCWSTR,
                block_use: INT,
                file: LPCSTR,
                line: INT
            ) -> errno_t;

            fn _CrtSetDbgFlag(flags: INT) -> INT;
            fn __p__crtDbgFlag() -> PINT;
            fn _CrtSetBreakAlloc(request: long) -> long;
            fn __p__crtBreakAlloc() -> *mut long;
            fn _CrtSetAllocHook(hook: _CRT_ALLOC_HOOK) -> _CRT_ALLOC_HOOK;
            fn _CrtGetAllocHook() -> _CRT_ALLOC_HOOK;
            fn _CrtSetDumpClient(dump: _CRT_DUMP_CLIENT) -> _CRT_DUMP_CLIENT;
            fn _CrtGetDumpClient() -> _CRT_DUMP_CLIENT;

            fn _CrtCheckMemory() -> INT;
            fn _CrtMemCheckpoint(state: *mut _CrtMemState) -> ();
            fn _CrtMemDifference(
                difference: *mut _CrtMemState,
                old: *const _CrtMemState,
                new: *const _CrtMemState
            ) -> INT;
            fn _CrtMemDumpStatistics(state: *const _CrtMemState) -> ();
            fn _CrtMemDumpAllObjectsSince(state: *const _CrtMemState) -> ();
            fn _CrtDumpMemoryLeaks() -> INT;
            fn _CrtDoForAllClientObjects(visit: _CrtClientVisitor, context: PVOID) -> ();

            fn _CrtIsValidPointer(address: LPCVOID, size: UINT, access: INT) -> INT;
            fn _CrtIsValidHeapPointer(block: LPCVOID) -> INT;
            fn _CrtIsMemoryBlock(
                block: LPCVOID,
                size: UINT,
                request: *mut long,
                file: *mut LPSTR,
                line: PINT
            ) -> INT;
            fn _CrtReportBlockType(block: LPCVOID) -> INT;

            fn _CrtSetReportMode(kind: INT, modes: INT) -> INT;
            fn _CrtSetReportFile(kind: INT, file: _HFILE) -> _HFILE;
            fn _CrtSetReportHook(hook: _CRT_REPORT_HOOK) -> _CRT_REPORT_HOOK;
            fn _CrtGetReportHook() -> _CRT_REPORT_HOOK;
            fn _CrtSetReportHook2(action: INT, hook: _CRT_REPORT_HOOK) -> INT;
            fn _CrtSetReportHookW2(action: INT, hook: _CRT_REPORT_HOOKW) -> INT;
            fn _CrtDbgBreak() -> ();
        }
    };
}

//! Global and local memory, COM's task memory, heap snapshots.

#[doc(hidden)]
#[macro_export]
macro_rules! win32_names_global {
    ($then:path; $($before:tt)*) => {
        $then! { $($before)*
            fn GlobalAlloc(flags: UINT, bytes: SIZE_T) -> HGLOBAL;
            fn GlobalReAlloc(memory: HGLOBAL, bytes: SIZE_T, flags: UINT) -> HGLOBAL;
            fn GlobalFree(memory: HGLOBAL) -> HGLOBAL;
            fn GlobalLock(memory: HGLOBAL) -> LPVOID;
            fn GlobalUnlock(memory: HGLOBAL) -> BOOL;
            fn GlobalSize(memory: HGLOBAL) -> SIZE_T;
            fn GlobalFlags(memory: HGLOBAL) -> UINT;
            fn GlobalHandle(memory: LPCVOID) -> HGLOBAL;
            fn GlobalCompact(least: DWORD) -> SIZE_T;
            fn GlobalFix(memory: HGLOBAL) -> ();
            fn GlobalUnfix(memory: HGLOBAL) -> ();
            fn GlobalWire(memory: HGLOBAL) -> LPVOID;
            fn GlobalUnWire(memory: HGLOBAL) -> BOOL;
            fn LocalAlloc(flags: UINT, bytes: SIZE_T) -> HLOCAL;
            fn LocalReAlloc(memory: HLOCAL, bytes: SIZE_T, flags: UINT) -> HLOCAL;
            fn LocalFree(memory: HLOCAL) -> HLOCAL;
            fn LocalLock(memory: HLOCAL) -> LPVOID;
            fn LocalUnlock(memory: HLOCAL) -> BOOL;
            fn LocalSize(memory: HLOCAL) -> SIZE_T;
            fn LocalFlags(memory: HLOCAL) -> UINT;
            fn LocalHandle(memory: LPCVOID) -> HLOCAL;
            fn LocalCompact(least: UINT) -> SIZE_T;
            fn LocalShrink(memory: HLOCAL, bytes: UINT) -> SIZE_T;

            fn CoTaskMemAlloc(bytes: SIZE_T) -> LPVOID;
            fn CoTaskMemRealloc(block: LPVOID, bytes: SIZE_T) -> LPVOID;
            fn CoTaskMemFree(block: LPVOID) -> ();
            fn CoGetMalloc(context: DWORD, malloc: *mut LPMALLOC) -> HRESULT;
            fn CoRegisterMallocSpy(spy: LPMALLOCSPY) -> HRESULT;
            fn CoRevokeMallocSpy() -> HRESULT;

            fn SysAllocString(text: LPCOLESTR) -> BSTR;
            fn SysAllocStringLen(text: LPCOLESTR, count: UINT) -> BSTR;
            fn SysAllocStringByteLen(text: LPCSTR, bytes: UINT) -> BSTR;
            fn SysReAllocString(string: *mut BSTR, text: LPCOLESTR) -> INT;
            fn SysReAllocStringLen(string: *mut BSTR, text: LPCOLESTR, count: UINT) -> INT;
            fn SysFreeString(string: BSTR) -> ();
            fn SysStringLen(string: BSTR) -> UINT;
            fn SysStringByteLen(string: BSTR) -> UINT;
            fn SetOaNoCache() -> ();

            fn CreateToolhelp32Snapshot(flags: DWORD, process: DWORD) -> HANDLE;
            fn Heap32ListFirst(snapshot: HANDLE, list: LPHEAPLIST32) -> BOOL;
            fn Heap32ListNext(snapshot: HANDLE, list: LPHEAPLIST32) -> BOOL;
            fn Heap32First(entry: LPHEAPENTRY32, process: DWORD, heap: ULONG_PTR) -> BOOL;
            fn Heap32Next(entry: LPHEAPENTRY32) -> BOOL;
            fn Toolhelp32ReadProcessMemory(
                process: DWORD,
                address: LPCVOID,
                buffer: LPVOID,
                size: SIZE_T,
                read: PSIZE_T
            ) -> BOOL;
        }
    };
}

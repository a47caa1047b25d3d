//! Handles, files, mapped files, tokens, and what the system tells of itself.

#[doc(hidden)]
#[macro_export]
macro_rules! win32_names_sections {
    ($then:path; $($before:tt)*) => {
        $crate::win32_names_crt! { $then; $($before)*
            fn CloseHandle(handle: HANDLE) -> BOOL;
            fn NtClose(handle: HANDLE) -> NTSTATUS;
            fn DuplicateHandle(
                source_process: HANDLE,
                source: HANDLE,
                target_process: HANDLE,
                target: PHANDLE,
                access: DWORD,
                inherit: BOOL,
                options: DWORD
            ) -> BOOL;
            fn GetCurrentProcess() -> HANDLE;
            fn GetCurrentProcessId() -> DWORD;
            fn SetThreadStackGuarantee(bytes: PULONG) -> BOOL;

            fn CreateFileA(
                path: LPCSTR,
                access: DWORD,
                share: DWORD,
                security: LPSECURITY_ATTRIBUTES,
                disposition: DWORD,
                flags: DWORD,
                template: HANDLE
            ) -> HANDLE;
            fn CreateFileW(
                path: LPCWSTR,
                access: DWORD,
                share: DWORD,
                security: LPSECURITY_ATTRIBUTES,
                disposition: DWORD,
                flags: DWORD,
                template: HANDLE
            ) -> HANDLE;
            fn GetFileSize(file: HANDLE, high: LPDWORD) -> DWORD;
            fn GetFileSizeEx(file: HANDLE, size: PLARGE_INTEGER) -> BOOL;
            fn SetFilePointer(
                file: HANDLE,
                distance: LONG,
                high: PLONG,
                from: DWORD
            ) -> DWORD;
            fn SetFilePointerEx(
                file: HANDLE,
                distance: LARGE_INTEGER,
                place: PLARGE_INTEGER,
                from: DWORD
            ) -> BOOL;
            fn SetEndOfFile(file: HANDLE) -> BOOL;
            fn FlushFileBuffers(file: HANDLE) -> BOOL;
            fn ReadFile(
                file: HANDLE,
                buffer: LPVOID,
                size: DWORD,
                count: LPDWORD,
                overlapped: LPOVERLAPPED
            ) -> BOOL;
            fn WriteFile(
                file: HANDLE,
                buffer: LPCVOID,
                size: DWORD,
                count: LPDWORD,
                overlapped: LPOVERLAPPED
            ) -> BOOL;
            fn _get_osfhandle(file: INT) -> INT_PTR;
            fn _open_osfhandle(handle: INT_PTR, flags: INT) -> INT;

            fn CreateFileMappingA(
                file: HANDLE,
                security: LPSECURITY_ATTRIBUTES,
                protect: DWORD,
                size_high: DWORD,
                size_low: DWORD,
                name: LPCSTR
            ) -> HANDLE;
            fn CreateFileMappingW(
                file: HANDLE,
                security: LPSECURITY_ATTRIBUTES,
                protect: DWORD,
                size_high: DWORD,
                size_low: DWORD,
                name: LPCWSTR
            ) -> HANDLE;
            fn OpenFileMappingA(access: DWORD, inherit: BOOL, name: LPCSTR) -> HANDLE;
            fn OpenFileMappingW(access: DWORD, inherit: BOOL, name: LPCWSTR) -> HANDLE;
            fn MapViewOfFile(
                section: HANDLE,
                access: DWORD,
                offset_high: DWORD,
                offset_low: DWORD,
                size: SIZE_T
            ) -> LPVOID;
            fn MapViewOfFileEx(
                section: HANDLE,
                access: DWORD,
                offset_high: DWORD,
                offset_low: DWORD,
                size: SIZE_T,
                base: LPVOID
            ) -> LPVOID;
            fn MapViewOfFileFromApp(
                section: HANDLE,
                access: ULONG,
                offset: ULONG64,
                size: SIZE_T
            ) -> PVOID;
            fn MapViewOfFile3(
                section: HANDLE,
                process: HANDLE,
                base: PVOID,
                offset: ULONG64,
                size: SIZE_T,
                allocation: ULONG,
                protect: ULONG,
                parameters: PMEM_EXTENDED_PARAMETER,
                count: ULONG
            ) -> PVOID;
            fn MapViewOfFile3FromApp(
                section: HANDLE,
                process: HANDLE,
                base: PVOID,
                offset: ULONG64,
                size: SIZE_T,
                allocation: ULONG,
                protect: ULONG,
                parameters: PMEM_EXTENDED_PARAMETER,
                count: ULONG
            ) -> PVOID;
            fn UnmapViewOfFile(address: LPCVOID) -> BOOL;
            fn UnmapViewOfFileEx(address: PVOID, flags: ULONG) -> BOOL;
            fn UnmapViewOfFile2(process: HANDLE, address: PVOID, flags: ULONG) -> BOOL;
            fn FlushViewOfFile(address: LPCVOID, size: SIZE_T) -> BOOL;
            fn NtCreateSection(
                section: PHANDLE,
                access: ACCESS_MASK,
                object: POBJECT_ATTRIBUTES,
                size: PLARGE_INTEGER,
                protect: ULONG,
                attributes: ULONG,
                file: HANDLE
            ) -> NTSTATUS;
            fn NtMapViewOfSection(
                section: HANDLE,
                process: HANDLE,
                base: *mut PVOID,
                bits: ULONG_PTR,
                commit: SIZE_T,
                offset: PLARGE_INTEGER,
                size: PSIZE_T,
                inherit: SECTION_INHERIT,
                allocation: ULONG,
                protect: ULONG
            ) -> NTSTATUS;
            fn NtUnmapViewOfSection(process: HANDLE, base: PVOID) -> NTSTATUS;
            fn NtQuerySection(
                section: HANDLE,
                class: SECTION_INFORMATION_CLASS,
                buffer: PVOID,
                size: SIZE_T,
                length: PSIZE_T
            ) -> NTSTATUS;

            fn OpenProcessToken(process: HANDLE, access: DWORD, token: PHANDLE) -> BOOL;
            fn LookupPrivilegeValueA(system: LPCSTR, name: LPCSTR, number: PLUID) -> BOOL;
            fn LookupPrivilegeValueW(system: LPCWSTR, name: LPCWSTR, number: PLUID) -> BOOL;
            fn AdjustTokenPrivileges(
                token: HANDLE,
                disable_all: BOOL,
                wanted: PTOKEN_PRIVILEGES,
                size: DWORD,
                before: PTOKEN_PRIVILEGES,
                needed: PDWORD
            ) -> BOOL;

            fn AllocateUserPhysicalPages(
                process: HANDLE,
                count: PULONG_PTR,
                frames: PULONG_PTR
            ) -> BOOL;
            fn FreeUserPhysicalPages(
                process: HANDLE,
                count: PULONG_PTR,
                frames: PULONG_PTR
            ) -> BOOL;
            fn MapUserPhysicalPages(
                address: PVOID,
                count: ULONG_PTR,
                frames: PULONG_PTR
            ) -> BOOL;
            fn MapUserPhysicalPagesScatter(
                addresses: *mut PVOID,
                count: ULONG_PTR,
                frames: PULONG_PTR
            ) -> BOOL;

            fn GetSystemInfo(information: LPSYSTEM_INFO) -> ();
            fn GetNativeSystemInfo(information: LPSYSTEM_INFO) -> ();
            fn GetPhysicallyInstalledSystemMemory(kib: PULONGLONG) -> BOOL;
            fn GetLargePageMinimum() -> SIZE_T;
            fn GlobalMemoryStatus(buffer: LPMEMORYSTATUS) -> ();
            fn GlobalMemoryStatusEx(buffer: LPMEMORYSTATUSEX) -> BOOL;
            fn K32GetPerformanceInfo(
                information: PPERFORMANCE_INFORMATION,
                size: DWORD
            ) -> BOOL;
            fn K32GetProcessMemoryInfo(
                process: HANDLE,
                counters: PPROCESS_MEMORY_COUNTERS,
                size: DWORD
            ) -> BOOL;
        }
    };
}

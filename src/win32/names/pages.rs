//! Pages, protections, and what is known of memory.

#[doc(hidden)]
#[macro_export]
macro_rules! win32_names_pages {
    ($then:path; $($before:tt)*) => {
        $crate::win32_names_sections! { $then; $($before)*
            fn VirtualAlloc(
                address: LPVOID,
                size: SIZE_T,
                allocation_type: DWORD,
                protect: DWORD
            ) -> LPVOID;
            fn VirtualAllocEx(
                process: HANDLE,
                address: LPVOID,
                size: SIZE_T,
                allocation_type: DWORD,
                protect: DWORD
            ) -> LPVOID;
            fn VirtualAlloc2(
                process: HANDLE,
                address: PVOID,
                size: SIZE_T,
                allocation_type: ULONG,
                protect: ULONG,
                parameters: *mut MEM_EXTENDED_PARAMETER,
                count: ULONG
            ) -> PVOID;
            fn VirtualAllocFromApp(
                address: PVOID,
                size: SIZE_T,
                allocation_type: ULONG,
                protect: ULONG
            ) -> PVOID;
            fn VirtualAlloc2FromApp(
                process: HANDLE,
                address: PVOID,
                size: SIZE_T,
                allocation_type: ULONG,
                protect: ULONG,
                parameters: *mut MEM_EXTENDED_PARAMETER,
                count: ULONG
            ) -> PVOID;
            fn VirtualFree(address: LPVOID, size: SIZE_T, free_type: DWORD) -> BOOL;
            fn VirtualFreeEx(
                process: HANDLE,
                address: LPVOID,
                size: SIZE_T,
                free_type: DWORD
            ) -> BOOL;
            fn VirtualProtect(
                address: LPVOID,
                size: SIZE_T,
                protect: DWORD,
                old: PDWORD
            ) -> BOOL;
            fn VirtualProtectEx(
                process: HANDLE,
                address: LPVOID,
                size: SIZE_T,
                protect: DWORD,
                old: PDWORD
            ) -> BOOL;
            fn VirtualProtectFromApp(
                address: PVOID,
                size: SIZE_T,
                protect: ULONG,
                old: PULONG
            ) -> BOOL;
            fn VirtualQuery(
                address: LPCVOID,
                buffer: PMEMORY_BASIC_INFORMATION,
                length: SIZE_T
            ) -> SIZE_T;
            fn VirtualQueryEx(
                process: HANDLE,
                address: LPCVOID,
                buffer: PMEMORY_BASIC_INFORMATION,
                length: SIZE_T
            ) -> SIZE_T;
            fn VirtualLock(address: LPVOID, size: SIZE_T) -> BOOL;
            fn VirtualUnlock(address: LPVOID, size: SIZE_T) -> BOOL;

            fn PrefetchVirtualMemory(
                process: HANDLE,
                count: ULONG_PTR,
                ranges: PWIN32_MEMORY_RANGE_ENTRY,
                flags: ULONG
            ) -> BOOL;
            fn DiscardVirtualMemory(address: PVOID, size: SIZE_T) -> DWORD;
            fn OfferVirtualMemory(
                address: PVOID,
                size: SIZE_T,
                priority: OFFER_PRIORITY
            ) -> DWORD;
            fn ReclaimVirtualMemory(address: PVOID, size: SIZE_T) -> DWORD;

            fn GetWriteWatch(
                flags: DWORD,
                base: PVOID,
                size: SIZE_T,
                addresses: *mut PVOID,
                count: *mut ULONG_PTR,
                granularity: PULONG
            ) -> UINT;
            fn ResetWriteWatch(base: LPVOID, size: SIZE_T) -> UINT;

            fn IsBadReadPtr(address: LPCVOID, size: UINT_PTR) -> BOOL;
            fn IsBadHugeReadPtr(address: LPCVOID, size: UINT_PTR) -> BOOL;
            fn IsBadWritePtr(address: LPVOID, size: UINT_PTR) -> BOOL;
            fn IsBadHugeWritePtr(address: LPVOID, size: UINT_PTR) -> BOOL;
            fn IsBadCodePtr(address: FARPROC) -> BOOL;
            fn IsBadStringPtrA(text: LPCSTR, most: UINT_PTR) -> BOOL;
            fn IsBadStringPtrW(text: LPCWSTR, most: UINT_PTR) -> BOOL;

            fn ReadProcessMemory(
                process: HANDLE,
                address: LPCVOID,
                buffer: LPVOID,
                size: SIZE_T,
                copied: PSIZE_T
            ) -> BOOL;
            fn WriteProcessMemory(
                process: HANDLE,
                address: LPVOID,
                buffer: LPCVOID,
                size: SIZE_T,
                copied: PSIZE_T
            ) -> BOOL;
            fn FlushInstructionCache(
                process: HANDLE,
                address: LPCVOID,
                size: SIZE_T
            ) -> BOOL;

            fn NtAllocateVirtualMemory(
                process: HANDLE,
                base: *mut PVOID,
                zero_bits: ULONG_PTR,
                size: PSIZE_T,
                allocation_type: ULONG,
                protect: ULONG
            ) -> NTSTATUS;
            fn NtAllocateVirtualMemoryEx(
                process: HANDLE,
                base: *mut PVOID,
                size: PSIZE_T,
                allocation_type: ULONG,
                protect: ULONG,
                parameters: PMEM_EXTENDED_PARAMETER,
                count: ULONG
            ) -> NTSTATUS;
            fn NtFreeVirtualMemory(
                process: HANDLE,
                base: *mut PVOID,
                size: PSIZE_T,
                free_type: ULONG
            ) -> NTSTATUS;
            fn NtProtectVirtualMemory(
                process: HANDLE,
                base: *mut PVOID,
                size: PSIZE_T,
                protect: ULONG,
                old: PULONG
            ) -> NTSTATUS;
            fn NtQueryVirtualMemory(
                process: HANDLE,
                address: PVOID,
                class: MEMORY_INFORMATION_CLASS,
                buffer: PVOID,
                length: SIZE_T,
                written: PSIZE_T
            ) -> NTSTATUS;
            fn NtSetInformationVirtualMemory(
                process: HANDLE,
                class: VIRTUAL_MEMORY_INFORMATION_CLASS,
                count: ULONG_PTR,
                ranges: PMEMORY_RANGE_ENTRY,
                information: PVOID,
                length: ULONG
            ) -> NTSTATUS;
        }
    };
}

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
            fn VirtualFree(address: LPVOID, size: SIZE_T, free_type: DWORD) -> BOOL;
            fn VirtualQuery(
                address: LPCVOID,
                buffer: PMEMORY_BASIC_INFORMATION,
                length: SIZE_T
            ) -> SIZE_T;
        }
    };
}

//! The C runtime's heap functions.

#[doc(hidden)]
#[macro_export]
macro_rules! win32_names_crt {
    ($then:path; $($before:tt)*) => {
        $crate::win32_names_crtdbg! { $then; $($before)*
            fn _msize(block: PVOID) -> size_t;
            fn _expand(block: PVOID, size: size_t) -> PVOID;
            fn _recalloc(block: PVOID, count: size_t, size: size_t) -> PVOID;

            fn _aligned_malloc(size: size_t, alignment: size_t) -> PVOID;
            fn _aligned_realloc(block: PVOID, size: size_t, alignment: size_t) -> PVOID;
            fn _aligned_recalloc(
                block: PVOID,
                count: size_t,
                size: size_t,
                alignment: size_t
            ) -> PVOID;
            fn _aligned_offset_malloc(size: size_t, alignment: size_t, offset: size_t) -> PVOID;
            fn _aligned_offset_realloc(
                block: PVOID,
                size: size_t,
                alignment: size_t,
                offset: size_t
            ) -> PVOID;
            fn _aligned_offset_recalloc(
                block: PVOID,
                count: size_t,
                size: size_t,
                alignment: size_t,
                offset: size_t
            ) -> PVOID;
            fn _aligned_msize(block: PVOID, alignment: size_t, offset: size_t) -> size_t;
            fn _aligned_free(block: PVOID) -> ();

            fn _heapchk() -> INT;
            fn _heapset(fill: UINT) -> INT;
            fn _heapwalk(entry: *mut _HEAPINFO) -> INT;
            fn _heapmin() -> INT;
            fn _get_heap_handle() -> intptr_t;
            fn _set_sbh_threshold(size: size_t) -> INT;
            fn _get_sbh_threshold() -> size_t;

            fn _set_new_handler(handler: _PNH) -> _PNH;
            fn _query_new_handler() -> _PNH;
            fn _set_new_mode(mode: INT) -> INT;
            fn _query_new_mode() -> INT;
            fn _callnewh(size: size_t) -> INT;

            fn _set_invalid_parameter_handler(
                handler: _invalid_parameter_handler
            ) -> _invalid_parameter_handler;
            fn _get_invalid_parameter_handler() -> _invalid_parameter_handler;

            fn __doserrno() -> *mut uintptr_t;
            fn _get_doserrno(value: *mut uintptr_t) -> errno_t;
            fn _set_doserrno(value: uintptr_t) -> errno_t;
            fn _get_errno(value: PINT) -> errno_t;
            fn _set_errno(value: INT) -> errno_t;
        }
    };
}

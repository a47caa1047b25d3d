//! The Windows names, each behind a prefix: `ntheap_HeapAlloc` and so on.
//!
//! A program that only preloads this library must not find its own functions
//! of Windows' names replaced. `libntheap_win32.so` has the plain names and
//! leads here, so that whoever links it shares this library's heap.

use heap::win32::*;

macro_rules! export {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(
            /// The Windows function of this name, for `libntheap_win32.so`.
            ///
            /// # Safety
            /// As for the function of `ntheap::win32`.
            #[allow(unused_unsafe, reason = "a few are safe to call")]
            #[unsafe(export_name = concat!("ntheap_", stringify!($name)))]
            pub unsafe extern "system" fn $name($($argument: $type),*) -> $result {
                // SAFETY: the caller's promise is the callee's.
                unsafe { heap::win32::$name($($argument),*) }
            }
        )*
    };
}

heap::win32_names!(export);

//! `libntheap_win32.so`: the Windows names for C.
//!
//! Forwarders and hardly anything else: `HeapAlloc` leads to `ntheap_HeapAlloc` of
//! `libntheap.so`, which this library needs and which has the heap. A program
//! that links this library has one heap for `malloc` and `HeapAlloc`; a program
//! that only preloads `libntheap.so` never meets these names.
//!
//! When it is loaded it puts `malloc` on the heap of the C runtime, for whose
//! blocks `_msize` and its kin have exact answers; and it has an `operator new`
//! that calls the runtime's new handler ([`cpp`]).

#![cfg_attr(panic = "abort", no_std)]

pub mod cpp;
#[cfg(target_arch = "x86_64")]
mod variadic;

use heap::win32::*;

include!("../../no_std.rs");

macro_rules! forward {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        /// The functions of `libntheap.so`.
        mod target {
            use heap::win32::*;

            #[link(name = "ntheap", kind = "dylib")]
            unsafe extern "system" {
                pub(crate) fn ntheap_crt_begin();
                pub(crate) fn ntheap_crt_new_by(
                    allocate: unsafe extern "C" fn(size_t) -> PVOID,
                    size: size_t,
                ) -> PVOID;

                $(
                    #[link_name = concat!("ntheap_", stringify!($name))]
                    pub(crate) fn $name($($argument: $type),*) -> $result;
                )*
            }
        }

        $(
            /// The Windows function of this name.
            ///
            /// # Safety
            /// As for the function of `ntheap::win32`.
            #[unsafe(no_mangle)]
            pub unsafe extern "system" fn $name($($argument: $type),*) -> $result {
                // SAFETY: the caller's promise is the callee's.
                unsafe { target::$name($($argument),*) }
            }
        )*
    };
}

heap::win32_names!(forward);

#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
static AT_LOAD: extern "C" fn() = at_load;

extern "C" fn at_load() {
    // SAFETY: no arguments; the library it is in was loaded before this one.
    unsafe { target::ntheap_crt_begin() };
}

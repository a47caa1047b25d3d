//! `libntheap_win32.so`: the Windows names for C.
//!
//! Forwarders and nothing else: `HeapAlloc` leads to `ntheap_HeapAlloc` of
//! `libntheap.so`, which this library needs and which has the heap. A program
//! that links this library has one heap for `malloc` and `HeapAlloc`; a program
//! that only preloads `libntheap.so` never meets these names.

#![cfg_attr(panic = "abort", no_std)]

use heap::win32::*;

// The standard library would bring it.
#[cfg(panic = "abort")]
#[link(name = "c")]
unsafe extern "C" {}

#[cfg(panic = "abort")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    heap::sys::abort()
}

// The unwinding tables of Rust's core library name this function; nothing
// unwinds here. Hidden, for a program has its own.
#[cfg(panic = "abort")]
core::arch::global_asm!(
    ".pushsection .text.rust_eh_personality",
    ".hidden rust_eh_personality",
    ".globl rust_eh_personality",
    "rust_eh_personality:",
    "ret",
    ".popsection",
);

macro_rules! forward {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        /// The functions of `libntheap.so`.
        mod target {
            use heap::win32::*;

            #[link(name = "ntheap", kind = "dylib")]
            unsafe extern "system" {
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

/// A jump to the function of `libntheap.so`, all arguments as they are.
#[cfg(target_arch = "x86_64")]
macro_rules! forward_variadic {
    ($(fn $name:ident($($argument:ident: $type:ty,)* ...) -> $result:ty;)*) => {
        $(
            /// The Windows function of this name, which takes as many arguments as
            /// its format wants.
            ///
            /// # Safety
            /// As for the function of `ntheap::win32`.
            #[unsafe(naked)]
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name() {
                core::arch::naked_asm!(concat!(
                    "jmp qword ptr [rip + ntheap_",
                    stringify!($name),
                    "@GOTPCREL]"
                ))
            }
        )*
    };
}

#[cfg(target_arch = "x86_64")]
heap::win32_variadic_names!(forward_variadic);

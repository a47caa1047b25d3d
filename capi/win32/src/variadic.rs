//! Forwarders of functions that take as many arguments as their format wants:
//! jumps, which leave all arguments as they are.

/// A jump to the function of `libntheap.so`, all arguments as they are.
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
            pub(crate) unsafe extern "C" fn $name() {
                core::arch::naked_asm!(concat!(
                    "jmp qword ptr [rip + ntheap_",
                    stringify!($name),
                    "@GOTPCREL]"
                ))
            }
        )*
    };
}

heap::win32_variadic_names!(forward_variadic);

//! The system's calls about memory, told to whoever listens (`trace`).

use super::c;
use crate::trace::{Argument, during};
use core::ffi::{c_int, c_void};

macro_rules! calls {
    ($(
        $(#[$attribute:meta])*
        $name:ident($($parameter:ident: $type:ty as $word:ty),*) -> $result:ty;
    )*) => {
        $(
            $(#[$attribute])*
            pub(super) unsafe fn $name($($parameter: $type),*) -> $result {
                let arguments = || {
                    [$(Argument::new(
                        const {
                            match core::ffi::CStr::from_bytes_with_nul(
                                concat!(stringify!($parameter), "\0").as_bytes(),
                            ) {
                                Ok(name) => name,
                                Err(_) => c"",
                            }
                        },
                        ($parameter as $word) as u64,
                    )),*]
                };
                let name = const {
                    match core::ffi::CStr::from_bytes_with_nul(
                        concat!(stringify!($name), "\0").as_bytes(),
                    ) {
                        Ok(name) => name,
                        Err(_) => c"",
                    }
                };
                // SAFETY: the caller's promise is the system's.
                during(name, arguments, || unsafe { c::$name($($parameter),*) })
            }
        )*
    };
}

calls! {
    mmap(
        address: *mut c_void as usize,
        length: usize as usize,
        prot: c_int as u32,
        map: c_int as u32,
        file: c_int as i64,
        offset: c::off_t as i64
    ) -> *mut c_void;
    munmap(address: *mut c_void as usize, length: usize as usize) -> c_int;
    mprotect(address: *mut c_void as usize, length: usize as usize, prot: c_int as u32) -> c_int;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    madvise(address: *mut c_void as usize, length: usize as usize, advice: c_int as u32) -> c_int;
}

/// Resizes or moves a mapping; `target` counts with MREMAP_FIXED.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) unsafe fn mremap(
    address: *mut c_void,
    old: usize,
    new: usize,
    flags: c_int,
    target: *mut c_void,
) -> *mut c_void {
    let arguments = || {
        [
            Argument::new(c"address", address.addr() as u64),
            Argument::new(c"old", old as u64),
            Argument::new(c"new", new as u64),
            Argument::new(c"remap", flags as u64),
            Argument::new(c"target", target.addr() as u64),
        ]
    };
    // SAFETY: the caller's promise is the system's.
    during(c"mremap", arguments, || unsafe {
        c::mremap(address, old, new, flags, target)
    })
}

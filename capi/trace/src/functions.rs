//! The functions of C and of the list of Windows names, each told of.

use crate::next::Next;
use crate::record::{began, ended};
use core::ffi::{CStr, c_int, c_void};
use core::ptr;
use heap::trace::Argument;
use heap::win32::*;

/// An argument or result as a number: its bytes, the first eight of them, with
/// zeros behind.
fn number<T: Copy>(value: T) -> u64 {
    let mut word = 0u64.to_le_bytes();
    let size = size_of::<T>().min(word.len());
    // SAFETY: as many bytes as both have. What Windows' functions take and give
    // are numbers, addresses and functions, all of whose bytes are written.
    unsafe {
        ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), word.as_mut_ptr(), size);
    }
    u64::from_le_bytes(word)
}

macro_rules! c_string {
    ($text:expr) => {
        match CStr::from_bytes_with_nul(concat!($text, "\0").as_bytes()) {
            Ok(text) => text,
            Err(_) => c"?",
        }
    };
}

/// Defines `$symbol` for each function: says that `$name` is called, calls the
/// next one, says what it gave.
macro_rules! tell {
    ($prefix:literal, $abi:literal, $(
        fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;
    )*) => {
        $(
            /// The function of this name, told of.
            ///
            /// # Safety
            /// As for that function.
            #[unsafe(export_name = concat!($prefix, stringify!($name)))]
            pub unsafe extern $abi fn $name($($argument: $type),*) -> $result {
                static NEXT: Next = Next::new(c_string!(concat!($prefix, stringify!($name))));
                const NAME: &CStr = c_string!(stringify!($name));
                began(NAME, &[$(
                    Argument::new(const { c_string!(stringify!($argument)) }, number($argument))
                ),*]);
                // SAFETY: the next function of this name has this type, and the
                // caller's promise is its.
                let result = unsafe {
                    let next = core::mem::transmute::<
                        *mut c_void,
                        unsafe extern $abi fn($($type),*) -> $result,
                    >(NEXT.must());
                    next($($argument),*)
                };
                ended(NAME, number(result));
                result
            }
        )*
    };
}

tell! { "", "C",
    fn malloc(size: usize) -> *mut c_void;
    fn calloc(count: usize, size: usize) -> *mut c_void;
    fn realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn reallocarray(block: *mut c_void, count: usize, size: usize) -> *mut c_void;
    fn free(block: *mut c_void) -> ();
    fn free_sized(block: *mut c_void, size: usize) -> ();
    fn free_aligned_sized(block: *mut c_void, alignment: usize, size: usize) -> ();
    fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void;
    fn memalign(alignment: usize, size: usize) -> *mut c_void;
    fn posix_memalign(place: *mut *mut c_void, alignment: usize, size: usize) -> c_int;
    fn valloc(size: usize) -> *mut c_void;
    fn pvalloc(size: usize) -> *mut c_void;
    fn malloc_usable_size(block: *mut c_void) -> usize;
}

macro_rules! tell_windows {
    ($($list:tt)*) => {
        tell! { "ntheap_", "system", $($list)* }
    };
}

heap::win32_names!(tell_windows);

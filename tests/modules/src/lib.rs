//! A module with three runtimes: each copy of the library that a process loads
//! has its own, and its own copy of the allocator.

use ntheap::crt::Crt;

/// Runtimes of a module.
pub const HEAPS: usize = 3;

static RUNTIMES: [Crt; HEAPS] = [
    Crt::private("first"),
    Crt::private("second"),
    Crt::private("third"),
];

/// A block of the module's runtime of that number.
#[unsafe(no_mangle)]
pub extern "C" fn module_allocate(heap: usize, size: usize) -> *mut u8 {
    RUNTIMES[heap].allocate(size)
}

/// Frees a block by the module's runtime of that number; false if that said that
/// it is none of its own.
///
/// # Safety
/// If it is one, nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn module_free(heap: usize, block: *mut u8) -> bool {
    // SAFETY: the caller's promise.
    unsafe { RUNTIMES[heap].free(block).is_ok() }
}

/// What a block of the module's runtime was asked for.
#[unsafe(no_mangle)]
pub extern "C" fn module_size(heap: usize, block: *mut u8) -> usize {
    RUNTIMES[heap].size_of(block).unwrap_or(usize::MAX)
}

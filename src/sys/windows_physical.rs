//! Windows: physical pages, and the windows that show them (AWE).
//!
//! Sources: the pages "AllocateUserPhysicalPages function", "MapUserPhysicalPagesScatter
//! function" and "FreeUserPhysicalPages function" of Microsoft's documentation.

use super::windows_pages::{LastError, done};
use super::{Call, admit};
use core::ffi::c_void;
use core::ptr;
use windows_sys::Win32::System::Memory::{
    AllocateUserPhysicalPages, FreeUserPhysicalPages, MEM_RESERVE, MapUserPhysicalPagesScatter,
    PAGE_READWRITE, VirtualAlloc,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

// A number of the page "VirtualAlloc function", which `windows-sys` has in a module of its
// own.
const MEM_PHYSICAL: u32 = 0x40_0000;

/// Takes as many pages as there are places in `numbers`, or fewer, and writes their numbers
/// there. How many.
pub fn take_physical(numbers: &mut [usize]) -> Result<usize, LastError> {
    if !admit(Call::File) {
        return Err(LastError::MOCKED);
    }
    let mut count = numbers.len();
    // SAFETY: the system writes at most as many numbers as there are places.
    done(unsafe {
        AllocateUserPhysicalPages(GetCurrentProcess(), &raw mut count, numbers.as_mut_ptr())
    })?;
    Ok(count.min(numbers.len()))
}

/// Gives pages back, from the first on. How many.
pub fn give_physical(numbers: &[usize]) -> usize {
    let mut count = numbers.len();
    // SAFETY: the system reads the numbers; it refuses those that are not the process's.
    let all = unsafe {
        FreeUserPhysicalPages(GetCurrentProcess(), &raw mut count, numbers.as_ptr()) != 0
    };
    if all {
        numbers.len()
    } else {
        count.min(numbers.len())
    }
}

/// Reserves a window of `size` bytes, whole pages.
pub fn reserve_window(size: usize) -> Result<*mut u8, LastError> {
    if !admit(Call::Reserve) {
        return Err(LastError::MOCKED);
    }
    let kind = MEM_RESERVE | MEM_PHYSICAL;
    // SAFETY: reserving succeeds on free addresses only.
    let base = unsafe { VirtualAlloc(ptr::null(), size, kind, PAGE_READWRITE) };
    if base.is_null() {
        return Err(LastError::get());
    }
    Ok(base.cast())
}

/// Shows at each of these addresses the page of the number beside it, nothing for 0. All or
/// none.
///
/// # Safety
/// The addresses are pages of windows of the caller's, of which nobody uses what they show.
pub unsafe fn show_physical(addresses: &[usize], numbers: &[usize]) -> Result<(), LastError> {
    let count = addresses.len().min(numbers.len());
    let places = addresses.as_ptr().cast::<*const c_void>();
    // SAFETY: the system reads so many addresses, which are as large as numbers, and so many
    // numbers; the caller's promise.
    done(unsafe { MapUserPhysicalPagesScatter(places, count, numbers.as_ptr()) })
}

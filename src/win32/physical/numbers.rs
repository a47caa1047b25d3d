//! A program's array of numbers, copied by the system, which finds out what cannot be
//! accessed where a fault would end the call half way.

use super::super::constants::{ERROR_NOACCESS, ERROR_NOT_ENOUGH_MEMORY};
use super::super::types::DWORD;
use crate::sys;
use crate::vm::numbers::Numbers;
use core::ptr;

/// Room for `count` numbers, all 0.
pub(super) fn room(count: usize) -> Result<Numbers, DWORD> {
    Numbers::new(count).ok_or(ERROR_NOT_ENOUGH_MEMORY)
}

/// A copy of the `count` numbers at `from`.
///
/// # Safety
/// Where the system does not copy on the process's behalf, the numbers can be
/// read.
pub(super) unsafe fn copied(from: *const usize, count: usize) -> Result<Numbers, DWORD> {
    let mut numbers = room(count)?;
    let to = numbers.get_mut().as_mut_ptr();
    // SAFETY: the caller's promise; there is room for `count` numbers.
    unsafe { copy(to, from, count) }?;
    Ok(numbers)
}

/// Writes the first `count` to the program's array.
///
/// # Safety
/// `to` has room for so many, or cannot be accessed. Where the system does not
/// copy on the process's behalf, it can be.
pub(super) unsafe fn write(numbers: &Numbers, to: *mut usize, count: usize) -> Result<(), DWORD> {
    let from = numbers.get().get(..count).unwrap_or_default();
    // SAFETY: the caller's promise.
    unsafe { copy(to, from.as_ptr(), from.len()) }
}

/// Copies numbers, or finds out that either side cannot be accessed.
///
/// # Safety
/// Whoever owns the bytes at `to` asked for this. Where the system does not copy on
/// the process's behalf, both can be accessed.
unsafe fn copy(to: *mut usize, from: *const usize, count: usize) -> Result<(), DWORD> {
    let size = count * size_of::<usize>();
    let copied = match sys::copy(to.expose_provenance(), from.expose_provenance(), size) {
        Some(copied) => copied,
        None => {
            // SAFETY: the caller's promise.
            unsafe { ptr::copy(from.cast::<u8>(), to.cast(), size) };
            size
        }
    };
    if copied == size {
        Ok(())
    } else {
        Err(ERROR_NOACCESS)
    }
}

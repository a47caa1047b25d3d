//! A program's array of numbers, copied.
//!
//! What the page layer looks at while it holds its lock must be readable and stay as
//! it is. A program's array need be neither, so it is copied before, by the system,
//! which finds out what cannot be accessed where a fault would end the call half way.

use super::super::constants::{ERROR_NOACCESS, ERROR_NOT_ENOUGH_MEMORY};
use super::super::types::DWORD;
use crate::sys;
use crate::vm::{self, Use};
use core::ptr;

/// How many numbers need no memory of their own.
const FEW: usize = 64;

/// So many numbers: a program's, copied, or room for them.
pub(super) struct Numbers {
    few: [usize; FEW],
    /// Where they are when they are many: pages of their own; otherwise null.
    many: *mut usize,
    bytes: usize,
    count: usize,
}

impl Numbers {
    /// Room for `count` numbers, all 0.
    pub(super) fn new(count: usize) -> Result<Numbers, DWORD> {
        let mut numbers = Numbers {
            few: [0; FEW],
            many: ptr::null_mut(),
            bytes: 0,
            count,
        };
        if count > FEW {
            let bytes = count.checked_mul(size_of::<usize>());
            let bytes = bytes.and_then(vm::round_to_pages);
            numbers.bytes = bytes.ok_or(ERROR_NOT_ENOUGH_MEMORY)?;
            numbers.many = vm::allocate(Use::Metadata, numbers.bytes).cast();
            if numbers.many.is_null() {
                return Err(ERROR_NOT_ENOUGH_MEMORY);
            }
        }
        Ok(numbers)
    }

    /// A copy of the `count` numbers at `from`.
    ///
    /// # Safety
    /// Where the system does not copy on the process's behalf, the numbers can be
    /// read.
    pub(super) unsafe fn copied(from: *const usize, count: usize) -> Result<Numbers, DWORD> {
        let mut numbers = Numbers::new(count)?;
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
    pub(super) unsafe fn write(&self, to: *mut usize, count: usize) -> Result<(), DWORD> {
        let from = self.get().get(..count).unwrap_or_default();
        // SAFETY: the caller's promise.
        unsafe { copy(to, from.as_ptr(), from.len()) }
    }

    pub(super) fn get(&self) -> &[usize] {
        if self.many.is_null() {
            return self.few.get(..self.count).unwrap_or_default();
        }
        // SAFETY: fresh pages, which are numbers of 0, of this value's own, with room
        // for so many.
        unsafe { core::slice::from_raw_parts(self.many, self.count) }
    }

    pub(super) fn get_mut(&mut self) -> &mut [usize] {
        if self.many.is_null() {
            return self.few.get_mut(..self.count).unwrap_or_default();
        }
        // SAFETY: as in `get`, and the value is borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.many, self.count) }
    }
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

impl Drop for Numbers {
    fn drop(&mut self) {
        if !self.many.is_null() {
            // SAFETY: pages of this value's own, whole, which nobody borrows now.
            unsafe { vm::give_back(Use::Metadata, self.many.cast(), self.bytes, self.bytes) };
        }
    }
}

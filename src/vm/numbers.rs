//! A list of numbers of a length that is known once: few beside its owner, many in pages of
//! their own.
//!
//! What the page layer looks at while it holds its lock must be readable and stay as it
//! is. A program's array need be neither (touching it may be a fault that the layer itself
//! answers), so it is copied before.

use super::Use;
use core::ptr;

/// How many numbers need no memory of their own.
const FEW: usize = 64;

/// So many numbers.
#[derive(Debug)]
pub(crate) struct Numbers {
    few: [usize; FEW],
    /// Where they are when they are many: pages of their own; otherwise null.
    many: *mut usize,
    bytes: usize,
    count: usize,
}

// SAFETY: the numbers are this value's own, wherever they lie.
unsafe impl Send for Numbers {}
// SAFETY: through a shared reference they are only read.
unsafe impl Sync for Numbers {}

impl Numbers {
    /// So many numbers, all 0; `None` without memory for them.
    pub(crate) fn new(count: usize) -> Option<Numbers> {
        let mut numbers = Numbers {
            few: [0; FEW],
            many: ptr::null_mut(),
            bytes: 0,
            count,
        };
        if count > FEW {
            let bytes = count.checked_mul(size_of::<usize>());
            numbers.bytes = bytes.and_then(super::round_to_pages)?;
            numbers.many = super::allocate(Use::Metadata, numbers.bytes).cast();
            if numbers.many.is_null() {
                return None;
            }
        }
        Some(numbers)
    }

    /// The numbers.
    pub(crate) fn get(&self) -> &[usize] {
        if self.many.is_null() {
            return self.few.get(..self.count).unwrap_or_default();
        }
        // SAFETY: fresh pages, which are numbers of 0, of this value's own, with room
        // for so many.
        unsafe { core::slice::from_raw_parts(self.many, self.count) }
    }

    /// The numbers, to be changed.
    pub(crate) fn get_mut(&mut self) -> &mut [usize] {
        if self.many.is_null() {
            return self.few.get_mut(..self.count).unwrap_or_default();
        }
        // SAFETY: as in `get`, and the value is borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.many, self.count) }
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        if !self.many.is_null() {
            // SAFETY: pages of this value's own, whole, which nobody borrows now.
            unsafe { super::give_back(Use::Metadata, self.many.cast(), self.bytes, self.bytes) };
        }
    }
}

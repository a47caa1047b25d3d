//! malloc and what goes with it, for any instance.
//!
//! A null comes with errno: ENOMEM when there is no memory or the size is above
//! [`MAX_REQUEST`], EINVAL after the invalid parameter handler was called.

use super::instance::Crt;
use super::{MAX_REQUEST, errno, invalid, new_handler};
use crate::heap::private::{Error, flags};
use core::ptr::{self, NonNull};

fn too_much() -> *mut u8 {
    errno::set(errno::ENOMEM);
    ptr::null_mut()
}

impl Crt {
    /// `malloc`. A size of 0 gives a block of its own. In new mode 1 the new
    /// handler is called while there is no memory.
    pub fn malloc(&self, size: usize) -> *mut u8 {
        if size > MAX_REQUEST {
            return too_much();
        }
        new_handler::attempt(size, || self.allocate(size))
    }

    /// `calloc`: zeroed, for `count` members of `size` bytes.
    pub fn calloc(&self, count: usize, size: usize) -> *mut u8 {
        match count.checked_mul(size) {
            Some(bytes) if bytes <= MAX_REQUEST => {
                new_handler::attempt(bytes, || self.allocate_zeroed(bytes))
            }
            _ => too_much(),
        }
    }

    /// `realloc`. Null acts as malloc; a size of 0 frees, and null is the
    /// result. A failure leaves the block as it was; EINVAL, after a report, for
    /// what is no block.
    ///
    /// # Safety
    /// If it succeeds, nobody uses the old block any more.
    pub unsafe fn realloc(&self, block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.resize("realloc", 0, block, size) }
    }

    unsafe fn resize(&self, operation: &str, flags: u32, block: *mut u8, size: usize) -> *mut u8 {
        if block.is_null() {
            if size > MAX_REQUEST {
                return too_much();
            }
            return new_handler::attempt(size, || self.allocate_as(flags, size, 16));
        }
        if size == 0 {
            // SAFETY: the caller's promise. What is no block was reported.
            let _ = unsafe { self.free_as(operation, block) };
            return ptr::null_mut();
        }
        if size > MAX_REQUEST {
            return too_much();
        }
        // SAFETY: the caller's promise.
        let resize = || unsafe { self.try_reallocate(operation, flags, block, size) };
        match resize() {
            Ok(new) => new.as_ptr(),
            Err(Error::NoMemory | Error::LimitReached) => {
                new_handler::again(size, || resize().map_or(ptr::null_mut(), NonNull::as_ptr))
            }
            Err(_) => {
                // It was reported; no memory would help.
                errno::set(errno::EINVAL);
                ptr::null_mut()
            }
        }
    }

    /// `_recalloc`: realloc for `count` members of `size` bytes, of which those
    /// that are new are zero ("_recalloc").
    ///
    /// # Safety
    /// As for [`Crt::realloc`].
    pub unsafe fn recalloc(&self, block: *mut u8, count: usize, size: usize) -> *mut u8 {
        match count.checked_mul(size) {
            // SAFETY: the caller's promise.
            Some(bytes) => unsafe { self.resize("_recalloc", flags::ZERO_MEMORY, block, bytes) },
            None => too_much(),
        }
    }

    /// `_expand`: resizes a block where it is, or not at all: null and ENOMEM then,
    /// and the block as it was; null and EINVAL, after a report, for what is no
    /// block. A block that the low-fragmentation heap serves keeps its
    /// size, and is the result where it is to shrink ("_expand").
    ///
    /// # Safety
    /// If the block shrinks, nobody uses what it loses any more.
    pub unsafe fn expand(&self, block: *mut u8, size: usize) -> *mut u8 {
        const NAME: &str = "_expand";
        if block.is_null() {
            invalid::parameter();
            return ptr::null_mut();
        }
        if size > MAX_REQUEST {
            return too_much();
        }
        let Some(old) = self.size_as(NAME, block) else {
            errno::set(errno::EINVAL);
            return ptr::null_mut();
        };
        let in_place = flags::REALLOC_IN_PLACE_ONLY;
        // SAFETY: the caller's promise; the block does not move.
        let new = unsafe { self.reallocate_as(NAME, in_place, block, size) };
        if new.is_null() && size <= old {
            return block;
        }
        if new.is_null() {
            errno::set(errno::ENOMEM);
        }
        new
    }

    /// `_msize`: what the block was asked for. The largest number for null, after
    /// the invalid parameter handler and with EINVAL, and, after a report, for
    /// what is no block.
    pub fn msize(&self, block: *const u8) -> usize {
        if block.is_null() {
            invalid::parameter();
            return usize::MAX;
        }
        self.size_of(block).unwrap_or(usize::MAX)
    }
}

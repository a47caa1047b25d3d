//! Blocks that change their size.
//!
//! Each change is a request of its own: it has a number, passes the breakpoint
//! and the hook, and makes the block the newest of the list, of the type that is
//! asked for.

use super::block::{self, LEAD, OVERHEAD};
use super::heap::{DebugHeap, Fill, Origin};
use super::kind::{HOOK_REALLOC, UNKNOWN_BLOCK};
use super::list::{Request, Seen};
use crate::crt::{errno, new_handler};
use crate::heap::private::flags::REALLOC_IN_PLACE_ONLY;
use core::ptr;

impl DebugHeap {
    /// Changes the size of a block, which may move. What it held stays up to the
    /// smaller size; what is added is filled with [`block::NEW`]. Null as the
    /// block asks for a new one; a size of 0 frees it, and the result is null.
    ///
    /// Null otherwise, and the block as it was: ENOMEM and EINVAL as for
    /// [`DebugHeap::allocate`]; after a report when it is no block.
    ///
    /// Source: "_realloc_dbg".
    ///
    /// # Safety
    /// Unless the result is null for a size that is not 0, nobody uses the block
    /// through the old address.
    pub unsafe fn reallocate(
        &'static self,
        data: *mut u8,
        size: usize,
        block_use: i32,
        origin: Origin,
    ) -> *mut u8 {
        // SAFETY: the caller's promise is the callee's.
        unsafe { self.resize(data, size, Fill::New, block_use, origin) }
    }

    /// [`DebugHeap::reallocate`] to `count` times `size` bytes; what is added is
    /// 0. Null and ENOMEM when that is more than there can be.
    ///
    /// Source: "_recalloc_dbg".
    ///
    /// # Safety
    /// As for [`DebugHeap::reallocate`].
    pub unsafe fn reallocate_zeroed(
        &'static self,
        data: *mut u8,
        count: usize,
        size: usize,
        block_use: i32,
        origin: Origin,
    ) -> *mut u8 {
        match count.checked_mul(size) {
            // SAFETY: the caller's promise is the callee's.
            Some(bytes) => unsafe { self.resize(data, bytes, Fill::Zero, block_use, origin) },
            None => {
                errno::set(errno::ENOMEM);
                ptr::null_mut()
            }
        }
    }

    unsafe fn resize(
        &'static self,
        data: *mut u8,
        size: usize,
        fill: Fill,
        block_use: i32,
        origin: Origin,
    ) -> *mut u8 {
        if data.is_null() {
            return match fill {
                Fill::New => self.allocate(size, block_use, origin),
                Fill::Zero => self.allocate_zeroed(1, size, block_use, origin),
            };
        }
        if size == 0 {
            // SAFETY: the caller's promise.
            unsafe { self.free(data, block_use) };
            return ptr::null_mut();
        }
        let me = self.keeper_of(data);
        me.check_if_due();
        let Some(seen) = me.inspect(data, UNKNOWN_BLOCK) else {
            errno::set(errno::EINVAL);
            return ptr::null_mut();
        };
        let Some(request) = me.request(HOOK_REALLOC, data, size, block_use, origin) else {
            return ptr::null_mut();
        };
        // SAFETY: the caller's promise.
        unsafe {
            if me.resize_in_place(&seen, size, fill, request) {
                return data;
            }
            let new = new_handler::attempt(size, || me.place(size, fill, request));
            if new.is_null() {
                return new;
            }
            ptr::copy_nonoverlapping(data, new, seen.record.size.min(size));
            errno::keep(|| me.release(&seen));
            new
        }
    }

    /// Changes the size of a block where it is, if that can be done. Null and
    /// EINVAL, after a report, when it is no block; null and ENOMEM when it
    /// cannot.
    ///
    /// Source: "_expand_dbg".
    ///
    /// # Safety
    /// If the block shrinks, nobody uses what it loses.
    pub unsafe fn expand(
        &'static self,
        data: *mut u8,
        size: usize,
        block_use: i32,
        origin: Origin,
    ) -> *mut u8 {
        let me = self.keeper_of(data);
        me.check_if_due();
        let Some(seen) = me.inspect(data, UNKNOWN_BLOCK) else {
            errno::set(errno::EINVAL);
            return ptr::null_mut();
        };
        let Some(request) = me.request(HOOK_REALLOC, data, size, block_use, origin) else {
            return ptr::null_mut();
        };
        // SAFETY: the caller's promise.
        if unsafe { me.resize_in_place(&seen, size, Fill::New, request) } {
            return data;
        }
        errno::set(errno::ENOMEM);
        ptr::null_mut()
    }

    /// Has the runtime's heap resize the block where it is, and says so in the
    /// list.
    unsafe fn resize_in_place(
        &'static self,
        seen: &Seen,
        size: usize,
        fill: Fill,
        request: Request,
    ) -> bool {
        let data = seen.record.data;
        // A walk in another thread must not meet the block between the two.
        let mut list = self.list.lock();
        let is_there = list
            .get(seen.index)
            .is_some_and(|now| now.request == seen.record.request && now.data == data);
        if !is_there {
            return false;
        }
        // SAFETY: the block is the caller's, and the heap's at `data - LEAD`. It
        // has room for `size` bytes and what is around them when the heap says
        // so; what is added is nobody's yet.
        unsafe {
            let resized = self.crt.reallocate_as(
                "_realloc_dbg",
                REALLOC_IN_PLACE_ONLY,
                data.wrapping_sub(LEAD),
                size + OVERHEAD,
            );
            if resized.is_null() {
                return false;
            }
            if let Some(more) = size.checked_sub(seen.record.size) {
                let value = match fill {
                    Fill::New => block::NEW,
                    Fill::Zero => 0,
                };
                data.wrapping_add(seen.record.size).write_bytes(value, more);
            }
            list.change(seen.index, size, request);
        }
        true
    }
}

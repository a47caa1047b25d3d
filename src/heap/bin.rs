//! A bin: the top of one class's stack of free blocks in a thread's cache, and
//! how other threads get the owner's attention.
//!
//! ```text
//!   owner    push at `top` until it reaches `limit` --> slow path: take, raise
//!   others   ask: `asked` = true, then every bin's `limit` = null
//! ```
//!
//! Invariants:
//! - Only the owner moves `top`, and only the owner raises `limit`; whoever
//!   asks does no more than lower it.
//! - Once [`Request::ask`] has returned, and until the owner takes the
//!   request, the owner's next push to each bin fails; and a push that fails
//!   for that reason leads to a slow path that finds the request.

use super::magazine::Entry;
use crate::sync::atomic::{AtomicBool, AtomicPtr, Ordering, fence};
use core::ptr;

/// One class's stack of free blocks.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Bin {
    pub(super) top: AtomicPtr<Entry>,
    pub(super) limit: AtomicPtr<Entry>,
}

impl Bin {
    /// Gives a block; false, and nothing done, when the bin is full.
    ///
    /// # Safety
    /// `bin` is one of the calling thread's cache or of a shared one, and
    /// `block` is a block of the bin's class that the caller owns.
    #[inline(always)]
    pub(crate) unsafe fn push(bin: *const Bin, block: *mut u8) -> bool {
        // SAFETY: below the limit there is room for an entry.
        unsafe {
            let top = (*bin).top.load(Ordering::Relaxed);
            if Bin::is_at_limit(bin, top) {
                return false;
            }
            top.write(block);
            (*bin).top.store(top.add(1), Ordering::Relaxed);
        }
        true
    }

    /// Whether `top` has reached the bin's limit.
    ///
    /// # Safety
    /// `bin` is a bin of a live cache.
    #[inline(always)]
    pub(super) unsafe fn is_at_limit(bin: *const Bin, top: *mut Entry) -> bool {
        // The compiler does not fold an atomic load into a comparison; the load
        // itself is the same.
        #[cfg(all(target_arch = "x86_64", not(ntheap_model)))]
        // SAFETY: reads the aligned word `limit`, which others may set meanwhile.
        unsafe {
            core::arch::asm!(
                "cmp {top}, qword ptr [{bin} + {limit}]",
                "jae {full}",
                top = in(reg) top,
                bin = in(reg) bin,
                limit = const core::mem::offset_of!(Bin, limit),
                full = label { return true; },
                options(nostack, readonly),
            );
            false
        }
        #[cfg(any(not(target_arch = "x86_64"), ntheap_model))]
        // SAFETY: the caller's bin is live.
        unsafe {
            top >= (*bin).limit.load(Ordering::Relaxed)
        }
    }

    /// Sets the limit; for the owner. A limit that was lowered since the owner
    /// last took the request stays low.
    pub(super) fn raise(&self, limit: *mut Entry, request: &Request) {
        // The exchange reads what it overwrites: if that is the null of a
        // request, the request itself is seen on the next line.
        self.limit.swap(limit, Ordering::Acquire);
        if request.asked.load(Ordering::Relaxed) {
            self.limit.store(ptr::null_mut(), Ordering::Relaxed);
        }
    }
}

/// What other threads ask of a cache's owner: to look at its cache.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) asked: AtomicBool,
}

impl Request {
    /// Sends the owner's next push to each of `bins` to the slow path.
    pub(super) fn ask(&self, bins: &[Bin]) {
        self.asked.store(true, Ordering::Release);
        for bin in bins {
            bin.limit.store(ptr::null_mut(), Ordering::Release);
        }
    }

    /// Whether something was asked since the last call; for the owner. What
    /// the asking thread did before it asked is seen by what follows.
    pub(super) fn take(&self) -> bool {
        // Makes a request visible whose null the owner has read as a limit.
        fence(Ordering::Acquire);
        self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::Acquire)
    }
}

//! A bin: the top of one class's stack of free blocks in a thread's cache, and
//! how other threads get the owner's attention.
//!
//! ```text
//!   owner    push at `top` until it reaches `limit` --> slow path: take, raise
//!   others   ask: `asked` = true, then every bin's `limit` = null,
//!            of all rows of bins that the owner uses
//! ```
//!
//! Invariants:
//! - Only the owner moves `top`, and only the owner raises `limit`; whoever
//!   asks does no more than lower it.
//! - Once [`Request::ask`] has returned, and until the owner takes the
//!   request, the owner's pushes fail, so that it comes to its slow path.
//! - A limit may be low for no reason any more; the slow path raises it.
//! - What both sides write, both write by exchange: of two writes the later one
//!   has then seen the earlier, and what led to it. So whoever asks sees that a
//!   row is in use, or the owner sees the request when it first uses the row.

use super::magazine::Entry;
use super::seize::Slot;
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use core::ptr;

/// One class's stack of free blocks.
#[derive(Debug)]
#[repr(C)]
// As large everywhere: a size leads to its bin (plain.rs).
#[cfg_attr(target_pointer_width = "32", repr(align(16)))]
pub(crate) struct Bin<S = Entry> {
    pub(super) top: AtomicPtr<S>,
    pub(super) limit: AtomicPtr<S>,
}

impl<S: Slot> Bin<S> {
    /// Takes a block, whose slot `taken` may look at before it is given up;
    /// null when the bin is empty.
    ///
    /// # Safety
    /// `bin` is one of the calling thread's cache or of a shared one.
    #[inline(always)]
    pub(crate) unsafe fn pop(bin: *const Self, taken: impl FnOnce(*mut S)) -> *mut u8 {
        // SAFETY: `top` always stands above a readable slot: one of a
        // magazine, or the null below every magazine's first.
        unsafe {
            let slot = (*bin).top.load(Ordering::Relaxed).sub(1);
            S::between();
            let block = S::get(slot);
            S::between();
            if !block.is_null() {
                taken(slot);
                (*bin).top.store(slot, Ordering::Relaxed);
                S::between();
            }
            block
        }
    }

    /// Gives a block; false, and nothing done, when the bin is full.
    ///
    /// # Safety
    /// `bin` is one of the calling thread's cache or of a shared one, and
    /// `block` is a block of the bin's class that the caller owns.
    #[inline(always)]
    pub(crate) unsafe fn push(bin: *const Self, block: *mut u8) -> bool {
        // SAFETY: below the limit there is room for an entry.
        unsafe {
            let top = (*bin).top.load(Ordering::Relaxed);
            S::between();
            if Self::is_at_limit(bin, top) {
                return false;
            }
            S::between();
            S::set(top, block);
            S::between();
            (*bin).top.store(top.add(1), Ordering::Relaxed);
            S::between();
        }
        true
    }

    /// Whether `top` has reached the bin's limit.
    ///
    /// # Safety
    /// `bin` is a bin of a live cache.
    #[inline(always)]
    pub(super) unsafe fn is_at_limit(bin: *const Self, top: *mut S) -> bool {
        // The compiler does not fold an atomic load into a comparison; the load
        // itself is the same.
        #[cfg(all(target_arch = "x86_64", not(any(ntheap_model, ntheap_portable))))]
        // SAFETY: reads the aligned word `limit`, which others may set meanwhile.
        unsafe {
            core::arch::asm!(
                "cmp {top}, qword ptr [{bin} + {limit}]",
                "jae {full}",
                top = in(reg) top,
                bin = in(reg) bin,
                limit = const core::mem::offset_of!(Bin<Entry>, limit),
                full = label { return true; },
                options(nostack, readonly),
            );
            false
        }
        #[cfg(any(not(target_arch = "x86_64"), ntheap_model, ntheap_portable))]
        // SAFETY: the caller's bin is live.
        unsafe {
            top >= (*bin).limit.load(Ordering::Relaxed)
        }
    }
}

impl<S> Bin<S> {
    /// Sets the limit; for the owner. A limit that was lowered since the owner
    /// last took the request stays low.
    pub(super) fn raise(&self, limit: *mut S, request: &Request) {
        // If this overwrites the null of a request, the next line sees the
        // request itself.
        self.limit.swap(limit, Ordering::Acquire);
        if request.asked.load(Ordering::Relaxed) {
            self.lower();
        }
    }

    /// Makes the bin full, whatever it holds.
    pub(super) fn lower(&self) {
        self.limit.swap(ptr::null_mut(), Ordering::Relaxed);
    }
}

/// What other threads ask of a cache's owner: to look at its cache.
#[derive(Debug)]
pub(super) struct Request {
    asked: AtomicBool,
    /// The rows of bins in use, a bit each.
    rows: AtomicU32,
}

impl Request {
    /// Nothing asked, and no row in use.
    #[cfg(not(ntheap_model))]
    pub(super) const fn new() -> Self {
        Request {
            asked: AtomicBool::new(false),
            rows: AtomicU32::new(0),
        }
    }

    #[cfg(ntheap_model)]
    pub(super) fn new() -> Self {
        Request {
            asked: AtomicBool::new(false),
            rows: AtomicU32::new(0),
        }
    }

    /// Notes that a row of bins, below 32, is in use; for the owner, before
    /// any limit in it is raised.
    pub(super) fn use_row(&self, row: u8) {
        self.rows.fetch_or(1 << (row & 31), Ordering::AcqRel);
    }

    /// Whether a row was ever used.
    pub(super) fn uses_row(&self, row: u8) -> bool {
        self.rows.load(Ordering::Relaxed) & (1 << (row & 31)) != 0
    }

    /// Sends the owner's next push to each bin of the rows in use to the slow
    /// path; `bins` are a row's.
    pub(super) fn ask<'a, S: 'a>(&self, bins: impl Fn(u8) -> &'a [Bin<S>]) {
        self.asked.swap(true, Ordering::AcqRel);
        let mut rows = self.rows.fetch_or(0, Ordering::AcqRel);
        while rows != 0 {
            let row = rows.trailing_zeros() as u8;
            rows &= rows - 1;
            for bin in bins(row) {
                bin.limit.swap(ptr::null_mut(), Ordering::AcqRel);
            }
        }
    }

    /// Whether [`Request::take`] would find something.
    #[inline(always)]
    pub(super) fn is_pending(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether something was asked since the last call; for the owner. What
    /// the asking thread did before it asked is seen by what follows.
    pub(super) fn take(&self) -> bool {
        self.is_pending() && self.asked.swap(false, Ordering::Acquire)
    }
}

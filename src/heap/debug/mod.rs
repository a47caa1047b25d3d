//! What finds bugs in programs: nothing of it costs anything until it is asked for.
//!
//! ```text
//!   slow path of an allocation --> sample.rs --> page/     blocks with guards
//!   slow path of a free, resize or size of an address there --> page/
//! ```
//!
//! A front end's fast paths are as they are; what is to be seen here is turned away
//! from them (`front.rs`).

pub(in crate::heap) mod page;
pub(in crate::heap) mod sample;

use crate::config::Config;
use core::ptr;

/// Begins, before the heap serves.
pub(in crate::heap) fn begin(config: &Config) {
    sample::begin(config);
}

/// Does what may allocate, once the heap serves.
pub(in crate::heap) fn begun() {
    if page::is_on() {
        // Without it the kernel still ends the program, only nobody says why.
        page::catch_faults();
    }
}

/// Whether an address is one of the blocks here.
#[inline]
pub(in crate::heap) fn has(address: *mut u8) -> bool {
    page::has(address.addr())
}

/// Frees a block for which [`has`] says so, and reports what is none.
///
/// # Safety
/// If it is a block, nobody uses it any more.
#[cold]
pub(in crate::heap) unsafe fn free(operation: &str, block: *mut u8) {
    // SAFETY: the caller's promise. What was wrong was reported.
    unsafe { page::free(operation, block.addr()) };
}

/// The bytes that a block for which [`has`] says so was asked for; 0, and a report,
/// for what is none.
#[cold]
pub(in crate::heap) fn size_of(operation: &str, block: *mut u8) -> usize {
    match page::busy_at(block.addr()) {
        Some(view) => view.size,
        None => {
            page::report_stranger(operation, block.addr());
            0
        }
    }
}

/// Moves a block for which [`has`] says so to what `allocate` gives for the new size;
/// null, and the block as it was, when that gives none. Reports what is none.
///
/// # Safety
/// As for [`free`], unless null is returned.
#[cold]
pub(in crate::heap) unsafe fn reallocate(
    operation: &str,
    block: *mut u8,
    size: usize,
    allocate: impl FnOnce() -> *mut u8,
) -> *mut u8 {
    let Some(view) = page::busy_at(block.addr()) else {
        page::report_stranger(operation, block.addr());
        return ptr::null_mut();
    };
    let new = allocate();
    if !new.is_null() {
        // SAFETY: the old block is busy and the caller's, the new one is distinct,
        // and both hold that many bytes.
        unsafe {
            new.copy_from_nonoverlapping(block, view.size.min(size));
            page::free(operation, block.addr());
        }
    }
    new
}

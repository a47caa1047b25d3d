//! Blocks with guard pages, as the front ends meet them: sampled ones among malloc's
//! and Rust's. Those of heaps with page heap are met in `private/guarded.rs`.

use super::page::Bounds;
use super::{gflags, options, page, profile, random, sample, stacks};
use crate::config::Config;
use crate::heap::private;
use crate::vm::guarded::Guards;
use core::ptr;

/// Address space of page heap, where the system has as much.
const SPACE: usize = 256 << 30;

/// Freed blocks that page heap keeps at most.
const KEPT: usize = 65_536;

/// Bytes of the stack database, where blocks are sampled and where they are profiled.
const SAMPLED: usize = 8 << 20;
const PROFILED: usize = 64 << 20;

/// Begins, before the heap serves. Where a global flag is on, all blocks are watched
/// anyway, and none is sampled.
pub(in crate::heap) fn begin(config: &Config) {
    let flags = options();
    if flags.has(gflags::PAGE_ALLOCS) {
        if !flags.page.light {
            let guards = if flags.page.mappings {
                Guards::Mappings
            } else {
                Guards::Advice
            };
            let bounds = Bounds {
                kept_blocks: KEPT,
                kept_bytes: flags.page.delayed,
                busy: usize::MAX,
                blocks: usize::MAX,
            };
            page::begin(SPACE, guards, None, bounds);
        }
    } else if !super::is_on() {
        random::begin();
        let samples = sample::begin(config);
        let profiles = profile::begin(config);
        if samples || profiles {
            stacks::begin(if profiles { PROFILED } else { SAMPLED });
        }
    }
    if super::is_on() {
        super::published::publish();
    }
}

/// Does what may allocate, once the heap serves.
pub(in crate::heap) fn begun() {
    if super::injects() {
        super::faults::begun();
    }
    if options().has(gflags::PAGE_ALLOCS) {
        crate::sys::at_exit(private::light::look_at_kept);
    }
    if options().has(gflags::VALIDATE_PARAMETERS) {
        super::threads::follow();
    }
    #[cfg(target_os = "linux")]
    crate::snapshot::begin();
    if page::is_on() || super::fills::are_written() {
        // Without it the kernel still ends the program, only nobody says why.
        super::witness::catch();
    }
}

/// Whether an address lies among sampled blocks. With page heap there are none: its
/// blocks are the affair of their heaps.
#[inline]
pub(in crate::heap) fn has_block(address: *mut u8) -> bool {
    sample::is_on() && page::has(address.addr())
}

/// Frees a block for which [`has_block`] says so, and reports what is none.
///
/// # Safety
/// If it is a block, nobody uses it any more.
#[cold]
pub(in crate::heap) unsafe fn free(operation: &str, block: *mut u8) {
    // SAFETY: the caller's promise. What was wrong was reported.
    unsafe { page::free(operation, block.addr(), stacks::capture()) };
}

/// The bytes that a block for which [`has_block`] says so was asked for; 0, and a report,
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

/// Moves a block for which [`has_block`] says so to what `allocate` gives for the new size;
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
            page::free(operation, block.addr(), stacks::capture());
        }
    }
    new
}

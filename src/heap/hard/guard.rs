//! Guard pages: pages of the heap's that any access faults in.
//!
//! By advice, where the kernel has it (Linux since 6.13): marks in the page tables,
//! however many. Elsewhere by rights, which makes mappings, of which a process may have
//! few: so guards are bounded there, and beyond the bound blocks go without.

use crate::sys::{self, Protection};
use crate::vm::{self, Use};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Guards by rights, at most: each is two mappings more, and Linux allows 65,530.
const MOST_MAPPINGS: usize = 8192;

static BY_ADVICE: AtomicBool = AtomicBool::new(false);
static MAPPINGS: AtomicUsize = AtomicUsize::new(0);

/// The page size that guards within subsegments are made for.
pub(super) const PAGE: usize = 4096;

/// Whether subsegments have guards.
static IN_SUBSEGMENTS: AtomicBool = AtomicBool::new(false);

/// Finds out how to guard.
pub(super) fn begin() {
    IN_SUBSEGMENTS.store(vm::page_size() == PAGE, Ordering::Relaxed);
    let size = vm::GRANULARITY;
    let base = vm::reserve(Use::Metadata, size, size);
    if base.is_null() {
        return;
    }
    // SAFETY: just reserved, and nobody knows of it.
    unsafe {
        let is_committed = vm::commit(Use::Metadata, base, size);
        if is_committed && sys::install_guard(base, size) {
            BY_ADVICE.store(true, Ordering::Relaxed);
        }
        vm::give_back(
            Use::Metadata,
            base,
            size,
            if is_committed { size } else { 0 },
        );
    }
}

/// Whether subsegments have guards: where pages are of [`PAGE`] bytes.
#[inline(always)]
pub(super) fn in_subsegments() -> bool {
    IN_SUBSEGMENTS.load(Ordering::Relaxed)
}

/// Makes every access to whole pages fault; what they held is lost. False, and nothing
/// changed, when the system refuses or there are too many guards.
///
/// # Safety
/// The pages are committed and the caller's, and nothing in them is used.
pub(in crate::heap) unsafe fn shut(base: usize, size: usize) -> bool {
    let pages = ptr::with_exposed_provenance_mut(base);
    // SAFETY: the caller's pages.
    unsafe {
        if BY_ADVICE.load(Ordering::Relaxed) {
            return sys::install_guard(pages, size);
        }
        if MAPPINGS.fetch_add(1, Ordering::Relaxed) < MOST_MAPPINGS
            && vm::purge(pages, size)
            && sys::protect(pages, size, Protection::None)
        {
            return true;
        }
    }
    MAPPINGS.fetch_sub(1, Ordering::Relaxed);
    false
}

/// Ends the guards in a range, which read zero then: `guards` of them, as many as [`shut`]
/// made. False where the system refuses, as it does for no reason but its own end.
///
/// # Safety
/// The range is committed and the caller's.
pub(in crate::heap) unsafe fn open(base: usize, size: usize, guards: usize) -> bool {
    let pages = ptr::with_exposed_provenance_mut(base);
    // SAFETY: the caller's pages.
    unsafe {
        if BY_ADVICE.load(Ordering::Relaxed) {
            return sys::remove_guard(pages, size);
        }
        if !sys::protect(pages, size, Protection::ReadWrite) {
            return false;
        }
    }
    forget(guards);
    true
}

/// Counts so many guards no more, whose pages were opened or went back to the system.
pub(in crate::heap) fn forget(guards: usize) {
    // Each was counted when it was shut, if not by advice.
    if guards != 0 && !BY_ADVICE.load(Ordering::Relaxed) {
        MAPPINGS.fetch_sub(guards, Ordering::Relaxed);
    }
}

/// Makes every access to pages fault that were never used, where that makes no mappings.
/// False, and nothing changed, elsewhere.
///
/// # Safety
/// As for [`shut`].
pub(in crate::heap) unsafe fn seal(base: usize, size: usize) -> bool {
    let pages = ptr::with_exposed_provenance_mut(base);
    // SAFETY: the caller's pages.
    BY_ADVICE.load(Ordering::Relaxed) && unsafe { sys::install_guard(pages, size) }
}

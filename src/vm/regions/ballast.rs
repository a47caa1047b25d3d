//! Mappings that are kept to be given up.
//!
//! A process can have so many mappings and no more. At that limit the system may
//! change a part of a range and refuse the rest, and then refuse to put the part
//! back, since that splits mappings again. So some are kept, pages of two rights in
//! turn, that become one when they are needed elsewhere. Whoever uses this holds
//! the lock.

use super::{Use, pointer};
use crate::sys::{self, Protection};
use crate::vm;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Pages of the ballast, each a mapping.
const PAGES: usize = 16;

/// Where it lies; 0 where there is none yet.
static BASE: AtomicUsize = AtomicUsize::new(0);
/// Whether its pages are mappings of their own.
static IS_UP: AtomicBool = AtomicBool::new(false);

/// Takes the mappings, or as many as there are, if they are not taken.
pub(super) fn take() {
    if IS_UP.load(Ordering::Relaxed) {
        return;
    }
    let page = vm::page_size();
    let mut base = BASE.load(Ordering::Relaxed);
    if base == 0 {
        base = vm::reserve(Use::Metadata, PAGES * page, vm::GRANULARITY).expose_provenance();
        if base == 0 {
            return;
        }
        BASE.store(base, Ordering::Relaxed);
    }
    for nth in (0..PAGES).step_by(2) {
        // SAFETY: the page is the ballast's, and holds nothing.
        unsafe { sys::protect(pointer(base + nth * page), page, Protection::Read) };
    }
    IS_UP.store(true, Ordering::Relaxed);
}

/// Gives them up.
pub(super) fn give_up() {
    let base = BASE.load(Ordering::Relaxed);
    if base != 0 && IS_UP.swap(false, Ordering::Relaxed) {
        let size = PAGES * vm::page_size();
        // SAFETY: as above.
        unsafe { sys::protect(pointer(base), size, Protection::None) };
    }
}

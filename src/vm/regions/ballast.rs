//! Mappings that are kept to be given up.
//!
//! A process can have so many mappings and no more. At that limit the system may
//! change a part of a range and refuse the rest, and then refuse to put the part
//! back, since that splits mappings again: two that were one are not always joined
//! again, as when both were written to apart. So some are kept, pages of two rights in
//! turn, that become one when they are needed elsewhere. Nothing is changed that may
//! have to be put back while too few are kept. Whoever uses this holds the lock.

use super::{Use, pointer};
use crate::sys::{self, Protection};
use crate::vm;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Pages of the ballast, every other of which is to be a mapping between two others.
const PAGES: usize = 16;
/// Of these, how many there must be. Putting a range back splits at its two ends,
/// and for a moment at the border of what is put back first; each of these pages is
/// worth two splits.
const NEEDED: usize = 4;

/// Where it lies; 0 where there is none yet.
static BASE: AtomicUsize = AtomicUsize::new(0);
/// Whether all its pages are mappings of their own.
static IS_WHOLE: AtomicBool = AtomicBool::new(false);

/// Takes the mappings, as many as there are. False when they are too few.
pub(super) fn take() -> bool {
    if IS_WHOLE.load(Ordering::Relaxed) {
        return true;
    }
    let page = vm::page_size();
    let mut base = BASE.load(Ordering::Relaxed);
    if base == 0 {
        base = vm::reserve(Use::Metadata, PAGES * page, vm::GRANULARITY).expose_provenance();
        if base == 0 {
            return false;
        }
        BASE.store(base, Ordering::Relaxed);
    }
    let mut taken = 0;
    for nth in (0..PAGES).step_by(2) {
        // SAFETY: the page is the ballast's, and holds nothing.
        if !unsafe { sys::protect(pointer(base + nth * page), page, Protection::Read) } {
            break;
        }
        taken += 1;
    }
    IS_WHOLE.store(taken == PAGES / 2, Ordering::Relaxed);
    taken >= NEEDED
}

/// Puts back what the system had a moment ago, by `back`, which says whether it has:
/// refused, with the mappings given up. They are taken again by [`take`].
pub(super) fn put_back(back: impl Fn() -> bool) {
    sys::putting_back(|| {
        if !back() {
            give_up();
            back();
        }
    });
}

/// Gives them up.
fn give_up() {
    let base = BASE.load(Ordering::Relaxed);
    if base != 0 {
        IS_WHOLE.store(false, Ordering::Relaxed);
        let size = PAGES * vm::page_size();
        // SAFETY: as above.
        unsafe { sys::protect(pointer(base), size, Protection::None) };
    }
}

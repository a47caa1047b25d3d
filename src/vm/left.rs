//! Regions that the system would not take back.
//!
//! At the limit of mappings it may refuse to unmap what it has joined with a
//! neighbour, since that makes two mappings of one. Such a region is kept
//! ([`places`]), in the account and without memory, and given back when the next one is.

mod places;

use super::{Use, ledger};
use crate::sys;
use core::ptr;
use core::sync::atomic::Ordering;
use places::{Places, Region};

static LEFT: Places = Places::new();

/// Ends a region as [`release`](super::release) does. Refused, its memory is given back,
/// and its addresses are kept to be ended later; false then. From then on any thread may
/// end it.
///
/// # Safety
/// As for [`release`](super::release); the caller has done with the region, whatever
/// comes of it.
pub(crate) unsafe fn give_back(of: Use, base: *mut u8, size: usize, committed: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    if unsafe { super::release(of, base, size, committed) } {
        if !LEFT.are_free() {
            LEFT.try_again(end);
        }
        return true;
    }
    // Before others may end the region: what lies there then is not ours.
    // SAFETY: the caller has done with what the region held.
    unsafe { sys::purge(base, size) };
    LEFT.keep(Region {
        base: base.expose_provenance(),
        size,
        committed,
        of: of as usize,
    });
    false
}

fn end(region: Region) -> bool {
    // SAFETY: the region was kept whole by whoever had done with it, and is given to one
    // thread at a time.
    let is_ended =
        unsafe { sys::release(ptr::with_exposed_provenance_mut(region.base), region.size) };
    if is_ended && let Some(&of) = Use::ALL.get(region.of) {
        ledger(of)
            .reserved
            .fetch_sub(region.size, Ordering::Relaxed);
        super::credit(of, region.committed);
    }
    is_ended
}

//! Blocks of no bytes: addresses of their own, none of whose bytes can be accessed.
//!
//! They are blocks of the smallest class, in subsegments of a bucket of their own, all
//! of whose pages are guards.

use crate::heap::PROCESS;
use crate::heap::bucket::{Bucket, Place};
use crate::heap::descriptor::{BUSY_HARD, Descriptor, Kind};
use crate::heap::magazine::{Entry, MARKS};
use core::ptr;
use core::sync::atomic::Ordering;

/// Their class.
const CLASS: usize = 1;

static BUCKET: Bucket = Bucket::new();

fn place() -> Place<'static> {
    Place {
        kind: Kind::Checked,
        class: CLASS,
        shard: 0,
        back_end: &PROCESS.back_end,
        totals: &PROCESS.totals,
        owned: None,
    }
}

/// A block of no bytes; null when the system has nothing to give.
pub(super) fn allocate() -> *mut u8 {
    let mut words: [Entry; MARKS + 1] = [ptr::null_mut(); MARKS + 1];
    let mut state = BUCKET.state.lock();
    // SAFETY: there is room for one entry and its key.
    let got = unsafe { state.take_shut(&place(), words.as_mut_ptr(), 1) };
    let [block, .., key] = words;
    if got == 0 {
        return ptr::null_mut();
    }
    // SAFETY: `take_shut` left the key of the block's mark.
    unsafe { (*Descriptor::mark_of(key)).store(BUSY_HARD, Ordering::Relaxed) };
    block
}

/// Takes one back.
///
/// # Safety
/// The block came from [`allocate`], its mark is clear, and nobody has it.
pub(super) unsafe fn free(block: *mut u8) {
    let mut state = BUCKET.state.lock();
    // SAFETY: one entry, the caller's.
    unsafe { state.put(&place(), &raw const block, 1) };
}

/// The lock, for the fork handlers: one of the buckets'.
pub(in crate::heap) fn lock() -> &'static crate::sync::Lock {
    BUCKET.state.raw()
}

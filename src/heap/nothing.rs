//! Blocks of no bytes: addresses of their own, none of whose bytes can be accessed.
//!
//! They are blocks of class 0, whose bins are always empty and always full, so that no
//! fast path knows them; all pages of their subsegments are fences, or guards in a
//! hardened heap. They hold no memory but their records, and never go back. Where pages
//! cannot be marked they lose their rights, which is a mapping or two for 4,096 blocks.
//!
//! Rust asks for no such blocks, and a heap of a program's own gives others.

use super::PROCESS;
use super::bucket::Place;
use super::descriptor::{BUSY_NOTHING, Descriptor, Kind};
use super::magazine::{Entry, MARKS};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::Ordering;

/// Their class.
const CLASS: usize = 0;

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
#[inline(never)]
pub(super) fn allocate() -> *mut u8 {
    let mut words = [const { MaybeUninit::<Entry>::uninit() }; MARKS + 1];
    let first = words.as_mut_ptr().cast::<Entry>();
    let mut state = PROCESS.checked.bucket(CLASS).state.lock();
    // SAFETY: there is room for one entry and its key.
    let got = unsafe { state.take(&place(), first, 1) };
    if got == 0 {
        return ptr::null_mut();
    }
    state.allocations += 1;
    // SAFETY: an entry and its key were written.
    let (block, key) = unsafe { (first.read(), first.add(MARKS).read()) };
    // A mark that fast paths do not know: they have no bin for the block.
    // SAFETY: the key of the block's mark was left.
    unsafe { (*Descriptor::mark_of(key)).store(BUSY_NOTHING, Ordering::Relaxed) };
    block
}

/// Takes one back.
///
/// # Safety
/// The block came from [`allocate`], its mark is clear, and nobody has it.
#[inline(never)]
pub(super) unsafe fn free(block: *mut u8) {
    let mut state = PROCESS.checked.bucket(CLASS).state.lock();
    // SAFETY: one entry, the caller's.
    unsafe { state.put(&place(), &raw const block, 1) };
}

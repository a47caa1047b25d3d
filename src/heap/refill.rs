//! How a bucket fills a magazine: blocks come out of a subsegment's free bits in
//! runs, the lowest address on top, each with its mark's key.
//!
//! This is what a batch of allocations costs beyond the fast path, so the
//! loops are written for few instructions.

use super::bucket::{Place, RUNS};
use super::descriptor::{Descriptor, Geometry};
use super::magazine::{Entry, MARKS};
use core::ptr;
use core::sync::atomic::Ordering;

/// Moves blocks from the free bits to places `want - 1 - got` downwards, so
/// that the lowest address comes to lie last. Returns the new `got`.
///
/// # Safety
/// `descriptor` is a live subsegment of the place's bucket, which is locked;
/// `entries` has room for `want`, of which the first `want - got` are unused.
#[inline]
pub(super) unsafe fn fill(
    descriptor: *mut Descriptor,
    place: &Place<'_>,
    entries: *mut Entry,
    mut got: usize,
    want: usize,
) -> usize {
    let geometry = Geometry::of(place.class);
    let size = geometry.size;
    // SAFETY: the caller holds the bucket's lock; a descriptor of this class
    // and kind has its bits there.
    let (this, words) = unsafe {
        let words = descriptor.byte_add(geometry.bits_at(place.kind)).cast();
        let words = core::slice::from_raw_parts_mut::<u64>(words, geometry.blocks.div_ceil(64));
        (&mut *descriptor, words)
    };
    let base = this.base.load(Ordering::Relaxed);
    let start = got;
    let mut end = 0;
    let mut at = this.first_word as usize;
    while let Some(word) = words.get_mut(at) {
        let mut bits = *word;
        // One run of free blocks after the other: within a run, address and
        // key go on by a constant.
        while bits != 0 && got < want {
            let first = bits.trailing_zeros() as usize;
            let run = ((bits >> first).trailing_ones() as usize).min(want - got);
            bits &= !((u64::MAX >> (64 - run)) << first);
            let index = at * 64 + first;
            // SAFETY: places `want - got - run` to `want - got - 1` are unused;
            // the blocks' indices are below the number of blocks, so they
            // have marks if any have.
            unsafe {
                let slot = entries.add(want - got);
                let block = base + index * size;
                if place.kind.is_checked() {
                    let key = Descriptor::key(descriptor, index);
                    write_down::<true>(slot, run, block, size, key);
                } else {
                    write_down::<false>(slot, run, block, size, ptr::null_mut());
                }
            }
            got += run;
            end = index + run;
        }
        *word = bits;
        if got == want {
            break;
        }
        at += 1;
    }
    this.first_word = at as u32;
    this.free -= (got - start) as u32;
    this.reach(place, end);
    if place.class >= RUNS {
        let free = words.first().copied().unwrap_or(0);
        this.fresh &= free as u32;
    }
    got
}

/// Writes `count` blocks, `size` apart from `block` on, below `slot`, the last
/// one lowest; with their marks' keys, from `key` on, if there are any.
///
/// # Safety
/// The `count` places below `slot` are a magazine's and unused.
#[inline(always)]
unsafe fn write_down<const CHECKED: bool>(
    mut slot: *mut Entry,
    count: usize,
    mut block: usize,
    size: usize,
    mut key: *mut u8,
) {
    let end = slot.wrapping_sub(count);
    // SAFETY: the caller's places, and in a checked front end the keys' beside
    // them.
    let write = |slot: *mut Entry, block: usize, key: *mut u8| unsafe {
        slot.write(ptr::with_exposed_provenance_mut(block));
        if CHECKED {
            slot.add(MARKS).write(key);
        }
    };
    if count % 2 == 1 {
        slot = slot.wrapping_sub(1);
        write(slot, block, key);
        block += size;
        key = key.wrapping_add(1);
    }
    while slot != end {
        slot = slot.wrapping_sub(2);
        write(slot.wrapping_add(1), block, key);
        block += size;
        write(slot, block, key.wrapping_add(1));
        block += size;
        key = key.wrapping_add(2);
    }
}

//! Blocks of watched heaps: those that are made while a global flag is on.
//!
//! Here every call of such a heap begins and ends: its blocks get records, and
//! what the heap's flags say is filled and checked.

use super::heap::PrivateHeap;
use super::lookup::{Block, busy_block, is_mallocs};
use super::{Error, flags, free as freeing, guarded, place};
use crate::heap::checked;
use crate::heap::debug::registry::{self, Family, Record, State};
use crate::heap::debug::{self, stacks};
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

/// Whether calls of the heap come here.
#[inline]
pub(super) fn is_watched(heap: &PrivateHeap) -> bool {
    heap.flags.load(Ordering::Relaxed) & flags::WATCHED != 0
}

/// Who calls, found before a heap is locked.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    pub(super) stack: u32,
    pub(super) thread: u32,
}

impl Caller {
    #[inline(never)]
    pub(super) fn here() -> Caller {
        Caller {
            stack: stacks::capture(),
            thread: crate::sys::thread_id() as u32,
        }
    }
}

/// [`place::place`] with a record.
pub(super) fn place(
    heap: &'static PrivateHeap,
    all: u32,
    info: u8,
    size: usize,
    align: usize,
) -> Result<NonNull<u8>, Error> {
    let caller = Caller::here();
    if let Some(placed) = guarded::place(heap, all, info, size, align, caller) {
        return placed;
    }
    let block = place::place(heap, all, info, size, align)?;
    registry::insert(&Record {
        stack: caller.stack,
        thread: caller.thread,
        sequence: registry::next_sequence(),
        family: Family::Heap,
        align: align.trailing_zeros() as u8,
        ..Record::busy(block.addr().get(), size, heap.handle().address())
    });
    Ok(block)
}

/// Frees a block of a watched heap.
///
/// # Safety
/// As for [`freeing::free`].
pub(super) unsafe fn free(
    heap: &'static PrivateHeap,
    call_flags: u32,
    block: *mut u8,
) -> Result<(), Error> {
    let caller = Caller::here();
    // SAFETY: the caller's promise.
    if let Some(freed) = unsafe { guarded::free(heap, call_flags, block, caller) } {
        return freed;
    }
    match busy_block(heap, call_flags, block.addr()) {
        Ok((Some(mut core), found)) => {
            freed(block.addr(), caller);
            match found {
                Block::Region(region, unit) => {
                    freeing::free_in_region(heap, &mut core, region, unit);
                }
                Block::Large(record) => freeing::free_large(heap, &mut core, record),
                Block::Bucket(..) | Block::Guarded(_) => return Err(Error::NotABlock),
            }
            Ok(())
        }
        // A watched heap has no buckets.
        Ok(_) => Err(Error::NotABlock),
        Err(Error::OtherHeap) if heap.handle().takes_mallocs() && is_mallocs(block.addr()) => {
            // SAFETY: the block is malloc's and busy, and nobody uses it.
            freeing::without_cache(|word| unsafe { checked::free(word, block) });
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Notes that a block is freed. Its heap is locked, so that nobody gets it before.
pub(super) fn freed(address: usize, caller: Caller) {
    registry::update(address, |record| {
        record.state = State::Freed;
        record.free_stack = caller.stack;
        record.free_thread = caller.thread;
    });
}

/// Notes that a block has another size. Its heap is locked.
pub(super) fn resized(address: usize, size: usize) {
    registry::update(address, |record| record.size = size);
}

/// Notes how a block was asked for.
pub(super) fn note_family(address: usize, family: Family) {
    registry::update(address, |record| record.family = family);
}

/// Whether a block was allocated with a Layout of this size and alignment; true
/// where that is not known.
pub(super) fn has_layout(address: usize, size: usize, align: usize) -> bool {
    debug::registry::find(address)
        .is_none_or(|record| record.size == size && 1usize << record.align.min(63) == align.max(16))
}

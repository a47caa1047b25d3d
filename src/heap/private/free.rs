//! Freeing, and what becomes of memory that is not used any more: empty regions
//! go, and free pages of others go back to the system.

use super::Error;
use super::heap::{Core, PrivateHeap, take};
use super::large::{self, Large};
use super::lfh::HeapBucket;
use super::lookup::{Block, busy_block, is_mallocs};
use super::memory;
use super::place::{count, with_words};
use super::region::Region;
use super::units::UNIT;
use crate::heap::cache::ThreadCache;
use crate::heap::checked;
use crate::heap::word::Word;
use crate::trace;
use core::ptr;
use core::sync::atomic::Ordering;

/// [`free`] for `operation`; what is no block of the heap is reported.
///
/// # Safety
/// Nobody uses the block.
pub(super) unsafe fn free_as(
    operation: &str,
    heap: &'static PrivateHeap,
    call_flags: u32,
    block: *mut u8,
) -> Result<(), Error> {
    #[cfg(feature = "debug")]
    if super::watched::is_watched(heap) {
        let arguments = || super::told(heap.handle(), call_flags, c"block", block.addr());
        // SAFETY: the caller's promise is the callee's.
        return trace::during(c"RtlFreeHeap", arguments, || unsafe {
            super::watched::free_as(operation, heap, call_flags, block)
        });
    }
    // SAFETY: as above.
    let result = unsafe { free(heap, call_flags, block) };
    result.inspect_err(|&error| super::misuse::report(operation, heap, block.addr(), error))
}

/// Frees a block of a heap that is not watched.
///
/// # Safety
/// Nobody uses the block.
pub(super) unsafe fn free(
    heap: &'static PrivateHeap,
    call_flags: u32,
    block: *mut u8,
) -> Result<(), Error> {
    let arguments = || super::told(heap.handle(), call_flags, c"block", block.addr());
    // SAFETY: the caller's promise is the callee's.
    trace::during(c"RtlFreeHeap", arguments, || unsafe {
        free_found(heap, call_flags, block)
    })
}

/// [`free`], of which nobody is told.
///
/// # Safety
/// As for [`free`].
pub(super) unsafe fn free_found(
    heap: &'static PrivateHeap,
    call_flags: u32,
    block: *mut u8,
) -> Result<(), Error> {
    match busy_block(heap, call_flags, block.addr()) {
        Ok((Some(mut core), Block::Region(region, unit))) => {
            free_in_region(heap, &mut core, region, unit);
            Ok(())
        }
        Ok((Some(mut core), Block::Large(record))) => {
            free_large(heap, &mut core, record);
            Ok(())
        }
        Ok((None, Block::Bucket(descriptor, index))) => {
            // SAFETY: the block was found busy, so its subsegment is its
            // bucket's and live.
            let done = unsafe {
                let bucket = (*descriptor).bin.load(Ordering::Relaxed);
                let bucket: *const HeapBucket = ptr::with_exposed_provenance(bucket);
                (*bucket).free(descriptor, index, block)
            };
            done.then_some(()).ok_or(Error::AlreadyFree)
        }
        Ok(_) => Err(Error::NotABlock),
        Err(Error::OtherHeap) if heap.handle().takes_mallocs() && is_mallocs(block.addr()) => {
            // SAFETY: the block is malloc's and busy, and nobody uses it.
            without_cache(|word| unsafe { checked::free(word, block) });
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Runs `use_it` with the word of a thread that has no cache: the block goes
/// past the caches.
pub(super) fn without_cache<R>(use_it: impl FnOnce(&Word) -> R) -> R {
    let word = Word::new();
    // SAFETY: the cache is the shared one of threads that have none.
    unsafe { word.set(ThreadCache::dead()) };
    use_it(&word)
}

pub(super) fn free_large(heap: &PrivateHeap, core: &mut Core, record: *mut Large) {
    // SAFETY: the caller's block is on the heap's list, which is locked; its
    // neighbours are live.
    unsafe {
        let this = &*record;
        match this.previous.as_mut() {
            Some(previous) => previous.next = this.next,
            None => core.first_large = this.next,
        }
        match this.next.as_mut() {
            Some(next) => next.previous = this.previous,
            None => core.last_large = this.previous,
        }
        take(&heap.figures.large_bytes, this.size.load(Ordering::Relaxed));
        take(&heap.figures.large_blocks, 1);
        take(&heap.figures.reserved, this.descriptor.region_size);
        take(&heap.figures.backed, this.committed);
        large::release(heap, record);
    }
}

/// Frees the block of a region at `unit`.
pub(super) fn free_in_region(
    heap: &PrivateHeap,
    core: &mut Core,
    region: *mut Region,
    unit: usize,
) {
    // SAFETY: the callers' region is one of the heap's, which is locked.
    let this = unsafe { &mut *region };
    let bytes = this.units.size(unit) * UNIT;
    let size = bytes - this.units.unused(unit);
    let served = with_words(size, this.units.flags(unit));
    this.free(unit);
    count(core, served, -1);
    take(&heap.figures.bytes, size);
    take(&heap.figures.blocks, 1);
    core.freed += bytes;
    if this.blocks == 0 {
        drop_empty(heap, core, region);
    }
    let in_use = heap.figures.bytes.load(Ordering::Relaxed);
    if core.freed > heap.choices.freed().max(in_use / 4) {
        sweep(heap, core);
    }
}

/// Releases an empty region, or takes back what the first one has committed
/// since the beginning.
fn drop_empty(heap: &PrivateHeap, core: &mut Core, region: *mut Region) {
    // SAFETY: the caller's region is one of the heap's, which is locked; its
    // neighbours are live.
    unsafe {
        let this = &mut *region;
        if region == core.first {
            this.shrink(&heap.budget);
            return;
        }
        let (previous, next) = (this.previous, this.next);
        (*previous).next = next;
        match next.as_mut() {
            Some(next) => next.previous = previous,
            None => core.last = previous,
        }
        core.regions -= 1;
        heap.budget.credit(this.committed);
        take(&heap.figures.reserved, this.reserved);
        take(&heap.figures.backed, this.active);
        memory::release(region);
    }
}

/// Writes `byte` over the free blocks of all regions.
pub(super) fn fill_free(core: &mut Core, byte: u8) {
    let mut region = core.first;
    // SAFETY: listed regions are live, and the heap is locked.
    while let Some(this) = unsafe { region.as_mut() } {
        this.fill_free(byte);
        region = this.next;
    }
}

/// Gives free pages of all regions back to the system.
pub(super) fn sweep(heap: &PrivateHeap, core: &mut Core) {
    core.freed = 0;
    let mut region = core.first;
    // SAFETY: listed regions are live, and the heap is locked.
    while let Some(this) = unsafe { region.as_mut() } {
        let active = this.active;
        this.sweep(heap.choices.free_block());
        take(&heap.figures.backed, active - this.active);
        region = this.next;
    }
}

//! Whether all that a heap's records say is true.

use super::heap::{Core, PrivateHeap};
use super::lfh;
use super::memory::Source;
use super::units::UNIT;
use core::sync::atomic::Ordering;

/// Whether the heap's records agree with themselves and with each other. Takes
/// time in proportion to the heap.
pub(super) fn heap(heap: &'static PrivateHeap, call_flags: u32) -> bool {
    let core = heap.enter(call_flags);
    let mut buckets_are_sound = true;
    lfh::for_each(heap.table.find(), |bucket| {
        buckets_are_sound &= bucket.is_sound();
    });
    #[cfg(feature = "debug")]
    if super::watched::is_watched(heap)
        && (super::watched::find_damage(&core).is_some() || !super::guarded::are_sound(heap))
    {
        return false;
    }
    buckets_are_sound && regions_are_sound(heap, &core) && large_blocks_are_sound(heap, &core)
}

fn regions_are_sound(heap: &PrivateHeap, core: &Core) -> bool {
    let (mut bytes, mut blocks, mut reserved, mut regions) = (0, 0, 0, 0);
    let mut region = core.first;
    let mut previous = core::ptr::null_mut();
    // SAFETY: listed regions are live, and the heap is locked.
    while let Some(this) = unsafe { region.as_ref() } {
        if !this.check() || this.previous != previous {
            return false;
        }
        let mut count = 0;
        let (mut unit, end) = (this.first(), this.end());
        while unit < end {
            if this.units.is_busy(unit) {
                count += 1;
                bytes += this.units.size(unit) * UNIT - this.units.unused(unit);
            }
            unit += this.units.size(unit);
        }
        let is_backed = matches!(this.backing.source(), Source::Caller { .. })
            || this.committed <= this.backing.backed();
        if count != this.blocks || !is_backed {
            return false;
        }
        blocks += count;
        reserved += this.reserved;
        regions += 1;
        previous = region;
        region = this.next;
    }
    let large = large_reserved(core);
    previous == core.last
        && regions == core.regions
        && bytes == heap.figures.bytes.load(Ordering::Relaxed)
        && blocks == heap.figures.blocks.load(Ordering::Relaxed)
        && reserved + large == heap.figures.reserved.load(Ordering::Relaxed)
}

fn large_reserved(core: &Core) -> usize {
    let mut sum = 0;
    let mut block = core.first_large;
    // SAFETY: listed blocks are live, and the heap is locked.
    while let Some(this) = unsafe { block.as_ref() } {
        sum += this.descriptor.region_size;
        block = this.next;
    }
    sum
}

fn large_blocks_are_sound(heap: &PrivateHeap, core: &Core) -> bool {
    let (mut bytes, mut blocks) = (0, 0);
    let mut block = core.first_large;
    let mut previous = core::ptr::null_mut();
    // SAFETY: listed blocks are live, and the heap is locked.
    while let Some(this) = unsafe { block.as_ref() } {
        let size = this.size.load(Ordering::Relaxed);
        let offset = this.data() - this.descriptor.extent;
        if this.previous != previous
            || offset + size > this.committed
            || this.committed > this.descriptor.region_size
        {
            return false;
        }
        bytes += size;
        blocks += 1;
        previous = block;
        block = this.next;
    }
    previous == core.last_large
        && bytes == heap.figures.large_bytes.load(Ordering::Relaxed)
        && blocks == heap.figures.large_blocks.load(Ordering::Relaxed)
}

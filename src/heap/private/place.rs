//! Allocating: which part of the heap serves a block, and where it gets room.
//!
//! A bucket if the size is hot, else a region, the first one with room; a new
//! region when there is none. What no region holds has a mapping of its own.

use super::heap::{Core, PrivateHeap, add};
use super::large;
use super::lfh::{self, HeapBucket};
use super::lookup::{tail_of, value_offset};
use super::memory::{self, Plan, Source};
use super::region::{GUARD, PAGE, Place, REGION_HEADER, Region, TAIL};
use super::tuning::MOST_REGION;
use super::units::UNIT;
use super::{Error, LARGEST, flags, home, settable};
use crate::heap::PROCESS;
use crate::heap::classes::{self, LAST_BUCKET, SLICE};
#[cfg(feature = "debug")]
use crate::heap::debug::tags;
use crate::trace;
use crate::vm;
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering;

/// Bytes that a fresh region commits at most beyond its first block's.
const MOST_COMMIT: usize = 0x10_0000;

/// Bytes that a fresh region takes at most beside its first block: what it commits at once,
/// and its tables.
pub(in crate::heap) const BESIDE: usize = MOST_COMMIT + memory::tables_size(MOST_REGION);

/// Bytes that a block of `size` bytes takes in a region of the heap, in units;
/// with settable value or flags 16 bytes more.
pub(super) fn units_for(heap: &PrivateHeap, size: usize, has_info: bool) -> usize {
    (size.max(16) + heap.overhead()).div_ceil(UNIT) + usize::from(has_info)
}

/// The flags of a block's own, as its record keeps them: bit 0 says that it
/// has a settable value.
pub(super) fn info_of(call_flags: u32) -> u8 {
    ((call_flags & (flags::SETTABLE_USER_VALUE | flags::SETTABLE_USER_FLAGS)) >> 8) as u8
}

/// The bytes of a block of `size` bytes with what `info` needs, as buckets see
/// it.
pub(super) fn with_words(size: usize, info: u8) -> usize {
    size.saturating_add(if info == 0 { 0 } else { settable::BYTES })
}

/// The bucket that serves blocks of `size` bytes.
pub(super) fn bucket_of(size: usize) -> Option<usize> {
    (size <= classes::MAX_BUCKET_SIZE).then(|| classes::class_of(size))
}

/// Serves an allocation of any size.
pub(super) fn allocate(
    heap: &'static PrivateHeap,
    call_flags: u32,
    size: usize,
    align: usize,
) -> Result<NonNull<u8>, Error> {
    let arguments = || super::told(heap.handle(), call_flags, c"size", size);
    trace::during(c"RtlAllocateHeap", arguments, || {
        let all = call_flags | heap.flags.load(Ordering::Relaxed);
        let info = info_of(call_flags);
        let block = place_block(heap, all, info, size, align)?;
        #[cfg(feature = "debug")]
        if super::watched::is_watched(heap) {
            tags::note(block.addr().get(), call_flags);
        }
        if all & flags::ZERO_MEMORY != 0 && size <= LARGEST {
            // SAFETY: the block holds `size` bytes. Larger ones are fresh pages.
            unsafe { block.write_bytes(0, size) };
        }
        Ok(block)
    })
}

#[inline(always)]
pub(super) fn place_block(
    heap: &'static PrivateHeap,
    all: u32,
    info: u8,
    size: usize,
    align: usize,
) -> Result<NonNull<u8>, Error> {
    #[cfg(feature = "debug")]
    if super::watched::is_watched(heap) {
        return super::watched::place(heap, all, info, size, align);
    }
    place(heap, all, info, size, align)
}

/// A block whose bytes are undefined, unless it is large: then zero. Before it
/// is refused for want of room, what the buckets keep is given back, and then, where it is
/// the process that can not have more, what the process heap keeps.
pub(super) fn place(
    heap: &'static PrivateHeap,
    all: u32,
    info: u8,
    size: usize,
    align: usize,
) -> Result<NonNull<u8>, Error> {
    if !heap.choices.allows(size) {
        return Err(Error::NoMemory);
    }
    let before = vm::refused();
    let mut placed = try_place(heap, all, info, size, align);
    let table = heap.table.find();
    if matches!(placed, Err(Error::LimitReached | Error::NoMemory)) && !table.is_null() {
        lfh::for_each(table, HeapBucket::flush);
        placed = try_place(heap, all, info, size, align);
    }
    if placed == Err(Error::NoMemory) && PROCESS.make_room(size, align, before) {
        placed = try_place(heap, all, info, size, align);
    }
    placed
}

fn try_place(
    heap: &'static PrivateHeap,
    all: u32,
    info: u8,
    size: usize,
    align: usize,
) -> Result<NonNull<u8>, Error> {
    let bucket = awake_bucket(heap, info, size, align);
    if let Some(bucket) = bucket
        && let Some(block) = NonNull::new(bucket.allocate(size, info))
    {
        return Ok(block);
    }
    let largest = heap.choices.largest();
    let in_region = size <= largest && align < largest && size + align.max(UNIT) <= largest + UNIT;
    if !in_region && heap.is_fixed() {
        return Err(Error::NoMemory);
    }
    if in_region && heap.buckets_allowed {
        // A bucket may wake below, and look for the thread's slot: what gives the
        // thread a number may allocate, from this very heap where it serves malloc.
        home::settle();
    }
    let mut core = heap.enter(all);
    let address = if in_region {
        place_in_region(heap, &mut core, all, size, align, info)?
    } else {
        place_large(heap, &mut core, size, align, info)?
    };
    NonNull::new(ptr::with_exposed_provenance_mut(address)).ok_or(Error::NoMemory)
}

/// The bucket that serves such a block, if it is awake.
fn awake_bucket(
    heap: &'static PrivateHeap,
    info: u8,
    size: usize,
    align: usize,
) -> Option<&'static HeapBucket> {
    // SAFETY: null, or the table of this heap, which lives as long as it.
    let table = unsafe { heap.table.find().as_ref() }?;
    let class = classes::class_for(with_words(size, info), align)?;
    let is_kept = match info {
        0 => class <= LAST_BUCKET && lfh::can_keep(class, size),
        _ => class <= lfh::LAST_EXACT,
    };
    if !is_kept {
        return None;
    }
    let bucket = table.buckets.get(class)?.find();
    // SAFETY: a table's buckets live as long as the table.
    unsafe { bucket.as_ref() }
}

/// Wakes the bucket for blocks of `size` bytes if the regions have handed out
/// enough of them. The first time a heap would, it is only noted that it has
/// buckets now.
fn wake(heap: &'static PrivateHeap, core: &Core, size: usize) -> Option<&'static HeapBucket> {
    let class = bucket_of(size)?;
    let count = core.counts.get(class).copied().unwrap_or(0);
    let is_hot = count & lfh::OUT >= lfh::HOT || count & !lfh::OUT == !lfh::OUT;
    // Who listens wants to be told of each call, which buckets would serve alone.
    if !heap.buckets_allowed || !is_hot || crate::trace::is_listening() {
        return None;
    }
    if heap.compatibility.swap(2, Ordering::Relaxed) == 0 {
        return None;
    }
    // Subsegments lie in the process's segments, whose memory is not executed:
    // an executable heap only says that it has buckets, as on Windows.
    if heap.flags.load(Ordering::Relaxed) & flags::CREATE_ENABLE_EXECUTE != 0 {
        return None;
    }
    // The heap's lock is held, or it has one thread.
    let table = heap.table.find_or_make(ptr::null(), lfh::make_table);
    // SAFETY: null, or the heap's table, which lives as long as the heap.
    let place = unsafe { table.as_ref() }?.buckets.get(class)?;
    let bucket = place.find_or_make(ptr::null(), || lfh::make_bucket(heap, class));
    // Last: whoever takes a block there finds its bucket in the table.
    if !bucket.is_null()
        && heap.flags.load(Ordering::Relaxed) & flags::ZERO_MEMORY == 0
        && let Some(near) = heap.near.get(class)
    {
        near.show(bucket);
    }
    // SAFETY: null, or a bucket of the heap.
    unsafe { bucket.as_ref() }
}

fn place_large(
    heap: &PrivateHeap,
    core: &mut Core,
    size: usize,
    align: usize,
    info: u8,
) -> Result<usize, Error> {
    let record = large::make(heap, size, align)?;
    // SAFETY: just made, and the heap is locked.
    let this = unsafe { &mut *record };
    this.flags = info;
    this.has_value = info & 1 != 0;
    this.previous = core.last_large;
    // SAFETY: listed blocks are live.
    match unsafe { core.last_large.as_mut() } {
        Some(last) => last.next = record,
        None => core.first_large = record,
    }
    core.last_large = record;
    add(&heap.figures.large_bytes, size);
    add(&heap.figures.large_blocks, 1);
    add(&heap.figures.reserved, this.descriptor.region_size);
    add(&heap.figures.backed, this.committed);
    Ok(this.data())
}

fn place_in_region(
    heap: &'static PrivateHeap,
    core: &mut Core,
    all: u32,
    size: usize,
    align: usize,
    info: u8,
) -> Result<usize, Error> {
    let served = with_words(size, info);
    if align <= UNIT
        && (info == 0 || bucket_of(served).is_some_and(|class| class <= lfh::LAST_EXACT))
        && let Some(bucket) = wake(heap, core, served)
    {
        let block = bucket.allocate(size, info);
        if !block.is_null() {
            return Ok(block.addr());
        }
    }
    let units = units_for(heap, size, info != 0);
    let (region, place) = find_place(heap, core, units, align)?;
    // SAFETY: the region is one of the heap's, which is locked.
    let region = unsafe { &mut *region };
    region
        .units
        .write_busy(place.unit, place.units, place.units * UNIT - size, info);
    let address = region.data(place.unit);
    #[cfg(feature = "debug")]
    if super::watched::is_watched(heap) {
        super::watched::prepare(heap, region, place.unit, all, size);
    }
    #[cfg(not(feature = "debug"))]
    let _ = all;
    if info & 1 != 0 {
        // SAFETY: a block with a value is 16 bytes larger, for it to lie
        // behind the bytes asked for.
        unsafe {
            let at = address + value_offset(size + tail_of(heap.overhead()));
            ptr::with_exposed_provenance_mut::<usize>(at).write(0);
        }
    }
    count(core, served, 1);
    add(&heap.figures.bytes, size);
    add(&heap.figures.blocks, 1);
    Ok(address)
}

/// Counts a block that a region hands out or gets back.
pub(super) fn count(core: &mut Core, size: usize, change: i8) {
    let Some(count) = bucket_of(size).and_then(|bucket| core.counts.get_mut(bucket)) else {
        return;
    };
    let mut ticks = *count & !lfh::OUT;
    if change > 0 {
        core.since_tick += 1;
        if core.since_tick == lfh::TICK {
            core.since_tick = 0;
            ticks = ticks.saturating_add(lfh::OUT + 1) & !lfh::OUT;
        }
    }
    *count = ticks
        | (*count & lfh::OUT)
            .saturating_add_signed(change)
            .min(lfh::OUT);
}

/// Room for a block in one of the regions, or in a new one.
fn find_place(
    heap: &PrivateHeap,
    core: &mut Core,
    units: usize,
    align: usize,
) -> Result<(*mut Region, Place), Error> {
    let mut region = core.first;
    // SAFETY: listed regions are live, and the heap is locked.
    while let Some(this) = unsafe { region.as_mut() } {
        if let Some(place) = this.take(units, align) {
            return Ok((region, place));
        }
        region = this.next;
    }
    let mut why = Error::NoMemory;
    let mut region = core.first;
    // SAFETY: as above.
    while let Some(this) = unsafe { region.as_mut() } {
        let active = this.active;
        match this.extend(units, align, heap.choices.commit_step(), &heap.budget) {
            Ok(()) => {
                add(&heap.figures.backed, this.active - active);
                if let Some(place) = this.take(units, align) {
                    return Ok((region, place));
                }
            }
            Err(Error::LimitReached) => why = Error::LimitReached,
            Err(_) => {}
        }
        region = this.next;
    }
    if heap.is_fixed() {
        return Err(why);
    }
    let region = add_region(heap, core, units, align)?;
    // SAFETY: just made, and the heap is locked.
    let place = unsafe { (*region).take(units, align) };
    place.map(|place| (region, place)).ok_or(Error::NoMemory)
}

/// The memory of a new region, of which `need` bytes can be touched; its record is to be
/// written.
fn make_region(heap: &PrivateHeap, reserved: usize, need: usize) -> Result<*mut Region, Error> {
    if !heap.budget.charge(need) {
        return Err(Error::LimitReached);
    }
    let executable = heap.flags.load(Ordering::Relaxed) & flags::CREATE_ENABLE_EXECUTE != 0;
    let plan = Plan {
        reserved,
        source: Source::Own { executable },
        base: ptr::null_mut(),
        backed: 0,
    };
    // SAFETY: no memory of a caller's; what is made is this thread's alone.
    unsafe {
        let made = memory::make(&plan);
        if !made.is_null() {
            if (*made).backing.back((*made).start, 0, need) {
                return Ok(made);
            }
            memory::release(made);
        }
    }
    heap.budget.credit(need);
    Err(Error::NoMemory)
}

/// A new region with room for a block.
fn add_region(
    heap: &PrivateHeap,
    core: &mut Core,
    units: usize,
    align: usize,
) -> Result<*mut Region, Error> {
    let slack = if align > UNIT { align + 2 * UNIT } else { 0 };
    let exact = (REGION_HEADER + units * UNIT + slack + TAIL).next_multiple_of(PAGE);
    let least_for = |need: usize| (need + GUARD).next_multiple_of(SLICE);
    let mut need = exact.max(heap.choices.commit_step().min(MOST_COMMIT));
    let mut reserved = heap.choices.region(core.regions).max(least_for(need));
    let made = loop {
        match make_region(heap, reserved, need) {
            Ok(made) => break made,
            // Smaller regions have smaller tables; in the end there may be just enough.
            Err(Error::NoMemory) if reserved > least_for(need) => {
                reserved = (reserved / 2).next_multiple_of(SLICE).max(least_for(need));
            }
            Err(_) if need > exact => {
                need = exact;
                reserved = least_for(need);
            }
            Err(error) => return Err(error),
        }
    };
    // SAFETY: just made, and this thread's alone until it is entered.
    unsafe {
        let this = &mut *made;
        this.header = REGION_HEADER;
        this.watch(heap.flags.load(Ordering::Relaxed));
        this.limit = this.reserved - GUARD;
        this.committed = need;
        this.active = need;
        this.initial = need;
        this.begin();
        let last = core.last;
        // 64 is what walks number large blocks by.
        let after = (*last).index.saturating_add(1);
        this.index = if after == 64 { 65 } else { after };
        this.previous = last;
        (*last).next = made;
        core.last = made;
        core.regions += 1;
        this.descriptor
            .owner
            .store((&raw const *heap).cast_mut().cast(), Ordering::Relaxed);
        memory::enter(made);
        add(&heap.figures.reserved, this.reserved);
        add(&heap.figures.backed, this.committed);
    }
    Ok(made)
}

//! Allocate, free, resize, size: which part of the heap serves what.

use super::heap::{self, Core, Guard, PrivateHeap, add, take};
use super::large::{self, Large};
use super::lfh::{self, HeapBucket};
use super::memory::{self, Plan, Source};
use super::region::{COMMIT_STEP, GUARD, PAGE, Place, REGION_HEADER, Region, TAIL};
use super::units::{OVERHEAD, UNIT};
use super::{Error, LARGEST, flags};
use crate::heap::cache::ThreadCache;
use crate::heap::classes::{self, LAST_BUCKET, SLICE};
use crate::heap::descriptor::{
    BUSY, Descriptor, LARGE, PRIVATE_LARGE, REGION, REGION_GONE, SUBSEGMENT,
};
use crate::heap::word::Word;
use crate::heap::{checked, slices};
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering;

/// Bytes of the second region of a heap; each further one is twice as large.
const SECOND_REGION: usize = 0x10_0000;
/// Bytes of a region at most.
const MOST_REGION: usize = 0xfd_0000;
/// Bytes freed in regions before free pages are looked for.
const FREED_LEAST: usize = 64 * 1024;

/// What an address leads to.
#[derive(Clone, Copy)]
pub(super) enum Found {
    /// A region of a heap.
    Region(*mut Region, &'static PrivateHeap),
    /// The slice where the data of a large block starts.
    Large(*mut Large, &'static PrivateHeap),
    /// A subsegment of a bucket of a heap.
    Bucket(*mut Descriptor, &'static PrivateHeap),
    /// Memory of the process heap, malloc's.
    Process(*mut Descriptor),
    /// The first region of a destroyed heap.
    Gone,
    /// Nothing of ntheap's.
    Nothing,
}

/// What lies at an address, any address, as far as the slice table says.
pub(super) fn look(address: usize) -> Found {
    let descriptor = slices::find(address);
    // SAFETY: what `find` leads to is readable; owners are heaps' records,
    // which are never unmapped.
    unsafe {
        let owner = (*descriptor).owner.load(Ordering::Relaxed);
        let heap = owner.cast::<PrivateHeap>().as_ref();
        match ((*descriptor).what.load(Ordering::Relaxed), heap) {
            (REGION, Some(heap)) => Found::Region(descriptor.cast(), heap),
            (PRIVATE_LARGE, Some(heap)) => Found::Large(descriptor.cast(), heap),
            (SUBSEGMENT, Some(heap)) => Found::Bucket(descriptor, heap),
            (SUBSEGMENT | LARGE, None) => Found::Process(descriptor),
            (REGION_GONE, _) => Found::Gone,
            _ => Found::Nothing,
        }
    }
}

/// Bytes that a block of `size` bytes takes in a region, in units; with
/// settable value or flags 16 bytes more.
fn units_for(size: usize, has_info: bool) -> usize {
    (size.max(16) + OVERHEAD).div_ceil(UNIT) + usize::from(has_info)
}

/// Where a block's settable value lies, from its first byte.
pub(super) fn value_offset(size: usize) -> usize {
    size.next_multiple_of(8) + 8
}

/// The flags of a block's own, as its record keeps them: bit 0 says that it
/// has a settable value.
fn info_of(call_flags: u32) -> u8 {
    ((call_flags & (flags::SETTABLE_USER_VALUE | flags::SETTABLE_USER_FLAGS)) >> 8) as u8
}

/// The bucket that serves blocks of `size` bytes.
fn bucket_of(size: usize) -> Option<usize> {
    (size <= classes::MAX_BUCKET_SIZE).then(|| classes::class_of(size))
}

/// Serves an allocation of any size.
pub(super) fn allocate(
    heap: &'static PrivateHeap,
    call_flags: u32,
    size: usize,
    align: usize,
) -> Result<NonNull<u8>, Error> {
    let all = call_flags | heap.flags.load(Ordering::Relaxed);
    let info = info_of(call_flags);
    let block = place(heap, all, info, size, align)?;
    if all & flags::ZERO_MEMORY != 0 && size <= LARGEST {
        // SAFETY: the block holds `size` bytes. Larger ones are fresh pages.
        unsafe { block.write_bytes(0, size) };
    }
    Ok(block)
}

/// A block whose bytes are undefined, unless it is large: then zero. Before it
/// is refused for want of room, what the buckets keep is given back.
fn place(
    heap: &'static PrivateHeap,
    all: u32,
    info: u8,
    size: usize,
    align: usize,
) -> Result<NonNull<u8>, Error> {
    let placed = try_place(heap, all, info, size, align);
    let table = heap.table.load(Ordering::Acquire);
    if matches!(placed, Err(Error::LimitReached | Error::NoMemory)) && !table.is_null() {
        lfh::for_each(table, HeapBucket::flush);
        return try_place(heap, all, info, size, align);
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
        && let Some(block) = NonNull::new(bucket.allocate(size))
    {
        return Ok(block);
    }
    let in_region = size <= LARGEST && align < LARGEST && size + align.max(UNIT) <= LARGEST + UNIT;
    if !in_region && heap.is_fixed() {
        return Err(Error::NoMemory);
    }
    let mut core = heap.enter(all);
    let address = if in_region {
        place_in_region(heap, &mut core, size, align, info)?
    } else {
        place_large(heap, &mut core, size, align, info)?
    };
    NonNull::new(ptr::with_exposed_provenance_mut(address)).ok_or(Error::NoMemory)
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

/// The bucket that serves such a block, if it is awake.
fn awake_bucket(
    heap: &'static PrivateHeap,
    info: u8,
    size: usize,
    align: usize,
) -> Option<&'static HeapBucket> {
    // SAFETY: null, or the table of this heap, which lives as long as it.
    let table = unsafe { heap.table.load(Ordering::Acquire).as_ref() }?;
    let class = classes::class_for(size, align)?;
    if info != 0 || class > LAST_BUCKET || !lfh::can_keep(class, size) {
        return None;
    }
    let bucket = table.buckets.get(class)?.load(Ordering::Acquire);
    // SAFETY: a table's buckets live as long as the table.
    unsafe { bucket.as_ref() }
}

/// Wakes the bucket for blocks of `size` bytes if the regions have handed out
/// enough of them. The first time a heap would, it is only noted that it has
/// buckets now.
fn wake(heap: &'static PrivateHeap, core: &Core, size: usize) -> Option<&'static HeapBucket> {
    let class = bucket_of(size)?;
    if !heap.buckets_allowed || core.counts.get(class).is_none_or(|&count| count < lfh::HOT) {
        return None;
    }
    if heap.compatibility.swap(2, Ordering::Relaxed) == 0 {
        return None;
    }
    let mut table = heap.table.load(Ordering::Relaxed);
    if table.is_null() {
        table = lfh::make_table();
        if table.is_null() {
            return None;
        }
        heap.table.store(table, Ordering::Release);
    }
    // SAFETY: the heap's table, which lives as long as the heap.
    let place = unsafe { (*table).buckets.get(class) }?;
    let mut bucket = place.load(Ordering::Relaxed);
    if bucket.is_null() {
        bucket = lfh::make_bucket(heap, class);
        place.store(bucket, Ordering::Release);
        if !bucket.is_null()
            && heap.flags.load(Ordering::Relaxed) & flags::ZERO_MEMORY == 0
            && let Some(near) = heap.near.get(class)
        {
            near.store(bucket, Ordering::Release);
        }
    }
    // SAFETY: null, or a bucket of the heap.
    unsafe { bucket.as_ref() }
}

fn place_in_region(
    heap: &'static PrivateHeap,
    core: &mut Core,
    size: usize,
    align: usize,
    info: u8,
) -> Result<usize, Error> {
    if info == 0
        && align <= UNIT
        && let Some(bucket) = wake(heap, core, size)
    {
        let block = bucket.allocate(size);
        if !block.is_null() {
            return Ok(block.addr());
        }
    }
    let units = units_for(size, info != 0);
    let (region, place) = find_place(heap, core, units, align)?;
    // SAFETY: the region is one of the heap's, which is locked.
    let region = unsafe { &mut *region };
    region
        .units
        .write_busy(place.unit, place.units, place.units * UNIT - size, info);
    let address = region.data(place.unit);
    if info & 1 != 0 {
        // SAFETY: a block with a value is 16 bytes larger, for it to lie
        // behind the bytes asked for.
        unsafe {
            ptr::with_exposed_provenance_mut::<usize>(address + value_offset(size)).write(0);
        }
    }
    count(core, size, 1);
    add(&heap.figures.bytes, size);
    add(&heap.figures.blocks, 1);
    Ok(address)
}

/// Counts a block that a region hands out or gets back.
fn count(core: &mut Core, size: usize, change: i8) {
    if let Some(bucket) = bucket_of(size)
        && let Some(count) = core.counts.get_mut(bucket)
    {
        *count = count.saturating_add_signed(change);
    }
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
        match this.extend(units, align, &heap.budget) {
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

/// A new region with room for a block.
fn add_region(
    heap: &PrivateHeap,
    core: &mut Core,
    units: usize,
    align: usize,
) -> Result<*mut Region, Error> {
    let slack = if align > UNIT { align + 2 * UNIT } else { 0 };
    let need = (REGION_HEADER + units * UNIT + slack + TAIL)
        .next_multiple_of(PAGE)
        .max(COMMIT_STEP);
    let least = (need + GUARD).next_multiple_of(SLICE);
    let doublings = core.regions.saturating_sub(1).min(8);
    let mut reserved = (SECOND_REGION << doublings).min(MOST_REGION).max(least);
    if !heap.budget.charge(need) {
        return Err(Error::LimitReached);
    }
    let executable = heap.flags.load(Ordering::Relaxed) & flags::CREATE_ENABLE_EXECUTE != 0;
    let made = loop {
        let plan = Plan {
            reserved,
            source: Source::Own { executable },
            base: ptr::null_mut(),
            backed: 0,
        };
        // SAFETY: no memory of a caller's.
        let made = unsafe { memory::make(&plan) };
        if !made.is_null() || reserved == least {
            break made;
        }
        reserved = (reserved / 2).next_multiple_of(SLICE).max(least);
    };
    // SAFETY: just made, and this thread's alone until it is entered.
    unsafe {
        let is_backed = !made.is_null() && (*made).backing.back((*made).start, 0, need);
        if !is_backed {
            if !made.is_null() {
                memory::release(made);
            }
            heap.budget.credit(need);
            return Err(Error::NoMemory);
        }
        let this = &mut *made;
        this.header = REGION_HEADER;
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

/// Frees the block of a region at `unit`.
fn free_in_region(heap: &PrivateHeap, core: &mut Core, region: *mut Region, unit: usize) {
    // SAFETY: the callers' region is one of the heap's, which is locked.
    let this = unsafe { &mut *region };
    let bytes = this.units.size(unit) * UNIT;
    let size = bytes - this.units.unused(unit);
    this.free(unit);
    count(core, size, -1);
    take(&heap.figures.bytes, size);
    take(&heap.figures.blocks, 1);
    core.freed += bytes;
    if this.blocks == 0 {
        drop_empty(heap, core, region);
    }
    let in_use = heap.figures.bytes.load(Ordering::Relaxed);
    if core.freed > FREED_LEAST.max(in_use / 4) {
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

/// Gives free pages of all regions back to the system.
pub(super) fn sweep(heap: &PrivateHeap, core: &mut Core) {
    core.freed = 0;
    let mut region = core.first;
    // SAFETY: listed regions are live, and the heap is locked.
    while let Some(this) = unsafe { region.as_mut() } {
        let active = this.active;
        this.sweep();
        take(&heap.figures.backed, active - this.active);
        region = this.next;
    }
}

/// Why `address` is no busy block of the region. Freed blocks join, so one that
/// was freed lies anywhere in a free block.
#[cold]
fn why_not(region: &Region, address: usize) -> Error {
    let around = region.unit_of(address).and_then(|unit| region.around(unit));
    match around {
        Some(unit) if region.units.is_free(unit) => Error::AlreadyFree,
        _ => Error::NotABlock,
    }
}

/// A busy block: in a region, large, or of a bucket. In a region and large, its
/// heap is locked.
#[derive(Clone, Copy)]
pub(super) enum Block {
    Region(*mut Region, usize),
    Large(*mut Large),
    Bucket(*mut Descriptor, usize),
}

/// The busy block of a subsegment that starts at `address`.
fn busy_in_bucket(descriptor: *mut Descriptor, address: usize) -> Result<usize, Error> {
    // SAFETY: what the slice table leads to is readable; an index means that
    // there is a mark.
    unsafe {
        let index = Descriptor::index_of(descriptor, address).ok_or(Error::NotABlock)?;
        let mark = (*Descriptor::mark(descriptor, index)).load(Ordering::Relaxed);
        if mark & lfh::BUSY == 0 {
            return Err(Error::AlreadyFree);
        }
        Ok(index)
    }
}

/// The busy block that starts at `address`, and the heap's lock to go with it
/// where it is needed.
pub(super) fn busy_block(
    heap: &'static PrivateHeap,
    call_flags: u32,
    address: usize,
) -> Result<(Option<Guard<'static>>, Block), Error> {
    let core = match look(address) {
        Found::Region(_, owner) | Found::Large(_, owner) | Found::Bucket(_, owner)
            if !ptr::eq(owner, heap) =>
        {
            return Err(Error::OtherHeap);
        }
        Found::Bucket(descriptor, _) => {
            let index = busy_in_bucket(descriptor, address)?;
            return Ok((None, Block::Bucket(descriptor, index)));
        }
        Found::Region(..) | Found::Large(..) => heap.enter(call_flags),
        Found::Process(_) => return Err(Error::OtherHeap),
        Found::Gone | Found::Nothing => return Err(Error::NotABlock),
    };
    // Once more, since the heap may have changed until it was locked.
    match look(address) {
        Found::Region(region, owner) if ptr::eq(owner, heap) => {
            // SAFETY: a region of this heap, which is locked.
            let this = unsafe { &*region };
            match this.busy_at(address) {
                Some(unit) => Ok((Some(core), Block::Region(region, unit))),
                None => Err(why_not(this, address)),
            }
        }
        Found::Large(record, owner) if ptr::eq(owner, heap) => {
            // SAFETY: a large block of this heap, which is locked.
            if unsafe { (*record).data() } != address {
                return Err(Error::NotABlock);
            }
            Ok((Some(core), Block::Large(record)))
        }
        _ => Err(Error::NotABlock),
    }
}

/// Whether the process heap's malloc has handed out a block at `address`.
fn is_mallocs(address: usize) -> bool {
    let Found::Process(descriptor) = look(address) else {
        return false;
    };
    // SAFETY: what the slice table leads to is readable; an index means that
    // there is a mark.
    unsafe {
        Descriptor::index_of(descriptor, address).is_some_and(|index| {
            (*Descriptor::mark(descriptor, index)).load(Ordering::Relaxed) == BUSY
        })
    }
}

/// Runs `use_it` with the word of a thread that has no cache: the block goes
/// past the caches.
fn without_cache<R>(use_it: impl FnOnce(&Word) -> R) -> R {
    let word = Word::new();
    // SAFETY: the cache is the shared one of threads that have none.
    unsafe { word.set(ThreadCache::dead()) };
    use_it(&word)
}

/// Frees a block.
///
/// # Safety
/// Nobody uses the block.
pub(super) unsafe fn free(
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
        Err(Error::OtherHeap) if heap.handle().is_process() && is_mallocs(block.addr()) => {
            // SAFETY: the block is malloc's and busy, and nobody uses it.
            without_cache(|word| unsafe { checked::free(word, block) });
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn free_large(heap: &PrivateHeap, core: &mut Core, record: *mut Large) {
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

/// The bytes a block was asked for. Waits for nobody's lock but an operation's.
pub(super) fn size_of(heap: &'static PrivateHeap, address: usize) -> Result<usize, Error> {
    match busy_block(heap, flags::NO_SERIALIZE, address) {
        Ok((_core, block)) => Ok(block.size()),
        Err(Error::OtherHeap) if heap.handle().is_process() && is_mallocs(address) => Ok(
            checked::usable_size(ptr::with_exposed_provenance_mut(address)),
        ),
        Err(error) => Err(error),
    }
}

impl Block {
    /// The bytes it was asked for. Its heap is locked.
    pub(super) fn size(&self) -> usize {
        match *self {
            // SAFETY: a block of a heap that is locked.
            Block::Region(region, unit) => unsafe {
                (*region).units.size(unit) * UNIT - (*region).units.unused(unit)
            },
            // SAFETY: as above.
            Block::Large(record) => unsafe { (*record).size.load(Ordering::Relaxed) },
            // SAFETY: a block that was found busy is so until its owner gives
            // it up, and the subsegment lives as long.
            Block::Bucket(descriptor, index) => unsafe {
                let class = usize::from((*descriptor).class.load(Ordering::Relaxed));
                let unused = lfh::unused_of(descriptor, class, index).unwrap_or(0);
                classes::size_of(class).saturating_sub(unused)
            },
        }
    }

    /// Its settable flags, and in bit 0 whether it has a settable value.
    pub(super) fn info(&self) -> u8 {
        match *self {
            // SAFETY: a block of a heap that is locked.
            Block::Region(region, unit) => unsafe { (*region).units.flags(unit) },
            // SAFETY: as above.
            Block::Large(record) => unsafe { (*record).flags },
            Block::Bucket(..) => 0,
        }
    }

    /// Where its settable value is, if it has one.
    pub(super) fn value(&self) -> Option<*mut usize> {
        if self.info() & 1 == 0 {
            return None;
        }
        match *self {
            Block::Region(region, unit) => {
                // SAFETY: a block of a heap that is locked.
                let data = unsafe { (*region).data(unit) };
                let at = data + value_offset(self.size());
                Some(ptr::with_exposed_provenance_mut(at))
            }
            // SAFETY: as above.
            Block::Large(record) => Some(unsafe { &raw mut (*record).value }),
            Block::Bucket(..) => None,
        }
    }

    /// Sets its settable flags. A block of a region that has none keeps none.
    pub(super) fn set_info(&self, info: u8) {
        match *self {
            // SAFETY: a block of a heap that is locked.
            Block::Region(region, unit) => unsafe { (*region).units.set_flags(unit, info) },
            // SAFETY: as above.
            Block::Large(record) => unsafe { (*record).flags = info },
            Block::Bucket(..) => {}
        }
    }
}

/// Resizes a block.
///
/// # Safety
/// As for [`free`], if the block moves.
pub(super) unsafe fn reallocate(
    heap: &'static PrivateHeap,
    call_flags: u32,
    block: *mut u8,
    size: usize,
) -> Result<NonNull<u8>, Error> {
    let all = call_flags | heap.flags.load(Ordering::Relaxed);
    let in_place_only = all & flags::REALLOC_IN_PLACE_ONLY != 0;
    let (old, info, value) = match busy_block(heap, all, block.addr()) {
        Ok((mut core, found)) => {
            let old = found.size();
            let info = if size > old {
                found.info() & 1 | info_of(call_flags)
            } else {
                found.info()
            };
            let moves = !in_place_only && belongs_in_a_region(&found, size);
            // SAFETY: the value is the block's, whose heap is locked.
            let value = found.value().map(|value| unsafe { value.read() });
            let done = match (&mut core, found) {
                _ if moves => false,
                (_, Block::Bucket(descriptor, index)) => {
                    let is_rigid = in_place_only && heap.buckets_are_rigid;
                    !is_rigid && info == 0 && resize_in_bucket(descriptor, index, size)
                }
                (Some(core), _) => resize(heap, core, &found, size, info),
                (None, _) => false,
            };
            drop(core);
            if done {
                zero_growth(all, block, old, size);
                return NonNull::new(block).ok_or(Error::NotABlock);
            }
            (old, info, value)
        }
        Err(Error::OtherHeap) if heap.handle().is_process() && is_mallocs(block.addr()) => {
            // SAFETY: the caller's block.
            return unsafe { reallocate_mallocs(heap, all, block, size) };
        }
        Err(error) => return Err(error),
    };
    if in_place_only {
        return Err(Error::NotInPlace);
    }
    let new = place(heap, all, info, size, 16)?;
    // SAFETY: the new block is as large as what both hold, and the old one is
    // the caller's to give up.
    unsafe {
        new.copy_from_nonoverlapping(NonNull::new_unchecked(block), old.min(size));
        zero_growth(all, new.as_ptr(), old, size);
        if let Some(value) = value
            && let Ok((_core, moved)) = busy_block(heap, all, new.addr().get())
            && let Some(at) = moved.value()
        {
            at.write(value);
        }
        free(heap, all, block)?;
    }
    Ok(new)
}

fn zero_growth(all: u32, block: *mut u8, old: usize, new: usize) {
    if all & flags::ZERO_MEMORY != 0 && new > old {
        // SAFETY: the callers' block has `new` bytes.
        unsafe { block.wrapping_add(old).write_bytes(0, new - old) };
    }
}

/// Whether a large block that shrinks had better move.
fn belongs_in_a_region(block: &Block, size: usize) -> bool {
    matches!(block, Block::Large(_)) && size < LARGEST / 4
}

/// Gives a block of a bucket `size` bytes, if its class serves that size.
fn resize_in_bucket(descriptor: *mut Descriptor, index: usize, size: usize) -> bool {
    // SAFETY: the callers' block is busy, so its subsegment is live.
    let class = usize::from(unsafe { (*descriptor).class.load(Ordering::Relaxed) });
    let room = classes::size_of(class);
    let is_served = size <= room && (size > room / 2 || bucket_of(size) == Some(class));
    if !is_served || !lfh::can_keep(class, size) {
        return false;
    }
    // SAFETY: as above.
    unsafe { lfh::set_size(descriptor, class, index, size) };
    true
}

/// Gives a block of a region, or a large one, `size` bytes where it is.
fn resize(heap: &PrivateHeap, core: &mut Core, block: &Block, size: usize, info: u8) -> bool {
    let old = block.size();
    match *block {
        Block::Large(record) => {
            // SAFETY: a block of the heap, which is locked.
            unsafe {
                let committed = (*record).committed;
                if !large::resize(heap, record, size) {
                    return false;
                }
                take(&heap.figures.backed, committed - (*record).committed);
                (*record).flags = info;
            }
            add(&heap.figures.large_bytes, size.wrapping_sub(old));
            true
        }
        Block::Bucket(..) => false,
        Block::Region(region, unit) => {
            if size > LARGEST {
                return false;
            }
            let value = block.value();
            // SAFETY: the value is the block's; the heap is locked.
            let kept = value.map(|value| unsafe { value.read() });
            // A block that had none has no room for settable flags.
            let info = if block.info() == 0 && info != 0 {
                return false;
            } else {
                info
            };
            let units = units_for(size, info != 0);
            // SAFETY: a region of the heap, which is locked.
            let this = unsafe { &mut *region };
            let mut place = this.resize(unit, units);
            if place.is_none()
                && let Some(free) = this.room_at_end(unit)
            {
                let missing = units - this.units.size(unit);
                let active = this.active;
                if missing > free && this.extend(missing, 16, &heap.budget).is_ok() {
                    add(&heap.figures.backed, this.active - active);
                    place = this.resize(unit, units);
                }
            }
            let Some(place) = place else {
                return false;
            };
            this.units
                .write_busy(unit, place.units, place.units * UNIT - size, info);
            if let Some(kept) = kept
                && let Some(at) = Block::Region(region, unit).value()
            {
                // SAFETY: the block has room for its value behind its bytes.
                unsafe { at.write(kept) };
            }
            count(core, old, -1);
            count(core, size, 1);
            add(&heap.figures.bytes, size.wrapping_sub(old));
            true
        }
    }
}

/// Resizes a block of malloc's that was given to the process heap.
///
/// # Safety
/// As for [`reallocate`].
unsafe fn reallocate_mallocs(
    heap: &'static PrivateHeap,
    all: u32,
    block: *mut u8,
    size: usize,
) -> Result<NonNull<u8>, Error> {
    let old = checked::usable_size(block);
    if all & flags::REALLOC_IN_PLACE_ONLY != 0 {
        if size > old {
            return Err(Error::NotInPlace);
        }
        return NonNull::new(block).ok_or(Error::NotABlock);
    }
    let new = allocate(heap, all, size, 16)?;
    // SAFETY: the new block is as large as what both hold; the old one is the
    // caller's to give up.
    unsafe {
        new.copy_from_nonoverlapping(NonNull::new_unchecked(block), old.min(size));
        without_cache(|word| checked::free(word, block));
    }
    Ok(new)
}

/// The heap that the memory at an address belongs to; `None` where it is no
/// private heap's.
pub(super) fn owner(address: usize) -> Option<&'static PrivateHeap> {
    match look(address) {
        Found::Region(_, heap) | Found::Large(_, heap) | Found::Bucket(_, heap) => Some(heap),
        Found::Process(_) => {
            let handle = super::Handle::process().ok()?;
            heap::at(handle.0).ok()
        }
        Found::Gone | Found::Nothing => None,
    }
}

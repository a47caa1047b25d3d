//! Walking a heap: every region, block and uncommitted range, one a call.
//!
//! ```text
//!   region | block | block | free                   the first region,
//!          | block | block | ...                    the blocks of buckets,
//!          | uncommitted                            and the first region's rest
//!   region | block | ...                            the others, as they were made
//!   region | region | ...                           subsegments of buckets
//!   large | large | ...                             as they were made
//! ```
//!
//! A walk keeps nothing between calls but what its caller hands back: an
//! address, and what kind of entry lay there ("HeapWalk function"). While the
//! heap is locked the walk is one moment's view; otherwise a call may find that
//! its place is gone, and says so.

use super::heap::{self, Core, PrivateHeap};
use super::large::Large;
use super::lfh;
use super::list::LIST;
use super::lookup::{self, Block, Found};
use super::region::Region;
use super::units::UNIT;
use super::{Error, Handle, flags};
use crate::heap::classes;
use crate::heap::descriptor::Descriptor;
use core::ptr;
use core::sync::atomic::Ordering;

/// Overhead of a free block in a region.
const FREE_OVERHEAD: usize = 0x20;
/// Overhead of a busy block of a bucket.
const BUCKET_OVERHEAD: usize = 8;
/// How far inside a subsegment its own entry's address lies, where no block
/// starts.
const INSIDE: usize = 8;
/// The region number of large blocks.
const LARGE_INDEX: u8 = 64;

/// Where a walk is. [`Cursor::START`] begins one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The latest entry's address (lpData); 0 before the first.
    pub data: usize,
    /// Its flags as [`EntryKind::flags`] gives them (wFlags).
    pub flags: u16,
}

impl Cursor {
    /// Before the first entry.
    pub const START: Cursor = Cursor { data: 0, flags: 0 };
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// A region's start.
    Region,
    /// A free block of a region.
    Free,
    /// A busy block of a region.
    Busy,
    /// The part of a region that is not committed.
    Uncommitted,
    /// A bucket's subsegment.
    BucketRegion,
    /// A free block of a bucket.
    BucketFree,
    /// A busy block of a bucket.
    BucketBusy,
    /// A large block.
    Large,
}

impl EntryKind {
    /// A region's start (PROCESS_HEAP_REGION).
    pub const REGION: u16 = 1;
    /// What is not committed (PROCESS_HEAP_UNCOMMITTED_RANGE).
    pub const UNCOMMITTED: u16 = 2;
    /// A busy block (PROCESS_HEAP_ENTRY_BUSY).
    pub const BUSY: u16 = 4;

    /// The flags of HeapWalk's entries.
    pub const fn flags(self) -> u16 {
        match self {
            EntryKind::Region | EntryKind::BucketRegion => EntryKind::REGION,
            EntryKind::Uncommitted => EntryKind::UNCOMMITTED,
            EntryKind::Busy | EntryKind::BucketBusy | EntryKind::Large => EntryKind::BUSY,
            EntryKind::Free | EntryKind::BucketFree => 0,
        }
    }
}

/// One entry of a walk; sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Its address (lpData).
    pub data: usize,
    /// Its size (cbData): of a busy block, what it was asked for.
    pub size: usize,
    /// Bytes beside that (cbOverhead).
    pub overhead: u8,
    /// The region's number (iRegionIndex).
    pub region_index: u8,
    /// Of a region: bytes committed (dwCommittedSize).
    pub committed: usize,
    /// Of a region: bytes not committed (dwUnCommittedSize).
    pub uncommitted: usize,
    /// Of a region: where the first block's data can be (lpFirstBlock).
    pub first_block: usize,
    /// Of a region: the end of its last entry (lpLastBlock).
    pub last_block: usize,
    /// Of a busy block: its settable flags, as they were passed.
    pub user_flags: u32,
    /// Of a busy block: its settable value.
    pub user_value: usize,
}

impl Entry {
    fn new(kind: EntryKind, data: usize, size: usize, overhead: usize, region_index: u8) -> Self {
        Entry {
            kind,
            data,
            size,
            overhead: overhead.min(255) as u8,
            region_index,
            committed: 0,
            uncommitted: 0,
            first_block: 0,
            last_block: 0,
            user_flags: 0,
            user_value: 0,
        }
    }

    /// The entry of a block with guards, which is a mapping's.
    #[cfg(feature = "debug")]
    pub(super) fn of_guarded(block: &Block, start: usize) -> Self {
        Entry::new(EntryKind::Busy, start, block.size(), 0, LARGE_INDEX).with_info(block)
    }

    fn with_info(mut self, block: &Block) -> Self {
        let info = u32::from(block.info());
        self.user_flags = info << 8 & flags::SETTABLE_USER_FLAGS;
        // SAFETY: a block's value is its own, and its heap is locked.
        self.user_value = block.value().map_or(0, |value| unsafe { value.read() });
        self
    }
}

/// The entry after `cursor`'s, which moves on. Fails with [`Error::NoMore`] at
/// the end, and with [`Error::InvalidParameter`] when the place is no entry's
/// (any more).
pub fn walk(handle: Handle, cursor: &mut Cursor) -> Result<Entry, Error> {
    let heap = heap::at(handle.address())?;
    let core = heap.enter(0);
    let entry = next(heap, &core, *cursor)?;
    *cursor = Cursor {
        data: entry.data,
        flags: entry.kind.flags(),
    };
    Ok(entry)
}

/// Visits the entries of all heaps that are serialized, the process heap first, until
/// `visit` returns false; a heap's buckets behind its regions and large blocks. Each heap's
/// are one moment's, but for blocks of buckets, where each bucket's are; a thread that holds a
/// heap is not waited for. No heap is made or destroyed meanwhile: `visit` uses none.
pub fn for_each_entry(visit: &mut dyn FnMut(Handle, &Entry) -> bool) {
    // Listed even when nobody has used it yet.
    let _ = Handle::process();
    let list = LIST.lock();
    for heap in list.roll.each() {
        if !heap.is_serialized() {
            continue;
        }
        // SAFETY: records of heaps are never unmapped, and this one is its heap's
        // while the list is held.
        let heap: &'static heap::PrivateHeap = unsafe { &*core::ptr::from_ref(heap) };
        let handle = heap.handle();
        let core = heap.enter(flags::NO_SERIALIZE);
        #[cfg(feature = "debug")]
        if super::guarded::has_pages(heap) {
            // Such a heap has no buckets, so nothing goes while it is locked.
            let mut cursor = Cursor::START;
            while let Ok(entry) = next(heap, &core, cursor) {
                if !visit(handle, &entry) {
                    return;
                }
                cursor = Cursor {
                    data: entry.data,
                    flags: entry.kind.flags(),
                };
            }
            continue;
        }
        if !each_outside_buckets(&core, &mut |entry| visit(handle, entry))
            || !each_in_buckets(heap, &mut |entry| visit(handle, entry))
        {
            return;
        }
    }
}

/// Visits what does not change while the heap is locked, until `visit` returns false;
/// whether it never did.
fn each_outside_buckets(core: &Core, visit: &mut dyn FnMut(&Entry) -> bool) -> bool {
    let mut region = core.first;
    while let Some(entry) = region_entry(region) {
        if !visit(&entry) {
            return false;
        }
        // SAFETY: a region of a heap that is locked.
        let this = unsafe { &*region };
        let mut unit = this.first();
        while let Some(entry) = block_at(region, unit) {
            if !visit(&entry) {
                return false;
            }
            unit += this.units.size(unit);
        }
        if uncommitted_entry(region).is_some_and(|entry| !visit(&entry)) {
            return false;
        }
        region = this.next;
    }
    let mut large = core.first_large;
    while let Some(entry) = large_entry(large) {
        if !visit(&entry) {
            return false;
        }
        // SAFETY: a large block of a heap that is locked.
        large = unsafe { (*large).next };
    }
    true
}

/// Visits the subsegments of buckets and their blocks, each bucket locked meanwhile, so
/// that none of them goes, until `visit` returns false; whether it never did.
fn each_in_buckets(heap: &'static PrivateHeap, visit: &mut dyn FnMut(&Entry) -> bool) -> bool {
    // SAFETY: null, or the table of this heap, which lives as long as it.
    let Some(table) = (unsafe { heap.table.find().as_ref() }) else {
        return true;
    };
    for bucket in &table.buckets {
        // SAFETY: a table's buckets live as long as the table.
        let Some(bucket) = (unsafe { bucket.find().as_ref() }) else {
            continue;
        };
        let state = bucket.state.lock();
        let mut subsegment = state.after(ptr::null_mut());
        while let Some(entry) = subsegment_entry(subsegment) {
            if !visit(&entry) {
                return false;
            }
            for index in 0..classes::blocks_of(bucket.class) {
                // SAFETY: the bucket's lock keeps the subsegment, with so many blocks.
                if !visit(&unsafe { bucket_block(subsegment, index) }) {
                    return false;
                }
            }
            subsegment = state.after(subsegment);
        }
    }
    true
}

fn next(heap: &'static heap::PrivateHeap, core: &Core, cursor: Cursor) -> Result<Entry, Error> {
    #[cfg(feature = "debug")]
    if super::guarded::has_pages(heap) {
        return super::guarded::next_entry(heap, cursor, |cursor| after(heap, core, cursor));
    }
    after(heap, core, cursor)
}

fn after(heap: &'static heap::PrivateHeap, core: &Core, cursor: Cursor) -> Result<Entry, Error> {
    if cursor.data == 0 {
        return region_entry(core.first).ok_or(Error::NoMore);
    }
    let mut found = lookup::look(cursor.data);
    let is_free =
        cursor.flags & (EntryKind::REGION | EntryKind::UNCOMMITTED | EntryKind::BUSY) == 0;
    if is_free && matches!(found, Found::Nothing) {
        // The last free block's address may be the region's end.
        found = lookup::look(cursor.data.wrapping_sub(UNIT));
    }
    match found {
        Found::Region(region, owner) if ptr::eq(owner, heap) => {
            // SAFETY: a region of this heap, which is locked.
            let this = unsafe { &*region };
            if cursor.flags & EntryKind::REGION != 0 {
                return block_entry(heap, core, region, this.first());
            }
            if cursor.flags & EntryKind::UNCOMMITTED != 0 {
                return after_region(heap, core, region);
            }
            let data = cursor.data - if is_free { UNIT } else { 0 };
            let unit = this
                .unit_of(data)
                .filter(|&unit| this.units.is_start(unit))
                .ok_or(Error::InvalidParameter)?;
            block_entry(heap, core, region, unit + this.units.size(unit))
        }
        Found::Bucket(descriptor, owner) if ptr::eq(owner, heap) => {
            after_in_bucket(heap, core, descriptor, cursor)
        }
        Found::Large(record, owner) if ptr::eq(owner, heap) => {
            // SAFETY: a large block of this heap, which is locked.
            let this = unsafe { &*record };
            if this.data() != cursor.data {
                return Err(Error::InvalidParameter);
            }
            large_entry(this.next).ok_or(Error::NoMore)
        }
        _ => Err(Error::InvalidParameter),
    }
}

fn region_entry(region: *mut Region) -> Option<Entry> {
    // SAFETY: null, or a region of a heap that is locked.
    let this = unsafe { region.as_ref() }?;
    let entry = Entry::new(EntryKind::Region, this.start, this.header, 0, this.index);
    Some(Entry {
        committed: this.committed,
        uncommitted: this.reserved - this.committed,
        first_block: this.data(this.first()),
        last_block: this.start + this.limit,
        ..entry
    })
}

/// The block at `unit` of a region, if that is none behind the last one's.
fn block_at(region: *mut Region, unit: usize) -> Option<Entry> {
    // SAFETY: a region of a heap that is locked.
    let this = unsafe { &*region };
    if unit >= this.end() {
        return None;
    }
    let bytes = this.units.size(unit) * UNIT;
    let data = this.data(unit);
    if this.units.is_free(unit) {
        let (data, size) = (data + UNIT, bytes.saturating_sub(FREE_OVERHEAD));
        let kind = EntryKind::Free;
        return Some(Entry::new(kind, data, size, FREE_OVERHEAD, this.index));
    }
    let block = Block::Region(region, unit);
    let size = block.size();
    let entry = Entry::new(EntryKind::Busy, data, size, bytes - size, this.index);
    Some(entry.with_info(&block))
}

/// The block at `unit`, or what follows the last one.
fn block_entry(
    heap: &'static PrivateHeap,
    core: &Core,
    region: *mut Region,
    unit: usize,
) -> Result<Entry, Error> {
    if let Some(entry) = block_at(region, unit) {
        return Ok(entry);
    }
    if region == core.first
        && let Some(entry) = subsegment_from(heap, 0, first_block_of)
    {
        return Ok(entry);
    }
    rest_of_region(heap, core, region)
}

/// What a region has not committed.
fn uncommitted_entry(region: *mut Region) -> Option<Entry> {
    // SAFETY: a region of a heap that is locked.
    let this = unsafe { &*region };
    if this.committed == this.limit {
        return None;
    }
    let data = this.start + this.committed;
    let size = this.limit - this.committed;
    let kind = EntryKind::Uncommitted;
    Some(Entry::new(kind, data, size, 0, this.index))
}

/// What a region has not committed, or what follows it.
fn rest_of_region(
    heap: &'static PrivateHeap,
    core: &Core,
    region: *mut Region,
) -> Result<Entry, Error> {
    match uncommitted_entry(region) {
        Some(entry) => Ok(entry),
        None => after_region(heap, core, region),
    }
}

fn after_region(
    heap: &'static PrivateHeap,
    core: &Core,
    region: *mut Region,
) -> Result<Entry, Error> {
    // SAFETY: a region of a heap that is locked.
    let next = unsafe { (*region).next };
    region_entry(next)
        .or_else(|| subsegment_from(heap, 0, subsegment_entry))
        .or_else(|| large_entry(core.first_large))
        .ok_or(Error::NoMore)
}

/// What `entry_of` makes of the first subsegment of the buckets from `class` on.
fn subsegment_from(
    heap: &'static PrivateHeap,
    class: usize,
    entry_of: fn(*mut Descriptor) -> Option<Entry>,
) -> Option<Entry> {
    // SAFETY: null, or the table of this heap, which lives as long as it.
    let table = unsafe { heap.table.find().as_ref() }?;
    table.buckets.iter().skip(class).find_map(|bucket| {
        // SAFETY: a table's buckets live as long as the table.
        let bucket = unsafe { bucket.find().as_ref() }?;
        let state = bucket.state.lock();
        entry_of(state.after(ptr::null_mut()))
    })
}

fn subsegment_entry(descriptor: *mut Descriptor) -> Option<Entry> {
    // SAFETY: null, or a subsegment whose bucket is locked.
    let this = unsafe { descriptor.as_ref() }?;
    let start = this.base.load(Ordering::Relaxed);
    let class = usize::from(this.class.load(Ordering::Relaxed));
    let bytes = classes::slices_of(class) * classes::SLICE;
    // Another address than any block's, so that a block is found by its own.
    let entry = Entry::new(EntryKind::BucketRegion, start + INSIDE, 0, 0, 0);
    Some(Entry {
        committed: bytes,
        first_block: start,
        last_block: start + this.span.load(Ordering::Relaxed),
        ..entry
    })
}

/// The first block of a subsegment.
fn first_block_of(descriptor: *mut Descriptor) -> Option<Entry> {
    if descriptor.is_null() {
        return None;
    }
    // SAFETY: a subsegment whose bucket is locked.
    Some(unsafe { bucket_block(descriptor, 0) })
}

/// A block of a subsegment.
///
/// # Safety
/// The subsegment's bucket is locked, and it has such a block.
unsafe fn bucket_block(descriptor: *mut Descriptor, index: usize) -> Entry {
    // SAFETY: the caller's promise.
    let (this, unused) = unsafe {
        let this = &*descriptor;
        let class = usize::from(this.class.load(Ordering::Relaxed));
        (this, lfh::unused_of(descriptor, class, index))
    };
    let size = classes::size_of(usize::from(this.class.load(Ordering::Relaxed)));
    let data = this.base.load(Ordering::Relaxed) + index * size;
    match unused {
        Some(unused) => {
            let (kind, size) = (EntryKind::BucketBusy, size - unused);
            Entry::new(kind, data, size, BUCKET_OVERHEAD, 0)
                .with_info(&Block::Bucket(descriptor, index))
        }
        None => Entry::new(EntryKind::BucketFree, data, size - UNIT, UNIT, 0),
    }
}

/// What follows a subsegment's own entry, or a block of it.
fn after_in_bucket(
    heap: &'static PrivateHeap,
    core: &Core,
    descriptor: *mut Descriptor,
    cursor: Cursor,
) -> Result<Entry, Error> {
    // SAFETY: what the slice table leads to is readable; a table lives as long
    // as its heap, and so do its buckets.
    let (class, bucket) = unsafe {
        let class = usize::from((*descriptor).class.load(Ordering::Relaxed));
        let table = heap.table.find().as_ref();
        let place = table.and_then(|table| table.buckets.get(class));
        let bucket = place.and_then(|place| place.find().as_ref());
        (class, bucket.ok_or(Error::InvalidParameter)?)
    };
    let state = bucket.state.lock();
    // Once more, since the subsegment may have gone until the bucket was locked,
    // and its record be another's, or another class's.
    // SAFETY: as above.
    let is_class = |record: *mut Descriptor| unsafe {
        usize::from((*record).class.load(Ordering::Relaxed)) == class
    };
    match lookup::look(cursor.data) {
        Found::Bucket(again, owner)
            if again == descriptor && ptr::eq(owner, heap) && is_class(again) => {}
        _ => return Err(Error::InvalidParameter),
    }
    // SAFETY: the bucket's lock keeps the subsegment.
    let this = unsafe { &*descriptor };
    if cursor.flags & EntryKind::REGION != 0 {
        let next = subsegment_entry(state.after(descriptor));
        drop(state);
        return next
            .or_else(|| subsegment_from(heap, bucket.class + 1, subsegment_entry))
            .or_else(|| large_entry(core.first_large))
            .ok_or(Error::NoMore);
    }
    let index = this
        .index_around(cursor.data)
        .ok_or(Error::InvalidParameter)?;
    if index + 1 < classes::blocks_of(bucket.class) {
        // SAFETY: the bucket's lock keeps the subsegment, with so many blocks.
        return Ok(unsafe { bucket_block(descriptor, index + 1) });
    }
    let next = first_block_of(state.after(descriptor));
    drop(state);
    match next.or_else(|| subsegment_from(heap, bucket.class + 1, first_block_of)) {
        Some(entry) => Ok(entry),
        None => rest_of_region(heap, core, core.first),
    }
}

fn large_entry(record: *mut Large) -> Option<Entry> {
    // SAFETY: null, or a large block of a heap that is locked.
    let this = unsafe { record.as_ref() }?;
    let block = Block::Large(record);
    let entry = Entry::new(EntryKind::Large, this.data(), block.size(), 0, LARGE_INDEX);
    Some(entry.with_info(&block))
}

//! Large blocks of a heap: a mapping each.
//!
//! ```text
//!   mapping, at a multiple of 64 KiB          committed        reserved
//!   | 64 bytes or the alignment | data ...    | decommitted    |
//!                               ^ slice entry -> record
//! ```
//!
//! The record lies with the allocator's records. The slice table leads to it
//! from the slices of the mapping, which are the block's alone, to its end or for
//! [`TOLD`] bytes: from its start, unless the data starts further on than that.

use super::heap::PrivateHeap;
use super::{Error, flags};
use crate::heap::classes::SLICE;
use crate::heap::descriptor::{Descriptor, PRIVATE_LARGE};
use crate::heap::meta::{self, FreeList};
use crate::heap::slices;
use crate::sync::Mutex;
use crate::sys::{self, Protection};
use crate::vm::{self, Use};
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Where the data of a large block starts in its mapping.
pub(super) const OFFSET: usize = 0x40;
const TRIES: usize = 4;

/// Bytes of a mapping of which the slice table says whose they are: entries cost
/// an eighth of a thousandth of them. What lies further on is known by nothing.
const TOLD: usize = 4 << 30;

/// A large block's record.
#[repr(C)]
pub(super) struct Large {
    /// Its `base` is the data's address, its `span` the committed bytes from
    /// there, `extent` and `region_size` the mapping.
    pub(super) descriptor: Descriptor,
    /// The mapping's first and last byte, for who does not hold the heap's lock.
    first: AtomicUsize,
    last: AtomicUsize,
    pub(super) next: *mut Large,
    pub(super) previous: *mut Large,
    /// Bytes asked for.
    pub(super) size: AtomicUsize,
    /// Bytes of the mapping that are committed, from its start.
    pub(super) committed: usize,
    pub(super) flags: u8,
    pub(super) has_value: bool,
    pub(super) value: usize,
}

/// Records of blocks that were freed.
pub(super) static RECORDS: Mutex<FreeList> = Mutex::new(FreeList::new());

impl Large {
    pub(super) fn data(&self) -> usize {
        self.descriptor.base.load(Ordering::Relaxed)
    }

    /// Whether an address lies in the mapping.
    ///
    /// # Safety
    /// The record was a large block's when the slice table was asked.
    pub(super) unsafe fn has(this: *const Large, address: usize) -> bool {
        // SAFETY: records are never unmapped, and are large blocks' for ever.
        let (first, last) = unsafe { (&(*this).first, &(*this).last) };
        (first.load(Ordering::Relaxed)..=last.load(Ordering::Relaxed)).contains(&address)
    }
}

fn take_record() -> *mut Large {
    let record = RECORDS.lock().pop();
    if record.is_null() {
        return meta::allocate(size_of::<Large>()).cast();
    }
    record.cast()
}

fn give_record(record: *mut Large) {
    // SAFETY: the callers' record came from `take_record` and nobody uses it.
    // The descriptor at its start is wiped first but for the word that links
    // the list, which reads as a base that no span follows.
    unsafe {
        (*record).descriptor = Descriptor::nothing().0;
        RECORDS.lock().push(record.cast());
    }
}

/// Makes a large block, zero; the caller links it and enters its size. The
/// slice table leads to it from here on.
pub(super) fn make(heap: &PrivateHeap, size: usize, align: usize) -> Result<*mut Large, Error> {
    let page = vm::page_size();
    let offset = OFFSET.max(align.min(SLICE));
    let slack = align.saturating_sub(SLICE);
    // One byte at least, so that the data starts inside the mapping.
    let bytes = size
        .max(1)
        .checked_add(offset)
        .and_then(|sum| sum.checked_add(slack))
        .and_then(vm::round_to_pages)
        .filter(|&bytes| isize::try_from(bytes).is_ok())
        .ok_or(Error::NoMemory)?;
    // A slice at least, so that no other block starts in this one's.
    let bytes = bytes.max(SLICE);
    debug_assert!(bytes.is_multiple_of(page));
    if !heap.budget.charge(bytes) {
        return Err(Error::LimitReached);
    }
    let record = take_record();
    if record.is_null() {
        heap.budget.credit(bytes);
        return Err(Error::NoMemory);
    }
    let mut in_the_way = [(ptr::null_mut(), 0); TRIES];
    let mut found: *mut u8 = ptr::null_mut();
    for place in &mut in_the_way {
        let base = vm::reserve(Use::Large, bytes, vm::GRANULARITY);
        if base.is_null() {
            break;
        }
        let mut committed = 0;
        let told = told(base.addr(), bytes, data_in(base.addr(), offset, align));
        if slices::claim(told.start, told.len()) {
            // SAFETY: just reserved, and nothing committed.
            match unsafe { commit(heap, base, bytes) } {
                Ok(()) => {
                    found = base;
                    break;
                }
                Err(bytes) => committed = bytes,
            }
            // SAFETY: just claimed, and nothing entered.
            unsafe { slices::disclaim(told.start, told.len()) };
        }
        *place = (base, committed);
    }
    for (base, committed) in in_the_way {
        if !base.is_null() {
            // SAFETY: ours, whole, and nothing in it.
            unsafe { vm::give_back(Use::Large, base, bytes, committed) };
        }
    }
    if found.is_null() {
        give_record(record);
        heap.budget.credit(bytes);
        return Err(Error::NoMemory);
    }
    let base = found.expose_provenance();
    let data = data_in(base, offset, align);
    let mut descriptor = Descriptor::nothing().0;
    *descriptor.base.get_mut() = data;
    *descriptor.span.get_mut() = bytes - (data - base);
    *descriptor.what.get_mut() = PRIVATE_LARGE;
    *descriptor.owner.get_mut() = (&raw const *heap).cast_mut().cast();
    descriptor.extent = base;
    descriptor.region_size = bytes;
    // SAFETY: the record is ours alone until the slice table leads to it, and
    // the slices were claimed.
    unsafe {
        record.write(Large {
            descriptor,
            first: AtomicUsize::new(base),
            last: AtomicUsize::new(base + (bytes - 1)),
            next: ptr::null_mut(),
            previous: ptr::null_mut(),
            size: AtomicUsize::new(size),
            committed: bytes,
            flags: 0,
            has_value: false,
            value: 0,
        });
        let told = told(base, bytes, data);
        slices::enter(told.start, told.len().div_ceil(SLICE), record.cast());
    }
    Ok(record)
}

/// The part of a mapping that the slice table knows, which begins with a slice; the data's
/// first byte is in it.
fn told(base: usize, bytes: usize, data: usize) -> Range<usize> {
    // Data that is not in the first slices is aligned to more than one.
    let start = if data - base < TOLD { base } else { data };
    start..(base + bytes).min(start + TOLD)
}

fn data_in(base: usize, offset: usize, align: usize) -> usize {
    if align <= SLICE {
        base + offset
    } else {
        (base + OFFSET).next_multiple_of(align)
    }
}

/// Commits a mapping; or how many of its bytes are committed.
///
/// # Safety
/// The mapping was just reserved.
unsafe fn commit(heap: &PrivateHeap, base: *mut u8, bytes: usize) -> Result<(), usize> {
    let executable = heap.flags.load(Ordering::Relaxed) & flags::CREATE_ENABLE_EXECUTE != 0;
    let mut committed = 0;
    // SAFETY: the caller's promise.
    unsafe {
        if vm::commit(Use::Large, base, bytes) {
            if !executable || sys::protect(base, bytes, Protection::ReadWriteExecute) {
                return Ok(());
            }
            committed = bytes;
        }
    }
    Err(committed)
}

/// Gives a large block back, which is on no list any more.
///
/// # Safety
/// Nobody uses the block.
pub(super) unsafe fn release(heap: &PrivateHeap, record: *mut Large) {
    // SAFETY: the caller's block is live and nobody else's.
    unsafe {
        let this = &*record;
        let base: *mut u8 = ptr::with_exposed_provenance_mut(this.descriptor.extent);
        let (size, committed) = (this.descriptor.region_size, this.committed);
        let told = told(base.addr(), size, this.data());
        slices::clear(told.start, told.len().div_ceil(SLICE));
        slices::disclaim(told.start, told.len());
        vm::give_back(Use::Large, base, size, committed);
        heap.budget.credit(committed);
    }
    give_record(record);
}

/// Gives a live block `size` bytes where it is. False, and nothing changed,
/// when it has not that many committed. What a smaller block needs no more is
/// decommitted, for good.
///
/// # Safety
/// The record is a live block's of this heap, which is locked.
pub(super) unsafe fn resize(heap: &PrivateHeap, record: *mut Large, size: usize) -> bool {
    // SAFETY: the caller's record.
    let this = unsafe { &mut *record };
    let offset = this.data() - this.descriptor.extent;
    let room = this.committed - offset;
    if size > room {
        return false;
    }
    this.size.store(size, Ordering::Relaxed);
    let needed = (offset + size).next_multiple_of(vm::page_size()).max(SLICE);
    if needed < this.committed {
        let gone = this.committed - needed;
        let place = ptr::with_exposed_provenance_mut(this.descriptor.extent + needed);
        // SAFETY: the end of the mapping is the block's, and used no more.
        if unsafe { vm::decommit(Use::Large, place, gone) } {
            this.committed = needed;
            this.descriptor
                .span
                .store(needed - offset, Ordering::Relaxed);
            heap.budget.credit(gone);
        }
    }
    true
}

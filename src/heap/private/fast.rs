//! The ways in and out that touch a slot and nothing else.
//!
//! What they cannot do they leave undone, and place.rs and free.rs do it:
//! a size whose bucket sleeps, a slot that is empty, full or taken, an address
//! that is no busy block of a bucket.

use super::heap::{self, PrivateHeap};
use super::lfh::{BUSY, HeapBucket};
use super::slot::Slot;
use super::{Error, Handle, flags, free, home, info, place, settable};
use crate::heap::classes::MAX_LINEAR_SIZE;
use crate::heap::descriptor::Descriptor;
use crate::heap::slices;
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering;

/// Takes a block of `size` bytes from the thread's slot, or, if the heap is
/// one thread's (`LOCAL`), from the first one without its lock; null when
/// there is none at hand.
///
/// # Safety
/// With `LOCAL`, no other thread is in the heap.
#[inline(always)]
pub(super) unsafe fn take<const LOCAL: bool>(heap: &PrivateHeap, size: usize) -> *mut u8 {
    if size > MAX_LINEAR_SIZE {
        return ptr::null_mut();
    }
    let class = size.div_ceil(16);
    // SAFETY: a size of at most 1024 has a class of at most 64; a heap's
    // buckets and their slots live as long as the heap.
    unsafe {
        let bucket = heap.near.get_unchecked(class).find();
        let slot = slot::<LOCAL>(bucket);
        if !LOCAL && (slot.is_null() || !(*slot).try_acquire()) {
            return ptr::null_mut();
        }
        let mark = BUSY + (size.wrapping_neg() % 16) as u8;
        let block = (*slot).pop(|key| {
            (*Descriptor::mark_of(key)).store(mark, Ordering::Relaxed);
        });
        if !LOCAL {
            (*slot).release();
        }
        block
    }
}

/// As [`take`], with settable flags, `info`, and a value.
///
/// # Safety
/// As for [`take`].
#[inline(always)]
pub(super) unsafe fn take_settable<const LOCAL: bool>(
    heap: &PrivateHeap,
    size: usize,
    info: u8,
    value: usize,
) -> *mut u8 {
    if size > super::SETTABLE_NEAR {
        return ptr::null_mut();
    }
    let class = size.div_ceil(16) + 1;
    // SAFETY: as in `take`; the block's last words are what was made room for.
    unsafe {
        let bucket = heap.near.get_unchecked(class).find();
        let slot = slot::<LOCAL>(bucket);
        if !LOCAL && (slot.is_null() || !(*slot).try_acquire()) {
            return ptr::null_mut();
        }
        let mark = settable::MARK + (size.wrapping_neg() % 16) as u8;
        let block = (*slot).pop(|key| {
            (*Descriptor::mark_of(key)).store(mark, Ordering::Relaxed);
        });
        if !LOCAL {
            (*slot).release();
        }
        if !block.is_null() {
            let words = block.add((class - 1) * 16).cast::<usize>();
            words.write(usize::from(info));
            words.add(1).write(value);
        }
        block
    }
}

/// The thread's slot, null where the bucket sleeps and not to be had where the
/// thread has none yet; or the first one, which is not null.
///
/// # Safety
/// The bucket is live.
#[inline(always)]
unsafe fn slot<const LOCAL: bool>(bucket: *const HeapBucket) -> *const Slot {
    // SAFETY: the caller's bucket, which has a place for every number and for
    // none.
    unsafe {
        if LOCAL {
            return &raw const (*bucket).first.0;
        }
        let slots = &(*bucket).slots;
        slots.get_unchecked(home::get()).find()
    }
}

/// Puts a block into the thread's slot, or into the first one, if `descriptor`,
/// found for the block, is a subsegment's of the heap for which `is_heap` says
/// so of its record, and the block is busy; false, and nothing done,
/// otherwise.
///
/// # Safety
/// The descriptor came from the slice table. If the block is one, nobody uses
/// it any more; with `LOCAL`, no other thread is in the heap.
#[inline(always)]
pub(super) unsafe fn give<const LOCAL: bool>(
    descriptor: *const Descriptor,
    block: *mut u8,
    is_heap: impl FnOnce(*const PrivateHeap) -> bool,
) -> bool {
    // SAFETY: what the slice table leads to is readable. A subsegment of the
    // heap's with an index for the address has a mark for it; one that is busy
    // is alive, and so is its bucket.
    unsafe {
        if !is_heap((*descriptor).owner.as_ptr().read().cast()) {
            return false;
        }
        let Some(index) = Descriptor::index_of(descriptor, block.addr()) else {
            return false;
        };
        let key = Descriptor::key(descriptor, index);
        let mark = Descriptor::mark_of(key);
        if mark.cast::<u8>().read() < BUSY {
            return false;
        }
        let bucket = (*descriptor).bin.as_ptr().read();
        let slot = slot::<LOCAL>(ptr::with_exposed_provenance(bucket));
        if !LOCAL && !(*slot).try_acquire() {
            return false;
        }
        let done = (*slot).push(block, key);
        if done {
            // A walk may look at it at this moment.
            (*mark).store(0, Ordering::Relaxed);
        }
        if !LOCAL {
            (*slot).release();
        }
        done
    }
}

/// A live heap, without the check that a [`Handle`] goes through at each call.
/// Whoever has one sees to it that it is not used after the heap's end.
#[derive(Clone, Copy, Debug)]
pub struct HeapRef(NonNull<PrivateHeap>);

// SAFETY: all that is reached by it is atomic or behind the heap's locks; what
// is not, says so in its own contract.
unsafe impl Send for HeapRef {}
// SAFETY: as above.
unsafe impl Sync for HeapRef {}

impl HeapRef {
    /// The heap of a handle.
    pub fn new(handle: Handle) -> Result<HeapRef, Error> {
        heap::at(handle.address()).map(|heap| HeapRef(NonNull::from(heap)))
    }

    /// The process heap.
    ///
    /// # Errors
    /// Those of [`Handle::process`].
    pub fn process() -> Result<HeapRef, Error> {
        HeapRef::new(Handle::process()?)
    }

    /// The heap as an address, for [`HeapRef::from_ptr`].
    pub fn as_ptr(self) -> *mut () {
        self.0.as_ptr().cast()
    }

    /// The heap that [`HeapRef::as_ptr`] gave; `None` for null.
    ///
    /// # Safety
    /// The address came from there.
    #[inline(always)]
    pub unsafe fn from_ptr(heap: *mut ()) -> Option<HeapRef> {
        NonNull::new(heap.cast()).map(HeapRef)
    }

    /// The heap's handle.
    pub fn handle(self) -> Handle {
        self.heap().handle()
    }

    #[inline(always)]
    fn heap(self) -> &'static PrivateHeap {
        // SAFETY: records of heaps are never unmapped.
        unsafe { self.0.as_ref() }
    }

    /// [`allocate_aligned`](super::allocate_aligned) without flags; null when
    /// it fails, for whoever does not ask why. `LOCAL` says that the heap is
    /// without serialization.
    ///
    /// # Safety
    /// As for [`HeapRef::allocate`].
    #[inline]
    pub unsafe fn allocate_or_null<const LOCAL: bool>(self, size: usize, align: usize) -> *mut u8 {
        if align <= 16 {
            // SAFETY: the caller's promise.
            let block = unsafe { take::<LOCAL>(self.heap(), size) };
            if !block.is_null() {
                return block;
            }
        }
        self.allocate_rest_or_null(size, align)
    }

    /// [`HeapRef::allocate_settable`] of a block that is at hand, else null.
    ///
    /// # Safety
    /// As for [`HeapRef::allocate`].
    #[inline(always)]
    pub unsafe fn settable_at_hand(self, size: usize, user_flags: u32, value: usize) -> *mut u8 {
        let info = place::info_of(user_flags | flags::SETTABLE_USER_VALUE);
        // SAFETY: the caller's promise.
        unsafe { take_settable::<false>(self.heap(), size, info, value) }
    }

    /// A block that is at hand, else null.
    ///
    /// # Safety
    /// The heap lives and is serialized.
    #[cfg(feature = "crt")]
    #[inline(always)]
    pub(super) unsafe fn at_hand(self, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { take::<false>(self.heap(), size) }
    }

    /// [`HeapRef::free`] of a block that its thread's slot has room for; false, and
    /// nothing done, of another.
    ///
    /// # Safety
    /// As for [`HeapRef::free`].
    #[inline(always)]
    pub unsafe fn free_at_hand(self, block: *mut u8) -> bool {
        let own = self.heap();
        // SAFETY: the caller's promise; the heap has the table and its mask.
        unsafe {
            let descriptor = slices::find_in(own.slices, own.slice_mask, block.addr());
            give::<false>(descriptor, block, |owner| ptr::eq(owner, own))
        }
    }

    /// A block with settable flags (0x200, 0x400, 0x800) and a settable value,
    /// which is set.
    ///
    /// # Safety
    /// As for [`HeapRef::allocate`].
    pub unsafe fn allocate_settable(
        self,
        size: usize,
        user_flags: u32,
        value: usize,
    ) -> Result<NonNull<u8>, Error> {
        let flags = user_flags | flags::SETTABLE_USER_VALUE;
        // SAFETY: the caller's promise.
        let block =
            unsafe { take_settable::<false>(self.heap(), size, place::info_of(flags), value) };
        match NonNull::new(block) {
            Some(block) => Ok(block),
            None => self.allocate_settable_rest(size, flags, value),
        }
    }

    #[inline(never)]
    fn allocate_settable_rest(
        self,
        size: usize,
        flags: u32,
        value: usize,
    ) -> Result<NonNull<u8>, Error> {
        let block = place::allocate(self.heap(), flags, size, 16)?;
        info::set_user_value(self.handle(), 0, block.as_ptr(), value)?;
        Ok(block)
    }

    #[inline(never)]
    fn allocate_rest_or_null(self, size: usize, align: usize) -> *mut u8 {
        let block = place::allocate(self.heap(), 0, size, align);
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// [`allocate_aligned`](super::allocate_aligned) without flags. `LOCAL`
    /// says that the heap is without serialization.
    ///
    /// # Safety
    /// The heap lives; with `LOCAL`, no other thread is in it.
    #[inline]
    pub unsafe fn allocate<const LOCAL: bool>(
        self,
        size: usize,
        align: usize,
    ) -> Result<NonNull<u8>, Error> {
        if align <= 16 {
            // SAFETY: the caller's promise.
            let block = unsafe { take::<LOCAL>(self.heap(), size) };
            if let Some(block) = NonNull::new(block) {
                return Ok(block);
            }
        }
        self.allocate_rest(0, size, align)
    }

    /// [`HeapRef::allocate`] with flags and without the fast way.
    ///
    /// # Errors
    /// Those of [`allocate_aligned`](super::allocate_aligned).
    #[inline(never)]
    pub fn allocate_rest(
        self,
        flags: u32,
        size: usize,
        align: usize,
    ) -> Result<NonNull<u8>, Error> {
        place::allocate(self.heap(), flags, size, align)
    }

    /// [`free`](super::free).
    ///
    /// # Safety
    /// As for [`HeapRef::allocate`]; if `block` is a block of the heap, nobody
    /// uses it any more.
    #[inline]
    pub unsafe fn free<const LOCAL: bool>(self, block: *mut u8) -> Result<(), Error> {
        // SAFETY: the caller's promise.
        unsafe {
            if self.keep::<LOCAL, true>(block) {
                return Ok(());
            }
            self.free_rest("free", block)
        }
    }

    /// [`HeapRef::free`] of a function that reports are to call `operation`,
    /// in a heap that is serialized.
    ///
    /// # Safety
    /// As for [`HeapRef::free`].
    #[inline]
    pub unsafe fn free_as(self, operation: &str, block: *mut u8) -> Result<(), Error> {
        // SAFETY: the caller's promise.
        unsafe {
            if self.keep::<false, true>(block) {
                return Ok(());
            }
            self.free_rest(operation, block)
        }
    }

    /// [`HeapRef::free_as`] that takes a block of any heap's buckets for its own:
    /// what the look-up of the owner costs is measured against this.
    ///
    /// # Safety
    /// As for [`HeapRef::free`], and the block is one of this heap.
    #[doc(hidden)]
    #[inline]
    pub unsafe fn free_unowned(self, operation: &str, block: *mut u8) -> Result<(), Error> {
        // SAFETY: the caller's promise.
        unsafe {
            if self.keep::<false, false>(block) {
                return Ok(());
            }
            self.free_rest(operation, block)
        }
    }

    /// The fast way of freeing.
    ///
    /// # Safety
    /// As for [`HeapRef::free`]; without `CHECKED`, the block is one of this heap.
    #[inline(always)]
    unsafe fn keep<const LOCAL: bool, const CHECKED: bool>(self, block: *mut u8) -> bool {
        let own = self.heap();
        // SAFETY: the caller's promise; the heap has the table and its mask.
        unsafe {
            let descriptor = slices::find_in(own.slices, own.slice_mask, block.addr());
            give::<LOCAL>(descriptor, block, |owner| !CHECKED || ptr::eq(owner, own))
        }
    }

    #[inline(never)]
    unsafe fn free_rest(self, operation: &str, block: *mut u8) -> Result<(), Error> {
        // SAFETY: the caller's promise.
        unsafe { free::free_as(operation, self.heap(), 0, block) }
    }
}

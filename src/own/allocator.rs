//! `&Heap` and `&LocalHeap` as allocators of collections.
//!
//! The same trait three times: of `allocator-api2` 0.2, which hashbrown uses,
//! of its 0.4, and of the standard library, on a nightly compiler. A reference
//! implements them, so that a collection borrows its heap and must go first. A
//! `StaticAllocator` they are not: the memory ends when the heap is dropped.

use super::{Heap, HeapError, LocalHeap, allocate, reallocate};
use crate::heap::private::HeapRef;
use crate::heap::private::flags::ZERO_MEMORY;
use core::alloc::Layout;
use core::ptr::NonNull;

/// A block and its length, as the traits return it.
type Slice = NonNull<[u8]>;

fn take<const LOCAL: bool>(heap: HeapRef, flags: u32, layout: Layout) -> Result<Slice, HeapError> {
    let block = allocate::<LOCAL>(heap, flags, layout)?;
    Ok(NonNull::slice_from_raw_parts(block, layout.size()))
}

/// # Safety
/// `block` is a block in use of the heap, allocated with `old`, and the
/// caller's alone.
unsafe fn change<const LOCAL: bool>(
    heap: HeapRef,
    flags: u32,
    block: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<Slice, HeapError> {
    if new.align() > old.align() && block.addr().get() & (new.align() - 1) != 0 {
        let moved = allocate::<LOCAL>(heap, flags, new)?;
        // SAFETY: two blocks of at least so many bytes, one of them new; the
        // old one is the caller's to give up.
        unsafe {
            moved.copy_from_nonoverlapping(block, old.size().min(new.size()));
            give::<LOCAL>(heap, block);
        }
        return Ok(NonNull::slice_from_raw_parts(moved, new.size()));
    }
    // SAFETY: the caller's promise is the callee's; the block has the new
    // alignment.
    let block =
        unsafe { reallocate::<LOCAL>(heap, flags, block, new_aligned(old, new), new.size()) }?;
    Ok(NonNull::slice_from_raw_parts(block, new.size()))
}

/// The old size with the new alignment, which the block may have to keep.
fn new_aligned(old: Layout, new: Layout) -> Layout {
    Layout::from_size_align(old.size(), new.align()).unwrap_or(old)
}

/// # Safety
/// `block` is a block in use of the heap that nobody uses any more.
#[inline]
unsafe fn give<const LOCAL: bool>(heap: HeapRef, block: NonNull<u8>) {
    // What is wrong with a block is reported there; the traits have no error.
    // SAFETY: the caller's promise is the callee's.
    let _ = unsafe { heap.free::<LOCAL>(block.as_ptr()) };
}

macro_rules! implement {
    ($heap:ident, $local:literal, $($path:tt)+) => {
        // SAFETY: blocks are as their layouts ask for, disjoint, and stay until
        // they are freed or the heap is dropped, which the borrow in every copy
        // of this allocator rules out; all copies lead to the same heap.
        unsafe impl $($path)+::Allocator for &$heap {
            #[inline]
            fn allocate(&self, layout: Layout) -> Result<Slice, $($path)+::AllocError> {
                take::<$local>(self.heap, 0, layout).map_err(|_| $($path)+::AllocError)
            }

            #[inline]
            fn allocate_zeroed(&self, layout: Layout) -> Result<Slice, $($path)+::AllocError> {
                take::<$local>(self.heap, ZERO_MEMORY, layout).map_err(|_| $($path)+::AllocError)
            }

            #[inline]
            unsafe fn deallocate(&self, block: NonNull<u8>, _: Layout) {
                // SAFETY: the caller's promise is the callee's.
                unsafe { give::<$local>(self.heap, block) }
            }

            unsafe fn grow(
                &self,
                block: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<Slice, $($path)+::AllocError> {
                // SAFETY: the caller's promise is the callee's.
                unsafe { change::<$local>(self.heap, 0, block, old, new) }
                    .map_err(|_| $($path)+::AllocError)
            }

            unsafe fn grow_zeroed(
                &self,
                block: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<Slice, $($path)+::AllocError> {
                // SAFETY: the caller's promise is the callee's.
                unsafe { change::<$local>(self.heap, ZERO_MEMORY, block, old, new) }
                    .map_err(|_| $($path)+::AllocError)
            }

            unsafe fn shrink(
                &self,
                block: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<Slice, $($path)+::AllocError> {
                // SAFETY: the caller's promise is the callee's.
                unsafe { change::<$local>(self.heap, 0, block, old, new) }
                    .map_err(|_| $($path)+::AllocError)
            }
        }
    };
}

#[cfg(feature = "allocator-api2-02")]
implement!(Heap, false, allocator_api2::alloc);
#[cfg(feature = "allocator-api2-02")]
implement!(LocalHeap, true, allocator_api2::alloc);
#[cfg(feature = "allocator-api2-04")]
implement!(Heap, false, allocator_api2_04::alloc);
#[cfg(feature = "allocator-api2-04")]
implement!(LocalHeap, true, allocator_api2_04::alloc);
#[cfg(feature = "nightly")]
implement!(Heap, false, core::alloc);
#[cfg(feature = "nightly")]
implement!(LocalHeap, true, core::alloc);

//! Heaps of their own: what an allocator that has them offers beside its
//! global one.

use std::alloc::Layout;

/// A heap that is destroyed, with all its blocks, when it is dropped.
///
/// # Safety
///
/// A block is as its layout asks for, and stays until it is freed or its heap
/// is dropped.
pub unsafe trait Heap: Sized {
    /// A new heap without blocks.
    fn create() -> Self;

    /// A new block, or null.
    fn allocate(&self, layout: Layout) -> *mut u8;

    /// Frees a block; one that only goes with its heap may stay.
    ///
    /// # Safety
    ///
    /// The block is of this heap, was allocated with this layout, and was not
    /// freed before.
    unsafe fn free(&self, block: *mut u8, layout: Layout);
}

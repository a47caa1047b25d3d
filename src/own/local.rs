//! A heap for one thread at a time.

use super::{
    HeapError, HeapGuard, HeapOptions, HeapSummary, allocate, common, name_of, reallocate, summary,
};
use crate::heap::private::{self, HeapRef};
use core::alloc::Layout;
use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// A heap of its own without a lock: `HEAP_NO_SERIALIZE`.
///
/// It may be sent to another thread, but not shared, so that no two threads
/// are in it at once. As [`Heap`](crate::Heap) in all else.
///
/// ```
/// use ntheap::Heap;
/// use std::alloc::Layout;
///
/// let heap = Heap::options().create_local()?;
/// let block = heap.alloc_zeroed(Layout::new::<u64>())?;
/// // SAFETY: the block is this heap's, and used no more.
/// unsafe { heap.free(block)? };
/// # Ok::<(), ntheap::HeapError>(())
/// ```
///
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<ntheap::LocalHeap>();
/// ```
pub struct LocalHeap {
    pub(super) heap: HeapRef,
    /// Not to be shared.
    not_sync: PhantomData<Cell<()>>,
}

// SAFETY: nothing in the heap belongs to the thread that made it; without
// `Sync`, and as no guard or borrow can be sent, one thread at a time is in it.
unsafe impl Send for LocalHeap {}

impl LocalHeap {
    pub(super) fn from_ref(heap: HeapRef) -> LocalHeap {
        LocalHeap {
            heap,
            not_sync: PhantomData,
        }
    }

    /// What to choose before a heap is made.
    pub const fn options() -> HeapOptions {
        HeapOptions::new()
    }
}

common!(
    LocalHeap,
    true,
    "May be called from the thread that has the heap."
);

//! Heaps of a program's own, in safe Rust: what `HeapCreate` makes.
//!
//! ```text
//!   HeapOptions --create()------> Heap       any thread, locked
//!               --create_local()-> LocalHeap  one thread at a time, no lock
//!                                    |
//!                                    +-- alloc, free, size_of, ...
//!                                    +-- lock() -> HeapGuard -> walk()
//!                                    +-- drop = HeapDestroy
//! ```
//!
//! A [`Heap`] is a reservation of address space with blocks of its own. It can
//! have a limit, be walked and checked block by block, and goes with all its
//! blocks at one stroke when it is dropped. `&Heap` is an allocator in the
//! sense of `allocator-api2` (features `allocator-api2-02` and
//! `allocator-api2-04`) and of the standard library (feature `nightly`), so
//! that collections live in it; their lifetimes see to it that they go before
//! it does. It is never a `StaticAllocator`: its memory ends with it.
//!
//! Invariants:
//! - A `Heap` or `LocalHeap` is the only owner of its handle: nothing safe
//!   destroys the heap but its drop.
//! - What the heap finds corrupt is reported, and ends the process unless
//!   [`HeapOptions::on_corruption`] says otherwise. Being full is an error and
//!   no report.

#[cfg(any(
    feature = "allocator-api2-02",
    feature = "allocator-api2-04",
    feature = "nightly"
))]
mod allocator;
mod list;
mod local;
mod options;
mod snapshot;
mod walk;

pub use list::{HeapInfo, Heaps, heaps};
pub use local::LocalHeap;
pub use options::{HeapOptions, HeapShape};
pub use snapshot::{HeapBlock, HeapChange, HeapChanges, HeapSnapshot};
pub use walk::{HeapEntry, HeapGuard, HeapWalk};

use crate::heap::private::{self, Handle, HeapRef, NAME_MAX, Shape, flags};
use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;

/// Why a heap did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeapError {
    /// The system has no memory or address space to give.
    OutOfMemory,
    /// The heap's limit or fixed size is reached. The heap goes on working:
    /// what is freed can be allocated again.
    LimitReached,
    /// An option, a size or an alignment that no heap can have.
    InvalidParameter,
    /// The block cannot have that size where it lies.
    NotInPlace,
    /// No block of this heap that is in use starts at the address.
    NotABlock,
}

impl HeapError {
    /// The error's text.
    const fn text(self) -> &'static str {
        match self {
            HeapError::OutOfMemory => "out of memory",
            HeapError::LimitReached => "the heap's limit is reached",
            HeapError::InvalidParameter => "invalid parameter",
            HeapError::NotInPlace => "the block cannot have that size where it lies",
            HeapError::NotABlock => "not a block in use of this heap",
        }
    }
}

impl fmt::Display for HeapError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text())
    }
}

impl core::error::Error for HeapError {}

impl From<private::Error> for HeapError {
    fn from(error: private::Error) -> Self {
        match error {
            private::Error::NoMemory => HeapError::OutOfMemory,
            private::Error::LimitReached => HeapError::LimitReached,
            private::Error::NotInPlace => HeapError::NotInPlace,
            private::Error::NotABlock | private::Error::AlreadyFree | private::Error::OtherHeap => {
                HeapError::NotABlock
            }
            _ => HeapError::InvalidParameter,
        }
    }
}

/// What a heap holds, in bytes. `HeapSummary` ("HeapSummary function
/// (heapapi.h)").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapSummary {
    /// Bytes of the blocks in use, as they were requested.
    pub allocated: usize,
    /// Bytes committed: what the heap's limit bounds.
    pub committed: usize,
    /// Bytes of address space reserved.
    pub reserved: usize,
    /// The limit, or the size of a fixed heap; `usize::MAX` without one.
    pub limit: usize,
    /// Blocks in use.
    pub blocks: usize,
}

/// A heap of its own, which any thread may use and the drop of which frees
/// every block that is left.
///
/// Blocks are aligned as their layouts ask, to 16 bytes at least. All
/// functions take `&self` and may be called from any thread; small blocks that
/// are in common use come from caches behind locks of their own, so that
/// threads seldom wait for each other. Allocating and freeing take constant
/// time but for the system's calls; [`Heap::validate`] and a walk take time in
/// proportion to the blocks.
///
/// ```
/// use ntheap::Heap;
/// use std::alloc::Layout;
///
/// // One tenant's memory: never more than 1 MiB.
/// let heap = Heap::options().name("tenant 7").limit(1 << 20).create()?;
/// let block = heap.alloc(Layout::new::<[u64; 100]>())?;
/// assert_eq!(heap.size_of(block)?, 800);
/// assert!(heap.alloc(Layout::new::<[u8; 2 << 20]>()).is_err());
/// drop(heap); // frees the block, too
/// # Ok::<(), ntheap::HeapError>(())
/// ```
pub struct Heap {
    heap: HeapRef,
}

// SAFETY: a serialised heap takes calls from any thread (heap/private), and
// ends on whichever thread drops it.
unsafe impl Send for Heap {}
// SAFETY: as above.
unsafe impl Sync for Heap {}

impl Heap {
    /// A growable heap without a limit.
    ///
    /// # Errors
    /// [`HeapError::OutOfMemory`].
    pub fn new() -> Result<Heap, HeapError> {
        Heap::options().create()
    }

    /// What to choose before a heap is made.
    pub const fn options() -> HeapOptions {
        HeapOptions::new()
    }

    fn from_ref(heap: HeapRef) -> Heap {
        Heap { heap }
    }
}

/// What the two kinds of heap have in common, written once: the functions of a
/// type with a field `heap`, which is one thread's at a time if `$local`.
macro_rules! common {
    ($heap:ident, $local:literal, $sharing:literal) => {
        impl $heap {
            /// Allocates a block for `layout`, of indeterminate contents unless
            /// the heap zeroes all of them. A size of 0 gives a block of its
            /// own. `HeapAlloc` ("HeapAlloc function (heapapi.h)").
            ///
            #[doc = $sharing]
            ///
            /// # Errors
            /// [`HeapError::OutOfMemory`], [`HeapError::LimitReached`]; the
            /// latter, too, where a fixed heap is asked for a block whose size
            /// and alignment come to nearly 1 MiB together.
            #[inline]
            pub fn alloc(&self, layout: Layout) -> Result<NonNull<u8>, HeapError> {
                allocate::<$local>(self.heap, 0, layout)
            }

            /// [`alloc`](Self::alloc), with the contents zeroed.
            ///
            /// # Errors
            /// As for [`alloc`](Self::alloc).
            #[inline]
            pub fn alloc_zeroed(&self, layout: Layout) -> Result<NonNull<u8>, HeapError> {
                allocate::<$local>(self.heap, $crate::heap::private::flags::ZERO_MEMORY, layout)
            }

            /// Gives a block another size, in a new place if need be; the
            /// contents up to the lesser size stay. Size 0 gives a block of
            /// size 0, and frees nothing. `HeapReAlloc` ("HeapReAlloc function
            /// (heapapi.h)").
            ///
            /// # Errors
            /// As for [`alloc`](Self::alloc), and [`HeapError::InvalidParameter`]
            /// for a size that no layout of this alignment has; the block is then
            /// as it was.
            ///
            /// # Safety
            /// `block` is one of this heap's, in use, with this layout's
            /// alignment, and the caller's alone; when it moves, the old
            /// address is no longer to be used.
            pub unsafe fn realloc(
                &self,
                block: NonNull<u8>,
                layout: Layout,
                size: usize,
            ) -> Result<NonNull<u8>, HeapError> {
                // SAFETY: the caller's promise is the callee's.
                unsafe { reallocate::<$local>(self.heap, 0, block, layout, size) }
            }

            /// [`realloc`](Self::realloc) in the block's own place, or not at
            /// all. `HEAP_REALLOC_IN_PLACE_ONLY`.
            ///
            /// # Errors
            /// [`HeapError::NotInPlace`]; the block is then as it was.
            ///
            /// # Safety
            /// `block` is one of this heap's, in use, and the caller's alone.
            pub unsafe fn realloc_in_place(
                &self,
                block: NonNull<u8>,
                size: usize,
            ) -> Result<(), HeapError> {
                let flags = $crate::heap::private::flags::REALLOC_IN_PLACE_ONLY;
                // SAFETY: the caller's promise is the callee's.
                unsafe { private::reallocate(self.heap.handle(), flags, block.as_ptr(), size) }
                    .map(|_| ())
                    .map_err(|error| match error {
                        private::Error::NoMemory | private::Error::LimitReached => {
                            HeapError::NotInPlace
                        }
                        other => other.into(),
                    })
            }

            /// Frees a block. `HeapFree` ("HeapFree function (heapapi.h)").
            ///
            /// An address that is no block of this heap in use is reported,
            /// with the heap that owns it, as [`HeapOptions::on_corruption`]
            /// says.
            ///
            /// # Errors
            /// [`HeapError::NotABlock`] when such a report does not end the
            /// process.
            ///
            /// # Safety
            /// If `block` is a block, nobody uses it any more.
            #[inline]
            pub unsafe fn free(&self, block: NonNull<u8>) -> Result<(), HeapError> {
                // SAFETY: the caller's promise is the callee's.
                unsafe { self.heap.free::<$local>(block.as_ptr()) }.map_err(Into::into)
            }

            /// The size that a block was requested with, in bytes. `HeapSize`
            /// ("HeapSize function (heapapi.h)").
            ///
            /// # Errors
            /// [`HeapError::NotABlock`]; any address may be asked about.
            #[inline]
            pub fn size_of(&self, block: NonNull<u8>) -> Result<usize, HeapError> {
                private::size_of(self.heap.handle(), 0, block.as_ptr()).map_err(Into::into)
            }

            /// Whether the heap's records are sound, all of them. `HeapValidate`
            /// ("HeapValidate function (heapapi.h)"). Takes time in proportion
            /// to the blocks.
            pub fn validate(&self) -> bool {
                private::validate(self.heap.handle(), 0, core::ptr::null())
            }

            /// Whether a block of this heap in use starts at `block`, and its
            /// record is sound. Any address may be asked about.
            pub fn validate_block(&self, block: NonNull<u8>) -> bool {
                private::validate(self.heap.handle(), 0, block.as_ptr())
            }

            /// Gives back what is free and returns the size of the largest free
            /// block that is committed, in bytes. `HeapCompact` ("HeapCompact
            /// function (heapapi.h)").
            pub fn compact(&self) -> usize {
                private::compact(self.heap.handle(), 0).unwrap_or(0)
            }

            /// What the heap holds. Takes time in proportion to the blocks in
            /// buckets.
            pub fn summary(&self) -> HeapSummary {
                summary(self.heap.handle())
            }

            /// Locks the heap and returns a guard with which it can be walked.
            /// `HeapLock` ("HeapLock function (heapapi.h)"). The thread that
            /// holds the lock may go on using the heap, and lock it again;
            /// threads that take small blocks in common use do not wait for
            /// the lock.
            pub fn lock(&self) -> HeapGuard<'_> {
                HeapGuard::new(self.heap.handle())
            }

            /// The heap's handle: the address of its first region, at a
            /// multiple of 64 KiB, which the Windows names take for a `HANDLE`.
            pub fn handle(&self) -> usize {
                self.heap.handle().address()
            }
        }

        impl core::fmt::Debug for $heap {
            fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let mut name = [0; $crate::heap::private::NAME_MAX];
                out.debug_struct(stringify!($heap))
                    .field("name", &name_of(self.heap.handle(), &mut name))
                    .field("summary", &self.summary())
                    .finish()
            }
        }

        impl Drop for $heap {
            fn drop(&mut self) {
                // What is wrong with it was reported; there is nobody to tell.
                // SAFETY: the heap is this value's own, and whoever borrowed
                // it is gone.
                let _ = unsafe { private::destroy(self.heap.handle()) };
            }
        }
    };
}
use common;

common!(Heap, false, "May be called from any thread.");

/// A heap's name, in `buffer`.
pub(crate) fn name_of(handle: Handle, buffer: &mut [u8; NAME_MAX]) -> &str {
    let length = private::name_of(handle, buffer).unwrap_or(0);
    let name = buffer.get(..length).unwrap_or_default();
    core::str::from_utf8(name).unwrap_or_default()
}

fn summary(handle: Handle) -> HeapSummary {
    let Ok(summary) = private::summary(handle) else {
        return HeapSummary::default();
    };
    let limit = match private::shape_of(handle) {
        Ok(Shape::Limited(bytes) | Shape::Fixed(bytes)) => bytes,
        _ => usize::MAX,
    };
    HeapSummary {
        allocated: summary.allocated,
        committed: summary.committed,
        reserved: summary.reserved,
        limit,
        blocks: summary.blocks,
    }
}

/// The alignment every block has.
const USUAL_ALIGN: usize = 16;

#[inline]
fn allocate<const LOCAL: bool>(
    heap: HeapRef,
    given: u32,
    layout: Layout,
) -> Result<NonNull<u8>, HeapError> {
    let (size, align) = (layout.size(), layout.align());
    let block = if given == 0 {
        // SAFETY: the caller owns or borrows the heap, from the one thread that
        // may if it is `LOCAL`.
        unsafe { heap.allocate::<LOCAL>(size, align) }
    } else {
        heap.allocate_rest(given, size, align)
    };
    block.map_err(|error| refusal(heap, error))
}

/// Why a heap has no block to give. A fixed heap that is full has no memory,
/// says Windows.
#[cold]
fn refusal(heap: HeapRef, error: private::Error) -> HeapError {
    match (error, private::shape_of(heap.handle())) {
        (private::Error::NoMemory, Ok(Shape::Fixed(_))) => HeapError::LimitReached,
        (error, _) => error.into(),
    }
}

/// # Safety
/// `block` is a block in use of the heap, with `layout`'s alignment, and the
/// caller's alone.
unsafe fn reallocate<const LOCAL: bool>(
    heap: HeapRef,
    given: u32,
    block: NonNull<u8>,
    layout: Layout,
    size: usize,
) -> Result<NonNull<u8>, HeapError> {
    let handle = heap.handle();
    if layout.align() <= USUAL_ALIGN {
        // SAFETY: the caller's promise is the callee's.
        return unsafe { private::reallocate(handle, given, block.as_ptr(), size) }
            .map_err(|error| refusal(heap, error));
    }
    // A block that moves keeps only the usual alignment; so it may not.
    let in_place = given | flags::REALLOC_IN_PLACE_ONLY;
    // SAFETY: as above.
    match unsafe { private::reallocate(handle, in_place, block.as_ptr(), size) } {
        Ok(_) => return Ok(block),
        Err(private::Error::NotInPlace) => {}
        // Reported already.
        Err(error) => return Err(error.into()),
    }
    let new =
        Layout::from_size_align(size, layout.align()).map_err(|_| HeapError::InvalidParameter)?;
    let moved = allocate::<LOCAL>(heap, given, new)?;
    // SAFETY: two blocks of so many bytes, one of them new; the old one is the
    // caller's to give up.
    unsafe {
        moved.copy_from_nonoverlapping(block, layout.size().min(size));
        let _ = heap.free::<LOCAL>(block.as_ptr());
    }
    Ok(moved)
}

//! A locked heap, and the walk through it.

use crate::heap::private::{self, Cursor, Entry, EntryKind, Handle};
use core::marker::PhantomData;

/// The heap's lock, held until this is dropped. `HeapLock`, `HeapUnlock`.
///
/// The lock is the thread's that took it: the guard cannot be sent.
#[derive(Debug)]
#[must_use = "the heap is unlocked when the guard is dropped"]
pub struct HeapGuard<'a> {
    handle: Handle,
    /// As a borrowed heap, and of this thread.
    heap: PhantomData<(&'a (), *mut ())>,
}

impl HeapGuard<'_> {
    pub(super) fn new(handle: Handle) -> Self {
        // A heap without a lock has nothing to refuse either.
        let _ = private::lock(handle);
        HeapGuard {
            handle,
            heap: PhantomData,
        }
    }

    /// What the heap consists of, in the order that `HeapWalk` has: each region
    /// with its blocks and uncommitted ranges by address, then the large
    /// blocks. Blocks of buckets in common use are told one by one.
    ///
    /// Other threads may take and free such small blocks meanwhile, which do
    /// not wait for the lock.
    pub fn walk(&self) -> HeapWalk<'_> {
        HeapWalk {
            handle: self.handle,
            cursor: Cursor::START,
            guard: PhantomData,
        }
    }
}

impl Drop for HeapGuard<'_> {
    fn drop(&mut self) {
        let _ = private::unlock(self.handle);
    }
}

/// A part of a heap: an entry of `HeapWalk` ("PROCESS_HEAP_ENTRY structure
/// (minwinbase.h)"). Addresses, and sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeapEntry {
    /// The start of a region, or of a bucket's subsegment; its blocks follow.
    Region {
        /// Where it starts.
        address: usize,
        /// Bytes of it that are committed.
        committed: usize,
        /// Bytes of it that are reserved only.
        uncommitted: usize,
    },
    /// A block in use.
    Busy {
        /// Where it starts.
        address: usize,
        /// Its size as it was requested.
        size: usize,
    },
    /// A free block.
    Free {
        /// Where it starts.
        address: usize,
        /// Its usable size.
        size: usize,
    },
    /// Pages of a region that are reserved only.
    Uncommitted {
        /// Where they start.
        address: usize,
        /// Their size.
        size: usize,
    },
}

impl From<Entry> for HeapEntry {
    fn from(entry: Entry) -> Self {
        let (address, size) = (entry.data, entry.size);
        match entry.kind {
            EntryKind::Region | EntryKind::BucketRegion => HeapEntry::Region {
                address,
                committed: entry.committed,
                uncommitted: entry.uncommitted,
            },
            EntryKind::Busy | EntryKind::BucketBusy | EntryKind::Large => {
                HeapEntry::Busy { address, size }
            }
            EntryKind::Free | EntryKind::BucketFree => HeapEntry::Free { address, size },
            EntryKind::Uncommitted => HeapEntry::Uncommitted { address, size },
        }
    }
}

impl HeapEntry {
    /// The tag of a block in use: the number that its call gave, or 0x1000 more than its
    /// module's (global flags `htg` and `htd`); 0 for what has none, and without the feature
    /// `debug`. Constant time; any thread may ask ("HeapAlloc", HEAP_TAG_SHIFT).
    pub fn tag(&self) -> u16 {
        match *self {
            #[cfg(feature = "debug")]
            HeapEntry::Busy { address, .. } => crate::heap::debug::tags::of(address),
            _ => 0,
        }
    }
}

/// The walk of a locked heap: [`HeapGuard::walk`]. Allocating and freeing
/// while it goes on is allowed; what changes behind it is not seen, and it
/// ends where its last entry is gone.
#[derive(Debug)]
pub struct HeapWalk<'a> {
    handle: Handle,
    cursor: Cursor,
    guard: PhantomData<&'a HeapGuard<'a>>,
}

impl Iterator for HeapWalk<'_> {
    type Item = HeapEntry;

    fn next(&mut self) -> Option<HeapEntry> {
        let entry = private::walk(self.handle, &mut self.cursor).ok()?;
        Some(entry.into())
    }
}

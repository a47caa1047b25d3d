//! What the process's heaps hold at a time, and what differs at another.

use super::HeapError;
use crate::heap::private::{self, EntryKind};
use crate::vm::{self, Use};
use core::fmt;
use core::iter::Peekable;
use core::ptr;
use core::slice;

/// A block that a heap had handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct HeapBlock {
    /// The heap's address, as [`HeapInfo`](super::HeapInfo) and GetProcessHeaps tell it.
    pub heap: usize,
    /// The block's address.
    pub address: usize,
    /// Bytes that it was asked for.
    pub size: usize,
}

/// What became of a block between two snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeapChange {
    /// It was handed out.
    Appeared(HeapBlock),
    /// It was freed.
    Vanished(HeapBlock),
    /// It has another size, or another block lies where it was.
    Resized {
        /// As it was.
        from: HeapBlock,
        /// As it is.
        to: HeapBlock,
    },
}

/// All blocks of the process's heaps at a time: those of [`Heap`](super::Heap), of
/// HeapCreate, and of the process heap as HeapWalk shows it. Not among them are those of
/// the global allocator, and of heaps without a lock, such as
/// [`LocalHeap`](super::LocalHeap), which another thread may be in.
///
/// Its memory is in no heap, so that taking one changes none. While it is taken, each heap
/// in turn excludes other threads, but for small blocks of sizes in common use; its blocks
/// are one moment's then, and those of each such size are. Nobody makes or ends a heap meanwhile. Takes time with the blocks,
/// and 24 bytes each.
///
/// ```
/// use ntheap::{Heap, HeapChange, HeapSnapshot};
/// use std::alloc::Layout;
///
/// let heap = Heap::new()?;
/// let before = HeapSnapshot::take()?;
/// let leaked = heap.alloc(Layout::from_size_align(4096, 16)?)?;
/// let after = HeapSnapshot::take()?;
/// let appeared: Vec<_> = before
///     .diff(&after)
///     .filter_map(|change| match change {
///         HeapChange::Appeared(block) => Some((block.address, block.size)),
///         _ => None,
///     })
///     .collect();
/// assert!(appeared.contains(&(leaked.addr().get(), 4096)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: "Heap Lists and Heap Walking".
pub struct HeapSnapshot {
    blocks: Blocks,
}

/// An array in memory of its own.
struct Blocks {
    first: *mut HeapBlock,
    count: usize,
    room: usize,
    bytes: usize,
}

// SAFETY: the array is its owner's alone, and blocks are numbers.
unsafe impl Send for Blocks {}
// SAFETY: as above; by reference it is read only.
unsafe impl Sync for Blocks {}

impl Blocks {
    const fn new() -> Blocks {
        Blocks {
            first: ptr::null_mut(),
            count: 0,
            room: 0,
            bytes: 0,
        }
    }

    fn as_slice(&self) -> &[HeapBlock] {
        if self.first.is_null() {
            return &[];
        }
        // SAFETY: so many were written.
        unsafe { slice::from_raw_parts(self.first, self.count) }
    }

    fn as_mut_slice(&mut self) -> &mut [HeapBlock] {
        if self.first.is_null() {
            return &mut [];
        }
        // SAFETY: so many were written, and the array is borrowed.
        unsafe { slice::from_raw_parts_mut(self.first, self.count) }
    }

    fn push(&mut self, block: HeapBlock) -> Result<(), HeapError> {
        if self.count == self.room {
            self.grow()?;
        }
        // SAFETY: there is room behind those that were written.
        unsafe { self.first.add(self.count).write(block) };
        self.count += 1;
        Ok(())
    }

    fn grow(&mut self) -> Result<(), HeapError> {
        let wanted = (self.room * 2).max(1024) * size_of::<HeapBlock>();
        let bytes = vm::round_to_pages(wanted).ok_or(HeapError::OutOfMemory)?;
        let first: *mut HeapBlock = vm::allocate(Use::Metadata, bytes).cast();
        if first.is_null() {
            return Err(HeapError::OutOfMemory);
        }
        let larger = Blocks {
            first,
            count: self.count,
            room: bytes / size_of::<HeapBlock>(),
            bytes,
        };
        if self.count != 0 {
            // SAFETY: the new array has more room than there are.
            unsafe { first.copy_from_nonoverlapping(self.first, self.count) };
        }
        *self = larger;
        Ok(())
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        if !self.first.is_null() {
            // SAFETY: the array's memory, whole, which nobody looks at any more.
            unsafe { vm::give_back(Use::Metadata, self.first.cast(), self.bytes, self.bytes) };
        }
    }
}

impl HeapSnapshot {
    /// Takes one.
    ///
    /// # Errors
    /// [`HeapError::OutOfMemory`].
    pub fn take() -> Result<HeapSnapshot, HeapError> {
        let mut blocks = Blocks::new();
        let mut done = Ok(());
        private::for_each_entry(&mut |heap, entry| {
            let is_busy = matches!(
                entry.kind,
                EntryKind::Busy | EntryKind::BucketBusy | EntryKind::Large
            );
            if is_busy {
                done = blocks.push(HeapBlock {
                    heap: heap.address(),
                    address: entry.data,
                    size: entry.size,
                });
            }
            done.is_ok()
        });
        done?;
        blocks.as_mut_slice().sort_unstable();
        Ok(HeapSnapshot { blocks })
    }

    /// The blocks, by heap and address.
    pub fn blocks(&self) -> &[HeapBlock] {
        self.blocks.as_slice()
    }

    /// What became of the blocks until `later`, by heap and address. Takes time with the
    /// blocks of both.
    pub fn diff<'a>(&'a self, later: &'a HeapSnapshot) -> HeapChanges<'a> {
        HeapChanges {
            before: self.blocks().iter().peekable(),
            after: later.blocks().iter().peekable(),
        }
    }
}

impl fmt::Debug for HeapSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.blocks()).finish()
    }
}

/// What became of blocks between two snapshots.
#[derive(Clone, Debug)]
pub struct HeapChanges<'a> {
    before: Peekable<slice::Iter<'a, HeapBlock>>,
    after: Peekable<slice::Iter<'a, HeapBlock>>,
}

impl Iterator for HeapChanges<'_> {
    type Item = HeapChange;

    fn next(&mut self) -> Option<HeapChange> {
        let place = |block: &HeapBlock| (block.heap, block.address);
        loop {
            match (self.before.peek(), self.after.peek()) {
                (None, None) => return None,
                (Some(from), Some(to)) if place(from) == place(to) => {
                    let (from, to) = (**from, **to);
                    self.before.next();
                    self.after.next();
                    if from != to {
                        return Some(HeapChange::Resized { from, to });
                    }
                }
                (Some(from), to) if to.is_none_or(|to| place(from) < place(to)) => {
                    return self.before.next().copied().map(HeapChange::Vanished);
                }
                _ => return self.after.next().copied().map(HeapChange::Appeared),
            }
        }
    }
}

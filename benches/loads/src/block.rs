//! Blocks straight from the global allocator, and tables of them that lie
//! outside it.

use anyhow::{Result, ensure};
use memmap2::MmapMut;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::hint::black_box;
use std::marker::PhantomData;
use std::mem;
use std::sync::atomic::{AtomicPtr, Ordering::AcqRel};

/// Every block starts on such an address, and is at least twice as large.
const ALIGN: usize = 8;

/// A block, or none. Its first eight bytes hold a stamp made of its address
/// and size, so that a block which overlaps another is found out when either
/// is freed. Dropping the value leaks the block.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Block {
    address: *mut u8,
    size: usize,
}

// SAFETY: a `Block` is the only value that leads to its memory, as a `Box` is,
// and the global allocator takes blocks from any thread.
unsafe impl Send for Block {}

impl Block {
    pub(crate) const NONE: Block = Block {
        address: std::ptr::null_mut(),
        size: 0,
    };

    /// A new block of at least 16 bytes.
    #[inline(always)]
    pub(crate) fn new(size: usize) -> Block {
        let layout = Self::layout(size);
        // SAFETY: the size is not 0, as `layout` sees to.
        let address = unsafe { alloc(layout) };
        if address.is_null() {
            handle_alloc_error(layout);
        }
        // From here on anybody may know the address, so the block must exist.
        black_box(address);
        let block = Block {
            address,
            size: layout.size(),
        };
        // SAFETY: the block is 16 bytes or more at a multiple of 8, and this
        // value's alone.
        unsafe { address.cast::<usize>().write(block.stamp()) };
        block
    }

    /// Frees the block, if this is one. Whether the stamp was intact.
    #[inline(always)]
    #[must_use]
    pub(crate) fn free(self) -> bool {
        if self.address.is_null() {
            return true;
        }
        // All memory may have changed here, so the stamp must be read.
        black_box(());
        // SAFETY: `new` is where addresses that are not null come from; it has
        // written these eight bytes.
        let intact = unsafe { self.address.cast::<usize>().read() } == self.stamp();
        // SAFETY: allocated with this layout by `new`; `self`, of which there
        // is no copy, ends here.
        unsafe { dealloc(self.address, Self::layout(self.size)) };
        intact
    }

    /// Writes a byte to every page of the block, behind the stamp.
    #[inline]
    pub(crate) fn touch(&mut self) {
        let Some(last) = self.size.checked_sub(1) else {
            return;
        };
        for offset in (ALIGN..last).step_by(4096).chain([last]) {
            // SAFETY: the offset is inside of the block, which is this
            // value's alone: only `NONE` has a size of 0.
            unsafe { self.address.add(offset).write_volatile(1) };
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    #[inline(always)]
    fn stamp(&self) -> usize {
        self.address.addr() ^ self.size.rotate_left(48)
    }

    #[inline(always)]
    fn layout(size: usize) -> Layout {
        match Layout::from_size_align(size.max(2 * ALIGN), ALIGN) {
            Ok(layout) => layout,
            Err(_) => panic!("a block of {size} bytes"),
        }
    }
}

/// A place for one block that threads share.
#[derive(Debug, Default)]
pub(crate) struct Place(AtomicPtr<u8>);

impl Place {
    /// Puts a block here; what was here before.
    #[inline(always)]
    pub(crate) fn swap(&self, new: Block) -> Block {
        if !new.address.is_null() {
            // SAFETY: a block has 16 bytes at a multiple of 8, the second half
            // of which `Block` leaves alone.
            unsafe { new.address.cast::<usize>().add(1).write(new.size) };
        }
        let address = self.0.swap(new.address, AcqRel);
        if address.is_null() {
            return Block::NONE;
        }
        // SAFETY: the block was put here by `swap`, which wrote the size, and
        // whoever takes it from here is alone with it.
        let size = unsafe { address.cast::<usize>().add(1).read() };
        Block { address, size }
    }
}

/// Types whose value of all zero bytes is valid.
///
/// # Safety
///
/// It is.
pub(crate) unsafe trait ZeroIsValid {}

// SAFETY: a null pointer and 0: `Block::NONE`.
unsafe impl ZeroIsValid for Block {}
// SAFETY: 0.
unsafe impl ZeroIsValid for u64 {}

/// An array in a mapping of its own: what a load needs to remember its blocks
/// is not served by the allocator it tries. Elements are not dropped.
#[derive(Debug)]
pub(crate) struct Table<T> {
    map: MmapMut,
    length: usize,
    elements: PhantomData<T>,
}

impl<T: ZeroIsValid> Table<T> {
    /// `length` elements of zero bytes.
    pub(crate) fn new(length: usize) -> Result<Self> {
        const { assert!(mem::align_of::<T>() <= 4096) };
        Ok(Table {
            map: MmapMut::map_anon((length * mem::size_of::<T>()).max(1))?,
            length,
            elements: PhantomData,
        })
    }
}

impl<T: ZeroIsValid> std::ops::Deref for Table<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the mapping starts on a page, was made large enough for
        // `length` elements, and holds zero bytes, which are valid elements,
        // and what was written through `deref_mut`.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.length) }
    }
}

impl<T: ZeroIsValid> std::ops::DerefMut for Table<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; the table is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().cast(), self.length) }
    }
}

impl Table<Block> {
    /// Frees all blocks, in the table's order. The number of damaged ones.
    #[inline(always)]
    pub(crate) fn free_all(&mut self) -> u64 {
        let mut damaged = 0;
        for slot in self.iter_mut() {
            damaged += u64::from(!mem::replace(slot, Block::NONE).free());
        }
        damaged
    }
}

/// What a load says of the blocks it found.
pub(crate) fn ensure_intact(damaged: u64) -> Result<()> {
    ensure!(damaged == 0, "{damaged} blocks had lost their contents");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_was_overwritten_is_found() {
        for size in [1, 16, 100, 5000] {
            let mut block = Block::new(size);
            assert_eq!(block.size(), size.max(16));
            block.touch();
            assert!(block.free());
            let block = Block::new(size);
            // SAFETY: the block has 16 bytes at least.
            unsafe { block.address.add(3).write(!block.address.add(3).read()) };
            assert!(!block.free());
        }
        assert!(Block::NONE.free());
    }

    #[test]
    fn a_place_gives_back_what_was_put_there() {
        let place = Place::default();
        assert_eq!(place.swap(Block::new(16)).size(), 0);
        let first = place.swap(Block::new(5000));
        assert_eq!(first.size(), 16);
        assert!(first.free());
        assert!(place.swap(Block::NONE).free());
        assert_eq!(place.swap(Block::NONE).size(), 0);
    }

    #[test]
    fn a_table_keeps_what_is_put_into_it() {
        let mut table = Table::<Block>::new(1000).unwrap();
        assert!(table.iter().all(|block| block.size() == 0));
        for (i, slot) in table.iter_mut().enumerate() {
            *slot = Block::new(i);
        }
        assert_eq!(table[999].size(), 999);
        assert_eq!(table.free_all(), 0);
        assert_eq!(table[999].size(), 0);
        assert!(Table::<u64>::new(0).unwrap().is_empty());
    }
}

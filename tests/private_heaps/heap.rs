//! A heap as the tests use it.

use ntheap::heap::private::{self, Cursor, Entry, Error, Handle, Settings, Shape, flags};
use ntheap::sys;
use std::ptr::NonNull;

/// A heap, destroyed when it is dropped.
pub(crate) struct TestHeap(pub(crate) Handle);

impl Drop for TestHeap {
    fn drop(&mut self) {
        // SAFETY: the tests drop a heap when they are through with it.
        unsafe { private::destroy(self.0).unwrap() };
    }
}

impl TestHeap {
    /// HeapCreate(0, 0, 0).
    pub(crate) fn new() -> TestHeap {
        TestHeap::with(&Settings::DEFAULT)
    }

    pub(crate) fn with(settings: &Settings<'_>) -> TestHeap {
        TestHeap::try_with(settings).unwrap()
    }

    pub(crate) fn try_with(settings: &Settings<'_>) -> Result<TestHeap, Error> {
        // SAFETY: memory that a test gives is the heap's for as long as it lives.
        unsafe { private::create(settings) }.map(TestHeap)
    }

    pub(crate) fn flagged(flags: u32) -> TestHeap {
        TestHeap::with(&Settings {
            flags,
            ..Settings::DEFAULT
        })
    }

    pub(crate) fn shaped(shape: Shape) -> TestHeap {
        TestHeap::with(&Settings {
            shape,
            ..Settings::DEFAULT
        })
    }

    pub(crate) fn try_allocate(&self, flags: u32, size: usize) -> Result<usize, Error> {
        // SAFETY: no test is in a heap without serialization twice at a time.
        unsafe { private::allocate(self.0, flags, size) }.map(address)
    }

    /// A block that must be had.
    pub(crate) fn allocate(&self, size: usize) -> usize {
        self.try_allocate(0, size).unwrap()
    }

    pub(crate) fn reallocate(&self, flags: u32, block: usize, size: usize) -> Result<usize, Error> {
        // SAFETY: the tests use no block that was given up.
        unsafe { private::reallocate(self.0, flags, pointer(block), size) }.map(address)
    }

    pub(crate) fn in_place(&self, block: usize, size: usize) -> Result<usize, Error> {
        self.reallocate(flags::REALLOC_IN_PLACE_ONLY, block, size)
    }

    pub(crate) fn free(&self, block: usize) -> Result<(), Error> {
        // SAFETY: as above.
        unsafe { private::free(self.0, 0, pointer(block)) }
    }

    pub(crate) fn size(&self, block: usize) -> Result<usize, Error> {
        private::size_of(self.0, 0, pointer(block))
    }

    pub(crate) fn is_valid(&self, block: usize) -> bool {
        private::validate(self.0, 0, pointer(block))
    }

    pub(crate) fn walk(&self) -> Vec<Entry> {
        let mut cursor = Cursor::START;
        let mut entries = Vec::new();
        loop {
            match private::walk(self.0, &mut cursor) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    assert_eq!(error, Error::NoMore);
                    return entries;
                }
            }
        }
    }

    pub(crate) fn base(&self) -> usize {
        self.0.address()
    }
}

fn address(block: NonNull<u8>) -> usize {
    block.as_ptr().expose_provenance()
}

pub(crate) fn pointer(address: usize) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(address)
}

/// The bytes of a block.
pub(crate) fn bytes<'a>(block: usize, size: usize) -> &'a mut [u8] {
    // SAFETY: the tests ask for blocks of theirs.
    unsafe { std::slice::from_raw_parts_mut(pointer(block), size) }
}

pub(crate) fn fill(block: usize, size: usize, seed: usize) {
    for (at, byte) in bytes(block, size).iter_mut().enumerate() {
        *byte = (at ^ seed) as u8;
    }
}

pub(crate) fn is_filled(block: usize, size: usize, seed: usize) -> bool {
    (0..)
        .zip(bytes(block, size))
        .all(|(at, byte): (usize, _)| *byte == (at ^ seed) as u8)
}

/// An address where nothing is mapped.
pub(crate) fn unmapped() -> usize {
    let place = sys::reserve(sys::GRANULARITY, sys::GRANULARITY);
    let address = place.addr();
    // SAFETY: reserved just now, and nobody's.
    assert!(unsafe { sys::release(place, sys::GRANULARITY) });
    address
}

//! The module's only unsafe code: pages of the system as cells.
//!
//! [`Bytes`] is an arena, [`Table`] the records about its blocks. Both hand out
//! slices of [`Cell`]s, which many may hold at a time and write through: a wrong
//! offset anywhere else reads or writes the wrong byte of the arena, and never
//! one that is not the arena's.

#![allow(unsafe_code)]

use crate::vm::{self, Use};
use core::cell::Cell;
use core::marker::PhantomData;
use core::slice;

/// Committed pages, zero at first, that go back when this is dropped.
struct Pages {
    base: *mut u8,
    size: usize,
}

impl Pages {
    fn new(of: Use, bytes: usize) -> Option<Pages> {
        let size = vm::round_to_pages(bytes.max(1))?;
        let base = vm::allocate(of, size);
        (!base.is_null()).then_some(Pages { base, size })
    }

    fn release(&self, of: Use) {
        // SAFETY: the region is this value's own, whole and committed; every
        // slice of it borrows its owner, which is being dropped.
        unsafe { vm::give_back(of, self.base, self.size, self.size) };
    }
}

/// The bytes of an arena.
pub(super) struct Bytes {
    pages: Pages,
    length: usize,
}

impl Bytes {
    /// `length` bytes of zero; `None` when the system has none to give.
    pub(super) fn new(length: usize) -> Option<Bytes> {
        let pages = Pages::new(Use::Program, length)?;
        Some(Bytes { pages, length })
    }

    pub(super) fn cells(&self) -> &[Cell<u8>] {
        // SAFETY: the pages are committed, at least `length` bytes, and live as
        // long as `self`; a cell of a byte has a byte's layout, and all access
        // is through cells or by `shift` and `fill`, from the one thread that
        // has the value: it is neither Send nor Sync.
        unsafe { slice::from_raw_parts(self.pages.base.cast::<Cell<u8>>(), self.length) }
    }

    /// Copies `length` bytes from one offset to another; the ranges may overlap.
    /// Nothing if one of them leaves the arena.
    pub(super) fn shift(&self, from: usize, to: usize, length: usize) {
        let cells = self.cells();
        let within = |at: usize| cells.get(at..at.checked_add(length)?);
        if let (Some(source), Some(target)) = (within(from), within(to)) {
            let target = target.as_ptr().cast::<u8>().cast_mut();
            // SAFETY: both ranges were just cut out of the arena, and cells may
            // be written through a shared reference on their one thread.
            unsafe { target.copy_from(source.as_ptr().cast::<u8>(), length) };
        }
    }

    /// Sets `length` bytes from an offset to `byte`; nothing if they leave the
    /// arena.
    pub(super) fn fill(&self, at: usize, length: usize, byte: u8) {
        let end = at.saturating_add(length);
        if let Some(range) = self.cells().get(at..end) {
            let target = range.as_ptr().cast::<u8>().cast_mut();
            // SAFETY: as in `shift`.
            unsafe { target.write_bytes(byte, length) };
        }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        self.pages.release(Use::Program);
    }
}

/// A list of records that grows up to a fixed capacity and never moves. A page
/// of it takes memory once it is written to.
pub(super) struct Table<T: Copy> {
    pages: Pages,
    capacity: usize,
    length: Cell<usize>,
    of: PhantomData<Cell<T>>,
}

impl<T: Copy> Table<T> {
    /// An empty list; `None` when the system has no memory for it.
    pub(super) fn new(capacity: usize) -> Option<Table<T>> {
        let pages = Pages::new(Use::Metadata, capacity.checked_mul(size_of::<T>())?)?;
        Some(Table {
            pages,
            capacity,
            length: Cell::new(0),
            of: PhantomData,
        })
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn cells(&self) -> &[Cell<T>] {
        // SAFETY: the first `length` records were written by `push`; the pages
        // have room for `capacity` of them, are aligned to a page, and live as
        // long as `self`, which no other thread has.
        unsafe { slice::from_raw_parts(self.pages.base.cast::<Cell<T>>(), self.length.get()) }
    }

    /// Adds a record; false when the list is full.
    pub(super) fn push(&self, record: T) -> bool {
        let length = self.length.get();
        if length >= self.capacity {
            return false;
        }
        // SAFETY: the place is within the pages and behind every slice that was
        // handed out.
        unsafe { self.pages.base.cast::<T>().add(length).write(record) };
        self.length.set(length + 1);
        true
    }
}

impl<T: Copy> Drop for Table<T> {
    fn drop(&mut self) {
        self.pages.release(Use::Metadata);
    }
}

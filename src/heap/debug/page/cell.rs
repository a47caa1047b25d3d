//! Cells: the pages of a block, and the record of what lies there.
//!
//! ```text
//!   address --> page's number --> PAGES[number] --> cell's number --> record
//! ```
//!
//! Both tables are sparse address space that is committed as it grows, never
//! moved and never given back: whoever has an address finds its record without a
//! lock, in a signal handler too. A record's fields are atomics for that
//! reason; they are written by the one thread that has taken the cell, before the
//! state says so.

use super::state::{State, StateWord};
use crate::vm::guarded::{Guarded, Guards};
use crate::vm::{self, Use};
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Bytes by which tables grow.
const PIECE: usize = 64 * 1024;

/// A cell's record.
#[repr(C, align(128))]
pub(in crate::heap) struct Cell {
    /// The cell's first address.
    pub(super) base: AtomicUsize,
    /// Its pages, the last one, which stays shut, included.
    pub(super) pages: AtomicU32,
    /// The next cell of the list that it is on, by its number; 0 for none.
    pub(super) next: AtomicU32,
    /// The block's first byte.
    pub(super) start: AtomicUsize,
    /// Bytes asked for.
    pub(super) size: AtomicUsize,
    /// The opened pages.
    pub(super) first: AtomicUsize,
    pub(super) last: AtomicUsize,
    /// The heap's handle, 0 for malloc's own.
    pub(super) heap: AtomicUsize,
    /// The program's settable value.
    pub(in crate::heap) value: AtomicUsize,
    /// Counts allocations: of two blocks, which came first.
    pub(super) sequence: AtomicU64,
    pub(super) thread: AtomicU64,
    pub(super) freeing_thread: AtomicU64,
    /// Numbers of stacks, 0 for none.
    pub(super) stack: AtomicU32,
    pub(super) freeing_stack: AtomicU32,
    state: StateWord,
    /// The settable flags, and in bit 0 whether there is a settable value.
    pub(in crate::heap) info: AtomicU8,
    /// Whether the block lies at the start of its pages.
    pub(super) is_backwards: AtomicU8,
    /// Whether a freed block's pages could not be shut: they are [`Cell::first`] to
    /// [`Cell::last`] until the next block.
    pub(super) is_open: AtomicU8,
}

/// What is known of a cell at some moment.
#[derive(Clone, Copy, Debug)]
pub(in crate::heap) struct View {
    /// The block's first byte.
    pub(in crate::heap) start: usize,
    /// Bytes asked for.
    pub(in crate::heap) size: usize,
    /// What the cell holds.
    pub(in crate::heap) state: State,
    /// The heap's handle.
    pub(in crate::heap) heap: usize,
    /// The threads that allocated and freed it.
    pub(in crate::heap) threads: (u64, u64),
    /// The numbers of their stacks.
    pub(in crate::heap) stacks: (u32, u32),
    /// Whether it lies in no cell, for want of one.
    pub(in crate::heap) lacks_guards: bool,
}

impl Cell {
    /// What the cell holds.
    pub(in crate::heap) fn state(&self) -> State {
        self.state.get()
    }

    /// The block's first byte.
    pub(in crate::heap) fn start(&self) -> usize {
        self.start.load(Ordering::Relaxed)
    }

    /// Bytes asked for.
    pub(in crate::heap) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// The heap's handle; 0 for malloc's own.
    pub(in crate::heap) fn heap(&self) -> usize {
        self.heap.load(Ordering::Relaxed)
    }

    /// Sets what it holds. The caller has the cell.
    pub(super) fn set_state(&self, state: State) {
        self.state.set(state);
    }

    /// Takes a busy block away from whoever else frees it at the same time.
    pub(super) fn leave(&self) -> bool {
        self.state.leave()
    }

    /// What is known of it.
    pub(in crate::heap) fn view(&self) -> View {
        View {
            state: self.state(),
            start: self.start.load(Ordering::Relaxed),
            size: self.size.load(Ordering::Relaxed),
            heap: self.heap.load(Ordering::Relaxed),
            threads: (
                self.thread.load(Ordering::Relaxed),
                self.freeing_thread.load(Ordering::Relaxed),
            ),
            stacks: (
                self.stack.load(Ordering::Relaxed),
                self.freeing_stack.load(Ordering::Relaxed),
            ),
            lacks_guards: false,
        }
    }
}

/// A sparse table, committed from its start on.
struct Table {
    base: AtomicUsize,
    size: AtomicUsize,
    committed: AtomicUsize,
}

impl Table {
    const fn new() -> Table {
        Table {
            base: AtomicUsize::new(0),
            size: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
        }
    }

    fn begin(&self, size: usize) -> bool {
        let size = size.next_multiple_of(PIECE);
        let base = vm::reserve(Use::Metadata, size, vm::GRANULARITY);
        self.size.store(size, Ordering::Relaxed);
        self.base.store(base.expose_provenance(), Ordering::Release);
        !base.is_null()
    }

    /// Its first address and the one behind its last; 0 and 0 if there is none.
    fn range(&self) -> [usize; 2] {
        match self.base.load(Ordering::Acquire) {
            0 => [0; 2],
            base => [base, base + self.size.load(Ordering::Relaxed)],
        }
    }

    /// Commits the first `end` bytes. One thread at a time.
    fn make_ready(&self, end: usize) -> bool {
        let committed = self.committed.load(Ordering::Relaxed);
        if end <= committed {
            return true;
        }
        if end > self.size.load(Ordering::Relaxed) {
            return false;
        }
        let end = end.next_multiple_of(PIECE);
        let base = self.base.load(Ordering::Relaxed) + committed;
        let at = core::ptr::with_exposed_provenance_mut(base);
        // SAFETY: what follows the committed part is reserved by this table and
        // not committed; its size is whole pieces.
        if !unsafe { vm::commit(Use::Metadata, at, end - committed) } {
            return false;
        }
        self.committed.store(end, Ordering::Release);
        true
    }

    /// The element at `index`, if it is committed.
    ///
    /// # Safety
    /// `T` is what the table holds: all zeros are a `T`, and it is changed through
    /// atomics alone.
    unsafe fn get<T>(&self, index: usize) -> Option<&'static T> {
        let at = index * size_of::<T>();
        if at + size_of::<T>() > self.committed.load(Ordering::Acquire) {
            return None;
        }
        let base = self.base.load(Ordering::Relaxed);
        let element = core::ptr::with_exposed_provenance::<T>(base + at);
        // SAFETY: committed memory of the table, never given back, at a multiple of
        // the element's size from a multiple of 64 KiB; the caller's promise is
        // the rest.
        Some(unsafe { &*element })
    }
}

/// The address space that cells are made of, and the tables of them.
pub(super) struct Area {
    pages: Guarded,
    by_page: Table,
    cells: Table,
    /// Pages that are in cells.
    used: AtomicUsize,
    /// Cells that were made; the first has the number 1.
    count: AtomicU32,
}

impl Area {
    pub(super) const fn new() -> Area {
        Area {
            pages: Guarded::new(),
            by_page: Table::new(),
            cells: Table::new(),
            used: AtomicUsize::new(0),
            count: AtomicU32::new(0),
        }
    }

    /// Reserves up to `most` bytes; see [`Guarded::begin`]. False when the system refuses.
    pub(super) fn begin(&self, most: usize, guards: Guards, low: Option<u64>) -> bool {
        if !self.pages.begin(most, guards, low) {
            return false;
        }
        let pages = self.pages.size() / vm::page_size();
        // A cell has two pages at least.
        self.by_page.begin(pages * size_of::<AtomicU32>())
            && self.cells.begin((pages / 2 + 1) * size_of::<Cell>())
            && self.pages.make_ready(vm::page_size())
            // The first page belongs to no cell: a guard before the first block.
            && self.by_page.make_ready(size_of::<AtomicU32>())
            && {
                self.used.store(1, Ordering::Relaxed);
                true
            }
    }

    /// How the pages are guarded.
    #[cfg(unix)]
    pub(super) fn guards(&self) -> Guards {
        self.pages.guards()
    }

    /// Pages of the whole address space.
    pub(super) fn pages(&self) -> usize {
        self.pages.size() / vm::page_size()
    }

    /// Makes a cell of `pages` pages. One thread at a time. `None` when there is
    /// no more address space, or the system refuses.
    pub(super) fn make(&self, pages: usize) -> Option<u32> {
        let page = vm::page_size();
        let first = self.used.load(Ordering::Relaxed);
        let end = first.checked_add(pages)?;
        let number = self.count.load(Ordering::Relaxed).checked_add(1)?;
        let index = number as usize;
        if !self.pages.make_ready(end.checked_mul(page)?)
            || !self.by_page.make_ready(end * size_of::<AtomicU32>())
            || !self.cells.make_ready((index + 1) * size_of::<Cell>())
        {
            return None;
        }
        let cell = self.cell(number)?;
        cell.base
            .store(self.pages.base() + first * page, Ordering::Relaxed);
        cell.pages
            .store(u32::try_from(pages).ok()?, Ordering::Relaxed);
        for index in first..end {
            // SAFETY: the table's elements are such atomics.
            let entry = unsafe { self.by_page.get::<AtomicU32>(index) };
            entry?.store(number, Ordering::Release);
        }
        self.used.store(end, Ordering::Relaxed);
        self.count.store(number, Ordering::Release);
        Some(number)
    }

    /// A cell by its number.
    pub(super) fn cell(&self, number: u32) -> Option<&'static Cell> {
        if number == 0 {
            return None;
        }
        // SAFETY: the table's elements are cells, for which all zeros will do.
        unsafe { self.cells.get(number as usize) }
    }

    /// How many cells were made; the last one's number.
    pub(super) fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// Its first address and the one behind its last; 0 and 0 before it began.
    pub(super) fn range(&self) -> [usize; 2] {
        match self.pages.base() {
            0 => [0; 2],
            base => [base, base + self.pages.size()],
        }
    }

    /// The same of its two tables.
    pub(super) fn tables(&self) -> [[usize; 2]; 2] {
        [&self.by_page, &self.cells].map(Table::range)
    }

    /// Whether an address lies in the area.
    #[inline]
    pub(super) fn has(&self, address: usize) -> bool {
        let base = self.pages.base();
        base != 0 && address.wrapping_sub(base) < self.pages.size()
    }

    /// The number of the cell that an address lies in; 0 for none.
    pub(super) fn number_at(&self, address: usize) -> u32 {
        if !self.has(address) {
            return 0;
        }
        let index = (address - self.pages.base()) / vm::page_size();
        // SAFETY: the table's elements are such atomics.
        let entry = unsafe { self.by_page.get::<AtomicU32>(index) };
        entry.map_or(0, |entry| entry.load(Ordering::Acquire))
    }

    /// Opens the cell's window; see [`Guarded::open`].
    ///
    /// # Safety
    /// The window is shut, in a cell of the caller's.
    pub(super) unsafe fn open(&self, window: (usize, usize)) -> bool {
        // SAFETY: the caller's promise; a cell's pages were made ready.
        unsafe { self.pages.open(window.0, window.1 - window.0) }
    }

    /// Shuts it again; see [`Guarded::shut`].
    ///
    /// # Safety
    /// The window was opened, in a cell of the caller's, and its contents are
    /// dead.
    pub(super) unsafe fn shut(&self, window: (usize, usize)) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.pages.shut(window.0, window.1 - window.0) }
    }
}

//! Page heap: blocks in pages of their own, with pages beside them that fault.
//!
//! ```text
//!   cell n                               cell n + 1
//!   | data ... block | suffix | guard |  | data ... block | suffix | guard |
//!   |<---- window: opened --->|          shut while nothing is in it
//! ```
//!
//! Everything lies in one reservation of which all pages fault but those of
//! windows (`vm::guarded`). A *cell* is a run of pages that one block has at a time;
//! its last page is never opened. Allocating opens the window, one system call;
//! freeing shuts it, one more, and gives its memory back. A freed block's cell is
//! kept from use in a queue, so that an access by an old pointer faults.
//!
//! - place.rs: where a block lies and what is written around it
//! - cell.rs: from any address to the record of what lies there, without a lock
//! - store.rs: lists of cells, and the queue
//! - report.rs: what is said of damage, of wrong frees and of faults
//!
//! Invariants:
//! - No record lies in a block's pages. What is written there for debuggers is
//!   compared, never believed.
//! - A cell belongs to one thread at a time: whoever took it off a list, or took
//!   its block's state from busy to leaving.
//! - Reports are raised with no lock held.
//!
//! Two callers share it: full page heap, all of whose blocks lie here, and sampled
//! guarding (sample.rs), of whose allocations few do.

mod cell;
mod place;
mod report;
mod state;
mod store;

pub(in crate::heap) use cell::{Cell, View};
pub(in crate::heap) use place::{
    FREED, FRESH, Finding, Information, PREFIX, Rule, SUFFIX, Stamps, check_prefix, fill,
    write_prefix,
};
#[cfg(unix)]
pub(in crate::heap::debug) use report::fault as report_fault;
pub(in crate::heap) use report::{finding as report_finding, stranger as report_stranger};
pub(in crate::heap) use state::State;
pub(in crate::heap) use store::{Bounds, Figures};

use crate::report::Stop;
use crate::vm::guarded::Guards;
use crate::vm::page_size;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use place::BUSY;
use store::Store;

static STORE: Store = Store::new();

/// Whether there is anything here.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// An allocation.
#[derive(Clone, Copy, Debug)]
pub(in crate::heap) struct Request {
    /// The heap's handle; 0 for malloc's own.
    pub(in crate::heap) heap: usize,
    /// Bytes.
    pub(in crate::heap) size: usize,
    /// A power of two.
    pub(in crate::heap) align: usize,
    /// Where the block is to lie.
    pub(in crate::heap) rule: Rule,
    /// Its settable flags, and in bit 0 whether it has a settable value.
    pub(in crate::heap) info: u8,
    /// The number of the allocation's stack, 0 for none.
    pub(in crate::heap) stack: u32,
    /// Whether it is zeroed, or else filled.
    pub(in crate::heap) is_zero: bool,
    /// Whether it is one of a sample.
    pub(in crate::heap) is_sample: bool,
}

/// Begins: reserves up to `space` bytes for blocks and their guards, at low addresses if
/// `low` has a number drawn by chance, and there is room. False when the system refuses.
/// Once, before any other call.
pub(in crate::heap) fn begin(
    space: usize,
    guards: Guards,
    low: Option<u64>,
    bounds: Bounds,
) -> bool {
    let done = STORE.area.begin(space, guards, low);
    #[cfg_attr(not(unix), allow(unused_mut, reason = "only there are mappings few"))]
    let mut bounds = bounds;
    #[cfg(unix)]
    if done && STORE.area.guards() == Guards::Mappings {
        // A block's pages are a mapping, and so is what is between them and the next
        // one's. A quarter of them is left to the program and to blocks without guards.
        bounds.busy = bounds.busy.min(crate::sys::mapping_limit() / 8 * 3);
    }
    STORE.set_bounds(bounds);
    IS_ON.store(done, Ordering::Release);
    done
}

/// Whether [`begin`] was called.
#[inline]
pub(in crate::heap) fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// The lock, for the fork handlers.
pub(in crate::heap) fn lock() -> &'static crate::sync::Lock {
    STORE.lock()
}

/// Figures of this moment.
pub(in crate::heap) fn figures() -> Figures {
    STORE.figures()
}

/// Page heap's address space: its first address and the one behind its last; 0 and 0 if there
/// is none.
pub(in crate::heap) fn range() -> [usize; 2] {
    STORE.area.range()
}

/// The addresses of page heap's two tables, as `range`'s.
pub(in crate::heap) fn tables() -> [[usize; 2]; 2] {
    STORE.area.tables()
}

/// Whether an address lies in page heap's address space.
#[inline]
pub(in crate::heap) fn has(address: usize) -> bool {
    is_on() && STORE.area.has(address)
}

/// Whether there could be room for a block if nothing else were here.
pub(in crate::heap) fn could_hold(request: &Request) -> bool {
    let Request {
        size, align, rule, ..
    } = *request;
    place::pages_for(size, align, rule, page_size()).is_some_and(|pages| STORE.could_have(pages))
}

/// A block with guards; null when there is no room: too many are in use, the
/// address space is used up, or the system refuses.
pub(in crate::heap) fn allocate(request: &Request) -> *mut u8 {
    let Some(made) = make(request) else {
        return ptr::null_mut();
    };
    let block = made.appear();
    made_room();
    block
}

/// A block that is written and that nobody can find yet.
#[must_use]
pub(in crate::heap) struct Made(&'static Cell);

impl Made {
    /// Where it will be.
    pub(in crate::heap) fn start(&self) -> usize {
        self.0.start()
    }

    /// Has walks and frees find the block. Whoever holds a heap's lock may call this,
    /// and [`made_room`] when it is given back.
    pub(in crate::heap) fn appear(self) -> *mut u8 {
        STORE.count(self.0);
        self.0.set_state(State::Busy);
        ptr::with_exposed_provenance_mut(self.0.start())
    }
}

/// Lets blocks go that were kept long enough, after one has appeared. No lock may be held.
pub(in crate::heap) fn made_room() {
    release_overdue(false);
}

/// [`allocate`], but for [`Made::appear`]; `None` when there is no room. No lock may be
/// held.
pub(in crate::heap) fn make(request: &Request) -> Option<Made> {
    super::witness::still_catch();
    let page = page_size();
    let (size, align) = (request.size, request.align);
    let pages = place::pages_for(size, align, request.rule, page)?;
    if !STORE.has_room() {
        return None;
    }
    let (number, sequence) = loop {
        match STORE.take(pages) {
            Some(taken) => break taken,
            // What is kept gives way before an allocation fails that could succeed.
            None if STORE.could_have(pages) && release_overdue(true) => {}
            None => return None,
        }
    };
    let cell = STORE.area.cell(number)?;
    let base = cell.base.load(Ordering::Relaxed);
    let pages = cell.pages.load(Ordering::Relaxed) as usize;
    let mut placed = place::place(base, pages, size, align, request.rule, page);
    // SAFETY: the cell is this thread's, and what is in no block's window is shut.
    if !unsafe { open(cell, &mut placed.window) } {
        STORE.give_back(number);
        return None;
    }
    let is_backwards = request.rule == Rule::Start;
    cell.start.store(placed.start, Ordering::Relaxed);
    cell.size.store(size, Ordering::Relaxed);
    cell.first.store(placed.window.0, Ordering::Relaxed);
    cell.last.store(placed.window.1, Ordering::Relaxed);
    cell.heap.store(request.heap, Ordering::Relaxed);
    cell.sequence.store(sequence, Ordering::Relaxed);
    cell.thread
        .store(crate::sys::thread_id(), Ordering::Relaxed);
    cell.freeing_thread.store(0, Ordering::Relaxed);
    cell.stack.store(request.stack, Ordering::Relaxed);
    cell.info.store(request.info, Ordering::Relaxed);
    cell.value.store(0, Ordering::Relaxed);
    cell.freeing_stack.store(0, Ordering::Relaxed);
    cell.is_backwards
        .store(u8::from(is_backwards), Ordering::Relaxed);
    cell.is_open.store(0, Ordering::Relaxed);
    let end = placed.start + size;
    // SAFETY: all in the window just opened, which is this thread's. A block that
    // does not lie backwards has room for its prefix before it.
    unsafe {
        if !is_backwards {
            place::write_prefix(placed.start, &information(cell), BUSY);
        }
        // A sample is not to change what a program reads: fresh pages are zero, as
        // they are from malloc.
        if !request.is_zero && !request.is_sample {
            place::fill(placed.start..end, FRESH);
        }
        place::fill(end..placed.window.1, SUFFIX);
    }
    Some(Made(cell))
}

/// Opens a cell's window. One that could not be shut when its last block left is part of
/// it then: its bytes are zero, and the cell's last page faults as ever, but what lies before
/// the block need not. False when the system refuses.
///
/// # Safety
/// The cell is the caller's, and holds nothing.
unsafe fn open(cell: &Cell, window: &mut (usize, usize)) -> bool {
    if cell.is_open.load(Ordering::Relaxed) == 0 {
        // SAFETY: the caller's promise: all of the cell is shut.
        return unsafe { STORE.area.open(*window) };
    }
    let is = (
        cell.first.load(Ordering::Relaxed),
        cell.last.load(Ordering::Relaxed),
    );
    let all = (is.0.min(window.0), is.1.max(window.1));
    // What could be opened stays open, should the rest be refused.
    if all.0 < is.0 {
        // SAFETY: the caller's promise: what is outside of the open window is shut.
        if !unsafe { STORE.area.open((all.0, is.0)) } {
            return false;
        }
        cell.first.store(all.0, Ordering::Relaxed);
    }
    if all.1 > is.1 {
        // SAFETY: as above.
        if !unsafe { STORE.area.open((is.1, all.1)) } {
            return false;
        }
        cell.last.store(all.1, Ordering::Relaxed);
    }
    // SAFETY: these bytes are open, and of the caller's cell. The others are fresh.
    unsafe { place::fill(is.0..is.1, 0) };
    *window = all;
    true
}

/// What the prefix of a cell's block says.
fn information(cell: &Cell) -> Information {
    let (first, last) = (
        cell.first.load(Ordering::Relaxed),
        cell.last.load(Ordering::Relaxed),
    );
    Information {
        heap: cell.heap.load(Ordering::Relaxed),
        size: cell.size.load(Ordering::Relaxed),
        taken: last - first,
        stack: cell.stack.load(Ordering::Relaxed),
    }
}

/// The cell that an address lies in, if it holds something or did.
pub(in crate::heap) fn cell_of(address: usize) -> Option<&'static Cell> {
    if !has(address) {
        return None;
    }
    let (_, cell) = cell_at(address)?;
    (cell.start() != 0).then_some(cell)
}

/// Visits the cells of a heap that hold a busy block, from the cell number `after` on,
/// with their numbers, until `visit` says false.
pub(in crate::heap) fn for_each_busy(
    heap: usize,
    after: u32,
    visit: &mut dyn FnMut(u32, &'static Cell) -> bool,
) {
    let mut number = after;
    while let Some(next) = number.checked_add(1)
        && let Some(cell) = STORE.area.cell(next)
        && next <= STORE.area.count()
    {
        number = next;
        if cell.state() == State::Busy && cell.heap() == heap && !visit(number, cell) {
            return;
        }
    }
}

/// The number of the cell that an address lies in.
pub(in crate::heap) fn number_at(address: usize) -> Option<u32> {
    has(address).then(|| STORE.area.number_at(address))
}

/// The cell that an address lies in, and its number.
fn cell_at(address: usize) -> Option<(u32, &'static Cell)> {
    let number = STORE.area.number_at(address);
    Some((number, STORE.area.cell(number)?))
}

/// The busy block that starts at `address`.
pub(in crate::heap) fn busy_at(address: usize) -> Option<View> {
    let (_, cell) = cell_at(address)?;
    let view = cell.view();
    (view.state == State::Busy && view.start == address).then_some(view)
}

/// What the cell holds, or held last, that an address lies in.
pub(in crate::heap) fn view_at(address: usize) -> Option<View> {
    let (_, cell) = cell_at(address)?;
    let view = cell.view();
    (view.start != 0).then_some(view)
}

/// The block that an address lies in or beside, as reports show it.
pub(in crate::heap) fn block_at(address: usize) -> Option<crate::report::Block> {
    view_at(address).as_ref().map(report::block_of)
}

/// A block as reports show it.
pub(in crate::heap) fn block_in(view: &View) -> crate::report::Block {
    report::block_of(view)
}

/// A cell's block, as reports show it.
pub(in crate::heap) fn block_of(cell: &Cell) -> crate::report::Block {
    report::block_of(&cell.view())
}

/// Frees the block that starts at `address`, which lies in page heap's address
/// space, as called from the stack of this number; reports what is no busy block,
/// and damage, as found by `operation`. False for what is no busy block.
///
/// # Safety
/// If it is a block's, nobody uses the block any more.
pub(in crate::heap) unsafe fn free(operation: &str, address: usize, stack: u32) -> bool {
    // SAFETY: the caller's promise.
    match unsafe { take(address, stack) } {
        Some(freed) => {
            freed.finish(operation);
            true
        }
        None => {
            report::stranger(operation, address);
            false
        }
    }
}

/// A freed block, of which something may have to be said.
#[must_use]
pub(in crate::heap) struct Freed(Option<(View, Finding)>);

impl Freed {
    /// Says it, and lets blocks go that were kept long enough. No lock may be held.
    pub(in crate::heap) fn finish(self, operation: &str) {
        if let Some((view, finding)) = self.0 {
            report::finding(operation, &view, &finding);
        }
        release_overdue(false);
    }
}

/// [`free`] for whoever holds a heap's lock; `None` for what is no busy block.
///
/// # Safety
/// As for [`free`].
pub(in crate::heap) unsafe fn take(address: usize, stack: u32) -> Option<Freed> {
    let (number, cell) = cell_at(address)
        .filter(|(_, cell)| cell.start.load(Ordering::Relaxed) == address && cell.leave())?;
    cell.freeing_thread
        .store(crate::sys::thread_id(), Ordering::Relaxed);
    cell.freeing_stack.store(stack, Ordering::Relaxed);
    // SAFETY: the block was busy, so its window is open, and it is this thread's
    // now.
    let freed = Freed(unsafe { check(cell) }.map(|finding| (cell.view(), finding)));
    let window = (
        cell.first.load(Ordering::Relaxed),
        cell.last.load(Ordering::Relaxed),
    );
    // SAFETY: as above; nobody uses the block any more.
    unsafe {
        if !STORE.area.shut(window) {
            // The kernel's limit of mappings. What can be written to is looked at
            // before it is used again.
            cell.is_open.store(1, Ordering::Relaxed);
            place::fill(window.0..window.1, FREED);
        }
    }
    STORE.keep(number);
    Some(freed)
}

/// What is wrong with what was written around a block.
///
/// # Safety
/// The cell's window is open, and its block is the caller's.
unsafe fn check(cell: &Cell) -> Option<Finding> {
    let start = cell.start();
    let end = start + cell.size();
    let (first, last) = (
        cell.first.load(Ordering::Relaxed),
        cell.last.load(Ordering::Relaxed),
    );
    // SAFETY: all in the window.
    unsafe {
        if cell.is_backwards.load(Ordering::Relaxed) == 0 {
            // Fresh pages are zero.
            let before = first..start - PREFIX;
            let found = place::check_prefix(start, &information(cell), BUSY)
                .or_else(|| Finding::look(Stop::CorruptedHeapBlockPrefix, before, [0; 4]));
            if found.is_some() {
                return found;
            }
        }
        Finding::look(Stop::CorruptedHeapBlockSuffix, end..last, [SUFFIX; 4])
    }
}

/// Checks what was written around a busy block; true if it is as it was. Reports
/// nothing.
///
/// # Safety
/// The block that starts at `address` is busy, and stays so.
pub(in crate::heap) unsafe fn is_sound(address: usize) -> bool {
    // SAFETY: the caller's promise.
    cell_at(address).is_some_and(|(_, cell)| unsafe { check(cell) }.is_none())
}

/// Takes blocks out of the queue until no more is kept than may be; at least one if
/// `is_wanted`. False if there was none.
fn release_overdue(is_wanted: bool) -> bool {
    let mut is_wanted = is_wanted;
    let mut any = false;
    while let Some(number) = STORE.overdue(is_wanted) {
        is_wanted = false;
        any = true;
        let Some(cell) = STORE.area.cell(number) else {
            continue;
        };
        if cell.is_open.load(Ordering::Relaxed) == 0 {
            STORE.give_back(number);
            continue;
        }
        let window = (
            cell.first.load(Ordering::Relaxed),
            cell.last.load(Ordering::Relaxed),
        );
        // SAFETY: the cell is this thread's, and its window is open.
        let found = unsafe {
            let window = window.0..window.1;
            Finding::look(Stop::CorruptedFreedHeapBlock, window, [FREED; 4])
        };
        if let Some(finding) = found {
            report::finding("delayed free", &cell.view(), &finding);
        }
        // SAFETY: as above.
        if unsafe { STORE.area.shut(window) } {
            cell.is_open.store(0, Ordering::Relaxed);
        }
        STORE.give_back(number);
    }
    any
}

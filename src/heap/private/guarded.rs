//! Blocks with guard pages, of heaps made while page heap is on.
//!
//! Which of a heap's blocks get guards is chosen block by block: by size and by
//! chance, as the options say. The others are placed as in any heap. Everything
//! finds a guarded block by its address (lookup.rs), and so frees, sizes and walks need
//! not know how it was chosen.

use super::heap::{self, PrivateHeap};
use super::lookup::Found;
use super::{Error, flags};
use crate::config::Action;
use crate::heap::debug::page::{self, Cell, Request, Rule, State};
use crate::heap::debug::{self, stacks};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

/// A guarded block, if the heap has page heap, the block is chosen, and there is room
/// for it.
pub(super) fn place(
    heap: &PrivateHeap,
    all: u32,
    info: u8,
    size: usize,
    align: usize,
    stack: u32,
) -> Option<NonNull<u8>> {
    if heap.flags.load(Ordering::Relaxed) & flags::PAGE_ALLOCS == 0 || !is_chosen(size) {
        return None;
    }
    let options = &debug::options().page;
    let rule = match (options.backwards, options.unaligned) {
        (true, _) => Rule::Start,
        (false, true) if align <= 16 => Rule::Exact,
        (false, _) => Rule::End,
    };
    NonNull::new(page::allocate(&Request {
        heap: heap.handle().address(),
        size,
        align,
        rule,
        info,
        stack,
        is_zero: all & flags::ZERO_MEMORY != 0,
        is_sample: false,
    }))
}

/// Whether a block of this size gets guards.
fn is_chosen(size: usize) -> bool {
    if !page::is_on() {
        return false;
    }
    let options = &debug::options().page;
    let (least, most) = options.sizes;
    (least..=most).contains(&size)
        && (options.percent >= 100 || random() % 100 < u64::from(options.percent))
}

/// A number by chance: not for secrets.
fn random() -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0);
    if STATE.load(Ordering::Relaxed) == 0 {
        STATE.store(crate::sys::random() | 1, Ordering::Relaxed);
    }
    debug::sample::mixed(STATE.fetch_add(debug::sample::STEP, Ordering::Relaxed))
}

/// What lies at an address that no descriptor leads to.
pub(super) fn look(address: usize) -> Found {
    let Some(cell) = page::cell_of(address) else {
        return Found::Nothing;
    };
    match heap::at(cell.heap()) {
        Ok(heap) => Found::Guarded(cell, heap),
        Err(_) => Found::Nothing,
    }
}

/// Whether the cell's block is busy and starts at `address`; why not.
pub(super) fn check_busy(cell: &Cell, address: usize) -> Result<(), Error> {
    match cell.state() {
        State::Busy if cell.start() == address => Ok(()),
        State::Busy => Err(Error::NotABlock),
        State::Empty | State::Leaving | State::Kept => Err(Error::AlreadyFree),
    }
}

/// Frees a guarded block of the heap.
///
/// # Safety
/// If it is busy, nobody uses it any more.
pub(super) unsafe fn free(heap: &PrivateHeap, block: *mut u8, stack: u32) -> Result<(), Error> {
    let operation = if heap.handle().takes_mallocs() {
        "free"
    } else {
        "HeapFree"
    };
    // SAFETY: the caller's promise.
    let done = unsafe { page::free(operation, block.addr(), stack) };
    done.then_some(()).ok_or(Error::AlreadyFree)
}

/// Ends all guarded blocks of a heap that is destroyed.
///
/// # Safety
/// Nobody uses them any more.
pub(super) unsafe fn end(heap: &PrivateHeap) {
    if !page::is_on() {
        return;
    }
    let stack = stacks::capture();
    page::for_each_busy(heap.handle().address(), 0, &mut |_, cell| {
        // SAFETY: the caller's promise.
        unsafe { page::free("HeapDestroy", cell.start(), stack) };
        true
    });
}

/// Whether what was written around the heap's guarded blocks is as it was.
pub(super) fn are_sound(heap: &PrivateHeap) -> bool {
    let mut are = true;
    if page::is_on() {
        page::for_each_busy(heap.handle().address(), 0, &mut |_, cell| {
            // SAFETY: a busy block of the heap, which is locked or one thread's. A
            // block that its owner frees at this moment is the program's race.
            are &= unsafe { page::is_sound(cell.start()) };
            are
        });
    }
    are
}

/// What reports show of a heap.
pub(in crate::heap) struct Shown {
    /// Its name.
    pub(in crate::heap) name: &'static str,
    /// What follows a report; `None`: there is to be none.
    pub(in crate::heap) action: Option<Action>,
}

/// What reports show of the heap of a handle; `None` if it is gone. Takes no lock.
pub(in crate::heap) fn shown(handle: usize) -> Option<Shown> {
    let heap = heap::at(handle).ok()?;
    Some(Shown {
        name: heap.name(),
        action: heap.action(),
    })
}

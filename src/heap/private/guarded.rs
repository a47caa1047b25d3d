//! Page heap's blocks, of heaps made while it is on: guarded ones, in pages of their own
//! (full page heap), and those with patterns about them (light.rs).
//!
//! Which of a heap's blocks get guards is chosen block by block: by size, by chance and
//! by the module that asks, as the options say; the others, and all for which there is no room among the
//! guards, are light ones. A guarded block is found by its address, a light one by its
//! record, so that frees, sizes and walks need not know how it was chosen.

use super::heap::{self, PrivateHeap};
use super::lookup::{Block, Found};
use super::region::HEAP_HEADER;
use super::walk::{Cursor, Entry, EntryKind};
use super::watched::Caller;
use super::{Error, flags, light};
use crate::config::Action;
use crate::heap::debug::page::{self, Cell, Request, Rule, State};
use crate::heap::debug::registry::{self, Family, Record};
use crate::heap::debug::{self, modules, stacks};
use crate::heap::splitmix;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes of the largest block of a heap with page heap. All of a block is written to
/// when it is made, which other heaps leave to the program.
const LARGEST: usize = match 1usize.checked_shl(37) {
    Some(bytes) => bytes,
    None => usize::MAX,
};

/// What lies at the handle of a heap with page heap.
const HEADER_FILL: u8 = 0xEE;

/// A block of a heap with page heap, with its record; `None` for other heaps.
pub(super) fn place(
    heap: &'static PrivateHeap,
    all: u32,
    info: u8,
    size: usize,
    align: usize,
    caller: Caller,
) -> Option<Result<NonNull<u8>, Error>> {
    if !has_pages(heap) {
        return None;
    }
    if size > LARGEST {
        return Some(Err(Error::NoMemory));
    }
    let mut is_wanting = is_chosen(size) && modules::are_for(caller.stack);
    if is_wanting {
        match place_guarded(heap, all, info, size, align, caller) {
            Some(Ok(block)) => return Some(Ok(block)),
            // No page heap could ever have it.
            Some(Err(())) => is_wanting = false,
            None => {}
        }
    }
    Some(light::place(
        heap,
        all,
        info,
        (size, align),
        caller,
        is_wanting,
    ))
}

/// Fills what lies at a heap's handle as page heap does, where other heaps have their
/// header.
///
/// # Safety
/// The heap is just being made, and its first region begins at `start`.
pub(super) unsafe fn begin(heap: &PrivateHeap, start: usize) {
    if has_pages(heap) {
        // SAFETY: a heap's header is committed, and nothing lies in it.
        unsafe { page::fill(start..start + HEAP_HEADER, HEADER_FILL) };
    }
}

/// Whether the heap has page heap.
#[inline]
pub(super) fn has_pages(heap: &PrivateHeap) -> bool {
    heap.flags.load(Ordering::Relaxed) & flags::PAGE_ALLOCS != 0
}

/// A guarded block, if there is room for it; an error where there never could be.
fn place_guarded(
    heap: &PrivateHeap,
    all: u32,
    info: u8,
    size: usize,
    align: usize,
    caller: Caller,
) -> Option<Result<NonNull<u8>, ()>> {
    if !page::is_on() {
        tell_of_no_room();
        return None;
    }
    let options = &debug::options().page;
    let rule = match (options.backwards, options.unaligned) {
        (true, _) => Rule::Start,
        (false, true) if align <= 16 => Rule::Exact,
        (false, _) => Rule::End,
    };
    let request = Request {
        heap: heap.handle().address(),
        size,
        align,
        rule,
        info,
        stack: caller.stack,
        is_zero: all & flags::ZERO_MEMORY != 0,
        is_sample: false,
    };
    if !page::could_hold(&request) {
        return Some(Err(()));
    }
    let Some(made) = page::make(&request) else {
        tell_of_no_room();
        return None;
    };
    let record = Record {
        stack: caller.stack,
        thread: caller.thread,
        sequence: registry::next_sequence(),
        family: Family::Heap,
        align: align.trailing_zeros() as u8,
        ..Record::busy(made.start(), size, request.heap)
    };
    // Whoever holds the heap may look at its blocks: none comes meanwhile.
    let core = heap.enter(all);
    registry::insert(&record);
    let block = made.appear();
    drop(core);
    page::made_room();
    NonNull::new(block).map(Ok)
}

/// Says, once, that blocks have no guards from here on.
#[cold]
fn tell_of_no_room() {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        crate::sys::write_stderr(
            b"ntheap: page heap: the system has no more pages with guards to give; \
              from here on blocks have patterns around them instead\n",
        );
    }
}

/// Whether a block of this size gets guards.
fn is_chosen(size: usize) -> bool {
    let options = &debug::options().page;
    let (least, most) = options.sizes;
    !options.light
        && (least..=most).contains(&size)
        && (options.percent >= 100 || random() % 100 < u64::from(options.percent))
}

/// A number by chance: not for secrets.
fn random() -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0);
    if STATE.load(Ordering::Relaxed) == 0 {
        STATE.store(crate::sys::random() | 1, Ordering::Relaxed);
    }
    splitmix::mixed(STATE.fetch_add(splitmix::STEP, Ordering::Relaxed))
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

/// Frees a guarded or a light block of the heap; `None` if there is none at the
/// address.
///
/// # Safety
/// If it is busy, nobody uses it any more.
pub(super) unsafe fn free(
    operation: &str,
    heap: &'static PrivateHeap,
    call_flags: u32,
    block: *mut u8,
    caller: Caller,
) -> Option<Result<(), Error>> {
    if !has_pages(heap) {
        return None;
    }
    let address = block.addr();
    if let Found::Guarded(cell, owner) = look(address) {
        if !core::ptr::eq(owner, heap) {
            return Some(Err(Error::OtherHeap));
        }
        // Whoever holds the heap may look at its blocks, this one too.
        let core = heap.enter(call_flags);
        if let Err(error) = check_busy(cell, address) {
            return Some(Err(error));
        }
        registry::update(address, |record| {
            record.state = registry::State::Freed;
            record.free_stack = caller.stack;
            record.free_thread = caller.thread;
        });
        // SAFETY: the caller's promise.
        let freed = unsafe { page::take(address, caller.stack) };
        drop(core);
        return Some(
            freed
                .map(|freed| freed.finish(operation))
                .ok_or(Error::AlreadyFree),
        );
    }
    // SAFETY: the caller's promise.
    unsafe { light::free(operation, heap, call_flags, address, caller) }
}

/// Ends all guarded and light blocks of a heap that is destroyed.
///
/// # Safety
/// Nobody uses them any more.
pub(super) unsafe fn end(heap: &PrivateHeap) {
    if !has_pages(heap) {
        return;
    }
    light::end(heap);
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

/// Whether what was written around the heap's guarded and light blocks is as it was.
pub(super) fn are_sound(heap: &PrivateHeap) -> bool {
    let mut are = true;
    if page::is_on() {
        page::for_each_busy(heap.handle().address(), 0, &mut |_, cell| {
            // SAFETY: a busy block of the heap, which is locked or one thread's, so
            // that it is not freed meanwhile.
            are &= unsafe { page::is_sound(cell.start()) };
            are
        });
    }
    are && (!has_pages(heap) || light::are_sound(heap))
}

/// Whether what was written about the guarded or light block of the heap at `address` is
/// as it was; true where there is none.
pub(super) fn is_sound_at(heap: &PrivateHeap, address: usize) -> bool {
    if !has_pages(heap) {
        return true;
    }
    match look(address) {
        Found::Guarded(cell, _) if check_busy(cell, address).is_ok() => {
            // SAFETY: the block is busy, and its owner's is this call.
            unsafe { page::is_sound(address) }
        }
        _ => light::is_sound_at(heap, address),
    }
}

/// The entry of a walk after `cursor`'s, of a heap with page heap: what `after` has of
/// regions and large blocks, light ones as the program has them and kept ones left out;
/// then the guarded ones.
pub(super) fn next_entry(
    heap: &PrivateHeap,
    cursor: Cursor,
    mut after: impl FnMut(Cursor) -> Result<Entry, Error>,
) -> Result<Entry, Error> {
    if let Some(number) = page::number_at(cursor.data) {
        return guarded_after(heap, number);
    }
    let mut cursor = cursor;
    if cursor.flags & EntryKind::BUSY != 0 {
        cursor.data = light::outer(heap, cursor.data);
    }
    loop {
        let entry = match after(cursor) {
            Err(Error::NoMore) => return guarded_after(heap, 0),
            other => other?,
        };
        let is_busy = entry.kind.flags() & EntryKind::BUSY != 0;
        let inner = light::inner(heap, entry.data).filter(|_| is_busy);
        match inner {
            None => return Ok(entry),
            Some(record) if record.state == registry::State::Busy => {
                let beside = entry.size.saturating_sub(record.size);
                return Ok(Entry {
                    data: record.start,
                    size: record.size,
                    overhead: entry.overhead.saturating_add(beside.min(255) as u8),
                    ..entry
                });
            }
            Some(_) => {
                cursor = Cursor {
                    data: entry.data,
                    flags: entry.kind.flags(),
                };
            }
        }
    }
}

fn guarded_after(heap: &PrivateHeap, number: u32) -> Result<Entry, Error> {
    let mut found = Err(Error::NoMore);
    page::for_each_busy(heap.handle().address(), number, &mut |_, cell| {
        found = Ok(Entry::of_guarded(&Block::Guarded(cell), cell.start()));
        false
    });
    found
}

/// What reports show of a heap.
pub(in crate::heap) struct Shown {
    /// Its name.
    pub(in crate::heap) name: &'static str,
    /// Of a C runtime's heap, an address in its module; else 0.
    pub(in crate::heap) module: usize,
    /// What follows a report; `None`: there is to be none.
    pub(in crate::heap) action: Option<Action>,
}

/// What reports show of the heap of a handle; `None` if it is gone. Takes no lock.
pub(in crate::heap) fn shown(handle: usize) -> Option<Shown> {
    let heap = heap::at(handle).ok()?;
    Some(Shown {
        name: heap.name(),
        module: heap.module,
        action: heap.action(),
    })
}

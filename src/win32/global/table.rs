//! The table of handles: 65,536 entries, reserved at the first handle, committed
//! by the page as they are used, and never given back.

use super::entry::{Entry, Why};
use super::free_list::FreeList;
use crate::sync::{Lock, Mutex, Once};
use crate::vm::{self, Use};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Handles that a process can have, global and local ones together.
pub(super) const ENTRIES: usize = 0x1_0000;
/// Bytes of an entry.
const ENTRY: usize = size_of::<Entry>();
/// Where in its entry a handle leads to.
const HANDLE: usize = 8;

/// The first entry's address; 0 before there is a table.
static BASE: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the table whose entries are in use or were put on the list.
static USED: AtomicUsize = AtomicUsize::new(0);
static FREE: FreeList = FreeList::new();
/// Held to commit more of the table.
static GROWING: Mutex<()> = Mutex::new(());
/// Held by whoever gives a handle other data. Before the table's and the heap's.
static MOVING: Lock = Lock::new();
static FORK: Once = Once::new();

/// Whether a number may be a handle, rather than a block's address: those are
/// multiples of 16.
#[inline(always)]
pub(super) fn is_handle(handle: usize) -> bool {
    handle & HANDLE != 0
}

/// The entry of a handle; `None` where the table has none, free or not.
#[inline(always)]
pub(super) fn find(handle: usize) -> Option<&'static Entry> {
    let base = BASE.load(Ordering::Relaxed);
    let offset = handle.wrapping_sub(base);
    if offset >= USED.load(Ordering::Acquire) || offset % ENTRY != HANDLE {
        return None;
    }
    Some(at(base + offset - HANDLE))
}

/// The entry at an address that is one's.
#[inline(always)]
fn at(address: usize) -> &'static Entry {
    // SAFETY: the callers' address is a committed entry's. Entries are never
    // unmapped, and all of one is atomic.
    unsafe { &*ptr::with_exposed_provenance(address) }
}

/// The number of the entry that a free one names as the next, and one; 0 for
/// none, and for what is no entry's address.
#[inline(always)]
fn number_of(base: usize, address: usize) -> usize {
    let offset = address.wrapping_sub(base);
    if address == 0 { 0 } else { offset / ENTRY + 1 }
}

/// A free entry, which is on no list then, and its handle; `None` when there are
/// no more, or no memory for them.
#[inline(always)]
pub(super) fn take() -> Option<(&'static Entry, usize)> {
    match take_listed() {
        Some(number) => Some(numbered(number)),
        None => take_more(),
    }
}

#[inline(always)]
fn take_listed() -> Option<usize> {
    FREE.pop(|number| {
        // Read after the number, and stored before there was one.
        let base = BASE.load(Ordering::Relaxed);
        number_of(base, at(base + number * ENTRY).next())
    })
}

/// The entry of a number, which some thread has put on the list, and its handle.
#[inline(always)]
fn numbered(number: usize) -> (&'static Entry, usize) {
    let address = BASE.load(Ordering::Relaxed) + number * ENTRY;
    (at(address), address + HANDLE)
}

/// Puts a free entry back that is on no list.
#[inline(always)]
pub(super) fn give(handle: usize) {
    let address = handle - HANDLE;
    let base = BASE.load(Ordering::Relaxed);
    let entry = at(address);
    FREE.push((address - base) / ENTRY, |behind| {
        entry.set_next(address_of(base, behind));
    });
}

fn address_of(base: usize, number_and_one: usize) -> usize {
    match number_and_one {
        0 => 0,
        number => base + (number - 1) * ENTRY,
    }
}

/// As [`take`], when the list was found empty.
#[cold]
#[inline(never)]
fn take_more() -> Option<(&'static Entry, usize)> {
    begin();
    let _growing = GROWING.lock();
    let mut base = BASE.load(Ordering::Relaxed);
    if base == 0 {
        base = vm::reserve(Use::Metadata, ENTRIES * ENTRY, vm::GRANULARITY).expose_provenance();
        if base == 0 {
            return None;
        }
        BASE.store(base, Ordering::Release);
    }
    if let Some(number) = take_listed() {
        return Some(numbered(number));
    }
    let used = USED.load(Ordering::Relaxed);
    let step = vm::page_size();
    if used + step > ENTRIES * ENTRY {
        return None;
    }
    // SAFETY: the table's next pages, which are reserved and whole: a table is a
    // multiple of 64 KiB.
    if !unsafe {
        vm::commit(
            Use::Metadata,
            ptr::with_exposed_provenance_mut(base + used),
            step,
        )
    } {
        return None;
    }
    let (first, last) = (base + used, base + used + step - ENTRY);
    for address in (first + ENTRY..last).step_by(ENTRY) {
        at(address).set_next(address + ENTRY);
    }
    USED.store(used + step, Ordering::Release);
    // The first one is the caller's; the others are a chain.
    FREE.push((first + ENTRY - base) / ENTRY, |behind| {
        at(last).set_next(address_of(base, behind));
    });
    Some((at(first), first + HANDLE))
}

/// Runs a call that gives a handle other data, alone among those.
pub(super) fn while_moving<R>(call: impl FnOnce() -> R) -> R {
    MOVING.acquire();
    let result = call();
    MOVING.release();
    result
}

/// Does `attempt` with an entry, again after each change of it that is under way.
#[inline(always)]
pub(super) fn with<R>(
    entry: &Entry,
    mut attempt: impl FnMut(&Entry) -> Result<R, Why>,
) -> Result<R, Why> {
    loop {
        match attempt(entry) {
            Err(Why::Changing) => while_moving(|| {}),
            done => return done,
        }
    }
}

/// Has a fork wait for changes under way: in the child nobody would end them.
fn begin() {
    if FORK.begin() {
        FORK.end(crate::sys::at_fork(prepare, parent, child));
    }
}

unsafe extern "C" fn prepare() {
    MOVING.acquire();
    GROWING.raw().acquire();
}

unsafe extern "C" fn parent() {
    GROWING.raw().release();
    MOVING.release();
}

unsafe extern "C" fn child() {
    GROWING.raw().reset();
    MOVING.reset();
}

//! The table of handles: 65,536 entries, reserved at the first handle, committed
//! by the page as they are used, and never given back. What is not committed reads
//! 0, as free entries without a link: it need not be told apart.

use super::entry::{Entry, Why};
use super::free_list::{FreeList, HANDLE, REGION};
use crate::heap::private::HeapRef;
use crate::sync::forks::{self, AtFork, Layer};
use crate::sync::{Lock, Mutex};
use crate::vm::{self, Use};
use crate::win32::constants::ERROR_NOT_ENOUGH_MEMORY;
use crate::win32::types::DWORD;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Handles that a process can have, global and local ones together.
pub(super) const ENTRIES: usize = 0x1_0000;
/// Bytes of an entry.
const ENTRY: usize = size_of::<Entry>();
/// Where in the region the entries begin: at no distance of 0.
const FIRST: usize = vm::GRANULARITY;
const _: () = assert!(FIRST + ENTRIES * ENTRY <= REGION);
const _: () = assert!(ENTRY == 2 * HANDLE);

/// What each call looks at.
#[repr(C, align(64))]
struct Table {
    /// The first handle; before there is one, [`NOWHERE`]. Written once.
    first: AtomicUsize,
    /// How many there are; 0 before. Written once, after the first.
    count: AtomicUsize,
    free: FreeList,
    /// Where the region begins, and [`HANDLE`] more; 0 before there is one.
    base: AtomicUsize,
    /// The process heap, which is there before an entry is.
    heap: AtomicPtr<()>,
}

/// A place where no handle lies, nor anything else: who finds this and already the
/// number of handles takes no number that a program can have for one, null least.
const NOWHERE: usize = 1 << (usize::BITS - 2);

static TABLE: Table = Table {
    first: AtomicUsize::new(NOWHERE),
    count: AtomicUsize::new(0),
    free: FreeList::new(),
    base: AtomicUsize::new(0),
    heap: AtomicPtr::new(ptr::null_mut()),
};
/// Entries that are in use or were put on the list; held to commit more.
static GROWING: Mutex<usize> = Mutex::new(0);
/// Held by whoever gives a handle other data. Before the table's and the heap's.
static MOVING: Lock = Lock::new();

/// Whether a number may be a handle, rather than a block's address: those are
/// multiples of 16.
#[inline(always)]
pub(super) fn is_handle(handle: usize) -> bool {
    handle & HANDLE != 0
}

/// Whether a number is a handle of the table's, free or not.
#[inline(always)]
pub(super) fn has(handle: usize) -> bool {
    // SAFETY: both are written once, before the first handle is made, which whoever
    // has one has seen. Others may find either as it was, and so that there is none.
    // Read like this, both fold into the instructions that use them.
    let (first, count) = unsafe { (TABLE.first.as_ptr().read(), TABLE.count.as_ptr().read()) };
    // Handles lie 16 apart: the low bits of any other distance make it too long.
    handle.wrapping_sub(first).rotate_right(4) < count
}

/// The entry of a handle of the table's.
#[inline(always)]
pub(super) fn of(handle: usize) -> &'static Entry {
    // SAFETY: the callers' handle is of a committed entry. Entries are never
    // unmapped, and all of one is atomic.
    unsafe { &*ptr::with_exposed_provenance(handle.wrapping_sub(HANDLE)) }
}

/// The process heap, once there was a handle.
///
/// # Safety
/// An entry was taken or found before.
#[inline(always)]
pub(super) unsafe fn heap() -> HeapRef {
    // SAFETY: it was stored before the first entry was entered, and lives for ever.
    unsafe { HeapRef::from_ptr(TABLE.heap.load(Ordering::Relaxed)).unwrap_unchecked() }
}

/// The handle of a free entry that is on no list then; `None` when none is at
/// hand.
#[inline(always)]
pub(super) fn take_at_hand() -> Option<usize> {
    let base = || TABLE.base.load(Ordering::Relaxed);
    TABLE.free.try_pop(base, |handle| of(handle).link())
}

/// As [`take_at_hand`]; the last error when there are no more, or no memory.
pub(super) fn take() -> Result<usize, DWORD> {
    match take_at_hand() {
        Some(handle) => Ok(handle),
        None => take_more(),
    }
}

/// Puts a free entry back that is on no list, by its handle.
#[inline(always)]
pub(super) fn give(handle: usize) {
    TABLE.free.push(handle, |next| of(handle).set_link(next));
}

/// Ends a handle; its data, and whether the entry is on the list now. If not, it is
/// to be given back.
#[inline(always)]
pub(super) fn try_close(handle: usize) -> Result<(*mut u8, bool), Why> {
    let place = TABLE.free.place(handle);
    let data = of(handle).try_close(place.next)?;
    Ok((data, TABLE.free.try_push(place)))
}

/// As [`take`], when none was at hand.
#[cold]
#[inline(never)]
fn take_more() -> Result<usize, DWORD> {
    let heap = super::heap()?;
    hold_across_forks();
    let mut entries = GROWING.lock();
    let base = || TABLE.base.load(Ordering::Relaxed);
    if base() == 0 {
        // Twice as much as is used, for a region at its multiple to lie in it.
        let reserved = vm::reserve_readable(Use::Metadata, 2 * REGION).expose_provenance();
        if reserved == 0 {
            return Err(ERROR_NOT_ENOUGH_MEMORY);
        }
        let region = reserved.next_multiple_of(REGION);
        TABLE.heap.store(heap.as_ptr(), Ordering::Relaxed);
        let base = region + HANDLE;
        TABLE.base.store(base, Ordering::Relaxed);
        TABLE.first.store(base + FIRST, Ordering::Relaxed);
        TABLE.count.store(ENTRIES, Ordering::Release);
    }
    if let Some(handle) = TABLE.free.pop(base, |handle| of(handle).link()) {
        return Ok(handle);
    }
    let more = vm::page_size() / ENTRY;
    if *entries + more > ENTRIES {
        return Err(ERROR_NOT_ENOUGH_MEMORY);
    }
    let first = base() + FIRST + *entries * ENTRY;
    let last = first + (more - 1) * ENTRY;
    // SAFETY: the table's next page, which is reserved: entries begin at a multiple
    // of 64 KiB and are so many bytes, too.
    let is_committed = unsafe {
        let page = ptr::with_exposed_provenance_mut(first - HANDLE);
        vm::commit(Use::Metadata, page, more * ENTRY)
    };
    if !is_committed {
        return Err(ERROR_NOT_ENOUGH_MEMORY);
    }
    *entries += more;
    let second = first + ENTRY;
    for handle in (second..last).step_by(ENTRY) {
        of(handle).set_link(handle + ENTRY - HANDLE);
    }
    // The first one is the caller's; the others are a chain.
    TABLE.free.push(second, |next| of(last).set_link(next));
    Ok(first)
}

/// Runs a call that gives a handle other data, alone among those.
pub(super) fn while_moving<R>(call: impl FnOnce() -> R) -> R {
    MOVING.acquire();
    let result = call();
    MOVING.release();
    result
}

/// Does `attempt` with an entry, again when another thread comes between, and
/// after each change of it that is under way.
pub(super) fn with<R>(
    entry: &Entry,
    mut attempt: impl FnMut(&Entry) -> Result<R, Why>,
) -> Result<R, Why> {
    loop {
        match attempt(entry) {
            Err(Why::Raced) => {}
            Err(Why::Changing) => while_moving(|| {}),
            done => return done,
        }
    }
}

/// Has a fork wait for changes under way: in the child nobody would end them.
fn hold_across_forks() {
    static FORK: AtFork = AtFork::locks(&[&MOVING, GROWING.raw()]);
    forks::hold(Layer::Moveable, &FORK);
}

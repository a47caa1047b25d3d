//! Memory for the allocator's own records: magazines, thread caches, large
//! blocks' descriptors.
//!
//! A bump allocator over regions of its own, the first of which lies behind the
//! root record, so that no record ever lies near user memory. Records are small
//! and their owners keep lists of free ones; nothing goes back to the system.

use crate::sync::Mutex;
use crate::vm::{self, Use};

/// Bytes of one region; a record is far smaller.
const REGION: usize = 4 * 1024 * 1024;
/// Bytes of the first one where the root record has no room: each of the next has twice as many as
/// the one before, so that little is taken from blocks where address space is short.
const FIRST: usize = REGION / 16;
/// Bytes committed at a time: neighbours merge into one mapping.
const STEP: usize = 64 * 1024;

/// Bytes at a region's start that say where the one before it is, and how many
/// bytes this one has: an outsider tells records from a program's data by them.
pub(super) const LINK: usize = 64;

struct Arena {
    /// The newest region; 0 for none.
    newest: usize,
    at: usize,
    committed: usize,
    end: usize,
}

impl Arena {
    /// Bytes that the next region is to have.
    fn next_region(&self) -> usize {
        if self.newest == 0 {
            return FIRST;
        }
        let newest = core::ptr::with_exposed_provenance::<[usize; 2]>(self.newest);
        // SAFETY: a region begins with such a link, and stays.
        let [_, bytes] = unsafe { newest.read() };
        (2 * bytes).next_multiple_of(STEP).min(REGION)
    }

    /// Goes on with a region.
    ///
    /// # Safety
    /// `[base, end)` is the arena's for ever, [`LINK`] bytes of it at least, is zero and aligned
    /// to 64, and is committed up to `committed`, behind the link; from there to the end it is a
    /// multiple of [`STEP`].
    unsafe fn open(&mut self, base: *mut u8, committed: usize, end: usize) {
        debug_assert!((end - committed).is_multiple_of(STEP));
        let link = [self.newest, end - base.addr()];
        // SAFETY: the caller's region begins with room for the link, which is committed.
        unsafe { base.cast::<[usize; 2]>().write(link) };
        self.newest = base.expose_provenance();
        self.at = self.newest + LINK;
        self.committed = committed;
        self.end = end;
        vm::root::set_anchor(vm::root::Anchor::Records, self.newest);
    }
}

static ARENA: Mutex<Arena> = Mutex::new(Arena {
    newest: 0,
    at: 0,
    committed: 0,
    end: 0,
});

/// The arena's lock, for the fork handlers.
pub(super) fn lock() -> &'static crate::sync::Lock {
    ARENA.raw()
}

/// `size` bytes of zero at a multiple of 64, for ever; null when the system
/// has none to give.
pub(super) fn allocate(size: usize) -> *mut u8 {
    allocate_aligned(size, 64)
}

/// [`allocate`] at a multiple of `align`, which is one of 64 and divides 64 KiB.
pub(super) fn allocate_aligned(size: usize, align: usize) -> *mut u8 {
    let size = size.next_multiple_of(64);
    let mut arena = ARENA.lock();
    if arena.newest == 0
        && let Some(room) = vm::root::take_room()
    {
        // SAFETY: the room is the arena's for ever, and what its first words lie in is committed.
        unsafe { arena.open(room.start, room.committed, room.end) };
    }
    // What lies before it is nobody's, unless a region begins anew.
    arena.at = arena.at.next_multiple_of(align).min(arena.end);
    if arena.end - arena.at < size {
        let least = (size + align.max(LINK)).next_multiple_of(STEP);
        let mut region = arena.next_region().max(least);
        let base = loop {
            let base = vm::reserve(Use::Metadata, region, vm::GRANULARITY);
            if !base.is_null() || region <= least {
                break base;
            }
            region = (region / 4).next_multiple_of(STEP).max(least);
        };
        if base.is_null() {
            return base;
        }
        // SAFETY: the region is ours, whole, unused and not committed.
        unsafe {
            if !vm::commit(Use::Metadata, base, STEP) {
                vm::give_back(Use::Metadata, base, region, 0);
                return core::ptr::null_mut();
            }
            arena.open(base, base.addr() + STEP, base.addr() + region);
        }
        arena.at = arena.at.next_multiple_of(align);
    }
    while arena.committed < arena.at + size {
        let fresh = core::ptr::with_exposed_provenance_mut(arena.committed);
        // SAFETY: `[committed, end)` is the uncommitted rest of the region,
        // a multiple of STEP since it was opened, and the lock makes it ours.
        if !unsafe { vm::commit(Use::Metadata, fresh, STEP) } {
            return core::ptr::null_mut();
        }
        arena.committed += STEP;
    }
    let record = core::ptr::with_exposed_provenance_mut(arena.at);
    arena.at += size;
    record
}

/// A stack of free records of one kind, linked through their first word.
pub(super) struct FreeList {
    head: *mut u8,
}

// SAFETY: the records on the list belong to the list, whichever thread has it.
unsafe impl Send for FreeList {}

impl FreeList {
    /// No records.
    pub(super) const fn new() -> Self {
        FreeList {
            head: core::ptr::null_mut(),
        }
    }

    /// Takes a record off the list, contents undefined; null when empty.
    pub(super) fn pop(&mut self) -> *mut u8 {
        let head = self.head;
        if !head.is_null() {
            // SAFETY: every record on the list holds the next one's address
            // in its first word.
            self.head = unsafe { head.cast::<*mut u8>().read() };
        }
        head
    }

    /// Puts a record on the list.
    ///
    /// # Safety
    /// The record came from [`allocate`], is at least one word, and nobody
    /// uses it any more.
    pub(super) unsafe fn push(&mut self, record: *mut u8) {
        // SAFETY: the record is the list's now.
        unsafe { record.cast::<*mut u8>().write(self.head) };
        self.head = record;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_end_where_a_step_does() {
        assert!(vm::root::publish(usize::MAX));
        assert!(!allocate(64).is_null());
        let arena = ARENA.lock();
        assert!(arena.committed <= arena.end && arena.committed.is_multiple_of(STEP));
        let mut region = arena.newest;
        while region != 0 {
            // SAFETY: a region begins with where the one before it is and its own length.
            let [before, bytes] =
                unsafe { core::ptr::with_exposed_provenance::<[usize; 2]>(region).read() };
            assert!(
                (region + bytes).is_multiple_of(STEP),
                "{region:#x}: {bytes}"
            );
            region = before;
        }
    }
}

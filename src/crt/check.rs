//! Looking at the runtime's heap: is it sound, what blocks are there, and giving
//! back what it does not need.

use super::instance::Crt;
use crate::heap::private::{self, Cursor, EntryKind, Handle};
use core::ptr;

/// The heap was not used yet. Nothing here answers so: whoever looks at a heap makes
/// it, and a heap that has no block is sound.
pub const HEAPEMPTY: i32 = -1;
/// All is well.
pub const HEAPOK: i32 = -2;
/// The heap's first header is bad, or there is no heap.
pub const HEAPBADBEGIN: i32 = -3;
/// A block of the heap is bad.
pub const HEAPBADNODE: i32 = -4;
/// A walk is over.
pub const HEAPEND: i32 = -5;
/// The walk's place is none of the heap's.
pub const HEAPBADPTR: i32 = -6;

/// An entry that is free.
pub const FREEENTRY: i32 = 0;
/// An entry that is in use.
pub const USEDENTRY: i32 = 1;

/// One entry of a walk (`_HEAPINFO`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct HeapInfo {
    /// The entry's first byte; null starts a walk.
    pub entry: *mut i32,
    /// Its bytes.
    pub size: usize,
    /// [`FREEENTRY`] or [`USEDENTRY`].
    pub use_flag: i32,
}

impl Crt {
    /// `_heapchk`: [`HEAPOK`], or what is wrong with the heap. Takes time with its
    /// size ("_heapchk").
    pub fn heapchk(&self) -> i32 {
        match self.runtime() {
            Some((runtime, heap)) if runtime.validate(heap, ptr::null()) => HEAPOK,
            Some(_) => HEAPBADNODE,
            None => HEAPBADBEGIN,
        }
    }

    /// `_heapset`: [`Crt::heapchk`], and if all is well every free entry is filled
    /// with `fill`'s low byte, but for pages that were given back to the system
    /// and for blocks that the low-fragmentation heap keeps ("_heapset").
    pub fn heapset(&self, fill: u32) -> i32 {
        let found = self.heapchk();
        if found == HEAPOK
            && let Some((runtime, heap)) = self.runtime()
        {
            runtime.fill_free(heap, fill as u8);
        }
        found
    }

    /// `_heapwalk`: moves `info` on to the heap's next entry, in use or free.
    /// [`HEAPOK`]; [`HEAPEND`] after the last one; [`HEAPBADPTR`] where `info` is
    /// at no place of this heap; [`HEAPBADNODE`] where it is at no entry (any
    /// more). The order is that of addresses within a region ("_heapwalk").
    pub fn heapwalk(&self, info: &mut HeapInfo) -> i32 {
        match self.runtime() {
            Some((runtime, heap)) => runtime.walk(heap, info),
            None => HEAPBADBEGIN,
        }
    }

    /// `_heapmin`: gives the heap's free pages back to the system, as far as that
    /// takes them. False where there is no heap, and no memory for one
    /// ("_heapmin").
    pub fn heapmin(&self) -> bool {
        self.runtime()
            .is_some_and(|(runtime, heap)| runtime.compact(heap))
    }
}

/// [`Crt::heapwalk`] of one of this copy's heaps.
pub(super) fn walk(heap: Handle, info: &mut HeapInfo) -> i32 {
    let mut cursor = Cursor {
        data: info.entry.addr(),
        flags: if info.use_flag == USEDENTRY {
            EntryKind::BUSY
        } else {
            0
        },
    };
    if info.entry.is_null() {
        cursor = Cursor::START;
    } else if private::owner_of(cursor.data) != Some(heap) {
        return HEAPBADPTR;
    }
    loop {
        let entry = match private::walk(heap, &mut cursor) {
            Ok(entry) => entry,
            Err(private::Error::NoMore) => return HEAPEND,
            Err(_) => return HEAPBADNODE,
        };
        let use_flag = match entry.kind {
            EntryKind::Free | EntryKind::BucketFree => FREEENTRY,
            EntryKind::Busy | EntryKind::BucketBusy | EntryKind::Large => USEDENTRY,
            _ => continue,
        };
        *info = HeapInfo {
            entry: ptr::with_exposed_provenance_mut(entry.data),
            size: entry.size,
            use_flag,
        };
        return HEAPOK;
    }
}

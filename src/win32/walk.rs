//! Walks, for both layers: one function below, two kinds of entries.

use super::constants::{
    ERROR_INVALID_PARAMETER, FALSE, PROCESS_HEAP_ENTRY_BUSY, PROCESS_HEAP_REGION,
    PROCESS_HEAP_UNCOMMITTED_RANGE, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, TRUE,
};
use super::failure::{handle_of, status_of, told};
use super::last_error;
use super::types::{
    BOOL, DWORD, HANDLE, LPPROCESS_HEAP_ENTRY, NTSTATUS, PROCESS_HEAP_ENTRY, PROCESS_HEAP_ENTRY_0,
    PROCESS_HEAP_ENTRY_0_1, PRTL_HEAP_WALK_ENTRY, PVOID, RTL_HEAP_WALK_ENTRY,
    RTL_HEAP_WALK_ENTRY_0, RTL_HEAP_WALK_ENTRY_0_0, RTL_HEAP_WALK_ENTRY_0_1,
};
use crate::heap::private::{self, Cursor, Entry, EntryKind};
use core::ptr;

fn pointer(address: usize) -> PVOID {
    ptr::with_exposed_provenance_mut(address)
}

fn double_word(number: usize) -> DWORD {
    DWORD::try_from(number).unwrap_or(DWORD::MAX)
}

const fn is_region(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::Region | EntryKind::BucketRegion)
}

/// The heap's next entry after `*entry`'s, or its first if `lpData` is null.
///
/// Entries come by address within a region, the regions in the order they were
/// made: the region, its blocks, what it has not committed; then the large
/// blocks. Blocks of the low-fragmentation heap come one by one before the first
/// region's uncommitted range, and what holds them behind that, as regions: so does
/// the newest Windows, where older ones show one busy block for it. All that a walk
/// remembers is in the structure. While other threads use the heap,
/// [`HeapLock`](super::HeapLock) keeps it as it is; else a walk may lose its place.
///
/// TRUE; FALSE and the last error otherwise, and the structure as it was:
/// ERROR_NO_MORE_ITEMS at the end, ERROR_INVALID_PARAMETER for a place that is
/// no entry's or a null `entry`, ERROR_INVALID_HANDLE. Constant time, but for
/// buckets.
///
/// Source: "HeapWalk function (heapapi.h)", "PROCESS_HEAP_ENTRY structure".
///
/// # Safety
/// `entry` is null or leads to such a structure. `heap` is not being destroyed.
pub unsafe extern "system" fn HeapWalk(heap: HANDLE, entry: LPPROCESS_HEAP_ENTRY) -> BOOL {
    if entry.is_null() {
        last_error::set(ERROR_INVALID_PARAMETER);
        return FALSE;
    }
    // SAFETY: the caller's structure.
    let (data, flags) = unsafe { ((*entry).lpData.addr(), (*entry).wFlags) };
    match private::walk(handle_of(heap), &mut Cursor { data, flags }) {
        Ok(found) => {
            // SAFETY: the caller's structure.
            unsafe { entry.write(process_entry(&found)) };
            TRUE
        }
        Err(error) => {
            last_error::set(told("HeapWalk", heap, error));
            FALSE
        }
    }
}

fn process_entry(found: &Entry) -> PROCESS_HEAP_ENTRY {
    // Of a block these are 0, and with them its handle: the union's longer half,
    // so that entries can be compared by their bytes.
    let more = PROCESS_HEAP_ENTRY_0 {
        Region: PROCESS_HEAP_ENTRY_0_1 {
            dwCommittedSize: double_word(found.committed),
            dwUnCommittedSize: double_word(found.uncommitted),
            lpFirstBlock: pointer(found.first_block),
            lpLastBlock: pointer(found.last_block),
        },
    };
    PROCESS_HEAP_ENTRY {
        lpData: pointer(found.data),
        cbData: double_word(found.size),
        cbOverhead: found.overhead,
        iRegionIndex: found.region_index,
        wFlags: found.kind.flags(),
        Anonymous: more,
    }
}

/// The native layer's flags of an entry.
const fn native_flags(kind: EntryKind) -> u16 {
    match kind {
        EntryKind::Region => 0x2,
        EntryKind::Uncommitted => 0x1000,
        EntryKind::Busy | EntryKind::Large => 0x4011,
        EntryKind::BucketRegion => 0x8002,
        EntryKind::BucketBusy => 0x8001,
        EntryKind::BucketFree => 0x8000,
        _ => 0,
    }
}

/// The flags of the other layer's entry that has these here.
const fn cursor_flags(native: u16) -> u16 {
    match native {
        0x2 | 0x8002 => PROCESS_HEAP_REGION,
        0x1000 => PROCESS_HEAP_UNCOMMITTED_RANGE,
        0x4011 | 0x8001 => PROCESS_HEAP_ENTRY_BUSY,
        _ => 0,
    }
}

/// [`HeapWalk`] as the native layer has it: the same entries, other flags.
///
/// STATUS_SUCCESS; otherwise the structure as it was, and STATUS_NO_MORE_ENTRIES
/// at the end, STATUS_INVALID_PARAMETER or STATUS_INVALID_HANDLE. The last error
/// stays as it was. Not documented by Microsoft.
///
/// # Safety
/// As for [`HeapWalk`].
pub unsafe extern "system" fn RtlWalkHeap(heap: PVOID, entry: PRTL_HEAP_WALK_ENTRY) -> NTSTATUS {
    if entry.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    // SAFETY: the caller's structure.
    let (data, flags) = unsafe { ((*entry).DataAddress.addr(), cursor_flags((*entry).Flags)) };
    match private::walk(handle_of(heap), &mut Cursor { data, flags }) {
        Ok(found) => {
            // SAFETY: the caller's structure.
            unsafe { entry.write(native_entry(&found)) };
            STATUS_SUCCESS
        }
        Err(error) => {
            told("RtlWalkHeap", heap, error);
            status_of(error)
        }
    }
}

fn native_entry(found: &Entry) -> RTL_HEAP_WALK_ENTRY {
    let more = if is_region(found.kind) {
        RTL_HEAP_WALK_ENTRY_0 {
            Segment: RTL_HEAP_WALK_ENTRY_0_1 {
                CommittedSize: double_word(found.committed),
                UnCommittedSize: double_word(found.uncommitted),
                FirstEntry: pointer(found.first_block),
                LastEntry: pointer(found.last_block),
            },
        }
    } else {
        RTL_HEAP_WALK_ENTRY_0 {
            Block: RTL_HEAP_WALK_ENTRY_0_0 {
                Settable: found.user_value,
                TagIndex: 0,
                AllocatorBackTraceIndex: 0,
                Reserved: [0; 2],
            },
        }
    };
    RTL_HEAP_WALK_ENTRY {
        DataAddress: pointer(found.data),
        DataSize: found.size,
        OverheadBytes: found.overhead,
        SegmentIndex: found.region_index,
        Flags: native_flags(found.kind),
        Anonymous: more,
    }
}

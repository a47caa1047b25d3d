//! Toolhelp: the process's heaps and their blocks, one a call.
//!
//! ```text
//!   CreateToolhelp32Snapshot ─> handle ─> heaps as they were  Heap32ListFirst, Next
//!
//!   heap's number ─> Heap32First ─> entry ─> Heap32Next ...   as they are
//! ```
//!
//! A snapshot holds the heaps' numbers, which are their handles; blocks are walked as
//! they are. Windows' Heap32Next goes through the heap from its start at each call; here
//! the entry leads to the next one as in a HeapWalk, so that a walk takes time with the
//! heap's blocks.
//!
//! - Only the calling process can be asked about: its number, or 0.
//! - Any thread may call them. On a snapshot one list is walked at a time, as its place is
//!   the snapshot's own.

use super::constants::{
    ERROR_BAD_LENGTH, ERROR_INVALID_DATA, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER,
    ERROR_NO_MORE_FILES, ERROR_NOT_ENOUGH_MEMORY, FALSE, HEAP_SETTABLE_USER_FLAG1, TRUE,
};
use super::handles::{self, GetCurrentProcess, Kind};
use super::pages::ReadProcessMemory;
use super::types::{BOOL, DWORD, HANDLE, LPCVOID, LPVOID, PSIZE_T, SIZE_T, ULONG_PTR};
use super::{global, last_error};
use crate::heap::private::{self, Cursor, Entry, EntryKind, Error, Handle};
use crate::sys;
use crate::vm::{self, Use};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        $($(#[$doc])* pub const $name: DWORD = $value;)*
    };
}

flags! {
    /// The process's heaps.
    TH32CS_SNAPHEAPLIST = 0x1;
    /// The system's processes; accepted, and nothing asks for them here.
    TH32CS_SNAPPROCESS = 0x2;
    /// The system's threads; accepted likewise.
    TH32CS_SNAPTHREAD = 0x4;
    /// The process's modules; accepted likewise.
    TH32CS_SNAPMODULE = 0x8;
    /// Its 32-bit modules; accepted likewise.
    TH32CS_SNAPMODULE32 = 0x10;
    /// All but the last.
    TH32CS_SNAPALL = 0xF;
    /// Child processes may use the handle; accepted, without effect.
    TH32CS_INHERIT = 0x8000_0000;
    /// The process heap.
    HF32_DEFAULT = 1;
    /// A shared heap: there are none.
    HF32_SHARED = 2;
    /// A block that stays where it is.
    LF32_FIXED = 1;
    /// A free block.
    LF32_FREE = 2;
    /// A block with a moveable handle.
    LF32_MOVEABLE = 4;
}

/// A heap of a snapshot.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct HEAPLIST32 {
    /// Size of this structure, set by the caller.
    pub dwSize: SIZE_T,
    /// The process.
    pub th32ProcessID: DWORD,
    /// The heap's number: its handle.
    pub th32HeapID: ULONG_PTR,
    /// [`HF32_DEFAULT`] for the process heap.
    pub dwFlags: DWORD,
}

/// Where a heap of a snapshot lies.
pub type LPHEAPLIST32 = *mut HEAPLIST32;

/// A block of a heap.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct HEAPENTRY32 {
    /// Size of this structure, set by the caller.
    pub dwSize: SIZE_T,
    /// Its handle: of a fixed or free block, its address.
    pub hHandle: HANDLE,
    /// Its address.
    pub dwAddress: ULONG_PTR,
    /// Its size, of a block handed out exactly as it was asked for.
    pub dwBlockSize: SIZE_T,
    /// [`LF32_FIXED`], [`LF32_FREE`] or [`LF32_MOVEABLE`].
    pub dwFlags: DWORD,
    /// 0.
    pub dwLockCount: DWORD,
    /// 0.
    pub dwResvd: DWORD,
    /// The process.
    pub th32ProcessID: DWORD,
    /// The heap's number.
    pub th32HeapID: ULONG_PTR,
}

/// Where a block lies.
pub type LPHEAPENTRY32 = *mut HEAPENTRY32;

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<HEAPLIST32>() == 32);
    assert!(size_of::<HEAPENTRY32>() == 56);
};

static SNAPSHOT: Kind = Kind {
    end,
    all: 0x001f_0001,
    generic: [0x0002_0001, 0x0002_0000, 0x0012_0000, 0x001f_0001],
    is_bounded: false,
};

/// What a snapshot's memory begins with; the heaps' numbers follow.
struct Snapshot {
    /// Bytes of all.
    bytes: usize,
    count: usize,
    /// The heap that was told last, and one; 0 before the first.
    at: AtomicUsize,
}

/// Ends a snapshot.
fn end(value: usize) {
    let snapshot: *mut Snapshot = ptr::with_exposed_provenance_mut(value);
    // SAFETY: the value is a snapshot's memory, which its last handle ends.
    unsafe {
        let bytes = (*snapshot).bytes;
        vm::give_back(Use::Metadata, snapshot.cast(), bytes, bytes);
    }
}

/// A snapshot of the heaps there are; null when there is no memory.
fn take() -> *mut Snapshot {
    let mut room = private::handles(&mut []) + 16;
    loop {
        let needed = size_of::<Snapshot>() + room * size_of::<usize>();
        let Some(bytes) = vm::round_to_pages(needed) else {
            return ptr::null_mut();
        };
        let snapshot: *mut Snapshot = vm::allocate(Use::Metadata, bytes).cast();
        if snapshot.is_null() {
            return snapshot;
        }
        // SAFETY: new memory, with room for so many numbers behind the beginning.
        let count = unsafe {
            let places = core::slice::from_raw_parts_mut(snapshot.add(1).cast::<usize>(), room);
            let count = private::handles(places);
            snapshot.write(Snapshot {
                bytes,
                count,
                at: AtomicUsize::new(0),
            });
            count
        };
        if count <= room {
            return snapshot;
        }
        // More heaps were made meanwhile.
        end(snapshot.expose_provenance());
        room = count + 16;
    }
}

fn fail(error: DWORD) -> BOOL {
    last_error::set(error);
    FALSE
}

fn is_own(process: DWORD) -> bool {
    process == 0 || process == sys::process_id()
}

/// A snapshot of the process's heaps, if `flags` has TH32CS_SNAPHEAPLIST, else an empty
/// one, to be ended by CloseHandle. INVALID_HANDLE_VALUE otherwise:
/// ERROR_INVALID_PARAMETER for another process than the calling one, and for no flags;
/// ERROR_NOT_ENOUGH_MEMORY. Takes time with the number of heaps.
///
/// Source: "CreateToolhelp32Snapshot function (tlhelp32.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn CreateToolhelp32Snapshot(flags: DWORD, process: DWORD) -> HANDLE {
    let invalid = ptr::without_provenance_mut(usize::MAX);
    if flags & (TH32CS_SNAPALL | TH32CS_SNAPMODULE32) == 0 || !is_own(process) {
        fail(ERROR_INVALID_PARAMETER);
        return invalid;
    }
    let snapshot = take();
    if snapshot.is_null() {
        fail(ERROR_NOT_ENOUGH_MEMORY);
        return invalid;
    }
    if flags & TH32CS_SNAPHEAPLIST == 0 {
        // SAFETY: just taken.
        unsafe { (*snapshot).count = 0 };
    }
    match handles::open(&SNAPSHOT, snapshot.expose_provenance(), SNAPSHOT.all) {
        Some(handle) => handle,
        None => {
            fail(ERROR_NOT_ENOUGH_MEMORY);
            invalid
        }
    }
}

/// Tells the heap at a place of a snapshot.
unsafe fn tell_heap(snapshot: HANDLE, list: LPHEAPLIST32, is_first: bool) -> BOOL {
    let Some(borrowed) = handles::borrow(snapshot, &SNAPSHOT) else {
        return fail(ERROR_INVALID_HANDLE);
    };
    if list.is_null() {
        return fail(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: the caller's structure; the snapshot is there while it is borrowed, and
    // has so many numbers.
    unsafe {
        if (&raw const (*list).dwSize).read_unaligned() < size_of::<HEAPLIST32>() {
            return fail(ERROR_BAD_LENGTH);
        }
        let snapshot: *mut Snapshot = ptr::with_exposed_provenance_mut(borrowed.value);
        let at = match is_first {
            true => 0,
            false => (*snapshot).at.load(Ordering::Relaxed),
        };
        if at >= (*snapshot).count {
            return fail(ERROR_NO_MORE_FILES);
        }
        (*snapshot).at.store(at + 1, Ordering::Relaxed);
        let number = snapshot.add(1).cast::<usize>().add(at).read();
        let is_process = Handle::unchecked(number).is_process();
        list.write_unaligned(HEAPLIST32 {
            dwSize: size_of::<HEAPLIST32>(),
            th32ProcessID: sys::process_id(),
            th32HeapID: number,
            dwFlags: if is_process { HF32_DEFAULT } else { 0 },
        });
    }
    TRUE
}

/// The first heap of a snapshot: the process heap. TRUE; FALSE and ERROR_NO_MORE_FILES
/// when there is none, ERROR_INVALID_HANDLE for what is no snapshot, ERROR_BAD_LENGTH
/// when `dwSize` is not set.
///
/// Source: "Heap32ListFirst function (tlhelp32.h)".
///
/// # Safety
/// `list` is null or leads to such a structure.
pub unsafe extern "system" fn Heap32ListFirst(snapshot: HANDLE, list: LPHEAPLIST32) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    unsafe { tell_heap(snapshot, list, true) }
}

/// The heap behind the one that was told last; otherwise as [`Heap32ListFirst`].
///
/// Source: "Heap32ListNext function (tlhelp32.h)".
///
/// # Safety
/// As for [`Heap32ListFirst`].
pub unsafe extern "system" fn Heap32ListNext(snapshot: HANDLE, list: LPHEAPLIST32) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    unsafe { tell_heap(snapshot, list, false) }
}

/// The next block of a heap behind `cursor`; regions and what is not committed are passed
/// over.
fn next_block(heap: usize, cursor: &mut Cursor) -> Result<Entry, DWORD> {
    loop {
        let found = private::walk(Handle::unchecked(heap), cursor);
        let entry = found.map_err(|error| match error {
            Error::NoMore => ERROR_NO_MORE_FILES,
            Error::InvalidHandle | Error::Destroyed => ERROR_INVALID_PARAMETER,
            // The block that the walk was at is gone.
            _ => ERROR_INVALID_DATA,
        })?;
        match entry.kind {
            EntryKind::Region | EntryKind::BucketRegion | EntryKind::Uncommitted => {}
            _ => return Ok(entry),
        }
    }
}

/// Tells the next block.
unsafe fn tell_block(entry: LPHEAPENTRY32, heap: usize, mut cursor: Cursor) -> BOOL {
    let found = match next_block(heap, &mut cursor) {
        Ok(found) => found,
        Err(error) => return fail(error),
    };
    let is_free = matches!(found.kind, EntryKind::Free | EntryKind::BucketFree);
    let is_moveable = found.user_flags & HEAP_SETTABLE_USER_FLAG1 != 0
        && global::is_handle_of(found.user_value, found.data);
    let (handle, flags) = match (is_free, is_moveable) {
        (true, _) => (found.data, LF32_FREE),
        (false, true) => (found.user_value, LF32_MOVEABLE),
        (false, false) => (found.data, LF32_FIXED),
    };
    // SAFETY: the caller's structure.
    unsafe {
        entry.write_unaligned(HEAPENTRY32 {
            dwSize: size_of::<HEAPENTRY32>(),
            hHandle: ptr::with_exposed_provenance_mut(handle),
            dwAddress: found.data,
            dwBlockSize: found.size,
            dwFlags: flags,
            dwLockCount: 0,
            dwResvd: 0,
            th32ProcessID: sys::process_id(),
            th32HeapID: heap,
        });
    }
    TRUE
}

/// Whether a structure's size is set.
unsafe fn is_sized(entry: LPHEAPENTRY32) -> Result<(), DWORD> {
    if entry.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: the caller's structure.
    match unsafe { (&raw const (*entry).dwSize).read_unaligned() } < size_of::<HEAPENTRY32>() {
        true => Err(ERROR_BAD_LENGTH),
        false => Ok(()),
    }
}

/// The first block of a heap, handed out or free, by the heap's number. TRUE; FALSE and
/// ERROR_NO_MORE_FILES when there is none, ERROR_INVALID_PARAMETER for another process than
/// the calling one, or a number that is no heap's, ERROR_BAD_LENGTH when `dwSize` is not set.
///
/// Source: "Heap32First function (tlhelp32.h)".
///
/// # Safety
/// `entry` is null or leads to such a structure. The heap is not being destroyed.
pub unsafe extern "system" fn Heap32First(
    entry: LPHEAPENTRY32,
    process: DWORD,
    heap: ULONG_PTR,
) -> BOOL {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        match is_sized(entry) {
            Err(error) => fail(error),
            Ok(()) if !is_own(process) => fail(ERROR_INVALID_PARAMETER),
            Ok(()) => tell_block(entry, heap, Cursor::START),
        }
    }
}

/// The block behind the one that `entry` has, by address within a region, the regions in
/// the order they were made, then the large blocks. TRUE; FALSE and the structure as it was:
/// ERROR_NO_MORE_FILES at the end, ERROR_INVALID_DATA when the block is gone, and as for
/// [`Heap32First`]. Constant time, but for buckets.
///
/// Source: "Heap32Next function (tlhelp32.h)".
///
/// # Safety
/// As for [`Heap32First`].
pub unsafe extern "system" fn Heap32Next(entry: LPHEAPENTRY32) -> BOOL {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        if let Err(error) = is_sized(entry) {
            return fail(error);
        }
        let last = entry.read_unaligned();
        if !is_own(last.th32ProcessID) {
            return fail(ERROR_INVALID_PARAMETER);
        }
        let flags = match last.dwFlags & LF32_FREE {
            0 => EntryKind::BUSY,
            _ => 0,
        };
        let cursor = Cursor {
            data: last.dwAddress,
            flags,
        };
        if cursor.data == 0 {
            return fail(ERROR_INVALID_DATA);
        }
        tell_block(entry, last.th32HeapID, cursor)
    }
}

/// Copies bytes of the calling process, as ReadProcessMemory does; of another one nothing,
/// FALSE and ERROR_INVALID_PARAMETER.
///
/// Source: "Toolhelp32ReadProcessMemory function (tlhelp32.h)".
///
/// # Safety
/// `buffer` has room for `size` bytes; `read` is null or leads to a number.
pub unsafe extern "system" fn Toolhelp32ReadProcessMemory(
    process: DWORD,
    address: LPCVOID,
    buffer: LPVOID,
    size: SIZE_T,
    read: PSIZE_T,
) -> BOOL {
    if !is_own(process) {
        if !read.is_null() {
            // SAFETY: the caller's number.
            unsafe { read.write_unaligned(0) };
        }
        return fail(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe { ReadProcessMemory(GetCurrentProcess(), address, buffer, size, read) }
}

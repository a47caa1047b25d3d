//! Allocating, freeing, locking, and what is known of a handle.
//!
//! Failures are last errors here; names.rs says what a function returns then.

use super::entry::{DISCARDABLE, EMPTY, Entry, IN_USE, LOCK, LOCKS, MOVEABLE, SHARED, Why};
use super::flags::{
    GMEM_DDESHARE, GMEM_DISCARDABLE, GMEM_DISCARDED, GMEM_MOVEABLE, GMEM_ZEROINIT, LMEM_DISCARDABLE,
};
use super::{Face, bad_block, heap, no_block, table};
use crate::heap::private::{self, HeapRef};
use crate::win32::constants::{
    ERROR_DISCARDED, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NOT_ENOUGH_MEMORY,
    ERROR_NOT_LOCKED, HEAP_SETTABLE_USER_FLAG1, HEAP_ZERO_MEMORY,
};
use crate::win32::failure::last_error_of;
use crate::win32::pages;
use crate::win32::types::{DWORD, UINT};
use core::ptr::{self, NonNull};

/// The last error for an entry that a call found otherwise than it must be.
#[cold]
fn error_of(why: Why) -> DWORD {
    match why {
        Why::Empty => ERROR_DISCARDED,
        Why::NotLocked => ERROR_NOT_LOCKED,
        Why::Free | Why::Changing | Why::Raced => ERROR_INVALID_HANDLE,
    }
}

/// A live handle's entry.
pub(super) fn entry_of(handle: usize) -> Result<&'static Entry, DWORD> {
    if table::has(handle) {
        Ok(table::of(handle))
    } else {
        Err(ERROR_INVALID_HANDLE)
    }
}

fn pointer(address: usize) -> *mut u8 {
    ptr::with_exposed_provenance_mut(address)
}

/// The data of a moveable block; null for a size of 0.
pub(super) fn allocate_data(
    heap: HeapRef,
    flags: UINT,
    size: usize,
    handle: usize,
) -> Result<*mut u8, DWORD> {
    if size == 0 {
        return Ok(ptr::null_mut());
    }
    // SAFETY: the process heap is serialized and lives for ever.
    let block = unsafe { heap.allocate_settable(size, HEAP_SETTABLE_USER_FLAG1, handle) };
    let block = block.map_err(last_error_of)?.as_ptr();
    if flags & GMEM_ZEROINIT != 0 {
        // SAFETY: the block has `size` bytes, and is nobody else's.
        unsafe { block.write_bytes(0, size) };
    }
    Ok(block)
}

/// The word of a new handle of `face`.
fn word_of(face: Face, flags: UINT, is_empty: bool) -> usize {
    let discardable = match face {
        Face::Global => GMEM_DISCARDABLE,
        Face::Local => LMEM_DISCARDABLE,
    };
    let bit = |set: bool, bit: usize| if set { bit } else { 0 };
    IN_USE
        | MOVEABLE
        | bit(flags & discardable != 0, DISCARDABLE)
        | bit(face == Face::Global && flags & GMEM_DDESHARE != 0, SHARED)
        | bit(is_empty, EMPTY)
}

/// A moveable block of a few bytes, without other flags, for which all is at hand;
/// its handle, or `None` when it is to be [`allocate`]d.
#[inline(always)]
pub(super) fn at_hand(size: usize) -> Option<usize> {
    // One comparison for too small and too large.
    if size.wrapping_sub(1) >= private::SETTABLE_NEAR {
        return None;
    }
    // SAFETY: an entry was taken; the process heap is serialized.
    unsafe {
        let handle = table::take_at_hand()?;
        let data = table::heap().settable_at_hand(size, HEAP_SETTABLE_USER_FLAG1, handle);
        if data.is_null() {
            give_back(handle);
            return None;
        }
        table::of(handle).open(IN_USE | MOVEABLE, data);
        Some(handle)
    }
}

#[cold]
#[inline(never)]
fn give_back(handle: usize) {
    table::give(handle);
}

/// A block of `size` bytes, by its handle or address.
pub(super) fn allocate(face: Face, flags: UINT, size: usize) -> Result<NonNull<u8>, DWORD> {
    if flags & GMEM_MOVEABLE == 0 {
        return allocate_fixed(face, flags, size);
    }
    let heap = heap()?;
    let handle = table::take()?;
    match allocate_data(heap, flags, size, handle) {
        Ok(data) => {
            table::of(handle).open(word_of(face, flags, data.is_null()), data);
            NonNull::new(pointer(handle)).ok_or(ERROR_NOT_ENOUGH_MEMORY)
        }
        Err(error) => {
            table::give(handle);
            Err(error)
        }
    }
}

fn allocate_fixed(face: Face, flags: UINT, size: usize) -> Result<NonNull<u8>, DWORD> {
    let heap = heap()?;
    // A global block of no bytes has one.
    let size = if face == Face::Global {
        size.max(1)
    } else {
        size
    };
    let block = if flags & GMEM_ZEROINIT != 0 {
        heap.allocate_rest(HEAP_ZERO_MEMORY, size, 16)
    } else {
        // SAFETY: the process heap is serialized and lives for ever.
        unsafe { heap.allocate::<false>(size, 16) }
    };
    block.map_err(last_error_of)
}

/// What [`free_at_hand`] did.
pub(super) enum Freed {
    /// All.
    All,
    /// The handle ended; this data is to be freed.
    Handle(usize),
    /// The handle ended, and is to be given back; this data is to be freed.
    Entry(usize),
    /// Nothing.
    Nothing,
}

/// Frees a moveable block of a handle that nobody else uses, if its thread's slot has
/// room for it.
///
/// # Safety
/// Nobody uses the block any more.
#[inline(always)]
pub(super) unsafe fn free_at_hand(handle: usize) -> Freed {
    if !table::has(handle) {
        return Freed::Nothing;
    }
    match table::try_close(handle) {
        // SAFETY: the caller's promise; the table has the handle.
        Ok((data, true)) if unsafe { table::heap().free_at_hand(data) } => Freed::All,
        Ok((data, true)) => Freed::Handle(data.addr()),
        Ok((data, false)) => Freed::Entry(data.addr()),
        Err(_) => Freed::Nothing,
    }
}

/// Frees a block by its handle or address, or null.
///
/// # Safety
/// If it is a block's, nobody uses the block any more.
pub(super) unsafe fn free(handle: usize) -> Result<(), DWORD> {
    let block = if table::is_handle(handle) {
        let entry = entry_of(handle)?;
        let (data, is_listed) =
            table::with(entry, |_| table::try_close(handle)).map_err(error_of)?;
        if !is_listed {
            table::give(handle);
        }
        data
    } else {
        pointer(handle)
    };
    if block.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise; the process heap lives for ever.
    let freed = unsafe { heap()?.free_as("HeapFree", block) };
    freed.map_err(|error| bad_block(error, block.addr()))
}

/// Locks a moveable block; where its data is. Of a fixed one its address, if that
/// can be read.
pub(super) fn lock(handle: usize) -> Result<*mut u8, DWORD> {
    if table::is_handle(handle) {
        let entry = entry_of(handle)?;
        return table::with(entry, Entry::try_lock).map_err(error_of);
    }
    let heap = heap()?.handle();
    let is_readable = handle != 0
        && (private::validate(heap, 0, pointer(handle)) || pages::is_readable(handle, 1));
    if is_readable {
        Ok(pointer(handle))
    } else {
        Err(ERROR_INVALID_HANDLE)
    }
}

/// Takes a lock back from a moveable block; whether it is locked still.
pub(super) fn unlock(handle: usize) -> Result<bool, DWORD> {
    let entry = entry_of(handle)?;
    table::with(entry, Entry::try_unlock).map_err(error_of)
}

/// A live handle's entry and its word, while nobody changes it.
pub(super) fn look(handle: usize) -> Result<(&'static Entry, usize), DWORD> {
    let entry = entry_of(handle)?;
    let word = table::with(entry, Entry::word);
    Ok((entry, word.map_err(error_of)?))
}

/// What GlobalFlags or LocalFlags returns.
pub(super) fn flags_of(face: Face, handle: usize) -> Result<UINT, DWORD> {
    if !table::is_handle(handle) {
        return match size_of_block(handle) {
            Some(_) => Ok(0),
            None => Err(no_block(face, handle)),
        };
    }
    let (_, word) = look(handle)?;
    let bit = |bit: usize, flag: UINT| if word & bit != 0 { flag } else { 0 };
    let (discardable, shared) = match face {
        Face::Global => (GMEM_DISCARDABLE, GMEM_DDESHARE),
        Face::Local => (LMEM_DISCARDABLE, 0),
    };
    Ok(((word & LOCKS) / LOCK) as UINT
        | bit(DISCARDABLE, discardable)
        | bit(EMPTY, GMEM_DISCARDED)
        | bit(SHARED, shared))
}

fn size_of_block(address: usize) -> Option<usize> {
    let heap = heap().ok()?.handle();
    private::size_of(heap, 0, pointer(address)).ok()
}

/// The bytes of a block, exactly.
pub(super) fn size_of(handle: usize) -> Result<usize, DWORD> {
    let data = if table::is_handle(handle) {
        let (entry, word) = look(handle)?;
        if word & EMPTY != 0 {
            return Ok(0);
        }
        entry.data().addr()
    } else {
        handle
    };
    size_of_block(data).ok_or(ERROR_INVALID_HANDLE)
}

/// The handle of the block at an address: its settable value, or the address.
pub(super) fn handle_at(face: Face, address: usize) -> Result<usize, DWORD> {
    if address == 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let heap = heap()?.handle();
    match private::user_info(heap, 0, pointer(address)) {
        Ok(info) => Ok(info.value.unwrap_or(address)),
        // One of malloc's has none.
        Err(_) if size_of_block(address).is_some() => Ok(address),
        Err(_) => Err(no_block(face, address)),
    }
}

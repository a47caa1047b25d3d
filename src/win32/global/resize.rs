//! GlobalReAlloc and LocalReAlloc: sizes, attributes, discarding.
//!
//! What becomes of a block, by its kind and the call's flags:
//!
//! ```text
//!              MODIFY              DISCARDABLE   MOVEABLE          none
//!   fixed      stays; with         fails         may move          where it is,
//!              MOVEABLE a global                                   or fails
//!              one gets a handle
//!   moveable,  may become          fails         may move;         may move;
//!   unlocked   discardable                       0: is discarded   0: fails
//!   locked     as above            fails         may move;         where it is;
//!                                                0: fails          0: fails
//! ```
//!
//! A block that gets smaller stays where it is. Small blocks of sizes that are hot
//! never grow where they are.

use super::entry::{DISCARDABLE, EMPTY, Entry, IN_USE, LOCKS, MOVEABLE, Why};
use super::flags::{GMEM_DISCARDABLE, GMEM_MODIFY, GMEM_MOVEABLE, GMEM_ZEROINIT, LMEM_DISCARDABLE};
use super::handles::{allocate_data, entry_of};
use super::{Face, bad_block, heap, table};
use crate::heap::private::{self, HeapRef, flags};
use crate::win32::constants::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, HEAP_ZERO_MEMORY};
use crate::win32::failure::last_error_of;
use crate::win32::types::{DWORD, UINT};
use core::ptr;

/// Resizes a block or changes its attributes; its handle or address from now on.
///
/// # Safety
/// Nobody uses a fixed block through its old address, nor moveable data where it
/// was, unless this fails.
pub(super) unsafe fn reallocate(
    face: Face,
    handle: usize,
    size: usize,
    flags: UINT,
) -> Result<usize, DWORD> {
    if handle == 0 {
        return Err(ERROR_INVALID_HANDLE);
    }
    let heap = heap()?;
    if table::is_handle(handle) {
        let entry = entry_of(handle)?;
        return table::while_moving(|| {
            // Only this thread changes handles.
            let word = loop {
                match entry.try_begin() {
                    Err(Why::Raced) => {}
                    begun => break begun.map_err(|_| ERROR_INVALID_HANDLE)?,
                }
            };
            // SAFETY: the caller's promise; the entry is this call's to change.
            let changed = unsafe { change(face, heap, entry, word, handle, size, flags) };
            match changed {
                Ok((word, data)) => entry.end(word, data),
                Err(error) => {
                    entry.end(word, entry.data());
                    return Err(error);
                }
            }
            Ok(handle)
        });
    }
    // SAFETY: the caller's promise.
    unsafe { fixed(face, heap, handle, size, flags) }
}

fn discardable_of(face: Face) -> UINT {
    match face {
        Face::Global => GMEM_DISCARDABLE,
        Face::Local => LMEM_DISCARDABLE,
    }
}

/// A moveable handle's new word and data.
///
/// # Safety
/// As for [`reallocate`]; the entry is the caller's to change, and was `word`.
unsafe fn change(
    face: Face,
    heap: HeapRef,
    entry: &Entry,
    word: usize,
    handle: usize,
    size: usize,
    flags: UINT,
) -> Result<(usize, *mut u8), DWORD> {
    let data = entry.data();
    let is_discardable = flags & discardable_of(face) != 0;
    if flags & GMEM_MODIFY != 0 {
        let more = if is_discardable { DISCARDABLE } else { 0 };
        return Ok((word | more, data));
    }
    if is_discardable {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let is_locked = word & LOCKS != 0;
    if size == 0 {
        if is_locked || flags & GMEM_MOVEABLE == 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        if !data.is_null() {
            // SAFETY: the handle's block, which nobody uses any more.
            let freed = unsafe { heap.free_as("HeapFree", data) };
            freed.map_err(|error| bad_block(error, data.addr()))?;
        }
        return Ok((word | EMPTY, ptr::null_mut()));
    }
    if data.is_null() {
        let data = allocate_data(heap, flags, size, handle)?;
        return Ok((word & !EMPTY, data));
    }
    let may_move = !is_locked || flags & GMEM_MOVEABLE != 0;
    // SAFETY: the caller's promise.
    let data = unsafe { resize(heap, data, size, flags, may_move, Some(handle)) }?;
    Ok((word, data))
}

/// A fixed block's address, or its handle, if it gets one.
///
/// # Safety
/// As for [`reallocate`].
unsafe fn fixed(
    face: Face,
    heap: HeapRef,
    address: usize,
    size: usize,
    flags: UINT,
) -> Result<usize, DWORD> {
    let block: *mut u8 = ptr::with_exposed_provenance_mut(address);
    let old = private::size_of(heap.handle(), 0, block);
    let old = old.map_err(|error| bad_block(error, address))?;
    let is_discardable = flags & discardable_of(face) != 0;
    if flags & GMEM_MODIFY != 0 {
        if face == Face::Local || flags & GMEM_MOVEABLE == 0 {
            return Ok(address);
        }
        let handle = table::take()?;
        let data = match allocate_data(heap, flags, old, handle) {
            Ok(data) => data,
            Err(error) => {
                table::give(handle);
                return Err(error);
            }
        };
        let more = if is_discardable { DISCARDABLE } else { 0 };
        let empty = if data.is_null() { EMPTY } else { 0 };
        // SAFETY: the new block has as many bytes; the old one is the caller's to
        // give up.
        unsafe {
            data.copy_from_nonoverlapping(block, old);
            table::of(handle).open(IN_USE | MOVEABLE | more | empty, data);
            heap.free_as("HeapFree", block).map_err(last_error_of)?;
        }
        return Ok(handle);
    }
    if is_discardable {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let may_move = flags & GMEM_MOVEABLE != 0;
    // SAFETY: the caller's promise.
    unsafe { resize(heap, block, size, flags, may_move, None) }.map(|block| block.addr())
}

/// Resizes a block, of the handle `owner` if it is moveable data: where it is, or
/// else, if it may move, by another one.
///
/// # Safety
/// As for [`reallocate`].
unsafe fn resize(
    heap: HeapRef,
    block: *mut u8,
    size: usize,
    flags: UINT,
    may_move: bool,
    owner: Option<usize>,
) -> Result<*mut u8, DWORD> {
    let zero = if flags & GMEM_ZEROINIT != 0 {
        HEAP_ZERO_MEMORY
    } else {
        0
    };
    // SAFETY: the caller's promise; the process heap is serialized.
    unsafe {
        let old = private::size_of(heap.handle(), 0, block);
        let old = old.map_err(|error| bad_block(error, block.addr()))?;
        // A fixed block that loses all of its bytes is discarded: it stays as well.
        let stays = match owner {
            Some(_) => size <= old,
            None => size == 0 && may_move,
        };
        let in_place = if stays {
            private::shrink(heap.handle(), 0, block, size).map(|()| block)
        } else {
            let info = if owner.is_some() {
                flags::SETTABLE_USER_VALUE | MOVEABLE_DATA
            } else {
                0
            };
            let all = flags::REALLOC_IN_PLACE_ONLY | info | zero;
            private::reallocate(heap.handle(), all, block, size).map(|block| block.as_ptr())
        };
        match in_place {
            Ok(block) => return Ok(block),
            Err(_) if may_move => {}
            Err(error) => return Err(bad_block(error, block.addr())),
        }
        let new = match owner {
            Some(handle) => allocate_data(heap, 0, size, handle)?,
            None => heap
                .allocate::<false>(size, 16)
                .map_err(last_error_of)?
                .as_ptr(),
        };
        new.copy_from_nonoverlapping(block, old.min(size));
        if zero != 0 && size > old {
            new.add(old).write_bytes(0, size - old);
        }
        heap.free_as("HeapFree", block).map_err(last_error_of)?;
        Ok(new)
    }
}

/// The user flags of a moveable handle's data.
const MOVEABLE_DATA: u32 = crate::win32::constants::HEAP_SETTABLE_USER_FLAG1;

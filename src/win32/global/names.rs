//! The two families by Windows' names.
//!
//! What all of these have in common:
//! - A handle that is freed, foreign or made up is known by the table, an address
//!   by the heap: it is an error, and nothing is touched.
//! - Any thread may call them, on the same handle too. Who locks a block, or asks for
//!   its address, sees to it that nobody frees or resizes it meanwhile.
//! - Constant time on most paths. The first handle in a page of the table costs a
//!   system call.

use super::flags::{GMEM_INVALID_HANDLE, GMEM_MOVEABLE, HGLOBAL, HLOCAL};
use super::handles::Freed;
use super::{Face, handles, resize, table};
use crate::heap::private;
use crate::win32::constants::{ERROR_DISCARDED, ERROR_NOT_LOCKED, FALSE, NO_ERROR, TRUE};
use crate::win32::last_error;
use crate::win32::types::{BOOL, DWORD, LPCVOID, LPVOID, SIZE_T, UINT};
use core::ptr;

#[inline(always)]
fn pointer(address: usize) -> LPVOID {
    ptr::with_exposed_provenance_mut(address)
}

/// Sets the last error; null.
#[cold]
#[inline(never)]
fn fail(error: DWORD) -> LPVOID {
    last_error::set(error);
    ptr::null_mut()
}

#[inline(always)]
fn allocate(face: Face, flags: UINT, bytes: SIZE_T) -> HGLOBAL {
    // Two functions, so that these stay two branches.
    if flags != GMEM_MOVEABLE {
        return match face {
            Face::Global => allocate_global(flags, bytes),
            Face::Local => allocate_local(flags, bytes),
        };
    }
    match handles::at_hand(bytes) {
        Some(handle) => pointer(handle),
        None => allocate_moveable(bytes),
    }
}

#[inline(never)]
fn allocate_moveable(bytes: SIZE_T) -> HGLOBAL {
    match handles::allocate(Face::Global, GMEM_MOVEABLE, bytes) {
        Ok(handle) => handle.as_ptr().cast(),
        Err(error) => fail(error),
    }
}

#[inline(never)]
fn allocate_global(flags: UINT, bytes: SIZE_T) -> HGLOBAL {
    match handles::allocate(Face::Global, flags, bytes) {
        Ok(handle) => handle.as_ptr().cast(),
        Err(error) => fail(error),
    }
}

#[inline(never)]
fn allocate_local(flags: UINT, bytes: SIZE_T) -> HLOCAL {
    match handles::allocate(Face::Local, flags, bytes) {
        Ok(handle) => handle.as_ptr().cast(),
        Err(error) => fail(error),
    }
}

#[inline(always)]
unsafe fn free(handle: HGLOBAL) -> HGLOBAL {
    // SAFETY: the caller's promise.
    unsafe {
        match handles::free_at_hand(handle.addr()) {
            Freed::All => ptr::null_mut(),
            Freed::Handle(data) => free_rest(handle, data),
            Freed::Entry(data) => give_back(handle, data),
            Freed::Nothing => free_rest(handle, handle.addr()),
        }
    }
}

/// Gives the entry of `handle` back, and frees its data.
#[cold]
#[inline(never)]
unsafe fn give_back(handle: HGLOBAL, data: usize) -> HGLOBAL {
    table::give(handle.addr());
    // SAFETY: the caller's promise.
    unsafe { free_rest(handle, data) }
}

/// Frees what is left of `handle`.
#[inline(never)]
unsafe fn free_rest(handle: HGLOBAL, rest: usize) -> HGLOBAL {
    // SAFETY: the caller's promise.
    match unsafe { handles::free(rest) } {
        Ok(()) => ptr::null_mut(),
        Err(error) => {
            fail(error);
            handle
        }
    }
}

fn flags(face: Face, handle: HGLOBAL) -> UINT {
    match handles::flags_of(face, handle.addr()) {
        Ok(flags) => flags,
        Err(error) => {
            fail(error);
            GMEM_INVALID_HANDLE
        }
    }
}

fn size(handle: HGLOBAL) -> SIZE_T {
    match handles::size_of(handle.addr()) {
        Ok(size) => size,
        Err(error) => {
            fail(error);
            0
        }
    }
}

fn handle_at(face: Face, address: LPCVOID) -> HGLOBAL {
    match handles::handle_at(face, address.addr()) {
        Ok(handle) => pointer(handle),
        Err(error) => fail(error),
    }
}

unsafe fn reallocate(face: Face, handle: HGLOBAL, bytes: SIZE_T, flags: UINT) -> HGLOBAL {
    // SAFETY: the caller's promise is the callee's.
    match unsafe { resize::reallocate(face, handle.addr(), bytes, flags) } {
        Ok(handle) => pointer(handle),
        Err(error) => fail(error),
    }
}

/// The process heap's largest free block.
fn compact() -> SIZE_T {
    let compacted = super::heap().map(|heap| private::compact(heap.handle(), 0));
    match compacted {
        Ok(Ok(largest)) => largest,
        _ => 0,
    }
}

/// Allocates `bytes` bytes of the process heap, exactly, but of 0 bytes one.
///
/// Flags: GMEM_MOVEABLE for a block with a handle, which [`GlobalLock`] leads to its
/// address, else the result is the address, a multiple of 16; GMEM_ZEROINIT. Of a
/// moveable block, GMEM_DISCARDABLE and GMEM_DDESHARE are kept for [`GlobalFlags`].
/// Others are ignored. A moveable block of 0 bytes is a handle without a block, as if
/// discarded.
///
/// Null and ERROR_NOT_ENOUGH_MEMORY when there is no memory, or the process has
/// 65,536 moveable handles, of global and local blocks together.
///
/// Source: "GlobalAlloc function (winbase.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn GlobalAlloc(flags: UINT, bytes: SIZE_T) -> HGLOBAL {
    allocate(Face::Global, flags, bytes)
}

/// Changes a block's size to `bytes`, or, with GMEM_MODIFY, what its handle is. What
/// it held stays, up to the smaller size. The handle or address, which of a fixed
/// block may be new.
///
/// Without GMEM_MODIFY, a fixed or locked block stays where it is unless
/// GMEM_MOVEABLE is given; a moveable one that is not locked may get another address. 0
/// bytes and GMEM_MOVEABLE discard a moveable block: the handle stays, and a later
/// call may give it a block again. GMEM_ZEROINIT zeroes what is added. With
/// GMEM_MODIFY the size stays, and a moveable block may become GMEM_DISCARDABLE, a fixed one
/// moveable with GMEM_MOVEABLE: it gets a handle.
///
/// Null otherwise, and the block as it was: ERROR_NOT_ENOUGH_MEMORY when there is no
/// memory or the block cannot stay where it is; ERROR_INVALID_PARAMETER for
/// GMEM_DISCARDABLE without GMEM_MODIFY, and for 0 bytes of a block that is locked, or
/// moveable without GMEM_MOVEABLE; ERROR_INVALID_HANDLE; for an address at
/// which nothing can be read, ERROR_NOACCESS.
///
/// Source: "GlobalReAlloc function (winbase.h)".
///
/// # Safety
/// Nobody uses the block by an address from before, unless null is returned.
pub unsafe extern "system" fn GlobalReAlloc(
    memory: HGLOBAL,
    bytes: SIZE_T,
    flags: UINT,
) -> HGLOBAL {
    // SAFETY: the caller's promise is the callee's.
    unsafe { reallocate(Face::Global, memory, bytes, flags) }
}

/// Frees a block by its handle or address, locked or not. Null, also for null;
/// otherwise `memory` and ERROR_INVALID_HANDLE, or, for an address at which nothing can
/// be read, ERROR_NOACCESS.
///
/// Source: "GlobalFree function (winbase.h)".
///
/// # Safety
/// Nobody uses the block any more.
pub unsafe extern "system" fn GlobalFree(memory: HGLOBAL) -> HGLOBAL {
    // SAFETY: the caller's promise is the callee's.
    unsafe { free(memory) }
}

/// Locks a moveable block once more, up to 255 times; its address. Of a fixed block
/// its address, and nothing is counted.
///
/// Null and ERROR_DISCARDED when there is no block, ERROR_INVALID_HANDLE otherwise.
///
/// Source: "GlobalLock function (winbase.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn GlobalLock(memory: HGLOBAL) -> LPVOID {
    if table::has(memory.addr())
        && let Some(data) = table::of(memory.addr()).lock_at_hand()
    {
        return data.cast();
    }
    lock_rest(memory)
}

/// [`GlobalLock`] where it is not done at once.
#[inline(never)]
fn lock_rest(memory: HGLOBAL) -> LPVOID {
    match handles::lock(memory.addr()) {
        Ok(data) => data.cast(),
        Err(error) => fail(error),
    }
}

/// Takes a lock back. TRUE while the block is locked still; FALSE and NO_ERROR when
/// it is not any more, FALSE and ERROR_NOT_LOCKED when it was not. TRUE for whatever
/// is no handle, and TRUE and ERROR_INVALID_HANDLE for a handle that is freed.
///
/// Source: "GlobalUnlock function (winbase.h)". (Windows is documented to return
/// FALSE for what is no handle, and seen to return TRUE.)
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn GlobalUnlock(memory: HGLOBAL) -> BOOL {
    if table::has(memory.addr())
        && let Some(is_locked) = table::of(memory.addr()).unlock_at_hand()
    {
        if is_locked {
            return TRUE;
        }
        last_error::clear();
        return FALSE;
    }
    unlock_rest(memory)
}

/// [`GlobalUnlock`] where it is not done at once.
#[inline(never)]
fn unlock_rest(memory: HGLOBAL) -> BOOL {
    if !table::is_handle(memory.addr()) {
        return TRUE;
    }
    match handles::unlock(memory.addr()) {
        Ok(true) => TRUE,
        Ok(false) => {
            last_error::clear();
            FALSE
        }
        Err(error) => {
            fail(error);
            BOOL::from(error != ERROR_NOT_LOCKED)
        }
    }
}

/// [`GlobalLock`], whose address is not told. Obsolete.
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn GlobalFix(memory: HGLOBAL) {
    // SAFETY: no promise to keep.
    unsafe { GlobalLock(memory) };
}

/// [`GlobalUnlock`]. Obsolete.
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn GlobalUnfix(memory: HGLOBAL) {
    // SAFETY: no promise to keep.
    unsafe { GlobalUnlock(memory) };
}

/// [`GlobalLock`]. Obsolete.
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn GlobalWire(memory: HGLOBAL) -> LPVOID {
    // SAFETY: no promise to keep.
    unsafe { GlobalLock(memory) }
}

/// [`GlobalUnlock`]. Obsolete.
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn GlobalUnWire(memory: HGLOBAL) -> BOOL {
    // SAFETY: no promise to keep.
    unsafe { GlobalUnlock(memory) }
}

/// The bytes of a block, by its handle or address; 0 if it was discarded, and 0 and
/// ERROR_INVALID_HANDLE if it is none.
///
/// Source: "GlobalSize function (winbase.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn GlobalSize(memory: HGLOBAL) -> SIZE_T {
    size(memory)
}

/// How often a moveable block is locked, in the low byte, with GMEM_DISCARDABLE, GMEM_DDESHARE
/// and GMEM_DISCARDED (of size 0, too). 0 of a fixed block. Otherwise
/// GMEM_INVALID_HANDLE and ERROR_INVALID_HANDLE.
///
/// Source: "GlobalFlags function (winbase.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn GlobalFlags(memory: HGLOBAL) -> UINT {
    flags(Face::Global, memory)
}

/// The handle of the block at an address: a moveable one's is the settable value
/// of the block, a fixed one's the address. Null and ERROR_INVALID_HANDLE otherwise;
/// ERROR_INVALID_PARAMETER for null.
///
/// Source: "GlobalHandle function (winbase.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn GlobalHandle(memory: LPCVOID) -> HGLOBAL {
    handle_at(Face::Global, memory)
}

/// Gives free memory of the process heap back; the bytes of its largest free block.
/// Blocks are neither moved nor discarded. Obsolete.
///
/// Source: "Comparing Memory Allocation Methods".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn GlobalCompact(_least: DWORD) -> SIZE_T {
    compact()
}

/// Allocates `bytes` bytes of the process heap, exactly.
///
/// Flags: LMEM_MOVEABLE for a block with a handle, which [`LocalLock`] leads to its
/// address, else the result is the address, a multiple of 16; LMEM_ZEROINIT. Of a
/// moveable block, LMEM_DISCARDABLE is kept for [`LocalFlags`].
/// Others are ignored. A moveable block of 0 bytes is a handle without a block, as if
/// discarded.
///
/// Null and ERROR_NOT_ENOUGH_MEMORY when there is no memory, or the process has
/// 65,536 moveable handles, of global and local blocks together.
///
/// Source: "LocalAlloc function (winbase.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn LocalAlloc(flags: UINT, bytes: SIZE_T) -> HLOCAL {
    allocate(Face::Local, flags, bytes)
}

/// Changes a block's size to `bytes`, or, with LMEM_MODIFY, what its handle is. What
/// it held stays, up to the smaller size. The handle or address, which of a fixed
/// block may be new.
///
/// Without LMEM_MODIFY, a fixed or locked block stays where it is unless
/// LMEM_MOVEABLE is given; a moveable one that is not locked may get another address. 0
/// bytes and LMEM_MOVEABLE discard a moveable block: the handle stays, and a later
/// call may give it a block again. LMEM_ZEROINIT zeroes what is added. With
/// LMEM_MODIFY the size stays, and a moveable block may become LMEM_DISCARDABLE.
///
/// Null otherwise, and the block as it was: ERROR_NOT_ENOUGH_MEMORY when there is no
/// memory or the block cannot stay where it is; ERROR_INVALID_PARAMETER for
/// LMEM_DISCARDABLE without LMEM_MODIFY, and for 0 bytes of a block that is locked, or
/// moveable without LMEM_MOVEABLE; ERROR_INVALID_HANDLE; for an address at
/// which nothing can be read, ERROR_NOACCESS.
///
/// Source: "LocalReAlloc function (winbase.h)".
///
/// # Safety
/// Nobody uses the block by an address from before, unless null is returned.
pub unsafe extern "system" fn LocalReAlloc(memory: HLOCAL, bytes: SIZE_T, flags: UINT) -> HLOCAL {
    // SAFETY: the caller's promise is the callee's.
    unsafe { reallocate(Face::Local, memory, bytes, flags) }
}

/// Frees a block by its handle or address, locked or not. Null, also for null;
/// otherwise `memory` and ERROR_INVALID_HANDLE, or, for an address at which nothing can
/// be read, ERROR_NOACCESS.
///
/// Source: "LocalFree function (winbase.h)".
///
/// # Safety
/// Nobody uses the block any more.
pub unsafe extern "system" fn LocalFree(memory: HLOCAL) -> HLOCAL {
    // SAFETY: the caller's promise is the callee's.
    unsafe { free(memory) }
}

/// As [`GlobalLock`], but that an address at which nothing can be read gives null and
/// leaves the last error as it was.
///
/// Source: "LocalLock function (winbase.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn LocalLock(memory: HLOCAL) -> LPVOID {
    match handles::lock(memory.addr()) {
        Ok(data) => data.cast(),
        Err(ERROR_DISCARDED) => fail(ERROR_DISCARDED),
        Err(_) if !table::is_handle(memory.addr()) => ptr::null_mut(),
        Err(error) => fail(error),
    }
}

/// Takes a lock back. TRUE while the block is locked still; FALSE and NO_ERROR when
/// it is not any more; FALSE and ERROR_NOT_LOCKED when it was not, and for whatever
/// is no handle; FALSE and ERROR_INVALID_HANDLE for a handle that is freed.
///
/// Source: "LocalUnlock function (winbase.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn LocalUnlock(memory: HLOCAL) -> BOOL {
    let error = if table::is_handle(memory.addr()) {
        match handles::unlock(memory.addr()) {
            Ok(true) => return TRUE,
            Ok(false) => NO_ERROR,
            Err(error) => error,
        }
    } else {
        ERROR_NOT_LOCKED
    };
    last_error::set(error);
    FALSE
}

/// Gives free memory of the process heap back; its largest free block's bytes. Windows
/// has no local heap to make smaller. Obsolete.
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn LocalShrink(_memory: HLOCAL, _bytes: UINT) -> SIZE_T {
    compact()
}

/// The bytes of a block, by its handle or address; 0 if it was discarded, and 0 and
/// ERROR_INVALID_HANDLE if it is none.
///
/// Source: "LocalSize function (winbase.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn LocalSize(memory: HLOCAL) -> SIZE_T {
    size(memory)
}

/// How often a moveable block is locked, in the low byte, with LMEM_DISCARDABLE
/// and LMEM_DISCARDED (of size 0, too). 0 of a fixed block. Otherwise
/// LMEM_INVALID_HANDLE and ERROR_INVALID_HANDLE; ERROR_NOACCESS for an
/// address at which nothing can be read.
///
/// Source: "LocalFlags function (winbase.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn LocalFlags(memory: HLOCAL) -> UINT {
    flags(Face::Local, memory)
}

/// The handle of the block at an address: a moveable one's is the settable value
/// of the block, a fixed one's the address. Null and ERROR_INVALID_HANDLE otherwise; ERROR_NOACCESS for an
/// address at which nothing can be read;
/// ERROR_INVALID_PARAMETER for null.
///
/// Source: "LocalHandle function (winbase.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn LocalHandle(memory: LPCVOID) -> HLOCAL {
    handle_at(Face::Local, memory)
}

/// Gives free memory of the process heap back; the bytes of its largest free block.
/// Blocks are neither moved nor discarded. Obsolete.
///
/// Source: "Comparing Memory Allocation Methods".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn LocalCompact(_least: UINT) -> SIZE_T {
    compact()
}

//! The native layer's names of the heap functions.
//!
//! They are the functions of [`heap`](super::heap) and set last errors as those
//! do. A report of misuse names the function there; only the report of an
//! exception that nobody handles names the one here. The documentation of Windows
//! has a page for two of them, which say so; the others are as ntdll is generally
//! known to have them.

use super::constants::{ERROR_INVALID_PARAMETER, FALSE, HEAP_SETTABLE_USER_FLAGS};
use super::failure::{fail, fail_block, handle_of, told};
use super::heap::{
    GetProcessHeaps, HeapCompact, HeapSize, HeapValidate, allocate, free, lock, reallocate, unlock,
};
use super::last_error;
use super::types::{BOOLEAN, PVOID, SIZE_T, ULONG};
use crate::heap::private::{self, Error};

const NO: BOOLEAN = 0;
const YES: BOOLEAN = 1;

fn answer(operation: &str, heap: PVOID, done: Result<(), Error>) -> BOOLEAN {
    match done {
        Ok(()) => YES,
        Err(error) => {
            last_error::set(told(operation, heap, error));
            NO
        }
    }
}

/// [`HeapAlloc`](super::HeapAlloc).
///
/// Source: "RtlAllocateHeap function (ntifs.h)".
///
/// # Safety
/// As for [`HeapAlloc`](super::HeapAlloc).
pub unsafe extern "system" fn RtlAllocateHeap(heap: PVOID, flags: ULONG, size: SIZE_T) -> PVOID {
    // SAFETY: the caller's promise is the callee's.
    unsafe { allocate("RtlAllocateHeap", heap, flags, size) }
}

/// [`HeapReAlloc`](super::HeapReAlloc).
///
/// # Safety
/// As for [`HeapReAlloc`](super::HeapReAlloc).
pub unsafe extern "system" fn RtlReAllocateHeap(
    heap: PVOID,
    flags: ULONG,
    block: PVOID,
    size: SIZE_T,
) -> PVOID {
    // SAFETY: the caller's promise is the callee's.
    unsafe { reallocate("RtlReAllocateHeap", heap, flags, block, size) }
}

/// [`HeapFree`](super::HeapFree): 1 or 0.
///
/// Source: "RtlFreeHeap function (ntifs.h)".
///
/// # Safety
/// As for [`HeapFree`](super::HeapFree).
pub unsafe extern "system" fn RtlFreeHeap(heap: PVOID, flags: ULONG, block: PVOID) -> ULONG {
    // SAFETY: the caller's promise is the callee's.
    match unsafe { free(heap, flags, block) } {
        Ok(()) => 1,
        Err(error) => {
            fail_block(error, block.addr());
            0
        }
    }
}

/// [`HeapSize`](super::HeapSize).
///
/// # Safety
/// As for [`HeapSize`](super::HeapSize).
pub unsafe extern "system" fn RtlSizeHeap(heap: PVOID, flags: ULONG, block: PVOID) -> SIZE_T {
    // SAFETY: the caller's promise is the callee's.
    unsafe { HeapSize(heap, flags, block) }
}

/// [`HeapValidate`](super::HeapValidate): 1 or 0.
///
/// # Safety
/// As for [`HeapValidate`](super::HeapValidate).
pub unsafe extern "system" fn RtlValidateHeap(heap: PVOID, flags: ULONG, block: PVOID) -> BOOLEAN {
    // SAFETY: the caller's promise is the callee's.
    BOOLEAN::from(unsafe { HeapValidate(heap, flags, block) } != FALSE)
}

/// [`HeapCompact`](super::HeapCompact).
///
/// # Safety
/// As for [`HeapCompact`](super::HeapCompact).
pub unsafe extern "system" fn RtlCompactHeap(heap: PVOID, flags: ULONG) -> SIZE_T {
    // SAFETY: the caller's promise is the callee's.
    unsafe { HeapCompact(heap, flags) }
}

/// [`HeapLock`](super::HeapLock): 1 or 0.
///
/// # Safety
/// As for [`HeapLock`](super::HeapLock).
pub unsafe extern "system" fn RtlLockHeap(heap: PVOID) -> BOOLEAN {
    BOOLEAN::from(lock(heap) != FALSE)
}

/// [`HeapUnlock`](super::HeapUnlock): 1 or 0.
///
/// # Safety
/// As for [`HeapUnlock`](super::HeapUnlock).
pub unsafe extern "system" fn RtlUnlockHeap(heap: PVOID) -> BOOLEAN {
    BOOLEAN::from(unlock(heap) != FALSE)
}

/// [`GetProcessHeaps`](super::GetProcessHeaps).
///
/// # Safety
/// As for [`GetProcessHeaps`](super::GetProcessHeaps).
pub unsafe extern "system" fn RtlGetProcessHeaps(count: ULONG, heaps: *mut PVOID) -> ULONG {
    // SAFETY: the caller's promise is the callee's.
    unsafe { GetProcessHeaps(count, heaps) }
}

/// Allocates `count` blocks of `size` bytes into `blocks`, as
/// [`HeapAlloc`](super::HeapAlloc) does, until one fails. How many it
/// allocated; the last error, or the exception, tells why there are not more.
///
/// # Safety
/// `blocks` has room for `count` addresses; `heap` is not being destroyed.
pub unsafe extern "system" fn RtlMultipleAllocateHeap(
    heap: PVOID,
    flags: ULONG,
    size: SIZE_T,
    count: ULONG,
    blocks: *mut PVOID,
) -> ULONG {
    for done in 0..count {
        // SAFETY: the caller's promise is the callee's.
        let block = unsafe { allocate("RtlMultipleAllocateHeap", heap, flags, size) };
        if block.is_null() {
            return done;
        }
        // SAFETY: the caller's array has room for `count` addresses, and `done`
        // is below that.
        unsafe { blocks.wrapping_add(done as usize).write_unaligned(block) };
    }
    count
}

/// Frees the `count` blocks in `blocks` until one is no block of the heap; null
/// counts as freed. How many it freed; ERROR_INVALID_PARAMETER, or
/// ERROR_INVALID_HANDLE, if not all.
///
/// # Safety
/// `blocks` leads to `count` addresses, and nobody uses the blocks any more;
/// `heap` is not being destroyed.
pub unsafe extern "system" fn RtlMultipleFreeHeap(
    heap: PVOID,
    flags: ULONG,
    count: ULONG,
    blocks: *mut PVOID,
) -> ULONG {
    for done in 0..count {
        // SAFETY: the caller's array has `count` addresses, and `done` is below
        // that; the rest of the promise is the callee's.
        let freed = unsafe {
            let block = blocks.wrapping_add(done as usize).read_unaligned();
            free(heap, flags, block)
        };
        if let Err(error) = freed {
            fail(error);
            return done;
        }
    }
    count
}

/// Sets the user value of a block that was allocated with
/// HEAP_SETTABLE_USER_VALUE. 1; 0 and ERROR_INVALID_PARAMETER when it was not, or
/// is no block of the heap, ERROR_INVALID_HANDLE for a bad handle.
///
/// # Safety
/// `heap` is not being destroyed.
pub unsafe extern "system" fn RtlSetUserValueHeap(
    heap: PVOID,
    flags: ULONG,
    block: PVOID,
    value: PVOID,
) -> BOOLEAN {
    let value = value.expose_provenance();
    let done = private::set_user_value(handle_of(heap), flags, block.cast(), value);
    answer("RtlSetUserValueHeap", heap, done)
}

/// Tells a block's user value, if it has one, and its user flags, 0 if it has
/// none. 1; 0 and ERROR_INVALID_PARAMETER for what is no block of the heap,
/// ERROR_INVALID_HANDLE for a bad handle.
///
/// # Safety
/// `value` and `user_flags` lead to room for what they are to be told, or are
/// null. `heap` is not being destroyed.
pub unsafe extern "system" fn RtlGetUserInfoHeap(
    heap: PVOID,
    flags: ULONG,
    block: PVOID,
    value: *mut PVOID,
    user_flags: *mut ULONG,
) -> BOOLEAN {
    let done = private::user_info(handle_of(heap), flags, block.cast()).map(|info| {
        // SAFETY: the caller's places, where there are any, can be written to.
        unsafe {
            if let Some(known) = info.value
                && !value.is_null()
            {
                value.write_unaligned(core::ptr::with_exposed_provenance_mut(known));
            }
            if !user_flags.is_null() {
                user_flags.write_unaligned(info.flags & HEAP_SETTABLE_USER_FLAGS);
            }
        }
    });
    answer("RtlGetUserInfoHeap", heap, done)
}

/// Clears and then sets user flags of a block. 1; 0 and ERROR_INVALID_PARAMETER
/// for bits that are no user flags, and for what is no block of the heap,
/// ERROR_INVALID_HANDLE for a bad handle.
///
/// # Safety
/// `heap` is not being destroyed.
pub unsafe extern "system" fn RtlSetUserFlagsHeap(
    heap: PVOID,
    flags: ULONG,
    block: PVOID,
    reset: ULONG,
    set: ULONG,
) -> BOOLEAN {
    if (reset | set) & !HEAP_SETTABLE_USER_FLAGS != 0 {
        last_error::set(ERROR_INVALID_PARAMETER);
        return NO;
    }
    let done = private::set_user_flags(handle_of(heap), flags, block.cast(), reset, set);
    answer("RtlSetUserFlagsHeap", heap, done)
}

/// The process's global flags: 0, since no heap is made for debugging.
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn RtlGetNtGlobalFlags() -> ULONG {
    0
}

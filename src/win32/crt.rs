//! The C runtime's names: malloc's Windows kin, on the runtime that all modules
//! share ([`Crt::shared`]).
//!
//! malloc, calloc, realloc and free themselves are the C library's names, and
//! come from `libntheap.so`.

use super::last_error;
use super::types::{
    _HEAPINFO, _PNH, _invalid_parameter_handler, INT, PINT, PVOID, UINT, errno_t, intptr_t, size_t,
    uintptr_t,
};
use crate::crt::{Crt, check, errno, invalid, new_handler};

fn crt() -> &'static Crt {
    Crt::shared()
}

/// Bytes that a block was asked for. SIZE_MAX and EINVAL, after the invalid
/// parameter handler, for null; SIZE_MAX, after a report, for what is no block.
/// Constant time.
///
/// Source: "_msize".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _msize(block: PVOID) -> size_t {
    crt().msize(block.cast())
}

/// Resizes a block where it is. Null and ENOMEM, and the block as it was, when it
/// cannot grow there and for a size above `_HEAP_MAXREQ`; null and EINVAL, after
/// the invalid parameter handler, for null, and after a report for what is no
/// block. A block that the
/// low-fragmentation heap serves does not shrink, and is the result all the
/// same.
///
/// Source: "_expand".
///
/// # Safety
/// Nobody uses what the block loses any more.
pub unsafe extern "system" fn _expand(block: PVOID, size: size_t) -> PVOID {
    // SAFETY: the caller's promise.
    unsafe { crt().expand(block.cast(), size).cast() }
}

/// realloc for `count` members of `size` bytes; what is new is zero. Null and
/// ENOMEM when the product overflows or there is no memory; null where it is 0,
/// and the block freed.
///
/// Source: "_recalloc".
///
/// # Safety
/// If it succeeds, nobody uses the old block any more.
pub unsafe extern "system" fn _recalloc(block: PVOID, count: size_t, size: size_t) -> PVOID {
    // SAFETY: the caller's promise.
    unsafe { crt().recalloc(block.cast(), count, size).cast() }
}

/// `size` bytes at a multiple of `alignment`, a power of two; 0 passes for one.
/// Null and EINVAL, after the invalid parameter handler, for another alignment
/// and for a size of 0; null and ENOMEM when there is no memory.
///
/// Source: "_aligned_malloc".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _aligned_malloc(size: size_t, alignment: size_t) -> PVOID {
    crt().aligned_malloc(size, alignment).cast()
}

/// Resizes a block of `_aligned_malloc`. Null acts as that; a size of 0 frees,
/// and null is the result. Errors as [`_aligned_malloc`]'s, and the block as it
/// was.
///
/// Source: "_aligned_realloc".
///
/// # Safety
/// If it succeeds, nobody uses the old block any more.
pub unsafe extern "system" fn _aligned_realloc(
    block: PVOID,
    size: size_t,
    alignment: size_t,
) -> PVOID {
    // SAFETY: the caller's promise.
    unsafe { _aligned_offset_realloc(block, size, alignment, 0) }
}

/// [`_aligned_realloc`] for `count` members of `size` bytes; what is new is zero.
///
/// Source: "_aligned_recalloc".
///
/// # Safety
/// As for [`_aligned_realloc`].
pub unsafe extern "system" fn _aligned_recalloc(
    block: PVOID,
    count: size_t,
    size: size_t,
    alignment: size_t,
) -> PVOID {
    // SAFETY: the caller's promise.
    unsafe { _aligned_offset_recalloc(block, count, size, alignment, 0) }
}

/// `size` bytes of which that at `offset` lies at a multiple of `alignment`.
/// Errors as [`_aligned_malloc`]'s; EINVAL also where the offset is not below
/// the size, but for 0.
///
/// Source: "_aligned_offset_malloc".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _aligned_offset_malloc(
    size: size_t,
    alignment: size_t,
    offset: size_t,
) -> PVOID {
    crt().aligned_offset_malloc(size, alignment, offset).cast()
}

/// Resizes a block of `_aligned_offset_malloc`, as [`_aligned_realloc`] does.
///
/// Source: "_aligned_offset_realloc".
///
/// # Safety
/// As for [`_aligned_realloc`].
pub unsafe extern "system" fn _aligned_offset_realloc(
    block: PVOID,
    size: size_t,
    alignment: size_t,
    offset: size_t,
) -> PVOID {
    // SAFETY: the caller's promise.
    unsafe {
        crt()
            .aligned_offset_realloc(block.cast(), size, alignment, offset)
            .cast()
    }
}

/// [`_aligned_offset_realloc`] for `count` members of `size` bytes; what is new
/// is zero.
///
/// Source: "_aligned_offset_recalloc".
///
/// # Safety
/// As for [`_aligned_realloc`].
pub unsafe extern "system" fn _aligned_offset_recalloc(
    block: PVOID,
    count: size_t,
    size: size_t,
    alignment: size_t,
    offset: size_t,
) -> PVOID {
    // SAFETY: the caller's promise.
    unsafe {
        crt()
            .aligned_offset_recalloc(block.cast(), count, size, alignment, offset)
            .cast()
    }
}

/// Bytes that a block of the `_aligned_` functions was asked for, if its
/// alignment and offset are these; another number otherwise. SIZE_MAX and
/// EINVAL, after the invalid parameter handler, for null.
///
/// Source: "_aligned_msize".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _aligned_msize(
    block: PVOID,
    alignment: size_t,
    offset: size_t,
) -> size_t {
    crt().aligned_msize(block.cast(), alignment, offset)
}

/// Frees a block of the `_aligned_` functions, and nothing else: what is none is
/// reported. Null is allowed.
///
/// Source: "_aligned_free".
///
/// # Safety
/// Nobody uses the block any more.
pub unsafe extern "system" fn _aligned_free(block: PVOID) {
    // SAFETY: the caller's promise.
    errno::keep(|| unsafe { crt().aligned_free(block.cast()) });
}

/// `_HEAPOK` if the runtime's heap is sound; else `_HEAPBADNODE`, or
/// `_HEAPBADBEGIN` where there is no memory for one. Takes time with its size.
///
/// Source: "_heapchk".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _heapchk() -> INT {
    crt().heapchk()
}

/// [`_heapchk`], and then every free entry is filled with `fill`'s low byte, but
/// for pages that were given back to the system and for blocks that the
/// low-fragmentation heap keeps.
///
/// Source: "_heapset".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _heapset(fill: UINT) -> INT {
    crt().heapset(fill)
}

/// Moves `entry` on to the next block of the runtime's heap, used or free; an
/// entry with a null address starts the walk. `_HEAPOK`, `_HEAPEND` after the
/// last one, `_HEAPBADPTR` for an address outside of the heap, `_HEAPBADNODE`
/// for one that is no entry. For null `_HEAPBADPTR` and EINVAL, after the invalid
/// parameter handler.
///
/// Source: "_heapwalk".
///
/// # Safety
/// `entry` is null or leads to an entry that can be written to.
pub unsafe extern "system" fn _heapwalk(entry: *mut _HEAPINFO) -> INT {
    // SAFETY: the caller's promise.
    match unsafe { entry.as_mut() } {
        Some(entry) => crt().heapwalk(entry),
        None => {
            invalid::parameter();
            check::HEAPBADPTR
        }
    }
}

/// Gives what the runtime's heap does not use back to the system. 0; -1 when
/// there is no heap.
///
/// Source: "_heapmin".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _heapmin() -> INT {
    if crt().heapmin() { 0 } else { -1 }
}

/// The handle of the heap that the runtime is on. By default it is
/// GetProcessHeap()'s.
///
/// Source: "_get_heap_handle".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _get_heap_handle() -> intptr_t {
    crt().heap().map_or(0, |heap| heap.address() as intptr_t)
}

/// 0: there is no small-block heap, as in all 64-bit runtimes.
///
/// Source: "_set_sbh_threshold".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _set_sbh_threshold(_size: size_t) -> INT {
    0
}

/// 0: there is no small-block heap.
///
/// Source: "_get_sbh_threshold".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _get_sbh_threshold() -> size_t {
    0
}

/// Sets what is called when there is no memory: by `operator new` always, by
/// malloc in new mode 1. Returns the handler before. Any thread.
///
/// Source: "_set_new_handler".
///
/// # Safety
/// The handler can be called at any time from any thread.
pub unsafe extern "system" fn _set_new_handler(handler: _PNH) -> _PNH {
    new_handler::set(handler)
}

/// The handler of [`_set_new_handler`].
///
/// Source: "_query_new_handler".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _query_new_handler() -> _PNH {
    new_handler::get()
}

/// Whether malloc calls the new handler: 1, or 0 as at first. Returns the mode
/// before; -1 and EINVAL, after the invalid parameter handler, for other numbers.
///
/// Source: "_set_new_mode".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _set_new_mode(mode: INT) -> INT {
    new_handler::set_mode(mode)
}

/// The mode of [`_set_new_mode`].
///
/// Source: "_query_new_mode".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _query_new_mode() -> INT {
    new_handler::mode()
}

/// Calls the new handler, if there is one: 1 if the allocation of `size` bytes
/// is to be tried again, else 0.
///
/// Source: "_callnewh".
///
/// # Safety
/// No lock of the program's that the handler takes is held.
pub unsafe extern "system" fn _callnewh(size: size_t) -> INT {
    INT::from(new_handler::call(size))
}

/// Sets what is told of arguments that are not allowed; returns the handler
/// before. Without one, errno alone tells. The handler gets nulls and zeros, as
/// in the release versions of the runtime. Any thread.
///
/// Source: "_set_invalid_parameter_handler".
///
/// # Safety
/// The handler can be called at any time from any thread.
pub unsafe extern "system" fn _set_invalid_parameter_handler(
    handler: _invalid_parameter_handler,
) -> _invalid_parameter_handler {
    invalid::set(handler)
}

/// The handler of [`_set_invalid_parameter_handler`].
///
/// Source: "_get_invalid_parameter_handler".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _get_invalid_parameter_handler() -> _invalid_parameter_handler {
    invalid::get()
}

/// Where the calling thread's `_doserrno` is: the system's number of an error, which
/// errno stands for in C's words. 0 in a new thread. None of the functions here fails
/// with an error of the system's, so that it is what the program makes it.
///
/// Source: "errno, _doserrno, _sys_errlist, and _sys_nerr".
///
/// # Safety
/// The place is used by the calling thread, while that lives.
pub unsafe extern "system" fn __doserrno() -> *mut uintptr_t {
    last_error::system_error().cast()
}

/// The calling thread's `_doserrno` in `*value`. 0; EINVAL, after the invalid parameter
/// handler, for null.
///
/// Source: "_get_doserrno".
///
/// # Safety
/// `value` is null or can be written to.
pub unsafe extern "system" fn _get_doserrno(value: *mut uintptr_t) -> errno_t {
    if value.is_null() {
        invalid::parameter();
        return errno::EINVAL;
    }
    // SAFETY: the caller's place, and the thread's own.
    unsafe { value.write(*__doserrno()) };
    0
}

/// Sets the calling thread's `_doserrno`; 0.
///
/// Source: "_set_doserrno".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _set_doserrno(value: uintptr_t) -> errno_t {
    // SAFETY: the thread's own place.
    unsafe { *__doserrno() = value };
    0
}

/// The calling thread's errno in `*value`. 0; EINVAL, after the invalid parameter
/// handler, for null.
///
/// Source: "_get_errno".
///
/// # Safety
/// `value` is null or can be written to.
pub unsafe extern "system" fn _get_errno(value: PINT) -> errno_t {
    if value.is_null() {
        invalid::parameter();
        return errno::EINVAL;
    }
    // SAFETY: the caller's place.
    unsafe { value.write(errno::get()) };
    0
}

/// Sets the calling thread's errno; 0.
///
/// Source: "_set_errno".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn _set_errno(value: INT) -> errno_t {
    errno::set(value);
    0
}

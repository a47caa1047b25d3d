//! The debug C runtime's names: blocks, on the debug heap of the runtime that
//! all modules share ([`DebugHeap::shared`]).
//!
//! In all functions:
//! - `block_use` is `_NORMAL_BLOCK`, `_CLIENT_BLOCK` with a subtype in its upper
//!   half, or another type that blocks can have; `file` and `line` say who asks.
//!   The text is kept as an address.
//! - What is wrong with a block is reported, in Microsoft's words
//!   ([`report`](crate::crt::debug::report)).
//! - Any thread may call them.

use super::types::{INT, LPCSTR, LPCWSTR, LPSTR, LPWSTR, PVOID, UCHAR, size_t};
use crate::crt::debug::aligned::Alignment;
use crate::crt::debug::{DebugHeap, Origin};
use crate::crt::{errno, invalid};
use core::ffi::CStr;
use core::ptr;

fn heap() -> &'static DebugHeap {
    DebugHeap::shared()
}

/// Where a request comes from.
///
/// # Safety
/// `file` is null or a text that lives as long as the process.
unsafe fn origin(file: LPCSTR, line: INT) -> Origin {
    // SAFETY: the caller's promise.
    unsafe { Origin::from_raw(file, line) }
}

/// malloc with a type and an origin: `size` bytes of 0xCD between fences of
/// 0xFD. Null and ENOMEM when there is no memory, the allocation hook refuses or
/// the size is above `_HEAP_MAXREQ` with what a block has around it; null and
/// EINVAL, after a report, for a type that blocks cannot be asked for as.
/// Constant time, but for filling, and for checks that are due.
///
/// Source: "_malloc_dbg".
///
/// # Safety
/// `file` is null or a text that lives as long as the process.
pub unsafe extern "system" fn _malloc_dbg(
    size: size_t,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> PVOID {
    // SAFETY: the caller's promise.
    let origin = unsafe { origin(file, line) };
    heap().allocate(size, block_use, origin).cast()
}

/// calloc with a type and an origin; otherwise as [`_malloc_dbg`]. ENOMEM also
/// when the product overflows.
///
/// Source: "_calloc_dbg".
///
/// # Safety
/// As for [`_malloc_dbg`].
pub unsafe extern "system" fn _calloc_dbg(
    count: size_t,
    size: size_t,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> PVOID {
    // SAFETY: the caller's promise.
    let origin = unsafe { origin(file, line) };
    heap()
        .allocate_zeroed(count, size, block_use, origin)
        .cast()
}

/// realloc with a type and an origin: what is added is 0xCD, and the block's
/// request is this one from then on. Null acts as [`_malloc_dbg`], a size of 0 as
/// [`_free_dbg`]. Null, and the block as it was: as for [`_malloc_dbg`], and
/// EINVAL, after a report, for what is no block.
///
/// Source: "_realloc_dbg".
///
/// # Safety
/// As for [`_malloc_dbg`]; if it succeeds, nobody uses the old block any more.
pub unsafe extern "system" fn _realloc_dbg(
    block: PVOID,
    size: size_t,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> PVOID {
    // SAFETY: the caller's promise.
    unsafe {
        heap()
            .reallocate(block.cast(), size, block_use, origin(file, line))
            .cast()
    }
}

/// [`_realloc_dbg`] for `count` members of `size` bytes; what is added is 0.
/// ENOMEM also when the product overflows.
///
/// Source: "_recalloc_dbg".
///
/// # Safety
/// As for [`_realloc_dbg`].
pub unsafe extern "system" fn _recalloc_dbg(
    block: PVOID,
    count: size_t,
    size: size_t,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> PVOID {
    // SAFETY: the caller's promise.
    unsafe {
        heap()
            .reallocate_zeroed(block.cast(), count, size, block_use, origin(file, line))
            .cast()
    }
}

/// Resizes a block where it is. Null, and the block as it was, otherwise:
/// ENOMEM when it cannot grow there; EINVAL, after the invalid parameter handler,
/// for null and for a size above `_HEAP_MAXREQ`; EINVAL, after a report, for what
/// is no block.
///
/// Source: "_expand_dbg".
///
/// # Safety
/// As for [`_malloc_dbg`]; nobody uses what the block loses any more.
pub unsafe extern "system" fn _expand_dbg(
    block: PVOID,
    size: size_t,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> PVOID {
    if block.is_null() || size > crate::crt::MAX_REQUEST {
        invalid::parameter();
        return ptr::null_mut();
    }
    // SAFETY: the caller's promise.
    unsafe {
        heap()
            .expand(block.cast(), size, block_use, origin(file, line))
            .cast()
    }
}

/// Frees a block of that type; null is none, and -1 is any type. A block that
/// is damaged is reported and freed all the same; what is none, or was freed,
/// is reported and left alone. With `_CRTDBG_DELAY_FREE_MEM_DF` the block is
/// kept, filled with 0xDD. errno stays as it was. Constant time, but for filling,
/// and for checks that are due.
///
/// Source: "_free_dbg".
///
/// # Safety
/// If it is a block, nobody uses it any more.
pub unsafe extern "system" fn _free_dbg(block: PVOID, block_use: INT) {
    // SAFETY: the caller's promise.
    unsafe { heap().free(block.cast(), block_use) }
}

/// Bytes that a block was asked for. (size_t)-1 and EINVAL, after the invalid
/// parameter handler, for null; 0, after a report, for what is no block.
///
/// Microsoft's page says that the fences are counted; its sample shows that they
/// are not.
///
/// Source: "_msize_dbg".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn _msize_dbg(block: PVOID, block_use: INT) -> size_t {
    if block.is_null() {
        invalid::parameter();
        return size_t::MAX;
    }
    heap().size_of(block.cast(), block_use).unwrap_or(0)
}

/// The alignment that a program asks for, or none after the invalid parameter
/// handler.
fn alignment(size: size_t, alignment: size_t, offset: size_t) -> Option<Alignment> {
    let result = Alignment::new(alignment, offset, size);
    if result.is_none() {
        invalid::parameter();
    }
    result
}

/// `size` bytes at a multiple of `alignment`, a power of two; 0 passes for one.
/// In a debug block of its own, of type `_NORMAL_BLOCK`. Null and EINVAL, after
/// the invalid parameter handler, for another alignment and for a size of 0;
/// otherwise as [`_malloc_dbg`].
///
/// Source: "_aligned_malloc_dbg".
///
/// # Safety
/// As for [`_malloc_dbg`].
pub unsafe extern "system" fn _aligned_malloc_dbg(
    size: size_t,
    alignment: size_t,
    file: LPCSTR,
    line: INT,
) -> PVOID {
    // SAFETY: the caller's promise is the callee's.
    unsafe { _aligned_offset_malloc_dbg(size, alignment, 0, file, line) }
}

/// [`_aligned_offset_realloc_dbg`] with an offset of 0.
///
/// Source: "_aligned_realloc_dbg".
///
/// # Safety
/// As for [`_realloc_dbg`].
pub unsafe extern "system" fn _aligned_realloc_dbg(
    block: PVOID,
    size: size_t,
    alignment: size_t,
    file: LPCSTR,
    line: INT,
) -> PVOID {
    // SAFETY: the caller's promise is the callee's.
    unsafe { _aligned_offset_realloc_dbg(block, size, alignment, 0, file, line) }
}

/// [`_aligned_offset_recalloc_dbg`] with an offset of 0.
///
/// Source: "_aligned_recalloc_dbg".
///
/// # Safety
/// As for [`_realloc_dbg`].
pub unsafe extern "system" fn _aligned_recalloc_dbg(
    block: PVOID,
    count: size_t,
    size: size_t,
    alignment: size_t,
    file: LPCSTR,
    line: INT,
) -> PVOID {
    // SAFETY: the caller's promise is the callee's.
    unsafe { _aligned_offset_recalloc_dbg(block, count, size, alignment, 0, file, line) }
}

/// [`_aligned_malloc_dbg`] with the byte at `offset`, which lies inside the
/// block, at the multiple; EINVAL also where it does not.
///
/// Source: "_aligned_offset_malloc_dbg".
///
/// # Safety
/// As for [`_malloc_dbg`].
pub unsafe extern "system" fn _aligned_offset_malloc_dbg(
    size: size_t,
    alignment: size_t,
    offset: size_t,
    file: LPCSTR,
    line: INT,
) -> PVOID {
    if size == 0 {
        invalid::parameter();
        return ptr::null_mut();
    }
    match self::alignment(size, alignment, offset) {
        Some(alignment) => {
            // SAFETY: the caller's promise.
            let origin = unsafe { origin(file, line) };
            heap().allocate_aligned(size, alignment, origin).cast()
        }
        None => ptr::null_mut(),
    }
}

/// Resizes an aligned block, which moves. Null acts as
/// [`_aligned_offset_malloc_dbg`], a size of 0 as [`_aligned_free_dbg`].
/// Otherwise as these two.
///
/// Source: "_aligned_offset_realloc_dbg".
///
/// # Safety
/// As for [`_realloc_dbg`].
pub unsafe extern "system" fn _aligned_offset_realloc_dbg(
    block: PVOID,
    size: size_t,
    alignment: size_t,
    offset: size_t,
    file: LPCSTR,
    line: INT,
) -> PVOID {
    // SAFETY: the caller's promise is the callee's.
    unsafe { aligned_resize(block, size, alignment, offset, false, origin(file, line)) }
}

/// [`_aligned_offset_realloc_dbg`] for `count` members of `size` bytes; what is
/// added is 0. ENOMEM also when the product overflows.
///
/// Source: "_aligned_offset_recalloc_dbg".
///
/// # Safety
/// As for [`_realloc_dbg`].
pub unsafe extern "system" fn _aligned_offset_recalloc_dbg(
    block: PVOID,
    count: size_t,
    size: size_t,
    alignment: size_t,
    offset: size_t,
    file: LPCSTR,
    line: INT,
) -> PVOID {
    match count.checked_mul(size) {
        // SAFETY: the caller's promise is the callee's.
        Some(bytes) => unsafe {
            aligned_resize(block, bytes, alignment, offset, true, origin(file, line))
        },
        None => {
            errno::set(errno::ENOMEM);
            ptr::null_mut()
        }
    }
}

unsafe fn aligned_resize(
    block: PVOID,
    size: size_t,
    alignment: size_t,
    offset: size_t,
    zero: bool,
    origin: Origin,
) -> PVOID {
    if size == 0 {
        // As free and malloc of nothing.
        if block.is_null() {
            invalid::parameter();
        } else {
            // SAFETY: the caller's promise.
            unsafe { heap().free_aligned(block.cast()) };
        }
        return ptr::null_mut();
    }
    match self::alignment(size, alignment, offset) {
        // SAFETY: the caller's promise.
        Some(alignment) => unsafe {
            heap()
                .reallocate_aligned(block.cast(), size, alignment, zero, origin)
                .cast()
        },
        None => ptr::null_mut(),
    }
}

/// Bytes that an aligned block was asked for, whatever the alignment and offset
/// passed. (size_t)-1 and EINVAL, after the invalid parameter handler, for null
/// and for an alignment that is no power of two; 0, after a report, for what is
/// no block.
///
/// Source: "_aligned_msize_dbg".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn _aligned_msize_dbg(
    block: PVOID,
    alignment: size_t,
    _offset: size_t,
) -> size_t {
    if block.is_null() || Alignment::new(alignment, 0, 0).is_none() {
        invalid::parameter();
        return size_t::MAX;
    }
    heap().aligned_size_of(block.cast()).unwrap_or(0)
}

/// Frees an aligned block; null is none. Damage of the fence below it, a block
/// that is not aligned, and what is no block, are reported.
///
/// Source: "_aligned_free_dbg".
///
/// # Safety
/// If it is a block, nobody uses it any more.
pub unsafe extern "system" fn _aligned_free_dbg(block: PVOID) {
    // SAFETY: the caller's promise.
    unsafe { heap().free_aligned(block.cast()) }
}

/// A copy of a text in a debug block; null for null, and as [`_malloc_dbg`].
///
/// Source: "_strdup_dbg, _wcsdup_dbg".
///
/// # Safety
/// `text` is null or ends with 0; `file` as for [`_malloc_dbg`].
pub unsafe extern "system" fn _strdup_dbg(
    text: LPCSTR,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> LPSTR {
    if text.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the caller's text ends with 0; the copy has room for all of it.
    unsafe {
        let bytes = CStr::from_ptr(text).to_bytes_with_nul();
        let copy = heap().allocate(bytes.len(), block_use, origin(file, line));
        if !copy.is_null() {
            copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        copy.cast()
    }
}

/// [`_strdup_dbg`] for texts of multibyte characters, which end with a 0 byte as
/// well.
///
/// Source: "_strdup, _wcsdup, _mbsdup".
///
/// # Safety
/// As for [`_strdup_dbg`].
pub unsafe extern "system" fn _mbsdup_dbg(
    text: *const UCHAR,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> *mut UCHAR {
    // SAFETY: the caller's promise is the callee's.
    unsafe { _strdup_dbg(text.cast(), block_use, file, line).cast() }
}

/// [`_strdup_dbg`] for texts of 16-bit characters.
///
/// Source: "_strdup_dbg, _wcsdup_dbg".
///
/// # Safety
/// `text` is null or ends with a 16-bit 0; `file` as for [`_malloc_dbg`].
pub unsafe extern "system" fn _wcsdup_dbg(
    text: LPCWSTR,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> LPWSTR {
    if text.is_null() {
        return ptr::null_mut();
    }
    let mut units = 1;
    // SAFETY: the caller's text ends with 0, which is not passed; the copy has
    // room for all of it, the 0 included.
    unsafe {
        while *text.wrapping_add(units - 1) != 0 {
            units += 1;
        }
        let copy: LPWSTR = heap()
            .allocate(units * 2, block_use, origin(file, line))
            .cast();
        if !copy.is_null() {
            copy.copy_from_nonoverlapping(text, units);
        }
        copy
    }
}

//! Which pages were written to.

use super::super::constants::*;
use super::super::last_error;
use super::super::types::{DWORD, LPVOID, PULONG, PULONG_PTR, PVOID, SIZE_T, UINT};
use super::{is_user_range, leads_nowhere};
use crate::sys;
use crate::vm::regions::{self, Unwatched};
use core::ptr;

/// What the functions answer when they fail.
const FAILED: UINT = UINT::MAX;

fn error_of(unwatched: Unwatched) -> DWORD {
    match unwatched {
        Unwatched::NotWatched => ERROR_INVALID_PARAMETER,
        Unwatched::System => ERROR_NOT_SUPPORTED,
    }
}

/// Tells which pages of `[base, base + size)` were written to since they were
/// reserved or last forgotten: their addresses go to `addresses`, in order, as
/// many as `count` says there is room for; `count` then says how many there are,
/// and `granularity` the size of a page. With WRITE_WATCH_FLAG_RESET those that
/// were told are forgotten. The range is part of one region that was reserved
/// with MEM_WRITE_WATCH.
///
/// Writes count whoever made them, the system on the program's behalf included.
/// Protecting pages changes nothing, and decommitted pages stay noted. Between a
/// call without the flag and [`ResetWriteWatch`] writes are forgotten that nobody
/// was told of.
///
/// 0; otherwise `~0u` and the last error: ERROR_INVALID_PARAMETER for unknown
/// flags, a range that is not watched or empty, and room for none;
/// ERROR_NOACCESS when `count`, `granularity` or `addresses` is null;
/// ERROR_NOT_SUPPORTED when the system does not tell. Any thread may call it. The
/// time grows with the pages of the range that are in memory.
///
/// On Linux, watching takes a kernel of 6.7 or later with userfaultfd;
/// MEM_WRITE_WATCH is refused as ERROR_NOT_SUPPORTED elsewhere. A child of fork
/// goes on with what was noted.
///
/// Source: "GetWriteWatch function (memoryapi.h)"; where errors are not told
/// there, what Windows is seen to do.
///
/// # Safety
/// The pointers are null or lead to what they say; `addresses` to as many as
/// `count`.
pub unsafe extern "system" fn GetWriteWatch(
    flags: DWORD,
    base: PVOID,
    size: SIZE_T,
    addresses: *mut PVOID,
    count: PULONG_PTR,
    granularity: PULONG,
) -> UINT {
    // SAFETY: the caller's promise is the callee's.
    match unsafe { tell(flags, base, size, addresses, count, granularity) } {
        Ok(()) => 0,
        Err(error) => {
            last_error::set(error);
            FAILED
        }
    }
}

/// # Safety
/// As for [`GetWriteWatch`].
unsafe fn tell(
    flags: DWORD,
    base: PVOID,
    size: SIZE_T,
    addresses: *mut PVOID,
    count: PULONG_PTR,
    granularity: PULONG,
) -> Result<(), DWORD> {
    if leads_nowhere(count) || leads_nowhere(granularity) {
        return Err(ERROR_NOACCESS);
    }
    // SAFETY: the caller's number, wherever it lies.
    let room = unsafe { count.read_unaligned() };
    if flags & !WRITE_WATCH_FLAG_RESET != 0
        || size == 0
        || room == 0
        || !is_user_range(base.addr(), size)
    {
        return Err(ERROR_INVALID_PARAMETER);
    }
    if leads_nowhere(addresses) {
        return Err(ERROR_NOACCESS);
    }
    let forgets = flags & WRITE_WATCH_FLAG_RESET != 0;
    let told = regions::tell_written(base.addr(), size, forgets, room, |nth, page| {
        // SAFETY: the caller's array has room for `room` addresses.
        unsafe {
            let place = addresses.add(nth);
            place.write_unaligned(ptr::with_exposed_provenance_mut(page));
        }
    })
    .map_err(error_of)?;
    // SAFETY: the caller's numbers, wherever they lie.
    unsafe {
        count.write_unaligned(told);
        granularity.write_unaligned(sys::page_size() as u32);
    }
    Ok(())
}

/// Forgets which pages of `[base, base + size)` were written to. 0; otherwise
/// `~0u` and the last error, as [`GetWriteWatch`].
///
/// Source: "ResetWriteWatch function (memoryapi.h)".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn ResetWriteWatch(base: LPVOID, size: SIZE_T) -> UINT {
    let result = if size == 0 || !is_user_range(base.addr(), size) {
        Err(ERROR_INVALID_PARAMETER)
    } else {
        regions::forget_written(base.addr(), size).map_err(error_of)
    };
    match result {
        Ok(()) => 0,
        Err(error) => {
            last_error::set(error);
            FAILED
        }
    }
}

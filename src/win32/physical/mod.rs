//! Address windowing extensions: pages that a program allocates by their numbers
//! and shows in windows of its address space.
//!
//! ```text
//!   program's array --copied by the system--> Numbers --> vm::regions, under its lock
//! ```
//!
//! A window is reserved by [`VirtualAlloc`](super::VirtualAlloc) with MEM_RESERVE and
//! MEM_PHYSICAL. Pages are locked in memory as far as the system lets the process
//! lock any.

mod numbers;

use super::answers::told;
use super::constants::*;
use super::types::{BOOL, DWORD, HANDLE, PULONG_PTR, PVOID, ULONG_PTR};
use super::{handles, tokens};
use crate::sys;
use crate::vm::numbers::Numbers;
use crate::vm::regions::{self, Refusal};

fn error_of(refusal: Refusal) -> DWORD {
    match refusal {
        Refusal::Conflict | Refusal::NotAllocated => ERROR_INVALID_ADDRESS,
        Refusal::Invalid => ERROR_INVALID_PARAMETER,
        Refusal::CommitLimit => ERROR_COMMITMENT_LIMIT,
        _ => ERROR_NOT_ENOUGH_MEMORY,
    }
}

/// How many pages a call names.
///
/// # Safety
/// `count` is null or can be read.
unsafe fn named(process: HANDLE, count: PULONG_PTR, frames: PULONG_PTR) -> Result<usize, DWORD> {
    if !handles::is_own_process(process) {
        return Err(ERROR_INVALID_HANDLE);
    }
    if count.is_null() || frames.is_null() {
        return Err(ERROR_NOACCESS);
    }
    let mut wanted = 0;
    let to = (&raw mut wanted).expose_provenance();
    match sys::copy(to, count.expose_provenance(), size_of::<ULONG_PTR>()) {
        Some(copied) if copied == size_of::<ULONG_PTR>() => Ok(wanted),
        Some(_) => Err(ERROR_NOACCESS),
        // SAFETY: the caller's pointer can be read.
        None => Ok(unsafe { count.read_unaligned() }),
    }
}

/// Tells how many pages a call is done with.
///
/// # Safety
/// `count` can be written to.
unsafe fn write(count: PULONG_PTR, pages: usize) -> Result<(), DWORD> {
    let mut one = numbers::room(1)?;
    one.get_mut().fill(pages);
    // SAFETY: the caller's promise.
    unsafe { numbers::write(&one, count, 1) }
}

/// Allocates `*count` pages of memory that no address shows yet; the numbers that
/// they are known by go to `frames`, and how many there are to `count`: there may be
/// fewer than were asked for. They are charged as committed.
///
/// TRUE; FALSE and the last error otherwise: ERROR_PRIVILEGE_NOT_HELD unless
/// SeLockMemoryPrivilege is in force
/// ([`AdjustTokenPrivileges`](super::AdjustTokenPrivileges)); ERROR_INVALID_HANDLE
/// when `process` is not the calling one; ERROR_NOACCESS for a pointer to memory that
/// cannot be accessed (nothing was allocated then); ERROR_NOT_ENOUGH_MEMORY when there
/// is not one page; ERROR_COMMITMENT_LIMIT. Any thread may call it.
///
/// Source: "AllocateUserPhysicalPages function (memoryapi.h)".
///
/// # Safety
/// `count` is null or can be read and written to; `frames` is null or has room for so
/// many numbers.
pub unsafe extern "system" fn AllocateUserPhysicalPages(
    process: HANDLE,
    count: PULONG_PTR,
    frames: PULONG_PTR,
) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    let wanted = unsafe { named(process, count, frames) };
    told(wanted.and_then(|wanted| {
        if !tokens::may_lock_memory() {
            return Err(ERROR_PRIVILEGE_NOT_HELD);
        }
        let mut own = numbers::room(wanted)?;
        let given = regions::allocate_frames(own.get_mut()).map_err(error_of)?;
        // SAFETY: the caller has room for as many numbers as it asked for.
        let written = unsafe { numbers::write(&own, frames, given) };
        // SAFETY: the caller's pointer can be written to.
        let written = written.and_then(|()| unsafe { write(count, given) });
        if written.is_err() {
            let own = own.get().get(..given).unwrap_or_default();
            // Nobody was told of them. Refused, they stay charged, as they are.
            let _ = regions::free_frames(own);
        }
        written
    }))
}

/// Gives `*count` pages back; windows that show them show nothing there
/// afterwards.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_PARAMETER at the first
/// number that is none of the program's, and `count` is then how many pages before
/// it were given back; ERROR_NOT_ENOUGH_MEMORY, with the same meaning of `count`, when
/// the system refuses; ERROR_INVALID_HANDLE when `process` is not the calling one;
/// ERROR_NOACCESS for a pointer to memory that cannot be accessed. Any thread may call
/// it.
///
/// Source: "FreeUserPhysicalPages function (memoryapi.h)".
///
/// # Safety
/// `count` is null or can be read and written to; `frames` is null or leads to so
/// many numbers. Nobody uses the pages any more.
pub unsafe extern "system" fn FreeUserPhysicalPages(
    process: HANDLE,
    count: PULONG_PTR,
    frames: PULONG_PTR,
) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    let wanted = unsafe { named(process, count, frames) };
    told(wanted.and_then(|wanted| {
        // SAFETY: the caller has as many numbers as it says.
        let numbers = unsafe { numbers::copied(frames, wanted) }?;
        let (freed, result) = regions::free_frames(numbers.get());
        // SAFETY: the caller's pointer can be written to.
        unsafe { write(count, freed) }?;
        result.map_err(error_of)
    }))
}

/// Has `count` pages of a window from `address` on show the pages of `frames`, in
/// their order, or, if that is null, nothing. What was shown there before is not any
/// more, and keeps what it holds. All or nothing.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_ADDRESS when the
/// addresses are no window's; ERROR_INVALID_PARAMETER for an address that is no
/// page's, a number that is none of the program's, one named twice, and one that is
/// shown at another address and stays there; ERROR_NOACCESS for numbers in memory
/// that cannot be accessed; ERROR_NOT_ENOUGH_MEMORY when the system has no more
/// mappings. Any thread may call it. Pages in a row with numbers in a row are one
/// mapping.
///
/// Source: "MapUserPhysicalPages function (memoryapi.h)".
///
/// # Safety
/// `frames` is null or leads to `count` numbers. Nobody uses what is shown there now.
pub unsafe extern "system" fn MapUserPhysicalPages(
    address: PVOID,
    count: ULONG_PTR,
    frames: PULONG_PTR,
) -> BOOL {
    let page = crate::vm::page_size();
    let end = count
        .checked_mul(page)
        .and_then(|bytes| address.addr().checked_add(bytes));
    if end.is_none() {
        return told(Err(ERROR_INVALID_ADDRESS));
    }
    // SAFETY: the caller has as many numbers as it says.
    let numbers = unsafe { numbers_of(frames, count) };
    told(numbers.and_then(|numbers| {
        let address = |nth| address.addr() + nth * page;
        show(count, address, numbers.as_ref())
    }))
}

/// The frames that a call names; none for null.
///
/// # Safety
/// `frames` is null or leads to `count` numbers.
unsafe fn numbers_of(frames: PULONG_PTR, count: usize) -> Result<Option<Numbers>, DWORD> {
    if frames.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { numbers::copied(frames, count) }.map(Some)
}

fn show(
    count: usize,
    address: impl Fn(usize) -> usize,
    numbers: Option<&Numbers>,
) -> Result<(), DWORD> {
    // A number that is not there is no frame's.
    let frame = |nth| numbers.map(|numbers| numbers.get().get(nth).copied().unwrap_or(0));
    regions::map_frames(count, address, frame).map_err(error_of)
}

/// As [`MapUserPhysicalPages`], at `count` addresses of windows, which may lie
/// anywhere.
///
/// Source: "MapUserPhysicalPagesScatter function (winbase.h)".
///
/// # Safety
/// `addresses` is null or leads to `count` addresses; beyond that as for
/// [`MapUserPhysicalPages`].
pub unsafe extern "system" fn MapUserPhysicalPagesScatter(
    addresses: *mut PVOID,
    count: ULONG_PTR,
    frames: PULONG_PTR,
) -> BOOL {
    if addresses.is_null() {
        return told(Err(ERROR_NOACCESS));
    }
    // SAFETY: the caller has as many addresses and numbers as it says.
    let named = unsafe {
        numbers::copied(addresses.cast_const().cast(), count)
            .and_then(|places| Ok((places, numbers_of(frames, count)?)))
    };
    told(named.and_then(|(places, numbers)| {
        let address = |nth| places.get().get(nth).copied().unwrap_or(0);
        show(count, address, numbers.as_ref())
    }))
}

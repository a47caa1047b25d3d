//! On Windows: by the system's own functions.
//!
//! What the system does not tell, which pages were reset or are offered, the layer above
//! notes (`marks`). Which are locked nobody tells.

use super::{Alike, Caching, PageAccess, PageError, Wanted, pointer};
use crate::sys::{self, CachingBits, LastError, Protection, Rights};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BUSY, ERROR_CALL_NOT_IMPLEMENTED, ERROR_COMMITMENT_LIMIT,
    ERROR_FILE_INVALID, ERROR_FILE_NOT_FOUND, ERROR_INVALID_ADDRESS, ERROR_INVALID_FUNCTION,
    ERROR_INVALID_HANDLE, ERROR_INVALID_NAME, ERROR_INVALID_PARAMETER, ERROR_MAPPED_ALIGNMENT,
    ERROR_NOACCESS, ERROR_NOT_LOCKED, ERROR_NOT_SUPPORTED, ERROR_PRIVILEGE_NOT_HELD,
    ERROR_WORKING_SET_QUOTA, STATUS_GUARD_PAGE_VIOLATION,
};

pub(super) fn protection_of(access: PageAccess) -> Protection {
    match access {
        PageAccess::None => Protection::None,
        PageAccess::Read => Protection::Read,
        PageAccess::ReadWrite => Protection::ReadWrite,
        PageAccess::ReadExecute => Protection::ReadExecute,
        PageAccess::ReadWriteExecute => Protection::ReadWriteExecute,
    }
}

pub(in super::super) fn access_of(protection: Protection) -> PageAccess {
    match protection {
        Protection::None => PageAccess::None,
        Protection::Read => PageAccess::Read,
        Protection::ReadWrite => PageAccess::ReadWrite,
        Protection::Execute | Protection::ReadExecute => PageAccess::ReadExecute,
        Protection::ReadWriteExecute => PageAccess::ReadWriteExecute,
    }
}

pub(super) fn bits_of(caching: Caching) -> CachingBits {
    match caching {
        Caching::Usual => CachingBits::USUAL,
        Caching::None => CachingBits::NONE,
        Caching::WriteCombined => CachingBits::WRITE_COMBINED,
    }
}

pub(in super::super) fn caching_of(bits: CachingBits) -> Caching {
    match bits {
        CachingBits::NONE => Caching::None,
        CachingBits::WRITE_COMBINED => Caching::WriteCombined,
        _ => Caching::Usual,
    }
}

/// The error of a call about pages that are the caller's, which was refused: the system
/// calls addresses invalid whose pages are not committed.
pub(in super::super) fn error_of(error: LastError) -> PageError {
    match error.0 {
        ERROR_INVALID_PARAMETER
        | ERROR_INVALID_HANDLE
        | ERROR_INVALID_NAME
        | ERROR_FILE_INVALID
        | ERROR_MAPPED_ALIGNMENT => PageError::Invalid,
        ERROR_INVALID_ADDRESS | ERROR_NOACCESS => PageError::NotCommitted,
        ERROR_COMMITMENT_LIMIT => PageError::CommitLimit,
        ERROR_PRIVILEGE_NOT_HELD | ERROR_ACCESS_DENIED => PageError::Denied,
        ERROR_WORKING_SET_QUOTA => PageError::LockLimit,
        ERROR_NOT_LOCKED => PageError::NotLocked,
        ERROR_FILE_NOT_FOUND => PageError::NotFound,
        ERROR_NOT_SUPPORTED | ERROR_CALL_NOT_IMPLEMENTED | ERROR_INVALID_FUNCTION => {
            PageError::Unsupported
        }
        error if error == STATUS_GUARD_PAGE_VIOLATION as u32 => PageError::Guard,
        // ERROR_NOT_ENOUGH_MEMORY, ERROR_NO_SYSTEM_RESOURCES, ERROR_DISK_FULL, and whatever
        // else the system may run out of.
        _ => PageError::NoMemory,
    }
}

/// The error of a call that was to take address space: invalid addresses are in use.
pub(in super::super) fn error_of_taking(error: LastError) -> PageError {
    match error.0 {
        ERROR_INVALID_ADDRESS => PageError::InUse,
        _ => error_of(error),
    }
}

pub(in super::super) fn reserve(wanted: &Wanted, size: usize) -> Result<(usize, usize), PageError> {
    let size = crate::vm::round_to_pages(size).filter(|&size| size != 0);
    let size = size.filter(|&size| isize::try_from(size).is_ok());
    let size = size.ok_or(PageError::Invalid)?;
    if !wanted.is_possible() {
        return Err(PageError::Invalid);
    }
    let kind = match (wanted.is_placeholder, wanted.large, wanted.watched) {
        (true, ..) => sys::Reserved::Placeholder,
        (_, true, _) => sys::Reserved::Large,
        (_, _, true) => sys::Reserved::Watched,
        _ => sys::Reserved::Plain,
    };
    let reserved = sys::reserve_as(&wanted.at, size, kind, bits_of(wanted.caching));
    let base = reserved.map_err(error_of_taking)?;
    Ok((base.expose_provenance(), size))
}

pub(in super::super) fn commit(
    start: usize,
    size: usize,
    access: PageAccess,
) -> Result<(), PageError> {
    let rights = Rights::of(protection_of(access));
    // SAFETY: the range lies in a reservation of the caller's.
    unsafe { sys::commit_as(pointer(start), size, rights) }.map_err(error_of)
}

/// Commits guard pages.
#[cfg(target_arch = "x86_64")]
pub(in super::super) fn commit_guard(start: usize, size: usize) -> Result<(), PageError> {
    let rights = Rights {
        guards: true,
        ..Rights::of(Protection::ReadWrite)
    };
    // SAFETY: the range lies in a reservation of the caller's.
    unsafe { sys::commit_as(pointer(start), size, rights) }.map_err(error_of)
}

/// Gives committed pages this access, behind a guard if `guards` says so.
pub(in super::super) fn protect(
    start: usize,
    size: usize,
    access: PageAccess,
    guards: bool,
) -> Result<(), PageError> {
    give_rights(start, size, access, false, guards)
}

/// The same of pages that are copied when they are written to, if `copies` says so.
pub(super) fn give_rights(
    start: usize,
    size: usize,
    access: PageAccess,
    copies: bool,
    guards: bool,
) -> Result<(), PageError> {
    if guards && access == PageAccess::None {
        return Err(PageError::Invalid);
    }
    let rights = Rights {
        copies,
        guards,
        ..Rights::of(protection_of(access))
    };
    // SAFETY: the range lies in a reservation or view of the caller's.
    unsafe { sys::protect_as(pointer(start), size, rights) }.map_err(error_of)
}

/// # Safety
/// Nobody uses the pages any more.
pub(in super::super) unsafe fn decommit(start: usize, size: usize) -> Result<(), PageError> {
    // SAFETY: the caller's promise is the callee's.
    unsafe { sys::decommit_pages(pointer(start), size) }.map_err(error_of)
}

/// # Safety
/// Nobody uses the reservation any more.
pub(in super::super) unsafe fn release(start: usize, size: usize) {
    // SAFETY: the caller's promise is the callee's. The system has no reason to refuse.
    unsafe { sys::release(pointer(start), size) };
}

/// Says that what pages hold is not needed, which the caller keeps from being shown. False
/// when the system refuses.
pub(in super::super) fn reset(start: usize, size: usize) -> bool {
    // SAFETY: the pages are a reservation's, which is borrowed mutably.
    unsafe { sys::reset(pointer(start), size) }.is_ok()
}

/// Says that what pages hold is needed after all. Whether all hold it still.
pub(in super::super) fn undo_reset(start: usize, size: usize) -> bool {
    // SAFETY: the pages are a reservation's.
    unsafe { sys::undo_reset(pointer(start), size) }
}

/// Offers whole pages, which the caller keeps from being shown.
pub(in super::super) fn offer(start: usize, size: usize) -> Result<(), PageError> {
    // SAFETY: the pages are a reservation's, which is borrowed mutably.
    unsafe { sys::offer(pointer(start), size) }.map_err(error_of)
}

/// Makes offered pages accessible again. Whether all hold what they did.
pub(in super::super) fn reclaim(start: usize, size: usize) -> Result<bool, PageError> {
    // SAFETY: the pages are a reservation's, which is borrowed mutably.
    match unsafe { sys::reclaim(pointer(start), size) } {
        Ok(()) => Ok(true),
        Err(LastError(ERROR_BUSY)) => Ok(false),
        Err(error) => Err(error_of(error)),
    }
}

pub(in super::super) fn query(address: usize) -> Option<Alike> {
    let told = sys::query(address)?;
    if told.is_free {
        return None;
    }
    Some(Alike {
        start: told.start,
        end: told.end,
        access: told.rights.map(access_of),
        is_guard: told.is_guard,
        is_locked: false,
        is_offered: false,
        may_go: false,
    })
}

/// By decommitting the pages and committing them again: what the system's
/// `DiscardVirtualMemory` leaves may become zeros at any later moment, which no reference may
/// see.
///
/// # Safety
/// Nobody needs what the pages hold, and nobody borrows it.
pub(in super::super) unsafe fn discard(start: usize, size: usize) -> Result<(), PageError> {
    let page = crate::vm::page_size();
    let end = start + size;
    if !start.is_multiple_of(page) || !size.is_multiple_of(page) {
        return Err(PageError::Invalid);
    }
    let mut at = start;
    while at < end {
        let told = query(at).ok_or(PageError::Invalid)?;
        match told.access {
            None => return Err(PageError::NotCommitted),
            Some(PageAccess::ReadWrite) if !told.is_guard => at = told.end,
            Some(_) => return Err(PageError::Invalid),
        }
    }
    // SAFETY: the pages are committed, and the caller's promise is the callee's.
    unsafe { sys::purge(pointer(start), size) }
        .then_some(())
        .ok_or(PageError::NoMemory)
}

pub(in super::super) fn prefetch(start: usize, size: usize) {
    // A hint: whether the system follows it is its own affair.
    sys::fetch(start, size);
}

pub(in super::super) fn lock(start: usize, size: usize) -> Result<(), PageError> {
    // SAFETY: locking changes nothing that the caller's pages hold.
    let locked = unsafe { sys::lock_pages(pointer(start), size) };
    locked.map_err(|error| match error.0 {
        // It is the pages that bar it.
        ERROR_ACCESS_DENIED => PageError::NotCommitted,
        _ => error_of(error),
    })
}

pub(in super::super) fn unlock(start: usize, size: usize) -> Result<(), PageError> {
    // SAFETY: unlocking changes nothing that the caller's pages hold.
    unsafe { sys::unlock_pages(pointer(start), size) }.map_err(error_of)
}

/// Shows `tell` up to `most` pages of a range that were written to, by their addresses,
/// in order, and forgets those if `forgets` says so. How many.
pub(in super::super) fn written(
    start: usize,
    size: usize,
    forgets: bool,
    most: usize,
    mut tell: impl FnMut(usize, usize),
) -> Result<usize, PageError> {
    sys::written_pages(start, size, forgets, most, &mut tell).map_err(error_of)
}

pub(in super::super) fn forget_written(start: usize, size: usize) -> Result<(), PageError> {
    // SAFETY: the system forgets, and changes nothing else.
    sys::forget_written(start, size).map_err(error_of)
}

//! On Windows: by the system's own functions.
//!
//! What the system does not tell (which pages are locked, which are offered or reset)
//! is not told here either: so what would need to be told, to be safe, is not there.

use super::{Alike, PageAccess, PageError, Wanted, pointer};
use crate::sys::{self, Protection, Refused};

fn protection_of(access: PageAccess) -> Protection {
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

/// The error of a call that was refused.
pub(in super::super) fn error_of(refused: Refused) -> PageError {
    match refused {
        Refused::Argument => PageError::Invalid,
        Refused::Address => PageError::InUse,
        Refused::Memory => PageError::NoMemory,
        Refused::CommitLimit => PageError::CommitLimit,
        Refused::Privilege => PageError::Denied,
        Refused::Access => PageError::NotCommitted,
        Refused::Guard => PageError::Guard,
        Refused::WorkingSet => PageError::LockLimit,
        Refused::NotLocked => PageError::NotLocked,
        Refused::Unsupported => PageError::Unsupported,
    }
}

pub(in super::super) fn reserve(wanted: &Wanted, size: usize) -> Result<(usize, usize), PageError> {
    let size = crate::vm::round_to_pages(size).filter(|&size| size != 0);
    let size = size.ok_or(PageError::Invalid)?;
    let is_bounded = wanted.lowest | wanted.limit | wanted.alignment != 0;
    if is_bounded && wanted.address != 0
        || !wanted.address.is_multiple_of(crate::vm::GRANULARITY)
        || wanted.large && wanted.watched
        || wanted.limit != 0 && wanted.limit <= wanted.lowest
    {
        return Err(PageError::Invalid);
    }
    let place = sys::Place {
        address: wanted.address,
        lowest: wanted.lowest,
        limit: wanted.limit,
        alignment: wanted.alignment,
        top_down: wanted.top_down,
    };
    let kind = match (wanted.is_placeholder, wanted.large, wanted.watched) {
        (true, ..) => sys::Reserved::Placeholder,
        (_, true, _) => sys::Reserved::Large,
        (_, _, true) => sys::Reserved::Watched,
        _ => sys::Reserved::Plain,
    };
    let base = sys::reserve_as(&place, size, kind).map_err(error_of)?;
    Ok((base.expose_provenance(), size))
}

pub(in super::super) fn commit(
    start: usize,
    size: usize,
    access: PageAccess,
) -> Result<(), PageError> {
    // SAFETY: the range lies in a reservation of the caller's.
    unsafe { sys::commit_as(pointer(start), size, protection_of(access)) }
        .then_some(())
        .ok_or(PageError::NoMemory)
}

/// Gives committed pages this access, behind a guard if `guards` says so.
pub(in super::super) fn protect(
    start: usize,
    size: usize,
    access: PageAccess,
    guards: bool,
) -> Result<(), PageError> {
    if guards && access == PageAccess::None {
        return Err(PageError::Invalid);
    }
    let protection = protection_of(access);
    // SAFETY: the range lies in a reservation of the caller's.
    let done = unsafe {
        if guards {
            sys::protect_with_guard(pointer(start), size, protection)
        } else {
            sys::protect(pointer(start), size, protection)
        }
    };
    done.then_some(()).ok_or(PageError::NotCommitted)
}

/// # Safety
/// Nobody uses the pages any more.
pub(in super::super) unsafe fn decommit(start: usize, size: usize) -> Result<(), PageError> {
    // SAFETY: the caller's promise is the callee's.
    unsafe { sys::decommit(pointer(start), size) }
        .then_some(())
        .ok_or(PageError::NoMemory)
}

/// # Safety
/// Nobody uses the reservation any more.
pub(in super::super) unsafe fn release(start: usize, size: usize) {
    // SAFETY: the caller's promise is the callee's.
    unsafe { sys::release(pointer(start), size) };
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
    unsafe { sys::lock_pages(pointer(start), size) }.map_err(error_of)
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

//! On Unix: by the table of regions.

use super::{Alike, PageAccess, PageError, Wanted};
use crate::sys;
use crate::vm::regions::{self, Kind, Locked, Protect, Refusal, Request, Touch, Unwatched};

pub(in super::super) fn protect_of(access: PageAccess) -> Protect {
    match access {
        PageAccess::None => Protect::NONE,
        PageAccess::Read => Protect::READ,
        PageAccess::ReadWrite => Protect::READ_WRITE,
        PageAccess::ReadExecute => Protect::EXECUTE_READ,
        PageAccess::ReadWriteExecute => Protect::EXECUTE_READ_WRITE,
    }
}

pub(in super::super) fn access_of(protect: Protect) -> PageAccess {
    match protect.right() {
        Protect::READ => PageAccess::Read,
        Protect::READ_WRITE | Protect::WRITE_COPY => PageAccess::ReadWrite,
        Protect::EXECUTE | Protect::EXECUTE_READ => PageAccess::ReadExecute,
        Protect::EXECUTE_READ_WRITE | Protect::EXECUTE_WRITE_COPY => PageAccess::ReadWriteExecute,
        _ => PageAccess::None,
    }
}

pub(in super::super) fn error_of(refusal: Refusal) -> PageError {
    match refusal {
        Refusal::NotCommitted => PageError::NotCommitted,
        Refusal::NoMemory | Refusal::NoLargePages => PageError::NoMemory,
        Refusal::CommitLimit => PageError::CommitLimit,
        Refusal::Unsupported => PageError::Unsupported,
        _ => PageError::Invalid,
    }
}

/// Of address space that was to be taken: what is refused as a conflict is in use.
pub(in super::super) fn error_of_taking(refusal: Refusal) -> PageError {
    match refusal {
        Refusal::Conflict => PageError::InUse,
        other => error_of(other),
    }
}

/// Reserves as a program wants it: the address, and the bytes that it came to.
pub(in super::super) fn reserve(
    wanted: &Wanted,
    size: usize,
    touch: Touch,
) -> Result<(usize, usize), PageError> {
    if !wanted.is_possible() {
        return Err(PageError::Invalid);
    }
    let request = match wanted.is_placeholder {
        true => Request {
            kind: Kind::Placeholder,
            ..Request::private(Protect::NONE)
        },
        false => Request {
            touch,
            commits: wanted.large,
            large: wanted.large,
            watched: wanted.watched,
            ..Request::private(Protect::READ_WRITE.with_caching(wanted.caching))
        },
    };
    regions::reserve(&wanted.at, size, &request).map_err(error_of_taking)
}

/// Commits guard pages.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(in super::super) fn commit_guard(start: usize, size: usize) -> Result<(), PageError> {
    let done = regions::commit(start, size, Protect::READ_WRITE.with_guard());
    done.map(|_| ()).map_err(error_of)
}

pub(in super::super) fn commit(
    start: usize,
    size: usize,
    access: PageAccess,
) -> Result<(), PageError> {
    let done = regions::commit(start, size, protect_of(access));
    done.map(|_| ()).map_err(error_of)
}

/// Gives committed pages this access, behind a guard if `guards` says so.
pub(in super::super) fn protect(
    start: usize,
    size: usize,
    access: PageAccess,
    guards: bool,
) -> Result<(), PageError> {
    let protect = match (protect_of(access), guards) {
        (Protect::NONE, true) => return Err(PageError::Invalid),
        (right, true) => right.with_guard(),
        (right, false) => right,
    };
    let done = regions::protect(start, size, protect);
    done.map(|_| ()).map_err(error_of)
}

/// # Safety
/// Nobody uses the pages any more.
pub(in super::super) unsafe fn decommit(start: usize, size: usize) -> Result<(), PageError> {
    // SAFETY: the caller's promise is the callee's.
    let done = unsafe { regions::decommit(start, size) };
    done.map(|_| ()).map_err(error_of)
}

/// # Safety
/// Nobody uses the reservation any more.
pub(in super::super) unsafe fn release(start: usize, _: usize) {
    // SAFETY: the caller's promise is the callee's.
    unsafe { regions::abandon(start) };
}

pub(in super::super) fn query(address: usize) -> Option<Alike> {
    let told = regions::find(address)?;
    let has = |what: fn(Protect) -> bool| told.committed.is_some_and(what);
    Some(Alike {
        start: told.start,
        end: told.end,
        access: told.committed.map(access_of),
        is_guard: has(Protect::is_guard),
        is_locked: has(Protect::is_locked),
        is_offered: has(Protect::is_offered),
        may_go: told.area.was_offered(),
    })
}

/// Has pages hold from now on what they hold. False if the system may still take it
/// from some.
pub(in super::super) fn keep(start: usize, size: usize) -> bool {
    regions::keep(start, size).unwrap_or(false)
}

/// # Safety
/// Nobody needs what the pages hold, or reads them before [`keep`] is done with them.
pub(in super::super) unsafe fn reset(start: usize, size: usize) -> Result<(), PageError> {
    // SAFETY: the caller's promise is the callee's.
    let done = unsafe { regions::reset(start, size) };
    done.map(|_| ()).map_err(error_of)
}

/// Whether all pages hold what they held when they were reset.
pub(in super::super) fn undo_reset(start: usize, size: usize) -> Result<bool, PageError> {
    match regions::reset_undo(start, size) {
        Ok(_) => Ok(true),
        Err(Refusal::NoMemory) => Ok(false),
        Err(other) => Err(error_of(other)),
    }
}

pub(in super::super) fn offer(start: usize, size: usize) -> Result<(), PageError> {
    regions::offer(start, size).map_err(error_of)
}

pub(in super::super) fn reclaim(start: usize, size: usize) -> Result<bool, PageError> {
    regions::reclaim(start, size).map_err(error_of)
}

/// # Safety
/// Nobody needs what the pages hold, and nobody borrows it.
pub(in super::super) unsafe fn discard(start: usize, size: usize) -> Result<(), PageError> {
    // SAFETY: the caller's promise is the callee's.
    unsafe { regions::discard(start, size) }.map_err(error_of)
}

pub(in super::super) fn prefetch(start: usize, size: usize) {
    let (start, size) = whole_pages(start, size);
    // A hint: whether the system follows it is its own affair.
    sys::fetch(start, size);
}

/// The pages that a range touches, which does not wrap.
fn whole_pages(start: usize, size: usize) -> (usize, usize) {
    let page = crate::vm::page_size();
    let first = start & !(page - 1);
    (first, (start + size).next_multiple_of(page) - first)
}

pub(in super::super) fn lock(start: usize, size: usize) -> Result<(), PageError> {
    match regions::lock_pages(start, size).map_err(error_of)? {
        Locked::Yes => Ok(()),
        Locked::Guard => Err(PageError::Guard),
        Locked::NoAccess | Locked::Foreign => Err(PageError::NotCommitted),
        Locked::Limit => Err(PageError::LockLimit),
    }
}

pub(in super::super) fn unlock(start: usize, size: usize) -> Result<(), PageError> {
    match regions::unlock_pages(start, size).map_err(error_of)? {
        Some(true) => Ok(()),
        _ => Err(PageError::NotLocked),
    }
}

fn error_of_watching(unwatched: Unwatched) -> PageError {
    match unwatched {
        Unwatched::NotWatched => PageError::Invalid,
        Unwatched::System => PageError::Unsupported,
    }
}

/// Shows `tell` up to `most` pages of a range that were written to, by their addresses,
/// in order, and forgets those if `forgets` says so. How many.
pub(in super::super) fn written(
    start: usize,
    size: usize,
    forgets: bool,
    most: usize,
    tell: impl FnMut(usize, usize),
) -> Result<usize, PageError> {
    regions::tell_written(start, size, forgets, most, tell).map_err(error_of_watching)
}

pub(in super::super) fn forget_written(start: usize, size: usize) -> Result<(), PageError> {
    regions::forget_written(start, size).map_err(error_of_watching)
}

//! The few operations on pages that the types for programs are made of, on every
//! system.

use core::fmt;

/// Why an operation on pages was refused. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageError {
    /// An argument has no meaning: a size of 0, a range beyond the reservation,
    /// a right that pages cannot have.
    Invalid,
    /// Pages are not committed.
    NotCommitted,
    /// The system has no memory, no address space, or no room for another
    /// mapping.
    NoMemory,
    /// The limit of [`set_commit_limit`](super::set_commit_limit) is reached.
    CommitLimit,
    /// The system cannot do it.
    Unsupported,
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PageError::Invalid => "an argument has no meaning",
            PageError::NotCommitted => "pages are not committed",
            PageError::NoMemory => "the system has no memory",
            PageError::CommitLimit => "the limit of committed memory is reached",
            PageError::Unsupported => "the system cannot do it",
        })
    }
}

impl core::error::Error for PageError {}

/// What may be done with committed pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageAccess {
    /// Nothing.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and running code.
    ReadExecute,
    /// Reading, writing and running code.
    ReadWriteExecute,
}

#[cfg(unix)]
mod system {
    use super::{PageAccess, PageError};
    use crate::vm::regions::{self, Protect, Refusal, Request, Touch, Whereabouts};

    fn protect_of(access: PageAccess) -> Protect {
        match access {
            PageAccess::None => Protect::NONE,
            PageAccess::Read => Protect::READ,
            PageAccess::ReadWrite => Protect::READ_WRITE,
            PageAccess::ReadExecute => Protect::EXECUTE_READ,
            PageAccess::ReadWriteExecute => Protect::EXECUTE_READ_WRITE,
        }
    }

    fn access_of(protect: Protect) -> PageAccess {
        match protect.right() {
            Protect::READ => PageAccess::Read,
            Protect::READ_WRITE => PageAccess::ReadWrite,
            Protect::EXECUTE | Protect::EXECUTE_READ => PageAccess::ReadExecute,
            Protect::EXECUTE_READ_WRITE => PageAccess::ReadWriteExecute,
            _ => PageAccess::None,
        }
    }

    fn error_of(refusal: Refusal) -> PageError {
        match refusal {
            Refusal::NotCommitted => PageError::NotCommitted,
            Refusal::NoMemory | Refusal::NoLargePages => PageError::NoMemory,
            Refusal::CommitLimit => PageError::CommitLimit,
            Refusal::Unsupported => PageError::Unsupported,
            _ => PageError::Invalid,
        }
    }

    pub(in super::super) fn reserve(size: usize) -> Result<(usize, usize), PageError> {
        reserve_touched(size, Touch::Fault)
    }

    /// Reserves pages whose touch is answered.
    pub(in super::super) fn reserve_touched(
        size: usize,
        touch: Touch,
    ) -> Result<(usize, usize), PageError> {
        let request = Request {
            touch,
            ..Request::private(Protect::READ_WRITE)
        };
        regions::reserve(&Whereabouts::default(), size, &request).map_err(error_of)
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

    pub(in super::super) fn protect(
        start: usize,
        size: usize,
        access: PageAccess,
    ) -> Result<(), PageError> {
        let done = regions::protect(start, size, protect_of(access));
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
        // SAFETY: the caller's promise is the callee's. Refused, it stays.
        let _ = unsafe { regions::release(start) };
    }

    pub(in super::super) fn query(address: usize) -> Option<(usize, usize, Option<PageAccess>)> {
        let told = regions::find(address)?;
        Some((told.start, told.end, told.committed.map(access_of)))
    }
}

#[cfg(windows)]
mod system {
    use super::{PageAccess, PageError};
    use crate::sys::{self, Protection};

    fn protection_of(access: PageAccess) -> Protection {
        match access {
            PageAccess::None => Protection::None,
            PageAccess::Read => Protection::Read,
            PageAccess::ReadWrite => Protection::ReadWrite,
            PageAccess::ReadExecute => Protection::ReadExecute,
            PageAccess::ReadWriteExecute => Protection::ReadWriteExecute,
        }
    }

    fn access_of(protection: Protection) -> PageAccess {
        match protection {
            Protection::None => PageAccess::None,
            Protection::Read => PageAccess::Read,
            Protection::ReadWrite => PageAccess::ReadWrite,
            Protection::Execute | Protection::ReadExecute => PageAccess::ReadExecute,
            Protection::ReadWriteExecute => PageAccess::ReadWriteExecute,
        }
    }

    fn pointer(address: usize) -> *mut u8 {
        core::ptr::with_exposed_provenance_mut(address)
    }

    pub(in super::super) fn reserve(size: usize) -> Result<(usize, usize), PageError> {
        let size = crate::vm::round_to_pages(size).filter(|&size| size != 0);
        let size = size.ok_or(PageError::Invalid)?;
        let base = sys::reserve(size, crate::vm::GRANULARITY);
        if base.is_null() {
            return Err(PageError::NoMemory);
        }
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

    pub(in super::super) fn protect(
        start: usize,
        size: usize,
        access: PageAccess,
    ) -> Result<(), PageError> {
        // SAFETY: the range lies in a reservation of the caller's.
        unsafe { sys::protect(pointer(start), size, protection_of(access)) }
            .then_some(())
            .ok_or(PageError::NotCommitted)
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

    pub(in super::super) fn query(address: usize) -> Option<(usize, usize, Option<PageAccess>)> {
        let (start, end, rights) = sys::query(address)?;
        Some((start, end, rights.map(access_of)))
    }
}

pub(super) use system::*;

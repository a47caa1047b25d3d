//! `VirtualAlloc` and its kin, for the process's own pages.
//!
//! The region table below (`vm::regions`) knows what is reserved; here are the
//! rules about arguments, and what Windows calls each refusal. The native
//! functions and the others share them: what fails is a status first, and the
//! last error follows from it (`status`).
//!
//! ```text
//!   VirtualAlloc --+--> allocate --> regions::reserve, commit, reset
//!   NtAllocate... -+        |
//!                           +--> NTSTATUS --> last error
//! ```
//!
//! Pages have 4 KiB; where the system's are larger (some of its ARM versions)
//! they have its size, and a range stands for all of them that it touches: the
//! system gives no part of a page rights of its own (docs/porting.md).

mod advise;
mod allocate;
mod free;
mod nt;
mod probe;
mod protect;
mod query;
mod watch;

pub use advise::{
    DiscardVirtualMemory, OfferVirtualMemory, PrefetchVirtualMemory, ReclaimVirtualMemory,
    VirtualLock, VirtualUnlock,
};
pub use allocate::{
    VirtualAlloc, VirtualAlloc2, VirtualAlloc2FromApp, VirtualAllocEx, VirtualAllocFromApp,
};
pub use free::{VirtualFree, VirtualFreeEx};
pub use nt::{
    NtAllocateVirtualMemory, NtAllocateVirtualMemoryEx, NtFreeVirtualMemory,
    NtProtectVirtualMemory, NtQueryVirtualMemory, NtSetInformationVirtualMemory,
};
pub use probe::{
    FlushInstructionCache, IsBadCodePtr, IsBadHugeReadPtr, IsBadHugeWritePtr, IsBadReadPtr,
    IsBadStringPtrA, IsBadStringPtrW, IsBadWritePtr, ReadProcessMemory, WriteProcessMemory,
};
pub use protect::{VirtualProtect, VirtualProtectEx, VirtualProtectFromApp};
pub use query::{VirtualQuery, VirtualQueryEx};
pub use watch::{GetWriteWatch, ResetWriteWatch};

pub(super) use allocate::extended;
pub(super) use probe::is_readable;
pub(super) use query::query;

use super::answers::truth;
use super::constants::*;
use super::handles;
use super::types::{DWORD, HANDLE, NTSTATUS};
use crate::vm::regions::Refusal;

fn status_of(refusal: Refusal) -> NTSTATUS {
    match refusal {
        Refusal::Invalid => STATUS_INVALID_PARAMETER,
        Refusal::Protection => STATUS_INVALID_PAGE_PROTECTION,
        Refusal::Conflict => STATUS_CONFLICTING_ADDRESSES,
        Refusal::NotAllocated => STATUS_MEMORY_NOT_ALLOCATED,
        Refusal::NotCommitted => STATUS_NOT_COMMITTED,
        Refusal::NotAtBase => STATUS_FREE_VM_NOT_AT_BASE,
        Refusal::PastTheEnd => STATUS_UNABLE_TO_FREE_VM,
        Refusal::IsView => STATUS_UNABLE_TO_DELETE_SECTION,
        Refusal::IsCommitted => STATUS_ALREADY_COMMITTED,
        Refusal::NoMemory => STATUS_NO_MEMORY,
        Refusal::NoLargePages => STATUS_INSUFFICIENT_RESOURCES,
        Refusal::CommitLimit => STATUS_COMMITMENT_LIMIT,
        Refusal::Unsupported => STATUS_NOT_SUPPORTED,
    }
}

/// Whether a handle is the process's own: of other processes nothing is changed
/// from here.
fn own(process: HANDLE) -> Result<(), NTSTATUS> {
    if handles::is_own_process(process) {
        Ok(())
    } else {
        Err(STATUS_INVALID_HANDLE)
    }
}

/// Whether a pointer leads to nothing: null, into the first 64 KiB, which nobody is given,
/// or beyond the addresses that programs have. What else is no memory the caller answers
/// for.
pub(in crate::win32) fn leads_nowhere<T>(pointer: *const T) -> bool {
    !(crate::vm::GRANULARITY..crate::sys::USER_END).contains(&pointer.addr())
}

/// Whether `[address, address + size)` lies below the end of what programs have.
fn is_user_range(address: usize, size: usize) -> bool {
    address
        .checked_add(size)
        .is_some_and(|end| end <= crate::sys::USER_END)
}

/// The number of a protection of which everything else is none.
pub(super) const EXECUTE_RIGHTS: DWORD =
    PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;

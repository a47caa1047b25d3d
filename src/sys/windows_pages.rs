//! Windows: what only the types for a program's own pages ask of the system.

use super::Protection;
use core::mem::MaybeUninit;
use core::ptr;
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_FREE, MEMORY_BASIC_INFORMATION, PAGE_EXECUTE, PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE, PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, VirtualAlloc,
    VirtualQuery,
};

/// Commits pages of one reservation, or changes the rights of those that are
/// committed.
///
/// # Safety
/// The caller owns the range.
pub unsafe fn commit_as(base: *mut u8, size: usize, protection: Protection) -> bool {
    let rights = match protection {
        Protection::None => PAGE_NOACCESS,
        Protection::Read => PAGE_READONLY,
        Protection::ReadWrite => PAGE_READWRITE,
        Protection::Execute => PAGE_EXECUTE,
        Protection::ReadExecute => PAGE_EXECUTE_READ,
        Protection::ReadWriteExecute => PAGE_EXECUTE_READWRITE,
    };
    // SAFETY: the caller owns the range, which lies in one reservation.
    super::admit(super::Call::Commit)
        && !unsafe { VirtualAlloc(base.cast(), size, MEM_COMMIT, rights) }.is_null()
}

/// The pages from the one of `address` on that are alike, and their rights;
/// `None` in place of rights where they are only reserved. `None` where nothing
/// is reserved.
pub fn query(address: usize) -> Option<(usize, usize, Option<Protection>)> {
    let mut told = MaybeUninit::<MEMORY_BASIC_INFORMATION>::uninit();
    let size = size_of::<MEMORY_BASIC_INFORMATION>();
    let at = ptr::with_exposed_provenance(address);
    // SAFETY: the system writes the structure and says that it has.
    let told = unsafe {
        if VirtualQuery(at, told.as_mut_ptr(), size) != size {
            return None;
        }
        told.assume_init()
    };
    if told.State == MEM_FREE {
        return None;
    }
    let rights = (told.State == MEM_COMMIT).then_some(match told.Protect & 0xff {
        PAGE_READONLY => Protection::Read,
        PAGE_READWRITE => Protection::ReadWrite,
        PAGE_EXECUTE => Protection::Execute,
        PAGE_EXECUTE_READ => Protection::ReadExecute,
        PAGE_EXECUTE_READWRITE => Protection::ReadWriteExecute,
        _ => Protection::None,
    });
    let start = told.BaseAddress.addr();
    Some((start, start + told.RegionSize, rights))
}

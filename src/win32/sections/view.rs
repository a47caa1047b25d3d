//! Mapping views of sections, and ending them.

use super::super::constants::*;
use super::super::handles;
use super::super::types::{DWORD, HANDLE, NTSTATUS};
use super::object::SECTION;
use crate::heap;
use crate::vm;
use crate::vm::regions::{Protect, Refusal, Whereabouts};
use crate::vm::sections;
use crate::vm::sections::views::{self, Unflushed, Unmapped};

/// Which view is wanted.
pub(super) struct Wanted {
    pub(super) section: HANDLE,
    pub(super) at: Whereabouts,
    pub(super) offset: u64,
    /// Bytes; 0 for all from the offset on.
    pub(super) size: usize,
    pub(super) protect: DWORD,
    /// Whether it is to be of large pages, as the section then is.
    pub(super) large: bool,
}

/// The rights that a handle must have for a view of this protection.
fn rights_for(protect: Protect) -> DWORD {
    match protect.right() {
        Protect::READ_WRITE => SECTION_MAP_WRITE,
        Protect::EXECUTE | Protect::EXECUTE_READ | Protect::EXECUTE_WRITE_COPY => {
            SECTION_MAP_READ | SECTION_MAP_EXECUTE
        }
        Protect::EXECUTE_READ_WRITE => SECTION_MAP_WRITE | SECTION_MAP_EXECUTE,
        _ => SECTION_MAP_READ,
    }
}

/// Whether a handle's rights are enough; the right to run code has two names.
fn has_rights(access: DWORD, needed: DWORD) -> bool {
    let access = if access & SECTION_MAP_EXECUTE_EXPLICIT != 0 {
        access | SECTION_MAP_EXECUTE
    } else {
        access
    };
    access & needed == needed
}

/// Maps a view: its address and its bytes, whole pages.
pub(super) fn map(wanted: &Wanted) -> Result<(usize, usize), NTSTATUS> {
    let protect = Protect::from_number(wanted.protect).ok_or(STATUS_INVALID_PAGE_PROTECTION)?;
    let unit = if wanted.at.replaces {
        vm::page_size()
    } else {
        vm::GRANULARITY
    };
    if !wanted.offset.is_multiple_of(unit as u64) || !wanted.at.address.is_multiple_of(unit) {
        return Err(STATUS_MAPPED_ALIGNMENT);
    }
    let handle = handles::borrow(wanted.section, &SECTION).ok_or(STATUS_INVALID_HANDLE)?;
    if !has_rights(handle.access, rights_for(protect)) {
        return Err(STATUS_ACCESS_DENIED);
    }
    let part = views::Wanted {
        at: wanted.at,
        offset: wanted.offset,
        size: wanted.size,
        protect,
        large: wanted.large,
    };
    let bytes = match part.size {
        // All that follows.
        0 => sections::get(handle.value).map_or(0, |section| {
            let left = section.size.saturating_sub(part.offset);
            usize::try_from(left).unwrap_or(usize::MAX)
        }),
        size => size,
    };
    let map = || views::map(handle.value, &part);
    heap::insist(bytes, map).map_err(|unmapped| match unmapped {
        Unmapped::NoSection => STATUS_INVALID_HANDLE,
        Unmapped::Protection => STATUS_SECTION_PROTECTION,
        Unmapped::Size => STATUS_INVALID_VIEW_SIZE,
        Unmapped::LargeAlignment => STATUS_MAPPED_ALIGNMENT,
        Unmapped::Large => STATUS_INVALID_PARAMETER,
        Unmapped::NoMemory => STATUS_NO_MEMORY,
        Unmapped::CommitLimit => STATUS_COMMITMENT_LIMIT,
        Unmapped::Region(refusal) => status_of(refusal),
    })
}

fn status_of(refusal: Refusal) -> NTSTATUS {
    match refusal {
        Refusal::Conflict => STATUS_CONFLICTING_ADDRESSES,
        Refusal::NotAllocated => STATUS_NOT_MAPPED_VIEW,
        Refusal::Invalid => STATUS_INVALID_PARAMETER,
        Refusal::CommitLimit => STATUS_COMMITMENT_LIMIT,
        _ => STATUS_NO_MEMORY,
    }
}

/// Ends the view that an address is in; a placeholder stays if `keeps` says so.
///
/// # Safety
/// Nobody uses the view any more.
pub(super) unsafe fn unmap(address: usize, keeps: bool) -> Result<(), NTSTATUS> {
    // SAFETY: the caller's promise.
    unsafe { views::unmap(address, keeps) }.map_err(status_of)
}

/// Writes what was changed in `size` bytes of a view to its file; 0 for all from
/// the address on.
pub(super) fn flush(address: usize, size: usize) -> Result<(), NTSTATUS> {
    views::flush(address, size).map_err(|unflushed| match unflushed {
        Unflushed::NoView => STATUS_NOT_MAPPED_VIEW,
        Unflushed::System(_) => STATUS_INSUFFICIENT_RESOURCES,
    })
}

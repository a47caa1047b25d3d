//! Mapping views of sections, and ending them.

use super::super::constants::*;
use super::super::handles;
use super::super::types::{DWORD, HANDLE, NTSTATUS};
use super::object::{self, SECTION};
use crate::sys::{self, files};
use crate::vm;
use crate::vm::regions::{self, Protect, Refusal, View, Whereabouts};
use crate::vm::sections;

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
    let number = handle.value;
    let section = sections::add_view(number).ok_or(STATUS_INVALID_HANDLE)?;
    let mapped = map_section(wanted, number, &section, protect);
    if mapped.is_err() {
        sections::drop_view(number);
    }
    mapped
}

fn map_section(
    wanted: &Wanted,
    number: usize,
    section: &sections::Section,
    protect: Protect,
) -> Result<(usize, usize), NTSTATUS> {
    let right = protect.right().number();
    if object::writes(right) && !object::writes(section.protect)
        || protect.is_executable() && !object::executes(section.protect)
    {
        return Err(STATUS_SECTION_PROTECTION);
    }
    let left = section
        .size
        .checked_sub(wanted.offset)
        .filter(|&left| left != 0);
    let left = usize::try_from(left.ok_or(STATUS_INVALID_VIEW_SIZE)?);
    let left = left.map_err(|_| STATUS_NO_MEMORY)?;
    let size = if wanted.size == 0 { left } else { wanted.size };
    if size > left {
        return Err(STATUS_INVALID_VIEW_SIZE);
    }
    let size = vm::round_to_pages(size).ok_or(STATUS_INVALID_VIEW_SIZE)?;
    let is_large = section.attributes & sections::LARGE_PAGES != 0;
    let at = if is_large {
        in_large_pages(wanted, size, protect)?
    } else if wanted.large {
        return Err(STATUS_INVALID_PARAMETER);
    } else {
        wanted.at
    };
    // What is copied on writing is the process's own, all of it.
    let charged = if protect.is_copy() { size } else { 0 };
    if !vm::charge(vm::Use::Program, charged) {
        return Err(STATUS_COMMITMENT_LIMIT);
    }
    let view = View {
        section: number,
        offset: wanted.offset,
        commits: section.commits,
        token: section.charges,
        file: section.data,
        charged: 0,
        seen: 0,
        next: 0,
    };
    // A view that is only read may come to copy; one of large pages never does.
    let private = !object::writes(right) && !is_large;
    let map = |base: *mut u8| {
        // SAFETY: the range was reserved for this view and nobody else knows it.
        unsafe {
            files::map(
                base,
                size,
                section.data,
                wanted.offset,
                protect.system(),
                private,
            )
            .is_ok()
        }
    };
    let inserted = if is_large {
        regions::insert_large_view(&at, size, view, protect, map)
    } else {
        regions::insert_view(&at, size, view, protect, map)
    };
    match inserted {
        Ok(base) => Ok((base, size)),
        Err(refusal) => {
            vm::credit(vm::Use::Program, charged);
            Err(status_of(refusal))
        }
    }
}

/// Where a view of a section of large pages may be: place, offset and size are multiples
/// of theirs, and nothing of it is copied.
fn in_large_pages(wanted: &Wanted, size: usize, protect: Protect) -> Result<Whereabouts, NTSTATUS> {
    let unit = sys::large_page_size().ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    if !wanted.offset.is_multiple_of(unit as u64) || !wanted.at.address.is_multiple_of(unit) {
        return Err(STATUS_MAPPED_ALIGNMENT);
    }
    if !size.is_multiple_of(unit) || protect.is_copy() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    Ok(Whereabouts {
        alignment: wanted.at.alignment.max(unit),
        ..wanted.at
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
    let (view, area) = unsafe { regions::drop_view(address, keeps) }.map_err(status_of)?;
    let copies = match area.initial.is_copy() {
        true => area.end - area.start,
        false => view.charged,
    };
    vm::credit(vm::Use::Program, copies);
    sections::drop_view(view.section);
    Ok(())
}

/// Whether a view is of a file's section.
pub(in crate::win32) fn is_of_file(view: &View) -> bool {
    sections::get(view.section).is_some_and(|section| section.is_file)
}

/// Writes what was changed in `size` bytes of a view to its file; 0 for all from
/// the address on.
pub(super) fn flush(address: usize, size: usize) -> Result<(), NTSTATUS> {
    let (view, area) = regions::view_at(address).ok_or(STATUS_NOT_MAPPED_VIEW)?;
    let start = address & !(vm::page_size() - 1);
    let end = match size {
        0 => area.end,
        _ => address.checked_add(size).ok_or(STATUS_NOT_MAPPED_VIEW)?,
    };
    if end > area.end {
        return Err(STATUS_NOT_MAPPED_VIEW);
    }
    if !is_of_file(&view) || !object::writes(area.initial.right().number()) {
        return Ok(());
    }
    let base = core::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the view is the program's, which does not end it while it asks for
    // this; should it do so, the system refuses.
    unsafe { files::flush(base, end - start) }.map_err(|_| STATUS_INSUFFICIENT_RESOURCES)
}

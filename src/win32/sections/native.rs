//! The native layer: the same with statuses, and with sizes and addresses that are
//! written back.

use super::super::constants::*;
use super::super::handles;
use super::super::pages::leads_nowhere;
use super::super::types::{
    ACCESS_MASK, HANDLE, NTSTATUS, PHANDLE, PLARGE_INTEGER, POBJECT_ATTRIBUTES, PSIZE_T, PVOID,
    SECTION_BASIC_INFORMATION, SECTION_INFORMATION_CLASS, SECTION_INHERIT, SIZE_T, ULONG,
    ULONG_PTR,
};
use super::object::{self, Name, SECTION};
use super::view::{self, Wanted};
use crate::vm;
use crate::vm::regions::Whereabouts;
use crate::vm::sections;

/// The name of an object's attributes, and whether one that exists may be opened.
///
/// # Safety
/// `attributes` is null or leads to a structure whose pointers are valid.
unsafe fn name_of(attributes: POBJECT_ATTRIBUTES) -> Result<(Name, bool), NTSTATUS> {
    const OPENS: ULONG = 0x80;
    if attributes.is_null() {
        return Ok((Name::NONE, false));
    }
    // SAFETY: the caller's structure.
    let attributes = unsafe { attributes.read_unaligned() };
    let opens = attributes.Attributes & OPENS != 0;
    if attributes.ObjectName.is_null() {
        return Ok((Name::NONE, opens));
    }
    if !attributes.RootDirectory.is_null() {
        return Err(STATUS_INVALID_HANDLE);
    }
    // SAFETY: the caller's structure.
    let text = unsafe { attributes.ObjectName.read_unaligned() };
    if text.Buffer.is_null() || text.Length == 0 {
        return Ok((Name::NONE, opens));
    }
    // SAFETY: the caller's text has so many bytes.
    let units = unsafe { core::slice::from_raw_parts(text.Buffer, text.Length as usize / 2) };
    Ok((Name::native(units)?, opens))
}

/// Makes a section as [`CreateFileMappingW`](crate::win32::CreateFileMappingW)
/// does: `file` is null for memory, `size` null or 0 for a file's length,
/// `attributes` exactly one of SEC_COMMIT, SEC_RESERVE and SEC_IMAGE with its
/// modifiers, and the handle has the rights of `access`. A name is a whole path,
/// below `\BaseNamedObjects\` or `\Sessions\N\BaseNamedObjects\`.
///
/// STATUS_SUCCESS; STATUS_OBJECT_NAME_EXISTS for a name that exists, if the
/// object's attributes allow it (OBJ_OPENIF), STATUS_OBJECT_NAME_COLLISION if not;
/// STATUS_ACCESS_VIOLATION without a place for the handle;
/// STATUS_INVALID_PAGE_PROTECTION; STATUS_INVALID_PARAMETER_6 for attributes, _4 for
/// the size of memory of 0; STATUS_INVALID_HANDLE, STATUS_ACCESS_DENIED,
/// STATUS_MAPPED_FILE_SIZE_ZERO, STATUS_SECTION_TOO_BIG, STATUS_DISK_FULL,
/// STATUS_INVALID_IMAGE_NOT_MZ, STATUS_COMMITMENT_LIMIT, STATUS_NO_MEMORY. Any thread
/// may call it.
///
/// Source: "NtCreateSection function (ntifs.h)".
///
/// # Safety
/// `section` is null or can be written to; `object`, its name and `size` are null
/// or can be read.
pub unsafe extern "system" fn NtCreateSection(
    section: PHANDLE,
    access: ACCESS_MASK,
    object: POBJECT_ATTRIBUTES,
    size: PLARGE_INTEGER,
    protect: ULONG,
    attributes: ULONG,
    file: HANDLE,
) -> NTSTATUS {
    if leads_nowhere(section) || !size.is_null() && leads_nowhere(size) {
        return STATUS_ACCESS_VIOLATION;
    }
    let size = if size.is_null() {
        0
    } else {
        // SAFETY: the caller's pointer can be read.
        unsafe { size.read_unaligned() }.cast_unsigned()
    };
    // SAFETY: the caller's promise.
    let named = unsafe { name_of(object) };
    let made = named.and_then(|(name, opens)| {
        let wanted = object::Wanted {
            name: name.units(),
            file,
            size,
            protect,
            attributes,
            access,
        };
        let (handle, existed) = object::create(&wanted)?;
        if existed && !opens {
            // SAFETY: the handle was made just above, and nobody knows it.
            unsafe { handles::NtClose(handle) };
            return Err(STATUS_OBJECT_NAME_COLLISION);
        }
        Ok((handle, existed))
    });
    match made {
        Ok((handle, existed)) => {
            // SAFETY: the caller's pointer can be written to.
            unsafe { section.write_unaligned(handle) };
            if existed {
                STATUS_OBJECT_NAME_EXISTS
            } else {
                STATUS_SUCCESS
            }
        }
        Err(status) => status,
    }
}

/// Maps a view of a section: at `*base`, or anywhere if that is null, from `*offset`
/// on, or the start for null, `*size` bytes, or all for 0. Address, offset and size
/// are written back as they came to be. `bits`, `commit` and `inherit` have no
/// effect but for their checks: a forked process has all views.
///
/// STATUS_SUCCESS; STATUS_ACCESS_VIOLATION for a null pointer;
/// STATUS_INVALID_PARAMETER_4 for zero bits above 21 that are no mask;
/// STATUS_INVALID_PARAMETER_8 for another `inherit`, _9 for an allocation that is
/// not 0, MEM_RESERVE, MEM_TOP_DOWN or MEM_LARGE_PAGES; STATUS_INVALID_HANDLE;
/// STATUS_INVALID_PAGE_PROTECTION; STATUS_ACCESS_DENIED when the handle lacks a right;
/// STATUS_SECTION_PROTECTION; STATUS_INVALID_VIEW_SIZE; STATUS_MAPPED_ALIGNMENT;
/// STATUS_CONFLICTING_ADDRESSES; STATUS_NO_MEMORY; STATUS_COMMITMENT_LIMIT; of large pages
/// what [`MapViewOfFileEx`](crate::win32::MapViewOfFileEx) tells. Any thread may call it.
///
/// Source: "ZwMapViewOfSection function (wdm.h)".
///
/// # Safety
/// The pointers are null or can be read and written to; beyond that as for
/// [`MapViewOfFileEx`](crate::win32::MapViewOfFileEx).
pub unsafe extern "system" fn NtMapViewOfSection(
    section: HANDLE,
    process: HANDLE,
    base: *mut PVOID,
    bits: ULONG_PTR,
    _commit: SIZE_T,
    offset: PLARGE_INTEGER,
    size: PSIZE_T,
    inherit: SECTION_INHERIT,
    allocation: ULONG,
    protect: ULONG,
) -> NTSTATUS {
    if leads_nowhere(base) || leads_nowhere(size) || !offset.is_null() && leads_nowhere(offset) {
        return STATUS_ACCESS_VIOLATION;
    }
    if (22..32).contains(&bits) {
        return STATUS_INVALID_PARAMETER_4;
    }
    if inherit != ViewShare && inherit != ViewUnmap {
        return STATUS_INVALID_PARAMETER_8;
    }
    if allocation & !(MEM_RESERVE | MEM_TOP_DOWN | MEM_LARGE_PAGES) != 0 {
        return STATUS_INVALID_PARAMETER_9;
    }
    if !handles::is_own_process(process) {
        return STATUS_INVALID_HANDLE;
    }
    // SAFETY: the caller's pointers can be read.
    let (address, wanted_size) = unsafe { (base.read_unaligned().addr(), size.read_unaligned()) };
    let start = if offset.is_null() {
        0
    } else {
        // SAFETY: the caller's pointer can be read.
        unsafe { offset.read_unaligned() }.cast_unsigned()
    };
    let mapped = view::map(&Wanted {
        section,
        at: Whereabouts {
            address,
            top_down: allocation & MEM_TOP_DOWN != 0,
            ..Whereabouts::default()
        },
        offset: start,
        size: wanted_size,
        protect,
        large: allocation & MEM_LARGE_PAGES != 0,
    });
    match mapped {
        Ok((at, bytes)) => {
            // SAFETY: the caller's pointers can be written to.
            unsafe {
                base.write_unaligned(core::ptr::with_exposed_provenance_mut(at));
                size.write_unaligned(bytes);
            }
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

/// Ends the view that an address is in.
///
/// STATUS_SUCCESS; STATUS_INVALID_HANDLE when `process` is not the calling one;
/// STATUS_NOT_MAPPED_VIEW where there is no view. Any thread may call it.
///
/// Source: "ZwUnmapViewOfSection function (wdm.h)".
///
/// # Safety
/// Nobody uses the view any more.
pub unsafe extern "system" fn NtUnmapViewOfSection(process: HANDLE, base: PVOID) -> NTSTATUS {
    if !handles::is_own_process(process) {
        return STATUS_INVALID_HANDLE;
    }
    // SAFETY: the caller's promise.
    match unsafe { view::unmap(base.addr(), false) } {
        Ok(()) => STATUS_SUCCESS,
        Err(status) => status,
    }
}

/// Tells about a section: with SectionBasicInformation its size in bytes and its
/// attributes, SEC_FILE among them for a file's. The bytes written go to `length`,
/// unless that is null.
///
/// STATUS_SUCCESS; STATUS_INVALID_INFO_CLASS for another class;
/// STATUS_INFO_LENGTH_MISMATCH for a short buffer; STATUS_INVALID_HANDLE;
/// STATUS_ACCESS_DENIED for a handle without SECTION_QUERY;
/// STATUS_SECTION_NOT_IMAGE for SectionImageInformation. Any thread may call it.
///
/// Source: what Windows is seen to do; Microsoft documents the function's name only.
///
/// # Safety
/// `buffer` is null or leads to `size` bytes that can be written to; `length` is
/// null or can be written to.
pub unsafe extern "system" fn NtQuerySection(
    section: HANDLE,
    class: SECTION_INFORMATION_CLASS,
    buffer: PVOID,
    size: SIZE_T,
    length: PSIZE_T,
) -> NTSTATUS {
    /// Bytes of what a program's section would tell.
    const IMAGE_BYTES: usize = 64;
    let needed = match class {
        SectionBasicInformation => size_of::<SECTION_BASIC_INFORMATION>(),
        SectionImageInformation => IMAGE_BYTES,
        _ => return STATUS_INVALID_INFO_CLASS,
    };
    if size < needed {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    if leads_nowhere(buffer) || !length.is_null() && leads_nowhere(length) {
        return STATUS_ACCESS_VIOLATION;
    }
    let Some(handle) = handles::borrow(section, &SECTION) else {
        return STATUS_INVALID_HANDLE;
    };
    if handle.access & SECTION_QUERY == 0 {
        return STATUS_ACCESS_DENIED;
    }
    if class == SectionImageInformation {
        return STATUS_SECTION_NOT_IMAGE;
    }
    let Some(told) = sections::get(handle.value) else {
        return STATUS_INVALID_HANDLE;
    };
    let information = SECTION_BASIC_INFORMATION {
        BaseAddress: core::ptr::null_mut(),
        AllocationAttributes: told.attributes,
        MaximumSize: told.size.cast_signed(),
    };
    // SAFETY: the caller's buffer has room for the structure, wherever it lies.
    unsafe {
        buffer
            .cast::<SECTION_BASIC_INFORMATION>()
            .write_unaligned(information)
    };
    if !length.is_null() {
        // SAFETY: the caller's pointer can be written to.
        unsafe { length.write_unaligned(needed) };
    }
    STATUS_SUCCESS
}

const _: () = assert!(vm::GRANULARITY == 0x10000);

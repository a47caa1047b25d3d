//! The native functions: addresses and sizes go in and come back rounded, and
//! the answer is a status. A pointer into the first 64 KiB, or beyond what programs
//! have, is as null.

use super::super::answers::status;
use super::super::constants::*;
use super::super::sections;
use super::super::types::{
    HANDLE, MEMORY_BASIC_INFORMATION, MEMORY_INFORMATION_CLASS, MEMORY_REGION_INFORMATION,
    NTSTATUS, PMEM_EXTENDED_PARAMETER, PMEMORY_RANGE_ENTRY, PSIZE_T, PULONG, PVOID, SIZE_T, ULONG,
    ULONG_PTR, VIRTUAL_MEMORY_INFORMATION_CLASS,
};
use super::allocate::{Extended, allocate, extended};
use super::{advise, free, leads_nowhere, own, protect, query};
use crate::vm::regions::{self, Kind};
use core::mem::offset_of;
use core::ptr;

/// The argument that two pointers lead to: an address and a size.
///
/// # Safety
/// Both are null or lead to what they say.
unsafe fn read(base: *mut PVOID, size: PSIZE_T) -> Result<(usize, usize), NTSTATUS> {
    if leads_nowhere(base) || leads_nowhere(size) {
        return Err(STATUS_ACCESS_VIOLATION);
    }
    // SAFETY: the caller's variables, wherever they lie.
    unsafe {
        let address = base.read_unaligned().expose_provenance();
        Ok((address, size.read_unaligned()))
    }
}

/// # Safety
/// Both lead to what they say.
unsafe fn write(base: *mut PVOID, size: PSIZE_T, address: usize, length: usize) {
    // SAFETY: the caller's variables, wherever they lie.
    unsafe {
        base.write_unaligned(ptr::with_exposed_provenance_mut(address));
        size.write_unaligned(length);
    }
}

/// One past the highest address that zero bits leave; 0 for no limit.
fn limit_of(zero_bits: ULONG_PTR) -> Result<usize, NTSTATUS> {
    match zero_bits {
        0 => Ok(0),
        1..=21 => Ok(1 << (32 - zero_bits)),
        22..=31 => Err(STATUS_INVALID_PARAMETER_3),
        // A mask: its highest bit is the addresses'.
        mask => Ok(1usize
            .checked_shl(usize::BITS - mask.leading_zeros())
            .filter(|&limit| limit <= crate::sys::USER_END)
            .unwrap_or(0)),
    }
}

/// [`VirtualAlloc`](super::VirtualAlloc) as the native interface has it. What is
/// at `base` and `size` is replaced by the first page's address and the bytes of
/// all. `zero_bits` says where the region may lie if no address is given: 1 to 21
/// that so many bits of a 32-bit address are 0, from 32 on it is a mask of the
/// bits that may be 1.
///
/// STATUS_SUCCESS; STATUS_INVALID_HANDLE; STATUS_ACCESS_VIOLATION for null
/// pointers; STATUS_INVALID_PARAMETER_3 to _5 for zero bits, a size and a type
/// that have no meaning; STATUS_INVALID_PAGE_PROTECTION;
/// STATUS_CONFLICTING_ADDRESSES; STATUS_ALREADY_COMMITTED for a view's pages;
/// STATUS_NO_MEMORY; STATUS_COMMITMENT_LIMIT; STATUS_INSUFFICIENT_RESOURCES for
/// large pages; STATUS_NOT_SUPPORTED.
///
/// Source: "NtAllocateVirtualMemory function (ntifs.h)".
///
/// # Safety
/// As for [`VirtualAlloc`](super::VirtualAlloc); the pointers are null or lead to
/// what they say.
pub unsafe extern "system" fn NtAllocateVirtualMemory(
    process: HANDLE,
    base: *mut PVOID,
    zero_bits: ULONG_PTR,
    size: PSIZE_T,
    allocation_type: ULONG,
    protect: ULONG,
) -> NTSTATUS {
    let done = own(process).and_then(|()| {
        let limit = limit_of(zero_bits)?;
        // SAFETY: the caller's promise is the callee's.
        let (address, length) = unsafe { read(base, size) }?;
        let bounds = Extended {
            // An address that is given is where it is.
            limit: if address == 0 { limit } else { 0 },
            ..Extended::default()
        };
        let (address, length) = allocate(address, length, allocation_type, protect, &bounds)?;
        // SAFETY: as above, and not null.
        unsafe { write(base, size, address, length) };
        Ok(())
    });
    status(done)
}

/// [`VirtualAlloc2`](super::VirtualAlloc2) as the native interface has it. What is
/// at `base` and `size` is replaced by the first page's address and the bytes of
/// all. Statuses as of [`NtAllocateVirtualMemory`], and
/// STATUS_INVALID_PARAMETER for wrong further arguments, STATUS_ACCESS_VIOLATION for those
/// whose addresses lead nowhere but are not null.
///
/// Source: "NtAllocateVirtualMemoryEx function (ntifs.h)".
///
/// # Safety
/// As for [`VirtualAlloc2`](super::VirtualAlloc2); the pointers are null or lead
/// to what they say.
pub unsafe extern "system" fn NtAllocateVirtualMemoryEx(
    process: HANDLE,
    base: *mut PVOID,
    size: PSIZE_T,
    allocation_type: ULONG,
    protect: ULONG,
    parameters: PMEM_EXTENDED_PARAMETER,
    count: ULONG,
) -> NTSTATUS {
    let done = own(process).and_then(|()| {
        // SAFETY: the caller's promise is the callees'.
        let (extended, (address, length)) =
            unsafe { (extended(parameters, count)?, read(base, size)?) };
        let (address, length) = allocate(address, length, allocation_type, protect, &extended)?;
        // SAFETY: as above, and not null.
        unsafe { write(base, size, address, length) };
        Ok(())
    });
    status(done)
}

/// [`VirtualFree`](super::VirtualFree) as the native interface has it: MEM_RELEASE
/// with a size ends a part of a region, and what is left of it are regions. What
/// is at `base` and `size` is replaced by the first page's address and the bytes
/// freed (0 when a whole region was decommitted by a size of 0).
///
/// STATUS_SUCCESS; STATUS_INVALID_PARAMETER_4 for a type, before anything else is
/// looked at; STATUS_ACCESS_VIOLATION for null pointers;
/// STATUS_MEMORY_NOT_ALLOCATED; STATUS_FREE_VM_NOT_AT_BASE where a size of 0 names
/// no region; STATUS_UNABLE_TO_FREE_VM for more than a region has;
/// STATUS_UNABLE_TO_DELETE_SECTION for a view's pages;
/// STATUS_CONFLICTING_ADDRESSES and STATUS_INVALID_PARAMETER_3 for placeholders;
/// STATUS_NOT_SUPPORTED for a part of a watched region; STATUS_NO_MEMORY.
///
/// Source: "NtFreeVirtualMemory function (ntifs.h)"; where statuses are not told
/// there, what Windows is seen to do.
///
/// # Safety
/// Nobody uses the pages any more. The pointers are null or lead to what they
/// say.
pub unsafe extern "system" fn NtFreeVirtualMemory(
    process: HANDLE,
    base: *mut PVOID,
    size: PSIZE_T,
    free_type: ULONG,
) -> NTSTATUS {
    let done = free::check(free_type).and_then(|()| {
        own(process)?;
        // SAFETY: the caller's promise is the callee's.
        let (address, length) = unsafe { read(base, size) }?;
        // SAFETY: as above.
        let (start, freed) = unsafe { free::free(address, length, free_type) }?;
        let freed = if free_type == MEM_DECOMMIT && length == 0 {
            0
        } else {
            freed
        };
        // SAFETY: as above, and not null.
        unsafe { write(base, size, start, freed) };
        Ok(())
    });
    status(done)
}

/// [`VirtualProtect`](super::VirtualProtect) as the native interface has it. What
/// is at `base` and `size` is replaced by the first page's address and the bytes
/// of all.
///
/// STATUS_SUCCESS; STATUS_INVALID_HANDLE; STATUS_ACCESS_VIOLATION for null
/// pointers; STATUS_INVALID_PAGE_PROTECTION; STATUS_INVALID_PARAMETER for a size
/// of 0; STATUS_CONFLICTING_ADDRESSES; STATUS_NOT_COMMITTED; STATUS_NO_MEMORY.
///
/// Source: the native form of "VirtualProtect function (memoryapi.h)".
///
/// # Safety
/// As for [`VirtualProtect`](super::VirtualProtect); the pointers are null or
/// lead to what they say.
pub unsafe extern "system" fn NtProtectVirtualMemory(
    process: HANDLE,
    base: *mut PVOID,
    size: PSIZE_T,
    wanted: ULONG,
    old: PULONG,
) -> NTSTATUS {
    let done = own(process).and_then(|()| {
        if leads_nowhere(old) {
            return Err(STATUS_ACCESS_VIOLATION);
        }
        // SAFETY: the caller's promise is the callee's.
        let (address, length) = unsafe { read(base, size) }?;
        let (start, length, before) = protect::protect(address, length, wanted)?;
        // SAFETY: as above, and none is null.
        unsafe {
            old.write_unaligned(before);
            write(base, size, start, length);
        }
        Ok(())
    });
    status(done)
}

/// Tells about pages: class 0 what [`VirtualQuery`](super::VirtualQuery) tells, 3 a
/// [`MEMORY_REGION_INFORMATION`], of which the bytes up to RegionSize are enough.
/// How many bytes were written goes to `written`, if that is not null.
///
/// STATUS_SUCCESS; STATUS_INVALID_HANDLE; STATUS_INVALID_INFO_CLASS;
/// STATUS_INFO_LENGTH_MISMATCH for a shorter buffer; STATUS_ACCESS_VIOLATION for
/// none; STATUS_INVALID_PARAMETER above the addresses that programs have;
/// STATUS_INVALID_ADDRESS for a region where there is none.
///
/// Source: "NtQueryVirtualMemory function (ntifs.h)".
///
/// # Safety
/// `buffer` is null or leads to `length` bytes that can be written to, `written`
/// is null or leads to a number.
pub unsafe extern "system" fn NtQueryVirtualMemory(
    process: HANDLE,
    address: PVOID,
    class: MEMORY_INFORMATION_CLASS,
    buffer: PVOID,
    length: SIZE_T,
    written: PSIZE_T,
) -> NTSTATUS {
    /// The bytes that a buffer must have for a region.
    const ENOUGH: usize = offset_of!(MEMORY_REGION_INFORMATION, RegionSize) + size_of::<SIZE_T>();
    let done = own(process).and_then(|()| {
        let least = match class {
            MemoryBasicInformation => size_of::<MEMORY_BASIC_INFORMATION>(),
            MemoryRegionInformation => ENOUGH,
            _ => return Err(STATUS_INVALID_INFO_CLASS),
        };
        if length < least {
            return Err(STATUS_INFO_LENGTH_MISMATCH);
        }
        if leads_nowhere(buffer) || !written.is_null() && leads_nowhere(written) {
            return Err(STATUS_ACCESS_VIOLATION);
        }
        let basic = query(address.addr()).map_err(|_| STATUS_INVALID_PARAMETER)?;
        let told = if class == MemoryBasicInformation {
            // SAFETY: the caller's buffer has room for it, wherever it lies.
            unsafe {
                buffer
                    .cast::<MEMORY_BASIC_INFORMATION>()
                    .write_unaligned(basic)
            };
            size_of::<MEMORY_BASIC_INFORMATION>()
        } else {
            let region = region_of(&basic)?;
            let told = length.min(size_of::<MEMORY_REGION_INFORMATION>());
            // SAFETY: the caller's buffer has at least so many bytes.
            unsafe {
                let from = (&raw const region).cast::<u8>();
                ptr::copy_nonoverlapping(from, buffer.cast(), told);
            }
            told
        };
        if !written.is_null() {
            // SAFETY: the caller's number, wherever it lies.
            unsafe { written.write_unaligned(told) };
        }
        Ok(())
    });
    status(done)
}

/// The whole reservation of which a query told a part.
fn region_of(basic: &MEMORY_BASIC_INFORMATION) -> Result<MEMORY_REGION_INFORMATION, NTSTATUS> {
    /// What the type's bits say of a view of a file, and of an image.
    const MAPPED_FILE: ULONG = 1 << 1;
    const MAPPED_IMAGE: ULONG = 1 << 2;
    if basic.State == MEM_FREE {
        return Err(STATUS_INVALID_ADDRESS);
    }
    let base = basic.AllocationBase;
    let (mut size, mut committed) = (0, 0);
    loop {
        let at = query(base.addr() + size).map_err(|_| STATUS_INVALID_PARAMETER)?;
        if at.State == MEM_FREE || at.AllocationBase != base || at.RegionSize == 0 {
            break;
        }
        if at.State == MEM_COMMIT {
            committed += at.RegionSize;
        }
        size += at.RegionSize;
    }
    let is_of_file = match regions::find(base.addr()).map(|told| told.area.kind) {
        Some(Kind::View(view)) => sections::is_of_file(&view),
        _ => true,
    };
    Ok(MEMORY_REGION_INFORMATION {
        AllocationBase: base,
        AllocationProtect: basic.AllocationProtect,
        RegionType: match basic.Type {
            MEM_IMAGE => MAPPED_IMAGE,
            MEM_MAPPED if is_of_file => MAPPED_FILE,
            _ => 0,
        },
        RegionSize: size,
        CommitSize: committed,
        PartitionId: 0,
        NodePreference: 0,
    })
}

/// [`PrefetchVirtualMemory`](super::PrefetchVirtualMemory) as the native interface has
/// it: class 0, whose information is a number of 4 bytes, 0.
///
/// STATUS_SUCCESS; STATUS_INVALID_HANDLE; STATUS_INVALID_PARAMETER_2 for another class;
/// _5 for no information and for flags, of which there are none; _6 for another length
/// of it; _3 for no ranges; STATUS_ACCESS_VIOLATION when `ranges` is null;
/// STATUS_INVALID_PARAMETER_4 for a range without a length. Any thread may call it.
///
/// Source: "ZwSetInformationVirtualMemory function (ntifs.h)"; where statuses are not
/// told there, what Windows is seen to do.
///
/// # Safety
/// `ranges` is null or leads to `count` of them, `information` is null or leads to
/// `length` bytes.
pub unsafe extern "system" fn NtSetInformationVirtualMemory(
    process: HANDLE,
    class: VIRTUAL_MEMORY_INFORMATION_CLASS,
    count: ULONG_PTR,
    ranges: PMEMORY_RANGE_ENTRY,
    information: PVOID,
    length: ULONG,
) -> NTSTATUS {
    let done = own(process).and_then(|()| {
        if class != VmPrefetchInformation {
            return Err(STATUS_INVALID_PARAMETER_2);
        }
        if information.is_null() {
            return Err(STATUS_INVALID_PARAMETER_5);
        }
        if length as usize != size_of::<ULONG>() {
            return Err(STATUS_INVALID_PARAMETER_6);
        }
        if leads_nowhere(information) {
            return Err(STATUS_ACCESS_VIOLATION);
        }
        // SAFETY: the caller's number, wherever it lies.
        let flags = unsafe { information.cast::<ULONG>().read_unaligned() };
        // SAFETY: the caller's promise is the callee's.
        unsafe { advise::prefetch(count, ranges, flags) }
    });
    status(done)
}

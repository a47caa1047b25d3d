//! Reserving and committing.

use super::super::answers;
use super::super::constants::*;
use super::super::handles::GetCurrentProcess;
use super::super::tokens;
use super::super::types::{
    DWORD, HANDLE, LPVOID, MEM_ADDRESS_REQUIREMENTS, MEM_EXTENDED_PARAMETER, NTSTATUS,
    PMEM_EXTENDED_PARAMETER, PVOID, SIZE_T, ULONG,
};
use super::{EXECUTE_RIGHTS, is_user_range, leads_nowhere, own, status_of};
use crate::heap;
use crate::trace::{self, Argument};
use crate::vm::GRANULARITY;
use crate::vm::regions::{self, Kind, Protect, Request, Touch, Whereabouts};

/// Types that every version of the function takes.
const COMMON: DWORD = MEM_COMMIT
    | MEM_RESERVE
    | MEM_RESET
    | MEM_RESET_UNDO
    | MEM_TOP_DOWN
    | MEM_WRITE_WATCH
    | MEM_PHYSICAL
    | MEM_LARGE_PAGES;
/// Those of which a call has at least one.
const DEEDS: DWORD = MEM_COMMIT | MEM_RESERVE | MEM_RESET | MEM_RESET_UNDO;
/// Those that only a reservation can have.
const OF_RESERVATIONS: DWORD = MEM_WRITE_WATCH | MEM_PHYSICAL | MEM_LARGE_PAGES;

/// Where pages may lie, and whether the call is one that has such arguments.
#[derive(Clone, Copy, Default)]
pub(in crate::win32) struct Extended {
    pub(in crate::win32) lowest: usize,
    /// One past the last byte; 0 for no limit.
    pub(in crate::win32) limit: usize,
    pub(in crate::win32) alignment: usize,
    /// Whether placeholders are known to the call.
    pub(super) knows_placeholders: bool,
}

/// Does what all versions of `VirtualAlloc` do. The address of the first page,
/// and how many bytes there are.
pub(super) fn allocate(
    address: usize,
    size: usize,
    kind: DWORD,
    protect: DWORD,
    extended: &Extended,
) -> Result<(usize, usize), NTSTATUS> {
    let placeholders = if extended.knows_placeholders {
        MEM_RESERVE_PLACEHOLDER | MEM_REPLACE_PLACEHOLDER
    } else {
        0
    };
    if kind & !(COMMON | placeholders) != 0 || kind & DEEDS == 0 {
        return Err(STATUS_INVALID_PARAMETER_5);
    }
    let protect = Protect::from_number(protect).ok_or(STATUS_INVALID_PAGE_PROTECTION)?;
    if size == 0 {
        return Err(STATUS_INVALID_PARAMETER_4);
    }
    if !is_user_range(address, size) {
        return Err(STATUS_INVALID_PARAMETER_3);
    }
    let has = |bits: DWORD| kind & bits != 0;
    if has(MEM_RESET | MEM_RESET_UNDO) {
        return reset(address, size, kind);
    }
    if has(OF_RESERVATIONS) && !has(MEM_RESERVE) {
        return Err(STATUS_INVALID_PARAMETER_5);
    }
    if protect.is_copy() {
        return Err(STATUS_INVALID_PAGE_PROTECTION);
    }
    let reserves = has(MEM_RESERVE) || (address == 0 && !has(placeholders));
    let bounded = extended.lowest | extended.limit | extended.alignment != 0;
    if bounded && (address != 0 || !reserves) {
        return Err(STATUS_INVALID_PARAMETER);
    }
    if !reserves {
        if has(placeholders) {
            return Err(STATUS_INVALID_PARAMETER_5);
        }
        let commit = || regions::commit(address, size, protect);
        return heap::insist(size, commit).map_err(status_of);
    }
    let request = request_of(kind, protect, placeholders)?;
    let at = Whereabouts {
        address,
        lowest: extended.lowest,
        limit: extended.limit,
        alignment: extended.alignment,
        top_down: has(MEM_TOP_DOWN),
        replaces: has(placeholders & MEM_REPLACE_PLACEHOLDER),
    };
    heap::insist(size, || regions::reserve(&at, size, &request)).map_err(status_of)
}

/// What a reservation is to be.
fn request_of(kind: DWORD, protect: Protect, placeholders: DWORD) -> Result<Request, NTSTATUS> {
    let has = |bits: DWORD| kind & bits != 0;
    if has(placeholders & MEM_RESERVE_PLACEHOLDER) {
        let alone = kind & !(MEM_RESERVE | MEM_RESERVE_PLACEHOLDER | MEM_TOP_DOWN) == 0;
        if !alone {
            return Err(STATUS_INVALID_PARAMETER_5);
        }
        if protect != Protect::NONE {
            return Err(STATUS_INVALID_PAGE_PROTECTION);
        }
        return Ok(Request {
            kind: Kind::Placeholder,
            ..Request::private(protect)
        });
    }
    if has(MEM_PHYSICAL) {
        let alone = kind & !(MEM_RESERVE | MEM_PHYSICAL | MEM_TOP_DOWN) == 0;
        if !alone {
            return Err(STATUS_INVALID_PARAMETER_5);
        }
        if protect != Protect::READ_WRITE {
            return Err(STATUS_INVALID_PAGE_PROTECTION);
        }
        return Ok(Request {
            kind: Kind::Physical,
            ..Request::private(protect)
        });
    }
    if has(MEM_LARGE_PAGES) && (!has(MEM_COMMIT) || has(MEM_WRITE_WATCH) || protect.is_guard()) {
        return Err(STATUS_INVALID_PARAMETER_5);
    }
    if has(MEM_LARGE_PAGES) && !tokens::may_lock_memory() {
        return Err(STATUS_PRIVILEGE_NOT_HELD);
    }
    Ok(Request {
        kind: Kind::Private,
        initial: protect,
        commits: has(MEM_COMMIT),
        large: has(MEM_LARGE_PAGES),
        watched: has(MEM_WRITE_WATCH),
        touch: Touch::Fault,
    })
}

fn reset(address: usize, size: usize, kind: DWORD) -> Result<(usize, usize), NTSTATUS> {
    match kind {
        // SAFETY: the caller says that what the pages hold is not needed.
        MEM_RESET => unsafe { regions::reset(address, size) },
        MEM_RESET_UNDO => regions::reset_undo(address, size),
        _ => return Err(STATUS_INVALID_PARAMETER_5),
    }
    .map_err(status_of)
}

/// Reads the further arguments of a call.
///
/// # Safety
/// `parameters` is null or leads to `count` of them, and those that are
/// pointers lead to what their types say.
pub(in crate::win32) unsafe fn extended(
    parameters: *const MEM_EXTENDED_PARAMETER,
    count: ULONG,
) -> Result<Extended, NTSTATUS> {
    let mut extended = Extended {
        knows_placeholders: true,
        ..Extended::default()
    };
    if count != 0 && parameters.is_null() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    if count != 0 && leads_nowhere(parameters) {
        return Err(STATUS_ACCESS_VIOLATION);
    }
    let mut seen = 0u32;
    for index in 0..count as usize {
        // SAFETY: the caller's array has `count` of them.
        let parameter = unsafe { parameters.add(index).read_unaligned() };
        let kind = (parameter.Type & 0xff) as i32;
        if kind == MemExtendedParameterInvalidType
            || kind >= MemExtendedParameterMax
            || parameter.Type >> 8 != 0
            || seen & 1 << kind != 0
        {
            return Err(STATUS_INVALID_PARAMETER);
        }
        seen |= 1 << kind;
        match kind {
            MemExtendedParameterAddressRequirements => {
                // SAFETY: every bit pattern is an address; where it leads to
                // the caller says.
                let wanted = unsafe { parameter.Anonymous.Pointer }.cast();
                // SAFETY: the caller's promise is the callee's.
                unsafe { requirements(wanted, &mut extended) }?;
            }
            // A wish: memory comes from where the system's policy says.
            MemExtendedParameterNumaNode => {}
            MemExtendedParameterAttributeFlags => {
                /// Attributes that say nothing that matters here.
                const WITHOUT_EFFECT: u64 = 0x1 | 0x4 | 0x20;
                // SAFETY: every bit pattern is a number.
                let flags = unsafe { parameter.Anonymous.ULong64 };
                if flags & !WITHOUT_EFFECT != 0 {
                    return Err(STATUS_INVALID_PARAMETER);
                }
            }
            _ => return Err(STATUS_NOT_SUPPORTED),
        }
    }
    Ok(extended)
}

/// # Safety
/// `wanted` is null or leads to the structure.
unsafe fn requirements(
    wanted: *const MEM_ADDRESS_REQUIREMENTS,
    extended: &mut Extended,
) -> Result<(), NTSTATUS> {
    if wanted.is_null() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    if leads_nowhere(wanted) {
        return Err(STATUS_ACCESS_VIOLATION);
    }
    // SAFETY: the caller's structure.
    let wanted = unsafe { wanted.read_unaligned() };
    let lowest = wanted.LowestStartingAddress.addr();
    let highest = wanted.HighestEndingAddress.addr();
    let alignment = wanted.Alignment;
    // The last byte of a page, and then one past it: at most the end of all.
    let limit = match highest {
        0 => 0,
        last => last.checked_add(1).ok_or(STATUS_INVALID_PARAMETER)?,
    };
    let bounds = Whereabouts {
        lowest,
        limit,
        alignment,
        ..Whereabouts::default()
    };
    if !bounds.are_bounds() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    extended.lowest = lowest;
    extended.limit = limit;
    extended.alignment = alignment;
    Ok(())
}

/// Reserves pages (MEM_RESERVE), commits them (MEM_COMMIT), or both; or says
/// that what they hold is not needed (MEM_RESET) or is after all
/// (MEM_RESET_UNDO), each alone.
///
/// - Reserving, `address` is rounded down to 64 KiB, and the region covers all
///   pages that `[address, address + size)` touches; null leaves the place to
///   the system, which begins at the highest. MEM_COMMIT alone with null
///   reserves as well. With MEM_RESERVE: MEM_WRITE_WATCH has written pages
///   noted, for [`GetWriteWatch`](super::GetWriteWatch); MEM_PHYSICAL, alone
///   with PAGE_READWRITE, makes a window for physical pages; MEM_LARGE_PAGES,
///   with MEM_COMMIT, takes whole pages of
///   [`GetLargePageMinimum`](super::super::GetLargePageMinimum) from the system's pool.
/// - Committing, the range may be any part of one region. Pages that were
///   committed keep what they hold and take the new protection; others are
///   zero.
/// - MEM_RESET leaves protection and state; until it is written to, a page comes
///   to read zero when the system takes it. MEM_RESET_UNDO fails if one was
///   taken that held anything else.
///
/// `protect` is one of PAGE_NOACCESS, READONLY, READWRITE, EXECUTE,
/// EXECUTE_READ and EXECUTE_READWRITE. PAGE_GUARD, not with NOACCESS, has the
/// next access raise an exception. PAGE_NOCACHE and PAGE_WRITECOMBINE are
/// noted, for the region as a whole, and have no effect.
///
/// The address of the first page; null and the last error otherwise:
/// ERROR_INVALID_PARAMETER for a size of 0, a type or protection that is none
/// of the above; ERROR_INVALID_ADDRESS when what is to be reserved is in use
/// (nothing else of a region's last 64 KiB can be reserved) or what is to be
/// committed is not in one region; ERROR_ACCESS_DENIED for committing pages of
/// a view that has them all; ERROR_NOT_ENOUGH_MEMORY, also when the system has
/// no room for another mapping; ERROR_COMMITMENT_LIMIT at the limit of committed
/// bytes, after the process heap gave back what it keeps; for large pages ERROR_PRIVILEGE_NOT_HELD unless SeLockMemoryPrivilege is in
/// force, and ERROR_NO_SYSTEM_RESOURCES when there are too few; ERROR_NOT_SUPPORTED where written pages cannot be noted. Nothing has changed then. Any thread may
/// call it. The time grows with the logarithm of the number of regions.
///
/// Source: "VirtualAlloc function (memoryapi.h)"; where errors are not told
/// there, what Windows is seen to do.
///
/// # Safety
/// A change of protection takes rights away that other code may rely on, and
/// MEM_RESET what pages hold.
pub unsafe extern "system" fn VirtualAlloc(
    address: LPVOID,
    size: SIZE_T,
    allocation_type: DWORD,
    protect: DWORD,
) -> LPVOID {
    let process = GetCurrentProcess();
    let arguments = || {
        [
            Argument::new(c"process", process.addr() as u64),
            Argument::new(c"address", address.addr() as u64),
            Argument::new(c"size", size as u64),
            Argument::new(c"allocation_type", u64::from(allocation_type)),
            Argument::new(c"protect", u64::from(protect)),
        ]
    };
    // SAFETY: the caller's promise is the callee's.
    trace::during(c"VirtualAllocEx", arguments, || unsafe {
        VirtualAllocEx(process, address, size, allocation_type, protect)
    })
}

/// [`VirtualAlloc`] in a process: the own one, whose handle is
/// `(HANDLE)-1`. Null and ERROR_INVALID_HANDLE for any other.
///
/// Source: "VirtualAllocEx function (memoryapi.h)".
///
/// # Safety
/// As for [`VirtualAlloc`].
pub unsafe extern "system" fn VirtualAllocEx(
    process: HANDLE,
    address: LPVOID,
    size: SIZE_T,
    allocation_type: DWORD,
    protect: DWORD,
) -> LPVOID {
    let address = address.expose_provenance();
    let plain = Extended::default();
    answers::address(
        own(process).and_then(|()| allocate(address, size, allocation_type, protect, &plain)),
    )
}

/// Checks the arguments of a call that takes further ones, and does it.
///
/// # Safety
/// As for [`extended`].
unsafe fn allocate_2(
    process: HANDLE,
    address: PVOID,
    size: SIZE_T,
    kind: ULONG,
    protect: ULONG,
    parameters: PMEM_EXTENDED_PARAMETER,
    count: ULONG,
) -> Result<(usize, usize), NTSTATUS> {
    if !process.is_null() {
        own(process)?;
    }
    // SAFETY: the caller's promise is the callee's.
    let extended = unsafe { extended(parameters, count) }?;
    let address = address.expose_provenance();
    let reserves = kind & MEM_RESERVE != 0 && kind & MEM_REPLACE_PLACEHOLDER == 0;
    let page = crate::sys::page_size();
    if !size.is_multiple_of(page) || (reserves && !address.is_multiple_of(GRANULARITY)) {
        return Err(STATUS_INVALID_PARAMETER);
    }
    allocate(address, size, kind, protect, &extended)
}

/// [`VirtualAlloc`] with further arguments and placeholders, in the own process:
/// null or `(HANDLE)-1`.
///
/// - `size` is a multiple of the page size; an address to reserve at, one of
///   64 KiB.
/// - Further arguments, each type once: where the region may lie
///   ([`MEM_ADDRESS_REQUIREMENTS`]; only for a reservation without an address),
///   a node (a wish, not followed), attributes (those about graphics, zero pages
///   and soft faults, without effect).
/// - MEM_RESERVE with MEM_RESERVE_PLACEHOLDER and PAGE_NOACCESS makes a
///   placeholder: address space that nothing can be committed in, which
///   [`VirtualFree`](super::VirtualFree) splits and joins. MEM_RESERVE with
///   MEM_REPLACE_PLACEHOLDER makes a region of exactly one.
///
/// Null and the last error otherwise: as [`VirtualAlloc`], and
/// ERROR_INVALID_PARAMETER for wrong further arguments, ERROR_NOACCESS for those whose
/// addresses lead nowhere but are not null, ERROR_INVALID_ADDRESS
/// where no such placeholder is, ERROR_NOT_ENOUGH_MEMORY when there is no such
/// address, ERROR_NOT_SUPPORTED for partitions, handles and machines. With a
/// place asked for the time grows with the number of the process's mappings.
///
/// Source: "VirtualAlloc2 function (memoryapi.h)".
///
/// # Safety
/// As for [`VirtualAlloc`]; `parameters` is null or leads to `count` of them,
/// whose pointers lead to what their types say.
pub unsafe extern "system" fn VirtualAlloc2(
    process: HANDLE,
    address: PVOID,
    size: SIZE_T,
    allocation_type: ULONG,
    protect: ULONG,
    parameters: PMEM_EXTENDED_PARAMETER,
    count: ULONG,
) -> PVOID {
    // SAFETY: the caller's promise is the callee's.
    answers::address(unsafe {
        allocate_2(
            process,
            address,
            size,
            allocation_type,
            protect,
            parameters,
            count,
        )
    })
}

/// [`VirtualAlloc`], but for ERROR_INVALID_PARAMETER for every right to run
/// code.
///
/// Source: "VirtualAllocFromApp function (memoryapi.h)".
///
/// # Safety
/// As for [`VirtualAlloc`].
pub unsafe extern "system" fn VirtualAllocFromApp(
    address: PVOID,
    size: SIZE_T,
    allocation_type: ULONG,
    protect: ULONG,
) -> PVOID {
    if protect & EXECUTE_RIGHTS != 0 {
        return answers::address(Err(STATUS_INVALID_PAGE_PROTECTION));
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe { VirtualAlloc(address, size, allocation_type, protect) }
}

/// [`VirtualAlloc2`], but for ERROR_INVALID_PARAMETER for every right to run
/// code.
///
/// Source: "VirtualAlloc2FromApp function (memoryapi.h)".
///
/// # Safety
/// As for [`VirtualAlloc2`].
pub unsafe extern "system" fn VirtualAlloc2FromApp(
    process: HANDLE,
    address: PVOID,
    size: SIZE_T,
    allocation_type: ULONG,
    protect: ULONG,
    parameters: PMEM_EXTENDED_PARAMETER,
    count: ULONG,
) -> PVOID {
    if protect & EXECUTE_RIGHTS != 0 {
        return answers::address(Err(STATUS_INVALID_PAGE_PROTECTION));
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe {
        VirtualAlloc2(
            process,
            address,
            size,
            allocation_type,
            protect,
            parameters,
            count,
        )
    }
}

//! `VirtualAlloc` and its kin, for the process's own pages.
//!
//! Of the types of allocation there are MEM_RESERVE, MEM_COMMIT and
//! MEM_TOP_DOWN (a wish that is not followed), of the protections the six that
//! private pages can have, without modifiers. Everything else is
//! ERROR_INVALID_PARAMETER.

use super::constants::{
    ERROR_BAD_LENGTH, ERROR_COMMITMENT_LIMIT, ERROR_INVALID_ADDRESS, ERROR_INVALID_PARAMETER,
    ERROR_NOACCESS, ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_SUPPORTED, FALSE,
    HEAP_CREATE_ENABLE_EXECUTE, MEM_COMMIT, MEM_DECOMMIT, MEM_FREE, MEM_MAPPED, MEM_PRIVATE,
    MEM_RELEASE, MEM_RESERVE, MEM_TOP_DOWN, PAGE_EXECUTE, PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE, PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, TRUE,
};
use super::last_error;
use super::types::{
    BOOL, DWORD, LPCVOID, LPVOID, MEMORY_BASIC_INFORMATION, PMEMORY_BASIC_INFORMATION, SIZE_T,
};
use crate::heap::private::{self, RegionInfo};
use crate::sys::{self, Mapping};
use crate::vm;
use crate::vm::regions::{self, Kind, Protect, Refusal, Request, Whereabouts};
use core::ptr;

use crate::sys::USER_END;

fn error_of(refusal: Refusal) -> DWORD {
    match refusal {
        Refusal::Invalid | Refusal::PastTheEnd | Refusal::Protection | Refusal::IsView => {
            ERROR_INVALID_PARAMETER
        }
        Refusal::Conflict | Refusal::NotAllocated | Refusal::NotCommitted | Refusal::NotAtBase => {
            ERROR_INVALID_ADDRESS
        }
        Refusal::IsCommitted => 5,
        Refusal::NoLargePages => 1450,
        Refusal::Unsupported => ERROR_NOT_SUPPORTED,
        Refusal::NoMemory => ERROR_NOT_ENOUGH_MEMORY,
        Refusal::CommitLimit => ERROR_COMMITMENT_LIMIT,
    }
}

/// Reserves pages (MEM_RESERVE), commits them (MEM_COMMIT), or both.
///
/// - Reserving, `address` is rounded down to 64 KiB, and the region covers all
///   pages that `[address, address + size)` touches; null leaves the place to
///   the system. MEM_COMMIT alone with null reserves as well.
/// - Committing, the range may be any part of one region. Pages that were
///   committed keep what they hold and take the new protection; others are
///   zero.
///
/// The address of the first page; null and the last error otherwise:
/// ERROR_INVALID_PARAMETER for a size of 0, a type or protection that is none
/// of the above; ERROR_INVALID_ADDRESS when what is to be reserved is in use
/// (nothing else of a region's last 64 KiB can be reserved) or what is to be
/// committed is not in one region; ERROR_NOT_ENOUGH_MEMORY;
/// ERROR_COMMITMENT_LIMIT at the limit of committed bytes. Any thread may call
/// it. The time grows with the number of regions.
///
/// Source: "VirtualAlloc function (memoryapi.h)"; where errors are not told
/// there, what Windows is seen to do.
///
/// # Safety
/// A change of protection takes rights away that other code may rely on.
pub unsafe extern "system" fn VirtualAlloc(
    address: LPVOID,
    size: SIZE_T,
    allocation_type: DWORD,
    protect: DWORD,
) -> LPVOID {
    let wanted = allocation_type & !MEM_TOP_DOWN;
    let (commits, reserves) = (wanted & MEM_COMMIT != 0, wanted & MEM_RESERVE != 0);
    let known = wanted != 0 && wanted & !(MEM_COMMIT | MEM_RESERVE) == 0;
    let end = address.addr().checked_add(size);
    let result = match Protect::from_number(protect) {
        Some(access) if known && end.is_some_and(|end| end <= USER_END) => {
            if reserves || address.is_null() {
                let at = Whereabouts {
                    address: address.expose_provenance(),
                    ..Whereabouts::default()
                };
                let request = Request {
                    commits,
                    ..Request::private(access)
                };
                regions::reserve(&at, size, &request)
            } else {
                regions::commit(address.expose_provenance(), size, access).map(|done| done.0)
            }
        }
        _ => Err(Refusal::Invalid),
    };
    match result {
        Ok(base) => ptr::with_exposed_provenance_mut(base),
        Err(refusal) => {
            last_error::set(error_of(refusal));
            ptr::null_mut()
        }
    }
}

/// Decommits pages (MEM_DECOMMIT) or ends a region (MEM_RELEASE).
///
/// - Decommitting, all pages that `[address, address + size)` touches become
///   reserved, committed or not; a size of 0 with the region's first address
///   means all of them.
/// - Releasing, `address` is the region's first and `size` is 0.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_PARAMETER for any
/// other type, a size where none may be, or a range that goes on past its
/// region's end; ERROR_INVALID_ADDRESS where there is no region, or none
/// begins. Any thread may call it. The time grows with the number of regions.
///
/// Source: "VirtualFree function (memoryapi.h)"; where errors are not told
/// there, what Windows is seen to do.
///
/// # Safety
/// Nobody uses the pages any more.
pub unsafe extern "system" fn VirtualFree(address: LPVOID, size: SIZE_T, free_type: DWORD) -> BOOL {
    let result = match free_type {
        // SAFETY: the caller's promise is the callee's.
        MEM_DECOMMIT => unsafe { regions::decommit(address.addr(), size) },
        // SAFETY: the caller's promise is the callee's.
        MEM_RELEASE if size == 0 => unsafe { regions::release(address.addr()) },
        _ => Err(Refusal::Invalid),
    };
    match result {
        Ok(_) => TRUE,
        Err(refusal) => {
            last_error::set(error_of(refusal));
            FALSE
        }
    }
}

/// Tells about the pages from that of `address` on that are alike: same region,
/// same state, same protection.
///
/// Regions of [`VirtualAlloc`] and of heaps are told exactly. For what else the
/// process has mapped, the system's list is read: a mapping is a region, without
/// access it counts as reserved, and files are MEM_MAPPED.
///
/// The bytes written, 48; 0 and the last error otherwise: ERROR_BAD_LENGTH for a
/// shorter buffer, ERROR_NOACCESS for none, ERROR_INVALID_PARAMETER above the
/// addresses that programs have, ERROR_NOT_SUPPORTED where the system has no
/// list of mappings. Any thread may call it; what it tells of other threads'
/// memory may change at once. Free and foreign memory take a system call for
/// each 4 KiB of the list.
///
/// Source: "VirtualQuery function (memoryapi.h)", "MEMORY_BASIC_INFORMATION".
///
/// # Safety
/// `buffer` is null or leads to `length` bytes that can be written to.
pub unsafe extern "system" fn VirtualQuery(
    address: LPCVOID,
    buffer: PMEMORY_BASIC_INFORMATION,
    length: SIZE_T,
) -> SIZE_T {
    let answer = if buffer.is_null() {
        Err(ERROR_NOACCESS)
    } else if length < size_of::<MEMORY_BASIC_INFORMATION>() {
        Err(ERROR_BAD_LENGTH)
    } else {
        query(address.addr())
    };
    match answer {
        Ok(information) => {
            // SAFETY: the caller's buffer has room for the structure, wherever
            // it lies.
            unsafe { buffer.write_unaligned(information) };
            size_of::<MEMORY_BASIC_INFORMATION>()
        }
        Err(error) => {
            last_error::set(error);
            0
        }
    }
}

/// The committed pages of a run, or the reserved ones, as the structure has
/// them.
struct Pages {
    start: usize,
    end: usize,
    allocation: usize,
    initial: DWORD,
    /// `None` where they are only reserved.
    protect: Option<DWORD>,
    kind: DWORD,
}

impl Pages {
    fn information(&self) -> MEMORY_BASIC_INFORMATION {
        MEMORY_BASIC_INFORMATION {
            BaseAddress: ptr::with_exposed_provenance_mut(self.start),
            AllocationBase: ptr::with_exposed_provenance_mut(self.allocation),
            AllocationProtect: self.initial,
            PartitionId: 0,
            RegionSize: self.end - self.start,
            State: if self.protect.is_some() {
                MEM_COMMIT
            } else {
                MEM_RESERVE
            },
            Protect: self.protect.unwrap_or(0),
            Type: self.kind,
        }
    }
}

pub(super) fn query(address: usize) -> Result<MEMORY_BASIC_INFORMATION, DWORD> {
    if address >= USER_END {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let page = address & !(sys::page_size() - 1);
    if let Some(run) = regions::find(page) {
        let pages = Pages {
            start: page,
            end: run.end,
            allocation: run.area.start,
            initial: run.area.initial.number(),
            protect: run.committed.map(Protect::number),
            kind: match run.area.kind {
                Kind::View(_) => MEM_MAPPED,
                _ => MEM_PRIVATE,
            },
        };
        return Ok(pages.information());
    }
    if let Some(region) = private::region_of(page) {
        return Ok(heap_pages(page, &region));
    }
    query_system(page)
}

/// What a heap's region has at a page. Behind its pages, in its last 64 KiB,
/// nothing can be reserved, and nothing is.
fn heap_pages(page: usize, region: &RegionInfo) -> MEMORY_BASIC_INFORMATION {
    let offset = page - region.base;
    if offset >= region.reserved {
        let end = region.base + region.reserved.next_multiple_of(vm::GRANULARITY);
        return free_pages(page, end.max(page + sys::page_size()));
    }
    let flags = private::flags_of(region.heap).unwrap_or(0);
    let protect = if flags & HEAP_CREATE_ENABLE_EXECUTE != 0 {
        PAGE_EXECUTE_READWRITE
    } else {
        PAGE_READWRITE
    };
    let is_committed = offset < region.committed;
    let size = if is_committed {
        region.committed
    } else {
        region.reserved
    };
    let pages = Pages {
        start: page,
        end: region.base + size,
        allocation: region.base,
        initial: protect,
        protect: is_committed.then_some(protect),
        kind: MEM_PRIVATE,
    };
    pages.information()
}

fn free_pages(page: usize, end: usize) -> MEMORY_BASIC_INFORMATION {
    MEMORY_BASIC_INFORMATION {
        BaseAddress: ptr::with_exposed_provenance_mut(page),
        AllocationBase: ptr::null_mut(),
        AllocationProtect: 0,
        PartitionId: 0,
        RegionSize: end - page,
        State: MEM_FREE,
        Protect: PAGE_NOACCESS,
        Type: 0,
    }
}

/// What the system's list says of a page.
fn query_system(page: usize) -> Result<MEMORY_BASIC_INFORMATION, DWORD> {
    let mut found = None;
    let (mut gap_start, mut gap_end) = (0, USER_END);
    let told = sys::for_each_mapping(&mut |mapping| {
        if mapping.end <= page {
            gap_start = mapping.end;
            return true;
        }
        if mapping.start <= page {
            found = Some(*mapping);
        } else {
            gap_end = mapping.start.min(USER_END);
        }
        false
    });
    if !told {
        return Err(ERROR_NOT_SUPPORTED);
    }
    let Some(mapping) = found else {
        debug_assert!(gap_start <= page);
        return Ok(free_pages(page, gap_end));
    };
    let mapping = beside_heaps(mapping, page);
    let protect = protection_of(&mapping);
    let reserved = protect == PAGE_NOACCESS && !mapping.is_view;
    let pages = Pages {
        start: page,
        end: mapping.end,
        allocation: mapping.start,
        initial: protect,
        protect: (!reserved).then_some(protect),
        kind: if mapping.is_view {
            MEM_MAPPED
        } else {
            MEM_PRIVATE
        },
    };
    Ok(pages.information())
}

/// The part of a mapping, around `page`, that has no region of a heap in it:
/// heaps have slices of mappings that they share.
fn beside_heaps(mapping: Mapping, page: usize) -> Mapping {
    /// Slices that are looked at on either side: as many as a mapping of the
    /// heaps' has.
    const NEAR: usize = 2048;
    let unit = vm::GRANULARITY;
    let is_heaps = |at: usize| private::region_of(at).is_some();
    let own = page & !(unit - 1);
    let start = (0..NEAR)
        .map(|back| own.saturating_sub(back * unit))
        .take_while(|&at| at > mapping.start)
        .find(|&at| is_heaps(at - 1));
    let end = (1..NEAR)
        .map(|on| own.saturating_add(on * unit))
        .take_while(|&at| at < mapping.end)
        .find(|&at| is_heaps(at));
    Mapping {
        start: start.unwrap_or(mapping.start),
        end: end.unwrap_or(mapping.end),
        ..mapping
    }
}

fn protection_of(mapping: &Mapping) -> DWORD {
    match (mapping.executable, mapping.writable, mapping.readable) {
        (true, true, _) => PAGE_EXECUTE_READWRITE,
        (true, false, true) => PAGE_EXECUTE_READ,
        (true, false, false) => PAGE_EXECUTE,
        (false, true, _) => PAGE_READWRITE,
        (false, false, true) => PAGE_READONLY,
        (false, false, false) => PAGE_NOACCESS,
    }
}
/// Whether all of `[address, address + size)` can be read; yes where the system
/// does not tell. For paths that are slow anyway, since it reads a list.
pub(super) fn is_readable(address: usize, size: usize) -> bool {
    let Some(end) = address.checked_add(size.max(1)) else {
        return false;
    };
    let mut next = address;
    let told = sys::for_each_mapping(&mut |mapping| {
        if mapping.end <= next {
            return true;
        }
        if mapping.start > next || !mapping.readable {
            return false;
        }
        next = mapping.end;
        next < end
    });
    !told || next >= end
}

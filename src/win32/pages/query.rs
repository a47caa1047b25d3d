//! What is known of an address.

use super::super::constants::*;
use super::super::last_error;
use super::super::types::{
    DWORD, HANDLE, LPCVOID, MEMORY_BASIC_INFORMATION, PMEMORY_BASIC_INFORMATION, SIZE_T,
};
use super::{leads_nowhere, own};
use crate::heap::private::{self, RegionInfo};
use crate::sys::{self, Mapping, USER_END};
use crate::vm;
use crate::vm::regions::{self, Kind, Protect, Told};
use core::ptr;

/// Tells about the pages from that of `address` on that are alike: same region,
/// same state, same protection.
///
/// Regions of [`VirtualAlloc`](super::VirtualAlloc), views and heaps are told exactly. For what else
/// the process has mapped, the system's list is read: a mapping is a region,
/// without access it counts as reserved. Mappings in a row of one file are an
/// image (MEM_IMAGE) when code in any of them can run, with the memory right
/// behind; other files are MEM_MAPPED. Of the calling thread's stack it is told
/// what is committed, reserved, and guard page.
///
/// The bytes written, 48; 0 and the last error otherwise: ERROR_BAD_LENGTH for a
/// shorter buffer, ERROR_NOACCESS for none, ERROR_INVALID_PARAMETER above the
/// addresses that programs have, ERROR_NOT_SUPPORTED where the system has no
/// list of mappings. Any thread may call it; what it tells of other threads'
/// memory may change at once. Regions take a time that grows with the logarithm of
/// their number; free and foreign memory take a system call for each 4 KiB of the
/// list.
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
    let answer = if leads_nowhere(buffer) {
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

/// [`VirtualQuery`] of a process: the own one, whose handle is `(HANDLE)-1`. 0 and
/// ERROR_INVALID_HANDLE for any other.
///
/// Source: "VirtualQueryEx function (memoryapi.h)".
///
/// # Safety
/// As for [`VirtualQuery`].
pub unsafe extern "system" fn VirtualQueryEx(
    process: HANDLE,
    address: LPCVOID,
    buffer: PMEMORY_BASIC_INFORMATION,
    length: SIZE_T,
) -> SIZE_T {
    if own(process).is_err() {
        last_error::set(ERROR_INVALID_HANDLE);
        return 0;
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe { VirtualQuery(address, buffer, length) }
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

/// What is known of a page; the last error otherwise.
pub(in super::super) fn query(address: usize) -> Result<MEMORY_BASIC_INFORMATION, DWORD> {
    if address >= USER_END {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let page = address & !(sys::page_size() - 1);
    if let Some(told) = regions::find(page) {
        return Ok(region_pages(page, &told));
    }
    if let Some(region) = private::region_of(page) {
        return Ok(heap_pages(page, &region));
    }
    query_system(page)
}

/// What an area has at a page.
fn region_pages(page: usize, told: &Told) -> MEMORY_BASIC_INFORMATION {
    let pages = Pages {
        start: page,
        end: told.end,
        allocation: told.area.start,
        initial: told.area.initial.number(),
        protect: told.committed.map(Protect::number),
        kind: match told.area.kind {
            Kind::View(_) => MEM_MAPPED,
            _ => MEM_PRIVATE,
        },
    };
    pages.information()
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

/// What the system's list says of a page that is none of ours.
struct Listed {
    /// The mapping that has the page.
    mapping: Option<Mapping>,
    /// Where free addresses around the page begin and end, if it has none.
    gap: (usize, usize),
    /// Where mappings of one file follow each other around the page: an image,
    /// with the memory that it has behind its file.
    image: Option<(usize, usize)>,
}

/// Mappings in a row that are of one file.
#[derive(Clone, Copy, Default)]
struct Group {
    start: usize,
    end: usize,
    file: u64,
    runs_code: bool,
    has_page: bool,
}

impl Group {
    /// Whether a mapping goes on with the group: the file's, or memory behind an
    /// image.
    fn takes(&self, mapping: &Mapping) -> bool {
        let follows = mapping.start == self.end && self.file != 0;
        let is_memory = mapping.file == 0 && !mapping.is_system && self.runs_code;
        follows && !mapping.is_shared && (mapping.file == self.file || is_memory)
    }
}

fn look_up(page: usize) -> Option<Listed> {
    let mut listed = Listed {
        mapping: None,
        gap: (0, USER_END),
        image: None,
    };
    let mut group = Group::default();
    let told = sys::for_each_mapping(&mut |mapping| {
        let has_page = (mapping.start..mapping.end).contains(&page);
        if group.takes(mapping) {
            group.end = mapping.end;
            group.runs_code |= mapping.executable;
            group.has_page |= has_page;
            // Memory behind an image ends it.
            if mapping.file == 0 {
                group.file = 0;
            }
        } else if group.has_page {
            return false;
        } else {
            group = Group {
                start: mapping.start,
                end: mapping.end,
                file: mapping.file,
                runs_code: mapping.executable,
                has_page,
            };
        }
        if has_page {
            listed.mapping = Some(*mapping);
        } else if mapping.end <= page {
            listed.gap.0 = mapping.end;
        } else if listed.mapping.is_none() {
            listed.gap.1 = mapping.start.min(USER_END);
            return false;
        }
        true
    });
    if group.has_page && group.runs_code && listed.mapping.is_some() {
        let is_file = listed.mapping.is_some_and(|mapping| mapping.file != 0);
        let has_file = is_file || group.start != listed.mapping.map_or(0, |m| m.start);
        listed.image = has_file.then_some((group.start, group.end));
    }
    told.then_some(listed)
}

/// What is known of a page that is neither a region's nor a heap's.
fn query_system(page: usize) -> Result<MEMORY_BASIC_INFORMATION, DWORD> {
    let listed = look_up(page).ok_or(ERROR_NOT_SUPPORTED)?;
    if let Some(told) = stack_pages(page, &listed) {
        return Ok(told);
    }
    let Some(mapping) = listed.mapping else {
        return Ok(free_pages(page, listed.gap.1));
    };
    let mapping = beside_regions(beside_heaps(mapping, page), page);
    let protect = protection_of(&mapping);
    let is_private = !mapping.is_view;
    let reserved = protect == PAGE_NOACCESS && is_private && listed.image.is_none();
    let pages = Pages {
        start: page,
        end: mapping.end,
        allocation: listed.image.map_or(mapping.start, |image| image.0),
        initial: match listed.image {
            Some(_) => PAGE_EXECUTE_WRITECOPY,
            None => protect,
        },
        protect: (!reserved).then_some(protect),
        kind: match listed.image {
            Some(_) => MEM_IMAGE,
            None if is_private => MEM_PRIVATE,
            None => MEM_MAPPED,
        },
    };
    Ok(pages.information())
}

/// What the calling thread's stack has at a page, if it lies there: what it may
/// still grow into is reserved, below a guard page. A stack that the system's
/// library made is committed whole, above its guard pages.
fn stack_pages(page: usize, listed: &Listed) -> Option<MEMORY_BASIC_INFORMATION> {
    let stack = sys::own_stack()?;
    // A stack without limit ends at what lies below it.
    let low = match listed.mapping {
        None => stack.low.max(listed.gap.0),
        Some(_) => stack.low,
    };
    if page < low || page >= stack.high {
        return None;
    }
    let size = sys::page_size();
    let (start, end, protect) = match listed.mapping {
        Some(mapping) if page < stack.usable => {
            let end = mapping.end.min(stack.usable);
            let protect = mapping.readable.then_some(PAGE_READWRITE);
            (page, end, protect)
        }
        Some(mapping) => (page, mapping.end.min(stack.high), Some(PAGE_READWRITE)),
        None if page + size == listed.gap.1 => {
            (page, page + size, Some(PAGE_READWRITE | PAGE_GUARD))
        }
        None => (page, listed.gap.1 - size, None),
    };
    let pages = Pages {
        start,
        end,
        allocation: low,
        initial: PAGE_READWRITE,
        protect,
        kind: MEM_PRIVATE,
    };
    Some(pages.information())
}

/// The part of a mapping, around `page`, that is no region's: the system joins
/// mappings that are alike.
fn beside_regions(mapping: Mapping, page: usize) -> Mapping {
    let (before, after) = regions::around(page);
    Mapping {
        start: mapping.start.max(before),
        end: mapping.end.min(after),
        ..mapping
    }
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
        // Writing to a file's page makes a copy of it.
        (false, true, _) if mapping.file != 0 && !mapping.is_shared => PAGE_WRITECOPY,
        (false, true, _) => PAGE_READWRITE,
        (false, false, true) => PAGE_READONLY,
        (false, false, false) => PAGE_NOACCESS,
    }
}

//! Windows: what only the types for a program's own pages ask of the system.

use super::{Call, Protection, admit};
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr;
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_COMMITMENT_LIMIT, ERROR_INVALID_ADDRESS, ERROR_INVALID_PARAMETER,
    ERROR_NOACCESS, ERROR_NOT_LOCKED, ERROR_NOT_SUPPORTED, ERROR_PRIVILEGE_NOT_HELD,
    ERROR_WORKING_SET_QUOTA, GetLastError, STATUS_GUARD_PAGE_VIOLATION,
};
use windows_sys::Win32::System::Memory::{
    GetLargePageMinimum, GetWriteWatch, MEM_ADDRESS_REQUIREMENTS, MEM_COMMIT,
    MEM_EXTENDED_PARAMETER, MEM_FREE, MEM_IMAGE, MEM_LARGE_PAGES, MEM_MAPPED,
    MEM_PRESERVE_PLACEHOLDER, MEM_RELEASE, MEM_REPLACE_PLACEHOLDER, MEM_RESERVE,
    MEM_RESERVE_PLACEHOLDER, MEMORY_BASIC_INFORMATION, MemExtendedParameterAddressRequirements,
    PAGE_EXECUTE, PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY, PAGE_GUARD,
    PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOPY, PrefetchVirtualMemory,
    ResetWriteWatch, VirtualAlloc, VirtualAlloc2, VirtualFree, VirtualLock, VirtualProtect,
    VirtualQuery, VirtualUnlock, WIN32_MEMORY_RANGE_ENTRY,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

// Numbers of the page "VirtualAlloc function" and "VirtualFree function", which
// `windows-sys` has in a module of their own.
const MEM_TOP_DOWN: u32 = 0x10_0000;
const MEM_WRITE_WATCH: u32 = 0x20_0000;
const MEM_COALESCE_PLACEHOLDERS: u32 = 0x1;

/// Why the system refused, as far as it matters to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// An argument has no meaning.
    Argument,
    /// The addresses are in use, or not of one reservation.
    Address,
    /// There is no memory, or no address space.
    Memory,
    /// The system's limit of committed memory is reached.
    CommitLimit,
    /// The process has no right to it.
    Privilege,
    /// Pages are not committed, or cannot be accessed.
    Access,
    /// A page was a guard page, and is none any more.
    Guard,
    /// No more pages can be locked.
    WorkingSet,
    /// Pages were not locked.
    NotLocked,
    /// The system cannot do it.
    Unsupported,
}

fn refused(error: u32) -> Refused {
    match error {
        ERROR_INVALID_PARAMETER => Refused::Argument,
        ERROR_INVALID_ADDRESS => Refused::Address,
        ERROR_COMMITMENT_LIMIT => Refused::CommitLimit,
        ERROR_PRIVILEGE_NOT_HELD | ERROR_ACCESS_DENIED => Refused::Privilege,
        ERROR_NOACCESS => Refused::Access,
        ERROR_WORKING_SET_QUOTA => Refused::WorkingSet,
        ERROR_NOT_LOCKED => Refused::NotLocked,
        ERROR_NOT_SUPPORTED => Refused::Unsupported,
        error if error == STATUS_GUARD_PAGE_VIOLATION as u32 => Refused::Guard,
        _ => Refused::Memory,
    }
}

/// Why the call before was refused.
fn last_refusal() -> Refused {
    // SAFETY: a number of the thread's own is read.
    refused(unsafe { GetLastError() })
}

fn done(result: i32) -> Result<(), Refused> {
    if result == 0 {
        Err(last_refusal())
    } else {
        Ok(())
    }
}

fn rights_of(protection: Protection) -> u32 {
    match protection {
        Protection::None => PAGE_NOACCESS,
        Protection::Read => PAGE_READONLY,
        Protection::ReadWrite => PAGE_READWRITE,
        Protection::Execute => PAGE_EXECUTE,
        Protection::ReadExecute => PAGE_EXECUTE_READ,
        Protection::ReadWriteExecute => PAGE_EXECUTE_READWRITE,
    }
}

/// Where a reservation is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// At this address; 0 for anywhere.
    pub address: usize,
    /// Not below this address.
    pub lowest: usize,
    /// Below this address; 0 for no limit.
    pub limit: usize,
    /// At a multiple of this; 0 for the system's own.
    pub alignment: usize,
    /// At the highest address.
    pub top_down: bool,
}

/// What is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// Pages, to be committed.
    Plain,
    /// Pages whose writes are noted.
    Watched,
    /// Large pages, committed.
    Large,
    /// Address space that another reservation takes the place of.
    Placeholder,
}

/// Reserves `size` bytes, whole pages.
pub fn reserve_as(place: &Place, size: usize, kind: Reserved) -> Result<*mut u8, Refused> {
    if !admit(Call::Reserve) {
        return Err(Refused::Memory);
    }
    let (flags, rights) = match kind {
        Reserved::Plain => (MEM_RESERVE, PAGE_READWRITE),
        Reserved::Watched => (MEM_RESERVE | MEM_WRITE_WATCH, PAGE_READWRITE),
        Reserved::Large => (MEM_RESERVE | MEM_COMMIT | MEM_LARGE_PAGES, PAGE_READWRITE),
        Reserved::Placeholder => (MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS),
    };
    let top_down = if place.top_down { MEM_TOP_DOWN } else { 0 };
    if kind == Reserved::Large && large_page_size().is_none_or(|unit| !size.is_multiple_of(unit)) {
        return Err(Refused::Argument);
    }
    let at = ptr::without_provenance(place.address);
    let is_bounded = place.lowest | place.limit | place.alignment != 0;
    let base = if kind == Reserved::Placeholder || is_bounded {
        reserve_within(place, at, size, flags | top_down, rights)
    } else {
        // SAFETY: reserving succeeds on free addresses only.
        unsafe { VirtualAlloc(at, size, flags | top_down, rights) }
    };
    if base.is_null() {
        return Err(last_refusal());
    }
    Ok(base.cast())
}

fn reserve_within(
    place: &Place,
    at: *const c_void,
    size: usize,
    flags: u32,
    rights: u32,
) -> *mut c_void {
    let mut bounds = MEM_ADDRESS_REQUIREMENTS {
        LowestStartingAddress: ptr::without_provenance_mut(place.lowest),
        HighestEndingAddress: ptr::without_provenance_mut(place.limit.saturating_sub(1)),
        Alignment: place.alignment,
    };
    // SAFETY: all zero is a value of the structure.
    let mut parameter: MEM_EXTENDED_PARAMETER = unsafe { core::mem::zeroed() };
    parameter.Anonymous1._bitfield = MemExtendedParameterAddressRequirements as u64;
    parameter.Anonymous2.Pointer = (&raw mut bounds).cast();
    let is_bounded = place.lowest | place.limit | place.alignment != 0;
    let count = u32::from(is_bounded);
    // SAFETY: reserving succeeds on free addresses only; the system reads one
    // parameter, which leads to the bounds above, or none.
    unsafe {
        VirtualAlloc2(
            GetCurrentProcess(),
            at,
            size,
            flags,
            rights,
            &raw mut parameter,
            count,
        )
    }
}

/// Bytes of a large page; `None` where there are none.
pub fn large_page_size() -> Option<usize> {
    // SAFETY: takes nothing and reads a constant of the system.
    let size = unsafe { GetLargePageMinimum() };
    (size != 0).then_some(size)
}

/// Makes a reservation of a placeholder, whole.
///
/// # Safety
/// The caller owns the placeholder of these bytes.
pub unsafe fn replace(base: *mut u8, size: usize) -> Result<(), Refused> {
    let flags = MEM_RESERVE | MEM_REPLACE_PLACEHOLDER;
    // SAFETY: the caller owns the placeholder, in which nothing is.
    let got = unsafe {
        VirtualAlloc2(
            GetCurrentProcess(),
            base.cast_const().cast(),
            size,
            flags,
            PAGE_READWRITE,
            ptr::null_mut(),
            0,
        )
    };
    if got.is_null() {
        return Err(last_refusal());
    }
    Ok(())
}

/// Makes a placeholder of its own of these bytes: a part of a larger one, or the
/// reservation that replaced one.
///
/// # Safety
/// The caller owns them, and nothing in them is used any more.
pub unsafe fn make_placeholder(base: *mut u8, size: usize) -> Result<(), Refused> {
    // SAFETY: the caller's promise.
    done(unsafe { VirtualFree(base.cast(), size, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER) })
}

/// Makes one placeholder of those that these bytes are made of.
///
/// # Safety
/// The caller owns them all.
pub unsafe fn join_placeholders(base: *mut u8, size: usize) -> Result<(), Refused> {
    // SAFETY: the caller's promise; nothing is in placeholders.
    done(unsafe { VirtualFree(base.cast(), size, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS) })
}

/// Commits pages of one reservation, or changes the rights of those that are
/// committed.
///
/// # Safety
/// The caller owns the range.
pub unsafe fn commit_as(base: *mut u8, size: usize, protection: Protection) -> bool {
    // SAFETY: the caller owns the range, which lies in one reservation.
    admit(Call::Commit)
        && !unsafe { VirtualAlloc(base.cast(), size, MEM_COMMIT, rights_of(protection)) }.is_null()
}

/// Gives committed pages rights behind a guard: the next access is an exception, and
/// takes the guard away.
///
/// # Safety
/// The caller owns the range.
pub unsafe fn protect_with_guard(base: *mut u8, size: usize, protection: Protection) -> bool {
    let mut before = 0;
    let rights = rights_of(protection) | PAGE_GUARD;
    // SAFETY: the caller owns the range; the old rights go to a local.
    admit(Call::Protect)
        && unsafe { VirtualProtect(base.cast(), size, rights, &raw mut before) != 0 }
}

/// Says that a range will be used soon. A hint: whether the system took it.
pub fn fetch(start: usize, size: usize) -> bool {
    let range = WIN32_MEMORY_RANGE_ENTRY {
        VirtualAddress: ptr::without_provenance_mut(start),
        NumberOfBytes: size,
    };
    // SAFETY: the system reads one range; the hint changes no contents.
    unsafe { PrefetchVirtualMemory(GetCurrentProcess(), 1, &raw const range, 0) != 0 }
}

/// Has committed pages stay in memory.
///
/// # Safety
/// The caller owns the range.
pub unsafe fn lock_pages(base: *mut u8, size: usize) -> Result<(), Refused> {
    // SAFETY: locking changes nothing that the pages hold.
    done(unsafe { VirtualLock(base.cast(), size) })
}

/// Lets pages leave memory again.
///
/// # Safety
/// The caller owns the range.
pub unsafe fn unlock_pages(base: *mut u8, size: usize) -> Result<(), Refused> {
    // SAFETY: unlocking changes nothing that the pages hold.
    done(unsafe { VirtualUnlock(base.cast(), size) })
}

/// Shows `tell` up to `most` pages of a watched range that were written to, with their
/// number from 0 on, and forgets them if `forgets` says so. How many.
pub fn written_pages(
    start: usize,
    size: usize,
    forgets: bool,
    most: usize,
    tell: &mut dyn FnMut(usize, usize),
) -> Result<usize, Refused> {
    /// Pages that are asked for at once.
    const PIECE: usize = 128;
    let page = super::page_size();
    let (mut next, end) = (start, start + size);
    let mut told = 0;
    while told < most && next < end {
        let mut piece = [ptr::null_mut::<c_void>(); PIECE];
        let wanted = PIECE.min(most - told);
        let (mut count, mut unit) = (wanted, 0);
        let at = ptr::without_provenance(next);
        // SAFETY: the array has room for as many addresses as are asked for.
        let failed = unsafe {
            GetWriteWatch(
                u32::from(forgets),
                at,
                end - next,
                piece.as_mut_ptr(),
                &raw mut count,
                &raw mut unit,
            )
        };
        if failed != 0 {
            return Err(last_refusal());
        }
        for (nth, address) in piece.iter().take(count).enumerate() {
            tell(told + nth, address.addr());
        }
        told += count;
        match piece.get(wanted - 1) {
            Some(last) if count == wanted => next = last.addr() + page,
            _ => break,
        }
    }
    Ok(told)
}

/// Forgets which pages of a watched range were written to.
pub fn forget_written(start: usize, size: usize) -> Result<(), Refused> {
    // SAFETY: the system's notes change, and nothing that the pages hold.
    match unsafe { ResetWriteWatch(ptr::without_provenance(start), size) } {
        0 => Ok(()),
        _ => Err(last_refusal()),
    }
}

/// What pages are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The process's own.
    Private,
    /// A view's.
    Mapped,
    /// A program's or library's.
    Image,
}

/// Pages in a row that are alike.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// Where the reservation begins.
    pub allocation: usize,
    /// Whether nothing is reserved there.
    pub is_free: bool,
    /// Their rights; `None` where they are only reserved.
    pub rights: Option<Protection>,
    /// Whether the next access is an exception.
    pub is_guard: bool,
    /// Whether written pages are copied.
    pub is_copy: bool,
    /// What they are of.
    pub origin: Origin,
}

/// What there is from the page of `address` on; `None` beyond what programs have.
pub fn query(address: usize) -> Option<Told> {
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
    let rights = match told.Protect & 0xff {
        PAGE_READONLY => Protection::Read,
        PAGE_READWRITE | PAGE_WRITECOPY => Protection::ReadWrite,
        PAGE_EXECUTE => Protection::Execute,
        PAGE_EXECUTE_READ => Protection::ReadExecute,
        PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY => Protection::ReadWriteExecute,
        _ => Protection::None,
    };
    let start = told.BaseAddress.addr();
    Some(Told {
        start,
        end: start + told.RegionSize,
        allocation: told.AllocationBase.addr(),
        is_free: told.State == MEM_FREE,
        rights: (told.State == MEM_COMMIT).then_some(rights),
        is_guard: told.Protect & PAGE_GUARD != 0,
        is_copy: told.Protect & (PAGE_WRITECOPY | PAGE_EXECUTE_WRITECOPY) != 0,
        origin: match told.Type {
            MEM_IMAGE => Origin::Image,
            MEM_MAPPED => Origin::Mapped,
            _ => Origin::Private,
        },
    })
}

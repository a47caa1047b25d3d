//! Windows: what only the types for a program's own pages ask of the system.

use super::windows_newer as newer;
use super::{Call, Protection, Whereabouts, admit};
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr;
use windows_sys::Win32::Foundation::{
    ERROR_INVALID_PARAMETER, ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_SUPPORTED, ERROR_SUCCESS,
    GetLastError,
};
use windows_sys::Win32::System::Memory::{
    GetLargePageMinimum, GetWriteWatch, MEM_ADDRESS_REQUIREMENTS, MEM_COMMIT, MEM_DECOMMIT,
    MEM_EXTENDED_PARAMETER, MEM_FREE, MEM_IMAGE, MEM_LARGE_PAGES, MEM_MAPPED,
    MEM_PRESERVE_PLACEHOLDER, MEM_RELEASE, MEM_REPLACE_PLACEHOLDER, MEM_RESERVE,
    MEM_RESERVE_PLACEHOLDER, MEM_RESET, MEM_RESET_UNDO, MEMORY_BASIC_INFORMATION,
    MemExtendedParameterAddressRequirements, PAGE_EXECUTE, PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY, PAGE_GUARD, PAGE_NOACCESS, PAGE_NOCACHE,
    PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOMBINE, PAGE_WRITECOPY, ResetWriteWatch,
    VirtualAlloc, VirtualFree, VirtualLock, VirtualProtect, VirtualQuery, VirtualUnlock,
    VmOfferPriorityLow, WIN32_MEMORY_RANGE_ENTRY,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

// Numbers of the page "VirtualAlloc function" and "VirtualFree function", which
// `windows-sys` has in a module of their own.
const MEM_TOP_DOWN: u32 = 0x10_0000;
const MEM_WRITE_WATCH: u32 = 0x20_0000;
const MEM_COALESCE_PLACEHOLDERS: u32 = 0x1;

/// Why the system refused a call, by its number ("System Error Codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastError(pub u32);

impl LastError {
    /// What a call is refused with that the mock does not let through.
    pub(super) const MOCKED: LastError = LastError(ERROR_NOT_ENOUGH_MEMORY);
    /// What a function is refused with that this version of the system does not have.
    pub(super) const MISSING: LastError = LastError(ERROR_NOT_SUPPORTED);

    /// Of the call before.
    pub(super) fn get() -> LastError {
        // SAFETY: a number of the thread's own is read.
        LastError(unsafe { GetLastError() })
    }
}

/// What came of a call that answers 0 when it is refused.
pub(super) fn done(result: i32) -> Result<(), LastError> {
    if result == 0 {
        Err(LastError::get())
    } else {
        Ok(())
    }
}

/// How pages are cached, as a bit beside their rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CachingBits(u32);

impl CachingBits {
    /// As ordinary memory.
    pub const USUAL: CachingBits = CachingBits(0);
    /// Not at all.
    pub const NONE: CachingBits = CachingBits(PAGE_NOCACHE);
    /// With writes gathered.
    pub const WRITE_COMBINED: CachingBits = CachingBits(PAGE_WRITECOMBINE);
}

/// What may be done with pages: [`Protection`], as of a page that is copied when it is
/// written to, behind a guard, and cached in a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    pub protection: Protection,
    pub copies: bool,
    pub guards: bool,
    pub caching: CachingBits,
}

impl Rights {
    /// Rights without more.
    pub const fn of(protection: Protection) -> Rights {
        Rights {
            protection,
            copies: false,
            guards: false,
            caching: CachingBits::USUAL,
        }
    }

    /// The system's number.
    pub(super) fn number(self) -> u32 {
        let right = match self.protection {
            Protection::None => PAGE_NOACCESS,
            Protection::Read => PAGE_READONLY,
            Protection::ReadWrite if self.copies => PAGE_WRITECOPY,
            Protection::ReadWrite => PAGE_READWRITE,
            Protection::Execute => PAGE_EXECUTE,
            Protection::ReadExecute => PAGE_EXECUTE_READ,
            Protection::ReadWriteExecute if self.copies => PAGE_EXECUTE_WRITECOPY,
            Protection::ReadWriteExecute => PAGE_EXECUTE_READWRITE,
        };
        match self.protection {
            // Neither goes with it.
            Protection::None => right,
            // A guard goes with no caching of its own: it is the pages' again without it.
            _ if self.guards => right | PAGE_GUARD,
            _ => right | self.caching.0,
        }
    }
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
pub fn reserve_as(
    at: &Whereabouts,
    size: usize,
    kind: Reserved,
    caching: CachingBits,
) -> Result<*mut u8, LastError> {
    if !admit(Call::Reserve) {
        return Err(LastError::MOCKED);
    }
    let plain = Rights {
        caching,
        ..Rights::of(Protection::ReadWrite)
    };
    let (flags, rights) = match kind {
        Reserved::Plain => (MEM_RESERVE, plain.number()),
        Reserved::Watched => (MEM_RESERVE | MEM_WRITE_WATCH, plain.number()),
        Reserved::Large => (MEM_RESERVE | MEM_COMMIT | MEM_LARGE_PAGES, plain.number()),
        Reserved::Placeholder => (MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS),
    };
    let top_down = if at.top_down { MEM_TOP_DOWN } else { 0 };
    if kind == Reserved::Large && large_page_size().is_none_or(|unit| !size.is_multiple_of(unit)) {
        return Err(LastError(ERROR_INVALID_PARAMETER));
    }
    let base = if kind == Reserved::Placeholder || at.is_bounded() {
        let virtual_alloc2 = newer::virtual_alloc2().ok_or(LastError::MISSING)?;
        with_bounds(at, |parameters, count| {
            let address = ptr::without_provenance(at.address);
            // SAFETY: reserving succeeds on free addresses only; the system reads the
            // parameters.
            unsafe {
                let own = GetCurrentProcess();
                virtual_alloc2(
                    own,
                    address,
                    size,
                    flags | top_down,
                    rights,
                    parameters,
                    count,
                )
            }
        })
    } else {
        let address = ptr::without_provenance(at.address);
        // SAFETY: reserving succeeds on free addresses only.
        unsafe { VirtualAlloc(address, size, flags | top_down, rights) }
    };
    if base.is_null() {
        return Err(LastError::get());
    }
    if !lies_within(at, base.addr(), size) {
        // Wine knows the function, and not what it is asked.
        // SAFETY: reserved just above, and nobody else knows it.
        unsafe { VirtualFree(base, 0, MEM_RELEASE) };
        return Err(LastError::MISSING);
    }
    Ok(base.cast())
}

/// Whether bytes lie where they were asked to.
pub(super) fn lies_within(at: &Whereabouts, start: usize, size: usize) -> bool {
    start >= at.lowest
        && (at.limit == 0 || start + size <= at.limit)
        && (at.alignment == 0 || start.is_multiple_of(at.alignment))
}

/// Calls `body` with the parameters that say bounds, and how many: one or none.
pub(super) fn with_bounds<R>(
    at: &Whereabouts,
    body: impl FnOnce(*mut MEM_EXTENDED_PARAMETER, u32) -> R,
) -> R {
    let mut bounds = MEM_ADDRESS_REQUIREMENTS {
        LowestStartingAddress: ptr::without_provenance_mut(at.lowest),
        HighestEndingAddress: ptr::without_provenance_mut(at.limit.saturating_sub(1)),
        Alignment: at.alignment,
    };
    // SAFETY: all zero is a value of the structure.
    let mut parameter: MEM_EXTENDED_PARAMETER = unsafe { core::mem::zeroed() };
    parameter.Anonymous1._bitfield = MemExtendedParameterAddressRequirements as u64;
    parameter.Anonymous2.Pointer = (&raw mut bounds).cast();
    body(&raw mut parameter, u32::from(at.is_bounded()))
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
pub unsafe fn replace(base: *mut u8, size: usize) -> Result<(), LastError> {
    let virtual_alloc2 = newer::virtual_alloc2().ok_or(LastError::MISSING)?;
    let flags = MEM_RESERVE | MEM_REPLACE_PLACEHOLDER;
    let at = base.cast_const().cast();
    // SAFETY: the caller owns the placeholder, in which nothing is.
    let got = unsafe {
        let own = GetCurrentProcess();
        virtual_alloc2(own, at, size, flags, PAGE_READWRITE, ptr::null_mut(), 0)
    };
    if got.is_null() {
        return Err(LastError::get());
    }
    Ok(())
}

/// Makes a placeholder of its own of these bytes: a part of a larger one, or the
/// reservation that replaced one.
///
/// # Safety
/// The caller owns them, and nothing in them is used any more.
pub unsafe fn make_placeholder(base: *mut u8, size: usize) -> Result<(), LastError> {
    // SAFETY: the caller's promise.
    done(unsafe { VirtualFree(base.cast(), size, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER) })
}

/// Makes one placeholder of those that these bytes are made of.
///
/// # Safety
/// The caller owns them all.
pub unsafe fn join_placeholders(base: *mut u8, size: usize) -> Result<(), LastError> {
    // SAFETY: the caller's promise; nothing is in placeholders.
    done(unsafe { VirtualFree(base.cast(), size, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS) })
}

/// Commits pages of one reservation or view, or changes the rights of those that are
/// committed.
///
/// # Safety
/// The caller owns the range.
pub unsafe fn commit_as(base: *mut u8, size: usize, rights: Rights) -> Result<(), LastError> {
    if !admit(Call::Commit) {
        return Err(LastError::MOCKED);
    }
    // SAFETY: the caller owns the range, which lies in one reservation.
    let got = unsafe { VirtualAlloc(base.cast(), size, MEM_COMMIT, rights.number()) };
    if got.is_null() {
        return Err(LastError::get());
    }
    Ok(())
}

/// Makes pages of one reservation reserved again.
///
/// # Safety
/// The caller owns the range, which is not empty, and nothing in it is used any more.
pub unsafe fn decommit_pages(base: *mut u8, size: usize) -> Result<(), LastError> {
    if !admit(Call::Decommit) {
        return Err(LastError::MOCKED);
    }
    // SAFETY: the caller's promise.
    done(unsafe { VirtualFree(base.cast(), size, MEM_DECOMMIT) })
}

/// Gives committed pages rights. Behind a guard the next access is an exception, and takes
/// the guard away.
///
/// # Safety
/// The caller owns the range.
pub unsafe fn protect_as(base: *mut u8, size: usize, rights: Rights) -> Result<(), LastError> {
    if !admit(Call::Protect) {
        return Err(LastError::MOCKED);
    }
    let mut before = 0;
    // SAFETY: the caller owns the range; the old rights go to a local.
    done(unsafe { VirtualProtect(base.cast(), size, rights.number(), &raw mut before) })
}

/// Says that what committed pages hold is not needed.
///
/// # Safety
/// The caller owns the range, and needs nothing that it holds.
pub unsafe fn reset(base: *mut u8, size: usize) -> Result<(), LastError> {
    // SAFETY: the caller's promise; the protection is not looked at.
    if unsafe { VirtualAlloc(base.cast(), size, MEM_RESET, PAGE_NOACCESS) }.is_null() {
        return Err(LastError::get());
    }
    Ok(())
}

/// Says that what committed pages hold is needed after all. Whether all do still.
///
/// # Safety
/// The caller owns the range.
pub unsafe fn undo_reset(base: *mut u8, size: usize) -> bool {
    // SAFETY: no contents change that the system has not taken already.
    !unsafe { VirtualAlloc(base.cast(), size, MEM_RESET_UNDO, PAGE_NOACCESS) }.is_null()
}

/// Offers whole committed pages to the system.
///
/// # Safety
/// The caller owns the range, and does not access it until it is reclaimed.
pub unsafe fn offer(base: *mut u8, size: usize) -> Result<(), LastError> {
    let offer = newer::offer_virtual_memory().ok_or(LastError::MISSING)?;
    // SAFETY: the caller's promise.
    match unsafe { offer(base.cast(), size, VmOfferPriorityLow) } {
        ERROR_SUCCESS => Ok(()),
        error => Err(LastError(error)),
    }
}

/// Makes offered pages accessible again.
///
/// # Safety
/// The caller owns the range.
pub unsafe fn reclaim(base: *mut u8, size: usize) -> Result<(), LastError> {
    let reclaim = newer::reclaim_virtual_memory().ok_or(LastError::MISSING)?;
    // SAFETY: the caller's promise.
    match unsafe { reclaim(base.cast_const().cast(), size) } {
        ERROR_SUCCESS => Ok(()),
        error => Err(LastError(error)),
    }
}

/// Says that a range will be used soon. A hint: whether the system took it.
pub fn fetch(start: usize, size: usize) -> bool {
    let Some(prefetch) = newer::prefetch_virtual_memory() else {
        return false;
    };
    let range = WIN32_MEMORY_RANGE_ENTRY {
        VirtualAddress: ptr::without_provenance_mut(start),
        NumberOfBytes: size,
    };
    // SAFETY: the system reads one range; the hint changes no contents.
    unsafe { prefetch(GetCurrentProcess(), 1, (&raw const range).cast(), 0) != 0 }
}

/// Has committed pages stay in memory.
///
/// # Safety
/// The caller owns the range.
pub unsafe fn lock_pages(base: *mut u8, size: usize) -> Result<(), LastError> {
    // SAFETY: locking changes nothing that the pages hold.
    done(unsafe { VirtualLock(base.cast(), size) })
}

/// Lets pages leave memory again.
///
/// # Safety
/// The caller owns the range.
pub unsafe fn unlock_pages(base: *mut u8, size: usize) -> Result<(), LastError> {
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
) -> Result<usize, LastError> {
    /// Pages that are asked for at once.
    const PIECE: usize = 128;
    let page = super::page_size();
    let (mut next, end) = (start, start + size);
    let mut told = 0;
    // Without room for any it is still to be known whether there is anything to tell of.
    let forgets = forgets && most != 0;
    while next < end {
        let mut piece = [ptr::null_mut::<c_void>(); PIECE];
        let wanted = PIECE.min(most - told).max(1);
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
            return Err(LastError::get());
        }
        if most == 0 {
            break;
        }
        for (nth, address) in piece.iter().take(count).enumerate() {
            tell(told + nth, address.addr());
        }
        told += count;
        match piece.get(wanted - 1) {
            Some(last) if count == wanted && told < most => next = last.addr() + page,
            _ => break,
        }
    }
    Ok(told)
}

/// Forgets which pages of a watched range were written to.
pub fn forget_written(start: usize, size: usize) -> Result<(), LastError> {
    // SAFETY: the system's notes change, and nothing that the pages hold.
    match unsafe { ResetWriteWatch(ptr::without_provenance(start), size) } {
        0 => Ok(()),
        _ => Err(LastError::get()),
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
    /// How the reservation's pages are cached.
    pub caching: CachingBits,
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
        caching: CachingBits(told.AllocationProtect & (PAGE_NOCACHE | PAGE_WRITECOMBINE)),
        origin: match told.Type {
            MEM_IMAGE => Origin::Image,
            MEM_MAPPED => Origin::Mapped,
            _ => Origin::Private,
        },
    })
}

//! What is known of any address of the process.
//!
//! ```text
//!   query --> regions: reservations, views, placeholders, windows     exactly
//!         --> the layer above, if it has reserved what is there       exactly
//!         --> the system's list of mappings (listed.rs)               as it says
//! ```
//!
//! On Windows the system is asked, and nobody else.
//!
//! Invariants:
//! - An answer is about one page, and those behind it that are alike.
//! - Whoever asks gets an answer for every address that programs can have, as long as the
//!   system has a list.

#[cfg(unix)]
mod listed;

use super::pages::{self, Caching, PageAccess, PageError};
#[cfg(unix)]
use super::regions::{self, Kind, Protect, Told};
use crate::sys;
use core::ops::Range;
#[cfg(unix)]
use core::sync::atomic::{AtomicUsize, Ordering};

/// Whether pages are anybody's, and whether there is memory behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageState {
    /// Nobody's: they can be reserved (MEM_FREE).
    Free,
    /// Reserved only (MEM_RESERVE).
    Reserved,
    /// With memory of their own, or a file behind them (MEM_COMMIT).
    Committed,
}

/// What pages are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageKind {
    /// The process's own (MEM_PRIVATE).
    Private,
    /// A view's, or a mapped file's (MEM_MAPPED).
    Mapped,
    /// A program's or library's that was loaded (MEM_IMAGE).
    Image,
}

/// What there is from a page on: pages in a row of one reservation that are alike.
///
/// Source: "MEMORY_BASIC_INFORMATION structure (winnt.h)".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageInfo {
    /// Their addresses, from the page of the address that was asked about on.
    pub range: Range<usize>,
    /// Where the reservation begins that they are of; 0 where they are free.
    pub allocation: usize,
    /// Whose they are.
    pub state: PageState,
    /// Their access; `None` where they are not committed.
    pub access: Option<PageAccess>,
    /// Whether the next access is caught (PAGE_GUARD).
    pub is_guard: bool,
    /// Whether a page is copied when it is first written to (PAGE_WRITECOPY).
    pub is_copy: bool,
    /// What they are of; `None` where they are free.
    pub kind: Option<PageKind>,
    /// How they were asked to be cached.
    pub caching: Caching,
}

/// Tells about the pages from that of `address` on that are alike: same reservation, same
/// state, same access.
///
/// Reservations, views and heaps of ntheap's are told exactly. For what else
/// the process has mapped, the system's list is read: a mapping is a reservation, one
/// without access counts as reserved. Mappings in a row of one file are an
/// image when code in any of them can run; other files are mapped. Of the calling thread's
/// stack it is told what is committed, reserved, and guard page.
///
/// Any thread may call it; what it tells of others' memory may change at once. ntheap's own
/// takes a time that grows with the logarithm of the number of reservations; free and
/// foreign memory take a system call for each 4 KiB of the list.
///
/// Source: "VirtualQuery function (memoryapi.h)".
///
/// ```
/// use ntheap::vm::{PageState, Reservation, query};
///
/// let memory = Reservation::new(1 << 20)?;
/// let told = query(memory.as_ptr().addr() + 5)?;
/// assert_eq!(told.state, PageState::Reserved);
/// assert_eq!(told.range.len(), 1 << 20);
/// assert_eq!(told.allocation, memory.as_ptr().addr());
/// # Ok::<(), ntheap::vm::PageError>(())
/// ```
///
/// # Errors
/// [`PageError::Invalid`] above the addresses that programs have;
/// [`PageError::Unsupported`] for what is not ntheap's where the system has no list of
/// mappings.
#[cfg(unix)]
pub fn query(address: usize) -> Result<PageInfo, PageError> {
    let told = about(address).map_err(|untold| match untold {
        Untold::Beyond => PageError::Invalid,
        Untold::System => PageError::Unsupported,
    })?;
    let state = match (told.kind, told.protect) {
        (None, _) => PageState::Free,
        (Some(_), None) => PageState::Reserved,
        (Some(_), Some(_)) => PageState::Committed,
    };
    let has = |what: fn(Protect) -> bool| told.protect.is_some_and(what);
    Ok(PageInfo {
        range: told.start..told.end,
        allocation: told.allocation,
        state,
        access: told.protect.map(pages::access_of),
        is_guard: has(Protect::is_guard),
        is_copy: has(Protect::is_copy),
        kind: told.kind,
        caching: told.initial.caching(),
    })
}

/// Tells about the pages from that of `address` on that are alike, as the system's
/// `VirtualQuery` does.
///
/// Any thread may call it.
///
/// Source: "VirtualQuery function (memoryapi.h)".
///
/// # Errors
/// [`PageError::Invalid`] above the addresses that programs have.
#[cfg(windows)]
pub fn query(address: usize) -> Result<PageInfo, PageError> {
    let told = sys::query(address).ok_or(PageError::Invalid)?;
    let state = match (told.is_free, told.rights) {
        (true, _) => PageState::Free,
        (false, None) => PageState::Reserved,
        (false, Some(_)) => PageState::Committed,
    };
    let kind = match told.origin {
        sys::Origin::Private => PageKind::Private,
        sys::Origin::Mapped => PageKind::Mapped,
        sys::Origin::Image => PageKind::Image,
    };
    Ok(PageInfo {
        range: told.start..told.end,
        allocation: told.allocation,
        state,
        access: told.rights.map(pages::access_of),
        is_guard: told.is_guard,
        is_copy: told.is_copy,
        kind: (!told.is_free).then_some(kind),
        caching: pages::caching_of(told.caching),
    })
}

/// What there is from a page on, by the numbers that protections have.
#[cfg(unix)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// The page's first byte.
    pub(crate) start: usize,
    /// The byte after the last page that is like it.
    pub(crate) end: usize,
    /// Where the reservation begins.
    pub(crate) allocation: usize,
    /// The protection that it was made with.
    pub(crate) initial: Protect,
    /// The pages' own; `None` where they are not committed.
    pub(crate) protect: Option<Protect>,
    /// What they are of; `None` where they are free.
    pub(crate) kind: Option<PageKind>,
}

#[cfg(unix)]
impl Found {
    fn free(start: usize, end: usize) -> Found {
        Found {
            start,
            end,
            allocation: 0,
            initial: Protect::NONE,
            protect: None,
            kind: None,
        }
    }
}

/// Why nothing is told.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untold {
    /// No program has such addresses.
    Beyond,
    /// The system does not tell.
    System,
}

/// What a layer above has reserved: committed from its base on.
#[cfg(unix)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owned {
    /// The first byte.
    pub(crate) base: usize,
    /// Bytes reserved.
    pub(crate) reserved: usize,
    /// Bytes committed.
    pub(crate) committed: usize,
    /// Whether code in it can run.
    pub(crate) executable: bool,
}

/// Who knows what a layer above has reserved at an address.
#[cfg(unix)]
pub(crate) type Owner = fn(usize) -> Option<Owned>;

/// An [`Owner`], or 0.
#[cfg(unix)]
static OWNER: AtomicUsize = AtomicUsize::new(0);

/// Has `owner` asked about addresses from now on.
#[cfg(unix)]
pub(crate) fn ask(owner: Owner) {
    OWNER.store(owner as usize, Ordering::Release);
}

/// What the layer above has at an address.
#[cfg(unix)]
fn owned(address: usize) -> Option<Owned> {
    let owner = OWNER.load(Ordering::Acquire);
    if owner == 0 {
        return None;
    }
    // SAFETY: only an `Owner` is ever stored there.
    let owner = unsafe { core::mem::transmute::<usize, Owner>(owner) };
    owner(address)
}

/// What is known of the page of `address`.
#[cfg(unix)]
pub(crate) fn about(address: usize) -> Result<Found, Untold> {
    if address >= sys::USER_END {
        return Err(Untold::Beyond);
    }
    let page = address & !(sys::page_size() - 1);
    if let Some(told) = regions::find(page) {
        return Ok(of_region(page, &told));
    }
    match owned(page) {
        Some(owned) => Ok(of_owner(page, &owned)),
        None => listed::about(page).ok_or(Untold::System),
    }
}

/// What an area has at a page.
#[cfg(unix)]
fn of_region(page: usize, told: &Told) -> Found {
    Found {
        start: page,
        end: told.end,
        allocation: told.area.start,
        initial: told.area.initial,
        protect: told.committed,
        kind: Some(match told.area.kind {
            Kind::View(_) => PageKind::Mapped,
            _ => PageKind::Private,
        }),
    }
}

/// What a layer above has at a page. Behind its pages, in its last 64 KiB,
/// nothing can be reserved, and nothing is.
#[cfg(unix)]
fn of_owner(page: usize, owned: &Owned) -> Found {
    let offset = page - owned.base;
    if offset >= owned.reserved {
        let end = owned.base + owned.reserved.next_multiple_of(super::GRANULARITY);
        return Found::free(page, end.max(page + sys::page_size()));
    }
    let protect = if owned.executable {
        Protect::EXECUTE_READ_WRITE
    } else {
        Protect::READ_WRITE
    };
    let is_committed = offset < owned.committed;
    let size = if is_committed {
        owned.committed
    } else {
        owned.reserved
    };
    Found {
        start: page,
        end: owned.base + size,
        allocation: owned.base,
        initial: protect,
        protect: is_committed.then_some(protect),
        kind: Some(PageKind::Private),
    }
}

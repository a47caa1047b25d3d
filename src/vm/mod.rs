//! Floor 1: address space and committed memory, with an account.
//!
//! Windows' page layer in the form the heap needs it. A *region* is a
//! reservation in multiples of 64 KiB; its pages are free, reserved or
//! committed. Commit is a promise with an account: every byte is charged to
//! a [`Use`] before the system is asked and given back when the system has
//! let go of it, so that [`account`] tells at any time what ntheap holds, and
//! a process-wide limit ([`set_commit_limit`]) can refuse more.
//!
//! Invariants:
//! - `vm` never knows heaps. Whoever reserves a region keeps its size and how
//!   much of it is committed, and says so when it releases it.
//! - The account never understates: charge before commit, credit after
//!   release. When the system refuses, the charge is taken back.
//! - A region that the system will not take back stays in the account, and is
//!   given back with a later one (`left`).
//! - A purge leaves the account alone: purged pages are still committed.
//! - One root record per copy of ntheap ([`root`]) makes all of it findable
//!   from outside without calling code.

mod budget;
#[cfg(feature = "pages")]
mod contents;
#[cfg(all(unix, feature = "heaps"))]
pub(crate) mod copies;
#[cfg(all(unix, feature = "pages"))]
#[cfg_attr(not(feature = "win32"), allow(dead_code))]
pub(crate) mod fault;
#[cfg(all(windows, feature = "pages"))]
#[path = "windows_fault.rs"]
mod fault;
#[cfg(all(unix, feature = "pages"))]
#[cfg_attr(not(feature = "win32"), allow(dead_code))]
pub(crate) mod guarantee;
#[cfg(feature = "pages")]
mod guard_handler;
#[cfg(feature = "debug")]
pub(crate) mod guarded;
mod left;
#[cfg(feature = "memmap2")]
mod mapped;
#[cfg(all(windows, feature = "pages"))]
mod marks;
#[cfg(feature = "pages")]
mod name;
#[cfg(feature = "pages")]
pub(crate) mod notes;
#[cfg(feature = "pages")]
pub(crate) mod numbers;
#[cfg(feature = "pages")]
mod options;
#[cfg(feature = "pages")]
mod pages;
#[cfg(feature = "pages")]
mod physical;
#[cfg(feature = "pages")]
mod placeholder;
#[cfg(any(feature = "pages", feature = "memmap2"))]
mod plain;
#[cfg(feature = "pages")]
#[cfg_attr(not(feature = "win32"), allow(dead_code))]
pub(crate) mod query;
#[cfg(all(unix, feature = "pages"))]
#[cfg_attr(not(feature = "win32"), allow(dead_code, unused_imports))]
pub(crate) mod regions;
#[cfg(feature = "pages")]
mod reservation;
pub mod root;
#[cfg(feature = "pages")]
mod section;
#[cfg(all(unix, feature = "pages"))]
#[cfg_attr(not(feature = "win32"), allow(dead_code, unused_imports))]
pub(crate) mod sections;
#[cfg(feature = "pages")]
mod sparse;
#[cfg(all(
    feature = "pages",
    any(target_arch = "x86_64", all(unix, target_arch = "aarch64"))
))]
mod stack;
#[cfg(feature = "pages")]
pub(crate) mod table;
#[cfg(feature = "pages")]
mod view;

use crate::sys;
use crate::trace::{Argument, Outcome, during_as};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

pub use crate::sys::{GRANULARITY, page_size};
pub(crate) use budget::Budget;
#[cfg(feature = "pages")]
pub use guard_handler::{GuardHandler, set_guard_handler};
pub(crate) use left::give_back;
#[cfg(feature = "memmap2")]
pub use mapped::{MappedFile, MappedFileMut};
#[cfg(feature = "pages")]
pub use options::{ReserveOptions, large_page_size};
#[cfg(feature = "pages")]
pub use pages::{Caching, PageAccess, PageError, RawFile, Refused};
#[cfg(feature = "pages")]
pub use physical::{PhysicalPages, Shown, Window};
#[cfg(feature = "pages")]
pub use placeholder::Placeholder;
#[cfg(any(feature = "pages", feature = "memmap2"))]
pub use plain::Plain;
#[cfg(feature = "pages")]
pub use query::{PageInfo, PageKind, PageState, query};
#[cfg(feature = "pages")]
pub use reservation::{PageRun, Reservation};
#[cfg(feature = "pages")]
pub use section::{Section, SectionOptions};
#[cfg(feature = "pages")]
pub use sparse::{SparseArray, TouchArray, Zeroed};
#[cfg(all(
    feature = "pages",
    any(target_arch = "x86_64", all(unix, target_arch = "aarch64"))
))]
pub use stack::GrowingStack;
#[cfg(feature = "pages")]
pub use view::{View, ViewAccess};

/// What a region is for; the account is kept per use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Use {
    /// Segments: subsegments and page runs.
    Segments,
    /// Large blocks, straight from pages.
    Large,
    /// The allocator's own records.
    Metadata,
    /// The slice table, sparse.
    Table,
    /// The program's own, which it reserved by `VirtualAlloc` or as the arena of
    /// a 16-bit heap.
    Program,
}

impl Use {
    /// All uses, in the order of [`Account::by_use`].
    pub const ALL: [Use; 5] = [
        Use::Segments,
        Use::Large,
        Use::Metadata,
        Use::Table,
        Use::Program,
    ];
}

#[repr(C)]
struct Ledger {
    reserved: AtomicUsize,
    committed: AtomicUsize,
}

static LEDGERS: [Ledger; Use::ALL.len()] = [const {
    Ledger {
        reserved: AtomicUsize::new(0),
        committed: AtomicUsize::new(0),
    }
}; Use::ALL.len()];
static CHARGED: Budget = Budget::new(0, usize::MAX);
/// Requests refused for want of memory or address space.
static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// One use's line of the account, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Address space reserved, committed parts included.
    pub reserved: usize,
    /// Committed: readable and writable, whether touched or not.
    pub committed: usize,
}

/// What ntheap holds of the system, by use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// One line per use, in the order of [`Use::ALL`].
    pub by_use: [Line; Use::ALL.len()],
}

impl Account {
    /// One use's line.
    pub fn get(&self, of: Use) -> Line {
        self.by_use[of as usize]
    }

    /// The sum over all uses.
    pub fn total(&self) -> Line {
        self.by_use.iter().fold(Line::default(), |sum, line| Line {
            reserved: sum.reserved + line.reserved,
            committed: sum.committed + line.committed,
        })
    }
}

/// The account at this moment. Each figure is exact; together they are one
/// moment's view only while no other thread allocates.
pub fn account() -> Account {
    let mut by_use = [Line::default(); Use::ALL.len()];
    for (line, ledger) in by_use.iter_mut().zip(&LEDGERS) {
        line.reserved = ledger.reserved.load(Ordering::Relaxed);
        line.committed = ledger.committed.load(Ordering::Relaxed);
    }
    Account { by_use }
}

/// Sets the most bytes this copy of ntheap may have committed; a commit above
/// it fails as if the system had refused.
pub fn set_commit_limit(bytes: usize) {
    CHARGED.set_limit(bytes);
}

/// Whether there is a limit to what may be committed.
pub(crate) fn is_limited() -> bool {
    CHARGED.is_limited()
}

/// Bytes charged to this copy of ntheap, and the most that may be, `usize::MAX` without a
/// limit.
pub(crate) fn charge_and_limit() -> (usize, usize) {
    CHARGED.committed_and_limit()
}

/// How many requests the limit of committed bytes or the system has refused for want of
/// memory or address space anywhere: whoever fails while this changes may find some once others
/// have given back.
#[cfg(feature = "heaps")]
#[inline(always)]
pub(crate) fn refused() -> usize {
    REFUSED.load(Ordering::Relaxed)
}

/// Counts a request that was refused.
#[cold]
pub(crate) fn note_refused() {
    REFUSED.fetch_add(1, Ordering::Relaxed);
}

fn ledger(of: Use) -> &'static Ledger {
    &LEDGERS[of as usize]
}

/// Where the account lies, for readers from outside.
fn ledgers_address() -> usize {
    (&raw const LEDGERS).addr()
}

pub(crate) fn charge(of: Use, size: usize) -> bool {
    if !CHARGED.charge(size) {
        note_refused();
        return false;
    }
    ledger(of).committed.fetch_add(size, Ordering::Relaxed);
    true
}

pub(crate) fn credit(of: Use, size: usize) {
    CHARGED.credit(size);
    ledger(of).committed.fetch_sub(size, Ordering::Relaxed);
}

/// What is done to a range, as Windows' page layer names it.
#[derive(Clone, Copy)]
enum Nt {
    Reserve,
    Commit,
    ReserveAndCommit,
    Reset,
    Decommit,
    Release,
}

/// Runs `body`, which does `what` to a range, and tells of it.
#[inline]
fn told<R: Outcome>(what: Nt, base: *mut u8, size: usize, body: impl FnOnce() -> R) -> R {
    let (name, of) = match what {
        Nt::Reserve => (c"NtAllocateVirtualMemory", 0x2000),
        Nt::Commit => (c"NtAllocateVirtualMemory", 0x1000),
        Nt::ReserveAndCommit => (c"NtAllocateVirtualMemory", 0x3000),
        Nt::Reset => (c"NtAllocateVirtualMemory", 0x80000),
        Nt::Decommit => (c"NtFreeVirtualMemory", 0x4000),
        Nt::Release => (c"NtFreeVirtualMemory", 0x8000),
    };
    let arguments = || {
        [
            Argument::new(c"address", base.addr() as u64),
            Argument::new(c"size", size as u64),
            Argument::new(c"type", of),
        ]
    };
    // As the functions of these names say it: STATUS_NO_MEMORY or none.
    during_as(name, arguments, body, |result| match result.number() {
        0 => 0xC000_0017,
        _ => 0,
    })
}

/// Rounds up to whole pages; `None` on overflow.
#[inline]
pub fn round_to_pages(size: usize) -> Option<usize> {
    let mask = page_size() - 1;
    Some(size.checked_add(mask)? & !mask)
}

/// What `reserve` gives, told and entered in the ledger; null where it is null.
#[inline(always)]
fn enter_reserved(of: Use, size: usize, reserve: impl FnOnce() -> *mut u8) -> *mut u8 {
    let base = told(Nt::Reserve, ptr::null_mut(), size, reserve);
    if !base.is_null() {
        ledger(of).reserved.fetch_add(size, Ordering::Relaxed);
    }
    base
}

/// Reserves a region of `size` bytes (whole pages) at a multiple of `align`
/// (at least 64 KiB). Null when the system refuses.
pub(crate) fn reserve(of: Use, size: usize, align: usize) -> *mut u8 {
    let base = enter_reserved(of, size, || sys::reserve(size, align));
    if base.is_null() {
        note_refused();
    }
    base
}

/// [`reserve`] at a multiple of the page size; see [`sys::reserve_anywhere`].
pub(crate) fn reserve_anywhere(of: Use, size: usize) -> *mut u8 {
    enter_reserved(of, size, || sys::reserve_anywhere(size))
}

/// [`reserve`] at low addresses, which nobody else is given; see [`sys::reserve_low`]. Null
/// when there is no room, or the system keeps none for it.
#[cfg(feature = "debug")]
pub(crate) fn reserve_low(of: Use, size: usize, choice: u64) -> *mut u8 {
    #[cfg(all(
        target_pointer_width = "64",
        any(target_os = "linux", target_os = "android")
    ))]
    {
        enter_reserved(of, size, || sys::reserve_low(size, choice))
    }
    #[cfg(not(all(
        target_pointer_width = "64",
        any(target_os = "linux", target_os = "android")
    )))]
    {
        let _ = (of, size, choice);
        ptr::null_mut()
    }
}

/// Reserves the region of `size` bytes (whole pages) at `base`, if nothing is
/// there.
#[cfg(all(unix, feature = "pages"))]
pub(crate) fn reserve_at(of: Use, base: *mut u8, size: usize) -> sys::Placed {
    let mut placed = sys::Placed::Done;
    told(Nt::Reserve, base, size, || {
        placed = sys::reserve_exactly(base, size);
        placed == sys::Placed::Done
    });
    match placed {
        sys::Placed::Done => _ = ledger(of).reserved.fetch_add(size, Ordering::Relaxed),
        sys::Placed::NoMemory => note_refused(),
        sys::Placed::InUse => {}
    }
    placed
}

/// Reserves a region of `size` bytes (whole pages) at a multiple of `align`
/// within bounds; see [`sys::reserve_within`]. Null when there is no room.
#[cfg(all(unix, feature = "pages"))]
pub(crate) fn reserve_within(
    of: Use,
    size: usize,
    align: usize,
    lowest: usize,
    limit: usize,
    top_down: bool,
) -> *mut u8 {
    enter_reserved(of, size, || {
        sys::reserve_within(size, align, lowest, limit, top_down)
    })
}

/// Reserves a sparse region that reads zero everywhere.
pub(crate) fn reserve_readable(of: Use, size: usize) -> *mut u8 {
    enter_reserved(of, size, || sys::reserve_readable(size))
}

/// Reserves and commits `size` bytes (whole pages), zero, at page alignment.
/// Null when the system refuses or the commit limit is reached.
pub(crate) fn allocate(of: Use, size: usize) -> *mut u8 {
    if !charge(of, size) {
        return ptr::null_mut();
    }
    let base = told(Nt::ReserveAndCommit, ptr::null_mut(), size, || {
        sys::allocate(size)
    });
    if base.is_null() {
        credit(of, size);
        note_refused();
    } else {
        ledger(of).reserved.fetch_add(size, Ordering::Relaxed);
    }
    base
}

/// Commits a reserved range; false, and nothing changed, when the system
/// refuses or the commit limit is reached.
///
/// # Safety
/// The range lies in one region the caller owns and none of it is committed.
pub(crate) unsafe fn commit(of: Use, base: *mut u8, size: usize) -> bool {
    if !charge(of, size) {
        return false;
    }
    // SAFETY: the caller's promise is the callee's.
    let done = told(Nt::Commit, base, size, || unsafe {
        sys::commit(base, size)
    });
    if !done {
        credit(of, size);
        note_refused();
    }
    done
}

/// Who refused a commit.
#[cfg(all(unix, feature = "pages"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The limit of committed bytes.
    Commit,
    /// The system.
    System,
}

/// Gives a range the rights of `protection`, and commits those of its bytes
/// that are not committed, `fresh` in all. Refused by the system, some of its
/// pages may have the new rights already.
///
/// # Safety
/// The range lies in one region the caller owns.
#[cfg(all(unix, feature = "pages"))]
pub(crate) unsafe fn commit_as(
    of: Use,
    base: *mut u8,
    size: usize,
    fresh: usize,
    protection: sys::Protection,
) -> Result<(), Limit> {
    if !charge(of, fresh) {
        return Err(Limit::Commit);
    }
    // SAFETY: the caller's promise is the callee's; reserved pages take rights
    // as committed ones do.
    let done = told(Nt::Commit, base, size, || unsafe {
        sys::commit_as(base, size, protection)
    });
    if done {
        return Ok(());
    }
    credit(of, fresh);
    note_refused();
    Err(Limit::System)
}

/// Commits a reserved range in large pages; nothing has changed when it is
/// refused.
///
/// # Safety
/// The range lies in one region the caller owns, at multiples of the large
/// size, and none of it is committed.
#[cfg(all(unix, feature = "pages"))]
pub(crate) unsafe fn commit_large(
    of: Use,
    base: *mut u8,
    size: usize,
    protection: sys::Protection,
) -> Result<(), Limit> {
    if !charge(of, size) {
        return Err(Limit::Commit);
    }
    // SAFETY: the caller's promise is the callee's.
    if unsafe { sys::commit_large(base, size, protection) } {
        return Ok(());
    }
    credit(of, size);
    Err(Limit::System)
}

/// Gives back the memory and commit of a range of which `committed` bytes are
/// committed; it is reserved from then on. False, and nothing changed, when
/// the system refuses.
///
/// # Safety
/// The caller owns the range, and its contents are dead.
#[cfg(all(unix, feature = "pages"))]
pub(crate) unsafe fn decommit_part(of: Use, base: *mut u8, size: usize, committed: usize) -> bool {
    // SAFETY: the caller's promise is the callee's; a page that is reserved
    // already stays so.
    let done = told(Nt::Decommit, base, size, || unsafe {
        sys::decommit(base, size)
    });
    if done {
        credit(of, committed);
    }
    done
}

/// Gives a committed range's memory and commit back; it is reserved from then
/// on. False, and nothing changed, when the system refuses.
///
/// # Safety
/// The range is committed, the caller owns it, and its contents are dead.
pub(crate) unsafe fn decommit(of: Use, base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    let done = told(Nt::Decommit, base, size, || unsafe {
        sys::decommit(base, size)
    });
    if done {
        credit(of, size);
    }
    done
}

/// Gives the memory of a committed range back; it stays committed and reads
/// zero. False when the system refuses: contents are then unchanged.
///
/// # Safety
/// The range is committed, the caller owns it, and its contents are dead.
pub(crate) unsafe fn purge(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    told(Nt::Reset, base, size, || unsafe { sys::purge(base, size) })
}

/// Ends a region of `size` bytes, `committed` of them committed. When the
/// system refuses (an unmap can need a mapping more than the limit allows)
/// the contents are given back at least and the region stays in the account.
///
/// # Safety
/// The region is the caller's, whole, and nothing in it is used any more.
pub(crate) unsafe fn release(of: Use, base: *mut u8, size: usize, committed: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    let done = told(Nt::Release, base, size, || unsafe {
        sys::release(base, size)
    });
    if done {
        ledger(of).reserved.fetch_sub(size, Ordering::Relaxed);
        credit(of, committed);
    }
    done
}

/// Resizes a wholly committed region in place. False, and nothing changed,
/// when the system cannot or the commit limit is reached.
///
/// # Safety
/// The region is the caller's, whole and wholly committed.
pub(crate) unsafe fn resize(of: Use, base: *mut u8, old: usize, new: usize) -> bool {
    let growth = new.saturating_sub(old);
    let shrinkage = old.saturating_sub(new);
    if growth != 0 && !charge(of, growth) {
        return false;
    }
    // SAFETY: the caller's promise is the callee's.
    let done = unsafe { sys::resize(base, old, new) };
    if done {
        let reserved = &ledger(of).reserved;
        reserved.fetch_add(growth, Ordering::Relaxed);
        reserved.fetch_sub(shrinkage, Ordering::Relaxed);
    }
    let credited = if done { shrinkage } else { growth };
    if credited != 0 {
        credit(of, credited);
    }
    done
}

/// Moves a wholly committed region of `old` bytes to a reserved one of `new`
/// bytes, which is then wholly committed, and ends the first. False, and
/// nothing changed, when the system cannot or the commit limit is reached.
///
/// # Safety
/// Both regions are the caller's, whole, of the same use; no pointer into the
/// first is used afterwards.
pub(crate) unsafe fn move_to(
    of: Use,
    base: *mut u8,
    old: usize,
    target: *mut u8,
    new: usize,
) -> bool {
    let growth = new.saturating_sub(old);
    if !charge(of, growth) {
        return false;
    }
    // SAFETY: the caller's promise is the callee's.
    let done = unsafe { sys::move_to(base, old, target, new) };
    if done {
        ledger(of).reserved.fetch_sub(old, Ordering::Relaxed);
        credit(of, old.saturating_sub(new));
    } else {
        credit(of, growth);
    }
    done
}

/// Asks for huge pages in a committed range, or for none: a hint.
///
/// # Safety
/// The range is committed and the caller owns it.
pub(crate) unsafe fn advise_huge(base: *mut u8, size: usize, huge: bool) {
    // SAFETY: the caller's promise is the callee's.
    unsafe { sys::advise_huge(base, size, huge) }
}

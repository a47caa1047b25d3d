//! The few operations on pages that the types for programs are made of, on every
//! system.
//!
//! ```text
//!   Reservation, Placeholder     -->          unix.rs           --> regions
//!   Section, View                --> pages -+ unix_sections.rs  --> sections, regions
//!   PhysicalPages, Window        -->        | unix_physical.rs  --> regions
//!                                           | windows.rs
//!                                           | windows_sections.rs   --> the system
//!                                           + windows_physical.rs
//! ```
//!
//! Addresses and sizes here are numbers; whose the pages are, and who may use them at
//! the same time, the types above know.
//!
//! Invariants:
//! - What is refused has changed nothing, as in `regions`.
//! - What [`Alike::opens_to`] says can be accessed can be, without a fault, until
//!   somebody changes the pages through the type that owns them.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod unix_physical;
#[cfg(unix)]
mod unix_sections;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
mod windows_physical;
#[cfg(windows)]
mod windows_sections;

use crate::sys::Whereabouts;
use core::fmt;
#[cfg(unix)]
pub(super) use unix::*;
#[cfg(unix)]
pub(super) use unix_physical::*;
#[cfg(unix)]
pub use unix_sections::RawFile;
#[cfg(unix)]
pub(super) use unix_sections::*;
#[cfg(windows)]
pub(super) use windows::*;
#[cfg(windows)]
pub(super) use windows_physical::*;
#[cfg(windows)]
pub use windows_sections::RawFile;
#[cfg(windows)]
pub(super) use windows_sections::*;

/// Why an operation on pages was refused. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageError {
    /// An argument has no meaning: a size of 0, a range beyond the reservation,
    /// a right that pages cannot have, bytes that are no whole pages where only those
    /// will do.
    Invalid,
    /// Pages are not committed, or cannot be accessed in the way that is asked for: their
    /// access, a guard, an offer bars it.
    NotCommitted,
    /// The system has no memory, no address space, or no room for another
    /// mapping.
    NoMemory,
    /// The limit of [`set_commit_limit`](super::set_commit_limit) is reached.
    CommitLimit,
    /// The system cannot do it.
    Unsupported,
    /// Something else is there: at the addresses that were asked for, or in the window
    /// that a page is shown in already.
    InUse,
    /// A guard page was touched, and is none any more.
    Guard,
    /// The system locks no more pages in memory for this process.
    LockLimit,
    /// Not all pages were locked.
    NotLocked,
    /// There is no section of that name.
    NotFound,
    /// The system does not allow it: a file that was not opened for what is asked, a
    /// privilege that the process does not have.
    Denied,
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PageError::Invalid => "an argument has no meaning",
            PageError::NotCommitted => "pages are not committed",
            PageError::NoMemory => "the system has no memory",
            PageError::CommitLimit => "the limit of committed memory is reached",
            PageError::Unsupported => "the system cannot do it",
            PageError::InUse => "something else is there",
            PageError::Guard => "a guard page was touched",
            PageError::LockLimit => "the system locks no more pages",
            PageError::NotLocked => "pages were not locked",
            PageError::NotFound => "there is no section of that name",
            PageError::Denied => "the system does not allow it",
        })
    }
}

impl core::error::Error for PageError {}

/// What may be done with committed pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageAccess {
    /// Nothing.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and running code.
    ReadExecute,
    /// Reading, writing and running code.
    ReadWriteExecute,
}

impl PageAccess {
    /// Whether bytes may be read.
    pub(super) fn reads(self) -> bool {
        self != PageAccess::None
    }

    /// Whether bytes may be written to.
    pub(super) fn writes(self) -> bool {
        matches!(self, PageAccess::ReadWrite | PageAccess::ReadWriteExecute)
    }
}

/// Why something was refused, and what was to be changed by it, as it was: operations
/// that would use a value up give it back when they fail. Made a [`PageError`], as by `?`, it
/// is dropped.
#[derive(Debug)]
pub struct Refused<T> {
    /// Why.
    pub error: PageError,
    /// What was not used up.
    pub kept: T,
}

impl<T> Refused<T> {
    pub(super) fn new(error: PageError, kept: T) -> Refused<T> {
        Refused { error, kept }
    }
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T: fmt::Debug> core::error::Error for Refused<T> {}

impl<T> From<Refused<T>> for PageError {
    fn from(refused: Refused<T>) -> PageError {
        refused.error
    }
}

/// How the processor keeps what it reads and writes of pages.
///
/// On Linux this is told ([`query`](super::query())) and changes nothing: no program may
/// choose it there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Caching {
    /// As that of ordinary memory.
    #[default]
    Usual,
    /// Not at all (PAGE_NOCACHE).
    None,
    /// Writes are gathered (PAGE_WRITECOMBINE).
    WriteCombined,
}

/// Pages in a row that are alike, by addresses.
#[derive(Clone, Copy)]
pub(super) struct Alike {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Their access; `None` where they are only reserved.
    pub(super) access: Option<PageAccess>,
    pub(super) is_guard: bool,
    pub(super) is_locked: bool,
    pub(super) is_offered: bool,
    /// Whether the system may be about to take what pages of the reservation hold.
    pub(super) may_go: bool,
}

impl Alike {
    /// Whether the next access that `fits` the pages' own is none that faults.
    pub(super) fn opens_to(&self, fits: impl Fn(PageAccess) -> bool) -> bool {
        self.access.is_some_and(fits) && !self.is_guard && !self.is_offered
    }
}

/// What a reservation is to be, by a program's words.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) at: Whereabouts,
    pub(super) large: bool,
    pub(super) watched: bool,
    pub(super) caching: Caching,
    /// Address space for another reservation.
    pub(super) is_placeholder: bool,
}

/// What a section is to be, beyond its name and size.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SectionKind {
    /// Whether pages are committed one by one.
    pub(super) reserved: bool,
    /// Whether views may run code.
    pub(super) executable: bool,
    /// Whether its pages are large.
    pub(super) large: bool,
    pub(super) caching: Caching,
}

impl Wanted {
    /// Whether the options have a meaning, and go together.
    pub(super) fn is_possible(&self) -> bool {
        self.at.are_bounds()
            && !(self.at.is_bounded() && self.at.address != 0)
            && self.at.address.is_multiple_of(super::GRANULARITY)
            && self.at.address < crate::sys::USER_END
            && !(self.large && self.watched)
    }
}

/// A pointer to what is known to lie at an address.
pub(super) fn pointer(address: usize) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(address)
}

#[cfg(test)]
mod tests;

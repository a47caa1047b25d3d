//! Address space that is kept for something else.
//!
//! ```text
//!   | placeholder                    |    ReserveOptions::placeholder
//!   | placeholder | placeholder      |    split
//!   | reservation | placeholder      |    reserve; into_placeholder leads back
//!   | placeholder                    |    join
//! ```
//!
//! Each value is one placeholder, whole, and is used up by what takes its place: a
//! program cannot split what a reservation or a view lies in.

use super::options::ReserveOptions;
#[cfg(windows)]
use super::pages::pointer;
use super::pages::{self, PageError, Refused};
use super::reservation::Reservation;
use core::mem::ManuallyDrop;

/// Address space in which nothing can be committed: a reservation, or a view of a section,
/// takes its place, so that both lie exactly where a program wants them, with no
/// moment in which somebody else could take the addresses.
///
/// Two views of one section behind each other make a ring buffer, for example. Any
/// thread may have it. It is given back when it is dropped. Nothing panics.
///
/// Source: "VirtualAlloc2 function (memoryapi.h)", MEM_RESERVE_PLACEHOLDER; "VirtualFree
/// function (memoryapi.h)".
///
/// ```
/// use ntheap::vm::{Placeholder, page_size};
///
/// # // Wine has none.
/// # if cfg!(windows) {
/// #     return Ok::<(), ntheap::vm::PageError>(());
/// # }
/// let page = page_size();
/// let (low, high) = Placeholder::new(16 * page)?.split(4 * page)?;
/// let mut memory = low.reserve()?;
/// memory.commit(0..page)?[0] = 1;
/// // What is used cannot be joined: the reservation is a placeholder again first.
/// let whole = memory.into_placeholder()?.join(high)?;
/// assert_eq!(whole.size(), 16 * page);
/// # Ok::<(), ntheap::vm::PageError>(())
/// ```
#[derive(Debug)]
pub struct Placeholder {
    start: usize,
    size: usize,
}

impl Placeholder {
    /// Reserves `size` bytes, rounded up to pages, at a multiple of 64 KiB. Where they lie
    /// may be said by [`ReserveOptions::placeholder`], which tells the errors as well.
    pub fn new(size: usize) -> Result<Placeholder, PageError> {
        ReserveOptions::new().placeholder(size)
    }

    /// The placeholder of these bytes, which nobody else has.
    pub(super) fn of(start: usize, size: usize) -> Placeholder {
        Placeholder { start, size }
    }

    /// The address of the first byte.
    pub fn address(&self) -> usize {
        self.start
    }

    /// How many bytes there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The first byte and the bytes of a placeholder that is used up.
    pub(super) fn taken(self) -> (usize, usize) {
        let own = ManuallyDrop::new(self);
        (own.start, own.size)
    }

    /// Makes two of it: the first has `at` bytes, whole pages, the second the others.
    ///
    /// Takes a time that grows with the logarithm of the number of regions.
    ///
    /// # Errors
    /// Refused, with the placeholder: [`PageError::Invalid`] unless both have pages;
    /// [`PageError::NoMemory`].
    pub fn split(self, at: usize) -> Result<(Placeholder, Placeholder), Refused<Placeholder>> {
        if at == 0 || at >= self.size || !at.is_multiple_of(super::page_size()) {
            return Err(Refused::new(PageError::Invalid, self));
        }
        // SAFETY: the placeholder is this value's, whole, and nothing is in it.
        if let Err(error) = unsafe { make(self.start, at) } {
            return Err(Refused::new(error, self));
        }
        let (start, size) = self.taken();
        Ok((
            Placeholder::of(start, at),
            Placeholder::of(start + at, size - at),
        ))
    }

    /// Makes one of two that lie behind each other, in either order.
    ///
    /// # Errors
    /// Refused, with both: [`PageError::Invalid`] when they do not.
    pub fn join(
        self,
        other: Placeholder,
    ) -> Result<Placeholder, Refused<(Placeholder, Placeholder)>> {
        let start = self.start.min(other.start);
        let follows = |one: &Placeholder, next: &Placeholder| one.start + one.size == next.start;
        if !follows(&self, &other) && !follows(&other, &self) {
            return Err(Refused::new(PageError::Invalid, (self, other)));
        }
        let size = self.size + other.size;
        if let Err(error) = join(start, size) {
            return Err(Refused::new(error, (self, other)));
        }
        self.taken();
        other.taken();
        Ok(Placeholder::of(start, size))
    }

    /// Makes a reservation in its place, of which nothing is committed. It begins where
    /// the placeholder did, at a multiple of the page size.
    ///
    /// # Errors
    /// Refused, with the placeholder: [`PageError::NoMemory`].
    pub fn reserve(self) -> Result<Reservation, Refused<Placeholder>> {
        match replace(self.start, self.size) {
            Ok(()) => {
                let (start, size) = self.taken();
                Ok(Reservation::of(start, size))
            }
            Err(error) => Err(Refused::new(error, self)),
        }
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        // SAFETY: the placeholder is this value's, whole, and nothing is in it.
        unsafe { pages::release(self.start, self.size) };
    }
}

/// Makes a placeholder of its own of these bytes: a part of a larger one, or the
/// reservation that replaced one, whole.
///
/// # Safety
/// The caller owns the bytes, and nobody uses them any more.
#[cfg(unix)]
pub(super) unsafe fn make(start: usize, size: usize) -> Result<(), PageError> {
    // SAFETY: the caller's promise is the callee's.
    let done = unsafe { super::regions::split_placeholder(start, size) };
    done.map(|_| ()).map_err(pages::error_of)
}

#[cfg(unix)]
fn join(start: usize, size: usize) -> Result<(), PageError> {
    let done = super::regions::coalesce(start, size);
    done.map(|_| ()).map_err(pages::error_of)
}

#[cfg(unix)]
fn replace(start: usize, size: usize) -> Result<(), PageError> {
    use super::regions::{self, Protect, Request};
    let at = crate::sys::Whereabouts::in_place_of(start);
    let request = Request::private(Protect::READ_WRITE);
    let done = regions::reserve(&at, size, &request);
    done.map(|_| ()).map_err(pages::error_of)
}

/// Makes a placeholder of its own of these bytes: a part of a larger one, or the
/// reservation that replaced one, whole.
///
/// # Safety
/// The caller owns the bytes, and nobody uses them any more.
#[cfg(windows)]
pub(super) unsafe fn make(start: usize, size: usize) -> Result<(), PageError> {
    // SAFETY: the caller's promise is the callee's.
    let made = unsafe { crate::sys::make_placeholder(pointer(start), size) };
    made.map_err(pages::error_of_placeholder)
}

#[cfg(windows)]
fn join(start: usize, size: usize) -> Result<(), PageError> {
    // SAFETY: the caller has both placeholders, whole.
    let joined = unsafe { crate::sys::join_placeholders(pointer(start), size) };
    joined.map_err(pages::error_of_placeholder)
}

#[cfg(windows)]
fn replace(start: usize, size: usize) -> Result<(), PageError> {
    // SAFETY: the caller has the placeholder, whole.
    let replaced = unsafe { crate::sys::replace(pointer(start), size) };
    replaced.map_err(pages::error_of_placeholder)
}

//! On Windows: faults that the page layer knows an answer to.
//!
//! Nothing of this is there until somebody asks for it, by a handler of guard pages or by
//! an array whose pages are committed when they are touched.
//!
//! ```text
//!   touch of a page --> guard? the handler --> go on
//!                  \--> an array's? commit --> try again
//!                   \--> the handlers that were there
//! ```
//!
//! The lock of the list of arrays is held for moments in which no array is touched, so that a
//! fault never waits for its own thread.

use super::guard_handler;
use super::pages::{self, PageAccess, PageError};
use super::table::Table;
use crate::sync::{Mutex, Once};
use crate::sys;

/// How much is committed at once around a touch.
const PIECE: usize = super::GRANULARITY;

/// Addresses of an array.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

static ARRAYS: Mutex<Table<Span>> = Mutex::new(Table::new());

/// Has faults of pages answered here. False when the system refuses.
pub(super) fn catch() -> bool {
    static CAUGHT: Once = Once::new();
    if CAUGHT.begin() {
        CAUGHT.end(sys::catch_faults(answer));
    }
    CAUGHT.is_ready()
}

fn answer(address: usize, is_guard: bool) -> bool {
    if is_guard {
        guard_handler::goes_on(address)
    } else {
        commit_around(address)
    }
}

/// Commits what lies around an address, if it is an array's.
fn commit_around(address: usize) -> bool {
    let found = {
        let arrays = ARRAYS.lock();
        let records = arrays.records();
        let index = records.partition_point(|span| span.end <= address);
        records.get(index).copied()
    };
    let Some(span) = found.filter(|span| span.start <= address) else {
        return false;
    };
    // What is committed may be another thread's work, done since the fault, which the next try
    // finds: unless the page is one that a touch is refused on.
    if let Some(access) = pages::query(address).and_then(|told| told.access) {
        return access.writes();
    }
    let start = (address & !(PIECE - 1)).max(span.start);
    let end = (start + PIECE).min(span.end);
    pages::commit(start, end - start, PageAccess::ReadWrite).is_ok()
}

/// An array whose pages are committed when they are touched, as long as this is there.
#[derive(Debug)]
pub(super) struct Touched {
    start: usize,
}

impl Touched {
    /// Has touches of a reservation's bytes answered. [`PageError::Unsupported`] when faults
    /// cannot be caught; [`PageError::NoMemory`].
    pub(super) fn new(start: usize, size: usize) -> Result<Touched, PageError> {
        if !catch() {
            return Err(PageError::Unsupported);
        }
        let mut arrays = ARRAYS.lock();
        if !arrays.reserve(1) {
            return Err(PageError::NoMemory);
        }
        let end = start + size;
        let index = arrays.records().partition_point(|span| span.end <= start);
        arrays.insert(index, Span { start, end });
        Ok(Touched { start })
    }
}

impl Drop for Touched {
    fn drop(&mut self) {
        let mut arrays = ARRAYS.lock();
        let own = |span: &Span| span.start == self.start;
        if let Some(index) = arrays.records().iter().position(own) {
            arrays.remove(index, 1);
        }
    }
}

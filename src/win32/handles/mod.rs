//! Handles: numbers that a program knows the library's objects by.
//!
//! ```text
//!   handle / 4 --> entry: object, access rights
//!                            |
//!                   object: kind, value, how many refer to it
//! ```
//!
//! A handle's low two bits are the program's own, as on Windows: they are ignored.
//! An object is there as long as an entry, or a call that is under way, refers to
//! it; then its kind ends it. A kind is a static that says how: whoever has a new
//! kind of object makes one, and nothing here changes.
//!
//! Invariants:
//! - No handle is 0, and none is one of the few numbers below it that stand for the
//!   process, the thread and no file.
//! - A number that was closed is the last to be given out again, so that a stale
//!   one is told for long.
//! - Under the list's lock nothing else is locked or called; it is held across a
//!   fork, and the child has the same handles.

mod calls;
mod table;

pub(super) use calls::is_own_process;
pub use calls::{CloseHandle, DuplicateHandle, GetCurrentProcess, GetCurrentProcessId, NtClose};
pub(super) use table::{Borrowed, Kind, borrow, count, find, open};

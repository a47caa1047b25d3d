//! Floor 4: the Windows names, for Rust and, through the shared libraries, for
//! C.
//!
//! Heaps, last errors, exceptions and pages as Windows documents them:
//! functions of the same names, arguments, results and last errors, and
//! structures of the same layout. 64-bit Windows is the model; where its
//! versions differ, the newest.
//!
//! ```text
//!   C program --HeapAlloc--> libntheap_win32.so --ntheap_HeapAlloc--> libntheap.so
//!   Rust program --ntheap::win32::HeapAlloc--------------------------> this module
//! ```
//!
//! Invariants:
//! - This module holds no heap: it turns arguments into calls of the layers
//!   below, and their answers into Windows' results. Nothing else knows of
//!   last errors, statuses and exceptions.
//! - The names are listed once, in `names.rs`; what is exported, linked and
//!   tested is made from that list.
//! - An exception is raised with no lock held, from frames that have nothing
//!   to clean up.
//! - A function leaves the last error alone unless it fails, and its
//!   documentation says what it then is.
//!
//! On Windows itself this module does not exist: the names are the system's
//! own, and `windows-sys` has them.

#![allow(non_snake_case, non_camel_case_types, non_upper_case_globals)]
#![allow(clippy::upper_case_acronyms)]

mod constants;
mod debug;
mod exceptions;
mod last_error;
mod names;
mod pages;
mod types;

pub use constants::*;
pub use debug::{OutputDebugStringA, OutputDebugStringW};
pub use exceptions::{AddVectoredExceptionHandler, RaiseException, RemoveVectoredExceptionHandler};
pub use last_error::{GetLastError, SetLastError};
pub use pages::{VirtualAlloc, VirtualFree, VirtualQuery};
pub use types::*;

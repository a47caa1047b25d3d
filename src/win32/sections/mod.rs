//! Sections and their views, by the Windows names: mapped files.
//!
//! ```text
//!   CreateFileMappingW --+                      +-- MapViewOfFile(Ex, 3, FromApp)
//!   NtCreateSection -----+--> object   view <---+-- NtMapViewOfSection
//!                              |         |
//!                     vm::sections     vm::regions
//! ```
//!
//! `object` and `view` decide what is allowed and answer with a status; `calls` and
//! `native` turn arguments and answers into those of the two layers.
//!
//! Invariants:
//! - A handle carries rights, a section a protection, a view a protection: a view
//!   needs what it does in both.
//! - A view that is not written to is mapped as the process's own copy would be, so
//!   that a change of its protection to writing can never reach the file.
//! - A view counts for its section until it is unmapped, whatever becomes of the
//!   handles.

mod calls;
mod native;
mod object;
mod view;

pub(super) use crate::vm::sections::views::is_of_file;

pub use calls::{
    CreateFileMappingA, CreateFileMappingW, FlushViewOfFile, MapViewOfFile, MapViewOfFile3,
    MapViewOfFile3FromApp, MapViewOfFileEx, MapViewOfFileFromApp, OpenFileMappingA,
    OpenFileMappingW, UnmapViewOfFile, UnmapViewOfFile2, UnmapViewOfFileEx,
};
pub use native::{NtCreateSection, NtMapViewOfSection, NtQuerySection, NtUnmapViewOfSection};

//! Floor 4: memory as 16-bit Windows had it, where blocks really move.
//!
//! `GlobalAlloc` and `LocalAlloc` come from Windows 1.0 to 3.1, where memory was
//! one small arena for all programs. To keep its free bytes in one piece,
//! Windows moved blocks that nobody had locked, and threw away those that their
//! owners could make again. On Windows NT the functions stayed and all of this
//! went: there moveable blocks never move. This module is the old behaviour, in
//! an arena of its own, to learn from, to test with, and for programs that want a
//! bounded memory without fragmentation.
//!
//! ```text
//!   high  +---------------+
//!         |  discardable  |   from the top down; go for want of room
//!         +---------------+
//!         |     free      |
//!         +---------------+
//!         |   moveable    |   slide together when holes are to merge
//!         +---------------+
//!         |     fixed     |   as low as they come, and there they stay
//!   low   +---------------+
//! ```
//!
//! - [`GlobalHeap`] is the arena; [`LocalHeap`] a heap in one of its blocks, a
//!   data segment of at most 64 KiB; [`Module`] a program of segments, described
//!   by a [`Definition`], whose code is discarded and loaded again.
//! - [`Snapshot`] draws an arena, and one before beside one after.
//! - A block is named by a handle and reached through a guard: [`Locked`] borrows
//!   the heap, and while it lives the block stays. There is no other way to its
//!   bytes, so no safe program reads a block where it no longer lies.
//!
//! How the files share the work: `memory` has the bytes, and all of the module's
//! unsafe code; `space` the list of blocks in an arena or segment; `compact`
//! moves them; `room` allocates, and decides what to move and to discard; `global`
//! and `local` are what is called; `definition` and `module` programs; `picture`,
//! `text` and `svg` the drawings.
//!
//! Invariants:
//! - Nothing that is locked in any way, and no fixed block, changes its place.
//! - What a notification is asked about, nothing moves meanwhile.
//! - Records lie beside the arena: no program can write to them.
//!
//! It uses floor 1 only: pages for arena and records. No function allocates from
//! a heap. Windows' C names are not among this: `GlobalAlloc` and its kin behave
//! as on Windows NT wherever they exist under those names. The guide is
//! `docs/win16.md`.

#![deny(unsafe_code)]

mod compact;
mod definition;
mod error;
mod flags;
mod global;
mod local;
mod lock;
mod memory;
mod module;
mod picture;
mod room;
mod space;
mod svg;
mod text;

pub use definition::{
    Attributes, Definition, DefinitionError, DefinitionErrorKind, Load, SEGMENTS,
    SegmentDefinition, SegmentKind, Sharing,
};
pub use error::Error;
pub use flags::{BlockFlags, Flags};
pub use global::{GlobalHeap, HGlobal, Notify, Task};
pub use local::{HLocal, LocalHeap};
pub use lock::{Code, LocalLocked, Locked};
pub use module::{Image, ImageSegment, Instance, MemoryModel, Module, Running};
pub use picture::{Piece, PieceKind, Snapshot};
pub use space::Figures;

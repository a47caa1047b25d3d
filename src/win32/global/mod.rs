//! Global and local memory: Windows' GlobalAlloc and LocalAlloc, and
//! [`MoveableBlock`].
//!
//! Both are the process heap with a table of handles before it:
//!
//! ```text
//!   HGLOBAL, fixed ──────────────────────────> block of the process heap
//!
//!   HGLOBAL, moveable ─┐
//!                      v
//!   table   | word | data | word | data | ...   65,536 entries of 16 bytes
//!                      │
//!                      └──────────────────────> block of the process heap,
//!                                               its settable value: the handle
//! ```
//!
//! A moveable handle is the address of its entry's second word, so that
//! `*(void **)handle` is the data; bit 3 tells it from the address of a block. The
//! first word says what the handle is, and how often it is locked (entry.rs).
//!
//! - **Locking takes no lock.** GlobalLock and GlobalUnlock exchange the entry's
//!   word. A call that gives a handle another block marks the word meanwhile;
//!   who meets the mark waits for that call's lock.
//! - **Free entries are a list without a lock** (free_list.rs), linked through
//!   their first words. The table is reserved once and committed by the page.
//! - Whatever is no handle and no block is told from the table's bounds and from the
//!   heap, before it is touched.
//!
//! Invariants:
//! - An entry in use is one handle's; its data is a block of the process heap of
//!   exactly the size asked for, or null if it is empty.
//! - Global and local functions differ in nothing but what [`Face`] says.
//! - Lock order: the lock of calls that move, the table's, then the heap's.
//!
//! Wrong if alloc, lock, unlock and free of a moveable block take more than twice
//! the instructions of HeapAlloc and HeapFree, or if a handle is lost or handed
//! out twice.

mod block;
mod entry;
mod flags;
mod free_list;
mod handles;
mod names;
mod resize;
mod table;

pub use block::{LockedBlock, LockedBlockMut, MoveableBlock, MoveableError};
pub use flags::*;
pub use names::{
    GlobalAlloc, GlobalCompact, GlobalFix, GlobalFlags, GlobalFree, GlobalHandle, GlobalLock,
    GlobalReAlloc, GlobalSize, GlobalUnWire, GlobalUnfix, GlobalUnlock, GlobalWire, LocalAlloc,
    LocalCompact, LocalFlags, LocalFree, LocalHandle, LocalLock, LocalReAlloc, LocalShrink,
    LocalSize, LocalUnlock,
};

use super::constants::{ERROR_INVALID_HANDLE, ERROR_NOACCESS};
use super::failure::last_error_of;
use super::pages;
use super::types::DWORD;
use crate::heap::private::{Error, HeapRef};

/// Which of the two families a call is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Face {
    Global,
    Local,
}

/// Whether a number is a live handle, whose data lies at `address`.
pub(super) fn is_handle_of(handle: usize, address: usize) -> bool {
    handles::look(handle).is_ok_and(|(entry, _)| entry.data().addr() == address)
}

/// The process heap; the last error that says why there is none.
fn heap() -> Result<HeapRef, DWORD> {
    HeapRef::process().map_err(last_error_of)
}

/// The last error for an address that is no block.
#[cold]
fn no_block(face: Face, address: usize) -> DWORD {
    if face == Face::Local && address != 0 && !pages::is_readable(address, 1) {
        return ERROR_NOACCESS;
    }
    ERROR_INVALID_HANDLE
}

/// The last error for an address that was to be freed or resized.
#[cold]
fn bad_block(error: Error, address: usize) -> DWORD {
    match error {
        Error::NotABlock if !pages::is_readable(address, 1) => ERROR_NOACCESS,
        Error::NotABlock | Error::AlreadyFree | Error::OtherHeap => ERROR_INVALID_HANDLE,
        error => last_error_of(error),
    }
}

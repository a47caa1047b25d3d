//! The debug C runtime: blocks with a history, fences around them, and reports.
//!
//! ```text
//!   _malloc_dbg(10, _NORMAL_BLOCK, "a.c", 7)
//!        | number 1, hook                                    heap.rs
//!        v
//!   list: record {1, "a.c", 7, 10 bytes} -> record -> ...    list.rs, records.rs
//!        |
//!        v
//!   ... stamp header FD FD FD FD | CD x 10 | FD FD FD FD ... block.rs
//!   in a block of the runtime's heap
//! ```
//!
//! A [`DebugHeap`] lies on the heap of an instance of the C runtime. Each of its
//! blocks has a header in front, as Microsoft documents it, and fences on both
//! sides; new bytes are 0xCD, freed ones 0xDD. It knows who asked for a block,
//! and which is the newest, so that leaks are listed with file and line, and
//! states of the heap compared.
//!
//! Invariants:
//! - Nothing that stands in a block's surroundings is believed: records of their
//!   own, out of reach, say what is true, and damage is what differs from them.
//!   An overrun of any length is reported, never followed.
//! - One lock per debug heap, around its list and nothing else. Hooks, dumps and
//!   reports run with no lock held, and may allocate, free and report. A walk
//!   that they interrupt goes on from a request's number.
//! - Allocating and freeing take constant time, but for filling, and for checks
//!   of all blocks where flags ask for them.
//! - Nothing is allocated for a report: its text is made in a buffer of
//!   [`report::MESSAGE_MAX`] bytes.
//!
//! What a *release* `free` sees of a debug block: its address lies
//! [`block::OVERHEAD`] less a fence, so 64 bytes, inside a block of the
//! runtime's heap, and so is no block's. What a debug free sees of a release
//! block is that no debug block starts there: `_CrtIsValidHeapPointer` fails. Of
//! another debug heap's block on the same heap it sees nothing wrong, and does what
//! that heap would: with one heap for all runtimes the bug is hidden.
//!
//! ```
//! use ntheap::crt::debug::{DebugHeap, Origin, kind};
//!
//! let heap = DebugHeap::shared();
//! let before = heap.checkpoint();
//! let origin = Origin::new(c"example.rs", 7);
//! let block = heap.allocate(10, kind::NORMAL_BLOCK, origin);
//! let (difference, differs) = before.difference(&heap.checkpoint(), false);
//! assert!(differs);
//! assert_eq!(difference.counts[kind::NORMAL_BLOCK as usize], 1);
//! assert_eq!(difference.sizes[kind::NORMAL_BLOCK as usize], 10);
//! assert!(heap.check());
//! // SAFETY: nobody uses the block any more.
//! unsafe { heap.free(block, kind::NORMAL_BLOCK) };
//! assert!(!before.difference(&heap.checkpoint(), false).1);
//! ```

pub mod aligned;
pub mod block;
mod check;
mod dump;
pub mod format;
mod heap;
pub mod kind;
mod life;
mod list;
mod query;
mod records;
pub mod report;
mod resize;
mod state;
mod text;

pub use heap::{AllocHook, DebugHeap, DumpClient, Origin};
pub use life::{ask_for_leaks, will_ask_for_leaks};
pub use query::Known;
pub use state::State;

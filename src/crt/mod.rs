//! Floor 3: the C runtime above the heap.
//!
//! A C runtime has a heap of its own, and a program may have several runtimes:
//! each module that links one statically brings its own. A block that one of
//! them hands out and another one frees is the classic crash of Windows
//! programs. This floor has the runtimes, and says what went wrong.
//!
//! ```text
//!   program          plugin a           plugin b
//!     |                 |                  |
//!   Crt::shared()    Crt::private("a")  Crt::private("b")      instance.rs
//!     |                 |                  |
//!     |     private:    heap "a"           heap "b"            HeapCreate
//!     +---- shared:  one heap for all, "C runtime"
//!     +---- process: the process heap for all, as since Visual C++ 2012
//! ```
//!
//! [`Mode`] says which of the three holds, by the instance's maker or by
//! `NTHEAP_CRT` in the environment, which is stronger.
//!
//! Invariants:
//! - An instance's heap is made at its first use and stays the same. It is
//!   found, checked and reported on by the functions of `heap::private`; this
//!   floor keeps no record of blocks.
//! - Sizes are exact: what a block was asked for is what [`Crt::size_of`] says.
//! - Nothing here knows of last errors or Windows' types: errors are errno's,
//!   as the C runtime's pages say.
//! - A handler of the program's runs with no lock held.

mod aligned;
mod calls;
pub mod check;
pub mod debug;
pub mod errno;
mod first;
mod heap;
mod instance;
pub mod invalid;
mod leaks;
mod marks;
mod mode;
pub mod new_handler;
mod runtime;

pub use heap::CrtHeap;
pub use instance::{Crt, serve_malloc};
pub use mode::Mode;

/// `_HEAP_MAXREQ`: the largest size that can be asked for, in bytes ("malloc").
pub const MAX_REQUEST: usize = usize::MAX - 0x1f;

//! The Windows names from Rust: results, last errors, exceptions and pages, as
//! Windows' documentation and behaviour have them.
//!
//! What ends the process, or is about the whole process, runs in a process of
//! its own: this program again, with that one test.

#![cfg(all(unix, target_pointer_width = "64"))]

mod support;

#[path = "../clock/mod.rs"]
mod clock;
mod debug;
mod errors;
mod exceptions;
mod first_uses;
mod heap_exceptions;
mod heaps;
mod moveable;
mod native;
mod pages;
mod snapshots;
mod task_memory;
mod termination;
mod toolhelp;

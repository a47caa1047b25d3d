//! The process heap against the real system, from outside.
//!
//! The tests' own memory comes from the system's allocator; the heap is called
//! through its front ends (`Face`), so that every figure is about the blocks of
//! one test. What needs the process's figures, limits or environment for
//! itself runs in a process of its own (`isolated`): this program again, with
//! that one test.

#[path = "../../examples/threads/handover.rs"]
mod handover;
mod support;
mod workload;

mod blocks;
mod faults;
mod figures;
mod footprint;
mod foreign;
mod forks;
mod growth;
mod limits;
mod misuse;
mod options;
mod record;
mod room;
mod shrinking;
mod threads;

//! Every call into the system refused, at every position, in every operation: alone
//! and with all that follow, in a process that has done it before and in one that has
//! done nothing. What comes of it is the table in `docs/faults.md`.

#![cfg(target_os = "linux")]

mod answers;
mod heaps;
mod memory;
mod names;
mod pages;
mod rust;
mod scene;
mod sections;
mod system;
mod table;

//! The debug C runtime from Rust: its lists and figures against a model, each
//! damage, each hook, threads, forks, and a million blocks.
//!
//! What a report would end, or what is about the whole process, runs in a process
//! of its own: this program again, with that one test.

#![cfg(all(unix, target_pointer_width = "64"))]

#[path = "../clock/mod.rs"]
mod clock;
mod support;

mod aligned;
mod damage;
mod dumps;
mod faults;
mod flags;
mod hooks;
mod life;
mod million;
mod model;
mod neighbours;
mod reports;
mod resize;
mod threads;

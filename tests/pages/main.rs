//! Pages under load, under failure, across forks and among signals: what the
//! Windows names and `ntheap::vm` promise, held against models and against the
//! kernel's own list of mappings.

#![cfg(target_os = "linux")]

mod contents;
mod faults;
mod fork;
mod larger;
mod limits;
mod model;
mod physical;
mod placeholders;
mod refused;
mod reservation;
mod sections;
mod stacks;
mod support;
mod types;
mod views;
mod windows;

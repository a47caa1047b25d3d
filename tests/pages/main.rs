//! Pages under load, under failure, across forks and among signals: what the
//! Windows names and `ntheap::vm` promise, held against models and against the
//! kernel's own list of mappings. What Rust programs have of them runs on Windows too, and
//! under Wine as far as that goes.

#![cfg(any(target_os = "linux", windows))]

#[cfg(unix)]
mod contents;
#[cfg(unix)]
mod errors;
#[cfg(unix)]
mod faults;
#[cfg(unix)]
mod fork;
#[cfg(unix)]
mod larger;
#[cfg(unix)]
mod limits;
#[cfg(unix)]
mod model;
#[cfg(unix)]
mod physical;
mod placeholders;
#[cfg(unix)]
mod refused;
mod reservation;
#[cfg(unix)]
mod sections;
#[cfg(unix)]
mod stacks;
mod support;
mod types;
mod views;
mod windows;

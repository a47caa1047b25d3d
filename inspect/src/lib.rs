//! Reads the heaps of another process on ntheap: its blocks, and what is wrong.
//!
//! ```text
//!   Process (memory.rs) ---- copies of bytes ----+
//!   Held (held.rs): its threads, stopped         |
//!                                                v
//!   /proc/PID/maps (maps.rs) --> read.rs, area.rs --> Snapshot (model.rs)
//!                                                       |  ^
//!                                        write (file.rs)|  | (parse.rs)
//!                                                       v  |
//!                                                    a file
//!   Snapshot --> diff.rs: what grew      --> reach.rs: what nothing leads to
//!   Process  --> profile.rs: what a heap profile has noted
//! ```
//!
//! Invariants:
//! - What bytes mean is told by the library itself (`ntheap::outside`), for
//!   records of this build's layout alone.
//! - The other process is never written to, and no code of it runs. It may end or
//!   change at any moment: what was read is then partial, and says so.
//! - Neither a process nor a file is believed: a number that was read is checked
//!   before anything is as large as it says.

#![cfg(target_os = "linux")]

mod area;
pub mod diff;
mod elsewhere;
mod error;
pub mod file;
pub mod held;
mod held_pages;
mod kept;
pub mod maps;
pub mod memory;
pub mod model;
mod parse;
pub mod profile;
pub mod progress;
pub mod reach;
pub mod read;
#[cfg(test)]
mod tests;
mod traces;

pub use error::Error;
pub use model::Snapshot;
pub use read::Wanted;

use crate::held::Held;
use crate::memory::Process;
use crate::model::ProcessInfo;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads the heaps of process `pid`, and what is `wanted` of it; `held` are its threads if
/// they are stopped.
///
/// # Errors
/// When it is no process, not the caller's to look at, or has no heap that can be
/// read.
pub fn of_process(pid: i32, held: Option<&Held>, wanted: Wanted) -> Result<Snapshot, Error> {
    let process = Process::open(pid)?;
    let mappings = maps::of_process(pid)?;
    let options = read::Options {
        is_held: held.is_some(),
        wanted,
    };
    let found = read::heaps(&process, mappings, options);
    if process.is_gone() && found.is_err() {
        return Err(Error::NoProcess(pid));
    }
    let mut snapshot = found?;
    if process.is_gone() {
        snapshot
            .missing
            .push("the process ended while it was read".to_owned());
    }
    snapshot.process = info(pid);
    snapshot.process.was_held = held.is_some();
    snapshot.process.stack_pointers = match held {
        Some(held) => held.stack_pointers(),
        None => maps::stack_pointers(pid),
    };
    Ok(snapshot)
}

pub(crate) fn info(pid: i32) -> ProcessInfo {
    let program = fs::read_link(format!("/proc/{pid}/exe"));
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat);
    // The name in parentheses may have spaces in it.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let started = after.split_ascii_whitespace().nth(19);
    ProcessInfo {
        pid: u64::from(pid.unsigned_abs()),
        started: started.and_then(|ticks| ticks.parse().ok()).unwrap_or(0),
        program: program.map_or_else(
            |_| String::new(),
            |path| path.to_string_lossy().into_owned(),
        ),
        time: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        was_held: false,
        stack_pointers: Vec::new(),
    }
}

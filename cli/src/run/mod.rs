//! `ntheap run`: any dynamically linked program on ntheap, and a report.
//!
//! The program is found ([`program`]) and checked ([`elf`]) before it starts:
//! one that could not be preloaded is refused, since it would otherwise run,
//! without a word, on the allocator it always had. What cannot be known
//! before, the library itself says into a file ([`mailbox`], [`events`]).
//!
//! ```text
//!   library, program -> child (preloaded) -> mailbox -> events -> report
//!                                                    -> stops -/
//! ```

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod elf;
#[cfg(target_os = "linux")]
mod events;
#[cfg(target_os = "linux")]
mod failure;
#[cfg(target_os = "linux")]
mod library;
#[cfg(target_os = "linux")]
mod mailbox;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod start;
#[cfg(target_os = "linux")]
mod stops;

#[cfg(target_os = "linux")]
pub(crate) use start::main;

// Other commands find programs and the library in the same way.
#[cfg(target_os = "linux")]
pub(crate) use library::{find as find_library, preloadable};
#[cfg(target_os = "linux")]
pub(crate) use program::find as find_program;

// `trace` runs programs in the same way.
#[cfg(target_os = "linux")]
pub(crate) use child::{Status, Surroundings, run as run_child};
#[cfg(target_os = "linux")]
pub(crate) use failure::{Failure, INTERNAL, NO_LIBRARY};
#[cfg(target_os = "linux")]
pub(crate) use mailbox::Mailbox;
#[cfg(target_os = "linux")]
pub(crate) use start::judge_events;

/// Preloading as it is done here is the Linux loader's.
#[cfg(not(target_os = "linux"))]
pub(crate) fn main(_: &crate::args::Run) -> std::process::ExitCode {
    eprintln!("ntheap: `ntheap run` works on Linux only");
    std::process::ExitCode::from(120)
}

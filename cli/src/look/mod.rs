//! The commands that look at a process from outside, or at a snapshot of one.
//!
//! ```text
//!   PID  --> ntheap_inspect --+
//!                             +--> Snapshot --> walk, validate, diff, leaks, map, top
//!   FILE <--> snapshot -------+
//! ```
//!
//! Each command is a module that takes its arguments and returns an exit status;
//! answers go to standard output, what is missing from them to standard error.

pub(crate) mod args;
mod at_end;
mod diff;
mod figures;
pub(crate) mod help;
mod leaks;
mod map;
mod output;
mod progress;
mod snapshot;
mod source;
pub(crate) mod timeline;
mod top;
mod validate;
mod walk;

use source::Failure;
use std::io::{self, Write};
use std::process::ExitCode;

/// One of the commands.
pub(crate) enum Command<'a> {
    Diff(&'a args::Diff),
    Leaks(&'a args::Leaks),
    Map(&'a args::Map),
    Snapshot(&'a args::Snapshot),
    Top(&'a args::Top),
    Validate(&'a args::Validate),
    Walk(&'a args::Walk),
}

/// Runs a command; its exit status is told by its manual.
pub(crate) fn main(command: &Command<'_>) -> ExitCode {
    let done = match command {
        Command::Diff(options) => diff::run(options),
        Command::Leaks(options) => leaks::run(options),
        Command::Map(options) => map::run(options),
        Command::Snapshot(options) => snapshot::run(options),
        Command::Top(options) => top::run(options),
        Command::Validate(options) => validate::run(options),
        Command::Walk(options) => walk::run(options),
    };
    ExitCode::from(done.unwrap_or_else(|Failure { code, message }| {
        // Nobody is left to tell if standard error is gone.
        let _ = writeln!(io::stderr(), "ntheap: {message}");
        code
    }))
}

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
pub(crate) mod at_end;
mod diff;
mod figures;
pub(crate) mod help;
mod leaks;
mod map;
pub(crate) mod output;
pub(crate) mod progress;
mod snapshot;
pub(crate) mod source;
pub(crate) mod timeline;
mod top;
mod validate;
mod walk;

pub(crate) use source::Failure;
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

impl Command<'_> {
    /// How it tells its progress; the one that draws the whole screen does not.
    fn telling(&self) -> Option<&args::Telling> {
        match self {
            Command::Diff(options) => Some(&options.telling),
            Command::Leaks(options) => Some(&options.telling),
            Command::Map(options) => Some(&options.telling),
            Command::Snapshot(options) => Some(&options.telling),
            Command::Top(_) => None,
            Command::Validate(options) => Some(&options.telling),
            Command::Walk(options) => Some(&options.telling),
        }
    }
}

/// Runs a command; its exit status is told by its manual.
pub(crate) fn main(command: &Command<'_>) -> ExitCode {
    if let Some(telling) = command.telling() {
        telling.begin();
    }
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

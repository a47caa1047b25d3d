//! `ntheap run` from its arguments to its exit status.

use super::child::{self, Ended, Status, Surroundings};
use super::events::{Events, Process};
use super::failure::{Failure, INTERNAL, NOT_LOADED, OWN_MALLOC};
use super::mailbox::Mailbox;
use super::report::{self, Facts};
use super::{library, program};
use crate::args::Run;
use crate::format;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

/// Runs the program and reports; the program's exit status, or one of
/// [`super::failure`].
pub(crate) fn main(options: &Run) -> ExitCode {
    let code = run(options).unwrap_or_else(|failure| {
        complain(options, &failure);
        failure.code
    });
    ExitCode::from(code)
}

fn run(options: &Run) -> Result<u8, Failure> {
    let library = library::find()?;
    let program = program::find(&options.command[0])?;
    let mailbox = Mailbox::new()?;
    let surroundings = Surroundings {
        libraries: &[&library],
        report: mailbox.path(),
        trace: None,
        count: !options.no_count,
    };
    let ended = child::run(&program, &options.command, &surroundings)?;
    let events = Events::read(&mailbox.read()?);
    let process = judge(events.process(ended.pid), &ended, &options.command)?;
    let facts = Facts {
        command: &options.command,
        ended: &ended,
        process,
        events: &events,
        counted: !options.no_count,
    };
    write(options, &facts)?;
    Ok(match ended.status {
        Status::Exited(code) => code,
        // Signals are numbered from 1 to 64.
        Status::Killed(signal) => 128 + signal as u8,
    })
}

/// Whether the program was on ntheap, by the library's own word.
fn judge<'a>(
    process: Option<&'a Process>,
    ended: &Ended,
    command: &[OsString],
) -> Result<&'a Process, Failure> {
    let name = command[0].display();
    match process {
        Some(Process {
            other_malloc: Some(object),
            ..
        }) => Err(Failure::new(
            OWN_MALLOC,
            format!(
                "{name} has an allocator of its own, in {object}, which comes before a preloaded \
                 one; it was ended before it began. Build it without that allocator, or on the \
                 crate ntheap."
            ),
        )),
        Some(process) if process.loaded => Ok(process),
        _ => {
            let how = match ended.status {
                Status::Exited(code) => format!("exited with {code}"),
                Status::Killed(signal) => format!("was killed by {}", report::signal_name(signal)),
            };
            Err(Failure::new(
                NOT_LOADED,
                format!(
                    "{name} {how}, but libntheap.so was never loaded into it, and it ran on its \
                     usual allocator if at all. Its loader may be another C library's (musl), or \
                     have refused the library: what it printed says why."
                ),
            ))
        }
    }
}

/// [`judge`] for who does not report on memory.
pub(crate) fn judge_events(
    mailbox: &Mailbox,
    ended: &Ended,
    command: &[OsString],
) -> Result<(), Failure> {
    let events = Events::read(&mailbox.read()?);
    judge(events.process(ended.pid), ended, command).map(|_| ())
}

fn write(options: &Run, facts: &Facts) -> Result<(), Failure> {
    let to_terminal = options.output.is_none() && format::colours(&io::stderr());
    let text = if options.answer.is_json() {
        report::json(facts)
    } else {
        report::text(facts, to_terminal)
    };
    match &options.output {
        Some(file) => fs::write(file, text).map_err(|e| {
            Failure::new(
                INTERNAL,
                format!("cannot write the report to {}: {e}", file.display()),
            )
        }),
        None => {
            // Nobody is left to tell if standard error is gone.
            let _ = io::stderr().write_all(text.as_bytes());
            Ok(())
        }
    }
}

/// Says what went wrong, on standard error, as JSON where the report would
/// have been.
fn complain(options: &Run, failure: &Failure) {
    let text = if options.answer.is_json() && options.output.is_none() {
        let value = serde_json::json!({ "error": failure.message, "code": failure.code });
        format!("{value}\n")
    } else {
        format!("ntheap: {}\n", failure.message)
    };
    // Nobody is left to tell if standard error is gone.
    let _ = io::stderr().write_all(text.as_bytes());
}

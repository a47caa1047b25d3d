//! `ntheap run` from its arguments to its exit status.

use super::child::{self, Ended, Status, Surroundings};
use super::events::{Events, Process};
use super::failure::{Failure, INTERNAL, NOT_LOADED, OWN_MALLOC};
use super::mailbox::Mailbox;
use super::report::{self, Facts};
use super::{library, program, stops};
use crate::args::Run;
use crate::format;
use crate::look::timeline;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

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
    let copies = mailbox.stops();
    let run = |started: Option<&dyn Fn(i32)>| {
        let surroundings = Surroundings {
            libraries: &[&library],
            report: mailbox.path(),
            stops: Some(&copies),
            trace: None,
            count: !options.no_count,
            started,
        };
        child::run(&program, &options.command, &surroundings)
    };
    let (ended, drawn) = match &options.timeline {
        None => (run(None)?, Ok(())),
        Some(file) => run_and_draw(options, file, run)?,
    };
    let events = Events::read(&mailbox.read()?);
    let process = judge(events.process(ended.pid), &ended, &options.command)?;
    let facts = Facts {
        command: &options.command,
        ended: &ended,
        process,
        events: &events,
        counted: !options.no_count,
    };
    write(options, &facts, &mut stops::read(&copies))?;
    // What was measured is told whatever became of the picture.
    drawn?;
    Ok(match ended.status {
        Status::Exited(code) => code,
        // Signals are numbered from 1 to 64.
        Status::Killed(signal) => 128 + signal as u8,
    })
}

/// Runs the program, and draws its memory over time: how it ended, and whether the picture
/// is there.
fn run_and_draw(
    options: &Run,
    file: &Path,
    run: impl FnOnce(Option<&dyn Fn(i32)>) -> Result<Ended, Failure>,
) -> Result<(Ended, Result<(), Failure>), Failure> {
    // Whether the file can be written is known before the program runs.
    let unwritable = |e: io::Error| {
        let file = file.display();
        Failure::new(
            INTERNAL,
            format!("cannot write the time line to {file}: {e}"),
        )
    };
    fs::write(file, "").map_err(unwritable)?;
    let (told, number) = mpsc::channel();
    let (over, is_over) = mpsc::channel();
    let (ended, points) = thread::scope(|scope| {
        let recorder = scope.spawn(move || match number.recv() {
            Ok(pid) => timeline::record(pid, &is_over),
            Err(_) => Vec::new(),
        });
        let ended = run(Some(&|pid| {
            // A recorder that is gone draws nothing.
            let _ = told.send(pid);
        }));
        drop((told, over));
        (ended, recorder.join().unwrap_or_default())
    });
    let ended = ended?;
    let program = Path::new(&options.command[0]).file_name();
    let program = program.unwrap_or_default().to_string_lossy();
    let is_page = file.extension().is_none_or(|ending| ending != "svg");
    let picture = timeline::picture(&program, &points, is_page);
    let drawn = fs::write(file, picture).map_err(unwritable);
    Ok((ended, drawn))
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

fn write(options: &Run, facts: &Facts, stops: &mut [stops::Stop]) -> Result<(), Failure> {
    let to_terminal = options.output.is_none() && format::colours(&io::stderr());
    let text = if options.answer.is_json() {
        report::json(facts, stops::json(stops))
    } else {
        stops::text(stops) + &report::text(facts, to_terminal)
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

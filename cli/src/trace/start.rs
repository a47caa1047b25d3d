//! `ntheap trace` from its arguments to its exit status.

use super::events::{Event, Lines};
use super::show;
use super::tree::{Call, Forest, Thread, outermost};
use crate::args::Trace;
use crate::run::{Failure, INTERNAL, Mailbox, NO_LIBRARY, Status, Surroundings};
use crate::run::{find_library, find_program, judge_events, preloadable, run_child};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The library that sees what the program calls.
const NAME: &str = "libntheap_trace.so";

/// Runs the program and shows its calls; the program's exit status, or one of
/// `ntheap run`'s.
pub(crate) fn main(options: &Trace) -> ExitCode {
    let code = run(options).unwrap_or_else(|failure| {
        // Nobody is left to tell if standard error is gone.
        let _ = writeln!(io::stderr(), "ntheap: {}", failure.message);
        failure.code
    });
    ExitCode::from(code)
}

fn run(options: &Trace) -> Result<u8, Failure> {
    let library = find_library()?;
    let trace = beside(&library)?;
    let program = find_program(&options.command[0])?;
    let report = Mailbox::new()?;
    let calls = Mailbox::new()?;
    let to: Box<dyn Write + Send> = match &options.output {
        Some(path) => Box::new(File::create(path).map_err(|e| {
            Failure::new(INTERNAL, format!("cannot write to {}: {e}", path.display()))
        })?),
        None => Box::new(io::stderr()),
    };
    let file = File::open(calls.path())
        .map_err(|e| Failure::new(INTERNAL, format!("cannot read the calls: {e}")))?;
    let mut printer = Printer::new(options, to);
    let over = AtomicBool::new(false);

    let ended = thread::scope(|scope| {
        let reader = scope.spawn(|| follow(file, &over, &mut printer));
        let surroundings = Surroundings {
            libraries: &[&trace, &library],
            report: report.path(),
            stops: None,
            trace: Some(calls.path()),
            count: false,
            started: None,
        };
        let ended = run_child(&program, &options.command, &surroundings);
        over.store(true, Ordering::Release);
        let read = reader.join().unwrap_or(Ok(()));
        read.map_err(|e| Failure::new(INTERNAL, format!("cannot show the calls: {e}")))?;
        ended
    })?;
    judge_events(&report, &ended, &options.command)?;
    Ok(match ended.status {
        Status::Exited(code) => code,
        // Signals are numbered from 1 to 64.
        Status::Killed(signal) => 128 + signal as u8,
    })
}

/// The other library's place: beside libntheap.so.
fn beside(library: &Path) -> Result<PathBuf, Failure> {
    let path = library.with_file_name(NAME);
    if path.is_file() {
        return preloadable(path);
    }
    Err(Failure::new(
        NO_LIBRARY,
        format!(
            "{NAME} was not found beside {}.\n\
             Build it, in the folder of ntheap's sources, with\n  \
             cargo build --release --workspace",
            library.display()
        ),
    ))
}

/// Reads what is written to `file` until `over`, and all that is there then.
fn follow(mut file: File, over: &AtomicBool, printer: &mut Printer<'_>) -> io::Result<()> {
    let mut lines = Lines::default();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let last = over.load(Ordering::Acquire);
        loop {
            let count = file.read(&mut piece)?;
            if count == 0 {
                break;
            }
            let mut result = Ok(());
            lines.take(&piece[..count], &mut |line| {
                if let Some(event) = Event::read(line)
                    && result.is_ok()
                {
                    result = printer.take(event);
                }
            });
            result?;
        }
        if last {
            return printer.end();
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Puts calls together and writes those that are wanted.
struct Printer<'a> {
    options: &'a Trace,
    to: Box<dyn Write + Send>,
    forest: Forest,
    threads: BTreeSet<Thread>,
    /// Calls that may still be shown.
    left: u64,
}

impl<'a> Printer<'a> {
    fn new(options: &'a Trace, to: Box<dyn Write + Send>) -> Printer<'a> {
        Printer {
            options,
            to,
            forest: Forest::default(),
            threads: BTreeSet::new(),
            left: options.first.unwrap_or(u64::MAX),
        }
    }

    fn take(&mut self, event: Event) -> io::Result<()> {
        match self.forest.take(event) {
            Some((thread, call)) => self.show(thread, &call),
            None => Ok(()),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        let forest = std::mem::take(&mut self.forest);
        for (thread, call) in forest.left() {
            self.show(thread, &call)?;
        }
        self.to.flush()
    }

    fn show(&mut self, thread: Thread, call: &Call) -> io::Result<()> {
        let wanted = |call: &Call| {
            let names = &self.options.call;
            names.is_empty() || names.iter().any(|name| is_called(&call.name, name))
        };
        let mut found = Vec::new();
        outermost(call, &wanted, &mut |call| found.push(call));
        for call in found {
            if self.left == 0 {
                return Ok(());
            }
            self.left -= 1;
            self.threads.insert(thread);
            if self.options.answer.is_json() {
                writeln!(self.to, "{}", show::json(thread, call))?;
            } else {
                let text = show::text(thread, self.threads.len() > 1, call);
                self.to.write_all(text.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Whether a call is meant by `name`: its own, `new` and `delete` with or
/// without `operator`.
fn is_called(call: &str, name: &str) -> bool {
    call == name || call.strip_prefix("operator ") == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_called_by_their_short_names() {
        assert!(is_called("operator new", "new"));
        assert!(is_called("operator new", "operator new"));
        assert!(is_called("operator new[]", "new[]"));
        assert!(!is_called("operator new[]", "new"));
        assert!(is_called("HeapAlloc", "HeapAlloc"));
    }
}

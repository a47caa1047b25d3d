//! What is looked at: a process, or a snapshot's file.

use super::progress::Doing;
use ntheap_inspect::held::Held;
use ntheap_inspect::{Error, Snapshot, Wanted, file};
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Something was found that was looked for: damage, a leak.
pub(crate) const FOUND: u8 = 1;
/// The command line was wrong.
pub(crate) const USAGE: u8 = 2;
/// The answer is partial.
pub(crate) const PARTIAL: u8 = 3;
/// The process cannot be read.
pub(crate) const PROCESS: u8 = 4;
/// A file cannot be read or written.
pub(crate) const FILE: u8 = 5;

/// Why there is no answer, and the exit status that says so.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Failure {
        Failure {
            code,
            message: message.into(),
        }
    }
}

/// A file that cannot be written.
pub(crate) fn unwritable(path: &std::path::Path, why: &io::Error) -> Failure {
    Failure::new(FILE, format!("cannot write {}: {why}", path.display()))
}

/// A process or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Process(i32),
    File(PathBuf),
}

impl Source {
    /// What a user wrote: a number is a process's.
    pub(crate) fn of(text: &OsStr) -> Source {
        let number = text.to_str().and_then(|text| text.parse().ok());
        match number {
            Some(pid) if pid > 0 => Source::Process(pid),
            _ => Source::File(text.into()),
        }
    }

    /// Reads it; a process is held meanwhile if `stops`.
    pub(crate) fn read(&self, stops: bool) -> Result<Snapshot, Failure> {
        let _doing = Doing::begin(format!("reading {self}"));
        match self {
            Source::Process(pid) => process(*pid, stops, Wanted::Stacks),
            Source::File(path) => file::read(path).map_err(|why| {
                let place = path.display();
                Failure::new(FILE, format!("cannot read {place}: {why}"))
            }),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Process(pid) => write!(f, "process {pid}"),
            Source::File(path) => path.display().fmt(f),
        }
    }
}

/// Reads a process, and what is wanted of it.
pub(crate) fn process(pid: i32, stops: bool, wanted: Wanted) -> Result<Snapshot, Failure> {
    let held = if stops {
        Some(Held::stop(pid).map_err(|why| unreadable(pid, &why))?)
    } else {
        None
    };
    ntheap_inspect::of_process(pid, held.as_ref(), wanted).map_err(|why| unreadable(pid, &why))
}

/// A process that cannot be read.
pub(crate) fn unreadable(pid: i32, why: &Error) -> Failure {
    let message = match why {
        Error::NoProcess(_) | Error::NotOurs(_) | Error::NotStopped(..) => why.to_string(),
        _ => format!("process {pid} cannot be read: {why}"),
    };
    Failure::new(PROCESS, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_process() {
        assert_eq!(Source::of(OsStr::new("12")), Source::Process(12));
        for file in ["./12", "12.heap", "-12", "0", "", "12 "] {
            assert_eq!(
                Source::of(OsStr::new(file)),
                Source::File(file.into()),
                "{file}"
            );
        }
    }
}

//! How often a program calls the system for memory, and to wait.
//!
//! strace counts, in a run that is not timed.

use super::child::{self, Failure, last_line};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What is traced; all but the last are calls for memory.
const TRACED: &str = "mmap,munmap,mremap,madvise,mprotect,brk,futex";
const WAITING: &str = "futex";

/// Calls of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Calls {
    /// Calls for memory, by name.
    pub(crate) memory: BTreeMap<String, u64>,
    /// Calls that wait for another thread, or wake one.
    pub(crate) futex: u64,
}

impl Calls {
    pub(crate) fn memory_total(&self) -> u64 {
        self.memory.values().sum()
    }
}

/// strace, or why there are no counts.
#[derive(Clone, Debug)]
pub(crate) struct Tracer(Result<Vec<OsString>, String>);

impl Tracer {
    /// Tries strace on a program that does nothing.
    pub(crate) fn find() -> Self {
        // Stopping a program at the traced calls only is much faster, but
        // older straces and some kernels cannot.
        let fast = Tracer::words(&["--seccomp-bpf"]);
        let slow = Tracer::words(&[]);
        let mut why = String::new();
        for words in [fast, slow] {
            match try_out(&words) {
                Ok(()) => return Tracer(Ok(words)),
                Err(e) => why = e,
            }
        }
        Tracer(Err(why))
    }

    fn words(extra: &[&str]) -> Vec<OsString> {
        let fixed = ["strace", "-f", "-c", "-qq", "-e", TRACED];
        fixed.iter().chain(extra).map(OsString::from).collect()
    }

    /// Why nothing is counted, if so.
    pub(crate) fn missing(&self) -> Option<&str> {
        self.0.as_ref().err().map(String::as_str)
    }

    /// The words that go before a command so that its calls are counted into
    /// `file`.
    pub(crate) fn prefix(&self, file: &Path) -> Option<Vec<OsString>> {
        let mut words = self.0.as_ref().ok()?.clone();
        words.push("-o".into());
        words.push(file.into());
        Some(words)
    }
}

fn try_out(words: &[OsString]) -> Result<(), String> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(["-o", "/dev/null", "true"]);
    match child::run(&mut command, None, Duration::from_secs(10)) {
        Ok(_) => Ok(()),
        Err(failure) if failure.short == "cannot start" => {
            Err("strace is not installed".to_owned())
        }
        Err(failure) => Err(format!(
            "strace does not work here ({}: {})",
            failure.short, failure.detail
        )),
    }
}

/// Reads strace's table.
pub(crate) fn read(file: &Path) -> Result<Calls, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|e| Failure::new("not counted", format!("{}: {e}", file.display())))?;
    parse(&text).ok_or_else(|| Failure::new("not counted", last_line(&text)))
}

/// Columns: share, seconds, µs a call, calls, errors or nothing, name. A
/// program that made none of the calls leaves no table.
fn parse(text: &str) -> Option<Calls> {
    let mut calls = Calls::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_row = words.len() >= 5 && words[0].starts_with(|c: char| c.is_ascii_digit());
        let name = *words.last().unwrap_or(&"");
        if !is_row || name == "total" {
            continue;
        }
        let count: u64 = words[3].parse().ok()?;
        if name == WAITING {
            calls.futex += count;
        } else {
            *calls.memory.entry(name.to_owned()).or_default() += count;
        }
    }
    Some(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn straces_table_is_read() {
        let text = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 76.54    0.000558           2       251           madvise
  7.13    0.000052           3        17           mmap
  4.25    0.000031           7         4         4 futex
------ ----------- ----------- --------- --------- ----------------
100.00    0.000729           2       272         4 total
";
        let calls = parse(text).expect("a table");
        assert_eq!((calls.memory_total(), calls.futex), (268, 4));
        assert_eq!(calls.memory["madvise"], 251);
        assert_eq!(parse(""), Some(Calls::default()));
        assert_eq!(parse("1.0 2 3 many mmap"), None);
    }
}

//! Real programs with the library preloaded: what they write is what they
//! write on the system's malloc, and their memory is ours.
//!
//! Each program runs three times in a folder of its own: on the system's
//! malloc, preloaded, and preloaded while every allocation is counted. From
//! what the library notes down at each process's end follows how much of the
//! process's memory came from elsewhere: `foreign_bytes` is what the C
//! library's own malloc holds by then. Memory that a program maps by itself
//! (Python's arenas, V8's heap) is no malloc's, and not counted.

#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod compilers;
mod flagged;
mod page_heap;
mod redis;
mod scripts;

use common::{Ended, command, find, folder, preloaded, run, skip, text};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// One of the three runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    System,
    Preloaded,
    Counted,
}

/// Where the library notes down what it knows, in a run's folder.
const NOTES: &str = "ntheap-notes";

/// A program and how it is tried.
struct Trial<'a> {
    name: &'a str,
    program: PathBuf,
    arguments: &'a [&'a str],
    environment: &'a [(&'a str, &'a str)],
    /// Files it finds in its folder.
    input: &'a [(&'a str, &'a str)],
    /// Files it writes that must be the same in every run.
    output: &'a [&'a str],
    /// Processes that must at least have told how they ended.
    processes: usize,
}

/// A run's folder, the program's end and the notes taken.
struct Run {
    folder: PathBuf,
    ended: Ended,
    notes: Vec<Value>,
}

impl Run {
    fn of(&self, event: &str) -> impl Iterator<Item = &Value> {
        self.notes
            .iter()
            .filter(move |note| note["event"] == *event)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Of a test that fails everything is kept.
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The program's path, or `None` and a line that it is not tried.
fn installed(name: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        skip(&format!("{name} on ntheap"), "not installed");
    }
    found
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

/// Bytes of all the blocks allocated from size classes, large blocks left
/// out, in a process that counted them.
fn bytes_allocated(exit: &Value) -> u64 {
    let buckets = exit["stats"]["buckets"].as_array().expect("buckets");
    buckets
        .iter()
        .map(|bucket| number(&bucket["size"]) * number(&bucket["allocations"]))
        .sum()
}

impl Trial<'_> {
    fn run(&self, mode: Mode) -> Run {
        let folder = folder(self.name);
        for (name, contents) in self.input {
            fs::write(folder.join(name), contents).expect("written");
        }
        let notes = folder.join(NOTES);
        let mut command = match mode {
            Mode::System => command(&self.program),
            Mode::Preloaded | Mode::Counted => preloaded(&self.program),
        };
        if mode != Mode::System {
            command.env("NTHEAP_RUN_REPORT", &notes);
        }
        if mode == Mode::Counted {
            command.env("NTHEAP_COUNT", "1");
        }
        steady(&mut command, &folder);
        command.args(self.arguments);
        let ended = run(command.envs(self.environment.iter().copied()));
        let notes = fs::read_to_string(notes).unwrap_or_default();
        let notes = notes
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")))
            .collect();
        Run {
            folder,
            ended,
            notes,
        }
    }

    /// Runs it in all three ways and compares. Gives the preloaded run.
    fn check(&self) -> Run {
        let system = self.run(Mode::System);
        assert!(
            system.ended.status.success(),
            "{} fails without ntheap: {}\n{}",
            self.name,
            system.ended.status,
            text(&system.ended.stderr)
        );
        let ours = self.run(Mode::Preloaded);
        self.same(&system, &ours);
        self.is_ours(&ours, Mode::Preloaded);
        let counted = self.run(Mode::Counted);
        self.same(&system, &counted);
        self.is_ours(&counted, Mode::Counted);
        ours
    }

    fn same(&self, system: &Run, ours: &Run) {
        let name = self.name;
        let stderr = [&system.ended, &ours.ended].map(|ended| text(&ended.stderr));
        assert_eq!(system.ended.status, ours.ended.status, "{name}\n{stderr:?}");
        assert_eq!(
            text(&system.ended.stdout),
            text(&ours.ended.stdout),
            "{name}"
        );
        assert_eq!(stderr[0], stderr[1], "{name}");
        for file in self.output {
            let [theirs, ours] = [system, ours].map(|run| {
                let path = run.folder.join(file);
                fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
            });
            assert!(!theirs.is_empty(), "{name}: {file} is empty");
            assert!(theirs == ours, "{name}: {file} differs");
        }
    }

    /// At least 99 of 100 bytes of every process came from us.
    fn is_ours(&self, run: &Run, mode: Mode) {
        let name = self.name;
        for loaded in run.of("loaded") {
            assert_eq!(loaded["malloc"], "ours", "{name}: {loaded}");
        }
        assert!(
            run.of("exit").count() >= self.processes,
            "{name}: {} processes, {} expected",
            run.of("exit").count(),
            self.processes
        );
        assert!(
            run.of("exit").any(|exit| exit["pid"] == run.ended.pid),
            "{name}: the first process did not tell how it ended"
        );
        for exit in run.of("exit") {
            let foreign = number(&exit["foreign_bytes"]);
            let ours = match mode {
                // What the heap had at the end is less than it ever had.
                Mode::System | Mode::Preloaded => number(&exit["stats"]["committed"]),
                Mode::Counted => {
                    assert!(number(&exit["allocations"]) > 0, "{name}: {exit}");
                    bytes_allocated(exit)
                }
            };
            assert!(ours > 0, "{name}: {exit}");
            assert!(
                foreign * 99 <= ours,
                "{name}: {foreign} of {ours} bytes: {exit}"
            );
        }
    }
}

/// What would make two runs differ is taken from the environment.
fn steady(command: &mut Command, folder: &Path) {
    command
        .current_dir(folder)
        .env("HOME", folder)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("TMPDIR", folder)
        .env("PYTHONHASHSEED", "0")
        .env("PERL_HASH_SEED", "0")
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .env_remove("BASH_ENV");
}

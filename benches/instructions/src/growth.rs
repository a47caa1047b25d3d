//! How cost grows: with live blocks, with threads, with size.
//!
//! Both programs, `loops/src/bin/growth.rs` on `NtHeap` and `c/growth.c` on
//! any malloc, take turns over a table of live blocks. Under callgrind the
//! turns are counted, less the same turns with functions that do nothing; on
//! their own the programs measure time and memory.

use crate::callgrind::{Callgrind, Library};
use crate::programs;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// What the two functions that do nothing execute: a move and a return, and a
/// return.
const EMPTY_FUNCTIONS: f64 = 3.0;

/// What a turn does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Allocates a block and frees it, beside the live ones.
    Pair,
    /// Frees a random block of the thread's own and allocates another.
    Replace,
    /// Allocates a block in the place of a random one of any thread, and
    /// frees that.
    Exchange,
}

impl Turn {
    /// What the programs call it.
    pub fn name(self) -> &'static str {
        match self {
            Turn::Pair => "pair",
            Turn::Replace => "replace",
            Turn::Exchange => "exchange",
        }
    }

    fn of_nothing(self) -> &'static str {
        match self {
            Turn::Pair => "no_pair",
            Turn::Replace => "no_replace",
            Turn::Exchange => "no_exchange",
        }
    }
}

/// What is written to each block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// Nothing.
    None,
    /// Its first word.
    First,
    /// All of it.
    All,
}

/// A load. Sizes are log-uniform from `min` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What a turn does.
    pub turn: Turn,
    /// Live blocks of each thread.
    pub live: usize,
    /// Bytes of the smallest block, at least 8.
    pub min: usize,
    /// Bytes of the largest block.
    pub max: usize,
    /// Threads.
    pub threads: usize,
    /// Turns of each thread: twice as many are measured. As many or one for
    /// each live block, whichever is more, go before.
    pub turns: usize,
    /// What is written to a block.
    pub touch: Touch,
}

impl Shape {
    fn arguments(&self, name: &str) -> [String; 7] {
        let touch = match self.touch {
            Touch::None => "none",
            Touch::First => "first",
            Touch::All => "all",
        };
        [
            name.to_owned(),
            self.live.to_string(),
            self.min.to_string(),
            self.max.to_string(),
            self.threads.to_string(),
            self.turns.to_string(),
            touch.to_owned(),
        ]
    }
}

/// Which program, and on which allocator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The Rust program, on `NtHeap`.
    Rust,
    /// The C program, on any malloc.
    C(Library),
}

impl Program {
    /// What tables call it.
    pub fn name(&self) -> String {
        match self {
            Program::Rust => "NtHeap".to_owned(),
            Program::C(library) => library.name.clone(),
        }
    }
}

/// What a run on its own measured.
#[derive(Clone, Debug, Deserialize)]
pub struct Measured {
    /// Turns that the times are of, of all threads together.
    pub operations: usize,
    /// Time from the first turn's start to the last one's end.
    pub seconds: f64,
    /// User and system time of all threads in them.
    pub cpu_seconds: f64,
    /// Most bytes of memory that the process ever had.
    pub peak_rss: usize,
    /// When the live blocks had been allocated.
    pub filled: Memory,
    /// After all turns.
    pub replaced: Memory,
}

/// What the live blocks take, in bytes.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Memory {
    /// Sum of the sizes asked for.
    pub requested: usize,
    /// Memory of the process above what it had before the first block.
    pub rss: usize,
    /// The statistics' figures, which count pages never touched too; 0 in C.
    #[serde(default)]
    pub active: usize,
    /// See `active`.
    #[serde(default)]
    pub metadata: usize,
    /// See `active`.
    #[serde(default)]
    pub retained: usize,
}

impl Memory {
    /// Bytes accounted for beyond those requested, as a part of them:
    /// metadata, what sizes are rounded up by, free blocks, free pages kept.
    pub fn overhead(&self) -> f64 {
        let held = self.active + self.metadata + self.retained;
        held as f64 / self.requested as f64 - 1.0
    }

    /// Resident bytes beyond those requested, as a part of them.
    pub fn resident_overhead(&self) -> f64 {
        self.rss as f64 / self.requested as f64 - 1.0
    }
}

/// The programs, built and ready.
#[derive(Debug)]
pub struct Growth {
    ntheap: Library,
    c: PathBuf,
    rust: PathBuf,
    callgrind: Callgrind,
    /// What a turn of nothing takes, in Rust and in C.
    nothing: Mutex<HashMap<(&'static str, bool), f64>>,
}

impl Growth {
    /// Builds the programs and libntheap.so, optimised, into the folder
    /// `target`. An error in words names the program that failed or is
    /// missing.
    pub fn prepare(target: &Path) -> Result<Growth, String> {
        let built = programs::build(target)?;
        Ok(Growth {
            c: built.folder.join("growth"),
            rust: built.release.join("ntheap-loop-growth"),
            ntheap: built.ntheap,
            callgrind: Callgrind {
                folder: built.folder,
            },
            nothing: Mutex::default(),
        })
    }

    /// The C program on libntheap.so.
    pub fn c_ntheap(&self) -> Program {
        Program::C(self.ntheap.clone())
    }

    fn path<'a>(&'a self, program: &'a Program) -> (&'a Path, Library) {
        match program {
            Program::Rust => (&self.rust, Library::system()),
            Program::C(library) => (&self.c, library.clone()),
        }
    }

    /// Instructions of one turn, of all threads together and divided by the
    /// number of their turns.
    pub fn instructions(&self, program: &Program, shape: &Shape) -> Result<f64, String> {
        let key = (shape.turn.of_nothing(), *program == Program::Rust);
        let known = self.nothing().get(&key).copied();
        let nothing = match known {
            Some(nothing) => nothing,
            None => {
                // It depends on neither blocks, threads nor malloc.
                let small = Shape {
                    live: 100,
                    threads: 1,
                    turns: 10_000,
                    ..*shape
                };
                let program = match program {
                    Program::Rust => Program::Rust,
                    Program::C(_) => Program::C(Library::system()),
                };
                let nothing = self.turn(&program, &small, small.turn.of_nothing())?;
                self.nothing().insert(key, nothing);
                nothing
            }
        };
        Ok(self.turn(program, shape, shape.turn.name())? - nothing + EMPTY_FUNCTIONS)
    }

    fn turn(&self, program: &Program, shape: &Shape, name: &str) -> Result<f64, String> {
        let (path, library) = self.path(program);
        on_two_processors()?;
        let arguments = shape.arguments(name);
        let arguments = arguments.each_ref().map(String::as_str);
        let counts = self.callgrind.count(&library, path, &arguments, &[])?;
        let [_, once, twice] = counts[..] else {
            return Err(format!("{} counts instead of 3", counts.len()));
        };
        // All of them: a difference would take what happens rarely, in one of
        // the counts or in the other, for a part of each turn.
        Ok((once + twice) as f64 / (3 * shape.turns * shape.threads) as f64)
    }

    fn nothing(&self) -> std::sync::MutexGuard<'_, HashMap<(&'static str, bool), f64>> {
        self.nothing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the program on its own.
    pub fn run(&self, program: &Program, shape: &Shape) -> Result<Measured, String> {
        let (path, library) = self.path(program);
        on_two_processors()?;
        let said = library.run(
            Command::new(path)
                .args(shape.arguments(shape.turn.name()))
                .envs([("NTHEAP_COUNT", "0"), ("NTHEAP_SHOW_STATS", "0")]),
        )?;
        let fields = match program {
            Program::Rust => said.as_str(),
            Program::C(_) => said.split_once('\n').map_or("", |(_, fields)| fields),
        };
        toml::from_str(fields).map_err(|e| format!("{}: {e}", path.display()))
    }
}

/// Has what the calling thread starts run on two processors at most: how many there are decides
/// how threads that exchange blocks are spread.
#[cfg(target_os = "linux")]
fn on_two_processors() -> Result<(), String> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let trouble = |e| format!("processors: {e}");
    let may = sched_getaffinity(None).map_err(trouble)?;
    let mut two = CpuSet::new();
    let processors = (0..CpuSet::MAX_CPU).filter(|&processor| may.is_set(processor));
    processors.take(2).for_each(|processor| two.set(processor));
    sched_setaffinity(None, &two).map_err(trouble)
}

#[cfg(not(target_os = "linux"))]
fn on_two_processors() -> Result<(), String> {
    Ok(())
}

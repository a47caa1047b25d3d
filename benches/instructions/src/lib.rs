//! How many instructions an allocation and its free take.
//!
//! Callgrind counts the instructions that a process executes. Each loop runs
//! `n` times and then `2 n` times, each as a count of its own; their
//! difference divided by `n` is the cost of one turn, without the start of
//! the process, the first subsegments and the loop's entry.
//!
//! The loop's own cost is taken away: in C that is the same loop over
//! functions of another library that do nothing, so that arguments, calls and
//! jumps through the procedure linkage table fall away; in Rust, where the
//! calls may be inlined, an empty loop. What stays is what the functions
//! execute, with the share of slow paths that the load has.
//!
//! Counts of one build repeat exactly, on any processor: the C library is
//! kept from choosing functions by it.

#![forbid(unsafe_code)]

mod callgrind;
mod figures;
pub mod growth;
mod programs;
mod rows;

pub use callgrind::Library;
pub use figures::{Comparison, Figures, compiler};
pub use programs::{missing_programs, target_folder};
pub use rows::{Load, Row};

use callgrind::Callgrind;
use rows::Program;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The loops of the table, built and ready to be counted.
#[derive(Debug)]
pub struct Bench {
    ntheap: Library,
    c_loops: PathBuf,
    rust_loops: PathBuf,
    flagged_loops: PathBuf,
    windows_loops: PathBuf,
    callgrind: Callgrind,
    /// What the loops of nothing took.
    nothing: Mutex<HashMap<(Program, &'static str), f64>>,
}

impl Bench {
    /// Builds libntheap.so and the loops, optimised, into the folder
    /// `target`. An error in words names the program that failed or is
    /// missing.
    pub fn prepare(target: &Path) -> Result<Bench, String> {
        let built = programs::build(target)?;
        Ok(Bench {
            c_loops: built.folder.join("loops"),
            windows_loops: built.folder.join("windows"),
            rust_loops: built.release.join("ntheap-loop-pairs"),
            flagged_loops: built.flagged,
            ntheap: built.ntheap,
            callgrind: Callgrind {
                folder: built.folder,
            },
            nothing: Mutex::default(),
        })
    }

    /// The library whose counts the figures are.
    pub fn ntheap(&self) -> &Library {
        &self.ntheap
    }

    /// Instructions of a row for ntheap: of libntheap.so in C's rows, of
    /// `NtHeap` in Rust's.
    pub fn count(&self, row: &Row) -> Result<f64, String> {
        self.count_with(row, &self.ntheap)
    }

    /// Instructions of a row for the malloc of `library`, which Rust's rows
    /// do not use. An error in words where it cannot be counted.
    pub fn count_with(&self, row: &Row, library: &Library) -> Result<f64, String> {
        let plan = row.plan();
        let [name, nothing] = plan.loops;
        let used = match plan.program {
            Program::C | Program::Hardened => library,
            Program::Rust | Program::Windows => &Library::system(),
        };
        let turn = |name: &str, library: &Library| -> Result<f64, String> {
            let program = match plan.program {
                Program::C | Program::Hardened => &self.c_loops,
                Program::Rust => &self.rust_loops,
                Program::Windows => &self.windows_loops,
            };
            let (n, size) = (plan.turns.to_string(), row.size.to_string());
            let options: &[(&str, &str)] = match plan.program {
                Program::Hardened => &[("NTHEAP_HARDENED", "1")],
                _ => &[],
            };
            let arguments = [name, &n, &size];
            let counts = self
                .callgrind
                .count(library, program, &arguments, options)?;
            let [_, once, twice] = counts[..] else {
                return Err(format!("{} counts instead of 3", counts.len()));
            };
            // Exact: counts are far below 2^52.
            Ok((twice as f64 - once as f64) / plan.turns as f64)
        };
        let measured = turn(name, used)?;
        // No block's size has a part in it, and no malloc.
        let key = (plan.program, nothing);
        let known = self.nothing().get(&key).copied();
        let empty = match known {
            Some(empty) => empty,
            None => {
                let empty = turn(nothing, &Library::system())?;
                self.nothing().insert(key, empty);
                empty
            }
        };
        Ok((measured - empty) / plan.per_turn as f64 + plan.empty as f64)
    }

    /// Instructions of a row of Rust's in a program built with the feature that global flags
    /// need, with all flags off, and in one without it: those of all turns, so that one
    /// instruction in one of them shows.
    pub fn count_flags_off(&self, row: &Row) -> Result<[u64; 2], String> {
        let plan = row.plan();
        let (n, size) = (plan.turns.to_string(), row.size.to_string());
        let arguments = [plan.loops[0], &n, &size];
        let count = |program: &Path| -> Result<u64, String> {
            let counts = self
                .callgrind
                .count(&Library::system(), program, &arguments, &[])?;
            match counts[..] {
                [_, once, twice] if twice > once => Ok(twice - once),
                _ => Err(format!("{counts:?} are no counts of once and twice")),
            }
        };
        Ok([count(&self.flagged_loops)?, count(&self.rust_loops)?])
    }

    fn nothing(&self) -> std::sync::MutexGuard<'_, HashMap<(Program, &'static str), f64>> {
        self.nothing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All rows for ntheap, as they would be recorded.
    pub fn figures(&self) -> Result<Figures, String> {
        let mut figures = Figures {
            rustc: compiler()?,
            ..Figures::default()
        };
        // A process each, which takes one processor: several rows at a time.
        let rows = Row::all();
        let counts: Vec<OnceLock<Result<f64, String>>> =
            rows.iter().map(|_| OnceLock::new()).collect();
        let next = AtomicUsize::new(0);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..processors {
                scope.spawn(|| {
                    while let Some(at) = take(&next, rows.len()) {
                        let _ = counts[at].set(self.count(&rows[at]));
                    }
                });
            }
        });
        for (row, count) in rows.iter().zip(counts) {
            let name = row.to_string();
            let count = count.into_inner().unwrap_or(Err("not counted".to_owned()));
            figures.add(name.clone(), count.map_err(|e| format!("{name}: {e}"))?);
        }
        Ok(figures)
    }
}

/// The next of `count` numbers that nobody has taken.
fn take(next: &AtomicUsize, count: usize) -> Option<usize> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    (at < count).then_some(at)
}

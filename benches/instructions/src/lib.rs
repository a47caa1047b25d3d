//! How many instructions an allocation and its free take.
//!
//! Callgrind counts the instructions that a process executes. Each loop runs
//! `n` times and then `2 n` times, each as a count of its own; their
//! difference divided by `n` is the cost of one turn, without the start of
//! the process, the first subsegments and the loop's entry.
//!
//! The loop's own cost is taken away: in C that is the same loop over two
//! functions of another library that do nothing, so that arguments, calls and
//! jumps through the procedure linkage table fall away; in Rust, where the
//! calls may be inlined, an empty loop. What stays is what the two functions
//! execute, with the share of slow paths that the load has.

#![forbid(unsafe_code)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Turns of a loop of pairs.
const PAIRS: usize = 1000;
/// Turns of a loop of batches.
const BATCHES: usize = 4;
/// What the two functions that do nothing execute: a return each, which the
/// functions measured have too.
const EMPTY_FUNCTIONS: f64 = 2.0;
/// Blocks in a batch; what `c/loops.c` says.
const BATCH: usize = 10_000;
/// Bytes of the blocks in C's loops of pairs.
pub const PAIR_SIZES: [usize; 7] = [16, 64, 256, 1024, 8 << 10, 64 << 10, 1 << 20];
/// Bytes of the blocks in C's loops of batches.
pub const BATCH_SIZES: [usize; 4] = [16, 64, 256, 1024];
/// Bytes of the blocks in Rust's loops.
pub const RUST_SIZE: usize = 64;

/// Whose malloc a C program uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malloc {
    /// libntheap.so, preloaded.
    Ntheap,
    /// The C library's.
    System,
}

/// How a Rust program knows its Layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// When it is compiled.
    Constant,
    /// When it runs.
    Runtime,
}

/// The programs, built and ready to be counted.
#[derive(Debug)]
pub struct Bench {
    library: PathBuf,
    c_loops: PathBuf,
    rust_loops: PathBuf,
    folder: PathBuf,
}

/// The programs that [`Bench::prepare`] needs and does not find.
pub fn missing_programs() -> Vec<&'static str> {
    ["valgrind", "cc"]
        .into_iter()
        .filter(|name| Command::new(name).arg("--version").output().is_err())
        .collect()
}

/// The target folder that the running program was built into. An error in
/// words where it lies in none.
pub fn target_folder() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .map(Path::to_owned)
        .ok_or_else(|| format!("{} is in no target folder", program.display()))
}

impl Bench {
    /// Builds libntheap.so and the loops, optimised, into the folder
    /// `target`. An error in words names the program that failed or is
    /// missing.
    pub fn prepare(target: &Path) -> Result<Bench, String> {
        let missing = missing_programs();
        if !missing.is_empty() {
            return Err(format!("not installed: {}", missing.join(", ")));
        }
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
        for part in [
            ["--package=ntheap-capi", "--lib"],
            ["--package=ntheap-instructions", "--bin=ntheap-rust-loops"],
        ] {
            run(Command::new(&cargo)
                .args(["build", "--release"])
                .args(part)
                .arg("--target-dir")
                .arg(target)
                .env_remove("CARGO_BUILD_TARGET")
                .current_dir(package))?;
        }
        let folder = target.join("instructions");
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let nothing = folder.join("libnothing.so");
        run(Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .arg(&nothing)
            .arg(package.join("c/nothing.c")))?;
        let c_loops = folder.join("loops");
        run(Command::new("cc")
            .args(["-O2", "-fno-builtin", "-o"])
            .arg(&c_loops)
            .arg(package.join("c/loops.c"))
            .arg(&nothing)
            .arg("-Wl,-rpath,$ORIGIN"))?;
        Ok(Bench {
            library: target.join("release/libntheap.so"),
            c_loops,
            rust_loops: target.join("release/ntheap-rust-loops"),
            folder,
        })
    }

    /// Instructions of one `malloc(size)` and its free, one after the other.
    pub fn c_pair(&self, malloc: Malloc, size: usize) -> Result<f64, String> {
        self.c(malloc, ["pairs", "no_pairs"], PAIRS, size, PAIRS)
    }

    /// Instructions of one `malloc(size)` and its free, when 10,000 blocks
    /// are allocated and then all freed in the same order.
    pub fn c_batch(&self, malloc: Malloc, size: usize) -> Result<f64, String> {
        let turns = BATCHES * BATCH;
        self.c(malloc, ["batches", "no_batches"], BATCHES, size, turns)
    }

    fn c(
        &self,
        malloc: Malloc,
        [name, empty]: [&str; 2],
        n: usize,
        size: usize,
        turns: usize,
    ) -> Result<f64, String> {
        let count = |name: &str| {
            let mut valgrind = Command::new("valgrind");
            valgrind.env_remove("LD_PRELOAD");
            if malloc == Malloc::Ntheap {
                valgrind.env("LD_PRELOAD", &self.library);
            }
            let (n, size) = (n.to_string(), size.to_string());
            self.count(valgrind, &self.c_loops, &[name, &n, &size])
        };
        Ok((count(name)? - count(empty)?) / turns as f64 + EMPTY_FUNCTIONS)
    }

    /// Instructions of one `alloc` and its `dealloc` of 64 bytes at 8, in a
    /// Rust program whose allocator is `NtHeap`.
    pub fn rust_pair(&self, known: Known) -> Result<f64, String> {
        let n = PAIRS.to_string();
        let count = |name: &str| {
            let mut valgrind = Command::new("valgrind");
            valgrind.env_remove("LD_PRELOAD");
            self.count(valgrind, &self.rust_loops, &[name, &n])
        };
        let name = match known {
            Known::Constant => "constant",
            Known::Runtime => "runtime",
        };
        Ok((count(name)? - count("empty")?) / PAIRS as f64)
    }

    /// Instructions between the second and the third mark, less those between
    /// the first and the second.
    fn count(
        &self,
        mut valgrind: Command,
        program: &Path,
        arguments: &[&str],
    ) -> Result<f64, String> {
        let name = format!(
            "callgrind.out.{}.{}",
            std::process::id(),
            arguments.join("-")
        );
        let file = self.folder.join(name);
        run(valgrind
            .args(["--tool=callgrind", "--dump-before=mark"])
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(program)
            .args(arguments)
            .envs([("NTHEAP_COUNT", "0"), ("NTHEAP_SHOW_STATS", "0")]))?;
        let part = |number: u32| -> Result<f64, String> {
            let part = file.with_added_extension(number.to_string());
            let text = fs::read_to_string(&part).map_err(|e| format!("{}: {e}", part.display()))?;
            let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
            let total = total.and_then(|total| total.trim().parse().ok());
            total.ok_or_else(|| format!("{}: no total", part.display()))
        };
        let difference = part(3)? - part(2)?;
        for number in 1..=3 {
            let _ = fs::remove_file(file.with_added_extension(number.to_string()));
        }
        let _ = fs::remove_file(&file);
        Ok(difference)
    }

    /// All counts, as a table for people.
    pub fn table(&self) -> Result<String, String> {
        let mut out = String::new();
        let mut row = |load: &str, size: usize, ntheap: f64, system: Option<f64>| {
            let system = system.map_or_else(|| "-".to_owned(), |count| format!("{count:.1}"));
            // A String takes whatever is written to it.
            let _ = writeln!(out, "{load:<28} {size:>8} {ntheap:>9.1} {system:>9}");
        };
        for size in PAIR_SIZES {
            let [ours, theirs] = [Malloc::Ntheap, Malloc::System].map(|m| self.c_pair(m, size));
            row("C, pair", size, ours?, Some(theirs?));
        }
        for size in BATCH_SIZES {
            let [ours, theirs] = [Malloc::Ntheap, Malloc::System].map(|m| self.c_batch(m, size));
            row("C, batch of 10,000", size, ours?, Some(theirs?));
        }
        row(
            "Rust, pair, constant Layout",
            RUST_SIZE,
            self.rust_pair(Known::Constant)?,
            None,
        );
        row(
            "Rust, pair, runtime Layout",
            RUST_SIZE,
            self.rust_pair(Known::Runtime)?,
            None,
        );
        Ok(format!(
            "{:<28} {:>8} {:>9} {:>9}\n{out}",
            "instructions a block", "bytes", "ntheap", "system"
        ))
    }
}

/// Runs a program; an error in words with what it said when it fails.
fn run(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() {
        Ok(output)
    } else {
        let text = String::from_utf8_lossy(&output.stderr);
        Err(format!("{name}: {}\n{text}", output.status))
    }
}

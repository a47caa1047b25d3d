//! Programs under callgrind, which counts the instructions that a process
//! executes in user mode.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What makes the C library take the plainest of its copying functions. It
/// takes what suits the processor otherwise, and counts with it.
const PLAIN_STRING_FUNCTIONS: (&str, &str) =
    ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX512VL,-AVX2,-ERMS");

/// Whose malloc a C program uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// What tables call it.
    pub name: String,
    /// What is preloaded; `None` for the C library's own malloc.
    pub path: Option<PathBuf>,
}

impl Library {
    /// The C library's.
    pub fn system() -> Library {
        Library {
            name: "system".to_owned(),
            path: None,
        }
    }

    /// The one at `path`. An error in words where there is none.
    pub fn at(name: &str, path: &Path) -> Result<Library, String> {
        let path = path
            .canonicalize()
            .map_err(|e| format!("{name}: {}: {e}", path.display()))?;
        Ok(Library {
            name: name.to_owned(),
            path: Some(path),
        })
    }

    /// Runs a program with this malloc, and returns what it prints. It prints
    /// first, on a line of its own, the object whose malloc it calls, unless
    /// this is the C library.
    pub(crate) fn run(&self, command: &mut Command) -> Result<String, String> {
        command.env_remove("LD_PRELOAD");
        // Cargo puts folders of its own there, with the library of another profile.
        command.env_remove("LD_LIBRARY_PATH");
        if let Some(path) = &self.path {
            command.env("LD_PRELOAD", path);
        }
        let output = run(command)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if let Some(path) = &self.path {
            // The loader only warns about a library that it cannot preload.
            let used = said.lines().next().unwrap_or_default();
            if Path::new(used).canonicalize().ok().as_ref() != Some(path) {
                return Err(format!("malloc is that of {used}"));
            }
        }
        Ok(said)
    }
}

/// Where callgrind puts what it counts.
#[derive(Debug)]
pub(crate) struct Callgrind {
    pub(crate) folder: PathBuf,
}

impl Callgrind {
    /// The instructions between a program's calls of `mark`: one count each,
    /// the first from its start. The environment has `options` beside its own.
    pub(crate) fn count(
        &self,
        library: &Library,
        program: &Path,
        arguments: &[&str],
        options: &[(&str, &str)],
    ) -> Result<Vec<u64>, String> {
        // Two at a time may count the same.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "callgrind.out.{}.{}.{}.{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed),
            library.name,
            arguments.join("-")
        );
        let folder = self.folder.join(name);
        let counts = self.count_into(&folder, library, program, arguments, options);
        let _ = fs::remove_dir_all(&folder);
        counts
    }

    fn count_into(
        &self,
        folder: &Path,
        library: &Library,
        program: &Path,
        arguments: &[&str],
        options: &[(&str, &str)],
    ) -> Result<Vec<u64>, String> {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let file = folder.join("out");
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--tool=callgrind", "--dump-before=mark"])
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(program)
            .args(arguments)
            .envs([("NTHEAP_COUNT", "0"), ("NTHEAP_SHOW_STATS", "0")])
            .envs([PLAIN_STRING_FUNCTIONS])
            .envs(options.iter().copied());
        library.run(&mut valgrind)?;
        (1..)
            .map(|number: u32| file.with_added_extension(number.to_string()))
            .take_while(|part| part.exists())
            .map(|part| total(&part))
            .collect()
    }
}

/// The instructions of one of callgrind's files.
fn total(part: &Path) -> Result<u64, String> {
    let text = fs::read_to_string(part).map_err(|e| format!("{}: {e}", part.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.ok_or_else(|| format!("{}: no total", part.display()))
}

/// Runs a program; an error in words with what it said when it fails.
pub(crate) fn run(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() {
        Ok(output)
    } else {
        // Valgrind's own lines, which begin so, tell where; the rest tells why.
        let text = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("==") && !line.is_empty())
            .collect();
        Err(format!("{name}: {}: {}", output.status, said.join("\n")))
    }
}

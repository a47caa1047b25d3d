//! What the tests of the shared library share.

// Each test binary uses its own part of this.
#![allow(dead_code)]

pub(crate) mod example;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// Longest that any program may run. Nothing here needs a tenth of it; what
/// hangs is ended, and the test fails.
const LIMIT: Duration = Duration::from_secs(120);

/// The folder that cargo builds into.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("cargo's folder for tests is in the target folder")
}

/// A package's shared library, optimised.
fn built(package: &str, file: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--lib", "--package", package])
        .arg("--target-dir")
        .arg(target())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("LD_PRELOAD")
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let library = target().join("release").join(file);
    assert!(library.is_file(), "{} was not built", library.display());
    library
}

/// libntheap.so, optimised: built the first time it is asked for.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| built("ntheap-capi", "libntheap.so"))
}

/// libntheap_win32.so, beside libntheap.so, as [`library`].
pub(crate) fn windows_library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        library();
        built("ntheap-win32-capi", "libntheap_win32.so")
    })
}

/// A new empty folder that tells by its name which test it was for, without
/// characters that end a name in `LD_PRELOAD`.
pub(crate) fn folder(test: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let test = test.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let name = format!("capi-{test}-{}-{number}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// Says on standard error, past the harness, what is not tested and why. With
/// `NTHEAP_REQUIRE_PROGRAMS=1` to skip is to fail.
pub(crate) fn skip(what: &str, why: &str) {
    assert_ne!(
        env::var("NTHEAP_REQUIRE_PROGRAMS").as_deref(),
        Ok("1"),
        "{what} cannot be tested: {why}"
    );
    let line = format!("SKIPPED: {what}: {why}\n");
    // Whoever closed standard error does not want to know.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Where a program lies; the distribution's own before others of its name.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let search = env::var_os("PATH").unwrap_or_default();
    [PathBuf::from("/usr/bin")]
        .into_iter()
        .chain(env::split_paths(&search))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// What a program wrote and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) pid: u32,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Ended {
    /// Panics with everything known unless the program exited with 0.
    pub(crate) fn expect_success(self, what: &str) -> Ended {
        assert!(
            self.status.success(),
            "{what}: {}\n{}\n{}",
            self.status,
            text(&self.stdout),
            text(&self.stderr)
        );
        self
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A command without what the caller's environment says about the heap.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("NTHEAP_") {
            command.env_remove(name);
        }
    }
    command.env_remove("LD_PRELOAD");
    // Cargo names its own folders there, which go before a program's.
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// A command that is started with the library preloaded.
pub(crate) fn preloaded(program: impl AsRef<OsStr>) -> Command {
    let mut command = command(program);
    command.env("LD_PRELOAD", library());
    command
}

/// Runs to the end with nothing to read and all output caught. A program that
/// hangs is killed with its children, and the test fails.
pub(crate) fn run(command: &mut Command) -> Ended {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    let pid = child.id();
    let (done, wait) = mpsc::channel::<()>();
    let watcher = thread::spawn(move || {
        let late = wait.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout);
        if late && let Ok(group) = libc::pid_t::try_from(pid) {
            // SAFETY: the child leads a group of its own, and is still there:
            // whoever waits for it has not said that it ended.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
        late
    });
    let output = child.wait_with_output().expect("the program ends");
    drop(done);
    let late = watcher.join().expect("the watcher ends");
    assert!(
        !late,
        "{name} did not end in {LIMIT:?}\n{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    Ended {
        pid,
        status: output.status,
        stdout: output.stdout,
        stderr: output.stderr,
    }
}

/// Whether `compiler` compiles a file of this name with these headers; why not.
fn probe(compiler: &str, file: &str, headers: &str) -> Result<(), String> {
    let folder = folder("probe");
    let file = folder.join(file);
    fs::write(&file, format!("{headers}int main() {{ return 0; }}\n")).expect("written");
    let built = Command::new(compiler)
        .arg(&file)
        .arg("-o")
        .arg(file.with_extension("out"))
        .arg("-pthread")
        .output();
    let _ = fs::remove_dir_all(folder);
    match built {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{compiler} compiles nothing: {}",
            text(&output.stderr)
        )),
        Err(e) => Err(format!("{compiler}: {e}")),
    }
}

/// The compiler for a source file, tried once; why there is none.
fn compiler_for(source: &str) -> &'static Result<&'static str, String> {
    static C: OnceLock<Result<&str, String>> = OnceLock::new();
    static CPP: OnceLock<Result<&str, String>> = OnceLock::new();
    if source.ends_with(".c") {
        let headers = "#include <stdio.h>\n#include <pthread.h>\n";
        C.get_or_init(|| probe("cc", "probe.c", headers).map(|()| "cc"))
    } else {
        let headers = "#include <new>\n#include <thread>\n";
        CPP.get_or_init(|| probe("g++", "probe.cpp", headers).map(|()| "g++"))
    }
}

/// A program of the folder `c`, compiled the first time that this test binary
/// asks for it. `None`, and said so, when there is no compiler, or one without
/// headers; a program that does not compile fails the test.
pub(crate) fn compiled(test: &str, source: &str, flags: &[&str]) -> Option<PathBuf> {
    compiled_as(&source.replace('.', "-"), test, source, flags)
}

/// As [`compiled`], for a source of which there are several programs.
pub(crate) fn compiled_as(name: &str, test: &str, source: &str, flags: &[&str]) -> Option<PathBuf> {
    static DONE: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let compiler = match compiler_for(source) {
        Ok(compiler) => compiler,
        Err(why) => {
            skip(test, why);
            return None;
        }
    };
    // A test that failed here has said why; the others try again.
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = done.get(name) {
        return Some(program.clone());
    }
    // One place for each test binary, so that no run leaves more behind.
    let own = env::current_exe().expect("the test's own path");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(own.file_name().expect("a name"));
    fs::create_dir_all(&place).expect("a folder for programs");
    let program = place.join(name);
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/c")
        .join(source);
    let output = Command::new(compiler)
        .arg(&file)
        .arg("-o")
        .arg(&program)
        .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"])
        // The compiler must not know what malloc and free do.
        .arg("-fno-builtin")
        .args(flags)
        .output()
        .expect("the compiler runs");
    assert!(
        output.status.success(),
        "{source}: {}",
        text(&output.stderr)
    );
    done.insert(name.to_owned(), program.clone());
    Some(program)
}

//! What the tests of the command share.

// Each test binary uses its own part of this.
#![allow(dead_code)]

#[cfg(target_os = "linux")]
pub(crate) mod running;

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The command under test, without the variables that would change it.
pub(crate) fn ntheap() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ntheap"));
    clean(&mut command);
    command
}

/// Takes away what the caller's environment says about the heap.
pub(crate) fn clean(command: &mut Command) {
    for name in [
        "NTHEAP_LIBRARY",
        "NTHEAP_COUNT",
        "NTHEAP_SHOW_STATS",
        "NTHEAP_DEMO_ALLOCATOR",
        "LD_PRELOAD",
    ] {
        command.env_remove(name);
    }
}

/// The workspace's root folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in the workspace's folder")
}

/// `target/debug` or whichever profile the tests were built with.
pub(crate) fn profile_folder() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_ntheap"))
        .parent()
        .expect("the command is in a folder")
        .to_owned()
}

/// A package's shared library, built into the folder of the command under test.
fn built(package: &str, file: &str) -> PathBuf {
    let folder = profile_folder();
    let name = |path: &Path| {
        let name = path.file_name().expect("a folder has a name");
        name.to_str().expect("cargo's names are UTF-8").to_owned()
    };
    // target/PROFILE, or target/TRIPLE/PROFILE for another platform.
    let above = folder.parent().expect("a profile's folder is in another");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--package", package, "--lib"]);
    build.args(["--profile", &profile_name(&name(&folder))]);
    // Cargo marks a target folder only where it made it; a triple has two hyphens or more.
    let is_target = above.join("CACHEDIR.TAG").exists() || name(above).matches('-').count() < 2;
    if is_target {
        build.arg("--target-dir").arg(above);
    } else {
        let target = above.parent().expect("a target folder");
        build.args(["--target", &name(above)]);
        build.arg("--target-dir").arg(target);
    }
    let output = build
        .current_dir(root())
        .env_remove("LD_PRELOAD")
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let library = folder.join(file);
    assert!(library.is_file(), "{} was not built", library.display());
    library
}

/// libntheap.so, built the first time it is asked for, into the folder of the
/// command under test.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| built("ntheap-capi", "libntheap.so"))
}

/// libntheap_win32.so, as [`library`].
pub(crate) fn windows_library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| built("ntheap-win32-capi", "libntheap_win32.so"))
}

/// libntheap_trace.so, as [`library`].
pub(crate) fn trace_library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| built("ntheap-trace", "libntheap_trace.so"))
}

fn profile_name(folder: &str) -> String {
    if folder == "debug" { "dev" } else { folder }.to_owned()
}

/// An empty folder of the test's own. What the last run left in it is gone;
/// what this one leaves can be looked at.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    match fs::remove_dir_all(&folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => panic!("{}: {e}", folder.display()),
        _ => {}
    }
    fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// Writes an executable file from another process: a file that this one had
/// open for writing could be found busy, when a test beside this one forked
/// at that moment.
#[cfg(unix)]
pub(crate) fn executable(path: &Path, contents: &[u8], mode: u32) {
    let script = "cat > \"$1\" && chmod \"$2\" \"$1\"";
    let mut shell = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(path)
        .arg(format!("{mode:o}"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh runs");
    shell
        .stdin
        .take()
        .expect("a pipe")
        .write_all(contents)
        .expect("written");
    assert!(shell.wait().expect("sh ends").success());
}

/// Runs to the end with all output caught.
pub(crate) fn output(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .expect("the command starts")
}

/// Standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Compiles C, or says by name what is skipped and returns false. With
/// `NTHEAP_REQUIRE_PROGRAMS` set, to skip is to fail.
pub(crate) fn compile(what: &str, source: &str, to: &Path, flags: &[&str]) -> bool {
    compile_by("cc", "c", what, source, to, flags)
}

/// [`compile`] for C++.
pub(crate) fn compile_cpp(what: &str, source: &str, to: &Path, flags: &[&str]) -> bool {
    compile_by("c++", "cpp", what, source, to, flags)
}

fn compile_by(
    compiler: &str,
    extension: &str,
    what: &str,
    source: &str,
    to: &Path,
    flags: &[&str],
) -> bool {
    let file = to.with_extension(extension);
    fs::write(&file, source).expect("written");
    let built = Command::new(compiler)
        .arg(&file)
        .arg("-o")
        .arg(to)
        .args(flags)
        .output();
    match built {
        Ok(output) if output.status.success() => true,
        Ok(output) => skip(
            what,
            &format!("{compiler} {flags:?} failed: {}", stderr(&output)),
        ),
        Err(e) => skip(what, &format!("{compiler}: {e}")),
    }
}

/// Says what is skipped; always false.
pub(crate) fn skip(what: &str, why: &str) -> bool {
    assert!(
        env::var_os("NTHEAP_REQUIRE_PROGRAMS").is_none(),
        "{what} cannot be tested: {why}"
    );
    println!("SKIPPED: {what}: {why}");
    false
}

//! The programs to be counted, and how they are built.

use crate::callgrind::{Library, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs that building and counting need and that are not found.
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
    target_of(&program)
        .map(Path::to_owned)
        .ok_or_else(|| format!("{} is in no target folder", program.display()))
}

/// The folder above a profile's, in which a program lies, or a test in `deps`. Cargo marks it by
/// a file only where it made it.
fn target_of(program: &Path) -> Option<&Path> {
    let folder = program.parent()?;
    let profile = match folder.file_name()?.to_str()? {
        "deps" => folder.parent()?,
        _ => folder,
    };
    profile.parent()
}

/// What [`build`] built.
pub(crate) struct Programs {
    /// libntheap.so.
    pub(crate) ntheap: Library,
    /// Where the Rust programs lie.
    pub(crate) release: PathBuf,
    /// The Rust loops with what global flags need.
    pub(crate) flagged: PathBuf,
    /// Where the C programs lie, and whatever else is made.
    pub(crate) folder: PathBuf,
}

/// Builds the shared libraries and all loops, optimised, into the folder `target`.
/// An error in words names the program that failed or is missing.
pub(crate) fn build(target: &Path) -> Result<Programs, String> {
    let missing = missing_programs();
    if !missing.is_empty() {
        return Err(format!("not installed: {}", missing.join(", ")));
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let folder = target.join("instructions");
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let release = target.join("release");
    let flagged = folder.join("flagged-pairs");
    for part in [
        &["--package=ntheap-loops", "--bins", "--features=debug"][..],
        &["--package=ntheap-capi", "--lib"],
        &["--package=ntheap-win32-capi", "--lib"],
        &["--package=ntheap-loops", "--bins"],
    ] {
        run(Command::new(&cargo)
            .args(["build", "--release"])
            .args(part)
            .arg("--target-dir")
            .arg(target)
            .env_remove("CARGO_BUILD_TARGET")
            .current_dir(package))?;
        // The loops without it are built in its place.
        if part.contains(&"--features=debug") {
            let copied = fs::copy(release.join("ntheap-loop-pairs"), &flagged);
            copied.map_err(|e| format!("{}: {e}", flagged.display()))?;
        }
    }
    let compile = |source: &str, program: &str, arguments: &[&str]| {
        // Made beside the one that another test may run, then put in its place.
        let new = folder.join(format!("{program}.{}", std::process::id()));
        run(Command::new("cc")
            .args(["-O2", "-fno-builtin", "-o"])
            .arg(&new)
            .arg(package.join("c").join(source))
            .args(arguments)
            .current_dir(&folder))?;
        let done = fs::rename(&new, folder.join(program));
        done.map_err(|e| format!("{}: {e}", new.display()))
    };
    let shared = ["-shared", "-fPIC", "-Wl,-soname,libnothing.so"];
    compile("nothing.c", "libnothing.so", &shared)?;
    let libraries = [
        "libnothing.so",
        "-Wl,-rpath,$ORIGIN",
        "-ldl",
        "-lm",
        "-lpthread",
    ];
    compile("loops.c", "loops", &libraries)?;
    compile("growth.c", "growth", &libraries)?;
    let place = release.display();
    let (search, found) = (format!("-L{place}"), format!("-Wl,-rpath,{place}"));
    let libraries = [
        "libnothing.so",
        "-Wl,-rpath,$ORIGIN",
        &search,
        "-lntheap_win32",
        "-lntheap",
        &found,
    ];
    compile("windows.c", "windows", &libraries)?;
    Ok(Programs {
        ntheap: Library::at("ntheap", &release.join("libntheap.so"))?,
        release,
        flagged,
        folder,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_folder_is_known_by_where_a_program_lies() {
        let of = |program| target_of(Path::new(program)).and_then(Path::to_str);
        assert_eq!(of("/a/target/debug/deps/demands-1f"), Some("/a/target"));
        assert_eq!(of("/a/target/release/growth"), Some("/a/target"));
        assert_eq!(
            of("/a/target/TRIPLE/release/growth"),
            Some("/a/target/TRIPLE")
        );
        assert_eq!(of("/growth"), None);
    }
}

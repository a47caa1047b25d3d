//! Compiling the C programs, when their sources are newer.

use crate::bench::Stop;
use crate::bench::child::last_line;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The compiler must not know malloc: it would leave out pairs of calls.
const FLAGS: [&str; 5] = ["-O2", "-g", "-std=gnu11", "-pthread", "-fno-builtin"];

/// The programs.
#[derive(Debug)]
pub(crate) struct Built {
    /// The loads.
    pub(crate) loads: PathBuf,
    /// The one that measures others from outside.
    pub(crate) measure: PathBuf,
}

/// Compiles what is older than its sources, or not there.
pub(crate) fn build(sources: &Path, folder: &Path, no_build: bool) -> Result<Built, Stop> {
    Ok(Built {
        loads: program(sources, &folder.join("loads"), no_build)?,
        measure: program(&sources.join("measure"), &folder.join("measure"), no_build)?,
    })
}

/// One program of all the C files of one folder.
fn program(sources: &Path, binary: &Path, no_build: bool) -> Result<PathBuf, Stop> {
    let unreadable = |e: io::Error| Stop::Failed(format!("{}: {e}", sources.display()));
    if no_build {
        return match binary.is_file() {
            true => Ok(binary.to_owned()),
            false => Err(Stop::Failed(format!(
                "{} is not there and --no-build was given",
                binary.display()
            ))),
        };
    }
    let (files, newest) = c_files(sources).map_err(unreadable)?;
    let built = fs::metadata(binary).and_then(|m| m.modified());
    if built.is_ok_and(|built| built > newest) {
        return Ok(binary.to_owned());
    }
    // Another process may be running the old one, or compiling too.
    let new = binary.with_extension(format!("new{}", std::process::id()));
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let output = Command::new(&compiler)
        .args(FLAGS)
        .args(&files)
        .arg("-o")
        .arg(&new)
        .output()
        .map_err(|e| {
            Stop::Failed(format!(
                "{}: {e}\n--preload runs C programs, which are compiled when they are first needed",
                compiler.display()
            ))
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Stop::Failed(format!(
            "{} could not compile {}: {}",
            compiler.display(),
            sources.display(),
            last_line(&said)
        )));
    }
    fs::rename(&new, binary)
        .map_err(|e| Stop::Failed(format!("cannot make {}: {e}", binary.display())))?;
    Ok(binary.to_owned())
}

/// The C files, and when one of them or a header was last written.
fn c_files(folder: &Path) -> io::Result<(Vec<PathBuf>, SystemTime)> {
    let mut files = Vec::new();
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ends = |with: &str| path.extension().is_some_and(|e| e == with);
        if ends("c") || ends("h") {
            newest = newest.max(fs::metadata(&path)?.modified()?);
        }
        if ends("c") {
            files.push(path);
        }
    }
    files.sort();
    Ok((files, newest))
}

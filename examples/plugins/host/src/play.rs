//! Every case in every mode, in a process each.

use super::cases::{CASES, Case};
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode};

/// What came of a case in a mode.
enum Outcome {
    /// It is no bug here.
    Works,
    /// The bug shows nowhere.
    Hidden,
    /// It was reported, and the process ended.
    Caught(String),
    /// None of these.
    Other(String),
}

fn outcome(folder: &Path, case: &Case, mode: &str) -> Outcome {
    let output = Command::new(env::current_exe().expect("the own path"))
        .arg(folder)
        .arg(case.name)
        .env("NTHEAP_CRT", mode)
        // The process's first copy, so that its process heap is everybody's
        // where the mode says so.
        .env("LD_PRELOAD", folder.join("libntheap_win32.so"))
        .output()
        .expect("the program starts again");
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() && report.is_empty() {
        if mode == "shared" && case.is_allowed_in_one_runtime {
            return Outcome::Works;
        }
        return Outcome::Hidden;
    }
    if output.status.signal() == Some(libc::SIGABRT) && report.contains("VERIFIER STOP") {
        return Outcome::Caught(report);
    }
    Outcome::Other(format!("{}\n{report}", output.status))
}

/// Plays all; fails where a case ended in a way that is none of the three.
pub(crate) fn all(folder: &Path) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for case in &CASES {
        println!("{}: {}", case.name, case.what);
        for mode in ["private", "shared", "process"] {
            match outcome(folder, case, mode) {
                Outcome::Works => println!("  {mode}: works"),
                Outcome::Hidden => println!("  {mode}: hidden"),
                Outcome::Caught(report) => {
                    println!("  {mode}: caught");
                    for line in report.lines() {
                        println!("    | {line}");
                    }
                }
                Outcome::Other(what) => {
                    println!("  {mode}: {what}");
                    code = ExitCode::FAILURE;
                }
            }
        }
    }
    code
}

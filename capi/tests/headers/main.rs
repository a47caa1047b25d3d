//! The headers in `include`: each stands alone, in C and in C++; they declare
//! the functions of the library's list with the types that it has there; their
//! constants and layouts are Windows'.
//!
//! What is not said twice cannot disagree: the functions come from the list
//! that the libraries are made from, the constants from `windows-sys`, and the
//! names to be compared from the headers themselves.

#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod constants;
mod layouts;
mod prototypes;
mod stand_alone;

use common::{Ended, command, run, text};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the headers.
fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

/// The headers' names, in order.
fn headers() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(include())
        .expect("the folder of headers")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    names.sort();
    assert!(names.contains(&"windows.h".to_owned()), "{names:?}");
    names
}

/// All headers' text.
fn all_text() -> String {
    headers()
        .iter()
        .map(|name| fs::read_to_string(include().join(name)).expect("readable"))
        .collect()
}

/// What every compilation of the headers must bear without a word.
const STRICT: [&str; 8] = [
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wundef",
    "-Werror",
    "-fshort-wchar",
];

/// Has `compiler` compile `source`, a text in the language of `options`.
fn compile(compiler: &str, options: &[&str], source: &str, folder: &Path) -> Ended {
    let cpp = options.iter().any(|option| option.contains("c++"));
    let file = folder.join(if cpp { "source.cpp" } else { "source.c" });
    fs::write(&file, source).expect("written");
    run(command(compiler)
        .args(options)
        .arg("-I")
        .arg(include())
        .arg(&file)
        .arg("-o")
        .arg(folder.join("program")))
}

/// Compiles and runs a program; what it printed.
fn printed(compiler: &str, options: &[&str], source: &str, folder: &Path) -> String {
    compile(compiler, options, source, folder).expect_success("compiling");
    let ended = run(&mut command(folder.join("program"))).expect_success("running");
    text(&ended.stdout)
}

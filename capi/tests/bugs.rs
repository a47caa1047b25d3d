//! Planted bugs under the global flags that promise to find them: each report is
//! compared word for word with a file, and so is the way the program ends.
//!
//! ```text
//!   == NAME FLAGS          a case of c/bugs.c or c/bugs_new.cpp, and NTHEAP_GFLAGS
//!   report, with the addresses that the program told by their names, and the
//!   frames that lie in the program by their functions
//!   -- status              signal 6, or exit 0
//! ```
//!
//! With `NTHEAP_TEST_WRITE_BUGS` set the files are written anew, to be read by
//! whoever changed a report.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;
#[path = "../../tests/bugs/normal.rs"]
mod normal;
#[path = "bugs/table.rs"]
mod table;

use common::{command, compiled_as, find, preloaded, run, skip, text, windows_library};
use normal::{Ran, compare, normal};
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

fn program(source: &str) -> Option<PathBuf> {
    program_as(&source.replace('.', "-"), source, &[])
}

fn program_as(name: &str, source: &str, more: &[&str]) -> Option<PathBuf> {
    let folder = windows_library().parent().expect("in a folder").display();
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let flags = [
        "-O0".to_owned(),
        "-fomit-frame-pointer".to_owned(),
        "-fshort-wchar".to_owned(),
        "-Wno-use-after-free".to_owned(),
        format!("-I{}", include.display()),
        format!("-L{folder}"),
        "-lntheap_win32".to_owned(),
        "-lntheap".to_owned(),
        format!("-Wl,-rpath,{folder}"),
    ];
    let flags: Vec<&str> = flags
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    compiled_as(name, "bugs", source, &flags)
}

fn outcome(program: &Path, name: &str, flags: &str) -> String {
    let ended = run(command(program).arg(name).env("NTHEAP_GFLAGS", flags));
    let status = match (ended.status.signal(), ended.status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, code) => format!("exit {}", code.expect("a code")),
    };
    let ran = Ran {
        program,
        pid: ended.pid,
        stdout: &text(&ended.stdout),
        stderr: &text(&ended.stderr),
    };
    // What is the C++ library's differs from version to version.
    let report = normal(&ran, &|function| {
        (!function.contains("std::"), function == "main")
    });
    format!("{report}-- {status}\n")
}

/// Compares the cases of a program in C or C++ with its file.
fn check(source: &str) {
    let Some(program) = program(source) else {
        return;
    };
    if find("addr2line").is_none() {
        return skip(source, "addr2line is not installed");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/c")
        .join(source)
        .with_extension("txt");
    let seen = compare(&file, &|name, flags| outcome(&program, name, flags));
    let list = run(command(&program).arg("list")).expect_success("list");
    let all: BTreeSet<String> = text(&list.stdout).lines().map(str::to_owned).collect();
    assert_eq!(seen, all, "each case has an expectation");
}

#[test]
fn every_bug_planted_in_c_is_reported_as_written_down() {
    check("bugs.c");
}

#[test]
fn every_bug_planted_in_cpp_is_reported_as_written_down() {
    check("bugs_new.cpp");
}

/// A block may go back by another function where the operators are not this library's: a
/// program's own, or those of a C++ library that it has in itself.
#[test]
fn programs_with_operators_of_their_own_may_mix_them() {
    for (name, flag) in [
        ("bugs_new-own", "-DOWN_OPERATORS"),
        ("bugs_new-static", "-static-libstdc++"),
    ] {
        let Some(program) = program_as(name, "bugs_new.cpp", &[flag]) else {
            return;
        };
        for bug in ["malloc_and_delete", "new_and_free", "array_and_delete"] {
            let mut program = preloaded(&program);
            let ended = run(program.arg(bug).env("NTHEAP_GFLAGS", "+hpc,+ust"));
            let ended = ended.expect_success(name);
            assert_eq!(text(&ended.stderr), "", "{name} {bug}");
            assert!(text(&ended.stdout).ends_with("went on\n"), "{name} {bug}");
        }
    }
}

/// Without a flag the same programs do what they did before: nothing that only a
/// flag finds is reported.
#[test]
fn without_flags_nothing_is_filled_or_found() {
    let Some(program) = program("bugs.c") else {
        return;
    };
    for name in ["overrun_by_one", "underrun_by_one", "late_write", "nothing"] {
        let ended = run(command(&program).arg(name)).expect_success(name);
        assert_eq!(text(&ended.stderr), "", "{name}");
        assert!(text(&ended.stdout).ends_with("went on\n"), "{name}");
    }
}

/// The same report for programs that read reports.
#[test]
fn reports_are_json_where_that_is_asked_for() {
    let Some(program) = program("bugs.c") else {
        return;
    };
    let ended = run(command(&program)
        .arg("overrun_by_one")
        .env("NTHEAP_GFLAGS", "+hpc,+ust")
        .env("NTHEAP_REPORT", "json"));
    let lines = text(&ended.stderr);
    assert_eq!(lines.lines().count(), 1, "{lines}");
    let report: serde_json::Value = serde_json::from_str(&lines).expect("JSON");
    let output = text(&ended.stdout);
    let block = output
        .lines()
        .find_map(|line| line.strip_prefix("block "))
        .expect("its address");
    assert_eq!(report["stop"], 15);
    assert_eq!(report["symbol"], "CORRUPTED_HEAP_BLOCK_SUFFIX");
    assert_eq!(report["pid"], ended.pid);
    assert_eq!(report["operation"], "free");
    assert_eq!(report["address"], block);
    assert_eq!(report["heap"], "process heap");
    assert_eq!(report["parameters"][1]["value"], block);
    assert_eq!(report["parameters"][2]["value"], "0x18");
    let expected = serde_json::json!({"start": block, "size": 24, "state": "busy", "offset": 0});
    assert_eq!(report["block"], expected);
    assert_eq!(report["damage"]["changed"], 1);
    assert_eq!(report["damage"]["expected"], "abababab");
    assert!(
        report["damage"]["found"]
            .as_str()
            .expect("bytes")
            .starts_with("01abab")
    );
    assert_eq!(report["allocated"]["thread"], ended.pid);
    assert_eq!(report["allocated"]["name"], "bugs-c");
    let frames = report["allocated"]["frames"].as_array().expect("frames");
    assert!(
        frames.len() >= 3 && frames[0]["module"] == "bugs-c",
        "{frames:?}"
    );
    assert!(report.get("freed").is_none() && report.get("layouts").is_none());
}

/// What is in use is counted by the tags of the calls and by the modules that asked.
#[test]
fn blocks_are_counted_by_their_tags() {
    let Some(program) = program("bugs.c") else {
        return;
    };
    for (flags, expected) in [
        ("+htg,+htd", "1 4000 tag 7, 1 1000 bugs-c, 3 300 tag 5"),
        ("+htd", "5 5300 bugs-c"),
        ("+htg", "1 4000 tag 7, 3 300 tag 5"),
    ] {
        let ended = run(command(&program)
            .arg("tagged")
            .env("NTHEAP_GFLAGS", flags)
            .env("NTHEAP_SHOW_STATS", "1"));
        let said = text(&ended.expect_success("tagged").stderr);
        let (_, tags) = said
            .split_once("  in use by\n")
            .unwrap_or_else(|| panic!("{said}"));
        let lines: Vec<String> = tags
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            // What the system's own libraries have in use is their affair.
            .filter(|line| line.ends_with(" bugs-c") || line.contains(" tag "))
            .collect();
        assert_eq!(lines.join(", "), expected, "{flags}");
    }
    let ended = run(command(&program)
        .arg("tagged")
        .env("NTHEAP_SHOW_STATS", "1"));
    assert!(!text(&ended.stderr).contains("in use by"));
}

//! Planted bugs under the global flags that promise to find them: each report is
//! compared word for word with `c/bugs.txt`, and so is the way the program ends.
//!
//! ```text
//!   == NAME FLAGS          a case of c/bugs.c and NTHEAP_GFLAGS
//!   report, with the addresses that the program told by their names, and the
//!   frames that lie in the program by their functions
//!   -- status              signal 6, or exit 0
//! ```
//!
//! With `NTHEAP_TEST_WRITE_BUGS` set the file is written anew, to be read by
//! whoever changed a report.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use common::{Ended, command, compiled_as, find, run, skip, text, windows_library};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

fn expectations() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/bugs.txt")
}

fn program() -> Option<PathBuf> {
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
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    compiled_as("bugs", "bugs", "bugs.c", &flags)
}

/// The function that an offset of the program lies in.
fn function(program: &Path, offset: &str) -> String {
    // A return address: the call lies before it.
    let number = u64::from_str_radix(offset.trim_start_matches("0x"), 16).expect("an offset");
    let ended = run(command("addr2line")
        .args(["-f", "-e"])
        .arg(program)
        .arg(format!("{:#x}", number - 1)))
    .expect_success("addr2line");
    let output = text(&ended.stdout);
    output.lines().next().expect("a function").to_owned()
}

/// A report with nothing in it that differs from run to run.
fn normal(program: &Path, ended: &Ended) -> String {
    let name = program
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let mut report = text(&ended.stderr);
    let output = text(&ended.stdout);
    let mut names: BTreeMap<usize, &str> = BTreeMap::new();
    for line in output.lines() {
        if let Some((name, address)) = line.split_once(" 0x") {
            names.insert(
                usize::from_str_radix(address, 16).expect("an address"),
                name,
            );
        }
    }
    let shown = |address: usize| -> String {
        match names.range(..=address).next_back() {
            Some((&base, name)) if address == base => format!("<{name}>"),
            Some((&base, name)) if address - base < 4_000_000 => {
                format!("<{name}+{}>", address - base)
            }
            _ => match names.range(address..).next() {
                Some((&base, name)) if base - address < 4096 => {
                    format!("<{name}-{}>", base - address)
                }
                _ => "<somewhere>".to_owned(),
            },
        }
    };
    report = report.replace(&format!("pid 0x{:X}:", ended.pid), "pid N:");
    let mut normal = String::new();
    let mut is_done = false;
    for line in report.lines() {
        if let Some(frame) = line.strip_prefix("    #") {
            let place = frame.split(' ').nth(2).unwrap_or_default();
            match place.strip_prefix(&format!("{name}+")) {
                // What is below main is the system's.
                Some(offset) if !is_done => {
                    let function = function(program, offset);
                    is_done = function == "main";
                    writeln!(normal, "    {function}").expect("written");
                }
                _ => {}
            }
            continue;
        }
        is_done = false;
        let mut rest = line;
        while let Some(at) = rest.find("0x") {
            let digits = rest[at + 2..]
                .bytes()
                .take_while(u8::is_ascii_hexdigit)
                .count();
            let number = usize::from_str_radix(&rest[at + 2..at + 2 + digits], 16);
            normal.push_str(&rest[..at]);
            normal.push_str(&number.map_or_else(|_| "0x".to_owned(), shown));
            rest = &rest[at + 2 + digits..];
        }
        // A parameter: an address in sixteen digits, or a number.
        if let Some((number, label)) = rest.trim_start().split_once(" : ")
            && rest.starts_with("    ")
            && number.len() == 16
        {
            let number = usize::from_str_radix(number, 16).expect("a parameter");
            let is_thread = label.ends_with(" thread");
            match number {
                _ if is_thread => writeln!(normal, "    T : {label}"),
                0x10000.. if label != "size requested" && label != "size" => {
                    writeln!(normal, "    {} : {label}", shown(number))
                }
                _ => writeln!(normal, "    {number:#x} : {label}"),
            }
            .expect("written");
            continue;
        }
        normal.push_str(&without_threads(rest));
        normal.push('\n');
    }
    normal
}

/// A line with threads' numbers left out.
fn without_threads(line: &str) -> String {
    let Some((before, after)) = line.split_once("thread ") else {
        return line.to_owned();
    };
    let number = after.bytes().take_while(u8::is_ascii_digit).count();
    if number == 0 {
        return line.to_owned();
    }
    format!("{before}thread T{}", &after[number..])
}

fn outcome(program: &Path, name: &str, flags: &str) -> String {
    let ended = run(command(program).arg(name).env("NTHEAP_GFLAGS", flags));
    let status = match (ended.status.signal(), ended.status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, code) => format!("exit {}", code.expect("a code")),
    };
    format!("{}-- {status}\n", normal(program, &ended))
}

/// What is expected, by case and flags, in the order of the file.
fn expected() -> Vec<(String, String, String)> {
    let file = fs::read_to_string(expectations()).expect("the expectations");
    file.split("== ")
        .skip(1)
        .map(|part| {
            let (head, body) = part.split_once('\n').expect("a line");
            let (name, flags) = head.split_once(' ').expect("a name and flags");
            (
                name.to_owned(),
                flags.to_owned(),
                body.trim_end().to_owned() + "\n",
            )
        })
        .collect()
}

#[test]
fn every_planted_bug_is_reported_as_written_down() {
    let Some(program) = program() else {
        return;
    };
    if find("addr2line").is_none() {
        return skip("bugs", "addr2line is not installed");
    }
    let mut wrong = String::new();
    let mut written = String::new();
    let mut seen = BTreeSet::new();
    for (name, flags, expected) in expected() {
        let found = outcome(&program, &name, &flags);
        write!(written, "== {name} {flags}\n{found}\n").expect("written");
        if found != expected {
            writeln!(wrong, "{name} {flags}: found\n{found}expected\n{expected}").expect("written");
        }
        seen.insert(name);
    }
    if std::env::var_os("NTHEAP_TEST_WRITE_BUGS").is_some() {
        fs::write(expectations(), written).expect("written");
    }
    let list = run(command(&program).arg("list")).expect_success("bugs list");
    let all: BTreeSet<String> = text(&list.stdout).lines().map(str::to_owned).collect();
    assert_eq!(seen, all, "each case has an expectation");
    assert!(wrong.is_empty(), "{wrong}");
}

/// Without a flag the same programs do what they did before: nothing that only a
/// flag finds is reported.
#[test]
fn without_flags_nothing_is_filled_or_found() {
    let Some(program) = program() else {
        return;
    };
    for name in ["overrun_by_one", "underrun_by_one", "late_write", "nothing"] {
        let ended = run(command(&program).arg(name)).expect_success(name);
        assert_eq!(text(&ended.stderr), "", "{name}");
        assert!(text(&ended.stdout).ends_with("went on\n"), "{name}");
    }
}

//! `ntheap run` on what it must refuse, each with its own exit status.
//!
//! None of these needs the library: any file serves as one, since the program
//! is never started, or starts without it.

#![cfg(target_os = "linux")]

mod common;

use common::{compile, executable, folder, ntheap, output, stderr, stdout};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// `ntheap run` with a library that is no library.
fn run() -> Command {
    let mut command = ntheap();
    command
        .env(
            "NTHEAP_LIBRARY",
            env!("CARGO_MANIFEST_DIR").to_owned() + "/Cargo.toml",
        )
        .arg("run");
    command
}

fn refused(out: &Output, code: i32, parts: &[&str]) {
    let text = stderr(out);
    assert_eq!(out.status.code(), Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(text.contains("ntheap: "), "{text}");
    assert_eq!(stdout(out), "", "the program must not have run");
}

fn arg(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_missing_library_is_120_and_says_how_to_build_it() {
    let folder = folder("no-library");
    let bin = folder.join("bin");
    fs::create_dir(&bin).expect("made");
    let command = fs::read(env!("CARGO_BIN_EXE_ntheap")).expect("the command");
    let alone = bin.join("ntheap");
    executable(&alone, &command, 0o755);
    let mut start = Command::new(&alone);
    common::clean(&mut start);
    let out = output(start.args(["run", "--", "echo", "ran"]));
    let places = [bin.join("libntheap.so"), folder.join("lib/libntheap.so")];
    refused(
        &out,
        120,
        &[
            "cargo build --release --workspace",
            arg(&places[0]),
            arg(&places[1]),
        ],
    );
}

#[test]
fn a_library_named_and_missing_is_120() {
    let out = output(
        ntheap()
            .env("NTHEAP_LIBRARY", "/nonexistent/libntheap.so")
            .args(["run", "--", "echo", "ran"]),
    );
    refused(&out, 120, &["NTHEAP_LIBRARY", "/nonexistent/libntheap.so"]);
}

#[test]
fn a_static_program_is_121() {
    let program = folder("static").join("program");
    let source = "int main(void) { return 0; }";
    if !compile("a static program", source, &program, &["-static"]) {
        return;
    }
    refused(
        &output(run().arg("--").arg(&program)),
        121,
        &["statically linked"],
    );
    let script = program.with_file_name("script");
    let text = format!("#!{}\n", program.display());
    executable(&script, text.as_bytes(), 0o755);
    refused(
        &output(run().arg("--").arg(&script)),
        121,
        &["statically linked", "a script"],
    );
}

#[test]
fn set_user_id_and_set_group_id_are_122() {
    let folder = folder("privileged");
    let contents = fs::read("/bin/echo").expect("/bin/echo");
    for (mode, word) in [(0o4755, "set-user-ID"), (0o2755, "set-group-ID")] {
        let copy = folder.join(word);
        executable(&copy, &contents, mode);
        refused(
            &output(run().arg("--").arg(&copy).arg("ran")),
            122,
            &[word, arg(&copy)],
        );
    }
}

#[test]
fn a_library_that_is_not_loaded_is_124() {
    let out = output(run().args(["--", "sh", "-c", "exit 3"]));
    refused(&out, 124, &["never loaded", "exited with 3"]);
    let out = output(run().args(["--json", "--", "true"]));
    let text = stderr(&out);
    let json = text.lines().last().expect("a line");
    let value: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(value["code"], 124);
}

#[test]
fn another_machines_program_is_124() {
    let program = folder("foreign").join("program");
    let mut header = vec![0; 64];
    // A 32-bit ELF program.
    header[..6].copy_from_slice(b"\x7fELF\x01\x01");
    executable(&program, &header, 0o755);
    refused(
        &output(run().arg("--").arg(&program)),
        124,
        &["word size", arg(&program)],
    );
}

#[test]
fn what_cannot_be_executed_is_126() {
    let folder = folder("not-executable");
    let plain = folder.join("plain");
    fs::write(&plain, "text").expect("written");
    refused(&output(run().arg("--").arg(&plain)), 126, &[arg(&plain)]);
    refused(
        &output(run().arg("--").arg(&folder)),
        126,
        &[arg(&folder), "folder"],
    );
    let data = folder.join("data");
    executable(&data, b"a\0b", 0o755);
    refused(
        &output(run().arg("--").arg(&data)),
        126,
        &["neither an ELF program nor a script"],
    );
    let endless = folder.join("endless");
    let text = format!("#!{}\n", endless.display());
    executable(&endless, text.as_bytes(), 0o755);
    refused(
        &output(run().arg("--").arg(&endless)),
        126,
        &["interpreters"],
    );
}

#[test]
fn what_is_not_there_is_127() {
    let out = output(run().args(["--", "/nonexistent/program"]));
    refused(&out, 127, &["/nonexistent/program", "not found"]);
    let out = output(run().args(["--", "no-such-program-anywhere"]));
    refused(&out, 127, &["no-such-program-anywhere", "PATH"]);
    let script = folder("orphan").join("script");
    executable(&script, b"#!/nonexistent/interpreter\n", 0o755);
    let out = output(run().arg("--").arg(&script));
    refused(&out, 127, &["/nonexistent/interpreter", arg(&script)]);
}

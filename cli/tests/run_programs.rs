//! `ntheap run` on programs that run.

#![cfg(target_os = "linux")]

mod common;

use common::{compile, executable, folder, library, ntheap, output, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

fn run(options: &[&str]) -> Command {
    library();
    let mut command = ntheap();
    command.arg("run").args(options).arg("--");
    command
}

/// The one JSON object on the last line of standard error.
fn report(out: &Output) -> Value {
    let text = stderr(out);
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in\n{text}"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn the_exit_status_is_the_programs() {
    let out = output(run(&[]).args(["sh", "-c", "exit 7"]));
    let text = stderr(&out);
    assert_eq!(out.status.code(), Some(7), "{text}");
    assert!(text.contains("sh exited with 7 after"), "{text}");
    assert!(text.contains("peak RSS"), "{text}");
}

#[test]
fn the_table_has_every_part() {
    let out = output(run(&[]).args(["ls", "/nonexistent/folder"]));
    let text = stderr(&out);
    assert_eq!(out.status.code(), Some(2), "{text}");
    for part in [
        "ls exited with 2 after",
        "peak RSS",
        "memory at exit",
        "held by the program",
        " allocations\n",
        "block size",
        "calls into the system",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(!text.contains("unknown option"), "{text}");
    assert!(
        !text.contains('\x1b'),
        "colours without a terminal:\n{text}"
    );
}

#[test]
fn json_has_statistics() {
    let out = output(run(&["--json"]).args(["ls", "/dev/null", "/nonexistent/folder"]));
    assert_eq!(stdout(&out), "/dev/null\n");
    let report = report(&out);
    assert_eq!(report["exit_code"], 2);
    assert_eq!(report["signal"], Value::Null);
    assert_eq!(report["command"][0], "ls");
    assert_eq!(report["unreadable_lines"], 0);
    assert!(report["elapsed_s"].as_f64() > Some(0.0));
    assert!(number(&report["peak_rss"]) > 100_000, "{report}");
    assert!(number(&report["allocations"]) > 0, "{report}");
    for name in ["allocated", "active", "resident", "committed", "mapped"] {
        assert!(number(&report["stats"][name]) > 0, "{name} in {report}");
    }
    let calls = report["stats"]["os_calls"].as_object().expect("calls");
    assert!(calls.values().any(|n| number(n) > 0), "{report}");
    let buckets = report["stats"]["buckets"].as_array().expect("buckets");
    let counted: u64 = buckets.iter().map(|b| number(&b["allocations"])).sum();
    assert!(counted > 0, "{report}");
}

#[test]
fn without_counting_the_memory_is_still_told() {
    let out = output(
        run(&["--json", "--no-count"])
            .env("NTHEAP_COUNT", "1")
            .args(["env"]),
    );
    assert!(!stdout(&out).contains("NTHEAP_COUNT"), "{}", stdout(&out));
    let report = report(&out);
    assert_eq!(report["allocations"], Value::Null);
    assert!(number(&report["stats"]["allocated"]) > 0, "{report}");
}

#[test]
fn streams_are_passed_through_untouched() {
    let mut child = run(&["--output", "/dev/null"])
        .args(["sh", "-c", "cat; echo error >&2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let bytes: Vec<u8> = (0..=255).collect();
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&bytes).expect("written");
    drop(stdin);
    let out = child.wait_with_output().expect("ended");
    assert_eq!(out.stdout, bytes);
    assert_eq!(stderr(&out), "error\n");
    assert_eq!(out.status.code(), Some(0));
}

#[test]
fn the_report_can_go_to_a_file() {
    let file = folder("report").join("report.json");
    let name = file.to_str().expect("UTF-8");
    let out = output(run(&["--json", "-o", name]).arg("true"));
    assert_eq!(stderr(&out), "");
    let text = fs::read_to_string(&file).expect("the report");
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["exit_code"], 0);

    let out = output(run(&["-o", "/nonexistent/report"]).arg("true"));
    assert_eq!(out.status.code(), Some(125));
    assert!(stderr(&out).contains("/nonexistent/report"));
}

#[test]
fn a_killed_program_is_128_and_the_signal() {
    let out = output(run(&[]).args(["sh", "-c", "kill -9 $$"]));
    assert_eq!(out.status.code(), Some(137));
    let text = stderr(&out);
    assert!(text.contains("killed by signal 9 (SIGKILL)"), "{text}");
    assert!(text.contains("statistics at exit are missing"), "{text}");
    let out = output(run(&["--json"]).args(["sh", "-c", "kill -TERM $$"]));
    assert_eq!(out.status.code(), Some(143));
    let report = report(&out);
    assert_eq!(report["signal"], 15);
    assert_eq!(report["exit_code"], Value::Null);
    assert_eq!(report["stats"], Value::Null);
    let why = report["stats_missing"].as_str().expect("a reason");
    assert!(why.contains("SIGTERM"), "{why}");
}

#[test]
fn signals_are_passed_on() {
    for (signal, code) in [(libc::SIGTERM, 143), (libc::SIGINT, 130)] {
        let mut command = run(&["--json"]);
        // Tests started in the background of a script have SIGINT ignored,
        // and what is ignored stays so.
        // SAFETY: signal is allowed between fork and exec.
        unsafe {
            command.pre_exec(move || {
                libc::signal(signal, libc::SIG_DFL);
                Ok(())
            });
        }
        let mut child = command
            .args(["sh", "-c", "echo ready; exec sleep 60"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("read");
        assert_eq!(line, "ready\n");
        let pid = libc::pid_t::try_from(child.id()).expect("a process number");
        // SAFETY: the child is not waited for yet, so the number is its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
        let out = child.wait_with_output().expect("ended");
        assert_eq!(out.status.code(), Some(code), "{}", stderr(&out));
        assert_eq!(report(&out)["signal"], signal);
    }
}

#[test]
fn other_processes_are_counted() {
    let script = "ls / >/dev/null; ls / >/dev/null; exit 0";
    let out = output(run(&["--json"]).args(["sh", "-c", script]));
    let others = &report(&out)["other_processes"];
    assert_eq!(number(&others["on_ntheap"]), 2, "{others}");
    assert_eq!(number(&others["on_another_malloc"]), 0, "{others}");
    assert_eq!(number(&others["without_exit_line"]), 0, "{others}");
}

#[test]
fn scripts_run_by_their_interpreter() {
    let folder = folder("scripts");
    for (name, first) in [
        ("direct", "#!/bin/sh\n"),
        ("env", "#!/usr/bin/env sh\n"),
        ("bare", ""),
    ] {
        let script = folder.join(name);
        let text = format!("{first}echo \"$1\"; exit 5\n");
        executable(&script, text.as_bytes(), 0o755);
        let out = output(run(&["--json"]).arg(&script).arg("word"));
        assert_eq!(out.status.code(), Some(5), "{name}: {}", stderr(&out));
        assert_eq!(stdout(&out), "word\n", "{name}");
        assert_eq!(report(&out)["exit_code"], 5, "{name}");
    }
}

#[test]
fn a_preloaded_library_of_the_users_is_kept() {
    let folder = folder("preload");
    let theirs = folder.join("theirs.so");
    let source = "int theirs(void) { return 1; }";
    if !compile(
        "a second preloaded library",
        source,
        &theirs,
        &["-shared", "-fPIC"],
    ) {
        return;
    }
    let out = output(run(&["-o", "/dev/null"]).env("LD_PRELOAD", &theirs).args([
        "sh",
        "-c",
        "echo $LD_PRELOAD",
    ]));
    let expected = format!("{}:{}\n", library().display(), theirs.display());
    assert_eq!(stdout(&out), expected, "{}", stderr(&out));
}

#[test]
fn a_malloc_of_its_own_is_123() {
    let program = folder("own-malloc").join("program");
    let source = r#"
        #include <stddef.h>
        #include <stdio.h>
        static char pool[1 << 20];
        static size_t used;
        void *malloc(size_t n) { void *p = pool + used; used += (n + 15) & ~(size_t)15; return p; }
        void free(void *p) { (void)p; }
        void *calloc(size_t n, size_t m) { return malloc(n * m); }
        void *realloc(void *p, size_t n) { (void)p; return malloc(n); }
        int main(void) { puts("ran"); return 0; }
    "#;
    if !compile(
        "a program with its own malloc",
        source,
        &program,
        &["-rdynamic", "-fno-builtin"],
    ) {
        return;
    }
    let out = output(run(&[]).arg(&program));
    let text = stderr(&out);
    assert_eq!(out.status.code(), Some(123), "{text}");
    assert!(text.contains("allocator of its own"), "{text}");
    assert!(text.contains(program.to_str().expect("UTF-8")), "{text}");
    assert_eq!(stdout(&out), "", "the program must not have run");
}

#[test]
fn an_end_without_exit_handlers_is_explained() {
    let program = folder("quick").join("program");
    let source = "#include <unistd.h>\nint main(void) { _exit(9); }";
    if !compile("a program that ends by _exit", source, &program, &[]) {
        return;
    }
    let out = output(run(&["--json"]).arg(&program));
    assert_eq!(out.status.code(), Some(9));
    let report = report(&out);
    assert_eq!(report["stats"], Value::Null);
    let why = report["stats_missing"].as_str().expect("a reason");
    assert!(why.contains("_exit"), "{why}");
}

#[test]
fn memory_over_time_is_drawn() {
    let folder = folder("run-timeline");
    let program = folder.join("program");
    let source = r#"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void) {
    for (int i = 0; i < 40; i++) {
        memset(malloc(200000), 1, 200000);
        usleep(2000);
    }
    usleep(1500000); /* for a look at all of it, however busy the machine is */
    return 0;
}
"#;
    if !compile("a time line", source, &program, &[]) {
        return;
    }
    for name in ["memory.svg", "memory.html"] {
        let file = folder.join(name);
        let to = file.to_str().expect("UTF-8");
        let out = output(run(&["--no-count", "--timeline", to]).arg(&program));
        assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
        let text = fs::read_to_string(&file).expect("a file");
        assert_eq!(text.starts_with("<!doctype html>"), name.ends_with("html"));
        let told = text
            .lines()
            .find(|line| line.contains("moments"))
            .expect("a line");
        // Forty blocks of a quarter of a MiB each, since that is their bucket's size.
        let most = told.split("at most ").nth(1).expect("figures");
        let most: f64 = most
            .split(' ')
            .next()
            .expect("a number")
            .parse()
            .expect("one");
        assert!(
            (9.5..10.5).contains(&most) && told.contains(" MiB in use"),
            "{told}"
        );
        assert!(text.contains("class=\"resident line\""), "{text}");
    }
    let out = output(run(&["--timeline", "memory.png"]).arg("true"));
    assert_eq!(out.status.code(), Some(2), "{}", stderr(&out));
    let out = output(run(&["--timeline", "/nonexistent/memory.svg"]).arg("true"));
    assert_eq!(out.status.code(), Some(125), "{}", stderr(&out));
    assert!(stderr(&out).contains("cannot write the time line"));
    // The report is there though the picture's place is gone in the end.
    let file = folder.join("gone.svg");
    let replace = format!("rm {0} && mkdir {0}", file.display());
    let mut command = run(&["--json", "--timeline", file.to_str().expect("UTF-8")]);
    let out = output(command.args(["sh", "-c", &replace]));
    assert_eq!(out.status.code(), Some(125), "{}", stderr(&out));
    let told = stderr(&out);
    let (report, complaint) = told.trim_end().rsplit_once('\n').expect("two lines");
    let report: Value = serde_json::from_str(report).expect("a report");
    assert!(report["peak_rss"].as_u64() > Some(0), "{report}");
    assert!(
        complaint.contains("cannot write the time line"),
        "{complaint}"
    );
}

/// Frees a block twice, from functions that have names.
const TWICE: &str = r#"
#include <stdlib.h>
#include <unistd.h>
static __attribute__((noinline)) char *make_one(void) { char *p = malloc(40); p[0] = 1; return p; }
static __attribute__((noinline)) void first_end(char *p) { free(p); p = 0; }
static __attribute__((noinline)) void second_end(char *p) { free(p); p = 0; }
int main(int count, char **args) {
    char *volatile p = make_one();
    first_end(p);
    for (int i = 1; i < count; i++) second_end(p);
    return 0;
}
"#;

fn twice(name: &str, flags: &[&str]) -> Option<std::path::PathBuf> {
    let program = folder(name).join("twice");
    let flags = [&["-O0", "-fno-inline", "-Wno-use-after-free"], flags].concat();
    compile(name, TWICE, &program, &flags).then_some(program)
}

#[test]
fn stops_are_told_with_names() {
    let Some(program) = twice("stops-named", &["-g"]) else {
        return;
    };
    let flagged = |options: &[&str], arguments: &[&str]| {
        let mut command = run(options);
        command.env("NTHEAP_GFLAGS", "+hpc,+ust");
        output(command.arg(&program).args(arguments))
    };
    let out = flagged(&[], &["x"]);
    assert_eq!(out.status.code(), Some(134));
    let text = stderr(&out);
    let (raw, named) = text
        .split_once("ntheap: the stop, with names\n")
        .unwrap_or_else(|| panic!("{text}"));
    // At once, as it is without the command.
    assert!(
        raw.starts_with("ntheap: VERIFIER STOP 0000000000000007"),
        "{text}"
    );
    assert!(raw.contains("#0 0x") && !raw.contains("make_one"), "{text}");
    assert!(named.starts_with("  DOUBLE_FREE in process "), "{text}");
    for (function, line) in [("make_one", 4), ("first_end", 5), ("main", 8), ("main", 9)] {
        let at = format!(
            "      {function} at {}.c:{line} (twice+0x",
            program.display()
        );
        assert!(named.contains(&at), "no {at:?} in\n{text}");
    }
    assert!(named.contains("    allocated by thread "), "{text}");
    assert!(named.contains("    freed by thread "), "{text}");
    assert!(
        named.contains("twice was killed by signal 6 (SIGABRT)"),
        "{text}"
    );

    let out = flagged(&["--json"], &["x"]);
    let told = report(&out);
    let stops = told["stops"].as_array().expect("stops");
    assert_eq!(stops.len(), 1, "{told}");
    assert_eq!(stops[0]["symbol"], "DOUBLE_FREE");
    let call = &stops[0]["allocated"]["calls"][0];
    assert_eq!(call["functions"][0]["name"], "make_one");
    assert_eq!(call["functions"][0]["line"], 4);
    let frame = call["frame"].as_str().expect("a frame");
    assert!(frame.starts_with("twice+0x"), "{call}");
    assert_eq!(
        stops[0]["freed"]["calls"][0]["functions"][0]["name"],
        "first_end"
    );

    // One that goes on has more of them, and not more than are told.
    let mut command = run(&["--json"]);
    command
        .env("NTHEAP_GFLAGS", "+ust")
        .env("NTHEAP_ON_CORRUPTION", "continue");
    let out = output(command.arg(&program).args(["x"; 70]));
    let told = report(&out);
    assert_eq!(told["exit_code"], 0);
    assert_eq!(told["stops"].as_array().expect("stops").len(), 64);
    assert_eq!(stderr(&out).matches("VERIFIER STOP").count(), 70);

    // Nothing wrong, nothing told.
    let out = flagged(&["--json"], &[]);
    assert_eq!(report(&out)["stops"], serde_json::json!([]));
}

#[test]
fn an_access_is_told_by_its_line() {
    let folder = folder("stops-access");
    let program = folder.join("access");
    let source = "#include <stdlib.h>\n\
                  static __attribute__((noinline)) void step(char *p, long n) {\n\
                  p[n] = 1;\n\
                  }\n\
                  int main(void) { step(malloc(64), 64); return 0; }\n";
    if !compile("a bad access", source, &program, &["-g", "-O0"]) {
        return;
    }
    let mut command = run(&["--json"]);
    command.env("NTHEAP_GFLAGS", "+hpa,+ust");
    let told = report(&output(command.arg(&program)));
    assert_eq!(told["stops"][0]["symbol"], "ACCESS_VIOLATION");
    let code = &told["stops"][0]["code"][0];
    assert_eq!(
        (code["name"].as_str(), code["line"].as_u64()),
        (Some("step"), Some(3)),
        "{told}"
    );
    let mut command = run(&[]);
    command.env("NTHEAP_GFLAGS", "+hpa,+ust");
    let text = stderr(&output(command.arg(&program)));
    // The stack of the access, the access itself first.
    let (_, access) = text.split_once("    accessed by thread ").expect("a stack");
    let lines: Vec<&str> = access.lines().skip(1).collect();
    let place = |line: u32| format!(" at {}.c:{line} (access+0x", program.display());
    assert!(
        lines[0].starts_with(&format!("      step{}", place(3))),
        "{text}"
    );
    assert!(
        lines[1].starts_with(&format!("      main{}", place(5))),
        "{text}"
    );
}

#[test]
fn a_pointer_that_nobody_wrote_is_told_by_its_line() {
    let folder = folder("stops-fill");
    let program = folder.join("fill");
    let source = "#include <stdlib.h>\n\
                  struct node { long number; struct node *next; };\n\
                  static __attribute__((noinline)) long step(struct node *node) {\n\
                  return node->next->number;\n\
                  }\n\
                  int main(void) { return step(malloc(64)) == 7; }\n";
    if !compile("a fill", source, &program, &["-g", "-O0"]) {
        return;
    }
    let mut command = run(&[]);
    command.env("NTHEAP_GFLAGS", "+hpc");
    let text = stderr(&output(command.arg(&program)));
    let told = "    the pointer 0xbaadf00dbaadf00d was read from memory of the heap that was never \
                written\n    accessed by thread ";
    let (_, access) = text.split_once(told).expect("it is told");
    let line = format!("      step at {}.c:4 (fill+0x", program.display());
    assert!(
        access
            .lines()
            .nth(1)
            .is_some_and(|frame| frame.starts_with(&line)),
        "{text}"
    );
}

/// A stripped program has addresses alone, and the report says why.
#[test]
fn a_stripped_program_has_stops_without_names() {
    let Some(program) = twice("stops-stripped", &["-s"]) else {
        return;
    };
    let mut command = run(&[]);
    command.env("NTHEAP_GFLAGS", "+ust");
    let text = stderr(&output(command.arg(&program).arg("x")));
    let (_, named) = text.split_once("with names\n").expect("the stop");
    assert!(named.contains("\n      twice+0x"), "{text}");
    assert!(!named.contains("make_one"), "{text}");
    let said = format!(
        "addresses in {} have no name: it says nothing of them, as a stripped file does\n",
        program.display()
    );
    assert!(named.contains(&said), "{text}");
}

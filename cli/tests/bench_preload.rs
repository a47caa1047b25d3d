//! `ntheap bench --preload`: the C programs and some installed ones, on ntheap
//! and on the system's malloc.

#![cfg(target_os = "linux")]

mod common;

use common::{compile, folder, library, ntheap, output, root, skip, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// In the checkout, building into a folder of the tests.
fn bench(target: &Path, arguments: &[&str]) -> Output {
    library();
    let mut command = ntheap();
    command
        .arg("bench")
        .args(["--scale", "0.01", "--rounds", "1"])
        .args(arguments)
        .current_dir(root())
        .env("CARGO_TARGET_DIR", target);
    output(&mut command)
}

fn compiler(what: &str) -> bool {
    match Command::new("cc").arg("--version").output() {
        Ok(out) if out.status.success() => true,
        Ok(out) => skip(what, &format!("cc: {}", stderr(&out))),
        Err(e) => skip(what, &format!("cc: {e}")),
    }
}

fn installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|out| out.status.success())
}

fn json(file: &Path) -> Value {
    let text = fs::read_to_string(file).expect("the file was written");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn every_c_load_runs_on_ntheap_and_on_the_system() {
    if !compiler("the C loads") {
        return;
    }
    let target = folder("bench-preload");
    let file = target.join("all.json");
    let groups = ["pairs", "batches", "one-thread", "two-threads", "start"];
    let mut arguments = vec!["--preload", "system=", "--brief", "--json"];
    arguments.push(file.to_str().expect("the tests' folder is UTF-8"));
    for group in groups {
        arguments.extend(["--group", group]);
    }
    let out = bench(&target, &arguments);
    assert!(out.status.success(), "{}\n{}", stdout(&out), stderr(&out));
    let value = json(&file);
    assert_eq!(value["allocators"], serde_json::json!(["ntheap", "system"]));
    assert_eq!(value["reference"], "system");
    let rows = value["rows"].as_array().expect("rows");
    let of = |group: &str| rows.iter().filter(|row| row["group"] == group).count();
    assert_eq!(groups.map(of), [7, 4, 13, 10, 1]);
    for row in rows {
        for allocator in ["ntheap", "system"] {
            let run = &row["allocators"][allocator]["runs"][0];
            assert!(run["operations"].as_u64() > Some(0), "{row:#}");
            assert!(run["peak_rss"].as_u64() > Some(1 << 20), "{row:#}");
        }
    }
    let text = stdout(&out);
    for part in [
        "two threads, C programs",
        "ntheap's worst row: ",
        "geometric mean",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn installed_programs_are_measured_from_outside() {
    let names = ["perl", "sqlite3", "xz"];
    let there: Vec<&str> = names.into_iter().filter(|name| installed(name)).collect();
    for name in names.iter().filter(|name| !there.contains(name)) {
        skip(name, "not installed");
    }
    if there.is_empty() || !compiler("installed programs") {
        return;
    }
    let target = folder("bench-programs");
    let file = target.join("all.json");
    let mut arguments = vec!["--preload", "system=", "--json"];
    arguments.push(file.to_str().expect("the tests' folder is UTF-8"));
    for name in &there {
        arguments.extend(["--only", name]);
    }
    let out = bench(&target, &arguments);
    assert!(out.status.success(), "{}\n{}", stdout(&out), stderr(&out));
    let value = json(&file);
    let rows = value["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), there.len());
    for row in rows {
        assert_eq!(row["group"], "real-programs");
        let run = &row["allocators"]["ntheap"]["runs"][0];
        assert!(run["seconds"].as_f64() > Some(0.0), "{row:#}");
        assert!(run["peak_rss"].as_u64() > Some(1 << 20), "{row:#}");
        assert_eq!(run["rss_after_drop"], Value::Null);
    }
}

#[test]
fn a_library_that_does_not_take_effect_is_left_out_by_name() {
    if !compiler("libraries that do not take effect") {
        return;
    }
    let target = folder("bench-refused");
    let text = target.join("text.so");
    fs::write(&text, "not a library\n").expect("written");
    let empty = target.join("empty.so");
    if !compile("a library", "int nothing;\n", &empty, &["-shared", "-fPIC"]) {
        return;
    }
    let option = |name: &str, path: &Path| format!("{name}={}", path.display());
    let (text, empty) = (option("text", &text), option("empty", &empty));
    let arguments = [
        "--preload",
        &text,
        "--preload",
        &empty,
        "--only",
        "pair-16",
        "--brief",
    ];
    let out = bench(&target, &arguments);
    assert_eq!(out.status.code(), Some(1), "{}", stdout(&out));
    let said = stderr(&out);
    assert!(said.contains("left out: text: not loaded: "), "{said}");
    assert!(said.contains("cannot be preloaded"), "{said}");
    assert!(
        said.contains("left out: empty: not loaded: malloc came from "),
        "{said}"
    );
    // The others went on.
    assert!(stdout(&out).contains("pair-16"), "{}", stdout(&out));

    let missing = bench(&target, &["--preload", "x=/no/such/library.so"]);
    assert_eq!(missing.status.code(), Some(2));
    let said = stderr(&missing);
    assert!(
        said.contains("--preload x=/no/such/library.so: No such file"),
        "{said}"
    );
    let twice = bench(&target, &["--preload", "system=", "--preload", "system="]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(
        stderr(&twice).contains("names system twice"),
        "{}",
        stderr(&twice)
    );
}

/// Hands out every thousandth block twice; frees nothing.
const OVERLAPPING: &str = r#"
#include <stddef.h>
#include <string.h>
static char memory[1 << 30] __attribute__((aligned(16)));
static size_t used, calls;
static char *last;
void *malloc(size_t n)
{
    if (++calls % 1000 == 0 && last)
        return last;
    last = memory + used;
    used += (n + 31) & ~(size_t)15;
    return used <= sizeof memory ? last : NULL;
}
void free(void *p) { (void)p; }
void *calloc(size_t n, size_t size) { return malloc(n * size); }
void *realloc(void *p, size_t n)
{
    char *new = malloc(n);
    if (p && new)
        memmove(new, p, n);
    return new;
}
"#;

#[test]
fn the_loads_notice_blocks_that_overlap() {
    if !compiler("an allocator that does not work") {
        return;
    }
    let target = folder("bench-overlap");
    let library = target.join("overlapping.so");
    let flags = ["-shared", "-fPIC", "-O1", "-fno-builtin"];
    if !compile(
        "an allocator that does not work",
        OVERLAPPING,
        &library,
        &flags,
    ) {
        return;
    }
    let option = format!("overlapping={}", library.display());
    let arguments = ["--preload", &option, "--only", "replace-10k", "--brief"];
    let out = bench(&target, &arguments);
    assert_eq!(out.status.code(), Some(1), "{}", stderr(&out));
    let text = stdout(&out);
    assert!(
        text.contains("failed: replace-10k on overlapping: exit 1: loads: block "),
        "{text}"
    );
    assert!(text.contains(" has changed: "), "{text}");
}

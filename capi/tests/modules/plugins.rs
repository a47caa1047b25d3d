//! The example of plugins, case by case and mode by mode.

use super::common::{Ended, command, find, folder, library, run, skip, windows_library};
use super::reports::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const HOST: Heap = ("host", "ntheap-plugins");
const RUST_A: Heap = ("ntheap-plugin-a", "libntheap_plugin_a.so");
const RUST_B: Heap = ("ntheap-plugin-b", "libntheap_plugin_b.so");
const CPP_A: Heap = ("cpp a", "libcpp_a.so");
const CPP_B: Heap = ("cpp b", "libcpp_b.so");
const SHARED: Heap = ("C runtime", "libntheap.so");
const PROCESS: Heap = ("process heap", "libntheap.so");

/// The folder with the host and all libraries; none where there is no g++.
fn example() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(build).as_deref()
}

fn build() -> Option<PathBuf> {
    if find("g++").is_none() {
        skip("the plugins", "g++ is not installed");
        return None;
    }
    let built = windows_library().parent().expect("a folder");
    let target = built.parent().expect("the target folder");
    run(Command::new(env!("CARGO"))
        .args(["build", "--release", "--target-dir"])
        .arg(target)
        .args(["--package", "ntheap-plugins"])
        .args(["--package", "ntheap-plugin-a"])
        .args(["--package", "ntheap-plugin-b"]))
    .expect_success("building the example");
    let folder = folder("plugins");
    for file in [
        "ntheap-plugins",
        "libntheap_plugin_a.so",
        "libntheap_plugin_b.so",
        "libntheap_win32.so",
    ] {
        fs::copy(built.join(file), folder.join(file)).expect("copied");
    }
    fs::copy(library(), folder.join("libntheap.so")).expect("copied");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for which in ["a", "b"] {
        run(command("g++")
            .args(["-shared", "-fPIC", "-std=c++11", "-O1", "-fshort-wchar"])
            .args(["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"])
            .arg(format!("-DNAME=\"cpp {which}\""))
            .arg("-I")
            .arg(here.join("include"))
            .arg(here.join("../examples/plugins/plugin.cpp"))
            .arg("-o")
            .arg(folder.join(format!("libcpp_{which}.so")))
            .arg("-L")
            .arg(&folder)
            .args(["-lntheap_win32", "-lntheap", "-Wl,-rpath,$ORIGIN"]))
        .expect_success("g++");
    }
    Some(folder)
}

/// Plays a case in a mode.
fn play(case: &str, mode: &str, action: &str) -> Option<Ended> {
    let folder = example()?;
    let mut child = command(folder.join("ntheap-plugins"));
    child
        .arg(folder)
        .arg(case)
        .env("NTHEAP_CRT", mode)
        .env("NTHEAP_ON_CORRUPTION", action)
        .env("LD_PRELOAD", folder.join("libntheap_win32.so"));
    Some(run(&mut child))
}

/// A case that is caught where each module has a heap, and only there.
fn cross(case: &str, operation: &'static str, size: usize, used: Heap, owner: Heap) {
    let Some(ended) = play(case, "private", "abort") else {
        return;
    };
    caught(&ended, |pid, lines| {
        Switched {
            operation,
            used,
            address: block(&ended),
            size,
            place: start_of(size),
            owner: Some(owner),
            advice: CROSS_HEAP,
        }
        .expect(pid, lines);
    });
    for mode in ["shared", "process"] {
        went_on(&play(case, mode, "abort").expect("as before"));
    }
}

#[test]
fn a_string_of_one_plugin_dropped_in_another() {
    cross("string", "dealloc", 100, RUST_B, RUST_A);
}

#[test]
fn a_string_of_a_plugin_dropped_by_the_host() {
    cross("string-host", "dealloc", 5000, HOST, RUST_A);
}

#[test]
fn new_of_one_module_meets_delete_of_another() {
    cross("new", "free", 200, CPP_B, CPP_A);
}

#[test]
fn new_of_a_module_in_cpp_meets_dealloc_of_one_in_rust() {
    cross("new-rust", "dealloc", 200, RUST_B, CPP_A);
}

#[test]
fn malloc_meets_heap_free() {
    for (mode, owner) in [("private", CPP_A), ("shared", SHARED)] {
        let Some(ended) = play("malloc-heapfree", mode, "abort") else {
            return;
        };
        caught(&ended, |pid, lines| {
            Switched {
                operation: "HeapFree",
                used: PROCESS,
                address: block(&ended),
                size: 300,
                place: start_of(300),
                owner: Some(owner),
                advice: NOT_HEAP_FREE,
            }
            .expect(pid, lines);
        });
    }
    if let Some(ended) = play("malloc-heapfree", "process", "abort") {
        went_on(&ended);
    }
}

#[test]
fn aligned_malloc_meets_free() {
    let process = ("process heap", "");
    for (mode, used) in [("private", CPP_A), ("shared", SHARED), ("process", process)] {
        let Some(ended) = play("aligned-free", mode, "abort") else {
            return;
        };
        let address = block(&ended);
        // 400 bytes, a word and up to 63 for the alignment.
        let size = 400 + 8 + 63;
        let errors = super::common::text(&ended.stderr);
        let start = errors
            .split_once("that starts at 0x")
            .and_then(|(_, rest)| rest.split_whitespace().next())
            .and_then(|digits| usize::from_str_radix(digits, 16).ok())
            .unwrap_or_else(|| panic!("{errors}"));
        assert!((8..=71).contains(&(address - start)), "{errors}");
        caught(&ended, |pid, lines| {
            Switched {
                operation: "free",
                used,
                address,
                size,
                place: format!(
                    "the address lies {} bytes inside a busy block of {size} bytes that starts \
                     at {start:#x}",
                    address - start
                ),
                owner: None,
                advice: ALIGNED,
            }
            .expect(pid, lines);
        });
    }
}

#[test]
fn a_debug_block_meets_release_free() {
    let process = ("process heap", "");
    for (mode, used, owner) in [
        ("private", CPP_A, Some(SHARED)),
        ("shared", SHARED, None),
        ("process", process, None),
    ] {
        let Some(ended) = play("debug-free", mode, "abort") else {
            return;
        };
        let address = block(&ended);
        caught(&ended, |pid, lines| {
            Switched {
                operation: "free",
                used,
                address,
                size: 168,
                place: format!(
                    "the address lies 64 bytes inside a busy block of 168 bytes that starts at \
                     {:#x}",
                    address - 64
                ),
                owner,
                advice: DEBUG_BLOCK,
            }
            .expect(pid, lines);
        });
    }
}

/// A plugin is unloaded while a block of it lives.
fn unloaded(case: &str, operation: &'static str, size: usize, used: Heap, owner: Heap, gone: Heap) {
    let Some(ended) = play(case, "private", "abort") else {
        return;
    };
    caught(&ended, |pid, lines| {
        expect_leak(pid, lines, owner, block(&ended), size);
    });

    // Where the process goes on, the late free is caught as well.
    let ended = play(case, "private", "continue").expect("as before");
    let (out, errors) = (
        super::common::text(&ended.stdout),
        super::common::text(&ended.stderr),
    );
    assert!(ended.status.success(), "{}\n{errors}", ended.status);
    assert!(out.contains("1 blocks left\nunloaded\n"), "{out}");
    let mut lines = lines(&errors);
    expect_leak(ended.pid, &mut lines, owner, block(&ended), size);
    Switched {
        operation,
        used,
        address: block(&ended),
        size: 0,
        place: "the address belongs to no block of any ntheap heap".to_owned(),
        owner: Some(gone),
        advice: GONE,
    }
    .expect(ended.pid, &mut lines);
    assert!(lines.is_empty(), "{lines:#?}");

    for mode in ["shared", "process"] {
        went_on(&play(case, mode, "abort").expect("as before"));
    }
}

#[test]
fn a_plugin_in_rust_is_unloaded_while_a_block_of_it_lives() {
    // The name was in the copy that is gone.
    let gone = ("destroyed heap", "");
    unloaded("unload", "dealloc", 100, HOST, RUST_A, gone);
}

#[test]
fn a_plugin_in_cpp_is_unloaded_while_a_block_of_it_lives() {
    let gone = ("cpp a", "");
    unloaded("unload-cpp", "free", 200, CPP_B, CPP_A, gone);
}

/// What comes of each case in private, shared and process mode, as the page about the
/// runtime's heaps says.
const ALL: [(&str, [&str; 3]); 9] = [
    ("string", ["caught", "works", "hidden"]),
    ("string-host", ["caught", "works", "hidden"]),
    ("new", ["caught", "works", "hidden"]),
    ("new-rust", ["caught", "works", "hidden"]),
    ("malloc-heapfree", ["caught", "caught", "hidden"]),
    ("aligned-free", ["caught", "caught", "caught"]),
    ("debug-free", ["caught", "caught", "caught"]),
    ("unload", ["caught", "works", "hidden"]),
    ("unload-cpp", ["caught", "works", "hidden"]),
];

#[test]
fn the_host_plays_all_cases_and_says_what_came_of_them() {
    let Some(folder) = example() else {
        return;
    };
    let ended = run(command(folder.join("ntheap-plugins")).arg(folder)).expect_success("the host");
    let out = super::common::text(&ended.stdout);
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut lines = out.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(outcome) = line.strip_prefix("  ") {
            let (mode, what) = outcome.split_once(": ").expect("a mode");
            let (_, modes) = found.last_mut().expect("a case");
            assert_eq!(mode, ["private", "shared", "process"][modes.len()], "{out}");
            modes.push(what);
            // What is caught comes with its report, and nothing else does.
            let mut report = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with("    | ")) {
                report.push(line);
            }
            let is_report = report
                .first()
                .is_some_and(|line| line.starts_with("    | ntheap: VERIFIER STOP "));
            assert_eq!(is_report, what == "caught", "{out}");
            assert!(is_report || report.is_empty(), "{out}");
        } else {
            let (case, _) = line.split_once(": ").expect("a case");
            found.push((case, Vec::new()));
        }
    }
    let expected: Vec<(&str, Vec<&str>)> = ALL
        .iter()
        .map(|(case, modes)| (*case, modes.to_vec()))
        .collect();
    assert_eq!(found, expected, "{out}");
}

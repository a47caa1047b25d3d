//! The callback that programs in C have for reports, and the statistics they are told.

#![cfg(target_os = "linux")]

mod common;

use common::{command, compiled, library, run, text};
use std::path::{Path, PathBuf};

/// A program in C that is linked with the library.
fn built(what: &str, source: &str) -> Option<PathBuf> {
    let folder = library().parent().expect("the library is in a folder");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let flags = [
        format!("-I{}", include.display()),
        format!("-L{}", folder.display()),
        format!("-Wl,-rpath,{}", folder.display()),
        "-lntheap".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    compiled(what, source, &flags)
}

#[test]
fn a_callback_is_shown_the_report_that_is_written() {
    let Some(program) = built("stop callback", "stops.c") else {
        return;
    };
    let ended = run(command(&program)
        .env("NTHEAP_GFLAGS", "+hpc,+ust")
        .env("NTHEAP_ON_CORRUPTION", "continue"))
    .expect_success("stop callback");
    let (out, errors) = (text(&ended.stdout), text(&ended.stderr));
    // Three reports, all alike: the callback's text is the first.
    let first = errors
        .split_inclusive("ntheap: VERIFIER STOP")
        .nth(1)
        .expect("reports");
    let first = first
        .strip_suffix("ntheap: VERIFIER STOP")
        .expect("another");
    let first = format!("ntheap: VERIFIER STOP{first}");
    assert_eq!(errors.matches("VERIFIER STOP").count(), 3, "{errors}");
    let rest = out
        .strip_prefix(&first)
        .unwrap_or_else(|| panic!("{first}\n{out}"));
    let (json, facts) = rest.split_once('\n').expect("lines");
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(json["stop"], 7);
    assert_eq!(json["symbol"], "DOUBLE_FREE");
    assert_eq!(json["block"]["size"], 40);
    assert_eq!(json["block"]["state"], "free");
    assert!(
        json["allocated"]["frames"]
            .as_array()
            .expect("frames")
            .len()
            > 1
    );
    assert!(json["freed"]["frames"].as_array().expect("frames").len() > 1);
    assert_eq!(
        facts,
        "calls 1, size 1\n\
         stop 7 DOUBLE_FREE, free, heap \"process heap\"\n\
         block 1, address 1, 40 bytes, state 2\n\
         parameters 1 1 1 1\n\
         threads 1 1\n\
         stacks 1 1\n\
         whole 1 1\n\
         cut \"ntheap: V\" of 1\n\
         second 11\n\
         none 11\n"
    );
}

#[test]
fn statistics_are_written_for_prometheus() {
    let Some(program) = built("statistics", "stats.c") else {
        return;
    };
    let ended = run(&mut command(&program)).expect_success("statistics");
    let out = text(&ended.stdout);
    let written = out
        .strip_prefix("1\n1\n")
        .unwrap_or_else(|| panic!("{out}"));
    assert!(written.starts_with("# HELP ntheap_"), "{written}");
    assert!(written.ends_with('\n'), "{written}");
}

/// The failure types of Windows' heap, "internal" first.
const FAILURE_TYPES: [&str; 24] = [
    "internal",
    "unknown",
    "generic",
    "entry_corruption",
    "multiple_entries_corruption",
    "virtual_block_corruption",
    "buffer_overrun",
    "buffer_underrun",
    "block_not_busy",
    "invalid_argument",
    "invalid_allocation_type",
    "usage_after_free",
    "cross_heap_operation",
    "freelists_corruption",
    "listentry_corruption",
    "lfh_bitmap_mismatch",
    "segment_lfh_bitmap_corruption",
    "segment_lfh_double_free",
    "vs_subsegment_corruption",
    "null_heap",
    "allocation_limit",
    "commit_limit",
    "invalid_va_mgr_query",
    "segment_lfh_delay_free_corruption",
];

/// The first cell of a row has each stop's number, or each failure type's name; and the cases
/// that are named beside it are there.
#[test]
fn the_document_tells_of_every_stop_and_every_failure_type() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |file: &str| std::fs::read_to_string(root.join(file)).expect(file);
    let document = read("docs/gflags.md");
    let rows: Vec<Vec<&str>> = document
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let told = |name: &str| {
        rows.iter()
            .find(|row| row[0].split(", ").any(|cell| cell == name))
            .unwrap_or_else(|| panic!("nothing is said of {name}"))
    };
    for stop in heap::Stop::ALL {
        told(&format!("{:#X}", stop.number()).replace("0X", "0x"));
    }
    let cases = [
        "capi/tests/c/bugs.txt",
        "capi/tests/c/bugs_new.txt",
        "tests/bugs/bugs.txt",
        "capi/tests/guarded.rs",
    ]
    .map(read)
    .concat();
    for name in FAILURE_TYPES {
        let [_, stop, case] = told(name)[..] else {
            panic!("three cells say what becomes of {name}");
        };
        let named: Vec<&str> = case.split('`').skip(1).step_by(2).collect();
        let named: Vec<&str> = named.into_iter().filter(|word| *word != "hpa").collect();
        assert!(stop.starts_with("0x") != named.is_empty(), "{name}: {case}");
        for case in named {
            let is_there =
                cases.contains(&format!("== {case} ")) || cases.contains(&format!("fn {case}()"));
            assert!(is_there, "{name}: there is no {case}");
        }
    }
}

//! Addresses that are no blocks, and blocks that are freed twice: each is
//! reported at the very call, in the words below, and nothing else comes to
//! harm.

#![cfg(target_os = "linux")]

mod common;

use common::{Ended, compiled, preloaded, run, text};
use std::fmt::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

/// What the heap knows of the address.
enum Known {
    /// Nothing: it is not the heap's, or not any more.
    Nothing,
    /// It starts a free block of so many bytes.
    Free(usize),
    /// It lies so many bytes inside a block of so many.
    Inside(usize, usize),
    /// The call is right, and nothing is reported.
    Silent,
}

use Known::{Free, Inside, Nothing, Silent};

/// Each case of `c/bad_input.c`: the operation that finds it, the address it
/// is given by the name the case says it under, and what is known of it.
const CASES: [(&str, &str, &str, Known); 44] = [
    ("one_past_large", "free", "past", Nothing),
    ("one_past_small", "free", "past", Free(64)),
    ("never_handed_out", "free", "past", Free(5120)),
    ("foreign_mapping", "free", "mapping", Nothing),
    ("foreign_static", "free", "static", Nothing),
    ("foreign_stack", "free", "stack", Nothing),
    ("foreign_misaligned", "free", "static", Nothing),
    ("foreign_code", "free", "code", Nothing),
    ("never_mapped", "free", "unmapped", Nothing),
    ("non_canonical", "free", "wild", Nothing),
    ("address_one", "free", "one", Nothing),
    ("address_last", "free", "last", Nothing),
    ("interior_small", "free", "inside", Inside(16, 64)),
    ("interior_by_one", "free", "inside", Inside(1, 64)),
    ("interior_odd_size", "free", "inside", Inside(992, 1008)),
    ("interior_run", "free", "inside", Inside(4096, 40960)),
    (
        "interior_run_slice",
        "free",
        "inside",
        Inside(131_072, 1 << 20),
    ),
    ("interior_large", "free", "inside", Inside(8, 0x30_1000)),
    (
        "interior_large_page",
        "free",
        "inside",
        Inside(1 << 20, 0x30_1000),
    ),
    ("metadata_root", "free", "root", Nothing),
    ("metadata_heap", "free", "heap", Nothing),
    ("metadata_segment", "free", "segment", Nothing),
    ("metadata_descriptor", "free", "descriptor", Nothing),
    ("metadata_table", "free", "table", Nothing),
    ("twice_small", "free", "block", Free(64)),
    ("twice_tiny", "free", "block", Free(16)),
    ("twice_kilobytes", "free", "block", Free(5120)),
    ("twice_run", "free", "block", Free(40960)),
    ("twice_aligned", "free", "block", Free(8192)),
    ("twice_with_another_between", "free", "block", Free(64)),
    ("twice_much_later", "free", "block", Free(64)),
    ("twice_after_all_was_freed", "free", "block", Nothing),
    ("twice_run_gone", "free", "block", Nothing),
    ("twice_large", "free", "block", Free(0x18_0000)),
    ("twice_large_gone", "free", "block", Nothing),
    ("twice_by_two_threads", "free", "block", Free(64)),
    ("twice_by_realloc_to_zero", "free", "block", Free(64)),
    ("twice_after_realloc_moved", "free", "block", Free(64)),
    ("realloc_of_freed", "realloc", "block", Free(64)),
    ("realloc_of_foreign", "realloc", "static", Nothing),
    ("realloc_of_interior", "realloc", "inside", Inside(8, 5120)),
    (
        "usable_size_of_foreign",
        "malloc_usable_size",
        "static",
        Nothing,
    ),
    (
        "usable_size_of_freed",
        "malloc_usable_size",
        "block",
        Free(64),
    ),
    ("null", "free", "", Silent),
];

/// The report's text, with names in angle brackets for what differs from run
/// to run.
fn expected(operation: &str, name: &str, known: &Known) -> String {
    let (stop, meaning, labels, size, heap) = match known {
        Silent => return String::new(),
        Free(size) => (
            7,
            "block already freed (DOUBLE_FREE)",
            ["heap handle", "block", "size", "not used"],
            *size,
            "0000000000000000",
        ),
        Nothing | Inside(..) => (
            6,
            "bad pointer or wrong heap (SWITCHED_HEAP_HANDLE)",
            [
                "heap handle used",
                "block",
                "size",
                "heap the block came from",
            ],
            if let Inside(_, size) = known {
                *size
            } else {
                0
            },
            if let Inside(..) = known {
                "<heap handle>"
            } else {
                "0000000000000000"
            },
        ),
    };
    let [first, second, third, fourth] = labels;
    // One case gives the heap its own handle.
    let handle = if name == "heap" {
        "heap"
    } else {
        "heap handle"
    };
    let place = match known {
        Free(size) => format!("is the start of a free block of {size} bytes"),
        Inside(1, size) => {
            format!("lies 1 byte inside a busy block of {size} bytes that starts at <block>")
        }
        Inside(bytes, size) => {
            format!("lies {bytes} bytes inside a busy block of {size} bytes that starts at <block>")
        }
        Nothing | Silent => "belongs to no block of any ntheap heap".to_owned(),
    };
    format!(
        "ntheap: VERIFIER STOP {stop:016X}: pid <pid>: {meaning}\n    \
         <{handle}> : {first}\n    \
         <{name}> : {second}\n    \
         {size:016X} : {third}\n    \
         {heap} : {fourth}\n  \
         {operation}(<{name}>) on heap \"process heap\", thread <thread>\n  \
         the address {place}\n"
    )
}

/// The report with the process's number and the addresses that it said on
/// standard output replaced by their names.
fn masked(ended: &Ended) -> String {
    let mut report = text(&ended.stderr)
        .replace(&format!(": pid 0x{:X}:", ended.pid), ": pid <pid>:")
        .replace(&format!(", thread {}\n", ended.pid), ", thread <thread>\n");
    // The first parameter is the heap's handle, which nobody said.
    if let Some(line) = report.lines().nth(1)
        && let Some((handle, _)) = line.trim_start().split_once(' ')
        && handle != "0000000000000000"
        && !text(&ended.stdout).contains(&short(handle))
    {
        report = report.replace(&handle.to_owned(), "<heap handle>");
    }
    for line in text(&ended.stdout).lines() {
        let Some((name, address)) = line.split_once(" 0x") else {
            continue;
        };
        let Ok(address) = u64::from_str_radix(address, 16) else {
            continue;
        };
        let name = format!("<{name}>");
        report = report
            .replace(&format!("    {address:016X} :"), &format!("    {name} :"))
            .replace(&format!("({address:#x})"), &format!("({name})"))
            .replace(&format!(" {address:#x}\n"), &format!(" {name}\n"));
    }
    report
}

/// A parameter as `%#zx` writes it.
fn short(parameter: &str) -> String {
    let digits = parameter.trim_start_matches('0').to_lowercase();
    format!("0x{digits}\n")
}

fn program() -> Option<std::path::PathBuf> {
    compiled("bad input", "bad_input.c", &[])
}

#[test]
fn every_case_of_the_program_is_checked() {
    let Some(program) = program() else { return };
    let ended = run(preloaded(program).arg("list")).expect_success("the list of cases");
    let here: Vec<&str> = CASES.iter().map(|(case, ..)| *case).collect();
    assert_eq!(text(&ended.stdout).lines().collect::<Vec<_>>(), here);
}

fn check(program: &Path, goes_on: bool) {
    let mut wrong = String::new();
    for (case, operation, name, known) in &CASES {
        let mut command = preloaded(program);
        command.arg(case);
        if goes_on {
            command.env("NTHEAP_ON_CORRUPTION", "continue");
        }
        let ended = run(&mut command);
        let (report, expected) = (masked(&ended), expected(operation, name, known));
        let went_on = text(&ended.stdout).ends_with("went on\n");
        let ended_well = if goes_on || matches!(known, Silent) {
            went_on && ended.status.success()
        } else {
            !went_on && ended.status.signal() == Some(libc::SIGABRT)
        };
        // All cases are told of, not only the first that is wrong.
        if report != expected || !ended_well {
            let _ = writeln!(
                wrong,
                "{case}: {}\nexpected:\n{expected}got:\n{report}\n{}",
                ended.status,
                text(&ended.stdout)
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn each_is_reported_at_the_call_and_ends_the_process() {
    if let Some(program) = program() {
        check(&program, false);
    }
}

#[test]
fn each_is_reported_and_the_heap_stays_whole_when_told_to_continue() {
    if let Some(program) = program() {
        check(&program, true);
    }
}

#[test]
fn all_of_them_in_one_process_leave_the_heap_whole() {
    let Some(program) = program() else { return };
    for environment in [
        &[("NTHEAP_ON_CORRUPTION", "continue")][..],
        &[("NTHEAP_ON_CORRUPTION", "continue"), ("NTHEAP_COUNT", "1")],
        &[
            ("NTHEAP_ON_CORRUPTION", "continue"),
            ("NTHEAP_CACHE_BYTES", "0"),
        ],
    ] {
        let ended = run(preloaded(&program)
            .arg("all")
            .envs(environment.iter().copied()))
        .expect_success("all cases");
        assert!(text(&ended.stdout).ends_with("went on\n"));
        let report = text(&ended.stderr);
        let stops = report.matches("ntheap: VERIFIER STOP ").count();
        let wrong = CASES
            .iter()
            .filter(|case| !matches!(case.3, Silent))
            .count();
        assert_eq!(stops, wrong, "{environment:?}\n{report}");
    }
}

#[test]
fn a_word_that_is_no_choice_leaves_the_process_to_end() {
    let Some(program) = program() else { return };
    let ended = run(preloaded(program)
        .arg("twice_small")
        .env("NTHEAP_ON_CORRUPTION", "perhaps"));
    assert_eq!(ended.status.signal(), Some(libc::SIGABRT));
    assert!(text(&ended.stderr).contains("NTHEAP_ON_CORRUPTION"));
}

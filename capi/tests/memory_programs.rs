//! Programs of articles about Windows' memory: one source each, compiled against our
//! headers and by MinGW. Each prints what its text says it shows, of the same shape in
//! both, and with the library the figures are what the text says of them.

#![cfg(target_os = "linux")]

mod common;

use common::example::{ours, ours_says, wine_does, wine_says};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

const MIB: i64 = 1 << 20;

/// A report's lines with their numbers and addresses taken out.
fn shape(report: &str) -> Vec<String> {
    let cut = |line: &str| match line.split_once('=') {
        Some((name, _)) => format!("{name}="),
        None => line.to_owned(),
    };
    report.lines().map(cut).collect()
}

/// The number behind the `nth` line that begins with a name.
fn number(report: &str, name: &str, nth: usize) -> i64 {
    let line = report
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .nth(nth);
    let value = line.unwrap_or_else(|| panic!("no {name}, {nth}:\n{report}"));
    if value == "(nil)" {
        return 0;
    }
    let parsed = match value.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => value.parse(),
    };
    parsed.unwrap_or_else(|_| panic!("{name}={value} is no number"))
}

/// Runs an example in both ways and compares the shapes; what ours said.
fn both(example: &str, arguments: [&str; 2]) -> Option<String> {
    let path = format!("memory/{example}");
    let own: Vec<&str> = arguments[0].split_whitespace().collect();
    let ours = ours_says(&path, &own)?;
    if let Some(wine) = wine_says(&path, arguments[1]) {
        assert_eq!(shape(&ours), shape(&wine), "{ours}\n{wine}");
    }
    Some(ours)
}

/// What ours says, once it had the machine to itself: the page file is all programs', which
/// come and go. The last of some runs if it never had.
fn says_alone(example: &str, arguments: &[&str], is_alone: fn(&str) -> bool) -> Option<String> {
    let run = || ours_says(&format!("memory/{example}"), arguments);
    let mut report = run()?;
    for _ in 0..9 {
        if is_alone(&report) {
            break;
        }
        report = run()?;
    }
    Some(report)
}

#[test]
fn memory_status_tells_what_static_and_dynamic_allocation_take() {
    let Some(report) = both("memory_status", ["", ""]) else {
        return;
    };
    let first = |name| number(&report, name, 0);
    assert_eq!(first("page size"), 4096);
    assert_eq!(first("allocation granularity"), 65536);
    assert_eq!(first("lowest address"), 0x1_0000);
    assert_eq!(first("highest address"), 0x7fff_fffe_ffff);
    assert!((0..=100).contains(&first("load")), "{report}");
    assert!(first("available physical") <= first("total physical"));
    assert!(first("available page file") <= first("total page file"));
    // The array lies in the stack, which was there.
    assert!(first("less address space").abs() < 4 * MIB, "{report}");
    // The block was not there: 300 MB of address space. Of the page file the
    // whole machine is told, where other programs come and go meanwhile.
    let second = |name| number(&report, name, 1);
    assert!(second("less address space") >= 300 * MIB, "{report}");
}

#[test]
fn memory_regions_tells_stacks_and_blocks_apart() {
    let Some(report) = both("memory_regions", ["", ""]) else {
        return;
    };
    let told = |name: &str| -> Vec<i64> { (0..5).map(|nth| number(&report, name, nth)).collect() };
    let (states, types, sizes) = (
        told("state of the pages"),
        told("type of the pages"),
        told("size from the pages' base"),
    );
    // MEM_COMMIT and MEM_PRIVATE, of the arrays and of the blocks.
    assert_eq!(states[..4], [4096; 4], "{report}");
    assert_eq!(types[..4], [131072; 4], "{report}");
    assert_eq!(told("pages' protection")[..4], [4; 4], "{report}");
    assert!(sizes.iter().all(|size| size % 4096 == 0 && *size > 0));
    let bases = told("region's base");
    assert_eq!(bases[0], bases[1], "one stack:\n{report}");
    assert!(!bases[2..4].contains(&bases[0]), "{report}");
    let page_of = |name: &str| number(&report, &format!("pointer {name}"), 0) & !4095;
    let pages = told("pages' base");
    assert_eq!(pages[0], page_of("arrayA"), "{report}");
    assert_eq!(pages[3], page_of("dynamicB"), "{report}");
}

#[test]
fn virtual_memory_is_reserved_committed_and_given_back() {
    if both("virtual_memory", ["", ""]).is_none() {
        return;
    }
    let is_alone = |report: &str| {
        number(report, "less page file", 0).abs() < 64 * MIB
            && (36 * MIB..164 * MIB).contains(&number(report, "less page file", 1))
            && number(report, "more page file", 0) >= 20 * MIB
    };
    let Some(report) = says_alone("virtual_memory", &[], is_alone) else {
        return;
    };
    let less = |what: &str, nth| number(&report, &format!("less {what}"), nth);
    let more = |what: &str, nth| number(&report, &format!("more {what}"), nth);
    // Reserving takes address space only, committing a promise only.
    assert!(
        (1000 * MIB..1010 * MIB).contains(&less("address space", 0)),
        "{report}"
    );
    assert!(less("page file", 0).abs() < 64 * MIB, "{report}");
    assert!(
        (36 * MIB..164 * MIB).contains(&less("page file", 1)),
        "{report}"
    );
    assert!(less("address space", 1).abs() < 10 * MIB, "{report}");
    assert_eq!(number(&report, "first value", 0), 8);
    let kept = number(&report, "after resetting", 0);
    assert!(kept == 8 || kept == 0, "{report}");
    // 50 MB and then the rest go back, the address space with the last.
    assert!(more("page file", 0) >= 20 * MIB, "{report}");
    assert!(more("address space", 0).abs() < 10 * MIB, "{report}");
    assert!(more("address space", 1) >= 1000 * MIB, "{report}");
}

#[test]
fn a_spreadsheet_commits_the_pages_of_the_cells_that_are_used() {
    let Some(report) = both("spreadsheet", ["", ""]) else {
        return;
    };
    let kib = |nth| number(&report, "committed KB", nth);
    let cells = |nth| number(&report, "used cells", nth);
    let sum = |nth| number(&report, "sum", nth);
    assert_eq!(number(&report, "cells", 0), 16_777_216);
    assert_eq!(number(&report, "reserved MB", 0), 1024);
    assert!((1024..1040).contains(&number(&report, "less address space MB", 0)));
    // A row is four pages, of 64 cells each: a thousand of them, the first one's with the
    // corner in it, and the last.
    let all = [
        (0, 0, 0),
        (1001 * 4, 1002, 999 * 1000 / 2 + 3),
        (1001 * 4, 1002, 999 * 1000 + 3),
        (4, 1, 2),
        (8, 2, 9),
    ];
    for (nth, (committed, used, total)) in all.into_iter().enumerate() {
        assert_eq!(
            (kib(nth), cells(nth), sum(nth)),
            (committed, used, total),
            "{nth}:\n{report}"
        );
    }
    let commits = |nth| number(&report, "commits by the handler", nth);
    assert_eq!((commits(0), commits(1)), (1001, 1001), "{report}");
    assert!(report.ends_with("released\n"), "{report}");
}

#[test]
fn windows_of_pages_show_two_values_at_one_address() {
    let is_alone = |report: &str| {
        number(report, "less page file", 0).abs() < 64 * MIB
            && number(report, "less page file", 1) >= 36 * MIB
    };
    let Some(report) = says_alone("windows_of_pages", &[], is_alone) else {
        return;
    };
    assert!(
        number(&report, "less address space", 0) >= 100 * MIB,
        "{report}"
    );
    assert!(
        number(&report, "less page file", 0).abs() < 64 * MIB,
        "{report}"
    );
    assert!(number(&report, "less page file", 1) >= 36 * MIB, "{report}");
    assert_eq!(number(&report, "value of the first mapping", 0), 10);
    assert_eq!(number(&report, "value of the second mapping", 0), 21);
    assert_eq!(number(&report, "the first mapping's value again", 0), 10);
    // Wine has no physical pages: the program says why it ends.
    if let Some(wine) = wine_says("memory/windows_of_pages", "") {
        assert!(
            wine.contains("Cannot enable the SE_LOCK_MEMORY_NAME privilege"),
            "{wine}"
        );
    }
}

#[test]
fn a_large_file_is_mapped_and_costs_address_space_only() {
    let path = std::env::temp_dir().join(format!("ntheap-1G-{}", std::process::id()));
    let path = path.to_str().expect("UTF-8");
    if both("mapped_file", [path, "1G.tmp"]).is_none() {
        return;
    }
    let is_alone = |report: &str| number(report, "less page file", 2).abs() < 64 * MIB;
    let Some(report) = says_alone("mapped_file", &[path], is_alone) else {
        return;
    };
    let less = |what: &str, nth| number(&report, &format!("less {what}"), nth);
    for step in 0..2 {
        assert!(less("address space", step).abs() < 4 * MIB, "{report}");
    }
    assert!(
        (1024 * MIB..1040 * MIB).contains(&less("address space", 2)),
        "{report}"
    );
    assert!(less("page file", 2).abs() < 64 * MIB, "{report}");
    assert!(report.ends_with("first=a last=z\n"), "{report}");
    assert!(!std::path::Path::new(path).exists());
}

#[test]
fn instances_of_a_program_share_a_counter() {
    let Some(program) = ours("memory/shared_counter") else {
        return;
    };
    let name = format!("ntheap-counter-{}", std::process::id());
    let mut instances = Vec::new();
    for nth in 1..=4 {
        let mut instance = common::command(&program)
            .arg(&name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut output = BufReader::new(instance.stdout.take().expect("a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        assert_eq!(line, format!("instance={nth}\n"));
        instances.push((instance, output));
    }
    for (mut instance, mut output) in instances {
        drop(instance.stdin.take());
        let mut rest = String::new();
        output.read_to_string(&mut rest).expect("the rest");
        assert_eq!(rest, "instances=4\n");
        assert!(instance.wait().expect("it ends").success());
    }
    // All of them have ended: the counter begins anew.
    let again = ours_says("memory/shared_counter", &[&name]).expect("a compiler");
    assert_eq!(again, "instance=1\ninstances=1\n");

    let script = "mkfifo input
        \"$wine\" \"$program\" counter <input >one 2>/dev/null &
        exec 3>input
        tries=0
        until grep -q instance= one || [ $tries -gt 300 ]; do sleep 0.1; tries=$((tries + 1)); done
        \"$wine\" \"$program\" counter </dev/null >two 2>/dev/null
        exec 3>&-
        wait
        cat one two >report";
    if let Some(wine) = wine_does("memory/shared_counter", script) {
        assert_eq!(wine, "instance=1\ninstances=2\ninstance=2\ninstances=2\n");
    }
}

#[test]
fn each_layer_gives_memory_for_a_text() {
    let Some(report) = ours_says("memory/memory_functions", &[]) else {
        return;
    };
    let expected = [
        "Virtual memory allocated",
        "Heap memory allocated",
        "Global memory allocated",
    ];
    assert_eq!(report.lines().collect::<Vec<_>>(), expected);
    if let Some(wine) = wine_says("memory/memory_functions", "") {
        assert!(wine.starts_with(&report.replace('\r', "")), "{wine}");
    }
}

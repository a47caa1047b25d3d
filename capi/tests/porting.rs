//! The porting example: one source, compiled against our headers and by MinGW,
//! prints the same report in both.

#![cfg(target_os = "linux")]

mod common;

use common::example::{ours_says, wine_says};
use std::collections::BTreeSet;

const EXAMPLE: &str = "porting/heap_allocator";

/// The numbers in a line.
fn numbers(line: &str) -> Vec<u64> {
    line.split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.parse().expect("a number"))
        .collect()
}

/// The report's shape: its lines without their numbers, repeated lines once,
/// repeated groups of them once. How many blocks and heaps there are is the
/// system's affair.
fn shape(report: &str) -> Vec<String> {
    let mut lines: Vec<String> = report
        .lines()
        .map(|line| {
            line.split(|c: char| c.is_ascii_digit())
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("#")
        })
        // A heap may have one block, the first, or more.
        .filter(|line| !line.starts_with("the information of block: "))
        .collect();
    for length in 1..=6 {
        let mut at = 0;
        while at + 2 * length <= lines.len() {
            if lines[at..at + length] == lines[at + length..at + 2 * length] {
                lines.drain(at..at + length);
            } else {
                at += 1;
            }
        }
    }
    lines
}

/// What the report must have the shape of.
const SHAPE: [&str; 18] = [
    "",
    "the end",
    "The new heap id is\t",
    "the heapid is :",
    "the information of first block: Blocksize: #\t Address: ",
    "the total size of heap is: ",
    "the free  size of heap is: ",
    "the commited  size of heap is: ",
    "the end",
    "the p is",
    "the heapid is :",
    "the information of first block: Blocksize: #\t Address: ",
    "the total size of heap is: ",
    "the free  size of heap is: ",
    "the commited  size of heap is: ",
    "the end",
    "The size of the different block is\t#\tand the addresss is\t#\tdwFlags is\t",
    "The heapid is:\t",
];

/// Checks what a report says against itself.
fn sound(whose: &str, report: &str) {
    assert_eq!(shape(report), SHAPE, "{whose}:\n{report}");

    // The new heap is in the second list of heaps and not in the first.
    let lists: Vec<BTreeSet<u64>> = report
        .split("the end\n")
        .take(2)
        .map(|list| list.lines().flat_map(numbers).collect())
        .collect();
    let new: BTreeSet<u64> = lists[1].difference(&lists[0]).copied().collect();
    let told: BTreeSet<u64> = report
        .lines()
        .filter(|line| line.starts_with("The new heap id is"))
        .flat_map(numbers)
        .collect();
    assert_eq!(new.len(), 1, "{whose}:\n{report}");
    assert_eq!(new, told, "{whose}:\n{report}");
    assert!(lists[0].is_subset(&lists[1]), "{whose}:\n{report}");

    // Each heap's total is the sum of its blocks, and what is not free is busy.
    let (mut sum, mut total, mut free) = (0, 0, 0);
    for line in report.lines() {
        if line.starts_with("the heapid is") {
            sum = 0;
        } else if line.starts_with("the information of") {
            sum += numbers(line)[0];
        } else if line.starts_with("the total size") {
            total = numbers(line)[0];
            assert_eq!(total, sum, "{whose}: {line}\n{report}");
        } else if line.starts_with("the free  size") {
            free = numbers(line)[0];
        } else if line.starts_with("the commited  size") {
            assert_eq!(numbers(line)[0], total - free, "{whose}: {line}\n{report}");
        }
    }

    // The allocation between the walks shows up, as a busy block of its size.
    let different: Vec<Vec<u64>> = report
        .lines()
        .filter(|line| line.starts_with("The size of the different block"))
        .map(numbers)
        .collect();
    assert!(
        different
            .iter()
            .any(|block| block[0] == 4096 && block[2] == 4),
        "{whose}:\n{report}"
    );
}

#[test]
fn the_porting_example_prints_the_same_report_on_both() {
    let (ours, windows) = (ours_says(EXAMPLE, &[]), wine_says(EXAMPLE, ""));
    if let Some(report) = &ours {
        sound("ntheap", report);
    }
    if let Some(report) = &windows {
        sound("Wine", report);
    }
    if let (Some(ours), Some(windows)) = (&ours, &windows) {
        assert_eq!(shape(ours), shape(windows));
    }
}

//! The counts that the allocator must keep.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use common::{say, target};
use ntheap_instructions::{Bench, Figures, Load, Row};
use std::sync::OnceLock;

/// Most instructions of a pair of up to 1 KiB in Rust.
const RUST_PAIR: f64 = 30.0;
/// Most instructions of a pair of up to 1 KiB in C.
const C_PAIR: f64 = 45.0;
/// Most instructions of a pair of 64 bytes by the Windows names.
const WINDOWS_PAIR: f64 = 75.0;

/// Most times as many instructions as such a pair that a moveable block's
/// allocation, lock, unlock and free take.
const MOVEABLE_TIMES: f64 = 2.0;

/// Most instructions of a pair of 64 bytes in a private heap: by its handle,
/// serialized, and one thread's.
const HEAP_PAIRS: [(Load, f64); 3] = [
    (Load::HeapHandle, 75.0),
    (Load::HeapShared, 60.0),
    (Load::HeapLocal, 35.0),
];

/// The loops, or `None` and a line that names the test.
fn bench(test: &str) -> Option<&'static Bench> {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    let target = target(test)?;
    Some(BENCH.get_or_init(|| Bench::prepare(&target).unwrap_or_else(|e| panic!("{e}"))))
}

/// All rows counted, or `None` and a line that names the test.
fn counted(test: &str) -> Option<&'static Figures> {
    static COUNTED: OnceLock<Figures> = OnceLock::new();
    let bench = bench(test)?;
    Some(COUNTED.get_or_init(|| bench.figures().unwrap_or_else(|e| panic!("{e}"))))
}

/// Asserts that rows of up to 1 KiB take at most `most` instructions.
fn assert_at_most(counted: &Figures, load: Load, most: f64) {
    let rows: Vec<Row> = Row::all()
        .into_iter()
        .filter(|row| row.load == load && row.size <= 1024)
        .collect();
    assert_eq!(rows.len(), 4);
    for row in rows {
        let count = counted.counts[&row.to_string()];
        assert!(count > 6.0, "{row}: {count} counts nothing");
        assert!(count <= most, "{row}: {count} instructions");
    }
}

#[test]
fn a_rust_pair_takes_at_most_30_instructions() {
    let Some(counted) = counted("instructions of a Rust pair") else {
        return;
    };
    assert_at_most(counted, Load::RustConstant, RUST_PAIR);
    assert_at_most(counted, Load::RustRuntime, RUST_PAIR);
}

#[test]
fn a_pair_in_a_private_heap_takes_at_most_75_60_and_35_instructions() {
    let Some(counted) = counted("instructions of a pair in a private heap") else {
        return;
    };
    for (load, most) in HEAP_PAIRS {
        let row = Row { load, size: 64 };
        let count = counted.counts[&row.to_string()];
        assert!(count > 6.0, "{row}: {count} counts nothing");
        assert!(count <= most, "{row}: {count} instructions");
    }
}

#[test]
fn looking_the_owner_up_takes_at_most_a_twentieth_more() {
    let Some(counted) = counted("instructions of the owner's look-up") else {
        return;
    };
    let count = |load| counted.counts[&Row { load, size: 64 }.to_string()];
    let (checked, unchecked) = (count(Load::Crt), count(Load::CrtUnowned));
    assert!(
        unchecked > 6.0 && checked > unchecked,
        "{checked} {unchecked}"
    );
    assert!(
        checked <= 1.05 * unchecked,
        "{checked} instructions, {unchecked} without"
    );
}

#[test]
fn moveable_memory_takes_at_most_twice_what_a_pair_takes() {
    let Some(counted) = counted("instructions of moveable memory") else {
        return;
    };
    let count = |load| counted.counts[&Row { load, size: 64 }.to_string()];
    let (pair, moveable) = (count(Load::WindowsPair), count(Load::WindowsMoveable));
    assert!(pair > 6.0, "{pair} counts nothing");
    assert!(moveable > pair, "{moveable} counts less than a pair");
    assert!(
        moveable <= MOVEABLE_TIMES * pair,
        "{moveable} instructions, {pair} for a pair"
    );
}

#[test]
fn a_pair_takes_the_same_among_any_number_of_heaps() {
    let Some(counted) = counted("instructions of a pair among many heaps") else {
        return;
    };
    let rows = Row::all().into_iter();
    let counts: Vec<f64> = rows
        .filter(|row| row.load == Load::HeapAmong)
        .map(|row| counted.counts[&row.to_string()])
        .collect();
    assert_eq!(counts.len(), 3);
    let least = counts.iter().copied().fold(f64::MAX, f64::min);
    let most = counts.iter().copied().fold(0.0, f64::max);
    assert!(least > 6.0, "{counts:?} count nothing");
    assert!(most <= 1.1 * least, "{counts:?}");
}

#[test]
fn a_c_pair_takes_at_most_45_instructions() {
    let Some(counted) = counted("instructions of a C pair") else {
        return;
    };
    assert_at_most(counted, Load::CPair, C_PAIR);
}

#[test]
fn a_pair_by_the_windows_names_takes_at_most_75_instructions() {
    let Some(counted) = counted("instructions of a pair by the Windows names") else {
        return;
    };
    // Through the second library there is a jump more for each call.
    for (load, most) in [
        (Load::WindowsPair, WINDOWS_PAIR),
        (Load::WindowsForwarded, WINDOWS_PAIR + 2.0),
    ] {
        let row = Row { load, size: 64 };
        let count = counted.counts[&row.to_string()];
        assert!(count > 6.0, "{row}: {count} counts nothing");
        assert!(count <= most, "{row}: {count} instructions");
    }
}

/// Not about as many: exactly.
#[test]
fn global_flags_cost_not_one_instruction_while_they_are_off() {
    let Some(bench) = bench("instructions with global flags off") else {
        return;
    };
    let rows = Row::all().into_iter().filter(Row::is_rust);
    let rows: Vec<Row> = rows.filter(|row| row.load != Load::HeapAmong).collect();
    assert!(rows.len() > 10);
    for row in rows {
        let [off, without] = bench
            .count_flags_off(&row)
            .unwrap_or_else(|e| panic!("{row}: {e}"));
        assert_eq!(off, without, "{row}");
    }
}

#[test]
fn no_count_has_risen_above_its_figure() {
    let Some(counted) = counted("instructions against the figures") else {
        return;
    };
    let committed = Figures::committed().unwrap_or_else(|e| panic!("{e}"));
    let found = committed.compare(counted);
    if counted.rustc != committed.rustc {
        for (row, count) in &counted.counts {
            say(&format!("{row:<42} {count:>9.1}"));
        }
    }
    for note in &found.notes {
        say(&format!("instructions: {note}"));
    }
    assert!(found.failures.is_empty(), "{}", found.failures.join("\n"));
}

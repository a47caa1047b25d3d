//! What must not grow: instructions with live blocks and threads, and memory
//! with live blocks.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use common::{say, target};
use ntheap_instructions::growth::{Growth, Program, Shape, Touch, Turn};
use std::sync::OnceLock;

/// How many times the fewest instructions of an operation the most may be.
const FLAT: f64 = 1.1;
/// Most bytes beyond those requested, as a part of them.
const OVERHEAD: f64 = 0.08;

const SHAPE: Shape = Shape {
    turn: Turn::Replace,
    live: 1000,
    min: 16,
    max: 16 << 10,
    threads: 1,
    turns: 100_000,
    touch: Touch::None,
};

/// The programs, or `None` and a line that names the test.
fn growth(test: &str) -> Option<&'static Growth> {
    static GROWTH: OnceLock<Growth> = OnceLock::new();
    let target = target(test)?;
    Some(GROWTH.get_or_init(|| Growth::prepare(&target).unwrap_or_else(|e| panic!("{e}"))))
}

/// Asserts that no shape takes more than `most` times the instructions of
/// another.
fn assert_flat(growth: &Growth, program: &Program, shapes: &[Shape], most: f64) {
    let counts: Vec<f64> = shapes
        .iter()
        .map(|shape| {
            let count = growth.instructions(program, shape);
            let count = count.unwrap_or_else(|e| panic!("{program:?}, {shape:?}: {e}"));
            assert!(count > 6.0, "{shape:?}: {count} counts nothing");
            count
        })
        .collect();
    let highest = counts.iter().copied().fold(f64::MIN, f64::max);
    let fewest = counts.iter().copied().fold(f64::MAX, f64::min);
    assert!(
        highest <= fewest * most,
        "{program:?}: {counts:?} instructions for {shapes:#?}"
    );
}

#[test]
fn a_pair_takes_the_same_beside_any_number_of_blocks() {
    let Some(growth) = growth("instructions of a pair beside live blocks") else {
        return;
    };
    let shape = |live| Shape {
        turn: Turn::Pair,
        live,
        ..SHAPE
    };
    for program in [Program::Rust, growth.c_ntheap()] {
        assert_flat(growth, &program, &[shape(1000), shape(100_000)], FLAT);
    }
}

#[test]
fn a_replacement_takes_the_same_among_any_number_of_blocks() {
    let Some(growth) = growth("instructions of a replacement among live blocks") else {
        return;
    };
    let shape = |live| Shape { live, ..SHAPE };
    for program in [Program::Rust, growth.c_ntheap()] {
        assert_flat(growth, &program, &[shape(1000), shape(100_000)], FLAT);
    }
}

fn by_threads(turn: Turn) -> [Shape; 3] {
    [1, 8, 64].map(|threads| Shape {
        turn,
        threads,
        turns: 5000,
        ..SHAPE
    })
}

#[test]
fn any_number_of_threads_takes_the_same_each() {
    let Some(growth) = growth("instructions of many threads") else {
        return;
    };
    for program in [Program::Rust, growth.c_ntheap()] {
        for turn in [Turn::Replace, Turn::Exchange] {
            assert_flat(growth, &program, &by_threads(turn), FLAT);
        }
    }
}

#[test]
fn ten_million_blocks_take_8_percent_more_than_requested() {
    let Some(growth) = growth("memory of ten million blocks") else {
        return;
    };
    // All of it is made accessible; hardly any is ever touched.
    if std::fs::read_to_string("/proc/sys/vm/overcommit_memory").is_ok_and(|it| it.trim() == "2") {
        say("SKIPPED: memory of ten million blocks: this system lets nobody have 24 GiB");
        return;
    }
    let shape = Shape {
        live: 10_000_000,
        ..SHAPE
    };
    let measured = growth.run(&Program::Rust, &shape);
    let measured = measured.unwrap_or_else(|e| panic!("{e}"));
    for (when, memory) in [("filled", measured.filled), ("replaced", measured.replaced)] {
        assert!(memory.requested > 20 << 30, "{when}: {memory:?}");
        let overhead = memory.overhead();
        assert!(overhead > 0.0, "{when}: {memory:?}");
        assert!(overhead <= OVERHEAD, "{when}: {overhead} of {memory:?}");
    }
}

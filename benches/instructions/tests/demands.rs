//! The counts that the allocator must keep.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use ntheap_instructions::{Bench, Known, Malloc, missing_programs};
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

/// Most instructions of a pair of 64 bytes in Rust.
const RUST_PAIR: f64 = 30.0;
/// Most instructions of a pair of 64 bytes in C.
const C_PAIR: f64 = 45.0;

/// The programs to count, or `None` and a line that names the test.
fn bench(test: &str) -> Option<&'static Bench> {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    let missing = missing_programs();
    if !missing.is_empty() {
        assert_ne!(
            std::env::var("NTHEAP_REQUIRE_PROGRAMS").as_deref(),
            Ok("1"),
            "{test} cannot be tested without {missing:?}"
        );
        // Past the harness, which keeps what a test that passes prints.
        let line = format!("SKIPPED: {test}: not installed: {}\n", missing.join(", "));
        let _ = std::io::stderr().write_all(line.as_bytes());
        return None;
    }
    Some(BENCH.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
        let target = target.expect("cargo's folder for tests is in the target folder");
        Bench::prepare(target).unwrap_or_else(|e| panic!("{e}"))
    }))
}

#[test]
fn a_rust_pair_takes_at_most_30_instructions() {
    let Some(bench) = bench("instructions of a Rust pair") else {
        return;
    };
    for known in [Known::Constant, Known::Runtime] {
        let count = bench.rust_pair(known).unwrap_or_else(|e| panic!("{e}"));
        assert!(count > 2.0, "{known:?}: {count} counts nothing");
        assert!(count <= RUST_PAIR, "{known:?}: {count} instructions");
    }
}

#[test]
fn a_c_pair_takes_at_most_45_instructions() {
    let Some(bench) = bench("instructions of a C pair") else {
        return;
    };
    let count = bench
        .c_pair(Malloc::Ntheap, 64)
        .unwrap_or_else(|e| panic!("{e}"));
    assert!(count > 6.0, "{count} counts nothing");
    assert!(count <= C_PAIR, "{count} instructions");
}

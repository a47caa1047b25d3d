//! A Rust program on `NtHeap`, whose blocks are known, as it is built for debugging
//! and for release: with marks and without.

#![cfg(target_os = "linux")]

use ntheap_inspect::model::State;
use ntheap_inspect::{Snapshot, Wanted, held::Held};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A folder with what was built, with or without debug assertions, which say whether
/// `NtHeap` marks its blocks.
fn built(has_assertions: bool, what: &[&str]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(if has_assertions {
        "known-marked"
    } else {
        "known-plain"
    });
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet"])
        .args(what)
        .arg("--target-dir")
        .arg(&folder)
        .env(
            "CARGO_PROFILE_DEV_DEBUG_ASSERTIONS",
            has_assertions.to_string(),
        )
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("LD_PRELOAD")
        .status()
        .expect("cargo runs");
    assert!(built.success());
    folder.join("debug")
}

/// The program.
fn program(has_assertions: bool) -> PathBuf {
    let what = ["--package", "ntheap-inspect", "--example", "known"];
    built(has_assertions, &what).join("examples/known")
}

fn held(snapshot: &Snapshot) -> BTreeMap<u64, u64> {
    let held = snapshot
        .blocks
        .iter()
        .filter(|block| block.state == State::Busy);
    held.map(|block| (block.address, block.size)).collect()
}

fn check(has_assertions: bool, preloaded: Option<PathBuf>) {
    let mut command = Command::new(program(has_assertions));
    let copies = 1 + usize::from(preloaded.is_some());
    if let Some(library) = preloaded {
        command.env("LD_PRELOAD", library);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut known = BTreeMap::new();
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let line = line.expect("a line");
        let Some((address, size)) = line.split_once(' ') else {
            assert_eq!(line, "ready");
            break;
        };
        let digits = address.strip_prefix("0x").expect("an address");
        let address = u64::from_str_radix(digits, 16).expect("an address");
        known.insert(address, size.parse::<u64>().expect("a size"));
    }
    assert_eq!(known.len(), 5000);
    let pid = child.id() as i32;
    for stops in [false, true] {
        let held_still = stops.then(|| Held::stop(pid).expect("it stops"));
        let snapshot =
            ntheap_inspect::of_process(pid, held_still.as_ref(), Wanted::Checks).expect("heaps");
        drop(held_still);
        assert_eq!(snapshot.missing, Vec::<String>::new());
        assert_eq!(snapshot.problems, []);
        assert_eq!(snapshot.copies.len(), copies);
        assert!(snapshot.areas.is_sorted_by_key(|area| area.start));
        for block in &snapshot.blocks {
            let area = snapshot.area_of(block).expect("an area");
            assert!((area.start..area.start + area.reserved).contains(&block.address));
        }
        let found = held(&snapshot);
        for (address, size) in &known {
            let room = found.get(address).copied().unwrap_or(0);
            assert!(
                room >= *size && room < size + size / 8 + 16 + 65536,
                "{address:#x}"
            );
        }
        // Beside them the runtime has a few, and the program its lists.
        let others = found.len() - known.len();
        assert!(others < 60, "{others} blocks more");
        let states = |state: State| snapshot.blocks.iter().filter(|b| b.state == state).count();
        assert_eq!(states(State::Out), 0);
        assert!(
            states(State::Kept) > 100,
            "caches keep {}",
            states(State::Kept)
        );
    }
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn blocks_with_marks_are_told_exactly() {
    check(true, None);
}

#[test]
fn blocks_without_marks_are_told_by_the_caches() {
    check(false, None);
}

#[test]
fn two_copies_in_a_process_are_told_apart() {
    let library = built(true, &["--package", "ntheap-capi"]).join("libntheap.so");
    assert!(library.exists());
    check(true, Some(library));
}

//! Every load as a process, on the system's allocator, at a hundredth of its
//! size.

use serde_json::Value;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::thread;

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ntheap-loads"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn list() -> Vec<(String, String)> {
    let output = program(&["--list"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let line = |line: &str| {
        let (name, group) = line.split_once('\t').expect("a tab");
        (name.to_owned(), group.to_owned())
    };
    text.lines().map(line).collect()
}

#[test]
fn the_list_has_every_kind_of_load() {
    let list = list();
    let names: Vec<_> = list.iter().map(|(name, _)| name).collect();
    for (i, name) in names.iter().enumerate() {
        assert!(!names[..i].contains(name), "{name} is there twice");
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(name.chars().all(plain), "{name} would have to be escaped");
    }
    let mut groups: Vec<_> = list.iter().map(|(_, group)| group.as_str()).collect();
    groups.dedup();
    groups.sort();
    groups.dedup();
    let expected = [
        "batches",
        "collections",
        "growth",
        "held",
        "huge",
        "large",
        "mixed",
        "overhead",
        "pairs",
        "programs",
        "threads",
    ];
    assert_eq!(groups, expected);
}

#[test]
fn every_load_runs_and_prints_its_line() {
    let left = Mutex::new(list());
    let next = || left.lock().expect("no other thread has panicked").pop();
    thread::scope(|scope| {
        // Two of the loads sleep.
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((name, _)) = next() {
                    check(&name);
                }
            });
        }
    });
}

fn check(name: &str) {
    let output = program(&[name, "--scale", "0.01"]);
    assert!(output.status.success(), "{name}: {output:?}");
    assert!(output.stderr.is_empty(), "{name}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(text.lines().count(), 1, "{name}: {text}");
    let line: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(line["load"], *name, "{text}");
    let number = |field: &str| {
        let number = line[field].as_u64();
        number.unwrap_or_else(|| panic!("{field} of {text}"))
    };
    assert!(number("operations") > 0, "{text}");
    assert!(number("threads") > 0, "{text}");
    assert!(number("minor_faults") > 0, "{text}");
    number("major_faults");
    let time = |field: &str| line[field].as_f64().unwrap_or(-1.0);
    assert!(time("seconds") >= 0.0 && time("seconds") < 20.0, "{text}");
    let threads = number("threads") as f64;
    // The clocks are not read at the same instant.
    let most = time("seconds") * threads + 0.01;
    assert!((0.0..most).contains(&time("cpu_seconds")), "{text}");
    let (peak, after) = (number("peak_rss"), number("rss_after_drop"));
    assert!(after > 0 && peak > 0, "{text}");
    assert!(peak >= number("requested_peak"), "{text}");
}

#[test]
fn what_is_not_known_is_said_with_status_2() {
    let unknown = program(&["pair-17"]);
    assert_eq!(unknown.status.code(), Some(2));
    let message = String::from_utf8(unknown.stderr).expect("UTF-8");
    assert!(unknown.stdout.is_empty());
    assert!(message.starts_with("pair-17: no such load"), "{message}");
    for (name, _) in list() {
        assert!(message.contains(&format!(" {name}")), "{message}");
    }
    for wrong in [
        &["pair-16", "--scale"][..],
        &["pair-16", "--scale", "0"],
        &["pair-16", "--scale", "-1"],
        &["pair-16", "--scale", "inf"],
        &["pair-16", "--scale", "much"],
        &["pair-16", "--fast"],
        &["pair-16", "pair-64"],
        &[],
    ] {
        let output = program(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

#[test]
fn a_scale_multiplies_the_operations() {
    let operations = |scale| {
        let output = program(&["pair-64", "--scale", scale]);
        let line: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        line["operations"].as_u64().expect("a number")
    };
    assert_eq!(2 * operations("0.001"), operations("0.002"));
    assert_eq!(operations("0.000000000001"), 1);
}

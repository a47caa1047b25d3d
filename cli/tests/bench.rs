//! `ntheap bench` on programs that only speak its protocol.

#![cfg(unix)]

mod common;

use common::{executable, folder, ntheap, output, skip, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a made-up peer does: `$1` is the load. It has a time and a size for
/// each load, so that every ratio is known.
struct Peer {
    name: &'static str,
    script: &'static str,
}

/// Twice as fast as mimalloc3 on `pair-16`, half as fast on `trees`.
const NTHEAP: Peer = Peer {
    name: "ntheap",
    script: "case $1 in pair-16) t=0.25 m=2097152;; trees) t=1.0 m=4194304;; *) t=0.125 m=8388608;; esac",
};
const MIMALLOC3: Peer = Peer {
    name: "mimalloc3",
    script: "t=0.5 m=8388608",
};
/// Each round is faster than the last: only the least counts.
const SYSTEM: Peer = Peer {
    name: "system",
    script: "n=$(wc -l <\"$log\"); t=$((20 - n)).0 m=1572864; [ \"$1\" = trees ] && t=0.75",
};
const BROKEN: Peer = Peer {
    name: "broken",
    script: "t=0.25 m=4194304; [ \"$1\" = pair-64 ] && { echo 'block 7 has changed' >&2; exit 3; }",
};

const LOADS: &str = "pair-16\\tpairs\\npair-64\\tpairs\\ntrees\\tone-thread\\n";

/// A checkout of nothing but peers, built already. Each run adds a line to the
/// file `log`.
fn checkout(test: &str, peers: &[Peer]) -> PathBuf {
    let root = folder(test);
    let log = root.join("log");
    fs::write(&log, "").expect("written");
    for peer in peers {
        package(&root, peer.name, "fn main() {}\n");
        let release = root.join("target/peers/release");
        fs::create_dir_all(&release).expect("a folder");
        let script = format!(
            "#!/bin/sh
log='{}'
[ \"$1\" = --list ] && {{ printf '{LOADS}'; exit 0; }}
echo \"{} $1 $2 $3\" >>\"$log\"
{}
printf '{{\"load\":\"%s\",\"operations\":10,\"seconds\":%s,\"cpu_seconds\":%s,' \"$1\" $t $t
printf '\"peak_rss\":%s,\"rss_after_drop\":1048576,\"minor_faults\":5,' $m
printf '\"major_faults\":1,\"threads\":1,\"requested_peak\":0}}\\n'
",
            log.display(),
            peer.name,
            peer.script
        );
        executable(&release.join(peer.name), script.as_bytes(), 0o755);
    }
    root
}

/// A package with one binary of its own name.
fn package(root: &Path, name: &str, main: &str) {
    let folder = root.join("benches/peers").join(name);
    fs::create_dir_all(folder.join("src")).expect("a folder");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).expect("written");
    fs::write(folder.join("src/main.rs"), main).expect("written");
}

/// `ntheap bench` in a folder.
fn bench(root: &Path, arguments: &[&str]) -> Command {
    let mut command = ntheap();
    command
        .arg("bench")
        .args(arguments)
        .current_dir(root)
        .env("CARGO", env!("CARGO"))
        .env_remove("CARGO_TARGET_DIR");
    command
}

/// With a PATH in which there are no more than these programs: without strace
/// every figure is known.
fn with_only(root: &Path, programs: &[&str], command: &mut Command) {
    let path = root.join("path");
    fs::create_dir_all(&path).expect("a folder");
    for program in programs {
        let found = ["/bin", "/usr/bin"]
            .iter()
            .map(|folder| Path::new(folder).join(program))
            .find(|file| file.exists())
            .expect("every system has these");
        std::os::unix::fs::symlink(found, path.join(program)).expect("a link");
    }
    command.env("PATH", path);
}

fn json(file: &Path) -> Value {
    let text = fs::read_to_string(file).expect("the file was written");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn ratios_means_and_both_files() {
    let root = checkout("bench-ratios", &[SYSTEM, MIMALLOC3, NTHEAP]);
    let arguments = [
        "--no-build",
        "--rounds",
        "3",
        "--json",
        "all.json",
        "--svg",
        "all.svg",
    ];
    let mut command = bench(&root, &arguments);
    with_only(&root, &["wc"], &mut command);
    let out = output(&mut command);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    assert_eq!(stdout(&out), include_str!("snapshots/bench.txt"));

    let value = json(&root.join("all.json"));
    assert_eq!(value["reference"], "mimalloc3");
    assert_eq!(value["rounds"], 3);
    assert_eq!(value["complete"], true);
    assert_eq!(value["os_calls_not_counted"], "strace is not installed");
    let rows = value["rows"].as_array().expect("rows");
    let names: Vec<_> = rows.iter().map(|row| row["load"].as_str()).collect();
    assert_eq!(names, [Some("pair-16"), Some("pair-64"), Some("trees")]);
    let system = &rows[0]["allocators"]["system"];
    let runs = system["runs"].as_array().expect("runs");
    let times: Vec<_> = runs.iter().map(|run| run["cpu_seconds"].as_f64()).collect();
    assert_eq!(times, [Some(17.0), Some(15.0), Some(13.0)]);
    assert_eq!(system["least"]["cpu_seconds"], 13.0);
    assert_eq!(system["time_ratio"], 26.0);
    assert_eq!(rows[2]["best_peer"]["time"]["name"], "mimalloc3");
    assert_eq!(rows[2]["best_peer"]["time"]["ntheap_ratio"], 2.0);

    let svg = fs::read_to_string(root.join("all.svg")).expect("written");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for name in [
        "pair-16",
        "pair-64",
        "trees",
        "ntheap",
        "mimalloc3",
        "system",
    ] {
        assert!(svg.contains(name), "{name} is not in the chart");
    }
}

#[test]
fn the_allocators_take_turns_and_each_round_begins_with_the_next() {
    let root = checkout("bench-turns", &[SYSTEM, MIMALLOC3, NTHEAP]);
    let arguments = [
        "--no-build",
        "--rounds",
        "3",
        "--scale",
        "0.5",
        "--only",
        "16",
        "--brief",
    ];
    let mut command = bench(&root, &arguments);
    with_only(&root, &["wc"], &mut command);
    let out = output(&mut command);
    assert!(out.status.success(), "{}", stderr(&out));
    let log = fs::read_to_string(root.join("log")).expect("every run is in the log");
    let first_words: Vec<_> = log.lines().filter_map(|l| l.split(' ').next()).collect();
    assert_eq!(
        first_words,
        [
            "ntheap",
            "mimalloc3",
            "system",
            "mimalloc3",
            "system",
            "ntheap",
            "system",
            "ntheap",
            "mimalloc3"
        ]
    );
    assert!(
        log.lines()
            .all(|line| line.ends_with(" pair-16 --scale 0.5")),
        "{log}"
    );
    assert!(!stdout(&out).contains("figures"), "{}", stdout(&out));
}

#[test]
fn a_program_that_fails_is_named_and_the_rest_goes_on() {
    let root = checkout("bench-fails", &[BROKEN, MIMALLOC3, NTHEAP]);
    let out = output(&mut bench(
        &root,
        &["--no-build", "--rounds", "2", "--json", "all.json"],
    ));
    assert_eq!(out.status.code(), Some(1));
    let text = stdout(&out);
    assert!(text.contains("failed: exit 3"), "{text}");
    assert!(
        text.contains("\nfailed: pair-64 on broken: exit 3: block 7 has changed\n"),
        "{text}"
    );
    // Two of the three rows are there for it, and it was tried once.
    assert!(text.contains("(2/3)"), "{text}");
    let log = fs::read_to_string(root.join("log")).expect("every run is in the log");
    let tried = log
        .lines()
        .filter(|line| line.starts_with("broken pair-64"))
        .count();
    assert_eq!(tried, 1, "{log}");
    let value = json(&root.join("all.json"));
    assert_eq!(value["complete"], false);
    let failure = &value["rows"][1]["allocators"]["broken"]["failure"];
    assert_eq!(failure["what"], "exit 3");
    assert_eq!(value["rows"][2]["allocators"]["broken"]["time_ratio"], 0.5);
}

#[test]
fn output_that_breaks_the_protocol_is_a_failure() {
    let chatty = Peer {
        name: "chatty",
        script: "echo hello; t=0.5 m=1",
    };
    let root = checkout("bench-chatty", &[chatty, NTHEAP]);
    let out = output(&mut bench(
        &root,
        &["--no-build", "--rounds", "1", "--only", "trees"],
    ));
    assert_eq!(out.status.code(), Some(1));
    let wanted = "failed: trees on chatty: bad output: 2 lines on standard output instead of one";
    assert!(stdout(&out).contains(wanted), "{}", stdout(&out));
}

#[test]
fn calls_are_counted_where_there_is_strace() {
    let there = match Command::new("strace")
        .args(["-f", "-c", "-qq", "-o", "/dev/null", "true"])
        .output()
    {
        Ok(out) if out.status.success() => true,
        Ok(out) => skip("counting calls", &format!("strace: {}", stderr(&out))),
        Err(e) => skip("counting calls", &format!("strace: {e}")),
    };
    if !there {
        return;
    }
    let root = checkout("bench-calls", &[MIMALLOC3, NTHEAP]);
    let arguments = [
        "--no-build",
        "--rounds",
        "1",
        "--only",
        "trees",
        "--json",
        "all.json",
    ];
    let out = output(&mut bench(&root, &arguments));
    assert!(out.status.success(), "{}", stderr(&out));
    let value = json(&root.join("all.json"));
    let calls = &value["rows"][0]["allocators"]["ntheap"]["os_calls"];
    // The shell itself maps its libraries.
    assert!(calls["memory"]["mmap"].as_u64() > Some(0), "{value:#}");
    assert_eq!(value["os_calls_not_counted"], Value::Null);
}

#[test]
fn what_cannot_be_built_is_named_with_the_reason() {
    let root = folder("bench-builds");
    let main = r#"
fn main() {
    let load = std::env::args().nth(1).expect("a load");
    if load == "--list" {
        println!("only\tone");
    } else {
        println!("{{\"load\":\"only\",\"operations\":1,\"seconds\":0.5,\"cpu_seconds\":0.5,\
                  \"peak_rss\":1024,\"rss_after_drop\":1024,\"minor_faults\":1,\
                  \"major_faults\":0,\"threads\":1,\"requested_peak\":0}}");
    }
}
"#;
    package(&root, "good", main);
    package(&root, "bad", "fn main() { there_is_no_such_thing(); }\n");
    let out = output(&mut bench(&root, &["--rounds", "1"]));
    assert_eq!(out.status.code(), Some(1), "{}", stderr(&out));
    let text = stderr(&out);
    assert!(
        text.contains("ntheap bench: left out: bad: cargo could not build it"),
        "{text}"
    );
    assert!(text.contains("could not compile `bad`"), "{text}");
    assert!(root.join("target/peers/release/good").is_file());
    let text = stdout(&out);
    assert!(text.contains("only") && text.contains("0.500 s"), "{text}");
    assert!(
        text.contains("failed: bad: cargo could not build it"),
        "{text}"
    );

    let out = output(&mut bench(
        &root,
        &["--rounds", "1", "--no-build", "--allocators", "good"],
    ));
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let out = output(&mut bench(&root, &["--no-build", "--allocators", "bad"]));
    assert_eq!(out.status.code(), Some(1));
    assert!(
        stderr(&out).contains("is not there and --no-build was given"),
        "{}",
        stderr(&out)
    );
}

#[test]
fn figures_are_printed_as_json() {
    let root = checkout("bench-json", &[SYSTEM, MIMALLOC3, NTHEAP]);
    let arguments = ["--no-build", "--rounds", "1", "--format", "json"];
    let mut command = bench(&root, &arguments);
    with_only(&root, &["wc"], &mut command);
    let out = output(&mut command);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let printed: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(printed["reference"], "mimalloc3");
    assert_eq!(printed["complete"], true);
}

#[test]
fn allocators_and_loads_are_listed_and_chosen_by_name() {
    let root = checkout("bench-list", &[SYSTEM, MIMALLOC3, NTHEAP]);
    let out = output(&mut bench(&root, &["--no-build", "--list"]));
    assert!(out.status.success(), "{}", stderr(&out));
    assert_eq!(
        stdout(&out),
        "allocators\n  ntheap\n  mimalloc3\n  system\npairs\n  pair-16\n  pair-64\none-thread\n  trees\n"
    );
    let out = output(&mut bench(
        &root,
        &["--no-build", "--list", "--format", "json"],
    ));
    let listed: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(listed["allocators"][1], "mimalloc3");
    assert_eq!(
        listed["loads"][2],
        serde_json::json!({ "group": "one-thread", "name": "trees" })
    );
    let chosen = [
        "--no-build",
        "--list",
        "--allocators",
        "system,ntheap",
        "--only",
        "p*6",
    ];
    let out = output(&mut bench(&root, &chosen));
    assert_eq!(
        stdout(&out),
        "allocators\n  system\n  ntheap\npairs\n  pair-16\n  pair-64\n"
    );
    assert_eq!(fs::read_to_string(root.join("log")).expect("a log"), "");
}

#[test]
fn what_is_not_there_is_said_exactly() {
    let root = checkout("bench-wrong", &[MIMALLOC3, NTHEAP]);
    let refused = |root: &Path, arguments: &[&str], code: i32, wanted: &str| {
        let out = output(&mut bench(root, arguments));
        assert_eq!(
            out.status.code(),
            Some(code),
            "{arguments:?}: {}",
            stderr(&out)
        );
        assert!(
            stderr(&out).contains(wanted),
            "{arguments:?}: {}",
            stderr(&out)
        );
        assert_eq!(stdout(&out), "");
    };
    let wrong: [(&[&str], &str); 7] = [
        (
            &["--allocators", "ntheap,x"],
            "there is no allocator x; there are ntheap, mimalloc3",
        ),
        (
            &["--reference", "x"],
            "--reference x does not take part; ntheap, mimalloc3 do",
        ),
        (
            &["--group", "x"],
            "there is no group x; there are pairs, one-thread",
        ),
        (&["--only", "x"], "no load is left to run"),
        (&["--scale", "0"], "a number above 0"),
        (&["--rounds", "0"], "0 is not in 1..=1000"),
        (&["--preload", "x.so"], "NAME=PATH is expected"),
    ];
    for (arguments, wanted) in wrong {
        let all: Vec<&str> = ["--no-build"].iter().chain(arguments).copied().collect();
        refused(&root, &all, 2, wanted);
    }
    let unwritable = ["--no-build", "--json", "no/such/folder/all.json"];
    refused(
        &root,
        &unwritable,
        1,
        "cannot write no/such/folder/all.json",
    );
    // Above this folder there are no peers, wherever the tests run.
    let outside = Path::new("/");
    refused(outside, &[], 1, "no folder benches/peers in / or above it");
    refused(outside, &[], 1, "run it in a checkout");
    fs::create_dir_all(root.join("empty/benches/peers")).expect("a folder");
    refused(&root.join("empty"), &[], 1, "no package in ");
}

#[test]
fn its_help_is_a_manual() {
    let out = output(ntheap().args(["bench", "--help"]));
    assert!(out.status.success());
    let text = stdout(&out);
    let wanted = [
        "Examples:",
        "Exit status:",
        "Environment:",
        "--preload",
        "--reference",
        "--svg",
        "NTHEAP_LIBRARY",
        "CARGO_TARGET_DIR",
        "strace",
    ];
    for part in wanted {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(100), "a line of {longest:?}");
}

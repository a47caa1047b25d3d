//! `ntheap demo` on a small folder.

mod common;

use common::{folder, ntheap, output, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Two texts with 3 lines of "heap", one file that is no text, and two that
/// must not be read.
fn sample(test: &str) -> PathBuf {
    let folder = folder(test);
    let write = |name: &str, contents: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, contents).expect("written");
    };
    write(
        "a.txt",
        b"the heap and its unsafe pages\nfree pages of the heap\n",
    );
    write("deeper/b.txt", b"an unsafe pointer\nheap_alloc\n");
    write("picture", b"heap\0heap");
    write(".hidden/c.txt", b"heap");
    write("target/d.txt", b"heap");
    folder
}

fn small(command: &mut Command) -> &mut Command {
    command.args(["demo", "--rounds", "2", "--threads", "3"])
}

#[test]
fn both_sides_agree_and_are_measured() {
    let folder = sample("demo-json");
    let out = output(
        small(&mut ntheap())
            .args(["--json", "--repeat", "2"])
            .arg(&folder),
    );
    assert!(out.status.success(), "{}", stderr(&out));
    assert_eq!(stderr(&out), "", "no progress where there is no terminal");
    let result: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(result["same_answers"], true);
    assert_eq!(result["corpus"]["files"], 2);
    assert_eq!(result["corpus"]["not_text"], 1);

    let mut answers = Vec::new();
    for side in ["ntheap", "system"] {
        let runs = result["runs"][side].as_array().expect("runs");
        assert_eq!(runs.len(), 2, "{side}");
        for run in runs {
            assert_eq!(run["allocator"], side);
            assert!(run["wall_s"].as_f64().expect("a time") > 0.0);
            for memory in ["peak_rss", "full_rss", "dropped_rss", "idle_rss"] {
                if cfg!(target_os = "linux") {
                    let bytes = run[memory].as_u64().expect(memory);
                    assert!(bytes > 100_000, "{side} {memory} {bytes}");
                }
            }
            let stats = [&run["stats_full"], &run["stats_idle"]];
            for stats in stats {
                assert_eq!(stats.is_object(), side == "ntheap", "{side} {stats}");
            }
            if side == "ntheap" {
                assert!(stats[0]["allocated"].as_u64() > Some(0), "{}", stats[0]);
            }
            answers.push(run["answers"].clone());
        }
    }
    assert!(answers.iter().all(|a| *a == answers[0]), "{answers:#?}");
    // the heap and its unsafe pages free of an pointer heap_alloc alloc
    assert_eq!(answers[0]["terms"], 12);
    assert_eq!(answers[0]["samples"][0], "unsafe: 2 matches, 2 lines");
    assert_eq!(
        answers[0]["samples"][1],
        "unsafe AND pointer: 1 matches, 1 lines"
    );
}

#[test]
fn the_table_has_every_figure() {
    let out = output(small(&mut ntheap()).arg(sample("demo-text")));
    assert!(out.status.success(), "{}", stderr(&out));
    let text = stdout(&out);
    for part in [
        "2 text files, 82 B",
        "2 times",
        "wall time",
        "peak RSS",
        "RSS, one second later",
        "ntheap's statistics",
        "allocated",
        "both gave the same answers: index ",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(
        !text.contains('\x1b'),
        "colours without a terminal:\n{text}"
    );
}

#[test]
fn a_folder_without_text_is_an_error() {
    let empty = folder("demo-empty");
    let missing = empty.join("missing");
    for folder in [empty, missing] {
        let out = output(ntheap().arg("demo").arg(&folder));
        assert_eq!(out.status.code(), Some(1));
        let text = stderr(&out);
        assert!(text.contains(folder.to_str().expect("UTF-8")), "{text}");
        assert_eq!(stdout(&out), "");
    }
}

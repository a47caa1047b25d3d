//! What cannot be read: processes that have ended, are another user's or have no heap of
//! ntheap, and files that are no whole snapshots. The command says why; what is looked at
//! goes on.

use super::common::running::Running;
use super::common::{folder, ntheap, output, skip, stderr, stdout};
use super::{MALLOCS, built, json, look};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

#[test]
fn what_cannot_be_read_has_a_status_and_a_reason() {
    let fails = |args: &[&str], code: i32, reason: &str| {
        let out = look(args);
        let text = stderr(&out);
        assert_eq!(out.status.code(), Some(code), "{args:?} {text}");
        assert!(
            text.contains(reason),
            "{args:?} does not say {reason}: {text}"
        );
        assert_eq!(stdout(&out), "", "{args:?}");
    };
    let folder = folder("look-unreadable");
    let file = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();

    // A number that no process has: the system's are below 4194304.
    for command in ["walk", "validate", "leaks"] {
        fails(&[command, "4999999"], 4, "there is no process 4999999");
    }
    fails(
        &["snapshot", "4999999", "-o", &file("x")],
        4,
        "there is no process",
    );
    fails(
        &["map", "4999999", "-o", &file("x.svg")],
        4,
        "there is no process",
    );

    // One that has ended, and that nobody has waited for.
    let mut ended = Command::new("true").spawn().expect("true runs");
    let pid = ended.id().to_string();
    let state = || fs::read_to_string(format!("/proc/{pid}/stat")).expect("its state");
    while !state().contains(") Z ") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    fails(&["walk", &pid], 4, "has ended");
    fails(&["validate", &pid], 4, "has ended");
    ended.wait().expect("it ended");

    // One without a heap of ntheap.
    let mut other = Command::new("sleep")
        .arg("100")
        .env_remove("LD_PRELOAD")
        .spawn()
        .expect("sleep runs");
    let pid = other.id().to_string();
    fails(&["walk", &pid], 4, "no heap of ntheap");
    fails(&["leaks", &pid], 4, "no heap of ntheap");
    other.kill().expect("it runs");
    other.wait().expect("it ended");

    fails(&["walk", &file("missing.heap")], 5, "cannot read");
    fs::write(folder.join("text"), "no snapshot").expect("written");
    fails(&["validate", &file("text")], 5, "is no snapshot");
    fails(&["diff", &file("text"), &file("text")], 5, "is no snapshot");
    fails(
        &["map", &file("text"), "-o", &file("x.svg")],
        5,
        "is no snapshot",
    );
    fails(
        &["map", &file("text"), "-o", &file("x.png")],
        2,
        "neither .svg nor .html",
    );
    let mut bytes = Vec::new();
    ntheap_inspect::file::write_to(&ntheap_inspect::Snapshot::default(), &mut bytes)
        .expect("written");
    fs::write(folder.join("cut"), &bytes[..bytes.len() - 5]).expect("written");
    fails(&["walk", &file("cut")], 5, "it was cut");
    bytes[16] = 9;
    fs::write(folder.join("later"), &bytes).expect("written");
    fails(&["walk", &file("later")], 5, "of version 9");
    fails(&["walk", &file("cut"), "--size", "9-1"], 2, "N-M");
    fails(&["leaks"], 2, "Usage");
}

#[test]
fn damage_in_a_snapshot_is_status_1() {
    use ntheap_inspect::model::{Area, Block, Copy, Heap, Problem, Stack, State};
    let folder = folder("look-damage");
    let path = folder.join("damaged.heap");
    let snapshot = ntheap_inspect::Snapshot {
        copies: vec![Copy::default()],
        heaps: vec![Heap {
            handle: 0x1000,
            name: "a heap".to_owned(),
            ..Heap::default()
        }],
        problems: vec![Problem {
            heap: 0x1000,
            address: 0x2000,
            what: "something is wrong".to_owned(),
        }],
        areas: vec![Area {
            start: 0x1ff0,
            reserved: 0x100,
            count: 1,
            ..Area::default()
        }],
        blocks: vec![Block {
            address: 0x1ff0,
            size: 100,
            slack: 156,
            stack: 1,
            state: State::Busy,
            ..Block::default()
        }],
        stacks: vec![Stack {
            id: 1,
            frames: vec!["gone.so+0x1234".to_owned()],
        }],
        missing: vec!["a region".to_owned()],
        ..Default::default()
    };
    ntheap_inspect::file::write(&snapshot, &path).expect("written");
    let out = look(&["validate", path.to_str().expect("UTF-8")]);
    assert_eq!(out.status.code(), Some(1));
    let text = stdout(&out);
    assert!(
        text.contains(
            "0x2000, a heap: something is wrong\n  \
             in a block of 100 bytes at 0x1ff0, allocated at\n    \
             gone.so+0x1234\n1 thing does not agree\n"
        ),
        "{text}"
    );
    assert!(stderr(&out).contains("ntheap: 1 address in gone.so has no name: "));
    assert!(stderr(&out).contains("partial; what is missing:\n  a region\n"));
    let path = path.to_str().expect("UTF-8");
    let found = json(&look(&["validate", path, "--format", "json"]));
    let problem = &found["problems"][0];
    assert_eq!(problem["block"]["size"], 100);
    assert_eq!(problem["calls"][0]["frame"], "gone.so+0x1234");
    let out = look(&["walk", path]);
    assert_eq!(out.status.code(), Some(3));
}

/// A user may not look into another's process, which goes on and knows nothing of it.
#[test]
fn another_users_process_is_not_looked_into() {
    const NOBODY: u32 = 65534;
    // SAFETY: asks for a number.
    if unsafe { libc::geteuid() } != 0 {
        skip(
            "another user's process",
            "only root may run as another user",
        );
        return;
    }
    let Some((_, program)) = built("look-foreign", MALLOCS, &[]) else {
        return;
    };
    let mut running = Running::preloaded(&program);
    running.until_ready();
    let pid = running.pid();
    // Where that user may run it.
    let open = std::env::temp_dir().join(format!("ntheap-foreign-{}", std::process::id()));
    fs::create_dir_all(&open).expect("a folder");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("its mode");
    let copy = open.join("ntheap");
    fs::copy(ntheap().get_program(), &copy).expect("a copy");
    let file = open.join("x.heap");
    let file = file.to_str().expect("UTF-8");
    for args in [
        &["walk", &pid][..],
        &["validate", &pid],
        &["leaks", &pid],
        &["snapshot", &pid, "-o", file],
        &["top", &pid],
        &["profile", &pid, "-o", file],
    ] {
        let mut command = Command::new(&copy);
        command.args(args).current_dir("/").uid(NOBODY).gid(NOBODY);
        let out = output(&mut command);
        let text = stderr(&out);
        assert_eq!(out.status.code(), Some(4), "{args:?} {text}");
        assert!(
            text.contains(&format!("process {pid} may not be looked into")),
            "{args:?} {text}"
        );
        assert_eq!(stdout(&out), "", "{args:?}");
    }
    assert!(!fs::exists(file).expect("the folder is there"));
    fs::remove_dir_all(&open).expect("removed");
    running.go();
    running.until_ready();
    running.go();
    running.end();
}

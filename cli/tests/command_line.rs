//! The command's help and version.

mod common;

use common::{ntheap, output, stderr, stdout};

#[test]
fn version_is_the_packages() {
    let out = output(ntheap().arg("--version"));
    assert!(out.status.success());
    assert_eq!(
        stdout(&out),
        format!("ntheap {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn help_is_a_manual() {
    let manual = |args: &[&str], wanted: &[&str]| {
        let out = output(ntheap().args(args));
        assert!(out.status.success(), "{args:?}");
        let text = stdout(&out);
        for &part in wanted {
            assert!(text.contains(part), "{args:?} does not say {part}:\n{text}");
        }
        let longest = text.lines().map(|l| l.chars().count()).max();
        assert!(longest <= Some(100), "{args:?} has a line of {longest:?}");
        assert!(!text.contains("demo-child"), "{text}");
    };
    manual(&["--help"], &["Examples:", "Environment:", "run", "demo"]);
    manual(
        &["demo", "--help"],
        &["Examples:", "Exit status:", "--limit-mb", "--repeat"],
    );
    let codes = ["120", "121", "122", "123", "124", "125", "126", "127"];
    manual(&["run", "--help"], &codes);
    manual(
        &["run", "--help"],
        &["Examples:", "Environment:", "NTHEAP_LIBRARY", "--no-count"],
    );
}

#[test]
fn a_wrong_command_line_is_status_2() {
    for args in [
        &["wander"][..],
        &["walk"],
        &["run"],
        &["demo", "--rounds", "0"],
        &[],
    ] {
        let out = output(ntheap().args(args));
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        let text = stderr(&out);
        assert!(text.contains("--help") || text.contains("Usage:"), "{text}");
        assert_eq!(stdout(&out), "");
    }
}

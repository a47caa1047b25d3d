//! Tests that have a process of their own, since what they ask for by the environment is
//! read once.

#![allow(dead_code, reason = "each test uses a part of them")]

use std::process::{Command, Output};

const CHILD: &str = "HEAP_TEST_CHILD";

/// Runs `body` in a process of its own with these variables set, and returns how it
/// ended; in that process, `None`.
pub(crate) fn isolated(
    test: &str,
    variables: &[(&str, &str)],
    body: impl FnOnce(),
) -> Option<Output> {
    // So that one test may start several.
    let name = format!("{test}{variables:?}");
    match std::env::var(CHILD) {
        Ok(child) if child == name => {
            body();
            std::process::exit(0);
        }
        Ok(_) => return None,
        Err(_) => {}
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NTHEAP_") {
            command.env_remove(name);
        }
    }
    let output = command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    Some(output)
}

/// [`isolated`], which must end well and without a report.
pub(crate) fn succeeds(test: &str, variables: &[(&str, &str)], body: impl FnOnce()) {
    if let Some(output) = isolated(test, variables, body) {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{variables:?}: {error}");
        assert!(!error.contains("VERIFIER STOP"), "{variables:?}: {error}");
    }
}

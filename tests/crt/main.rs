//! The C runtime's instances from Rust: which heap each is on, what it says of
//! others' blocks, and `CrtHeap` as an allocator. What depends on the environment
//! runs in a process of its own.

#![cfg(all(unix, target_pointer_width = "64"))]

mod allocator;
mod calls;
mod heap;
mod modes;
mod new_mode;

use std::env;
use std::process::{Command, Output};

/// Set in a test's own process, to the test's name.
const CHILD: &str = "NTHEAP_TEST_CRT_CHILD";

/// Runs `body` in a process of its own, with variables of the environment: this
/// program again, with the one test `name`. How it ended, in the parent; `None` in
/// the child.
fn alone(name: &str, variables: &[(&str, &str)], body: impl FnOnce()) -> Option<Output> {
    if env::var(CHILD).as_deref() == Ok(name) {
        body();
        return None;
    }
    let output = Command::new(env::current_exe().expect("the own path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .envs(variables.iter().copied())
        .env(CHILD, name)
        .output()
        .expect("the program starts again");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("running 1 test"), "no test {name}:\n{out}");
    Some(output)
}

/// Asserts that a process came to its end; what it wrote to standard error.
fn passed(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}\n{error}");
    error
}

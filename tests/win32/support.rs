//! What the tests share: processes of their own, and the last error.

use ntheap::win32::*;
use std::env;
use std::ffi::c_void;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

/// Set in a test's own process, to the test's name.
const CHILD: &str = "WIN32_TEST_CHILD";

/// Runs `body` in a process of its own: this program again, with the one test
/// `name`, the path of the calling test. What it wrote and how it ended, in the
/// parent; `None` in the child, when the body returned.
pub(crate) fn alone(name: &str, body: impl FnOnce()) -> Option<Output> {
    if env::var(CHILD).as_deref() == Ok(name) {
        body();
        return None;
    }
    let output = Command::new(env::current_exe().expect("the own path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .output()
        .expect("the program starts again");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("running 1 test"), "no test {name}:\n{out}");
    Some(output)
}

/// The calling test's path, for [`alone`].
macro_rules! this_test {
    ($name:ident) => {{
        let path = concat!(module_path!(), "::", stringify!($name));
        path.split_once("::").expect("a module's path").1
    }};
}
pub(crate) use this_test;

/// Asserts that the body comes to its end in a process of its own.
pub(crate) fn passes_alone(name: &str, body: impl FnOnce()) {
    if let Some(output) = alone(name, body) {
        let error = String::from_utf8_lossy(&output.stderr);
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}:\n{out}\n{error}");
    }
}

/// Asserts that the body ends its process by a report, whose lines but for the
/// first and the numbers in it are what `expected` makes of them.
pub(crate) fn reports(name: &str, body: impl FnOnce()) -> Option<String> {
    let output = alone(name, body)?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        output.status.signal(),
        Some(libc::SIGABRT),
        "{}\n{error}",
        output.status
    );
    assert!(error.contains("ntheap: VERIFIER STOP "), "{error}");
    Some(error)
}

/// Fails the test if `condition` is not so, telling the last error.
macro_rules! holds {
    ($condition:expr) => {
        assert!(
            $condition,
            "{} (last error {})",
            stringify!($condition),
            crate::support::last_error()
        )
    };
}
pub(crate) use holds;

pub(crate) fn last_error() -> DWORD {
    // SAFETY: no promise to keep.
    unsafe { GetLastError() }
}

/// A last error that no function sets.
pub(crate) const UNTOUCHED: DWORD = 0xdead_beef;

/// Runs `call` with a last error that no function sets: its result, and the last
/// error after it.
pub(crate) fn with_error<R>(call: impl FnOnce() -> R) -> (R, DWORD) {
    // SAFETY: no promise to keep.
    unsafe {
        SetLastError(UNTOUCHED);
        let result = call();
        (result, GetLastError())
    }
}

pub(crate) const NULL: *mut c_void = std::ptr::null_mut();

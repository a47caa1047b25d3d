//! What the tests that build programs share.

use ntheap_instructions::missing_programs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Past the harness, which keeps what a test that passes prints.
pub(crate) fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Where to build, or `None` and a line that names the test, when it cannot be
/// run.
pub(crate) fn target(test: &str) -> Option<PathBuf> {
    let missing = missing_programs();
    if !missing.is_empty() {
        assert_ne!(
            std::env::var("NTHEAP_REQUIRE_PROGRAMS").as_deref(),
            Ok("1"),
            "{test} cannot be tested without {missing:?}"
        );
        say(&format!(
            "SKIPPED: {test}: not installed: {}",
            missing.join(", ")
        ));
        return None;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    Some(
        target
            .expect("cargo's folder for tests is in the target folder")
            .to_owned(),
    )
}

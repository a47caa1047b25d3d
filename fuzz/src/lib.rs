//! Random operations on ntheap against a model of it.
//!
//! The body of each fuzz target is a function here, so that the inputs kept
//! under `corpus/` are tests too, on the stable compiler. The shell that the
//! fuzzer itself needs is `cargo-fuzz/`:
//!
//! ```text
//! cargo +nightly fuzz run ops --fuzz-dir fuzz/cargo-fuzz --sanitizer none
//! cargo +nightly fuzz run snapshot --fuzz-dir fuzz/cargo-fuzz
//! cargo +nightly fuzz run flags --fuzz-dir fuzz/cargo-fuzz
//! ```

mod actor;
pub mod flags;
mod model;
pub mod ops;
mod pattern;
#[cfg(target_os = "linux")]
pub mod snapshot;

//! Random operations on ntheap against a model of it.
//!
//! The body of each fuzz target is a function here, so that the inputs kept
//! under `corpus/` are tests too, on the stable compiler. The shell that the
//! fuzzer itself needs is `cargo-fuzz/`:
//!
//! ```text
//! .ci/fuzz.sh 60                        every target, for a minute each
//! .ci/fuzz.sh --address 60 ops pages    two of them, with AddressSanitizer
//! ```
//!
//! | target | what is asked | the model |
//! |---|---|---|
//! | `ops` | the global allocator and C's, two threads | blocks, figures to the byte |
//! | `heaps` | many heaps through the safe face | blocks of each, summaries |
//! | `heap_api` | the Heap functions of C | blocks, walks, what is refused |
//! | `pages` | the Virtual functions | each page of a window |
//! | `mappings` | sections and views | bytes of each section, private copies |
//! | `moveable` | `GlobalAlloc`, `LocalAlloc` | handles, locks, contents |
//! | `win16` | an arena whose blocks move | contents, what must stay |
//! | `crt` | an instance's malloc and its kin | blocks, alignments and offsets |
//! | `debug_crt` | the debug runtime | blocks, numbers, checkpoints |
//! | `com` | task memory, strings | blocks, the strings' bytes |
//! | `flags` | the variables that turn on flags | what the same items say otherwise |
//! | `snapshot` | files that say they are snapshots | the file written again |

mod actor;
#[cfg(unix)]
mod blocks;
#[cfg(unix)]
pub mod com;
#[cfg(unix)]
pub mod crt;
#[cfg(unix)]
pub mod debug_crt;
pub mod flags;
#[cfg(unix)]
pub mod heap_api;
#[cfg(unix)]
pub mod heaps;
#[cfg(unix)]
pub mod mappings;
mod model;
#[cfg(unix)]
pub mod moveable;
pub mod ops;
#[cfg(unix)]
pub mod pages;
mod pattern;
#[cfg(unix)]
mod poison;
#[cfg(target_os = "linux")]
pub mod snapshot;
#[cfg(unix)]
pub mod win16;

/// What is asked is the process's: one input at a time.
fn turn() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    TURN.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

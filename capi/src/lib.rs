//! `libntheap.so`: malloc and its kin on the NT heap.
//!
//! The functions are C's and POSIX's, with their errors in errno; the blocks
//! are those of the process heap's checked front end, which knows a block from
//! its address alone and reports whatever is not one. Works as the first call
//! of a process, in a forked child, in threads that end, after exit handlers
//! ran, preloaded, linked or opened late.
//!
//! C++'s operators new and delete lead to `malloc` and `free`, and to the C++ library, whose
//! `new` calls the handler and throws what it must. They are here so that a block which goes
//! back by another function than it came from is told of, and for a hardened heap to compare
//! the sizes of sized deletes. (The Windows library has an operator new of its own, which
//! calls `_set_new_handler`'s handler.)
//!
//! At load nothing of Rust's standard library runs; [`run`] writes one line
//! if `ntheap run` asked for it. Where panics abort, as in the release profile,
//! none of it is in the library: a quarter of a megabyte that a process would
//! have in memory for printing backtraces of panics that do not happen.

#![cfg_attr(panic = "abort", no_std)]

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    target_pointer_width = "64"
))]
mod calls;
pub mod crt;
pub mod crtdbg;
#[cfg(target_arch = "x86_64")]
mod judge;
pub mod malloc;
#[cfg(target_arch = "x86_64")]
mod operators;
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    target_pointer_width = "64"
))]
mod relocations;
mod run;
#[cfg(target_arch = "x86_64")]
pub mod sized;
pub mod stops;
pub mod trace;
pub mod win32;
mod word;

include!("../no_std.rs");

/// The place where the order of the library's sections puts what few programs write (rare.ld).
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".data1")]
static PLACE: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(1);

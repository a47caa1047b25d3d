//! `libntheap.so`: malloc and its kin on the NT heap.
//!
//! The functions are C's and POSIX's, with their errors in errno; the blocks
//! are those of the process heap's checked front end, which knows a block from
//! its address alone and reports whatever is not one. Works as the first call
//! of a process, in a forked child, in threads that end, after exit handlers
//! ran, preloaded, linked or opened late.
//!
//! Operator new and delete are left to the C++ library: its `new` reaches
//! `malloc` here, calls the new handler, and throws what it must. Sized deletes are
//! here, for a hardened heap to compare the sizes, and call the library's. (The Windows
//! library has an operator new, which calls `_set_new_handler`'s handler.)
//!
//! At load nothing of Rust's standard library runs; [`run`] writes one line
//! if `ntheap run` asked for it. Where panics abort, as in the release profile,
//! none of it is in the library: a quarter of a megabyte that a process would
//! have in memory for printing backtraces of panics that do not happen.

#![cfg_attr(panic = "abort", no_std)]

pub mod crt;
pub mod crtdbg;
pub mod malloc;
mod run;
#[cfg(target_arch = "x86_64")]
pub mod sized;
pub mod stops;
pub mod trace;
pub mod win32;
mod word;

include!("../no_std.rs");

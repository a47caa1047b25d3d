//! `libntheap.so`: malloc and its kin on the NT heap.
//!
//! The functions are C's and POSIX's, with their errors in errno; the blocks
//! are those of the process heap's checked front end, which knows a block from
//! its address alone and reports whatever is not one. Works as the first call
//! of a process, in a forked child, in threads that end, after exit handlers
//! ran, preloaded, linked or opened late.
//!
//! Operator new and delete are left to the C++ library: its `new` reaches
//! `malloc` here, calls the new handler, and throws what it must.
//!
//! At load nothing of Rust's standard library runs; [`report`] writes one line
//! if `ntheap run` asked for it.

pub mod malloc;
mod report;
mod word;

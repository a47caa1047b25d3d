//! Freeing in one module what another one allocated, and the other ways of
//! giving a block to the wrong function: what is said, and how the process ends,
//! in each mode of `NTHEAP_CRT`.
//!
//! [`plugins`] plays the example's cases: a host and plugins with runtimes of
//! their own. [`failures`] has a test for every row of the table of failures that
//! the documentation knows, by a program in C++.

#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod failures;
mod plugins;
mod reports;

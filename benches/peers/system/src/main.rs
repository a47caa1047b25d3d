//! The loads on the system's allocator, as Rust uses it when nothing else is said.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: std::alloc::System = std::alloc::System;

fn main() -> ExitCode {
    ntheap_loads::main(&ALLOCATOR)
}

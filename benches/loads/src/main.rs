//! The loads on the system's allocator.

use std::alloc::System;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: System = System;

fn main() -> ExitCode {
    ntheap_loads::main(&ALLOCATOR)
}

//! The loads on mimalloc 2.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ntheap_loads::main(&ALLOCATOR)
}

//! The loads on snmalloc.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: snmalloc_rs::SnMalloc = snmalloc_rs::SnMalloc;

fn main() -> ExitCode {
    ntheap_loads::main(&ALLOCATOR)
}

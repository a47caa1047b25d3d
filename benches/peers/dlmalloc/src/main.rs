//! The loads on dlmalloc.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    ntheap_loads::main(&ALLOCATOR)
}

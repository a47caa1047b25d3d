//! The loads on ntheap's NtHeap.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: ntheap::NtHeap = ntheap::NtHeap::new();

fn main() -> ExitCode {
    ntheap_loads::main(&ALLOCATOR)
}

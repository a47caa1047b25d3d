//! The loads on rpmalloc.

use std::process::ExitCode;
// The feature in Cargo.toml is all that is wanted of it.
use rpmalloc_sys as _;

#[global_allocator]
static ALLOCATOR: rpmalloc::RpMalloc = rpmalloc::RpMalloc;

fn main() -> ExitCode {
    ntheap_loads::main(&ALLOCATOR)
}

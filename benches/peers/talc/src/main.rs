//! The loads on talc: behind the spin lock and over the source of memory that
//! its documentation shows for a global allocator.

use spinning_top::RawSpinlock;
use std::alloc::System;
use std::process::ExitCode;
use talc::{TalcLock, source::GlobalAllocSource};

#[global_allocator]
static ALLOCATOR: TalcLock<RawSpinlock, GlobalAllocSource<System>> =
    TalcLock::new(GlobalAllocSource::new(System));

fn main() -> ExitCode {
    ntheap_loads::main(&ALLOCATOR)
}

//! Sixty-four threads at a time, each allocating, handing on what it allocated
//! to a thread that is born after its end, and exiting.
//!
//! ```text
//! cargo run --release --example threads              # 2 million operations
//! cargo run --release --example threads -- 100000000
//! ```
//!
//! Every block's contents are checked, and at the end the statistics must
//! tell exactly what is still alive.

mod handover;

use handover::Handover;
use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: ntheap::NtHeap = ntheap::NtHeap::new();

const DEFAULT: usize = 2_000_000;

fn main() -> ExitCode {
    let operations = match std::env::args().nth(1).map(|text| text.parse()) {
        None => DEFAULT,
        Some(Ok(operations)) => operations,
        Some(Err(error)) => {
            eprintln!("threads: the number of operations: {error}");
            return ExitCode::from(2);
        }
    };
    let mut handover = Handover::new(&ALLOCATOR);
    // What the standard library allocates once is there afterwards.
    println!("{} threads at a time", handover::LANES);
    handover.run(1);
    handover.free();

    let before = ntheap::stats().allocated;
    let began = Instant::now();
    let done = handover.run(operations);
    let seconds = began.elapsed().as_secs_f64();
    let alive = ntheap::stats().allocated - before;
    println!(
        "{} operations by {} threads in {seconds:.2} s; {} blocks of {} usable bytes are alive, \
         {alive} by the statistics",
        done.operations,
        done.threads,
        handover.blocks(),
        handover.usable(),
    );
    let exact = alive == handover.usable();
    handover.free();
    let left = ntheap::stats().allocated - before;
    println!("{left} bytes are alive when all is freed");
    if exact && left == 0 {
        ExitCode::SUCCESS
    } else {
        eprintln!("threads: the statistics are wrong");
        ExitCode::FAILURE
    }
}

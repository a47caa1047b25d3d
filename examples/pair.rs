//! What an allocation and its free cost here, beside the system's own allocator.
//!
//! ```console
//! $ cargo run --release --example pair
//! ```
//!
//! Both are called directly, in turn, and the least of many rounds is told; a program
//! that has one of them for its global allocator pays the same.

use ntheap::NtHeap;
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::time::Instant;

const PAIRS: u32 = 20_000;
const ROUNDS: usize = 60;

/// Nanoseconds of a pair, in one round.
fn round(allocator: &impl GlobalAlloc, layout: Layout) -> f64 {
    let began = Instant::now();
    for _ in 0..PAIRS {
        // SAFETY: the layout has a size, and the block is freed once, with it.
        unsafe {
            let block = allocator.alloc(black_box(layout));
            assert!(!block.is_null());
            block.write(1);
            allocator.dealloc(black_box(block), layout);
        }
    }
    began.elapsed().as_nanos() as f64 / f64::from(PAIRS)
}

fn main() {
    static HEAP: NtHeap = NtHeap::new();
    println!(
        "{:>8}  {:>10}  {:>10}  {:>6}",
        "bytes", "NtHeap, ns", "system, ns", "ratio"
    );
    for size in [16, 64, 256, 1024, 8 * 1024, 64 * 1024] {
        let layout = Layout::from_size_align(size, 8).expect("a small layout");
        let (mut own, mut system) = (f64::MAX, f64::MAX);
        for _ in 0..ROUNDS {
            own = own.min(round(&HEAP, layout));
            system = system.min(round(&System, layout));
        }
        println!(
            "{size:>8}  {own:>10.1}  {system:>10.1}  {:>6.2}",
            own / system
        );
    }
}

//! The loops whose instructions are counted, with `NtHeap` as the program's
//! allocator. As in `c/loops.c`: once to warm up, then `n` times, then `2 * n`
//! times, with a call of `mark` after each.
//!
//! `ntheap-rust-loops constant|runtime|empty N`

use std::alloc::{Layout, alloc, dealloc};
use std::hint::black_box;

#[global_allocator]
static HEAP: ntheap::NtHeap = ntheap::NtHeap::new();

/// What `ntheap_instructions::RUST_SIZE` says, as a constant Layout.
const LAYOUT: Layout = Layout::new::<[u64; 8]>();

// SAFETY: no other object of this program has a symbol of this name.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn mark() {
    black_box(());
}

#[inline(never)]
fn constant(n: usize) {
    for _ in 0..n {
        // SAFETY: the layout is not of size 0; the block is freed once, with
        // the layout it was allocated with.
        unsafe { dealloc(black_box(alloc(LAYOUT)), LAYOUT) };
    }
}

#[inline(never)]
fn runtime(n: usize) {
    // Known to be a valid Layout, of unknown size: as in a collection's code.
    let layout = black_box(LAYOUT);
    for _ in 0..n {
        // SAFETY: as above.
        unsafe { dealloc(black_box(alloc(layout)), layout) };
    }
}

#[inline(never)]
fn empty(n: usize) {
    for _ in 0..n {
        black_box(());
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let run: fn(usize) = match name.as_str() {
        "constant" => constant,
        "runtime" => runtime,
        "empty" => empty,
        _ => panic!("constant, runtime or empty, not {name:?}"),
    };
    let n: usize = arguments
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number of iterations");
    let run = black_box(run);
    run(n);
    mark();
    run(n);
    mark();
    run(2 * n);
    mark();
}

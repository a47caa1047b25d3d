//! A program on `NtHeap` that says which blocks it has, one a line, then `ready`,
//! and ends when its input does.

use std::alloc::{Layout, alloc, dealloc};
use std::io::{Read, Write};
use std::thread;

#[global_allocator]
static ALLOCATOR: ntheap::NtHeap = ntheap::NtHeap::new();

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 16).expect("a layout")
}

/// Allocates blocks of many sizes and frees two of three; returns the rest.
fn blocks(seed: usize) -> Vec<(usize, usize)> {
    let sizes = (0..3000).map(|at| 16 + (at * 37 + seed * 11) % 4000 + at / 2990 * 300_000);
    let all: Vec<(usize, usize)> = sizes
        .map(|size| {
            // SAFETY: a layout of more than no bytes.
            let block = unsafe { alloc(layout(size)) };
            assert!(!block.is_null());
            (block.expose_provenance(), size)
        })
        .collect();
    let mut kept = Vec::new();
    for (at, (address, size)) in all.into_iter().enumerate() {
        if at % 3 == 0 {
            kept.push((address, size));
            continue;
        }
        // SAFETY: allocated above with this layout, and freed once.
        unsafe { dealloc(std::ptr::with_exposed_provenance_mut(address), layout(size)) };
    }
    kept
}

fn main() {
    let mut kept = blocks(0);
    // Threads that stay, with what they freed in their caches.
    let (told, tells) = std::sync::mpsc::channel();
    for seed in 1..4 {
        let told = told.clone();
        thread::spawn(move || {
            told.send(blocks(seed)).expect("the main thread waits");
            loop {
                thread::park();
            }
        });
    }
    for _ in 1..4 {
        kept.extend(tells.recv().expect("a thread's blocks"));
    }
    // One that ends, whose cache goes to nobody.
    kept.extend(thread::spawn(|| blocks(4)).join().expect("blocks"));
    // malloc's, which is another copy's where one is preloaded: they lie elsewhere
    // than what that copy had before.
    for _ in 0..3 {
        // SAFETY: any size may be asked for.
        assert!(!unsafe { libc::malloc(5 << 20) }.is_null());
    }
    let mut lines = String::new();
    for (address, size) in kept {
        lines.push_str(&format!("{address:#x} {size}\n"));
    }
    lines.push_str("ready\n");
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes()).expect("written");
    out.flush().expect("written");
    let _ = std::io::stdin().read(&mut [0; 1]);
}

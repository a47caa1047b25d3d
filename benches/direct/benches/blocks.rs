//! Blocks: allocated, zeroed, aligned, resized, freed.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use ntheap_direct::{HEAP, SIZES, layout};
use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::time::Duration;

/// Blocks of a batch.
const BATCH: usize = 10_000;

fn pair(c: &mut Criterion) {
    let mut group = c.benchmark_group("alloc and dealloc");
    for size in SIZES {
        let layout = layout(size, 8);
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| {
                let layout = black_box(layout);
                // SAFETY: no size is 0; the block is freed with its layout.
                unsafe { HEAP.dealloc(black_box(HEAP.alloc(layout)), layout) };
            });
        });
    }
    group.finish();
}

fn zeroed(c: &mut Criterion) {
    let mut group = c.benchmark_group("alloc_zeroed and dealloc");
    for size in SIZES {
        let layout = layout(size, 8);
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| {
                let layout = black_box(layout);
                // SAFETY: as in `pair`.
                unsafe { HEAP.dealloc(black_box(HEAP.alloc_zeroed(layout)), layout) };
            });
        });
    }
    group.finish();
}

fn aligned(c: &mut Criterion) {
    let mut group = c.benchmark_group("aligned alloc and dealloc");
    for (size, align) in [
        (64, 64),
        (100, 64),
        (4096, 4096),
        (64, 64 << 10),
        (64, 1 << 20),
    ] {
        let layout = layout(size, align);
        group.bench_function(format!("{size} at {align}"), |b| {
            b.iter(|| {
                let layout = black_box(layout);
                // SAFETY: as in `pair`.
                unsafe { HEAP.dealloc(black_box(HEAP.alloc(layout)), layout) };
            });
        });
    }
    group.finish();
}

fn batch(c: &mut Criterion) {
    let mut group = c.benchmark_group("10,000 allocated, then freed");
    let mut blocks = Vec::with_capacity(BATCH);
    for size in [16, 64, 256, 1024] {
        let layout = layout(size, 8);
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| {
                let layout = black_box(layout);
                // SAFETY: as in `pair`, for each block.
                unsafe {
                    blocks.extend((0..BATCH).map(|_| HEAP.alloc(layout)));
                    for block in blocks.drain(..) {
                        HEAP.dealloc(block, layout);
                    }
                }
            });
        });
    }
    group.finish();
}

/// Reallocates a block to each of the sizes in turn, over and over.
fn cycle(c: &mut Criterion, name: &str, sizes: &[usize]) {
    c.bench_function(name, |b| {
        let mut now = layout(sizes[0], 8);
        // SAFETY: no size is 0; `now` is always the block's layout, with which
        // it is at last freed.
        unsafe {
            let mut block = HEAP.alloc(now);
            b.iter(|| {
                for &size in black_box(sizes) {
                    block = HEAP.realloc(block, now, size);
                    assert!(!block.is_null(), "out of memory");
                    now = layout(size, 8);
                }
            });
            HEAP.dealloc(block, now);
        }
    });
}

fn reallocate(c: &mut Criterion) {
    cycle(c, "realloc within a class, 97 and 112", &[97, 112]);
    cycle(c, "realloc between classes, 100 and 200", &[100, 200]);
    cycle(c, "realloc of pages, 2 and 4 MiB", &[2 << 20, 4 << 20]);
    let doubled: Vec<usize> = (5..=24).map(|log| 1 << log).collect();
    let first = layout(16, 8);
    c.bench_function("realloc, doubled from 16 B to 16 MiB", |b| {
        b.iter_batched(
            // SAFETY: the size is not 0.
            || unsafe { HEAP.alloc(first) },
            |mut block| {
                let mut now = first;
                // SAFETY: `now` is always the block's layout; it is freed at
                // the end, and only here.
                unsafe {
                    for &size in &doubled {
                        block = HEAP.realloc(block, now, size);
                        assert!(!block.is_null(), "out of memory");
                        now = layout(size, 8);
                    }
                    HEAP.dealloc(block, now);
                }
            },
            BatchSize::PerIteration,
        );
    });
}

/// A random one of 10,000 blocks of 16 B to 4 KiB is replaced.
fn replace(c: &mut Criterion) {
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    let any = |random: &mut dyn FnMut(usize) -> usize| -> (*mut u8, Layout) {
        let layout = layout(16 + random(4081), 8);
        // SAFETY: the size is not 0.
        (unsafe { HEAP.alloc(layout) }, layout)
    };
    let mut blocks: Vec<_> = (0..BATCH).map(|_| any(&mut random)).collect();
    c.bench_function("random replacement of 10,000", |b| {
        b.iter(|| {
            let place = random(BATCH);
            let (block, layout) = blocks[place];
            // SAFETY: a block of the list, which is given another in its
            // place.
            unsafe { HEAP.dealloc(block, layout) };
            blocks[place] = any(&mut random);
        });
    });
    for (block, layout) in blocks {
        // SAFETY: each of the list's blocks once, with its layout.
        unsafe { HEAP.dealloc(block, layout) };
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50);
    targets = pair, zeroed, aligned, batch, reallocate, replace
}
criterion_main!(benches);

//! Heaps of a program's own: made and destroyed, used by one thread and by two.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ntheap::{Heap, LocalHeap};
use ntheap_direct::layout;
use std::alloc::Layout;
use std::hint::black_box;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

/// Sizes of blocks in regions, in buckets, and straight from pages.
const SIZES: [usize; 5] = [16, 64, 1 << 10, 64 << 10, 4 << 20];

fn heap() -> Heap {
    Heap::new().expect("a heap")
}

fn local() -> LocalHeap {
    LocalHeap::options().create_local().expect("a heap")
}

fn lifetimes(c: &mut Criterion) {
    c.bench_function("create and destroy", |b| b.iter(heap));
    c.bench_function("create and destroy, local", |b| b.iter(local));
    c.bench_function("create and destroy, fixed 1 MiB", |b| {
        b.iter(|| Heap::options().fixed(1 << 20).create().expect("a heap"));
    });
    let mut group = c.benchmark_group("destroy with blocks of 64 bytes");
    for blocks in [10, 1000, 100_000] {
        group.bench_function(BenchmarkId::from_parameter(blocks), |b| {
            b.iter_batched(
                || {
                    let heap = heap();
                    for _ in 0..blocks {
                        black_box(heap.alloc(layout(64, 8)).expect("a block"));
                    }
                    heap
                },
                drop,
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// A million blocks, ended at one stroke and one by one, in the order in which they were
/// allocated, which is the cheapest, and in a random one.
fn endings(c: &mut Criterion) {
    const BLOCKS: usize = 1_000_000;
    for size in [16, 64] {
        let filled = || {
            let heap = heap();
            // Written to, since memory that nobody touched costs nothing to give back.
            let block = |_| {
                let block = heap.alloc(layout(size, 8)).expect("a block");
                // SAFETY: the block is as large.
                unsafe { block.write_bytes(1, size) };
                block
            };
            let blocks: Vec<_> = (0..BLOCKS).map(block).collect();
            (heap, blocks)
        };
        let name = format!("end of a million blocks of {size} bytes");
        let mut group = c.benchmark_group(name);
        group.sample_size(10);
        group.bench_function("at one stroke", |b| {
            b.iter_batched(|| filled().0, drop, BatchSize::PerIteration);
        });
        for (name, is_shuffled) in [("one by one", false), ("one by one, shuffled", true)] {
            group.bench_function(name, |b| {
                let filled = || {
                    let (heap, mut blocks) = filled();
                    if is_shuffled {
                        shuffle(&mut blocks);
                    }
                    (heap, blocks)
                };
                b.iter_batched(
                    filled,
                    |(heap, blocks)| {
                        for block in blocks {
                            // SAFETY: the bench's own block, freed once.
                            unsafe { heap.free(block) }.expect("freed");
                        }
                        heap
                    },
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

fn shuffle(blocks: &mut [NonNull<u8>]) {
    let mut random = 1_u64;
    for end in (2..=blocks.len()).rev() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        blocks.swap(end - 1, (random >> 33) as usize % end);
    }
}

/// Makes a size one in common use, so that a bucket serves it.
fn wake(alloc: impl Fn(Layout) -> NonNull<u8>, free: impl Fn(NonNull<u8>), layout: Layout) {
    let blocks: Vec<_> = (0..32).map(|_| alloc(layout)).collect();
    blocks.into_iter().for_each(free);
}

fn pairs(c: &mut Criterion) {
    macro_rules! pairs {
        ($name:literal, $make:expr) => {
            let mut group = c.benchmark_group($name);
            for size in SIZES {
                let layout = layout(size, 8);
                let heap = $make;
                let alloc = |layout| heap.alloc(layout).expect("a block");
                // SAFETY: the bench's own blocks, each freed once.
                let free = |block| unsafe { heap.free(block) }.expect("freed");
                wake(alloc, free, layout);
                group.bench_function(BenchmarkId::from_parameter(size), |b| {
                    b.iter(|| free(black_box(alloc(black_box(layout)))));
                });
            }
            group.finish();
        };
    }
    pairs!("alloc and free in a Heap", heap());
    pairs!("alloc and free in a LocalHeap", local());
}

/// One heap, one and two threads: the time of a pair by each, and what that
/// makes a second together.
fn shared(c: &mut Criterion) {
    let mut group = c.benchmark_group("alloc and free of 64 bytes in one Heap, threads");
    for threads in [1, 2] {
        let heap = heap();
        // SAFETY: the bench's own blocks, each freed once.
        let free = |block| unsafe { heap.free(block) }.expect("freed");
        wake(|of| heap.alloc(of).expect("a block"), free, layout(64, 8));
        group.throughput(Throughput::Elements(threads));
        group.bench_function(BenchmarkId::from_parameter(threads), |b| {
            b.iter_custom(|pairs| {
                let begin = Instant::now();
                std::thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| {
                            for _ in 0..pairs {
                                let block = heap.alloc(layout(64, 8)).expect("a block");
                                // SAFETY: the thread's own block.
                                unsafe { heap.free(black_box(block)) }.expect("freed");
                            }
                        });
                    }
                });
                begin.elapsed()
            });
        });
    }
    group.finish();
}

fn checks(c: &mut Criterion) {
    let heap = heap();
    for number in 0..10_000 {
        heap.alloc(layout(16 + number % 100 * 8, 8))
            .expect("a block");
    }
    c.bench_function("walk of 10,000 blocks", |b| {
        b.iter(|| heap.lock().walk().count());
    });
    c.bench_function("validate 10,000 blocks", |b| b.iter(|| heap.validate()));
    c.bench_function("summary", |b| b.iter(|| heap.summary()));
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30);
    targets = lifetimes, endings, pairs, shared, checks
}
criterion_main!(benches);

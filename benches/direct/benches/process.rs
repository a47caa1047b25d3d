//! What concerns the whole process: statistics, the account, giving memory
//! back.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use ntheap_direct::{HEAP, layout};
use std::alloc::GlobalAlloc;
use std::fmt;
use std::hint::black_box;
use std::time::Duration;

/// Allocates `bytes` of blocks of `size` bytes, writes to each, and frees them.
fn leave_free(bytes: usize, size: usize) {
    let layout = layout(size, 8);
    // SAFETY: the size is not 0; the write lies in the block; each block is
    // freed once, with its layout.
    unsafe {
        let blocks: Vec<_> = (0..bytes / size).map(|_| HEAP.alloc(layout)).collect();
        for &block in &blocks {
            block.write(1);
        }
        for block in blocks {
            HEAP.dealloc(block, layout);
        }
    }
}

/// Keeps nothing of what is written.
struct Sink(usize);

impl fmt::Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += black_box(text).len();
        Ok(())
    }
}

fn stats(c: &mut Criterion) {
    leave_free(1 << 20, 64);
    c.bench_function("stats", |b| b.iter(ntheap::stats));
    let stats = ntheap::stats();
    let mut text = |name: &str, write: fn(&ntheap::Stats, &mut Sink) -> fmt::Result| {
        c.bench_function(name, |b| {
            b.iter(|| {
                let mut sink = Sink(0);
                write(&stats, &mut sink).expect("the sink takes all");
                assert!(sink.0 > 0);
            });
        });
    };
    text("stats as text", |stats, sink| stats.write_text(sink));
    text("stats as JSON", |stats, sink| stats.write_json(sink));
    text("stats for Prometheus", |stats, sink| {
        stats.write_prometheus(sink)
    });
    c.bench_function("vm::account", |b| b.iter(ntheap::vm::account));
    c.bench_function("vm::round_to_pages", |b| {
        b.iter(|| ntheap::vm::round_to_pages(black_box(12_345)));
    });
}

fn purge(c: &mut Criterion) {
    ntheap::purge();
    c.bench_function("purge with nothing to give back", |b| b.iter(ntheap::purge));
    let mut group = c.benchmark_group("purge of 16 MiB freed in blocks of");
    for size in [64, 1024, 64 << 10, 4 << 20] {
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter_batched(
                || leave_free(16 << 20, size),
                |()| ntheap::purge(),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50);
    targets = stats, purge
}
criterion_main!(benches);

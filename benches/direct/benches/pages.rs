//! Pages: each operation beside the bare calls of the system that it is made of.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
mod linux {
    use super::*;
    use ntheap::win32::*;
    use std::ptr;

    const PAGE: usize = 4096;
    const MIB: usize = 1 << 20;
    const GIB: usize = 1 << 30;

    fn touch(base: *mut u8, size: usize) {
        for page in (0..size).step_by(PAGE) {
            // SAFETY: the callers commit all of it, and nobody else uses it.
            unsafe { base.add(page).write_volatile(1) };
        }
    }

    fn map(size: usize, rights: i32) -> *mut u8 {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: maps fresh memory.
        let base = unsafe { libc::mmap(ptr::null_mut(), size, rights, flags, -1, 0) };
        assert_ne!(base, libc::MAP_FAILED);
        base.cast()
    }

    fn allocate(address: *mut u8, size: usize, kind: u32) -> *mut u8 {
        // SAFETY: changes only what is the benchmark's.
        let base = unsafe { VirtualAlloc(address.cast(), size, kind, PAGE_READWRITE) };
        assert!(!base.is_null());
        base.cast()
    }

    fn free(base: *mut u8, size: usize, kind: u32) {
        // SAFETY: nobody uses the pages any more.
        assert_eq!(unsafe { VirtualFree(base.cast(), size, kind) }, TRUE);
    }

    /// 1 MiB taken, touched and given back.
    pub(super) fn whole_life(c: &mut Criterion) {
        let mut group = c.benchmark_group("1 MiB, touched");
        group.bench_function("mmap, munmap", |b| {
            b.iter(|| {
                let base = map(MIB, libc::PROT_READ | libc::PROT_WRITE);
                touch(base, MIB);
                // SAFETY: mapped just above.
                unsafe { libc::munmap(base.cast(), MIB) };
            });
        });
        group.bench_function("reserve and commit, release", |b| {
            b.iter(|| {
                let base = allocate(ptr::null_mut(), MIB, MEM_RESERVE | MEM_COMMIT);
                touch(base, MIB);
                free(base, 0, MEM_RELEASE);
            });
        });
        group.bench_function("reserve, commit, release", |b| {
            b.iter(|| {
                let base = allocate(ptr::null_mut(), MIB, MEM_RESERVE);
                allocate(base, MIB, MEM_COMMIT);
                touch(base, MIB);
                free(base, 0, MEM_RELEASE);
            });
        });
        group.finish();
    }

    /// One page after the other in a reserved gigabyte.
    pub(super) fn commit(c: &mut Criterion) {
        let mut group = c.benchmark_group("a page of a reserved GiB");
        let base = map(GIB, libc::PROT_NONE);
        // Times `one` for pages in an order that leaves gaps at first, so that
        // mappings are split and joined.
        let measure = |iterations: u64, one: &dyn Fn(usize), clear: &dyn Fn()| {
            const AT_ONCE: u64 = 4096;
            let mut sum = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let count = left.min(AT_ONCE);
                let start = Instant::now();
                for nth in 0..count {
                    one((nth as usize * 5 % 8192) * PAGE);
                }
                sum += start.elapsed();
                clear();
                left -= count;
            }
            sum
        };
        group.bench_function("mprotect", |b| {
            b.iter_custom(|iterations| {
                let one = |offset| {
                    let rights = libc::PROT_READ | libc::PROT_WRITE;
                    // SAFETY: the page lies in the mapping above.
                    let done = unsafe { libc::mprotect(base.add(offset).cast(), PAGE, rights) };
                    assert_eq!(done, 0);
                };
                // SAFETY: as above.
                let clear = || unsafe {
                    libc::mprotect(base.cast(), GIB, libc::PROT_NONE);
                };
                measure(iterations, &one, &clear)
            });
        });
        let reserved = allocate(ptr::null_mut(), GIB, MEM_RESERVE);
        group.bench_function("commit", |b| {
            b.iter_custom(|iterations| {
                let one = |offset| {
                    allocate(reserved.wrapping_add(offset), PAGE, MEM_COMMIT);
                };
                measure(iterations, &one, &|| free(reserved, GIB, MEM_DECOMMIT))
            });
        });
        group.finish();
        free(reserved, 0, MEM_RELEASE);
        // SAFETY: nobody uses the mapping any more.
        unsafe { libc::munmap(base.cast(), GIB) };
    }

    /// Queries among more and more reservations, of which one in ten has a
    /// committed page in its middle. They fill what they take of address space: the
    /// system joins them then, and has fewer mappings than it allows.
    pub(super) fn query(c: &mut Criterion) {
        let mut group = c.benchmark_group("VirtualQuery among reservations");
        let mut all: Vec<*mut u8> = Vec::new();
        for count in [100, 1000, 10_000, 100_000] {
            while all.len() < count {
                let base = allocate(ptr::null_mut(), 16 * PAGE, MEM_RESERVE);
                if all.len().is_multiple_of(10) {
                    allocate(base.wrapping_add(PAGE), PAGE, MEM_COMMIT);
                }
                all.push(base);
            }
            let mut next = 1usize;
            group.bench_function(BenchmarkId::from_parameter(count), |b| {
                b.iter(|| {
                    next = next.wrapping_mul(6364136223846793005).wrapping_add(1);
                    let base = all[(next >> 33) % count];
                    let mut told = std::mem::MaybeUninit::<MEMORY_BASIC_INFORMATION>::uninit();
                    // SAFETY: the buffer has room for the structure.
                    let size = unsafe { VirtualQuery(base.cast(), told.as_mut_ptr(), 48) };
                    assert_eq!(black_box(size), 48);
                });
            });
        }
        group.finish();
        for base in all {
            free(base, 0, MEM_RELEASE);
        }
    }
}

#[cfg(target_os = "linux")]
fn pages(c: &mut Criterion) {
    linux::whole_life(c);
    linux::commit(c);
    linux::query(c);
}

#[cfg(not(target_os = "linux"))]
fn pages(_: &mut Criterion) {
    let _ = (
        BenchmarkId::from_parameter(0),
        Duration::ZERO,
        Instant::now(),
    );
    black_box(());
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = pages
}
criterion_main!(benches);

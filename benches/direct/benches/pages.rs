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

    /// A way of doing something: its name, what is timed, and what it needs afterwards.
    type Way<'a> = (&'a str, &'a mut dyn FnMut(), &'a mut dyn FnMut());

    /// Times two ways of doing the same in turn, `count` times a round, and prints the
    /// shortest round of each and their ratio: what else the machine does meets both,
    /// and the shortest least. What they need between rounds is not timed.
    fn beside(name: &str, count: u32, ways: [Way<'_>; 2]) {
        // Under `cargo test` everything runs once.
        let rounds = match std::env::args().any(|argument| argument == "--bench") {
            true => 100,
            false => 1,
        };
        let [(bare_name, bare, bare_after), (own_name, own, own_after)] = ways;
        let mut shortest = [Duration::MAX; 2];
        for _ in 0..rounds {
            for (best, act, after) in [
                (0, &mut *bare, &mut *bare_after),
                (1, &mut *own, &mut *own_after),
            ] {
                let start = Instant::now();
                act();
                shortest[best] = shortest[best].min(start.elapsed() / count);
                after();
            }
        }
        let [bare, own] = shortest.map(|time| time.as_nanos());
        let ratio = own as f64 / bare as f64;
        println!("{name}: {own_name} {own} ns, {bare_name} {bare} ns, ratio {ratio:.3}");
    }

    /// 1 MiB taken, touched and given back.
    pub(super) fn whole_life() {
        const TIMES: u32 = 16;
        let mut bare = || {
            for _ in 0..TIMES {
                let base = map(MIB, libc::PROT_READ | libc::PROT_WRITE);
                touch(base, MIB);
                // SAFETY: mapped just above.
                unsafe { libc::munmap(base.cast(), MIB) };
            }
        };
        let mut at_once = || {
            for _ in 0..TIMES {
                let base = allocate(ptr::null_mut(), MIB, MEM_RESERVE | MEM_COMMIT);
                touch(base, MIB);
                free(base, 0, MEM_RELEASE);
            }
        };
        let mut in_turn = || {
            for _ in 0..TIMES {
                let base = allocate(ptr::null_mut(), MIB, MEM_RESERVE);
                allocate(base, MIB, MEM_COMMIT);
                touch(base, MIB);
                free(base, 0, MEM_RELEASE);
            }
        };
        for (own_name, own) in [
            ("reserve and commit", &mut at_once as &mut dyn FnMut()),
            ("reserve, then commit", &mut in_turn),
        ] {
            let ways: [Way<'_>; 2] = [
                ("mmap, munmap", &mut bare, &mut || {}),
                (own_name, own, &mut || {}),
            ];
            beside("1 MiB, touched, given back", TIMES, ways);
        }
    }

    /// One page after the other in a reserved gigabyte, in an order that leaves gaps at
    /// first, so that mappings are split and joined.
    pub(super) fn commit() {
        const PAGES: u32 = 4096;
        let offsets = || (0..PAGES as usize).map(|nth| (nth * 5 % 8192) * PAGE);
        let base = map(GIB, libc::PROT_NONE);
        let reserved = allocate(ptr::null_mut(), GIB, MEM_RESERVE);
        let mut bare = || {
            for offset in offsets() {
                let rights = libc::PROT_READ | libc::PROT_WRITE;
                // SAFETY: the page lies in the mapping above.
                let done = unsafe { libc::mprotect(base.add(offset).cast(), PAGE, rights) };
                assert_eq!(done, 0);
            }
        };
        let mut own = || {
            for offset in offsets() {
                allocate(reserved.wrapping_add(offset), PAGE, MEM_COMMIT);
            }
        };
        // SAFETY: as above.
        let mut clear = || unsafe {
            libc::mprotect(base.cast(), GIB, libc::PROT_NONE);
        };
        let ways: [Way<'_>; 2] = [
            ("mprotect", &mut bare, &mut clear),
            ("commit", &mut own, &mut || {
                free(reserved, GIB, MEM_DECOMMIT)
            }),
        ];
        beside("a page of a reserved GiB", PAGES, ways);
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
    linux::whole_life();
    linux::commit();
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

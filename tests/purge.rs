//! `purge` reaches every thread's cache: of threads that sleep, and of threads
//! that allocate and free meanwhile.
//!
//! One test a process, since the heap it looks at is the process's.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod isolated;

use ntheap::heap::{Word, classes, plain};
use ntheap::{Config, Stats, stats};
use std::alloc::Layout;
use std::sync::Barrier;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::sync::atomic::AtomicI32;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static WORD: Word = const { Word::new() };
}

const CONFIG: Config = Config::new();

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

fn allocate(size: usize) -> *mut u8 {
    // SAFETY: the word is this thread's own.
    let block = WORD.with(|word| unsafe { plain::allocate(word, &CONFIG, layout(size)) });
    assert!(!block.is_null());
    block
}

fn free(block: *mut u8, size: usize) {
    // SAFETY: the word is this thread's own; each block is freed once.
    WORD.with(|word| unsafe { plain::free(word, block, layout(size)) });
}

fn cached(stats: &Stats) -> u64 {
    stats.buckets.iter().map(|bucket| bucket.cached).sum()
}

fn fill(block: *mut u8, size: usize, with: u8) {
    // SAFETY: the block is ours and `size` bytes long.
    unsafe { block.write_bytes(with, size) };
}

fn holds(block: *mut u8, size: usize, what: u8) -> bool {
    // SAFETY: the block is ours, `size` bytes long, and was filled.
    unsafe { std::slice::from_raw_parts(block, size) }
        .iter()
        .all(|&byte| byte == what)
}

#[test]
fn purge_reaches_threads_asleep_and_at_work() {
    // First: scoped threads may still be at their ends after their scope's.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    ended_without_hooks();
    asleep();
    at_work();
}

/// The number of the thread that ends so.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
static ENDING: AtomicI32 = AtomicI32::new(0);

/// A thread that ends by the system call alone gives nothing back. (musl waits for it for
/// ever: there a thread's end is told by the function that was not called.)
#[cfg(all(target_os = "linux", target_env = "gnu"))]
extern "C" fn end_at_once(_: *mut libc::c_void) -> *mut libc::c_void {
    let sizes = [16, 64, 1000, 30_000];
    for size in sizes {
        let blocks = [(); 20].map(|()| allocate(size));
        for block in blocks {
            free(block, size);
        }
    }
    // SAFETY: it has no arguments.
    ENDING.store(unsafe { libc::gettid() }, Ordering::Relaxed);
    // SAFETY: none: this is the planted bug.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    std::ptr::null_mut()
}

/// Has a thread run and end so; its number.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn run_and_end_at_once() -> i32 {
    let mut thread = 0;
    // SAFETY: the function takes nothing, and the thread is waited for: the kernel says
    // when it has ended.
    unsafe {
        let made = libc::pthread_create(
            &raw mut thread,
            std::ptr::null(),
            end_at_once,
            std::ptr::null_mut(),
        );
        assert_eq!(made, 0);
        assert_eq!(libc::pthread_join(thread, std::ptr::null_mut()), 0);
        // It wakes who waits before it is gone altogether.
        let number = ENDING.load(Ordering::Relaxed);
        while libc::syscall(libc::SYS_tgkill, libc::getpid(), number, 0) == 0 {
            std::thread::yield_now();
        }
        number
    }
}

/// Where statistics are shown, it is said whose cache was taken back, and what was in it.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn a_cache_that_is_taken_back_is_told_of() {
    for (shows, lines) in [("1", 1), ("0", 0)] {
        let test = "a_cache_that_is_taken_back_is_told_of";
        let Some(output) = isolated::isolated(test, &[("NTHEAP_SHOW_STATS", shows)], || {
            free(allocate(16), 16);
            WORD.with(plain::purge);
            let before = cached(&stats());
            let thread = run_and_end_at_once();
            let blocks = cached(&stats()) - before;
            println!("\nannounced thread {thread} ended without its exit hooks: {blocks} free ");
            WORD.with(plain::purge);
        }) else {
            continue;
        };
        let [out, said] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
        assert!(output.status.success(), "{said}");
        assert_eq!(said.matches("its exit hooks").count(), lines, "{said}");
        let expected = out.lines().find_map(|line| line.strip_prefix("announced "));
        let told = said.lines().find_map(|line| {
            let rest = line.strip_prefix("ntheap: ")?.strip_prefix(expected?)?;
            let bytes = rest.strip_prefix("blocks of its cache, ")?;
            bytes.strip_suffix(" bytes, were taken back")?.parse().ok()
        });
        let least = 20 * (16 + 64 + 1000);
        let is_right = |bytes: u64| (least..least + 20 * 30_000 + 4096).contains(&bytes);
        assert_eq!(
            told.is_some_and(is_right),
            lines == 1,
            "{expected:?}: {said}"
        );
    }
}

/// What its cache keeps is taken back whole, and the cache is another thread's afterwards.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn ended_without_hooks() {
    // This thread has a cache, too.
    free(allocate(16), 16);
    WORD.with(plain::purge);
    let before = stats();
    for round in 0..20 {
        run_and_end_at_once();
        let kept = stats();
        assert_eq!(kept.threads, before.threads + 1, "{round}");
        assert!(cached(&kept) >= cached(&before) + 20, "{round}");
        WORD.with(plain::purge);
        let after = stats();
        assert_eq!(after.threads, before.threads, "{round}");
        assert_eq!(cached(&after), cached(&before), "{round}");
        assert_eq!(after.allocated, before.allocated, "{round}");
    }
}

fn asleep() {
    let (filled, purged) = (Barrier::new(5), Barrier::new(5));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let sizes = [16, 64, 200, 1000, 5000, 30_000, 100_000];
                let blocks = sizes.map(|size| [(); 40].map(|()| allocate(size)));
                for (size, blocks) in sizes.into_iter().zip(blocks) {
                    for block in blocks {
                        free(block, size);
                    }
                }
                filled.wait();
                purged.wait();
                // What was taken is gone, and the thread goes on as ever.
                let blocks = sizes.map(|size| [(); 90].map(|()| (allocate(size), size)));
                for (at, &(block, size)) in blocks.iter().flatten().enumerate() {
                    fill(block, size, at as u8);
                }
                for (at, &(block, size)) in blocks.iter().flatten().enumerate() {
                    assert!(holds(block, size, at as u8));
                    free(block, size);
                }
            });
        }
        filled.wait();
        let before = stats();
        assert!(cached(&before) > 400, "four threads keep blocks");
        WORD.with(plain::purge);
        let after = stats();
        assert_eq!(after.threads, before.threads, "the threads live");
        assert_eq!(after.allocated, before.allocated);
        if ntheap::sys::barrier() {
            // Of each bin the topmost block stays, in case it is being popped.
            assert!(cached(&after) <= 4 * 7, "{} cached", cached(&after));
            assert_eq!(after.retained, 0);
        } else {
            eprintln!("skipped: this system has no process-wide barrier");
        }
        purged.wait();
    });
    assert_eq!(stats().allocated, 0);
}

fn at_work() {
    let stop = AtomicBool::new(false);
    let kept: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..=3u64)
            .map(|seed| {
                let stop = &stop;
                scope.spawn(move || {
                    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    let mut blocks: Vec<(usize, usize, u8)> = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        if blocks.len() < 200 || state % 2 == 0 {
                            let size = 16 * (1 + (state >> 32) as usize % 4);
                            let block = allocate(size);
                            fill(block, size, state as u8);
                            blocks.push((block.expose_provenance(), size, state as u8));
                        }
                        if blocks.len() > 400 || state % 2 == 1 && !blocks.is_empty() {
                            let at = (state >> 16) as usize % blocks.len();
                            let (block, size, with) = blocks.swap_remove(at);
                            let block = std::ptr::with_exposed_provenance_mut(block);
                            assert!(holds(block, size, with), "a block was doubled");
                            free(block, size);
                        }
                    }
                    // Kept on purpose, to be found in the statistics.
                    blocks.iter().map(|(_, size, _)| size).sum::<usize>()
                })
            })
            .collect();
        for _ in 0..300 {
            WORD.with(plain::purge);
        }
        stop.store(true, Ordering::Relaxed);
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .sum()
    });
    assert_eq!(stats().allocated, kept, "no block is lost");
    assert_eq!(classes::size_of(classes::class_of(64)), 64);
}

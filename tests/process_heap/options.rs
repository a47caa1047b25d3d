//! The options of the environment, each in a process of its own.

use super::support::*;
use super::workload::Load;
use ntheap::stats;
use ntheap::sys::Call;
use ntheap::vm::account;

/// One whole load with nothing refused and nothing lost.
fn load() {
    let mut load = Load::new(Face::Global, 21);
    load.run(true);
    assert_eq!((load.refused, stats().allocated), (0, 0));
}

/// Runs `body` with the variables set; returns what it wrote to standard
/// error, in the parent.
fn with(variables: &[(&str, &str)], body: impl FnOnce()) -> Option<String> {
    let output = isolated_with(variables, body)?;
    assert_done(&format!("{variables:?}"), &output);
    Some(String::from_utf8(output.stderr).unwrap())
}

/// [`with`] for a body that writes nothing to standard error.
fn quiet(variables: &[(&str, &str)], body: impl FnOnce()) {
    if let Some(error) = with(variables, body) {
        assert_eq!(error, "");
    }
}

#[test]
fn nothing_set_says_nothing() {
    quiet(&[], || {
        load();
    });
}

#[test]
fn a_commit_limit_is_kept() {
    const LIMIT: usize = 16 * MIB;
    quiet(&[("NTHEAP_COMMIT_LIMIT", "16M")], || {
        let mut load = Load::new(Face::Global, 22);
        let check = |what: &str, got: usize| {
            figure(&format!(
                "commit limit of 16 MiB: {} of {what} blocks",
                mib(got)
            ));
            let committed = account().total().committed;
            assert!(committed <= LIMIT, "{} committed", mib(committed));
            assert_eq!(stats().allocated, 0);
            assert!((6 * MIB..LIMIT).contains(&got), "{what}: {}", mib(got));
        };
        // What one route had, another can have afterwards.
        for round in 0..3 {
            let runs = load.exhaust(64 * KIB, GIB) * 64 * KIB;
            check("64 KiB", runs);
            let large = load.exhaust(3 * MIB, GIB) * 3 * MIB;
            check("3 MiB", large);
            let small = load.exhaust(5000, GIB) * 5000;
            check("5,000-byte", small);
            if round == 1 {
                load.run(true);
                assert!(load.refused > 0, "the load needs more than that");
                assert_eq!(stats().allocated, 0);
            }
        }
        // Refused is what is too large at once, and no other block suffers.
        assert!(Face::Global.allocate(layout(17 * MIB, 8)).is_null());
        assert!(Face::Global.allocate_zeroed(layout(17 * MIB, 8)).is_null());
        let small = layout(100, 8);
        let block = Face::Global.allocate(small);
        assert!(!block.is_null());
        // SAFETY: a block of 100 bytes.
        unsafe { block.write_bytes(3, 100) };
        assert!(Face::Global.reallocate(block, small, 17 * MIB).is_null());
        // SAFETY: a block of 100 bytes, still held.
        let bytes = unsafe { std::slice::from_raw_parts(block, 100) };
        assert!(bytes.iter().all(|&byte| byte == 3));
        Face::Global.free(block, small);
    });
}

/// Frees blocks that take half of a limit of 16 MiB together, much of which is kept for
/// others of their size.
fn keep_idle(size: usize) {
    let bytes = Load::new(Face::Global, 24).exhaust(size, 8 * MIB) * size;
    assert!(bytes > 6 * MIB, "{} in blocks of {size} bytes", mib(bytes));
}

#[test]
fn what_is_idle_makes_room_for_a_block_larger_than_it() {
    quiet(&[("NTHEAP_COMMIT_LIMIT", "16M")], || {
        let wanted = layout(14 * MIB, 8);
        for size in [5000, 64 * KIB, 3 * MIB] {
            keep_idle(size);
            let block = Face::Global.allocate(wanted);
            assert!(!block.is_null(), "after blocks of {size} bytes");
            Face::Global.free(block, wanted);
        }
    });
}

#[test]
fn what_is_idle_makes_room_for_a_heap_of_ones_own() {
    if !ntheap::sys::barrier() {
        eprintln!("skipped: this system has no process-wide barrier, and a cache stays as it is");
        return;
    }
    quiet(&[("NTHEAP_COMMIT_LIMIT", "16M")], || {
        let heap = ntheap::Heap::new().unwrap();
        for size in [5000, 64 * KIB, 3 * MIB] {
            keep_idle(size);
            let block = heap.alloc(layout(14 * MIB, 8));
            let block = block.unwrap_or_else(|error| panic!("{error} after {size} bytes"));
            // SAFETY: the block is the heap's, and used no more.
            unsafe { heap.free(block) }.unwrap();
        }
    });
}

/// Regions of such a heap take a MiB at once, and more than one.
#[test]
fn what_is_idle_makes_room_for_a_heap_that_commits_much_at_once() {
    use ntheap::heap::private::{self, Settings, Tuning};
    const SIZE: usize = 20_000;
    let settings = Settings {
        tuning: Tuning {
            commit: MIB,
            ..Tuning::default()
        },
        ..Settings::DEFAULT
    };
    if !ntheap::sys::barrier() {
        eprintln!("skipped: this system has no process-wide barrier, and a cache stays as it is");
        return;
    }
    quiet(&[], || {
        for limit in (8400..=12_800).step_by(400) {
            ntheap::vm::set_commit_limit(usize::MAX);
            // SAFETY: no memory is given.
            let heap = unsafe { private::create(&settings) }.unwrap();
            let idle = Load::new(Face::Global, 28).exhaust(5000, 6 * MIB);
            assert!(idle * 5000 > 5 * MIB);
            ntheap::vm::set_commit_limit(limit * KIB);
            let mut got = 0;
            // SAFETY: a live heap.
            while unsafe { private::allocate(heap, 0, SIZE) }.is_ok() {
                got += SIZE;
            }
            assert!(got >= limit * KIB / 3 * 2, "{} of {limit} KiB", mib(got));
            // SAFETY: nobody uses the heap.
            unsafe { private::destroy(heap) }.unwrap();
        }
    });
}

#[test]
fn what_is_idle_makes_room_for_a_heap_that_begins_large() {
    quiet(&[("NTHEAP_COMMIT_LIMIT", "16M")], || {
        for size in [5000, 64 * KIB, 3 * MIB] {
            for idle in [4, 9, 13] {
                Load::new(Face::Global, 29).exhaust(size, idle * MIB);
                let heap = ntheap::Heap::options().initial_size(8 * MIB).create();
                assert!(heap.is_ok(), "{idle} MiB in blocks of {size} bytes");
            }
        }
        // Not for one that there can be no room for.
        assert!(
            ntheap::Heap::options()
                .initial_size(17 * MIB)
                .create()
                .is_err()
        );
    });
}

/// A heap that may not grow is full however much room there is beside it.
#[test]
fn a_full_heap_takes_nothing_of_what_is_idle_where_there_is_room() {
    use ntheap::heap::private::{self, Settings, Shape};
    let settings = Settings {
        shape: Shape::Fixed(MIB),
        ..Settings::DEFAULT
    };
    quiet(&[("NTHEAP_COMMIT_LIMIT", "1G")], || {
        // SAFETY: no memory is given.
        let heap = unsafe { private::create(&settings) }.unwrap();
        // Of many that are alive some more lie in a magazine.
        let kept = layout(100, 8);
        let blocks: Vec<_> = (0..5000).map(|_| Face::Global.allocate(kept)).collect();
        for &block in &blocks[2500..] {
            Face::Global.free(block, kept);
        }
        // SAFETY: a live heap.
        let allocate = || unsafe { private::allocate(heap, 0, 5000) };
        let cached = |class: usize| ntheap::stats().buckets[class].cached;
        let before = cached(7);
        assert!(before > 0);
        while allocate().is_ok() {}
        assert_eq!(cached(7), before);
        for &block in &blocks[..2500] {
            Face::Global.free(block, kept);
        }
        // SAFETY: nobody uses the heap.
        unsafe { private::destroy(heap) }.unwrap();
    });
}

/// What is remembered of destroyed heaps takes no room from those that are made.
#[test]
fn destroyed_heaps_leave_room_for_the_next() {
    quiet(&[("NTHEAP_COMMIT_LIMIT", "16M")], || {
        for count in 0..100 {
            let heap = ntheap::Heap::options().initial_size(8 * MIB).create();
            assert!(heap.is_ok(), "after {count} heaps");
        }
    });
}

/// A large block that was freed leaves none of its room to smaller ones, which others need.
#[test]
fn a_freed_large_block_makes_room_for_many() {
    quiet(&[("NTHEAP_COMMIT_LIMIT", "16M")], || {
        for large in [14 * MIB, 5 * MIB] {
            // Kept, once one was wanted again.
            for _ in 0..4 {
                let block = Face::Global.allocate(layout(large, 8));
                Face::Global.free(block, layout(large, 8));
            }
            let count = Load::new(Face::Global, 25).exhaust(3 * MIB, GIB);
            assert!(count >= 4, "{count} blocks of 3 MiB after {}", mib(large));
        }
    });
}

/// Nor does it leave them a quarter of theirs, as it does without a limit.
#[test]
fn a_freed_large_block_leaves_nothing_to_a_smaller_one() {
    quiet(&[("NTHEAP_COMMIT_LIMIT", "16M")], || {
        let large = layout(148 * MIB / 10, 8);
        for _ in 0..4 {
            let block = Face::Global.allocate(large);
            assert!(!block.is_null());
            Face::Global.free(block, large);
        }
        let most = Face::Global.allocate(layout(122 * MIB / 10, 8));
        assert!(!most.is_null());
        let rest = Face::Global.allocate(layout(22 * MIB / 10, 8));
        assert!(!rest.is_null());
    });
}

/// Elsewhere it is copied, for which there is no room.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn what_is_idle_makes_room_for_growth(face: Face) {
    for size in [5000, 64 * KIB] {
        let small = layout(7_000_000, 8);
        let mut block = super::workload::Held::new(face.allocate(small), small, 26);
        let bytes = Load::new(face, 27).exhaust(size, 7_000_000) * size;
        assert!(bytes > 6 * MIB, "{} in blocks of {size} bytes", mib(bytes));
        assert!(
            block.resize(face, 12_000_000),
            "after blocks of {size} bytes"
        );
        // What does not fit is refused as before, and the block is as it was.
        assert!(!block.resize(face, 17 * MIB));
        block.free(face);
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn what_is_idle_makes_room_for_a_block_that_grows() {
    quiet(&[("NTHEAP_COMMIT_LIMIT", "16M")], || {
        what_is_idle_makes_room_for_growth(Face::Plain);
    });
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn what_is_idle_makes_room_for_a_block_of_cs_that_grows() {
    quiet(&[("NTHEAP_COMMIT_LIMIT", "16M")], || {
        what_is_idle_makes_room_for_growth(Face::Checked);
    });
}

/// A large block grows in place if that fits, though its last huge page as a whole would not.
/// Elsewhere it is copied, for which there is no room.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn a_limit_is_not_passed_by_the_rest_of_a_huge_page() {
    quiet(&[("NTHEAP_COMMIT_LIMIT", "10200K")], || {
        let small = layout(8192 * KIB, 8);
        let block = Face::Checked.allocate(small);
        assert!(!block.is_null());
        let block = Face::Checked.reallocate(block, small, 8208 * KIB);
        assert!(!block.is_null());
        Face::Checked.free(block, layout(8208 * KIB, 8));
    });
}

#[test]
fn huge_pages_never() {
    quiet(&[("NTHEAP_HUGE_PAGES", "never")], || {
        load();
        Load::new(Face::Global, 23).exhaust(64 * KIB, 200 * MIB);
        assert_eq!(stats().os_calls.get(Call::Advise), 0);
    });
}

/// Elsewhere there is no such advice to give.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn huge_pages_by_default_for_large_heaps() {
    quiet(&[], || {
        let block = Face::Global.allocate(layout(1000, 8));
        Face::Global.free(block, layout(1000, 8));
        assert_eq!(stats().os_calls.get(Call::Advise), 0);
        Load::new(Face::Global, 23).exhaust(64 * KIB, 200 * MIB);
        assert!(stats().os_calls.get(Call::Advise) > 0);
    });
}

/// Small blocks fill their huge pages where there is much of one size. Larger ones might
/// leave most of one untouched.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn huge_pages_by_default_for_much_of_one_small_size() {
    let fill = |size: usize, bytes: usize| {
        for _ in 0..bytes / size {
            assert!(!Face::Plain.allocate(layout(size, 8)).is_null());
        }
        stats().os_calls.get(Call::Advise)
    };
    quiet(&[], || {
        for size in [64, 128, 256, 512] {
            assert_eq!(fill(size, 3 * MIB), 0, "3 MiB of {size}");
        }
        for size in [2 * KIB, 64 * KIB] {
            assert_eq!(fill(size, 6 * MIB), 0, "6 MiB of {size}");
        }
        assert_ne!(fill(512, 4 * MIB), 0, "7 MiB of 512");
        assert!(stats().active < 32 * MIB);
    });
}

/// Blocks of whole pages have no more fences in a heap that is large enough for huge pages, and
/// get such pages once most of it is theirs.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn fences_end_where_huge_pages_begin() {
    const SIZE: usize = 128 * KIB;
    let calls = |call: Call, bytes: usize| {
        for _ in 0..bytes / SIZE {
            let block = Face::Checked.allocate(layout(SIZE, 8));
            assert!(!block.is_null());
        }
        stats().os_calls.get(call)
    };
    quiet(&[], || {
        let first = calls(Call::Protect, 40 * MIB);
        assert_eq!(calls(Call::Protect, 40 * MIB), first, "fences above 32 MiB");
        assert_ne!(calls(Call::Advise, 40 * MIB), 0, "120 MiB");
    });
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn huge_pages_always() {
    quiet(&[("NTHEAP_HUGE_PAGES", "ALWAYS")], || {
        let block = Face::Global.allocate(layout(1000, 8));
        assert_eq!(stats().os_calls.get(Call::Advise), 1, "the first segment");
        Face::Global.free(block, layout(1000, 8));
        load();
    });
}

#[test]
fn retain_nothing() {
    quiet(&[("NTHEAP_RETAIN", "0")], || {
        for round in 0..3 {
            let mut load = Load::new(Face::Global, 24 + round);
            load.run(true);
            assert_eq!((load.refused, stats().allocated), (0, 0));
            assert_eq!(stats().retained, 0, "round {round}");
        }
    });
}

#[test]
fn retain_everything() {
    quiet(&[("NTHEAP_RETAIN", "none")], || {
        let mut load = Load::new(Face::Global, 25);
        load.exhaust(64 * KIB, 100 * MIB);
        load.exhaust(3 * MIB, 100 * MIB);
        assert_eq!(stats().allocated, 0);
        let purges = stats().os_calls.get(Call::Purge);
        load.exhaust(64 * KIB, 100 * MIB);
        load.exhaust(3 * MIB, 100 * MIB);
        assert_eq!(stats().os_calls.get(Call::Purge), purges);
        assert!(stats().retained >= 100 * MIB);
    });
}

/// Frees many blocks of each of some sizes and returns the most that one
/// class keeps cached, in blocks and in bytes.
fn cached_at_most() -> (u64, u64) {
    for size in [16, 64, 500, 1000, 4096, 10_000, 16_384] {
        let mut load = Load::new(Face::Global, 26);
        // Up and down, so that the cache grows as far as it may.
        for _ in 0..3 {
            load.exhaust(size, 400 * size);
        }
        // Some stay, so that the heap is in use and keeps what it may.
        std::mem::forget(load);
    }
    let stats = stats();
    let blocks = stats.buckets.iter().map(|bucket| bucket.cached).max();
    let bytes = stats.buckets.iter().map(|b| b.cached * b.size as u64).max();
    (blocks.unwrap(), bytes.unwrap())
}

#[test]
fn caches_of_nothing() {
    quiet(&[("NTHEAP_CACHE_BYTES", "0")], || {
        load();
        Face::Global.purge();
        let (blocks, bytes) = cached_at_most();
        figure(&format!(
            "cache of 0 bytes: at most {blocks} blocks, {bytes} bytes of a class"
        ));
        load();
    });
}

#[test]
fn caches_of_64_kib() {
    quiet(&[("NTHEAP_CACHE_BYTES", "64K")], || {
        load();
        Face::Global.purge();
        let (blocks, bytes) = cached_at_most();
        figure(&format!(
            "cache of 64 KiB: at most {blocks} blocks, {} of a class",
            mib(bytes as usize)
        ));
        load();
    });
}

#[test]
fn allocations_are_counted_if_asked_for() {
    quiet(&[("NTHEAP_COUNT", "1")], || {
        let face = Face::Global;
        for (size, count) in [(16, 5), (100, 7), (5000, 3), (100_000, 2)] {
            for _ in 0..count {
                let block = face.allocate(layout(size, 8));
                face.free(block, layout(size, 8));
            }
            let class = ntheap::heap::classes::class_of(size);
            assert_eq!(stats().buckets[class].allocations, count);
        }
        load();
    });
}

#[test]
fn allocations_are_not_counted_unasked() {
    quiet(&[], || {
        load();
        assert!(stats().buckets.iter().all(|bucket| bucket.allocations == 0));
    });
}

#[test]
fn statistics_are_shown_at_the_end() {
    let error = with(&[("NTHEAP_SHOW_STATS", "1")], || {
        let block = Face::Global.allocate(layout(100, 8));
        assert!(!block.is_null());
    });
    let Some(error) = error else { return };
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[0], "ntheap statistics");
    let row = |name: &str| {
        let found: Vec<_> = lines
            .iter()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|words| words.first() == Some(&name))
            .collect();
        assert_eq!(found.len(), 1, "{name} in\n{error}");
        found[0][1].to_string()
    };
    // 100 bytes are served by a block of 112.
    assert_eq!(row("allocated"), "112");
    assert_eq!(row("112"), "1");
    assert!(row("committed").parse::<usize>().unwrap() >= 4 * MIB);
    assert!(error.ends_with('\n') && lines.last().unwrap().contains("system calls:"));
}

#[test]
fn what_is_no_option_is_named_once() {
    let variables = [
        ("NTHEAP_FOO", "1"),
        ("NTHEAP_RETIAN", "0"),
        ("NTHEAP_CACHE_BYTES", "plenty"),
    ];
    let Some(error) = with(&variables, || {
        load();
    }) else {
        return;
    };
    // The environment's own order is anybody's.
    let mut lines: Vec<&str> = error.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 3, "{error}");
    assert!(
        lines[0]
            .starts_with("ntheap: NTHEAP_CACHE_BYTES=plenty is not valid, 32 KiB stays; valid: "),
        "{error}"
    );
    assert!(
        lines[1]
            .starts_with("ntheap: unknown option NTHEAP_FOO, ignored; the nearest valid name is "),
        "{error}"
    );
    assert_eq!(
        lines[2],
        "ntheap: unknown option NTHEAP_RETIAN, ignored; the nearest valid name is NTHEAP_RETAIN"
    );
}

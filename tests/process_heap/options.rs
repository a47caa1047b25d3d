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
pub(super) fn with(variables: &[(&str, &str)], body: impl FnOnce()) -> Option<String> {
    let output = isolated_with(variables, body)?;
    assert_done(&format!("{variables:?}"), &output);
    Some(String::from_utf8(output.stderr).unwrap())
}

/// [`with`] for a body that writes nothing to standard error.
pub(super) fn quiet(variables: &[(&str, &str)], body: impl FnOnce()) {
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

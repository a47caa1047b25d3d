//! Heap profiles: what they estimate against what a program really has, each in a process
//! of its own, by what the environment asks for.

mod face;

use face::{FACES, Face, layout};
use ntheap::heap::debug::profile::{Totals, totals};
use ntheap::{Config, stats};
use std::alloc::Layout;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::mpsc;

static CONFIG: Config = Config::new();

/// Blocks by their addresses, which threads may hand on.
fn take(face: Face, layout: Layout, is_zero: bool) -> usize {
    face.allocate(layout, is_zero).expose_provenance()
}

fn resize(face: Face, block: usize, layout: Layout, size: usize) -> usize {
    let block = std::ptr::with_exposed_provenance_mut(block);
    face.reallocate(block, layout, size).expose_provenance()
}

fn give(face: Face, block: usize, layout: Layout) {
    face.free(std::ptr::with_exposed_provenance_mut(block), layout);
}

const CHILD: &str = "HEAP_TEST_CHILD";

/// Runs `body` for each face in a process of its own with these variables set.
fn isolated(test: &str, variables: &[(&str, &str)], body: impl Fn(Face)) {
    for face in FACES {
        let name = format!("{test} {face:?}");
        match std::env::var(CHILD) {
            Ok(child) if child == name => body(face),
            Ok(_) => {}
            Err(_) => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
                command.env(CHILD, &name).envs(variables.iter().copied());
                let ended = command.output().unwrap();
                let said = String::from_utf8_lossy(&ended.stderr);
                assert!(ended.status.success(), "{name}: {}: {said}", ended.status);
                let out = String::from_utf8_lossy(&ended.stdout);
                assert!(out.contains("1 passed"), "{out}");
            }
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    /// Sizes from 64 bytes to 4 MiB: of each power of two from 512 on as many bytes, of
    /// those below fewer.
    fn size(&mut self) -> usize {
        let mut power = 6;
        while power < 21 && self.below(4) < if power < 9 { 3 } else { 2 } {
            power += 1;
        }
        (1 << power) + self.below(1 << power)
    }
}

fn profile() -> Totals {
    totals().expect("a profile")
}

/// The places are random in every run: each `part` here is at least 5.5 standard deviations
/// of what 25 runs or more gave, so that chance alone fails one in tens of millions.
#[track_caller]
fn assert_near(estimate: u64, truth: u64, part: f64) {
    let off = estimate as f64 / truth as f64 - 1.0;
    assert!(
        off.abs() < part,
        "{estimate} for {truth}: {:.2} %",
        off * 100.0
    );
}

#[test]
fn a_gigabyte_at_the_usual_rate() {
    isolated(
        "a_gigabyte_at_the_usual_rate",
        &[("NTHEAP_PROFILE", "on"), ("NTHEAP_HUGE_PAGES", "never")],
        |face| {
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            let (mut bytes, mut blocks) = (0, Vec::new());
            while bytes < 1 << 30 {
                let of = layout(random.size(), 8 << random.below(3));
                blocks.push((take(face, of, of.size() < 512), of));
                bytes += of.size();
            }
            let found = profile();
            assert_near(found.live_bytes, bytes as u64, 0.05);
            assert_near(found.allocated_bytes, bytes as u64, 0.05);
            assert_eq!(found.lost, 0);
            assert!(found.noted > 1000, "{found:?}");
            // Half of it goes, every other block.
            for (block, of) in blocks.iter().step_by(2) {
                give(face, *block, *of);
                bytes -= of.size();
            }
            face.purge();
            assert_near(profile().live_bytes, bytes as u64, 0.1);
            for (block, of) in blocks.iter().skip(1).step_by(2) {
                give(face, *block, *of);
            }
            face.purge();
            let found = profile();
            assert_eq!(
                (found.live_bytes, found.live_blocks, found.noted),
                (0, 0, 0)
            );
        },
    );
}

/// Blocks that are replaced over and over come from threads' own caches: they count as
/// others do.
#[test]
fn what_is_replaced_counts() {
    isolated(
        "what_is_replaced_counts",
        &[("NTHEAP_PROFILE", "1500")],
        |face| {
            let mut random = Random(0x1234_5678_9abc_def1);
            let (mut bytes, mut allocated) = (0, 0);
            let mut blocks: Vec<(usize, Layout)> = Vec::new();
            for nth in 0..60_000 {
                let of = layout(16 + random.below(2000), 8);
                let block = take(face, of, false);
                bytes += of.size();
                allocated += of.size() as u64;
                if nth < 20_000 {
                    blocks.push((block, of));
                } else {
                    let place = random.below(blocks.len());
                    let (old, of_old) = std::mem::replace(&mut blocks[place], (block, of));
                    give(face, old, of_old);
                    bytes -= of_old.size();
                }
            }
            // What the thread has just freed waits in its cache.
            face.purge();
            let found = profile();
            assert_near(found.live_bytes, bytes as u64, 0.05);
            assert_near(found.allocated_bytes, allocated, 0.02);
            assert_near(found.live_blocks, blocks.len() as u64, 0.1);
        },
    );
}

/// The pattern that an allocator with caches sees worst: a block that is used for a
/// moment before each one that stays, of the same size.
#[test]
fn what_stays_is_told_from_what_comes_and_goes() {
    isolated(
        "what_stays_is_told_from_what_comes_and_goes",
        &[("NTHEAP_PROFILE", "4K")],
        |face| {
            for of in [layout(64, 8), layout(2048, 16), layout(192, 64)] {
                let before = totals().unwrap_or_default();
                let count = (48 << 20) / of.size();
                let blocks: Vec<usize> = (0..count)
                    .map(|_| {
                        give(face, take(face, of, false), of);
                        take(face, of, false)
                    })
                    .collect();
                face.purge();
                let found = profile();
                let bytes = (count * of.size()) as u64;
                assert_near(found.live_bytes - before.live_bytes, bytes, 0.06);
                assert_near(
                    found.allocated_bytes - before.allocated_bytes,
                    2 * bytes,
                    0.03,
                );
                for block in blocks {
                    give(face, block, of);
                }
            }
        },
    );
}

/// A large block that grows where it is, by its pages, counts as freed and allocated.
#[test]
fn large_blocks_are_followed_as_they_grow() {
    isolated(
        "large_blocks_are_followed_as_they_grow",
        &[("NTHEAP_PROFILE", "512K")],
        |face| {
            let mut of = layout(1000, 8);
            let mut block = take(face, of, false);
            let mut allocated = of.size();
            while of.size() < 256 << 20 {
                let size = of.size() * 2;
                block = resize(face, block, of, size);
                of = layout(size, 8);
                allocated += size;
                if size >= 1 << 20 {
                    // Whole stretches: no chance is left.
                    assert_eq!(profile().live_bytes, size as u64);
                    assert_eq!(profile().noted, 1);
                }
            }
            assert_near(profile().allocated_bytes, allocated as u64, 0.02);
            let size = 3 << 20;
            block = resize(face, block, of, size);
            assert_eq!(profile().live_bytes, size as u64);
            give(face, block, layout(size, 8));
            assert_eq!(profile().live_bytes, 0);
        },
    );
}

/// Blocks are freed by other threads than those that allocated them, and threads end.
#[test]
fn blocks_of_other_threads() {
    isolated(
        "blocks_of_other_threads",
        &[("NTHEAP_PROFILE", "8K")],
        |face| {
            let of = |nth: usize| layout(16 + nth * 37 % 3000, 8);
            let (send, receive) = mpsc::channel::<Vec<(usize, Layout)>>();
            let mut threads = Vec::new();
            for thread in 0..4 {
                let send = send.clone();
                threads.push(std::thread::spawn(move || {
                    for round in 0..20 {
                        let blocks = (0..500).map(|nth| {
                            let of = of(nth + round * 31 + thread);
                            (take(face, of, nth % 5 == 0), of)
                        });
                        send.send(blocks.collect()).unwrap();
                    }
                }));
            }
            drop(send);
            threads.push(std::thread::spawn(move || {
                let mut kept = BTreeMap::new();
                for (nth, (block, of)) in receive.iter().flatten().enumerate() {
                    assert!(kept.insert(block, of).is_none(), "handed out twice");
                    if nth % 4 != 0 {
                        let (block, of) = kept.pop_first().unwrap();
                        give(face, block, of);
                    }
                }
                let bytes: usize = kept.values().map(Layout::size).sum();
                face.purge();
                assert_near(profile().live_bytes, bytes as u64, 0.15);
                for (block, of) in kept {
                    give(face, block, of);
                }
            }));
            // Until a thread is joined its hooks may still run, with what it freed in its cache.
            for thread in threads {
                thread.join().unwrap();
            }
            face.purge();
            let found = profile();
            assert_eq!((found.live_bytes, found.noted), (0, 0), "{found:?}");
            let held = stats();
            assert_eq!(held.allocated, 0, "{held:?}");
        },
    );
}

/// Contents stay, addresses are as aligned as asked for, and statistics are exact, with
/// sampled guarding beside the profile.
#[test]
fn the_heap_is_as_without() {
    isolated(
        "the_heap_is_as_without",
        &[("NTHEAP_PROFILE", "1K"), ("NTHEAP_SAMPLE", "500")],
        |face| {
            let mut random = Random(0xdead_beef_1234_5678);
            let mut blocks: Vec<(usize, Layout, u8)> = Vec::new();
            for nth in 0..15_000 {
                let byte = nth as u8;
                if blocks.len() > 500 || (nth % 3 == 0 && !blocks.is_empty()) {
                    let place = random.below(blocks.len());
                    let (block, of, written) = blocks.swap_remove(place);
                    // SAFETY: the block is this test's and holds the layout's size.
                    let bytes = unsafe {
                        std::slice::from_raw_parts(
                            std::ptr::with_exposed_provenance::<u8>(block),
                            of.size(),
                        )
                    };
                    assert!(bytes.iter().all(|&byte| byte == written), "{of:?}");
                    give(face, block, of);
                    continue;
                }
                let power = 4 + random.below(13);
                let size = (1 + random.below(1 << power)).min(40_000);
                let of = layout(size, 1 << random.below(8));
                let is_zero = random.below(3) == 0;
                let block = take(face, of, is_zero);
                assert_eq!(block % of.align(), 0);
                let place = std::ptr::with_exposed_provenance_mut::<u8>(block);
                // SAFETY: as above.
                unsafe {
                    if is_zero {
                        let bytes = std::slice::from_raw_parts(place, size);
                        assert!(bytes.iter().all(|&byte| byte == 0), "{of:?}");
                    }
                    place.write_bytes(byte, size);
                }
                blocks.push((block, of, byte));
            }
            let bytes: usize = blocks.iter().map(|(_, of, _)| of.size()).sum();
            assert!(stats().allocated >= bytes);
            for (block, of, _) in blocks {
                give(face, block, of);
            }
            assert_eq!(stats().allocated, 0);
            face.purge();
            assert_eq!(profile().noted, 0);
        },
    );
}

/// What is free counts no more, though it waits in a thread's cache or a depot.
#[test]
fn what_is_kept_is_free() {
    isolated(
        "what_is_kept_is_free",
        &[("NTHEAP_PROFILE", "64")],
        |face| {
            // From the rate on every block is noted.
            let sizes = [64, 1000, 5000, 20_000, 300_000];
            let blocks: Vec<(usize, Layout)> = (0..600)
                .map(|nth| layout(sizes[nth % sizes.len()], 8 << (nth % 4)))
                .map(|of| (take(face, of, false), of))
                .collect();
            let bytes: usize = blocks.iter().map(|(_, of)| of.size()).sum();
            let found = profile();
            assert_eq!((found.noted, found.live_bytes), (600, bytes as u64));
            let mut kept = bytes;
            for (block, of) in blocks {
                give(face, block, of);
                kept -= of.size();
                if kept.is_multiple_of(7) {
                    assert_eq!(profile().live_bytes, kept as u64);
                }
            }
            let found = profile();
            assert_eq!((found.noted, found.live_bytes), (0, 0));
            assert_eq!(found.allocated_bytes, bytes as u64);
            assert_eq!(stats().allocated, 0);
        },
    );
}

/// A thread that begins where another has ended finds that one's blocks, and counts on.
#[test]
fn threads_that_come_and_go_count() {
    isolated(
        "threads_that_come_and_go_count",
        &[("NTHEAP_PROFILE", "8K")],
        |face| {
            let of = layout(200, 8);
            let mut kept = Vec::new();
            for _ in 0..200 {
                let blocks = std::thread::spawn(move || {
                    let blocks: Vec<usize> = (0..400).map(|_| take(face, of, false)).collect();
                    let (go, stay) = blocks.split_at(200);
                    go.iter().for_each(|&block| give(face, block, of));
                    stay.to_vec()
                });
                kept.extend(blocks.join().unwrap());
            }
            let bytes = (kept.len() * of.size()) as u64;
            let found = profile();
            assert_near(found.live_bytes, bytes, 0.06);
            assert_near(found.allocated_bytes, 2 * bytes, 0.03);
            for block in kept {
                give(face, block, of);
            }
            assert_eq!(profile().live_bytes, 0);
        },
    );
}

/// Runs `body` in a fork of this process, which must end well.
#[cfg(unix)]
fn in_fork(body: impl FnOnce()) {
    // SAFETY: the fork runs `body` on its one thread and ends without unwinding into what
    // the parent owns.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0, "fork");
        if child == 0 {
            // A fork that hangs dies of this.
            libc::alarm(60);
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            libc::_exit(i32::from(ended.is_err()));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        assert_eq!(status, 0, "the fork's end");
    }
}

/// A fork's child begins with what its parent has, and from there on each counts for itself.
#[cfg(unix)]
#[test]
fn a_fork_has_a_profile_of_its_own() {
    isolated(
        "a_fork_has_a_profile_of_its_own",
        &[("NTHEAP_PROFILE", "4K")],
        |face| {
            let of = [layout(300, 8), layout(1000, 64), layout(40_000, 8)];
            let take_some = |bytes: usize| {
                let (mut blocks, mut left) = (Vec::new(), bytes);
                for of in of.iter().cycle() {
                    if left < of.size() {
                        break;
                    }
                    left -= of.size();
                    blocks.push((take(face, *of, false), *of));
                }
                blocks
            };
            let give_all = |blocks: Vec<(usize, Layout)>| {
                for (block, of) in blocks {
                    give(face, block, of);
                }
                face.purge();
            };
            let (own, more) = (20 << 20, 30 << 20);
            let mut blocks = take_some(own);
            for generation in 1..=3 {
                let before = profile();
                assert_near(before.live_bytes, own as u64, 0.05);
                in_fork(|| {
                    assert_eq!(profile(), before);
                    let new = take_some(more);
                    let found = profile();
                    assert_near(found.live_bytes, (own + more) as u64, 0.05);
                    assert_near(
                        found.allocated_bytes - before.allocated_bytes,
                        more as u64,
                        0.05,
                    );
                    assert_eq!(found.lost, 0);
                    // The parent's blocks are the child's as well.
                    give_all(std::mem::take(&mut blocks));
                    let found = profile();
                    assert_near(found.live_bytes, more as u64, 0.05);
                    // A child of the child sees the same.
                    in_fork(|| {
                        assert_eq!(profile(), found);
                        give_all(new);
                        assert_eq!((profile().live_bytes, profile().noted), (0, 0));
                    });
                    assert_eq!(profile(), found);
                });
                assert_eq!(profile(), before, "after fork {generation}");
            }
            // Forks while others allocate: what they had in their hands is the child's, too.
            let stop = std::sync::atomic::AtomicBool::new(false);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let stop = &stop;
                    scope.spawn(move || {
                        let mut random = Random(0x1234_5678 + thread);
                        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                            let of = layout(16 + random.below(3000), 16);
                            give(face, take(face, of, false), of);
                        }
                    });
                }
                for _ in 0..20 {
                    in_fork(|| {
                        let before = profile();
                        let new = take_some(more);
                        let found = profile();
                        assert_near(found.live_bytes - before.live_bytes, more as u64, 0.05);
                        give_all(new);
                        assert!(profile().live_bytes <= before.live_bytes);
                    });
                }
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            });
            assert_near(profile().live_bytes, own as u64, 0.05);
            give_all(blocks);
            assert_eq!((profile().live_bytes, profile().noted), (0, 0));
        },
    );
}

/// Where blocks are guarded against misuse nothing is profiled, and they are handed out as ever.
#[cfg(feature = "hardened")]
#[test]
fn a_hardened_heap_is_not_profiled() {
    isolated(
        "a_hardened_heap_is_not_profiled",
        &[("NTHEAP_PROFILE", "64"), ("NTHEAP_HARDENED", "1")],
        |face| {
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            for _ in 0..20 {
                let blocks: Vec<(usize, Layout)> = (0..500)
                    .map(|_| layout(1 + random.below(3000), 8))
                    .map(|of| (take(face, of, false), of))
                    .collect();
                for (block, of) in blocks {
                    give(face, block, of);
                }
            }
            assert!(totals().is_none());
            assert_eq!(stats().allocated, 0);
        },
    );
}

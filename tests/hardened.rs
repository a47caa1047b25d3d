//! The hardened heap by Rust's entrances: each mitigation seen to act, and sound programs
//! left alone. Each test is a process of its own.

#![cfg(target_os = "linux")]

mod face;

use face::{FACES, Face, PLAIN, layout};
use ntheap::heap::plain;
use ntheap::{Config, stats};
use std::alloc::Layout;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicPtr, Ordering};

static CONFIG: Config = Config::new().with_hardened(true);

const CHILD: &str = "HEAP_TEST_CHILD";

/// Runs `body` in a process of its own, once for each entrance, and gives how each
/// ended; in that process, nothing.
fn isolated(test: &str, body: impl Fn(Face)) -> Vec<Output> {
    let mut ended = Vec::new();
    for face in FACES {
        let name = format!("{test} {face:?}");
        match std::env::var(CHILD) {
            Ok(child) if child == name => {
                body(face);
                std::process::exit(0);
            }
            Ok(_) => {}
            Err(_) => {
                let output = Command::new(std::env::current_exe().unwrap())
                    .args([test, "--exact", "--nocapture", "--test-threads=1"])
                    .env(CHILD, &name)
                    .output()
                    .unwrap();
                ended.push(output);
            }
        }
    }
    ended
}

fn runs_well(test: &str, body: impl Fn(Face)) {
    for output in isolated(test, body) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(!said.contains("VERIFIER"), "{said}");
    }
}

/// `body` ends by a report of `stop`, by `operation`.
fn is_reported(test: &str, stop: &str, operation: &str, body: impl Fn(Face)) {
    for output in isolated(test, body) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{said}");
        assert!(said.contains(&format!("({stop})\n")), "{said}");
        assert!(said.contains(&format!("\n  {operation}(0x")), "{said}");
    }
}

fn faults(test: &str, body: impl Fn(Face)) {
    for output in isolated(test, body) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{said}");
    }
}

/// Writes to a place that may be nobody's.
fn poke(block: *mut u8, offset: isize) {
    // SAFETY: what the tests are about: memory of the heap's, or a page that faults.
    unsafe { block.wrapping_offset(offset).write_volatile(0x41) };
}

#[test]
fn an_overrun_is_reported_at_the_free() {
    is_reported(
        "an_overrun_is_reported_at_the_free",
        "CORRUPTED_HEAP_BLOCK_SUFFIX",
        "dealloc",
        |face| {
            let of = layout(41, 8);
            let block = face.allocate(of, false);
            poke(block, 41);
            face.free(block, of);
        },
    );
}

#[test]
fn an_overrun_is_reported_at_a_resize() {
    is_reported(
        "an_overrun_is_reported_at_a_resize",
        "CORRUPTED_HEAP_BLOCK_SUFFIX",
        "realloc",
        |face| {
            let block = face.allocate(layout(2000, 16), false);
            poke(block, 2000);
            face.reallocate(block, layout(2000, 16), 2001);
        },
    );
}

#[test]
fn a_large_blocks_rest_is_checked_too() {
    is_reported(
        "a_large_blocks_rest_is_checked_too",
        "CORRUPTED_HEAP_BLOCK_SUFFIX",
        "dealloc",
        |face| {
            let of = layout(3_000_001, 1);
            let block = face.allocate(of, false);
            poke(block, 3_000_001);
            face.free(block, of);
        },
    );
}

#[test]
fn a_write_after_free_is_reported_when_the_block_is_used_again() {
    is_reported(
        "a_write_after_free_is_reported_when_the_block_is_used_again",
        "CORRUPTED_FREED_HEAP_BLOCK",
        "malloc",
        |face| {
            let of = layout(100, 4);
            let block = face.allocate(of, false);
            face.free(block, of);
            poke(block, 57);
            for _ in 0..20_000 {
                let other = face.allocate(of, false);
                face.free(other, of);
            }
        },
    );
}

#[test]
fn another_layout_is_reported() {
    is_reported(
        "another_layout_is_reported",
        "CORRUPTED_HEAP_BLOCK",
        "dealloc",
        |face| {
            let block = face.allocate(layout(40, 8), false);
            face.free(block, layout(41, 8));
        },
    );
}

#[test]
fn another_layout_of_a_large_block_is_reported_when_it_is_resized() {
    is_reported(
        "another_layout_of_a_large_block_is_reported_when_it_is_resized",
        "CORRUPTED_HEAP_BLOCK",
        "realloc",
        |face| {
            let block = face.allocate(layout(3_000_000, 8), false);
            face.reallocate(block, layout(2_999_992, 8), 3_500_000);
        },
    );
}

#[test]
fn a_second_free_is_reported_though_others_came_between() {
    is_reported(
        "a_second_free_is_reported_though_others_came_between",
        "DOUBLE_FREE",
        "dealloc",
        |face| {
            let of = layout(24, 8);
            let block = face.allocate(of, false);
            face.free(block, of);
            let _later = [(); 4].map(|()| face.allocate(of, false));
            face.free(block, of);
        },
    );
}

#[test]
fn whole_pages_end_at_a_guard() {
    faults("whole_pages_end_at_a_guard", |face| {
        for size in [4096isize, 8192, 65_536, 262_144] {
            let block = face.allocate(layout(size as usize, 8), true);
            poke(block, size - 1);
            if size == 262_144 {
                poke(block, size);
            }
        }
    });
}

#[test]
fn a_page_ends_at_a_guard() {
    faults("a_page_ends_at_a_guard", |face| {
        poke(face.allocate(layout(4096, 8), false), 4096);
    });
}

#[test]
fn a_freed_large_block_cannot_be_accessed() {
    faults("a_freed_large_block_cannot_be_accessed", |face| {
        for size in [200_000, 5_000_000] {
            let block = face.allocate(layout(size, 8), false);
            poke(block, 0);
            face.free(block, layout(size, 8));
            if size == 5_000_000 {
                poke(block, 100_000);
            }
        }
    });
}

/// A freed block does not come back at once, and blocks do not lie in a row.
#[test]
fn reuse_is_delayed_and_places_are_chance() {
    runs_well("reuse_is_delayed_and_places_are_chance", |face| {
        let of = layout(48, 8);
        let block = face.allocate(of, false);
        face.free(block, of);
        assert!((0..32).all(|_| face.allocate(of, false) != block));
        let blocks: Vec<usize> = (0..256).map(|_| face.allocate(of, false).addr()).collect();
        let steps: BTreeSet<usize> = blocks
            .windows(2)
            .map(|pair| pair[1].wrapping_sub(pair[0]))
            .collect();
        assert!(steps.len() > 40, "{}", steps.len());
    });
}

/// Sizes, alignments and resizes of all kinds against a model of their contents; at the
/// end nothing is left.
#[test]
fn sound_programs_are_left_alone() {
    runs_well("sound_programs_are_left_alone", |face| {
        let work = |seed: u64, rounds: u32| {
            let mut state = seed;
            let mut next = move || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            let mut live: BTreeMap<usize, (Layout, u8)> = BTreeMap::new();
            let fill = |block: *mut u8, of: Layout, with: u8| {
                // SAFETY: the block is the caller's.
                unsafe { block.write_bytes(with, of.size()) };
            };
            let check = |address: usize, size: usize, with: u8| {
                let block: *const u8 = std::ptr::with_exposed_provenance(address);
                // SAFETY: a live block's bytes.
                let bytes = unsafe { std::slice::from_raw_parts(block, size) };
                assert!(bytes.iter().all(|&byte| byte == with));
            };
            for round in 0..rounds {
                let draw = next();
                let with = draw as u8;
                let size = match draw >> 8 & 63 {
                    0 => (draw >> 20) as usize % 2_000_000,
                    1..4 => (draw >> 20) as usize % 200_000,
                    4..16 => (draw >> 20) as usize % 12_000,
                    _ => (draw >> 20) as usize % 600,
                } + 1;
                let is_common = draw >> 16 & 7 != 0;
                let align = 1 << if is_common { 3 } else { (draw >> 50) % 14 };
                let of = layout(size, align);
                if live.len() > 300 || (!live.is_empty() && draw >> 40 & 3 == 0) {
                    let at = (draw >> 44) as usize % live.len();
                    let (&address, &(was, held)) = live.iter().nth(at).unwrap();
                    live.remove(&address);
                    check(address, was.size(), held);
                    let block = std::ptr::with_exposed_provenance_mut(address);
                    if round % 3 == 0 {
                        let moved = face.reallocate(block, was, size);
                        check(moved.expose_provenance(), was.size().min(size), held);
                        let now = layout(size, was.align());
                        fill(moved, now, with);
                        live.insert(moved.addr(), (now, with));
                    } else {
                        face.free(block, was);
                    }
                    continue;
                }
                let is_zero = draw >> 60 & 1 != 0;
                let block = face.allocate(of, is_zero);
                if is_zero {
                    check(block.expose_provenance(), size, 0);
                }
                fill(block, of, with);
                live.insert(block.expose_provenance(), (of, with));
            }
            for (address, (of, held)) in live {
                check(address, of.size(), held);
                face.free(std::ptr::with_exposed_provenance_mut(address), of);
            }
        };
        work(1, 8000);
        std::thread::scope(|scope| {
            for seed in 2..5 {
                scope.spawn(move || work(seed, 1500));
            }
        });
        face.purge();
        let left = stats();
        // Other threads' last blocks of each size may stay.
        assert!(left.allocated < 64 * 1024, "{}", left.allocated);
        assert_eq!(left.large_blocks, 0);
    });
}

/// In a forked child the heap goes on, with what other threads had kept.
#[test]
fn a_forked_child_goes_on() {
    runs_well("a_forked_child_goes_on", |face| {
        let of = layout(64, 8);
        std::thread::scope(|scope| {
            let (ready, wait) = std::sync::mpsc::channel();
            let (end, ending) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || {
                for _ in 0..500 {
                    face.free(face.allocate(of, false), of);
                }
                ready.send(()).unwrap();
                ending.recv().unwrap();
            });
            wait.recv().unwrap();
            // SAFETY: the child calls the heap, and ends.
            let child = unsafe { libc::fork() };
            if child == 0 {
                for _ in 0..2000 {
                    face.free(face.allocate(of, true), of);
                }
                // SAFETY: ends the child.
                unsafe { libc::_exit(7) };
            }
            let mut status = 0;
            // SAFETY: the child is this process's.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(libc::WEXITSTATUS(status), 7);
            end.send(()).unwrap();
        });
    });
}

/// What goes on where a program is to: the damage is told of, and others are none the
/// worse.
#[test]
fn a_program_may_go_on() {
    static GOING_ON: Config = Config::new()
        .with_hardened(true)
        .with_on_corruption(ntheap::Action::Continue);
    for output in isolated("a_program_may_go_on", |_| {
        PLAIN.with(|word| {
            let of = layout(40, 8);
            // SAFETY: the word is this thread's own; blocks are given up once.
            unsafe {
                let block = plain::allocate(word, &GOING_ON, of);
                poke(block, 40);
                plain::free(word, block, of);
                for _ in 0..1000 {
                    let other = plain::allocate_zeroed(word, &GOING_ON, of);
                    assert!((0..40).all(|at| other.add(at).read() == 0));
                    plain::free(word, other, of);
                }
            }
        });
    }) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_eq!(said.matches("VERIFIER STOP").count(), 1, "{said}");
    }
}

/// Blocks that are kept from use are the program's no more, whether small or large.
#[test]
fn freed_blocks_are_not_counted_as_allocated() {
    runs_well("freed_blocks_are_not_counted_as_allocated", |face| {
        let sizes = [24, 500, 5000, 50_000, 1 << 20];
        let rounds = |count| {
            for of in sizes.map(|size| layout(size, 8)) {
                for _ in 0..count {
                    face.free(face.allocate(of, false), of);
                }
            }
        };
        rounds(1);
        let before = stats();
        rounds(600);
        let after = stats();
        assert_eq!(after.allocated, before.allocated);
        assert_eq!(after.large_blocks, 0);
    });
}

/// Of two threads that free a large block at once, each after all that a free looks at before
/// the list's lock, one is told that it is free; whichever is first.
#[test]
fn a_large_block_is_freed_once() {
    is_reported(
        "a_large_block_is_freed_once",
        "DOUBLE_FREE",
        "dealloc",
        |face| {
            let of = layout(300_000, 8);
            // The budget for shutting runs out on the way, so that threads keep blocks.
            for _ in 0..2000 {
                face.free(face.allocate(of, false), of);
            }
            let block = face.allocate(of, false).expose_provenance();
            let barrier = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                let threads = [(); 2].map(|()| {
                    scope.spawn(|| {
                        face.free(face.allocate(of, false), of);
                        barrier.wait();
                        face.free(std::ptr::with_exposed_provenance_mut(block), of);
                    })
                });
                for thread in threads {
                    thread.join().unwrap();
                }
            });
        },
    );
}

/// The same over and over, of threads that may keep the block, of which one may, and of which
/// neither may, their places being full: of each two frees one is reported, and blocks that are
/// handed out afterwards are there, one for each.
#[test]
fn one_of_two_frees_at_once_is_reported_each_time() {
    const ROUNDS: usize = 300;
    static GOING_ON: Config = Config::new()
        .with_hardened(true)
        .with_on_corruption(ntheap::Action::Continue);
    let test = "one_of_two_frees_at_once_is_reported_each_time";
    for output in isolated(test, |face| {
        let of = layout(300_000, 8);
        let small = layout(8, 8);
        PLAIN.with(|word| {
            // SAFETY: the word is this thread's own; the block is given up once.
            unsafe { plain::free(word, plain::allocate(word, &GOING_ON, small), small) };
        });
        let take = || {
            let block = face.allocate(of, false);
            poke(block, 0);
            poke(block, 299_999);
            block
        };
        for _ in 0..2000 {
            face.free(take(), of);
        }
        let victim = AtomicPtr::new(std::ptr::null_mut());
        let barrier = std::sync::Barrier::new(2);
        let (take, victim, barrier) = (&take, &victim, &barrier);
        std::thread::scope(|scope| {
            let threads = [0, 1].map(|thread| {
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        if thread == 0 {
                            victim.store(take(), Ordering::Relaxed);
                        }
                        let both = [(); 2].map(|()| take());
                        assert_ne!(both[0], both[1]);
                        for block in both {
                            face.free(block, of);
                        }
                        let held = (round % 3 <= thread).then(take);
                        barrier.wait();
                        face.free(victim.load(Ordering::Relaxed), of);
                        barrier.wait();
                        if let Some(block) = held {
                            face.free(block, of);
                        }
                    }
                })
            });
            // A scope does not wait until what its threads kept went back at their ends.
            for thread in threads {
                thread.join().expect("a thread that ended well");
            }
        });
        assert_eq!(stats().large_blocks, 0);
    }) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_eq!(said.matches("VERIFIER STOP").count(), ROUNDS, "{said}");
        assert_eq!(said.matches("(DOUBLE_FREE)\n").count(), ROUNDS, "{said}");
    }
}

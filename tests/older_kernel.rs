//! Guard pages where the kernel has no advice for them, as Linux before 6.13: they are made by
//! rights, each by two mappings more, of which a process may have few. So it is where Linux's
//! calls are emulated, and any advice is taken and nothing done. Each test is a process of its
//! own, in which the kernel is made to do either.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod face;

use face::{FACES, Face, layout};
use ntheap::heap::private::{self, Settings};
use ntheap::{Config, stats};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

static CONFIG: Config = Config::new();

const CHILD: &str = "HEAP_TEST_CHILD";
const HARDENED: (&str, &str) = ("NTHEAP_HARDENED", "1");
/// Guards that may be made by rights.
const MOST_GUARDS: usize = 8192;
/// The least of the kernel's numbers for it; what is above means nothing else.
const GUARD_ADVICE: libc::c_int = 102;
/// What comes of the advice: an error, or none.
const ANSWERS: [libc::c_int; 2] = [libc::EINVAL, 0];

/// Has the kernel know no guard advice, for this thread and those that it starts.
fn refuse_advice(answer: libc::c_int) {
    let step = |code: u32, yes: u8, no: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt: yes,
        jf: no,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let least = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    let end = libc::BPF_RET | libc::BPF_K;
    // The call's number, and the lower half of its third argument.
    let mut program = [
        step(load, 0, 0, 0),
        step(equal, 0, 2, libc::SYS_madvise as u32),
        step(load, 0, 0, 32),
        step(least, 1, 0, GUARD_ADVICE as u32),
        step(end, 0, 0, libc::SECCOMP_RET_ALLOW),
        step(end, 0, 0, libc::SECCOMP_RET_ERRNO | answer as u32),
    ];
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the filter is read while it is set; it touches nothing but one call's result. A
    // page of no address is advised.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter),
            0
        );
        for advice in [GUARD_ADVICE, GUARD_ADVICE + 1, -1] {
            let advised = libc::madvise(std::ptr::null_mut(), 0, advice);
            assert_eq!(advised, if answer == 0 { 0 } else { -1 });
        }
        assert_eq!(libc::madvise(std::ptr::null_mut(), 0, libc::MADV_NORMAL), 0);
    }
}

/// Runs `body` in a process of its own on such kernels, once for each entrance, and gives
/// how each ended; in that process, nothing.
fn isolated(test: &str, variable: (&str, &str), body: impl Fn(Face)) -> Vec<Output> {
    let mut ended = Vec::new();
    for (face, answer) in FACES
        .into_iter()
        .flat_map(|face| ANSWERS.map(|answer| (face, answer)))
    {
        let name = format!("{test} {face:?} {answer}");
        match std::env::var(CHILD) {
            Ok(child) if child == name => {
                refuse_advice(answer);
                body(face);
                std::process::exit(0);
            }
            Ok(_) => {}
            Err(_) => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
                command.env(CHILD, &name).env(variable.0, variable.1);
                ended.push(command.output().unwrap());
            }
        }
    }
    ended
}

fn runs_well(test: &str, body: impl Fn(Face)) {
    for output in isolated(test, HARDENED, body) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(!said.contains("VERIFIER"), "{said}");
    }
}

/// A place that `body` says it is about to touch is where it faults.
fn faults(test: &str, variable: (&str, &str), body: impl Fn(Face)) {
    for output in isolated(test, variable, body) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{said}");
        assert!(said.contains("last access"), "{said}");
    }
}

fn poke(block: *mut u8, offset: usize) {
    // SAFETY: what the tests are about: memory of the heap's, or a page that faults.
    unsafe { block.wrapping_add(offset).write_volatile(0x41) };
}

/// Pages of this process that nobody may touch, a few at a time, as guards are.
fn guards() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let is_guard = |line: &&str| {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let at = |text| usize::from_str_radix(text, 16).unwrap();
        rest.starts_with("---p") && at(end) - at(start) <= 4 * 4096
    };
    maps.lines().filter(is_guard).count()
}

#[test]
fn whole_pages_end_at_a_guard() {
    faults("whole_pages_end_at_a_guard", HARDENED, |face| {
        for size in [4096, 8192, 65_536, 262_144] {
            let block = face.allocate(layout(size, 8), true);
            poke(block, size - 1);
            if size == 262_144 {
                eprintln!("last access");
                poke(block, size);
            }
        }
    });
}

#[test]
fn a_page_ends_at_a_guard() {
    faults("a_page_ends_at_a_guard", HARDENED, |face| {
        let block = face.allocate(layout(12_288, 8), false);
        poke(block, 12_287);
        eprintln!("last access");
        poke(block, 12_288);
    });
}

#[test]
fn a_freed_large_block_cannot_be_accessed() {
    faults("a_freed_large_block_cannot_be_accessed", HARDENED, |face| {
        let of = layout(5_000_000, 8);
        let block = face.allocate(of, false);
        poke(block, 100_000);
        face.free(block, of);
        eprintln!("last access");
        poke(block, 100_000);
    });
}

#[test]
fn page_heap_ends_at_a_guard() {
    faults(
        "page_heap_ends_at_a_guard",
        ("NTHEAP_GFLAGS", "+hpa"),
        |_| {
            // SAFETY: the settings name no memory; the heap is serialized.
            let block = unsafe {
                let heap = private::create(&Settings::DEFAULT).unwrap();
                private::allocate(heap, 0, 64).unwrap().as_ptr()
            };
            poke(block, 63);
            eprintln!("last access");
            poke(block, 64 + 16);
        },
    );
}

/// Memory that was written to and lay behind a guard meanwhile does not come back as zero.
#[test]
fn zeroed_blocks_are_zero() {
    runs_well("zeroed_blocks_are_zero", |face| {
        for round in 0..40 {
            for size in [8192, 100_000, 600_000, 3_000_000] {
                let of = layout(size, 8);
                let blocks: Vec<_> = (0..8).map(|_| face.allocate(of, round % 2 == 0)).collect();
                for block in blocks {
                    // SAFETY: the block has so many bytes.
                    let bytes = unsafe { std::slice::from_raw_parts_mut(block, size) };
                    assert!(
                        round % 2 != 0 || bytes.iter().all(|&byte| byte == 0),
                        "{size}"
                    );
                    bytes.fill(0xEE);
                    face.free(block, of);
                }
            }
        }
    });
}

/// However blocks come and go, guards take no more mappings than they may, and blocks
/// beyond them are as good as others.
#[test]
fn guards_take_a_part_of_the_mappings_alone() {
    runs_well("guards_take_a_part_of_the_mappings_alone", |face| {
        let of = layout(8192, 8);
        let take = |count: usize| -> Vec<*mut u8> {
            let fresh = (0..count).map(|nth| {
                let block = face.allocate(of, true);
                poke(block, 0);
                poke(block, 8191);
                // SAFETY: the block has so many bytes.
                unsafe { block.add(100).write(nth as u8) };
                block
            });
            fresh.collect()
        };
        let give = |blocks: Vec<*mut u8>| {
            for (nth, block) in blocks.into_iter().enumerate() {
                // SAFETY: as above.
                assert_eq!(unsafe { block.add(100).read() }, nth as u8);
                face.free(block, of);
            }
        };
        // Stacks and modules have some as well.
        let others = guards();
        let made = || guards() - others;
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(take(5000));
            give(take(12_000));
            face.purge();
            // Some gaps between chunks are as small.
            assert!(made() <= MOST_GUARDS + 64, "{} guards", made());
        }
        assert!(made() > 4000, "{} guards", made());
        held.into_iter().for_each(give);
        face.purge();
        assert!(made() < 100, "{} guards", made());
        let again = take(1000);
        assert!(made() >= 1000, "{} guards", made());
        give(again);
        face.purge();
        assert!(stats().allocated < 64 * 1024, "{}", stats().allocated);
    });
}

/// However many large blocks went back to the system, the next one ends at a guard.
#[test]
fn large_blocks_have_guards_for_ever() {
    faults("large_blocks_have_guards_for_ever", HARDENED, |face| {
        let of = layout(300_000, 8);
        for _ in 0..MOST_GUARDS / 16 + 1 {
            let blocks = [(); 17].map(|()| face.allocate(of, false));
            for block in blocks {
                face.free(block, of);
            }
            face.purge();
        }
        let block = face.allocate(of, false);
        poke(block, 299_999);
        eprintln!("last access");
        poke(block, 300_000usize.next_multiple_of(4096));
    });
}

/// The same of segments of small blocks, whose last pages are guards.
#[test]
fn segments_have_guards_for_ever() {
    faults("segments_have_guards_for_ever", HARDENED, |face| {
        let of = layout(4000, 8);
        let mut most = 0;
        for _ in 0..20 {
            let blocks: Vec<_> = (0..16_000).map(|_| face.allocate(of, false)).collect();
            most = most.max(guards());
            for block in blocks {
                face.free(block, of);
            }
            face.purge();
        }
        // All of them together are more than there may be at a time.
        assert!(most * 20 > 2 * MOST_GUARDS, "{most}");
        let large = face.allocate(layout(300_000, 8), false);
        poke(large, 299_999);
        eprintln!("last access");
        poke(large, 300_000usize.next_multiple_of(4096));
    });
}

/// Large blocks grow, shrink, and are used again, by threads at once.
#[test]
fn large_blocks_are_resized_and_used_again() {
    runs_well("large_blocks_are_resized_and_used_again", |face| {
        let work = |seed: usize| {
            let sizes = (0..400).map(|nth| 150_000 + (nth * 7919 + seed * 131) % 3_000_000);
            let mut live: Vec<(*mut u8, usize)> = Vec::new();
            let ends_hold = |block: *mut u8, size: usize, with: u8| {
                // SAFETY: the block has so many bytes.
                unsafe { assert_eq!((block.read(), block.add(size - 1).read()), (with, with)) };
            };
            let fill = |block: *mut u8, size: usize, with: u8| {
                // SAFETY: as above.
                unsafe { block.write_bytes(with, size) };
            };
            for size in sizes {
                if live.len() > 6 {
                    let (block, was) = live.remove(size % live.len());
                    ends_hold(block, was, was as u8);
                    face.free(block, layout(was, 8));
                }
                if size % 3 == 0
                    && let Some((block, was)) = live.pop()
                {
                    let block = face.reallocate(block, layout(was, 8), size);
                    if size >= was {
                        ends_hold(block, was, was as u8);
                    }
                    fill(block, size, size as u8);
                    live.push((block, size));
                    continue;
                }
                let block = face.allocate(layout(size, 8), size % 2 == 0);
                if size % 2 == 0 {
                    ends_hold(block, size, 0);
                }
                fill(block, size, size as u8);
                live.push((block, size));
            }
            for (block, was) in live {
                ends_hold(block, was, was as u8);
                face.free(block, layout(was, 8));
            }
        };
        std::thread::scope(|scope| {
            for seed in 0..3 {
                scope.spawn(move || work(seed));
            }
        });
        face.purge();
        assert_eq!(stats().large_blocks, 0);
    });
}

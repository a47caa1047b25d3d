//! Heaps of a process with global flags, as no C program can have them.

#![cfg(target_os = "linux")]

mod isolated;

use isolated::{isolated, succeeds};
use ntheap::heap::private::{self, Error, Handle, Memory, Settings, Shape};
use ntheap::win32::{HeapAlloc, HeapReAlloc};
use ntheap::{BlockState, Heap, HeapEntry, Report, Stop, set_hook, sys};
use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The heap that [`meet`] comes to, and how often it was refused.
static HEAP: AtomicUsize = AtomicUsize::new(0);
static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// A heap's maker's routine, called in the middle of a resizing: another thread comes.
unsafe extern "system" fn meet(_: *mut c_void, place: *mut *mut c_void, size: *mut usize) -> i32 {
    let heap = Handle::unchecked(HEAP.load(Ordering::Relaxed));
    if heap.address() != 0 {
        let other = std::thread::spawn(move || {
            // SAFETY: a thread in the heap at the same time is what is looked for: refused
            // before anything is touched.
            unsafe { private::allocate(heap, 0, 16) }.err()
        });
        if other.join().unwrap() == Some(Error::Corrupt) {
            REFUSED.fetch_add(1, Ordering::Relaxed);
        }
    }
    // SAFETY: the heap passes its own memory, and places to read.
    if unsafe { sys::commit((*place).cast(), *size) } {
        0
    } else {
        -1
    }
}

/// A thread that resizes a block is in the heap for as long as that takes.
#[test]
fn a_resizing_is_a_stay() {
    const TEST: &str = "a_resizing_is_a_stay";
    let variables = [
        ("NTHEAP_GFLAGS", "+htc"),
        ("NTHEAP_ON_CORRUPTION", "continue"),
    ];
    let Some(output) = isolated(TEST, &variables, || {
        let memory = sys::reserve(0x40000, sys::GRANULARITY);
        // SAFETY: reserved just now; the block is this test's.
        unsafe {
            assert!(sys::commit(memory, 0x1000));
            let settings = Settings {
                shape: Shape::Fixed(0x40000),
                flags: private::flags::NO_SERIALIZE,
                memory: Some(Memory {
                    base: memory,
                    commit: 0x1000,
                    reserve: 0x40000,
                    routine: Some(meet),
                }),
                ..Settings::DEFAULT
            };
            let heap = private::create(&settings).unwrap();
            let block = private::allocate(heap, 0, 100).unwrap().as_ptr();
            HEAP.store(heap.address(), Ordering::Relaxed);
            let in_place = private::flags::REALLOC_IN_PLACE_ONLY;
            private::reallocate(heap, in_place, block, 0x20000).unwrap();
            assert!(REFUSED.load(Ordering::Relaxed) > 0);
            HEAP.store(0, Ordering::Relaxed);
            // And no longer.
            let other = std::thread::spawn(move || private::allocate(heap, 0, 16).err());
            assert_eq!(other.join().unwrap(), None);
        }
    }) else {
        return;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("(UNSYNCHRONIZED_ACCESS)"), "{errors}");
}

/// Allocates so many blocks, and writes which fail: `x`, or `.` for one that does not.
fn draw(count: usize) {
    // SAFETY: no memory of the caller's; the heap is serialized.
    let heap = unsafe { private::create(&Settings::DEFAULT) }.unwrap();
    let drawn: String = (0..count)
        // SAFETY: the heap is serialized.
        .map(|_| match unsafe { private::allocate(heap, 0, 40) } {
            Ok(_) => '.',
            Err(error) => {
                assert_eq!(error, Error::NoMemory);
                'x'
            }
        })
        .collect();
    eprintln!("{drawn}");
}

/// What [`draw`] and the end of its process write with these faults.
fn drawn(test: &str, faults: &str, count: usize) -> Option<(String, String)> {
    let output = isolated(test, &[("NTHEAP_GFLAGS", faults)], || draw(count))?;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    let (drawn, told) = errors.split_once('\n').unwrap();
    Some((drawn.to_owned(), told.to_owned()))
}

/// As many fail as were asked for, the same ones with the same seed, and the end tells.
#[test]
fn allocations_fail_by_chance() {
    const TEST: &str = "allocations_fail_by_chance";
    let draw = |faults: &str| drawn(TEST, faults, 4000);
    let first = draw("fault=2500:0:seed=7");
    let again = draw("fault=2500:0:seed=7,+ust");
    let other = draw("fault=2500:0:seed=8");
    let all = draw("fault=10000:0:seed=8");
    let late = draw("fault=10000:seed=8");
    let (Some(first), Some(again), Some(other), Some(all), Some(late)) =
        (first, again, other, all, late)
    else {
        return;
    };
    let failed = first.0.matches('x').count();
    // Four times the deviation.
    assert!((890..=1110).contains(&failed), "{failed}");
    assert_eq!(
        first.1,
        format!(
            "ntheap: fault injection: {failed} of 4000 allocations failed \
             (rate 2500 in 10000, seed 7)\n"
        )
    );
    assert_eq!(first, again);
    assert_ne!(first.0, other.0);
    assert_eq!(all.0, "x".repeat(4000));
    assert_eq!(late.0, ".".repeat(4000), "not in the first five seconds");
    assert_eq!(
        late.1,
        "ntheap: fault injection: 0 of 0 allocations failed (rate 10000 in 10000, seed 8)\n"
    );
}

/// How long this process has been there, in milliseconds, to ten of them.
fn lived() -> u64 {
    let told = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, told) = told.rsplit_once(')').unwrap();
    let began: u64 = told.split_whitespace().nth(19).unwrap().parse().unwrap();
    // SAFETY: the system writes to a structure of this frame.
    unsafe {
        let mut now: libc::timespec = std::mem::zeroed();
        assert_eq!(libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now), 0);
        let ticks = libc::sysconf(libc::_SC_CLK_TCK) as u64;
        now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000 - began * 1000 / ticks
    }
}

#[test]
fn nothing_fails_before_the_timeout() {
    let variables = [("NTHEAP_GFLAGS", "fault=10000:1")];
    succeeds("nothing_fails_before_the_timeout", &variables, || {
        let since = std::time::Instant::now();
        // SAFETY: no memory of the caller's; the heap is serialized.
        let heap = unsafe { private::create(&Settings::DEFAULT) }.unwrap();
        let mut succeeded = 0;
        loop {
            let before = since.elapsed().as_millis();
            // SAFETY: as above.
            if unsafe { private::allocate(heap, 0, 16) }.is_err() {
                break;
            }
            succeeded = before;
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // The second goes by the heap's first use, which was before, but behind the
        // process's start. However late this thread is, what began after it fails.
        assert!(succeeded <= 1000, "{succeeded}");
        let lived = lived();
        assert!(lived >= 990, "{lived}");
    });
}

/// A resizing that moves its block may fail, and the block stays.
#[test]
fn a_block_stays_when_its_resizing_fails() {
    let variables = [("NTHEAP_GFLAGS", "+hpa,fault=5000:0:seed=1")];
    succeeds("a_block_stays_when_its_resizing_fails", &variables, || {
        // SAFETY: no memory of the caller's; the heap is serialized, and the block is
        // this test's.
        unsafe {
            let heap = private::create(&Settings::DEFAULT).unwrap();
            let first = (0..100).find_map(|_| private::allocate(heap, 8, 24).ok());
            let (mut block, mut held) = (first.unwrap(), 24);
            let (mut failed, mut moved) = (0, 0);
            for size in 25..125 {
                block.add(held - 1).write(7);
                match private::reallocate(heap, 8, block.as_ptr(), size) {
                    Ok(new) => {
                        assert_eq!(new.add(held - 1).read(), 7);
                        (block, held) = (new, size);
                        moved += 1;
                    }
                    Err(error) => {
                        assert_eq!(error, Error::NoMemory);
                        assert_eq!(private::size_of(heap, 0, block.as_ptr()), Ok(held));
                        assert_eq!(block.add(held - 1).read(), 7);
                        failed += 1;
                    }
                }
            }
            assert!(failed > 10 && moved > 10, "{failed} {moved}");
        }
    });
}

/// A hook is shown all of a report, and can have it as text and as JSON.
#[test]
fn a_hook_is_shown_the_report_that_is_written() {
    const TEST: &str = "a_hook_is_shown_the_report_that_is_written";
    static BLOCK: AtomicUsize = AtomicUsize::new(0);
    fn see(report: &Report<'_>) {
        let block = BLOCK.load(Ordering::Relaxed);
        let heap = HEAP.load(Ordering::Relaxed);
        assert_eq!(report.stop, Stop::DoubleFree);
        assert_eq!(report.parameters, [heap, block, 40, 0]);
        assert_eq!((report.address, report.heap), (block, "mine"));
        let found = report.block.unwrap();
        assert_eq!((found.start, found.size), (block, 40));
        assert_eq!(found.state, BlockState::Free);
        // With musl the library cannot ask for a module's unwind tables.
        let has_frames = cfg!(target_env = "gnu");
        assert_eq!(!report.allocated.unwrap().frames.is_empty(), has_frames);
        assert_eq!(!report.freed.unwrap().frames.is_empty(), has_frames);
        print!("{report}{}", report.json());
    }
    let variables = [
        ("NTHEAP_GFLAGS", "+hpc,+ust"),
        ("NTHEAP_ON_CORRUPTION", "continue"),
    ];
    let Some(output) = isolated(TEST, &variables, || {
        let settings = Settings {
            name: "mine",
            ..Settings::DEFAULT
        };
        // SAFETY: no memory of the caller's; the second free is the planted bug.
        unsafe {
            let heap = private::create(&settings).unwrap();
            let block = private::allocate(heap, 0, 40).unwrap().as_ptr();
            HEAP.store(heap.address(), Ordering::Relaxed);
            BLOCK.store(block.addr(), Ordering::Relaxed);
            set_hook(Some(see));
            private::free(heap, 0, block).unwrap();
            private::free(heap, 0, block).unwrap_err();
        }
    }) else {
        return;
    };
    let errors = String::from_utf8(output.stderr).unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors.matches("VERIFIER STOP").count(), 1, "{errors}");
    let shown = &out[out.find("ntheap: VERIFIER").expect("a report")..];
    let json = shown
        .strip_prefix(&errors)
        .unwrap_or_else(|| panic!("{errors}\n{shown}"));
    let start =
        "{\"stop\":7,\"symbol\":\"DOUBLE_FREE\",\"meaning\":\"block already freed\",\"pid\":";
    assert!(
        json.starts_with(start) && json.contains("\"heap\":\"mine\""),
        "{json}"
    );
    assert!(json.contains("}\n"), "{json}");
}

/// A block's tag by the walk: its call's number, or the module's that asked for it.
#[test]
fn a_walk_tells_each_blocks_tag() {
    const TEST: &str = "a_walk_tells_each_blocks_tag";
    // HEAP_MAKE_TAG_FLAGS: numbers from 1 to 0xFFF, 18 bits up.
    const FIVE: u32 = 5 << 18;
    const LARGEST: u32 = 0xfff << 18;
    // Modules have numbers from 0x1000 on; which one this program has, a block tells.
    const PROGRAM: u16 = 0x1000;
    let runs: [(&str, [u16; 5]); 4] = [
        ("+htg,+htd", [5, 0xfff, PROGRAM, PROGRAM, 5]),
        ("+htg", [5, 0xfff, 0, 0, 5]),
        ("+htd", [PROGRAM; 5]),
        ("+hpc,+ust", [0; 5]),
    ];
    for (flags, expected) in runs {
        succeeds(TEST, &[("NTHEAP_GFLAGS", flags)], || {
            let heap = Heap::new().unwrap();
            let handle = std::ptr::without_provenance_mut(heap.handle());
            let rust = || {
                let block = heap.alloc(Layout::from_size_align(300, 8).unwrap());
                block.unwrap().as_ptr().cast::<c_void>()
            };
            // SAFETY: the heap is this function's, and so are the blocks; one is resized by
            // its only name, and one is freed once.
            let blocks = unsafe {
                let moved = HeapAlloc(handle, FIVE, 16);
                let freed = heap
                    .alloc(Layout::from_size_align(700, 8).unwrap())
                    .unwrap();
                heap.free(freed).unwrap();
                [
                    HeapAlloc(handle, FIVE, 100),
                    HeapAlloc(handle, LARGEST, 2_000_000),
                    HeapAlloc(handle, 0, 200),
                    rust(),
                    HeapReAlloc(handle, 0, moved, 40_000),
                ]
            };
            let mut told = BTreeMap::new();
            let mut program = PROGRAM;
            for entry in heap.lock().walk() {
                match entry {
                    HeapEntry::Busy { address, .. } => {
                        if address == blocks[3].addr() {
                            program = program.max(entry.tag());
                        }
                        told.insert(address, entry.tag());
                    }
                    _ => assert_eq!(entry.tag(), 0, "{flags} {entry:?}"),
                }
            }
            // Who asked is told by the stack, which is not walked with musl.
            let walks = cfg!(all(target_env = "gnu", target_arch = "x86_64"));
            let program_or_none = if walks { program } else { 0 };
            let tag_of = |tag| if tag == PROGRAM { program_or_none } else { tag };
            let expected: BTreeMap<usize, u16> = blocks
                .into_iter()
                .map(|block| block.addr())
                .zip(expected.map(tag_of))
                .collect();
            assert!(program < PROGRAM + 64, "{flags}: {program}");
            assert_eq!(told, expected, "{flags}");
        });
    }
}

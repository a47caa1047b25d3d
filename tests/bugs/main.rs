//! Planted bugs of Rust programs under the global flags that promise to find them,
//! as `capi/tests/bugs.rs` has those of C's: reports are compared word for word
//! with `bugs.txt`.
//!
//! The program is this one, once more: with `NTHEAP_TEST_BUG` set it has that bug.
//! Its allocator is the front end of release builds, which looks nothing up where
//! no flag is on.

#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]

mod normal;

use normal::{Ran, compare, normal};
use ntheap::Config;
use ntheap::heap::{Word, plain};
use ntheap::win32::{HANDLE, HEAP_NO_SERIALIZE, HeapAlloc, HeapCreate, HeapDestroy, HeapFree};
use std::alloc::{GlobalAlloc, Layout, alloc, dealloc, realloc};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

mod word {
    ntheap::thread_word!(pub(super), "ntheap_test_bugs_word");
}

struct Release;

static CONFIG: Config = Config::new();

// SAFETY: the front end's blocks are distinct, as large and as aligned as their
// layout says, and live until they are freed; the word is the calling thread's.
unsafe impl GlobalAlloc for Release {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        word::with(|word: &Word| unsafe { plain::allocate(word, &CONFIG, layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; the caller gives the block up.
        word::with(|word: &Word| unsafe { plain::free(word, block, layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        word::with(|word: &Word| unsafe { plain::allocate_zeroed(word, &CONFIG, layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        word::with(|word: &Word| unsafe { plain::reallocate(word, &CONFIG, block, layout, size) })
    }
}

#[global_allocator]
static ALLOCATOR: Release = Release;

fn tell(name: &str, address: *const u8) {
    let line = format!("{name} {:#x}\n", address.addr());
    std::io::stdout()
        .write_all(line.as_bytes())
        .expect("written");
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

#[inline(never)]
fn make(size: usize, align: usize) -> *mut u8 {
    // SAFETY: the size is not 0.
    let block = unsafe { alloc(layout(size, align)) };
    tell("block", block);
    black_box(block)
}

#[inline(never)]
fn drop_with(block: *mut u8, size: usize, align: usize) {
    // SAFETY: none: this is what the cases are about.
    unsafe { dealloc(black_box(block), layout(size, align)) };
}

/// What leads to another one.
#[repr(C)]
struct Node {
    numbers: [u64; 3],
    next: &'static Node,
    number: u64,
}

/// The bugs, by name.
const BUGS: &[(&str, fn())] = &[
    ("smaller_size", || drop_with(make(100, 8), 50, 8)),
    ("larger_size", || drop_with(make(100, 8), 101, 8)),
    ("size_of_the_same_class", || drop_with(make(100, 8), 99, 8)),
    ("smaller_alignment", || drop_with(make(100, 64), 100, 8)),
    ("larger_alignment", || drop_with(make(100, 8), 100, 64)),
    ("size_of_a_large_block", || {
        drop_with(make(3 << 20, 8), 1 << 20, 8)
    }),
    ("realloc_with_a_wrong_size", || {
        let block = make(100, 8);
        // SAFETY: none: the layout is wrong.
        let _ = unsafe { realloc(block, layout(90, 8), 200) };
    }),
    ("capacity_of_another_vector", || {
        let mut numbers = vec![1u32; 10];
        tell("block", numbers.as_ptr().cast());
        let at = numbers.as_mut_ptr();
        std::mem::forget(numbers);
        // SAFETY: none: the capacity is another one.
        drop(black_box(unsafe { Vec::from_raw_parts(at, 10, 12) }));
    }),
    ("box_of_another_type", || {
        let number = Box::into_raw(Box::new(7u128));
        tell("block", number.cast());
        // SAFETY: none: the type is another one.
        drop(black_box(unsafe { Box::from_raw(number.cast::<u64>()) }));
    }),
    ("box_of_another_allocator", || {
        // SAFETY: none: what C's malloc gave is no Box.
        let number = unsafe { libc::malloc(8).cast::<u64>() };
        tell("foreign", number.cast());
        // SAFETY: as above.
        drop(black_box(unsafe { Box::from_raw(number) }));
    }),
    ("dropped_twice", || {
        let block = make(40, 8);
        drop_with(block, 40, 8);
        drop_with(block, 40, 8);
    }),
    ("part_of_a_block", || {
        drop_with(make(100, 8).wrapping_add(16), 84, 8)
    }),
    ("written_past_the_end", || {
        let block = make(40, 8);
        // SAFETY: none: the byte is not the block's.
        unsafe { block.add(40).write(1) };
        drop_with(block, 40, 8);
    }),
    ("written_before_the_start", || {
        tell("next", make(40, 8));
        let block = make(40, 8);
        // SAFETY: none: the byte is not the block's.
        unsafe { block.sub(1).write(1) };
        drop_with(block, 40, 8);
    }),
    ("written_after_the_drop", || {
        let block = make(5000, 8);
        drop_with(block, 5000, 8);
        // SAFETY: none: the block is freed.
        unsafe { block.add(1000).write(1) };
        tell("next", make(5000, 8));
    }),
    ("written_far_past_the_end", || {
        let block = make(40, 8);
        // SAFETY: none: the bytes are not the block's.
        unsafe { block.add(40).write_bytes(b'x', 12) };
        drop_with(block, 40, 8);
    }),
    ("read_after_the_drop", || {
        let block = make(64, 8);
        drop_with(block, 64, 8);
        // SAFETY: none: the block is freed.
        black_box(unsafe { block.add(10).read() });
    }),
    ("read_before_the_first_write", || {
        let block = make(64, 8).cast::<u32>();
        // SAFETY: the block has sixteen of them; what nobody wrote is what this is about.
        assert_eq!(unsafe { block.add(3).read_volatile() }, 0xBAAD_F00D);
    }),
    ("reference_never_set", || {
        let node = make(size_of::<Node>(), 8).cast::<Node>();
        // SAFETY: none: nobody wrote the reference.
        black_box(unsafe { (*node).next.number });
    }),
    ("box_never_set", || {
        let node = make(64, 8).cast::<Box<[u8; 64]>>();
        // SAFETY: none: nobody wrote the Box.
        drop(black_box(unsafe { node.add(2).read() }));
    }),
    ("reference_in_a_dropped_block", || {
        static LAST: Node = Node {
            numbers: [0; 3],
            next: &LAST,
            number: 0,
        };
        let node = make(size_of::<Node>(), 8).cast::<Node>();
        // SAFETY: the block is as large as a node.
        unsafe { node.write(Node { ..LAST }) };
        drop_with(node.cast(), size_of::<Node>(), 8);
        // SAFETY: none: the node is freed.
        black_box(unsafe { (*node).next.number });
    }),
    ("dropped_twice_later", || {
        // Its neighbours stay, so that what is allocated later is not larger at its place.
        let others = || {
            for _ in 0..200 {
                black_box(Box::leak(Box::new([0u64; 5])));
            }
        };
        others();
        let block = make(40, 8);
        others();
        drop_with(block, 40, 8);
        for _ in 0..100 {
            drop(black_box(vec![0u8; 1000]));
        }
        drop_with(block, 40, 8);
    }),
    ("realloc_of_dropped", || {
        let block = make(40, 8);
        drop_with(block, 40, 8);
        // SAFETY: none: the block is freed.
        let _ = unsafe { realloc(black_box(block), layout(40, 8), 80) };
    }),
    ("box_of_a_local", || {
        let mut number = 7u64;
        tell("local", (&raw const number).cast());
        // SAFETY: none: what is on the stack is no Box.
        drop(black_box(unsafe { Box::from_raw(&raw mut number) }));
    }),
    ("box_of_a_heaps_block", || {
        let heap = ntheap::Heap::new().expect("a heap");
        tell("heap", std::ptr::without_provenance(heap.handle()));
        let block = heap.alloc(layout(8, 8)).expect("a block").as_ptr();
        tell("block", block);
        // SAFETY: none: the block is another heap's.
        drop(black_box(unsafe { Box::from_raw(block.cast::<u64>()) }));
    }),
    // Handles are Windows' and unsafe: `ntheap::Heap` does not let itself be used after its end,
    // and a `LocalHeap` is no other thread's.
    ("heap_used_after_its_end", || {
        let heap = heap_with(0);
        // SAFETY: none: the heap is used again.
        unsafe {
            HeapDestroy(heap);
            HeapAlloc(heap, 0, 24);
        }
    }),
    ("block_freed_after_its_heaps_end", || {
        let heap = heap_with(0);
        // SAFETY: none: the block went with its heap.
        unsafe {
            let block = HeapAlloc(heap, 0, 24);
            tell("block", block.cast());
            HeapDestroy(heap);
            HeapFree(heap, 0, block);
        }
    }),
    ("race_of_two_threads", || {
        let heap = heap_with(HEAP_NO_SERIALIZE).expose_provenance();
        let threads = [(); 2].map(|()| {
            std::thread::spawn(move || {
                let heap = std::ptr::with_exposed_provenance_mut(heap);
                loop {
                    // SAFETY: none: the heap is for one thread at a time.
                    black_box(unsafe { HeapAlloc(heap, 0, 20) });
                }
            })
        });
        // Neither ends.
        let [first, _] = threads;
        drop(first.join());
    }),
    ("nothing", nothing),
];

fn heap_with(options: u32) -> HANDLE {
    // SAFETY: nothing is asked of a call that makes a heap.
    let heap = unsafe { HeapCreate(options, 0, 0) };
    tell("heap", heap.cast());
    heap
}

/// Work of all kinds that is right.
fn nothing() {
    let mut words: BTreeMap<usize, String> = BTreeMap::new();
    for at in 0..3000 {
        words.entry(at * 7919 % 1000).or_default().push_str("word");
        if at % 3 == 0 {
            words.remove(&(at % 500));
        }
    }
    let threads: Vec<_> = (0..3)
        .map(|at| {
            std::thread::spawn(move || {
                let mut all: Vec<Vec<u8>> = Vec::new();
                for size in 0..500 {
                    all.push(vec![at; size * 7]);
                    if size % 5 == 0 {
                        all.swap_remove(size / 10 % all.len()).shrink_to_fit();
                    }
                }
                all.iter().map(Vec::len).sum::<usize>()
            })
        })
        .collect();
    for thread in threads {
        assert!(thread.join().expect("its end") > 0);
    }
    for align in [16, 64, 4096, 1 << 17] {
        let layout = layout(300, align);
        // SAFETY: each block is used as its layout says, and freed once.
        unsafe {
            let block = std::alloc::alloc_zeroed(layout);
            assert!(block.addr().is_multiple_of(align) && block.add(299).read() == 0);
            block.write_bytes(1, 300);
            let more = realloc(block, layout, 3_000_000);
            assert!(more.addr().is_multiple_of(align) && more.add(299).read() == 1);
            dealloc(
                more,
                Layout::from_size_align(3_000_000, align).expect("a layout"),
            );
        }
    }
}

/// With the name of a bug, the program that has it; else the test.
#[test]
fn every_planted_bug_is_reported_as_written_down() {
    if let Ok(name) = std::env::var("NTHEAP_TEST_BUG") {
        let (_, bug) = BUGS
            .iter()
            .find(|(known, _)| *known == name)
            .expect("a bug of that name");
        let process = ntheap::heap::private::Handle::process().expect("a heap");
        tell("process", std::ptr::without_provenance(process.address()));
        bug();
        return;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bugs/bugs.txt");
    if Command::new("addr2line").arg("--version").output().is_err() {
        std::eprintln!("skipped: addr2line is not installed");
        return;
    }
    let seen = compare(&file, &outcome);
    assert!(
        BUGS.iter().all(|(name, _)| seen.contains(*name)),
        "{seen:?}"
    );
}

fn outcome(name: &str, flags: &str) -> String {
    let program = std::env::current_exe().expect("its path");
    let child = Command::new(&program)
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("every_planted_bug_is_reported_as_written_down")
        .env("NTHEAP_TEST_BUG", name)
        .env("NTHEAP_GFLAGS", flags)
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let pid = child.id();
    let ended = child.wait_with_output().expect("its end");
    let status = match (ended.status.signal(), ended.status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, code) => format!("exit {}", code.expect("a code")),
    };
    let ran = Ran {
        program: &program,
        pid,
        stdout: &String::from_utf8_lossy(&ended.stdout),
        stderr: &String::from_utf8_lossy(&ended.stderr),
    };
    // The calls between are the standard library's and the allocator's.
    let keeps = |function: &str| {
        let is_ours = function.starts_with("bugs::") && !function.starts_with("bugs::word");
        (is_ours, function.contains("every_planted_bug"))
    };
    format!("{}-- {status}\n", normal(&ran, &keeps))
}

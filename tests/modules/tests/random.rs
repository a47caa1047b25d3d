//! Eight heaps in three modules, each module with its own copy of the allocator:
//! what is freed in the wrong one is always found, what is freed in the right one
//! never is.
//!
//! With `NTHEAP_LONG` set, 10^5 wrong frees and 10^7 right ones; else a hundredth
//! of them.

#![cfg(target_os = "linux")]

use ntheap_modules::{HEAPS, module_allocate, module_free, module_size};
use std::env;
use std::ffi::{CString, c_void};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set in a test's own process.
const CHILD: &str = "NTHEAP_TEST_MODULES";

/// One heap of a module.
#[derive(Clone, Copy)]
struct Heap {
    number: usize,
    allocate: extern "C" fn(usize, usize) -> *mut u8,
    free: unsafe extern "C" fn(usize, *mut u8) -> bool,
    size: extern "C" fn(usize, *mut u8) -> usize,
}

/// The library again, under another name: a module of its own.
fn copy(name: &str) -> PathBuf {
    let deps = env::current_exe().expect("the own path");
    let deps = deps.parent().expect("a folder");
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lib{name}.so"));
    fs::copy(deps.join("libntheap_modules.so"), &to).expect("the library was built");
    to
}

/// The heaps of a module that is loaded from a file.
fn heaps_of(path: &Path, count: usize) -> Vec<Heap> {
    let name = CString::new(path.as_os_str().as_bytes()).expect("a path");
    // SAFETY: the library is this package's.
    let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!library.is_null(), "{} does not load", path.display());
    let find = |name: &std::ffi::CStr| {
        // SAFETY: the library is loaded.
        let found = unsafe { libc::dlsym(library, name.as_ptr()) };
        assert!(!found.is_null());
        found
    };
    // SAFETY: the functions have these types.
    let (allocate, free, size) = unsafe {
        (
            std::mem::transmute::<*mut c_void, extern "C" fn(usize, usize) -> *mut u8>(find(
                c"module_allocate",
            )),
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(usize, *mut u8) -> bool>(find(
                c"module_free",
            )),
            std::mem::transmute::<*mut c_void, extern "C" fn(usize, *mut u8) -> usize>(find(
                c"module_size",
            )),
        )
    };
    (0..count)
        .map(|number| Heap {
            number,
            allocate,
            free,
            size,
        })
        .collect()
}

/// This program's three heaps, three of one module and two of another.
fn heaps() -> Vec<Heap> {
    let id = std::process::id();
    let (a, b) = (copy(&format!("a{id}")), copy(&format!("b{id}")));
    let mut all: Vec<Heap> = (0..HEAPS)
        .map(|number| Heap {
            number,
            allocate: module_allocate,
            free: module_free,
            size: module_size,
        })
        .collect();
    all.extend(heaps_of(&a, 3));
    all.extend(heaps_of(&b, 2));
    let _ = fs::remove_file(a);
    let _ = fs::remove_file(b);
    assert_eq!(all.len(), 8);
    all
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) as usize % limit
    }

    /// Mostly small sizes, some of regions, few large ones.
    fn size(&mut self) -> usize {
        match self.below(100) {
            0 => self.below(3 << 20),
            1..10 => self.below(100_000),
            _ => self.below(2000),
        }
    }
}

fn times(long: usize) -> usize {
    if env::var_os("NTHEAP_LONG").is_some() {
        long
    } else {
        long / 100
    }
}

/// A block, and what it holds.
struct Block {
    heap: usize,
    start: *mut u8,
    size: usize,
}

impl Block {
    fn new(heaps: &[Heap], random: &mut Random) -> Block {
        let heap = random.below(heaps.len());
        let size = random.size();
        let start = (heaps[heap].allocate)(heaps[heap].number, size);
        assert!(!start.is_null());
        let block = Block { heap, start, size };
        if size != 0 {
            // SAFETY: the block's first and last byte.
            unsafe {
                start.write(heap as u8);
                start.add(size - 1).write(heap as u8);
            }
        }
        block
    }

    /// Frees it where it belongs.
    fn free(self, heaps: &[Heap]) {
        let heap = &heaps[self.heap];
        assert_eq!((heap.size)(heap.number, self.start), self.size);
        // SAFETY: the block's bytes, and the end of it.
        unsafe {
            if self.size != 0 {
                assert_eq!(self.start.read(), self.heap as u8);
                assert_eq!(self.start.add(self.size - 1).read(), self.heap as u8);
            }
            assert!((heap.free)(heap.number, self.start));
        }
    }
}

/// Runs a test's body in a process of its own that goes on after reports; the
/// number of reports, and that of those which name a heap of another module.
fn reports(name: &str) -> (usize, usize) {
    let mut child = Command::new(env::current_exe().expect("the own path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env("NTHEAP_CRT", "private")
        .env("NTHEAP_ON_CORRUPTION", "continue")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts again");
    let (mut stops, mut owners) = (0, 0);
    let mut rest = String::new();
    for line in BufReader::new(child.stderr.take().expect("a pipe")).lines() {
        let line = line.expect("text");
        stops += usize::from(line.contains("VERIFIER STOP 0000000000000006"));
        owners += usize::from(line.starts_with("  it belongs to heap \""));
        if line.contains("panicked") || !line.starts_with([' ', 'n']) {
            rest += &line;
            rest += "\n";
        }
    }
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status}\n{rest}");
    (stops, owners)
}

#[test]
fn every_free_of_another_heaps_block_is_found_and_names_the_owner() {
    let count = times(100_000);
    if env::var_os(CHILD).is_none() {
        let name = "every_free_of_another_heaps_block_is_found_and_names_the_owner";
        assert_eq!(reports(name), (count, count));
        return;
    }
    let heaps = heaps();
    let mut random = Random(1);
    let mut blocks: Vec<Block> = (0..500).map(|_| Block::new(&heaps, &mut random)).collect();
    for _ in 0..count {
        let place = random.below(blocks.len());
        let wrong = (blocks[place].heap + 1 + random.below(7)) % 8;
        // SAFETY: the bug to be found; if it is, nothing happens to the block.
        let taken = unsafe { (heaps[wrong].free)(heaps[wrong].number, blocks[place].start) };
        assert!(!taken, "not found");
        // It is as it was, and its owner takes it.
        blocks.swap_remove(place).free(&heaps);
        blocks.push(Block::new(&heaps, &mut random));
    }
    for block in blocks {
        block.free(&heaps);
    }
}

#[test]
fn no_free_of_a_heaps_own_block_is_reported() {
    let count = times(10_000_000);
    if env::var_os(CHILD).is_none() {
        let name = "no_free_of_a_heaps_own_block_is_reported";
        assert_eq!(reports(name), (0, 0));
        return;
    }
    let heaps = heaps();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let heaps = &heaps;
            scope.spawn(move || {
                let mut random = Random(seed);
                let mut blocks: Vec<Block> = Vec::new();
                for _ in 0..count / 4 {
                    if blocks.len() < 500 {
                        blocks.push(Block::new(heaps, &mut random));
                    }
                    let place = random.below(blocks.len());
                    blocks.swap_remove(place).free(heaps);
                    blocks.push(Block::new(heaps, &mut random));
                }
                for block in blocks {
                    block.free(heaps);
                }
            });
        }
    });
}

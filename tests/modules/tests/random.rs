//! Eight heaps in three modules, each module with its own copy of the allocator:
//! what is freed in the wrong one is always found, what is freed in the right one
//! never is. With one heap for all, the wrong one frees it as the right one would.
//!
//! With `NTHEAP_LONG` set, and not to 0, 10^5 wrong frees and 10^7 right ones; else a
//! hundredth of them.

#![cfg(target_os = "linux")]

mod support;

use ntheap_modules::HEAPS;
use std::env;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Command, Stdio};
use support::{Module, NAMES};

/// Set in a test's own process.
const CHILD: &str = "NTHEAP_TEST_MODULES";

/// One heap of a module.
struct Heap {
    number: usize,
    /// What reports are to call it, and its module.
    owner: (&'static str, String),
    allocate: extern "C" fn(usize, usize) -> *mut u8,
    free: unsafe extern "C" fn(usize, *mut u8) -> bool,
    size: extern "C" fn(usize, *mut u8) -> usize,
}

/// The heaps of a module.
fn heaps_of(module: &Module, count: usize) -> Vec<Heap> {
    (0..count)
        .map(|number| Heap {
            number,
            owner: (NAMES[number], module.name.clone()),
            allocate: module.allocate,
            free: module.free,
            size: module.size,
        })
        .collect()
}

/// This program's three heaps, three of one module and two of another.
fn heaps() -> Vec<Heap> {
    let mut all = heaps_of(&Module::own(), HEAPS);
    all.extend(heaps_of(&Module::load("a"), 3));
    all.extend(heaps_of(&Module::load("b"), 2));
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
    if env::var_os("NTHEAP_LONG").is_some_and(|value| value != "0") {
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
        let fill = self.heap as u8;
        self.free_filled(heaps, fill);
    }

    /// Frees it by its heap, and what it holds is `fill`.
    fn free_filled(self, heaps: &[Heap], fill: u8) {
        let heap = &heaps[self.heap];
        assert_eq!((heap.size)(heap.number, self.start), self.size);
        // SAFETY: the block's bytes, and the end of it.
        unsafe {
            if self.size != 0 {
                assert_eq!(self.start.read(), fill);
                assert_eq!(self.start.add(self.size - 1).read(), fill);
            }
            assert!((heap.free)(heap.number, self.start));
        }
    }
}

/// What a test's own process wrote.
struct Reports {
    /// The number of reports, of whatever is wrong.
    stops: usize,
    /// Those of a block that is another heap's.
    switched: usize,
    /// What they call the owners, one after another.
    owners: Vec<String>,
    /// What the body wrote to standard output.
    out: Vec<String>,
}

/// Runs a test's body in a process of its own, in a mode, that goes on after reports.
fn reports(name: &str, mode: &str) -> Reports {
    let mut child = Command::new(env::current_exe().expect("the own path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env("NTHEAP_CRT", mode)
        .env("NTHEAP_ON_CORRUPTION", "continue")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts again");
    let out = child.stdout.take().expect("a pipe");
    let out = std::thread::spawn(|| BufReader::new(out).lines().map_while(Result::ok).collect());
    let (mut stops, mut switched, mut owners) = (0, 0, Vec::new());
    let mut rest = String::new();
    for line in BufReader::new(child.stderr.take().expect("a pipe")).lines() {
        let line = line.expect("text");
        stops += usize::from(line.contains("VERIFIER STOP"));
        switched += usize::from(line.contains("VERIFIER STOP 0000000000000006"));
        if let Some(owner) = line.strip_prefix("  it belongs to heap ") {
            // The copies' files are gone.
            owners.push(owner.trim_end_matches(" (deleted)").to_owned());
        }
        if line.contains("panicked") || !line.starts_with([' ', 'n']) {
            rest += &line;
            rest += "\n";
        }
    }
    let status = child.wait().expect("it ends");
    assert!(status.success() && rest.is_empty(), "{status}\n{rest}");
    let out: Vec<String> = out.join().expect("read");
    let ran = out.iter().any(|line| line == "running 1 test");
    assert!(ran, "no test {name}");
    Reports {
        stops,
        switched,
        owners,
        out,
    }
}

#[test]
fn every_free_of_another_heaps_block_is_found_and_names_the_owner() {
    let count = times(100_000);
    if env::var_os(CHILD).is_none() {
        let name = "every_free_of_another_heaps_block_is_found_and_names_the_owner";
        let found = reports(name, "private");
        let expected: Vec<&str> = found
            .out
            .iter()
            .filter_map(|line| line.strip_prefix("owner "))
            .collect();
        assert_eq!((found.stops, found.switched), (count, count));
        assert_eq!((found.owners.len(), expected.len()), (count, count));
        for (number, (owner, expected)) in found.owners.iter().zip(expected).enumerate() {
            assert_eq!(owner, expected, "report {number}");
        }
        return;
    }
    let heaps = heaps();
    let mut random = Random(1);
    let mut blocks: Vec<Block> = (0..500).map(|_| Block::new(&heaps, &mut random)).collect();
    let mut out = BufWriter::new(std::io::stdout().lock());
    // The test's name is on this line.
    writeln!(out).expect("written");
    for _ in 0..count {
        let place = random.below(blocks.len());
        let owner = blocks[place].heap;
        let wrong = (owner + 1 + random.below(7)) % 8;
        // SAFETY: the bug to be found; if it is, nothing happens to the block.
        let taken = unsafe { (heaps[wrong].free)(heaps[wrong].number, blocks[place].start) };
        assert!(!taken, "not found");
        let (heap, module) = &heaps[owner].owner;
        writeln!(out, "owner \"{heap}\" of {module}").expect("written");
        // It is as it was, and its owner takes it.
        blocks.swap_remove(place).free(&heaps);
        blocks.push(Block::new(&heaps, &mut random));
    }
    for block in blocks {
        block.free(&heaps);
    }
}

/// With one heap for all, any of the heaps' runtimes frees any block, and nothing is
/// reported.
fn is_taken(name: &str, mode: &str) {
    let count = times(100_000);
    if env::var_os(CHILD).is_none() {
        assert_eq!(reports(name, mode).stops, 0);
        return;
    }
    let heaps = heaps();
    let mut random = Random(1);
    let mut blocks: Vec<Block> = (0..500).map(|_| Block::new(&heaps, &mut random)).collect();
    for _ in 0..count {
        let place = random.below(blocks.len());
        let block = blocks.swap_remove(place);
        let wrong = (block.heap + 1 + random.below(7)) % 8;
        // It is the other one's as well.
        let fill = block.heap as u8;
        Block {
            heap: wrong,
            ..block
        }
        .free_filled(&heaps, fill);
        blocks.push(Block::new(&heaps, &mut random));
    }
    for block in blocks {
        block.free(&heaps);
    }
}

#[test]
fn one_runtime_frees_what_any_module_allocated() {
    is_taken("one_runtime_frees_what_any_module_allocated", "shared");
}

#[test]
fn the_process_heap_hides_every_free_by_the_wrong_runtime() {
    let name = "the_process_heap_hides_every_free_by_the_wrong_runtime";
    is_taken(name, "process");
}

#[test]
fn no_free_of_a_heaps_own_block_is_reported() {
    let count = times(10_000_000);
    if env::var_os(CHILD).is_none() {
        let name = "no_free_of_a_heaps_own_block_is_reported";
        assert_eq!(reports(name, "private").stops, 0);
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

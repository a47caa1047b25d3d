//! A soak: sixteen threads that allocate, resize, hand on and free at random for a time.
//!
//! ```text
//! cargo run --release --example soak              # 10 seconds
//! cargo run --release --example soak -- 300 7     # 300 seconds, seed 7
//! ```
//!
//! Every block is filled, and looked at before it is resized, handed on or freed. Now and
//! then all threads rest with nothing allocated: the statistics must then be what they
//! were, and what is resident no more than at the first rest, but for 5 % and 1 MiB.

use std::alloc::{GlobalAlloc, Layout};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: ntheap::NtHeap = ntheap::NtHeap::new();

const THREADS: usize = 16;
/// Blocks that a thread has at most.
const MOST: usize = 2000;
/// How long threads work between two rests.
const WORK: Duration = Duration::from_secs(5);

/// A block, as a number so that it can be handed on.
#[derive(Clone, Copy)]
struct Block {
    address: usize,
    layout: Layout,
    seed: u64,
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    /// Small mostly, as programs have it; up to 2 MiB.
    fn size(&mut self) -> usize {
        let bits = match self.below(1000) {
            0 => 21,
            1..=9 => 17,
            10..=99 => 13,
            _ => 8,
        };
        1 + self.below(1 << bits)
    }
}

fn at(address: usize) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(address)
}

impl Block {
    fn new(random: &mut Random) -> Block {
        let align = 1
            << if random.below(50) == 0 {
                random.below(13)
            } else {
                3
            };
        let layout = Layout::from_size_align(random.size(), align).expect("small");
        // SAFETY: the size is not 0.
        let address = unsafe { ALLOCATOR.alloc(layout) }.expose_provenance();
        assert!(address != 0 && address.is_multiple_of(align), "no memory");
        let block = Block {
            address,
            layout,
            seed: random.0 | 1,
        };
        block.each_word(write);
        block
    }

    /// Visits words at both ends and some between, with what they hold.
    fn each_word(&self, visit: impl Fn(*mut u8, u8)) {
        let size = self.layout.size();
        let step = if size <= 256 { 1 } else { 61.max(size / 64) };
        for offset in (0..size).step_by(step).chain([size - 1]) {
            let byte = self.seed.wrapping_mul(offset as u64 | 1).to_le_bytes()[5];
            visit(at(self.address).wrapping_add(offset), byte);
        }
    }

    fn check(&self) {
        self.each_word(|word, expected| {
            // SAFETY: a byte of the block, which is alive.
            let found = unsafe { word.read() };
            assert_eq!(found, expected, "{} bytes at {word:p}", self.layout.size());
        });
    }

    fn resize(self, random: &mut Random) -> Block {
        self.check();
        let size = random.size();
        // SAFETY: the block is alive, of this layout, and the size is not 0.
        let address = unsafe { ALLOCATOR.realloc(at(self.address), self.layout, size) };
        let kept = Block {
            address: address.expose_provenance(),
            layout: self.layout,
            ..self
        };
        assert!(kept.address != 0, "no memory");
        if size >= self.layout.size() {
            kept.check();
        }
        let layout = Layout::from_size_align(size, self.layout.align()).expect("small");
        let block = Block { layout, ..kept };
        block.each_word(write);
        block
    }

    fn free(self) {
        self.check();
        // SAFETY: the block is alive, of this layout, and not used any more.
        unsafe { ALLOCATOR.dealloc(at(self.address), self.layout) };
    }
}

/// Writes a byte of a block that the caller has.
fn write(word: *mut u8, byte: u8) {
    // SAFETY: only bytes of live blocks come here.
    unsafe { word.write(byte) };
}

/// Works until `end`; everything is freed then. The operations done.
fn work(number: u64, end: Instant, passed: &Mutex<Vec<Block>>) -> u64 {
    let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut blocks: Vec<Block> = Vec::with_capacity(MOST);
    let mut done = 0;
    while Instant::now() < end {
        for _ in 0..500 {
            done += 1;
            let nth = random.below(blocks.len().max(1));
            match random.below(16) {
                0..=6 if blocks.len() < MOST => blocks.push(Block::new(&mut random)),
                7..=11 if !blocks.is_empty() => blocks.swap_remove(nth).free(),
                12 | 13 if !blocks.is_empty() => blocks[nth] = blocks[nth].resize(&mut random),
                14 if !blocks.is_empty() => {
                    let mine = blocks.swap_remove(nth);
                    mine.check();
                    let mut passed = passed.lock().expect("nobody panics");
                    passed.push(mine);
                    let others = random.below(passed.len());
                    blocks.push(passed.swap_remove(others));
                }
                _ if !blocks.is_empty() => blocks[nth].check(),
                _ => {}
            }
        }
    }
    for block in blocks {
        block.free();
    }
    done
}

/// Bytes resident of the whole process.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * 4096
}

fn main() -> ExitCode {
    let number = |nth: usize, otherwise: u64| {
        let text = std::env::args().nth(nth);
        text.map_or(Some(otherwise), |text| text.parse().ok())
    };
    let (Some(seconds), Some(seed)) = (number(1, 10), number(2, 1)) else {
        eprintln!("soak: seconds, and a seed");
        return ExitCode::from(2);
    };
    let began = Instant::now();
    let operations = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let (start, rest) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    let until = Mutex::new(began);
    let passed = Mutex::new(Vec::with_capacity(THREADS * MOST));
    let mut is_well = true;
    let mut rests: Vec<(usize, usize)> = Vec::with_capacity(100_000);
    std::thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let (start, rest, until, passed) = (&start, &rest, &until, &passed);
            let (operations, is_over) = (&operations, &is_over);
            scope.spawn(move || {
                for round in 1.. {
                    start.wait();
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let end = *until.lock().expect("nobody panics");
                    let done = work(seed ^ (round * 16 + thread) << 20, end, passed);
                    operations.fetch_add(done, Ordering::Relaxed);
                    rest.wait();
                    // Of another thread's cache a purge leaves a block of each size.
                    ntheap::purge();
                    rest.wait();
                }
            });
        }
        loop {
            let left = Duration::from_secs(seconds).saturating_sub(began.elapsed());
            if left.is_zero() {
                is_over.store(true, Ordering::Relaxed);
                start.wait();
                break;
            }
            *until.lock().expect("nobody panics") = Instant::now() + left.min(WORK);
            start.wait();
            rest.wait();
            for block in passed.lock().expect("nobody panics").drain(..) {
                block.free();
            }
            rest.wait();
            ntheap::purge();
            rests.push((ntheap::stats().allocated, resident()));
        }
    });
    let Some(&(allocated, held)) = rests.first() else {
        return ExitCode::from(2);
    };
    for (nth, &(now, _)) in rests.iter().enumerate() {
        if now != allocated {
            eprintln!("soak: rest {nth}: {now} bytes allocated, {allocated} at the first");
            is_well = false;
        }
    }
    let last = rests.last().map_or(0, |rest| rest.1);
    if last > held + held / 20 + (1 << 20) {
        eprintln!("soak: {last} bytes resident, {held} at the first rest");
        is_well = false;
    }
    println!(
        "soak: {} operations of {THREADS} threads, {} s, {} rests, {held} and {last} bytes resident",
        operations.load(Ordering::Relaxed),
        began.elapsed().as_secs(),
        rests.len(),
    );
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

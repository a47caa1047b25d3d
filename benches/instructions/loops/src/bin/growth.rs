//! Many live blocks, many threads, blocks of any size: what an operation
//! costs then, and what memory the blocks take. The same as `c/growth.c`,
//! with `NtHeap` as the program's allocator.
//!
//! `ntheap-loop-growth LOAD LIVE MIN MAX THREADS TURNS TOUCH`
//!
//! Each of `THREADS` threads allocates `LIVE` blocks of `MIN` to `MAX` bytes,
//! the logarithm of the size uniform, and then takes turns: `LIVE` or `TURNS`
//! of them, whichever is more, then `TURNS`, then twice `TURNS`, with a call
//! of `mark` after each of the three. A turn of `LOAD` is
//!
//! - `pair`: a block is allocated and freed;
//! - `replace`: a random block of the thread's own is freed and another
//!   allocated;
//! - `exchange`: a block is allocated and put in the place of a random one of
//!   any thread, which is freed;
//! - `no_pair`, `no_replace`, `no_exchange`: the same, with functions that do
//!   nothing in place of the allocator's.
//!
//! `TOUCH` says what is written to a block: `none`, `first`, its first word,
//! or `all` of it. Prints lines of TOML.

use std::alloc::{GlobalAlloc, Layout, System, alloc, dealloc};
use std::arch::asm;
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[global_allocator]
static HEAP: ntheap::NtHeap = ntheap::NtHeap::new();

/// How many sizes there are between the smallest and the largest.
const SIZES: usize = 4096;

// SAFETY: no other object of this program has a symbol of this name.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn mark() {
    black_box(());
}

/// What is written to a block.
#[derive(Clone, Copy, PartialEq)]
enum Touch {
    None,
    First,
    All,
}

/// What the threads share.
struct Load {
    turn: Turn,
    fill: fn(&Load, usize) -> u64,
    /// Whether any thread's blocks are replaced, not only the own.
    is_shared: bool,
    touch: Touch,
    sizes: Vec<usize>,
    live: usize,
    turns: usize,
    /// The blocks, not in the heap that is looked at.
    table: &'static [AtomicU64],
    barrier: Barrier,
}

/// One turn in a table of blocks, with a random number.
type Turn = fn(&Load, &[AtomicU64], u64);

/// Where blocks come from.
trait Source {
    /// A block.
    ///
    /// # Safety
    /// As for `alloc`.
    unsafe fn allocate(layout: Layout) -> *mut u8;

    /// Ends a block.
    ///
    /// # Safety
    /// As for `dealloc`.
    unsafe fn free(block: *mut u8, layout: Layout);
}

/// The program's allocator.
struct Heap;

impl Source for Heap {
    #[inline(always)]
    unsafe fn allocate(layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the callee's.
        unsafe { alloc(layout) }
    }

    #[inline(always)]
    unsafe fn free(block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the callee's.
        unsafe { dealloc(block, layout) };
    }
}

/// Functions that do nothing: a move and a return, and a return. Their blocks
/// are never used.
struct Nothing;

impl Source for Nothing {
    #[inline(never)]
    unsafe fn allocate(layout: Layout) -> *mut u8 {
        // SAFETY: no instruction: the compiler takes it for one it must keep.
        unsafe { asm!("", options(nostack, preserves_flags)) };
        std::ptr::without_provenance_mut(layout.size())
    }

    #[inline(never)]
    unsafe fn free(block: *mut u8, layout: Layout) {
        // SAFETY: as in `allocate`.
        unsafe {
            asm!("/* {} {} */", in(reg) block, in(reg) layout.size(),
                options(nostack, preserves_flags));
        }
    }
}

/// The next random number (xorshift, of period 2^64 - 1).
#[inline(always)]
fn random(state: u64) -> u64 {
    let state = state ^ (state << 13);
    let state = state ^ (state >> 7);
    state ^ (state << 17)
}

impl Load {
    #[inline(always)]
    fn layout(&self, size: usize) -> Layout {
        Layout::from_size_align(self.sizes[size], 8).expect("sizes are far from the limit")
    }

    /// The number of a random size, and the place of a random block.
    #[inline(always)]
    fn choose<'a>(&self, table: &'a [AtomicU64], random: u64) -> (usize, &'a AtomicU64) {
        let place = ((random & 0xffff_ffff) as usize * table.len()) >> 32;
        ((random >> 52) as usize % SIZES, &table[place])
    }

    /// A block in one word: its address, and the number of its size.
    #[inline(always)]
    fn allocate<S: Source>(&self, size: usize) -> u64 {
        let layout = self.layout(size);
        // SAFETY: no size is 0; what is written lies in the block, whose size
        // is at least a word's and whose alignment is one's.
        let block = unsafe {
            let block = S::allocate(layout);
            assert!(!block.is_null(), "out of memory");
            match self.touch {
                Touch::None => {}
                Touch::First => block.cast::<u64>().write(1),
                Touch::All => block.write_bytes(1, layout.size()),
            }
            block
        };
        (block.expose_provenance() as u64) << 16 | size as u64
    }

    #[inline(always)]
    fn free<S: Source>(&self, packed: u64) {
        let block = std::ptr::with_exposed_provenance_mut::<u8>((packed >> 16) as usize);
        // SAFETY: whoever took the word out of its place is the only one to
        // have it; it has the block's layout.
        unsafe { S::free(block, self.layout(packed as usize % SIZES)) };
    }
}

fn pair<S: Source>(load: &Load, table: &[AtomicU64], random: u64) {
    let (size, _) = load.choose(table, random);
    load.free::<S>(black_box(load.allocate::<S>(size)));
}

fn replace<S: Source>(load: &Load, table: &[AtomicU64], random: u64) {
    let (size, place) = load.choose(table, random);
    load.free::<S>(place.load(Ordering::Relaxed));
    place.store(load.allocate::<S>(size), Ordering::Relaxed);
}

fn exchange<S: Source>(load: &Load, table: &[AtomicU64], random: u64) {
    let (size, place) = load.choose(table, random);
    load.free::<S>(place.swap(load.allocate::<S>(size), Ordering::AcqRel));
}

/// One thread: its blocks, then its turns, with everybody at the barrier in
/// between.
fn thread(load: &Load, number: usize) {
    let own = &load.table[number * load.live..][..load.live];
    let table = if load.is_shared { load.table } else { own };
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1) << 20;
    for place in own {
        state = random(state);
        place.store((load.fill)(load, (state >> 52) as usize), Ordering::Relaxed);
    }
    load.barrier.wait();
    let warm_up = load.turns.max(load.live);
    for turns in [warm_up, load.turns, 2 * load.turns] {
        load.barrier.wait();
        for _ in 0..turns {
            state = random(state);
            (load.turn)(load, table, state);
        }
        load.barrier.wait();
    }
    // The caches stay until everything was looked at.
    load.barrier.wait();
}

/// A field of the process's status, in bytes. Allocates nothing: that would
/// touch memory which is counted.
fn status(field: &str) -> usize {
    let mut text = [0; 8192];
    let length = File::open("/proc/self/status").and_then(|mut file| file.read(&mut text));
    let text = std::str::from_utf8(&text[..length.unwrap_or(0)]).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}

/// User and system time of the process.
fn cpu_seconds() -> f64 {
    // SAFETY: fills one record, which may be all zero before.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    [usage.ru_utime, usage.ru_stime]
        .map(|time| time.tv_sec as f64 + time.tv_usec as f64 / 1e6)
        .iter()
        .sum()
}

/// What the blocks take, in bytes.
#[derive(Clone, Copy)]
struct Memory {
    requested: usize,
    rss: usize,
    stats: ntheap::Stats,
}

impl Memory {
    fn of(load: &Load, base: usize) -> Memory {
        let sizes = load.table.iter();
        let sizes = sizes.map(|place| load.sizes[place.load(Ordering::Relaxed) as usize % SIZES]);
        Memory {
            requested: sizes.sum(),
            rss: status("VmRSS:").saturating_sub(base),
            stats: ntheap::stats(),
        }
    }

    fn print(&self, name: &str) {
        println!("[{name}]");
        println!("requested = {}", self.requested);
        println!("rss = {}", self.rss);
        println!("active = {}", self.stats.active);
        println!("metadata = {}", self.stats.metadata);
        println!("retained = {}", self.stats.retained);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, live, min, max, threads, turns, touch] = &arguments[..] else {
        panic!("LOAD LIVE MIN MAX THREADS TURNS TOUCH");
    };
    let number = |text: &String| -> usize { text.parse().expect("a number") };
    let [live, min, max, threads, turns] = [live, min, max, threads, turns].map(number);
    assert!(8 <= min && min <= max, "sizes from a word's");
    let (load, source) = match name.strip_prefix("no_") {
        Some(load) => (load, "nothing"),
        None => (name.as_str(), "heap"),
    };
    let turn: Turn = match (load, source) {
        ("pair", "heap") => pair::<Heap>,
        ("pair", _) => pair::<Nothing>,
        ("replace", "heap") => replace::<Heap>,
        ("replace", _) => replace::<Nothing>,
        ("exchange", "heap") => exchange::<Heap>,
        ("exchange", _) => exchange::<Nothing>,
        _ => panic!("no load is called {name:?}"),
    };
    let growth = max as f64 / min as f64;
    let sizes = (0..SIZES)
        .map(|i| (min as f64 * growth.powf(i as f64 / (SIZES - 1) as f64)) as usize)
        .collect();
    let layout = Layout::array::<AtomicU64>(threads * live).expect("so many blocks");
    // SAFETY: the table is not of size 0, is never freed, and a word of zeros
    // is an AtomicU64; writing it all makes its memory the process's now.
    let table = unsafe {
        let table = System.alloc(layout);
        assert!(!table.is_null(), "out of memory");
        table.write_bytes(0, layout.size());
        std::slice::from_raw_parts(table.cast::<AtomicU64>(), threads * live)
    };
    let load = Load {
        turn: black_box(turn),
        fill: match source {
            "heap" => Load::allocate::<Heap>,
            _ => Load::allocate::<Nothing>,
        },
        is_shared: load == "exchange",
        touch: match touch.as_str() {
            "none" => Touch::None,
            "first" => Touch::First,
            "all" => Touch::All,
            _ => panic!("none, first or all, not {touch:?}"),
        },
        sizes,
        live,
        turns,
        table,
        barrier: Barrier::new(threads + 1),
    };
    let base = status("VmRSS:");
    std::thread::scope(|scope| {
        for number in 0..threads {
            let load = &load;
            scope.spawn(move || thread(load, number));
        }
        load.barrier.wait();
        let filled = Memory::of(&load, base);
        let mut cost = [0.0; 2];
        for _ in 0..3 {
            let cpu = cpu_seconds();
            let began = Instant::now();
            load.barrier.wait();
            load.barrier.wait();
            cost = [began.elapsed().as_secs_f64(), cpu_seconds() - cpu];
            mark();
        }
        let replaced = Memory::of(&load, base);
        let peak = status("VmHWM:");
        println!("operations = {}", 2 * turns * threads);
        println!("seconds = {:.9}\ncpu_seconds = {:.9}", cost[0], cost[1]);
        println!("peak_rss = {peak}");
        filled.print("filled");
        replaced.print("replaced");
        load.barrier.wait();
    });
}

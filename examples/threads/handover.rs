//! The body of the example: generations of threads that hand blocks on.
//!
//! ```text
//!   generation g      thread 0    thread 1   ...  thread 63
//!                          \           \              \ (to 0)
//!   generation g + 1  thread 0    thread 1   ...  thread 63
//! ```

use std::alloc::{GlobalAlloc, Layout};
use std::sync::Mutex;

/// Threads of a generation.
pub(crate) const LANES: usize = 64;
/// Blocks each thread hands on.
const HANDED: usize = 1024;
/// Allocations and frees of one thread: each block handed on is allocated by
/// it and freed by the next, and for each there is one that stays within.
const OPERATIONS: usize = 4 * HANDED;
/// Blocks a thread has for itself at a time.
const OWN: usize = 32;
/// Every so many generations each thread keeps one block for good.
const KEEP: usize = 16;

/// A block with known contents.
struct Block {
    start: *mut u8,
    layout: Layout,
    tag: u64,
}

// SAFETY: a block is plain memory that belongs to whoever holds this.
unsafe impl Send for Block {}

impl Block {
    /// Where the block is stamped: every 64 bytes and at its end.
    fn stamps(&self) -> impl Iterator<Item = *mut u64> {
        let last = self.layout.size() - 8;
        let start = self.start;
        (0..last.saturating_sub(7))
            .step_by(64)
            .chain([last])
            .map(move |at| start.wrapping_add(at).cast())
    }

    fn new(heap: &impl GlobalAlloc, random: &mut Random) -> Block {
        let layout = Layout::from_size_align(random.size(), 8).unwrap();
        // SAFETY: the size is not 0.
        let start = unsafe { heap.alloc(layout) };
        assert!(!start.is_null(), "out of memory");
        let tag = random.next();
        let block = Block { start, layout, tag };
        for stamp in block.stamps() {
            // SAFETY: inside the block.
            unsafe { stamp.write_unaligned(tag) };
        }
        block
    }

    fn free(self, heap: &impl GlobalAlloc) {
        for stamp in self.stamps() {
            // SAFETY: inside the block.
            let found = unsafe { stamp.read_unaligned() };
            assert_eq!(found, self.tag, "contents at {stamp:p} of {:p}", self.start);
        }
        // SAFETY: allocated there with this layout, and given up here.
        unsafe { heap.dealloc(self.start, self.layout) };
    }
}

/// Random numbers that are the same in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Mostly small: 8 bytes to 1 KiB, one in 64 up to 16 KiB, one in 4,096
    /// up to 256 KiB, the smaller the more frequent.
    fn size(&mut self) -> usize {
        let bits = self.next();
        let most = match bits % 4096 {
            0 => 18,
            lot if lot % 64 == 0 => 14,
            _ => 10,
        };
        let top = 3 + (bits >> 16) % (most - 3);
        (1 << top) + (bits >> 32) as usize % (1 << top)
    }
}

/// How much was done.
pub(crate) struct Done {
    pub(crate) operations: usize,
    pub(crate) threads: usize,
}

/// Generations of threads on one heap, and what they hold.
pub(crate) struct Handover<'a, A> {
    heap: &'a A,
    /// What is handed to each lane of the next generation, and the vectors to
    /// put it in: their memory is not part of what is measured.
    now: Vec<Mutex<Vec<Block>>>,
    next: Vec<Mutex<Vec<Block>>>,
    kept: Mutex<Vec<Block>>,
    /// Usable sizes in bytes, by class.
    sizes: [usize; ntheap::BUCKETS],
    seed: u64,
}

impl<'a, A: GlobalAlloc + Sync> Handover<'a, A> {
    pub(crate) fn new(heap: &'a A) -> Self {
        let mailboxes = || {
            (0..LANES)
                .map(|_| Mutex::new(Vec::with_capacity(HANDED)))
                .collect()
        };
        Handover {
            heap,
            now: mailboxes(),
            next: mailboxes(),
            kept: Mutex::new(Vec::with_capacity(1 << 16)),
            sizes: ntheap::stats().buckets.map(|bucket| bucket.size),
            seed: 0,
        }
    }

    /// Runs whole generations until at least `operations` are done.
    pub(crate) fn run(&mut self, operations: usize) -> Done {
        let generations = operations.div_ceil(LANES * OPERATIONS);
        for generation in 0..generations {
            self.seed += 1;
            let this = &*self;
            std::thread::scope(|scope| {
                let mut threads = Vec::with_capacity(LANES);
                for lane in 0..LANES {
                    let keep = generation % KEEP == 0;
                    threads.push(scope.spawn(move || this.live(lane, keep)));
                }
                // Joined one by one: the scope alone does not wait for the
                // ends of their thread-local things.
                for thread in threads {
                    thread.join().unwrap();
                }
            });
            std::mem::swap(&mut self.now, &mut self.next);
        }
        Done {
            operations: generations * LANES * OPERATIONS,
            threads: generations * LANES,
        }
    }

    /// The life of one thread.
    fn live(&self, lane: usize, keep: bool) {
        let mut random = Random::new(self.seed << 16 | lane as u64);
        let mut given = self.now[lane].lock().unwrap();
        let mut handed = self.next[(lane + 1) % LANES].lock().unwrap();
        let mut own: [Option<Block>; OWN] = [const { None }; OWN];
        for _ in 0..HANDED {
            handed.push(Block::new(self.heap, &mut random));
            let at = random.next() as usize % OWN;
            if let Some(block) = own[at].replace(Block::new(self.heap, &mut random)) {
                block.free(self.heap);
            }
            if let Some(block) = given.pop() {
                block.free(self.heap);
            }
        }
        for block in own.into_iter().flatten() {
            block.free(self.heap);
        }
        if keep {
            let mut kept = self.kept.lock().unwrap();
            if kept.len() < kept.capacity() {
                kept.push(Block::new(self.heap, &mut random));
            }
        }
    }

    fn for_each_block(&self, visit: &mut dyn FnMut(&Block)) {
        for mailbox in self.now.iter().chain(&self.next).chain([&self.kept]) {
            mailbox.lock().unwrap().iter().for_each(&mut *visit);
        }
    }

    /// Blocks alive.
    pub(crate) fn blocks(&self) -> usize {
        let mut count = 0;
        self.for_each_block(&mut |_| count += 1);
        count
    }

    /// The sum of their usable sizes in bytes.
    pub(crate) fn usable(&self) -> usize {
        let mut sum = 0;
        self.for_each_block(&mut |block| {
            let wanted = block.layout.size();
            sum += self.sizes.iter().find(|&&size| size >= wanted).unwrap();
        });
        sum
    }

    /// Frees all that is alive.
    pub(crate) fn free(&mut self) {
        for mailbox in self.now.iter().chain(&self.next).chain([&self.kept]) {
            for block in mailbox.lock().unwrap().drain(..) {
                block.free(self.heap);
            }
        }
    }
}

//! A load that takes every path through the heap, and checks all it is given.
//!
//! Any allocation may be refused: refusals are counted and the load goes on.
//! What is held keeps its contents whatever is refused meanwhile.

use super::support::*;
use ntheap::heap::classes::{MAX_BUCKET_SIZE, MAX_CLASS_SIZE};
use std::alloc::Layout;
use std::sync::mpsc;

/// Blocks held at once at most.
const MOST: usize = 4096;

/// Bytes marked at a block's ends.
const EDGE: usize = 32;

/// Bytes without an order, 256 of them again and again.
static PATTERN: [u8; 256 + EDGE] = {
    let mut bytes = [0; 256 + EDGE];
    let mut at = 0;
    while at < bytes.len() {
        let mixed = (at as u64 % 256 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes[at] = (mixed >> 56) as u8;
        at += 1;
    }
    bytes
};

/// The `count` bytes that a block of `tag` holds from `offset` on.
fn expected(tag: u64, offset: usize, count: usize) -> &'static [u8] {
    let start = (tag as usize).wrapping_mul(37).wrapping_add(offset) % 256;
    &PATTERN[start..start + count]
}

/// Where a block is marked, and with how many bytes: both ends, and single bytes so
/// far apart between them that marking a large block costs little.
fn marked(size: usize) -> impl Iterator<Item = (usize, usize)> {
    let edge = size.min(EDGE);
    std::iter::once((0, edge))
        .chain(
            (edge..size - edge)
                .step_by(64 * KIB)
                .map(|offset| (offset, 1)),
        )
        .chain(std::iter::once((size - edge, edge)))
}

/// A block with known contents.
pub(crate) struct Held {
    block: Block,
    tag: u64,
}

impl Held {
    pub(crate) fn new(start: *mut u8, layout: Layout, tag: u64) -> Held {
        assert!(start.addr().is_multiple_of(layout.align()), "{layout:?}");
        for (offset, count) in marked(layout.size()) {
            let mark = expected(tag, offset, count);
            // SAFETY: inside a block that is the caller's, and what it is filled from
            // is none.
            unsafe {
                start
                    .add(offset)
                    .copy_from_nonoverlapping(mark.as_ptr(), count)
            };
        }
        let block = Block { start, layout };
        Held { block, tag }
    }

    /// Checks the contents up to `size` bytes.
    fn check_up_to(&self, size: usize) {
        let Block { start, layout } = self.block;
        for (offset, count) in marked(layout.size()).take_while(|&(offset, _)| offset < size) {
            let count = count.min(size - offset);
            // SAFETY: inside a block that is held.
            let found = unsafe { std::slice::from_raw_parts(start.add(offset), count) };
            let wanted = expected(self.tag, offset, count);
            assert_eq!(found, wanted, "from {offset} on of {layout:?} at {start:p}");
        }
    }

    pub(crate) fn check(&self) {
        self.check_up_to(self.block.layout.size());
    }

    /// Checks and frees.
    pub(crate) fn free(self, face: Face) {
        self.check();
        face.free(self.block.start, self.block.layout);
    }

    /// Resizes; false, and the block as it was, when that is refused.
    pub(crate) fn resize(&mut self, face: Face, size: usize) -> bool {
        let Block { start, layout } = self.block;
        self.check();
        let new = face.reallocate(start, layout, size);
        if new.is_null() {
            return false;
        }
        self.block.start = new;
        let kept = layout.size().min(size);
        self.check_up_to(kept);
        let layout = Layout::from_size_align(size, layout.align()).unwrap();
        *self = Held::new(new, layout, self.tag);
        true
    }
}

/// The load and what it holds.
pub(crate) struct Load {
    face: Face,
    held: Vec<Held>,
    random: Random,
    tags: u64,
    /// Allocations that were refused.
    pub(crate) refused: usize,
}

impl Load {
    /// A load that holds nothing. From here on it takes no memory but the
    /// heap's.
    pub(crate) fn new(face: Face, seed: u64) -> Load {
        Load {
            face,
            held: Vec::with_capacity(MOST),
            random: Random::new(seed),
            tags: seed << 32,
            refused: 0,
        }
    }

    /// Allocates and holds a block, zeroed if so wished.
    fn allocate(&mut self, size: usize, align: usize, zero: bool) {
        let layout = layout(size, align);
        let start = if zero {
            self.face.allocate_zeroed(layout)
        } else {
            self.face.allocate(layout)
        };
        if start.is_null() {
            self.refused += 1;
            return;
        }
        if zero {
            for offset in (0..size).step_by(if size > 4 * KIB { 4001 } else { 61 }) {
                let count = (size - offset).min(61);
                // SAFETY: inside the block just allocated.
                let found = unsafe { std::slice::from_raw_parts(start.add(offset), count) };
                assert_eq!(found, &[0; 61][..count], "{layout:?}");
            }
        }
        self.tags += 1;
        self.held.push(Held::new(start, layout, self.tags));
    }

    fn free_one(&mut self) {
        if !self.held.is_empty() {
            let at = self.random.below(self.held.len());
            self.held.swap_remove(at).free(self.face);
        }
    }

    fn free_down_to(&mut self, count: usize) {
        while self.held.len() > count {
            self.free_one();
        }
    }

    /// A size of any route.
    fn any_size(&mut self) -> usize {
        match self.random.below(16) {
            0..8 => self.random.log_uniform(1, 1024),
            8..12 => self.random.log_uniform(1025, MAX_BUCKET_SIZE),
            12..15 => self.random.log_uniform(MAX_BUCKET_SIZE + 1, MAX_CLASS_SIZE),
            _ => MAX_CLASS_SIZE + 1 + self.random.below(3 * MIB),
        }
    }

    fn small(&mut self) {
        for _ in 0..400 {
            let size = self.random.log_uniform(1, 1024);
            let align = 1 << self.random.below(5);
            self.allocate(size, align, false);
        }
        for _ in 0..100 {
            let size = self.random.log_uniform(1025, MAX_BUCKET_SIZE);
            self.allocate(size, 16, false);
        }
        // Enough of one size for several magazines and subsegments.
        for _ in 0..300 {
            self.allocate(1000, 8, false);
        }
    }

    fn runs_and_large(&mut self) {
        for _ in 0..30 {
            let size = self.random.log_uniform(MAX_BUCKET_SIZE + 1, MAX_CLASS_SIZE);
            self.allocate(size, 16, false);
        }
        for size in [MAX_CLASS_SIZE + 1, 2 * MIB, 2 * MIB + 7, 5 * MIB] {
            self.allocate(size, 16, false);
        }
    }

    fn aligned(&mut self) {
        for shift in 5..=22 {
            let align = 1usize << shift;
            for size in [1, align, align + align / 2] {
                self.allocate(size, align, false);
            }
        }
    }

    fn zeroed(&mut self) {
        // What was freed before is dirty and comes back.
        self.free_down_to(self.held.len() / 2);
        for _ in 0..40 {
            let size = self.any_size();
            self.allocate(size, 16, true);
        }
        self.allocate(3 * MIB, 2 * MIB, true);
    }

    fn resized(&mut self) {
        let mut resize = |held: &mut Held, size: usize| {
            if !held.resize(self.face, size) {
                self.refused += 1;
            }
        };
        let routes = [9, 5000, 40 * KIB, 300 * KIB, 1200 * KIB, 2 * MIB];
        let count = self.held.len();
        for step in 0..routes.len() * 4 {
            let Some(held) = self.held.get_mut(step * 37 % count.max(1)) else {
                return;
            };
            resize(held, routes[step % routes.len()]);
        }
        // From every route to every other, with one block.
        if let Some(held) = self.held.first_mut() {
            for (at, one) in routes.into_iter().enumerate() {
                for other in routes.into_iter().skip(at + 1) {
                    resize(held, one);
                    resize(held, other);
                }
            }
            resize(held, 50);
        }
    }

    fn churn(&mut self) {
        for _ in 0..800 {
            if self.held.len() < 200 || (self.random.below(2) == 0 && self.held.len() < MOST / 2) {
                let size = self.random.log_uniform(1, 4096);
                self.allocate(size, 8, false);
            } else {
                self.free_one();
            }
        }
    }

    /// Threads are born, take from each other, and end.
    fn threads(&mut self) {
        let face = self.face;
        let mut others = Vec::new();
        let (give, mut take) = mpsc::channel::<Held>();
        for held in self
            .held
            .split_off(self.held.len() - self.held.len().min(100))
        {
            give.send(held).unwrap();
        }
        drop(give);
        for number in 0..5u64 {
            let (next_give, next_take) = mpsc::channel();
            let input = std::mem::replace(&mut take, next_take);
            let seed = self.tags + number;
            others.push(std::thread::spawn(move || {
                let mut own = Load::new(face, seed);
                for _ in 0..150 {
                    let size = own.random.log_uniform(1, 20 * KIB);
                    let zero = own.random.below(4) == 0;
                    own.allocate(size, 8, zero);
                }
                for held in input {
                    held.free(face);
                }
                let half = own.held.len() / 2;
                for held in own.held.split_off(half) {
                    next_give.send(held).unwrap();
                }
                own.free_down_to(0);
                own.refused
            }));
        }
        for held in take {
            held.free(face);
        }
        for other in others {
            self.refused += other.join().unwrap();
        }
    }

    /// The whole load; at its end nothing is held.
    pub(crate) fn run(&mut self, with_threads: bool) {
        self.small();
        self.runs_and_large();
        self.aligned();
        self.zeroed();
        self.resized();
        self.churn();
        if with_threads {
            self.threads();
        }
        self.face.purge();
        self.small();
        self.free_down_to(0);
    }

    /// A part of the load that takes every route once.
    pub(crate) fn run_briefly(&mut self) {
        for _ in 0..60 {
            let size = self.any_size();
            let zero = self.random.below(4) == 0;
            self.allocate(size, 8, zero);
        }
        self.free_down_to(0);
    }

    /// Allocates blocks of `size` until one is refused or `most` bytes are
    /// held; returns how many that were, and frees them.
    pub(crate) fn exhaust(&mut self, size: usize, most: usize) -> usize {
        let before = self.refused;
        let start = self.held.len();
        while self.refused == before && self.held.len() < MOST {
            if (self.held.len() - start) * size >= most {
                break;
            }
            self.allocate(size, 8, false);
        }
        let count = self.held.len() - start;
        self.refused = before;
        self.free_down_to(start);
        count
    }
}

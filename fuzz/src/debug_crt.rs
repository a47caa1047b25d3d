//! The debug runtime: blocks with fences and numbers, and what checkpoints say of them.

use crate::blocks::{at, below};
use crate::turn;
use arbitrary::Unstructured;
use ntheap::crt::Crt;
use ntheap::crt::debug::block::NEW;
use ntheap::crt::debug::kind::{
    CLIENT_BLOCK, CRT_BLOCK, IGNORE_BLOCK, NORMAL_BLOCK, UNKNOWN_BLOCK,
};
use ntheap::crt::debug::{DebugHeap, Origin, State};

static HEAP: DebugHeap = {
    static RUNTIME: Crt = Crt::private("fuzzed debug");
    DebugHeap::on(&RUNTIME)
};

/// Operations of one input at most.
const MAX_OPERATIONS: usize = 300;
const MAX_BLOCKS: usize = 200;

/// A block that should be in the list.
struct Block {
    address: usize,
    contents: Vec<u8>,
    block_use: i32,
    line: i32,
}

#[derive(Default)]
struct Model {
    blocks: Vec<Block>,
}

fn kind(input: &mut Unstructured<'_>) -> i32 {
    match below(input, 5) {
        0 => CRT_BLOCK,
        1 => IGNORE_BLOCK,
        2 => CLIENT_BLOCK | (below(input, 100) as i32) << 16,
        _ => NORMAL_BLOCK,
    }
}

fn size(input: &mut Unstructured<'_>) -> usize {
    match below(input, 20) {
        0 => 0,
        1 => below(input, 100_000),
        _ => below(input, 200),
    }
}

/// The bytes of a block.
fn bytes<'b>(address: usize, count: usize) -> &'b [u8] {
    // SAFETY: the model's block, kept or alive, of so many bytes; nobody writes to it
    // while this is looked at.
    unsafe { std::slice::from_raw_parts(at(address), count) }
}

impl Model {
    fn pick(&self, input: &mut Unstructured<'_>) -> Option<usize> {
        let nth = below(input, self.blocks.len().max(1));
        (nth < self.blocks.len()).then_some(nth)
    }

    fn allocate(&mut self, input: &mut Unstructured<'_>) {
        if self.blocks.len() >= MAX_BLOCKS {
            return;
        }
        let (block_use, size, line) = (kind(input), size(input), below(input, 10_000) as i32);
        let zero = below(input, 2) == 0;
        let origin = Origin::new(c"fuzzed.rs", line);
        let block = if zero {
            HEAP.allocate_zeroed(1, size, block_use, origin)
        } else {
            HEAP.allocate(size, block_use, origin)
        };
        assert!(!block.is_null());
        assert_eq!(block.addr() % 16, 0);
        self.blocks.push(Block {
            address: block.expose_provenance(),
            contents: vec![if zero { 0 } else { NEW }; size],
            block_use,
            line,
        });
    }

    fn free(&mut self, input: &mut Unstructured<'_>) {
        if let Some(nth) = self.pick(input) {
            let block = self.blocks.remove(nth);
            // SAFETY: the model has forgotten the block.
            unsafe { HEAP.free(at(block.address), block.block_use) };
        }
    }

    fn resize(&mut self, input: &mut Unstructured<'_>) {
        let Some(nth) = self.pick(input) else {
            return;
        };
        let (size, line) = (size(input).max(1), below(input, 10_000) as i32);
        let (address, block_use) = (self.blocks[nth].address, self.blocks[nth].block_use);
        let zero = below(input, 2) == 0;
        let origin = Origin::new(c"fuzzed.rs", line);
        // SAFETY: the model forgets the old address.
        let new = unsafe {
            if zero {
                HEAP.reallocate_zeroed(at(address), size, 1, block_use, origin)
            } else {
                HEAP.reallocate(at(address), size, block_use, origin)
            }
        };
        assert!(!new.is_null());
        let mut contents = self.blocks[nth].contents.clone();
        contents.resize(size, if zero { 0 } else { NEW });
        self.blocks.remove(nth);
        self.blocks.push(Block {
            address: new.expose_provenance(),
            contents,
            block_use,
            line,
        });
    }

    fn write(&mut self, input: &mut Unstructured<'_>) {
        let seed = below(input, 256) as u8;
        if let Some(nth) = self.pick(input) {
            let block = &mut self.blocks[nth];
            for (place, byte) in block.contents.iter_mut().enumerate() {
                *byte = seed.wrapping_add((place * 31) as u8);
            }
            // SAFETY: the block has so many bytes.
            unsafe {
                let from = block.contents.as_ptr();
                at(block.address).copy_from_nonoverlapping(from, block.contents.len());
            }
        }
    }

    /// All that is said is what should be.
    fn check(&self) {
        assert!(HEAP.check());
        let state = HEAP.checkpoint();
        let mut expected = State::EMPTY;
        for block in &self.blocks {
            let kind = (block.block_use & 0xffff) as usize;
            expected.counts[kind] += 1;
            expected.sizes[kind] += block.contents.len();
            assert_eq!(bytes(block.address, block.contents.len()), block.contents);
            let known = HEAP.block_at(at(block.address)).expect("a block");
            assert_eq!(known.size, block.contents.len());
            assert_eq!(known.block_use, block.block_use);
            assert_eq!(known.origin.line(), block.line);
        }
        assert_eq!(state.counts, expected.counts);
        assert_eq!(state.sizes, expected.sizes);
        assert!(state.highest >= expected.sizes.iter().sum::<usize>() - expected.sizes[0]);
    }
}

/// Performs the operations that `data` encodes and checks the answers.
///
/// # Panics
/// Whenever an answer is wrong.
pub fn run(data: &[u8]) {
    let _turn = turn();
    let mut input = Unstructured::new(data);
    let input = &mut input;
    let mut model = Model::default();
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        match below(input, 16) {
            0..=6 => model.allocate(input),
            7..=10 => model.free(input),
            11 | 12 => model.resize(input),
            13 | 14 => model.write(input),
            _ => model.check(),
        }
    }
    model.check();
    for block in &model.blocks {
        // SAFETY: the model is used no more.
        unsafe { HEAP.free(at(block.address), UNKNOWN_BLOCK) };
    }
    assert_eq!(HEAP.checkpoint().counts, State::EMPTY.counts);
}

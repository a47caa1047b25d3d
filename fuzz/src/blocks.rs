//! Blocks alive, for the targets that need no more of a model: no two overlap, and
//! their contents stay.
//!
//! With the feature `asan` the bytes of every block are poisoned while nobody here looks
//! at them: a heap that touches a block it was not asked about is caught at it.

use crate::pattern;
use crate::poison::{poison, unpoison};
use arbitrary::Unstructured;
use std::collections::BTreeMap;

/// A block alive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) address: usize,
    pub(crate) size: usize,
    seed: u32,
}

/// The blocks alive, by address.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    all: BTreeMap<usize, (usize, u32)>,
    seeds: u32,
    /// Their bytes.
    pub(crate) bytes: usize,
}

/// A number below `limit`, which is not 0.
pub(crate) fn below(input: &mut Unstructured<'_>, limit: usize) -> usize {
    input.int_in_range(0..=limit - 1).unwrap_or(0)
}

pub(crate) fn at(address: usize) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(address)
}

impl Blocks {
    /// Enters a new block and fills it.
    ///
    /// # Panics
    /// When it overlaps another.
    pub(crate) fn enter(&mut self, address: usize, size: usize) {
        // A block of no bytes has a place of its own all the same.
        let end = address + size.max(1);
        if let Some((&before, &(bytes, _))) = self.all.range(..end).next_back() {
            assert!(
                before + bytes.max(1) <= address,
                "{address:#x}+{size:#x} overlaps {before:#x}+{bytes:#x}"
            );
        }
        self.seeds += 1;
        self.bytes += size;
        self.all.insert(address, (size, self.seeds));
        // SAFETY: the block was just handed out, with so many bytes.
        unsafe {
            pattern::fill(at(address), size, self.seeds);
            poison(address, size);
        }
    }

    /// Asserts that the first `kept` bytes at `address` are the block's, which may have
    /// moved there.
    pub(crate) fn verify(&self, block: Block, address: usize, kept: usize) {
        // SAFETY: the block is alive, with at least so many bytes.
        unsafe {
            unpoison(address, kept);
            pattern::verify(at(address), block.size, kept, block.seed);
        }
    }

    /// One of the blocks, whose bytes can be used until it is entered again or
    /// [`Blocks::put_back`].
    pub(crate) fn take(&mut self, input: &mut Unstructured<'_>) -> Option<Block> {
        let nth = below(input, self.all.len().max(1));
        let (&address, &(size, seed)) = self.all.iter().nth(nth)?;
        let block = Block {
            address,
            size,
            seed,
        };
        self.verify(block, address, size);
        self.all.remove(&address);
        self.bytes -= size;
        Some(block)
    }

    /// Puts a block back that stayed as it was.
    pub(crate) fn put_back(&mut self, block: Block) {
        self.verify(block, block.address, block.size);
        poison(block.address, block.size);
        self.bytes += block.size;
        self.all.insert(block.address, (block.size, block.seed));
    }

    /// The addresses and sizes.
    pub(crate) fn sizes(&self) -> BTreeMap<usize, usize> {
        let pairs = self
            .all
            .iter()
            .map(|(&address, &(size, _))| (address, size));
        pairs.collect()
    }

    /// Takes all blocks, checked.
    pub(crate) fn take_all(&mut self) -> Vec<Block> {
        self.bytes = 0;
        let all = std::mem::take(&mut self.all);
        let blocks = all.into_iter().map(|(address, (size, seed))| Block {
            address,
            size,
            seed,
        });
        let blocks: Vec<Block> = blocks.collect();
        for &block in &blocks {
            self.verify(block, block.address, block.size);
        }
        blocks
    }
}

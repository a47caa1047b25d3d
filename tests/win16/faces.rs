//! Both heaps behind one trait, for the model.

use ntheap::win16::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// What the global heap and local heaps have in common.
pub(crate) trait Heap {
    type Block: Copy + Eq + std::fmt::Debug;
    type Guard<'h>: std::ops::Deref<Target: AsBytes>
    where
        Self: 'h;
    /// Whether `compact` moves blocks before it looks for room, rather than after.
    const MOVES_FIRST: bool;

    fn alloc(&self, flags: Flags, size: u32) -> Result<Self::Block, Error>;
    fn realloc(&self, block: Self::Block, size: u32, flags: Flags) -> Result<Self::Block, Error>;
    fn free(&self, block: Self::Block) -> Result<(), Error>;
    fn lock(&self, block: Self::Block) -> Result<Self::Guard<'_>, Error>;
    fn discard(&self, block: Self::Block) -> Result<(), Error>;
    fn compact(&self, wanted: u32) -> Result<u32, Error>;
    fn size_of(&self, block: Self::Block) -> u32;
    fn flags(&self, block: Self::Block) -> BlockFlags;
    fn address(&self, block: Self::Block) -> u32;
    fn snapshot(&self) -> Snapshot;
    fn validate(&self) -> bool;
    fn free_bytes(&self) -> u32;
    fn figures(&self) -> Figures;
    /// Global heaps only: pins without a guard, and the order of discarding.
    fn fix(&self, block: Self::Block, on: bool) -> bool;
    fn lru(&self, block: Self::Block, newest: bool) -> bool;
    /// Whether the next question about this block is answered by no.
    fn refuse(&self, block: Self::Block, refuse: bool) -> bool;
}

pub(crate) trait AsBytes {
    fn as_bytes(&self) -> &[Cell<u8>];
}

impl AsBytes for [Cell<u8>] {
    fn as_bytes(&self) -> &[Cell<u8>] {
        self
    }
}

impl AsBytes for Locked<'_> {
    fn as_bytes(&self) -> &[Cell<u8>] {
        self
    }
}

/// The functions that have one name in both.
macro_rules! common {
    () => {
        fn alloc(&self, flags: Flags, size: u32) -> Result<Self::Block, Error> {
            self.heap.alloc(flags, size)
        }
        fn realloc(
            &self,
            block: Self::Block,
            size: u32,
            flags: Flags,
        ) -> Result<Self::Block, Error> {
            self.heap.realloc(block, size, flags)
        }
        fn free(&self, block: Self::Block) -> Result<(), Error> {
            self.heap.free(block)
        }
        fn lock(&self, block: Self::Block) -> Result<Self::Guard<'_>, Error> {
            self.heap.lock(block)
        }
        fn discard(&self, block: Self::Block) -> Result<(), Error> {
            self.heap.discard(block)
        }
        fn compact(&self, wanted: u32) -> Result<u32, Error> {
            self.heap.compact(wanted)
        }
        fn size_of(&self, block: Self::Block) -> u32 {
            self.heap.size_of(block).unwrap()
        }
        fn flags(&self, block: Self::Block) -> BlockFlags {
            self.heap.flags(block).unwrap()
        }
        fn snapshot(&self) -> Snapshot {
            self.heap.snapshot().unwrap()
        }
        fn validate(&self) -> bool {
            self.heap.validate()
        }
        fn free_bytes(&self) -> u32 {
            self.heap.free_bytes()
        }
        fn figures(&self) -> Figures {
            self.heap.figures()
        }
    };
}

/// The global heap, and the blocks that its owner keeps.
pub(crate) struct Global<'a> {
    pub(crate) heap: GlobalHeap<'a>,
    pub(crate) refused: &'a RefCell<BTreeSet<u16>>,
}

impl Heap for Global<'_> {
    type Block = HGlobal;
    type Guard<'h>
        = Locked<'h>
    where
        Self: 'h;
    const MOVES_FIRST: bool = true;
    common!();

    fn address(&self, block: HGlobal) -> u32 {
        self.heap.address(block).unwrap()
    }

    fn fix(&self, block: HGlobal, on: bool) -> bool {
        let done = if on {
            self.heap.fix(block)
        } else {
            self.heap.unfix(block)
        };
        done.is_ok()
    }

    fn lru(&self, block: HGlobal, newest: bool) -> bool {
        let done = if newest {
            self.heap.lru_newest(block)
        } else {
            self.heap.lru_oldest(block)
        };
        done.is_ok()
    }

    fn refuse(&self, block: HGlobal, refuse: bool) -> bool {
        if refuse {
            self.refused.borrow_mut().insert(block.number());
        } else {
            self.refused.borrow_mut().remove(&block.number());
        }
        true
    }
}

/// A local heap.
pub(crate) struct Local<'g> {
    pub(crate) heap: LocalHeap<'g, 'g>,
}

impl Heap for Local<'_> {
    type Block = HLocal;
    type Guard<'h>
        = LocalLocked<'h>
    where
        Self: 'h;
    const MOVES_FIRST: bool = false;
    common!();

    fn address(&self, block: HLocal) -> u32 {
        self.heap.near(block).unwrap().into()
    }

    fn fix(&self, _: HLocal, _: bool) -> bool {
        false
    }

    fn lru(&self, _: HLocal, _: bool) -> bool {
        false
    }

    fn refuse(&self, _: HLocal, _: bool) -> bool {
        false
    }
}

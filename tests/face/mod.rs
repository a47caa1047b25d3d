//! The entrances to the process heap that Rust programs have, for tests that try both. The
//! test names its `CONFIG`, which the entrances begin with.

#![allow(dead_code, reason = "each test uses a part of them")]

use crate::CONFIG;
use ntheap::heap::{Word, checked, plain};
use std::alloc::Layout;

thread_local! {
    pub(crate) static PLAIN: Word = const { Word::new() };
    pub(crate) static CHECKED: Word = const { Word::new() };
}

/// An entrance to the process heap; a process uses one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// What release builds of Rust programs use.
    Plain,
    /// What C and debug builds use.
    Checked,
}

pub(crate) const FACES: [Face; 2] = [Face::Plain, Face::Checked];

impl Face {
    /// A block, which the heap must have.
    pub(crate) fn allocate(self, layout: Layout, is_zero: bool) -> *mut u8 {
        // SAFETY: the words are this thread's own.
        let block = unsafe {
            match (self, is_zero) {
                (Face::Plain, false) => PLAIN.with(|word| plain::allocate(word, &CONFIG, layout)),
                (Face::Plain, true) => {
                    PLAIN.with(|word| plain::allocate_zeroed(word, &CONFIG, layout))
                }
                (Face::Checked, _) => {
                    CHECKED.with(|word| checked::allocate_layout(word, &CONFIG, layout, is_zero))
                }
            }
        };
        assert!(!block.is_null());
        assert_eq!(block.addr() % layout.align(), 0);
        block
    }

    /// The block with another size, which the heap must have room for.
    pub(crate) fn reallocate(self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the words are this thread's own; the callers give the block up.
        let block = unsafe {
            match self {
                Face::Plain => {
                    PLAIN.with(|word| plain::reallocate(word, &CONFIG, block, layout, size))
                }
                Face::Checked => CHECKED
                    .with(|word| checked::reallocate_layout(word, &CONFIG, block, layout, size)),
            }
        };
        assert!(!block.is_null());
        block
    }

    /// Frees a block; the tests that do so twice expect to be told.
    pub(crate) fn free(self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe {
            match self {
                Face::Plain => PLAIN.with(|word| plain::free(word, block, layout)),
                Face::Checked => CHECKED.with(|word| checked::free_layout(word, block, layout)),
            }
        }
    }

    pub(crate) fn purge(self) {
        match self {
            Face::Plain => PLAIN.with(plain::purge),
            Face::Checked => CHECKED.with(checked::purge),
        }
    }
}

pub(crate) fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

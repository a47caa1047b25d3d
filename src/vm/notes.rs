//! A bit for each page of a region, in memory beside it.

use super::Use;
use crate::vm;
use core::sync::atomic::{AtomicU64, Ordering};

/// The bits of a region's pages. Its owner frees them when the region ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notes {
    /// Where they lie; 0 where there are none.
    words: usize,
}

const BITS: usize = 64;

fn bytes_of(pages: usize) -> usize {
    let words = pages.div_ceil(BITS) * size_of::<u64>();
    vm::round_to_pages(words).unwrap_or(usize::MAX)
}

impl Notes {
    pub(crate) const NONE: Notes = Notes { words: 0 };

    /// Bits that are 0 for so many pages; `None` without memory for them.
    pub(crate) fn new(pages: usize) -> Option<Notes> {
        let words = vm::allocate(Use::Metadata, bytes_of(pages));
        (!words.is_null()).then(|| Notes {
            words: words.expose_provenance(),
        })
    }

    pub(crate) const fn is_none(self) -> bool {
        self.words == 0
    }

    /// Ends bits of `new(pages)`. Nobody uses copies of them afterwards.
    pub(crate) fn free(self, pages: usize) {
        if !self.is_none() {
            let (base, bytes) = (
                core::ptr::with_exposed_provenance_mut(self.words),
                bytes_of(pages),
            );
            // SAFETY: the region is that of `new`, whole, and the caller was the
            // last to use it.
            unsafe { vm::give_back(Use::Metadata, base, bytes, bytes) };
        }
    }

    fn word(self, page: usize) -> Option<(&'static AtomicU64, u64)> {
        if self.is_none() {
            return None;
        }
        let words = core::ptr::with_exposed_provenance::<AtomicU64>(self.words);
        // SAFETY: callers ask for pages of the region only, each of which has a
        // bit, and not after `free`.
        let word = unsafe { &*words.wrapping_add(page / BITS) };
        Some((word, 1 << (page % BITS)))
    }

    pub(crate) fn set(self, page: usize) {
        if let Some((word, bit)) = self.word(page) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    pub(crate) fn clear(self, page: usize) {
        if let Some((word, bit)) = self.word(page) {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// Whether a page's bit is 1.
    #[cfg(windows)]
    pub(crate) fn is_set(self, page: usize) -> bool {
        self.word(page)
            .is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Clears the bits of `[from, to)`.
    pub(crate) fn clear_all(self, from: usize, to: usize) {
        let mut next = from;
        while let Some(page) = self.first(next, to) {
            self.clear(page);
            next = page + 1;
        }
    }

    /// The first page of `[from, to)` whose bit is 1.
    pub(crate) fn first(self, from: usize, to: usize) -> Option<usize> {
        let mut page = from;
        while page < to {
            let (word, bit) = self.word(page)?;
            let rest = word.load(Ordering::Relaxed) & !(bit - 1);
            if rest != 0 {
                let found = page / BITS * BITS + rest.trailing_zeros() as usize;
                return (found < to).then_some(found);
            }
            page = (page / BITS + 1) * BITS;
        }
        None
    }
}

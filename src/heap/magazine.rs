//! Magazines: fixed stacks of free blocks of one class, moved whole.
//!
//! ```text
//!   | next | null | entry 0 | entry 1 | ... | entry 125 |   128 words
//!   | unused      | key 0   | key 1   | ... | key 125   |   128 more (checked)
//! ```
//!
//! The null word below the first entry ends every pop: a stack pointer that
//! stands at entry 0 reads it and sees that the magazine is empty. In a
//! checked front end each entry has the key of its block's mark 128 words
//! further on, so that handing the block out costs one store and no look-up.
//!
//! Only the smallest classes have magazines of this size: their blocks are gone
//! soonest. The others' are half a one, of 62 entries, at the same distance from
//! their keys:
//!
//! ```text
//!   | next | null | entries 0 to 61 | next | null | entries 0 to 61 |
//!   | unused      | keys            | unused      | keys            |
//! ```

/// Entries of a large magazine.
pub(crate) const ENTRIES: usize = 126;
/// Entries of a small one.
pub(crate) const SMALL_ENTRIES: usize = 62;
/// Distance from an entry to its mark's key, in words.
pub(crate) const MARKS: usize = 128;
/// The last class that has large magazines.
const LAST_LARGE: usize = 8;

/// Whether magazines of `class` are large.
#[inline]
pub(crate) const fn is_large(class: usize) -> bool {
    class <= LAST_LARGE
}

/// Entries of a magazine of `class`.
#[inline]
pub(crate) const fn entries_of(class: usize) -> usize {
    if is_large(class) {
        ENTRIES
    } else {
        SMALL_ENTRIES
    }
}

/// One word of a magazine: a block's address, or its mark's key.
pub(crate) type Entry = *mut u8;

/// A magazine's first words. Entries are reached by pointers past them.
#[repr(C)]
pub(crate) struct Magazine {
    pub(super) next: *mut Magazine,
    pub(super) floor: *mut u8,
}

impl Magazine {
    /// The first entry's place.
    #[inline]
    pub(crate) fn first(this: *mut Magazine) -> *mut Entry {
        this.cast::<Entry>().wrapping_add(2)
    }
}

/// A stack of full magazines of one class, for whichever thread runs dry.
pub(super) struct Depot {
    pub(super) head: *mut Magazine,
    /// Blocks in its magazines.
    pub(super) blocks: usize,
}

impl Depot {
    pub(super) const fn new() -> Self {
        Depot {
            head: core::ptr::null_mut(),
            blocks: 0,
        }
    }

    /// Adds a magazine with `count` blocks.
    ///
    /// # Safety
    /// The magazine is the caller's to give, holds `count` entries, and all
    /// magazines of one depot are of one pool.
    pub(super) unsafe fn push(&mut self, magazine: *mut Magazine, count: usize) {
        // SAFETY: the magazine is the depot's now; its floor word carries the
        // count until it is taken out, for the next word is its link.
        unsafe {
            (*magazine).next = self.head;
            (*magazine).floor = core::ptr::without_provenance_mut(count);
        }
        self.head = magazine;
        self.blocks += count;
    }

    /// Takes a magazine and the number of its blocks.
    pub(super) fn pop(&mut self) -> Option<(*mut Magazine, usize)> {
        let magazine = self.head;
        if magazine.is_null() {
            return None;
        }
        // SAFETY: the depot owns its magazines; `push` left the link and the
        // count in them, and the floor must read null again outside.
        let count = unsafe {
            self.head = (*magazine).next;
            let count = (*magazine).floor.addr();
            (*magazine).floor = core::ptr::null_mut();
            count
        };
        self.blocks -= count;
        Some((magazine, count))
    }
}

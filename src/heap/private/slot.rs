//! A slot: free blocks of one bucket, at hand behind a lock of one word.
//!
//! ```text
//!   | lock | top | limit |   | null | block 0 | block 1 | ... | 64 words
//!                            | -    | key 0   | key 1   | ... | 128 further
//! ```
//!
//! A bucket has a few slots, and a thread goes to the one that its number
//! leads to (slots.rs); finding it taken, to another. So nobody waits for a thread
//! that was stopped in the middle, and two threads seldom meet. Nothing is done
//! under the lock but a pop or a push, or an exchange with the bucket's free
//! bits. The null word below the first block ends every pop.

use crate::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use core::cell::Cell;
use core::ptr;

/// Blocks a slot can hold.
pub(crate) const CAPACITY: usize = 62;
/// Distance from a block to its mark's key, in words: the bucket's free bits
/// are written into slots as into magazines.
pub(crate) const KEYS: usize = 128;
/// Words of a slot.
pub(crate) const WORDS: usize = KEYS + CAPACITY + 2;

/// One word of a slot: a block's address, or its mark's key.
pub(crate) type Word = *mut u8;

/// A slot. Constant size, so that its memory can be used again for another.
#[repr(C, align(64))]
pub(crate) struct Slot {
    taken: AtomicU32,
    /// The number of the threads that it is for; the first slot's is another's
    /// matter.
    pub(crate) shard: u8,
    /// Where the next block is put. Written by the lock's holder; others may
    /// read it, to count.
    top: AtomicPtr<Word>,
    /// Where the slot is full.
    limit: Cell<*mut Word>,
    /// The slot's words.
    words: *mut Word,
}

// SAFETY: `limit` and the words belong to the lock's holder.
unsafe impl Sync for Slot {}

impl Slot {
    /// An empty slot with room for `room` blocks.
    ///
    /// # Safety
    /// `words` is [`WORDS`] words of zero, the slot's alone.
    #[cfg(not(ntheap_model))]
    pub(crate) const unsafe fn new(words: *mut Word, shard: u8, room: usize) -> Self {
        let room = if room < CAPACITY { room } else { CAPACITY };
        Slot {
            taken: AtomicU32::new(0),
            shard,
            top: AtomicPtr::new(words.wrapping_add(1)),
            limit: Cell::new(words.wrapping_add(1 + room)),
            words,
        }
    }

    /// A slot whose lock nobody can take: what a thread finds that has none yet.
    #[cfg(not(ntheap_model))]
    pub(crate) const fn nobodys() -> Self {
        Slot {
            taken: AtomicU32::new(1),
            shard: 0,
            top: AtomicPtr::new(ptr::null_mut()),
            limit: Cell::new(ptr::null_mut()),
            words: ptr::null_mut(),
        }
    }

    /// [`Slot::new`] of the models.
    ///
    /// # Safety
    /// As there.
    #[cfg(ntheap_model)]
    pub(crate) unsafe fn new(words: *mut Word, shard: u8, room: usize) -> Self {
        Slot {
            taken: AtomicU32::new(0),
            shard,
            top: AtomicPtr::new(words.wrapping_add(1)),
            limit: Cell::new(words.wrapping_add(1 + room.min(CAPACITY))),
            words,
        }
    }

    /// Takes the lock if nobody has it.
    #[inline(always)]
    pub(crate) fn try_acquire(&self) -> bool {
        self.taken.fetch_or(1, Ordering::Acquire) & 1 == 0
    }

    /// Gives the lock back.
    #[inline(always)]
    pub(crate) fn release(&self) {
        self.taken.store(0, Ordering::Release);
    }

    /// Takes the newest block; null when there is none. Its key's place is
    /// told to `mark` before it is off the stack.
    ///
    /// # Safety
    /// The caller holds the lock, or the slot is one thread's.
    #[inline(always)]
    pub(crate) unsafe fn pop(&self, mark: impl FnOnce(Word)) -> Word {
        let below = self.top.load(Ordering::Relaxed).wrapping_sub(1);
        // SAFETY: the top lies above the null word at least.
        unsafe {
            let block = below.read();
            if !block.is_null() {
                mark(below.add(KEYS).read());
                self.move_top(1usize.wrapping_neg());
            }
            block
        }
    }

    /// Puts a block on the stack; false, and nothing done, when it is full.
    ///
    /// # Safety
    /// As for [`Slot::pop`]; the block is the caller's to give.
    #[inline(always)]
    pub(crate) unsafe fn push(&self, block: Word, key: Word) -> bool {
        let top = self.top.load(Ordering::Relaxed);
        if top == self.limit.get() {
            return false;
        }
        // SAFETY: below the limit, the slot has room.
        unsafe {
            top.write(block);
            top.add(KEYS).write(key);
        }
        self.move_top(1);
        true
    }

    /// Moves the top by so many words. It is read again for that: one
    /// instruction does it in memory.
    #[inline(always)]
    fn move_top(&self, words: usize) {
        let top = self.top.load(Ordering::Relaxed);
        self.top.store(top.wrapping_add(words), Ordering::Relaxed);
    }

    /// Where the first block lies.
    pub(crate) fn first(&self) -> *mut Word {
        self.words.wrapping_add(1)
    }

    /// The blocks at hand; from a thread that does not hold the lock, roughly.
    pub(crate) fn count(&self) -> usize {
        let bytes = self.top.load(Ordering::Relaxed).addr() - self.first().addr();
        bytes / size_of::<Word>()
    }

    /// The room for blocks, filled or not.
    pub(crate) fn room(&self) -> usize {
        (self.limit.get().addr() - self.first().addr()) / size_of::<Word>()
    }

    /// Makes room for so many blocks, which are no fewer than there are.
    pub(crate) fn set_room(&self, room: usize) {
        self.limit
            .set(self.first().wrapping_add(room.min(CAPACITY)));
    }

    /// Says that `count` blocks lie in the slot, from the first word on.
    pub(crate) fn set_count(&self, count: usize) {
        self.top.store(
            self.first().wrapping_add(count.min(CAPACITY)),
            Ordering::Relaxed,
        );
    }

    /// Forgets the oldest `count` blocks; the others move down.
    ///
    /// # Safety
    /// The caller holds the lock, and there are that many.
    pub(crate) unsafe fn drop_oldest(&self, count: usize) {
        let left = self.count().saturating_sub(count);
        let first = self.first();
        // SAFETY: blocks and keys below the top are the slot's.
        unsafe {
            ptr::copy(first.add(count), first, left);
            ptr::copy(first.add(KEYS + count), first.add(KEYS), left);
        }
        self.set_count(left);
    }
}

//! An entry of the handle table: a word, and where the data is.
//!
//! ```text
//!   bit  0        1          2             3       15       16..23
//!        in use | moveable | discardable | empty | shared | locks
//! ```
//!
//! The word of a free entry is the address of the next one: its low bits are 0.
//! Locks are counted in the word itself, up to 255, where the count stays. Who
//! gives the handle other data, or other attributes, clears bit 0 alone first, and
//! ends it with the new word; meanwhile nobody else changes the entry.

use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The entry is a handle's.
pub(crate) const IN_USE: usize = 0x1;
/// The handle is moveable: all are.
pub(crate) const MOVEABLE: usize = 0x2;
/// The block may be discarded.
pub(crate) const DISCARDABLE: usize = 0x4;
/// There is no block: discarded, or of size 0.
pub(crate) const EMPTY: usize = 0x8;
/// GMEM_DDESHARE.
pub(crate) const SHARED: usize = 0x8000;
/// One lock.
pub(crate) const LOCK: usize = 0x1_0000;
/// All that are counted.
pub(crate) const LOCKS: usize = 0xff * LOCK;
/// What one lock more than those sets.
const TOO_MANY: usize = 0x100 * LOCK;

/// Why a call did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The entry is free.
    Free,
    /// Another call is changing it.
    Changing,
    /// There is no block to lock.
    Empty,
    /// It is not locked.
    NotLocked,
    /// Another thread came between.
    Raced,
}

/// An entry.
#[repr(C, align(16))]
pub(crate) struct Entry {
    word: AtomicUsize,
    data: AtomicPtr<u8>,
}

const _: () = assert!(cfg!(ntheap_model) || size_of::<Entry>() == 16);

impl Entry {
    /// A free entry.
    #[cfg(ntheap_model)]
    pub(crate) fn new() -> Self {
        Entry {
            word: AtomicUsize::new(0),
            data: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// The word of a live handle that nobody is changing.
    pub(crate) fn word(&self) -> Result<usize, Why> {
        let word = self.word.load(Ordering::Acquire);
        if word & IN_USE == 0 {
            return Err(why_not(word));
        }
        Ok(word)
    }

    /// Where the data is; null of an empty handle and a free entry.
    #[inline(always)]
    pub(crate) fn data(&self) -> *mut u8 {
        self.data.load(Ordering::Relaxed)
    }

    /// Where the next free entry is, of a free one.
    #[inline(always)]
    pub(crate) fn link(&self) -> usize {
        self.word.load(Ordering::Relaxed)
    }

    /// Writes where the next free entry is.
    #[inline(always)]
    pub(crate) fn set_link(&self, address: usize) {
        self.word.store(address, Ordering::Relaxed);
    }

    /// Makes a free entry, which is the caller's, a handle's.
    #[inline(always)]
    pub(crate) fn open(&self, word: usize, data: *mut u8) {
        self.data.store(data, Ordering::Relaxed);
        self.word.store(word, Ordering::Release);
    }

    /// [`Entry::try_lock`] in the usual case, else `None`.
    #[inline(always)]
    pub(crate) fn lock_at_hand(&self) -> Option<*mut u8> {
        let word = self.word.load(Ordering::Relaxed);
        let more = word.wrapping_add(LOCK);
        if more & (IN_USE | EMPTY | TOO_MANY) != IN_USE {
            return None;
        }
        self.exchange(word, more).ok()?;
        Some(self.data())
    }

    /// [`Entry::try_unlock`] in the usual case, else `None`.
    #[inline(always)]
    pub(crate) fn unlock_at_hand(&self) -> Option<bool> {
        let word = self.word.load(Ordering::Relaxed);
        let less = word.wrapping_sub(LOCK);
        // Without a lock to take, all bits above are set.
        if less & (IN_USE | TOO_MANY) != IN_USE {
            return None;
        }
        self.exchange(word, less).ok()?;
        Some(less & LOCKS != 0)
    }

    /// Locks the handle once more; the data.
    pub(crate) fn try_lock(&self) -> Result<*mut u8, Why> {
        let word = self.word.load(Ordering::Relaxed);
        if word & (IN_USE | EMPTY) != IN_USE {
            return Err(why_not(word));
        }
        let mut more = word.wrapping_add(LOCK);
        if more & TOO_MANY != 0 {
            more = word;
        }
        self.exchange(word, more)?;
        // Read after the count: from now on nobody moves the data who does not mean
        // to move locked data.
        Ok(self.data())
    }

    /// Takes one lock back; whether it is locked still.
    pub(crate) fn try_unlock(&self) -> Result<bool, Why> {
        let word = self.word.load(Ordering::Relaxed);
        if word & IN_USE == 0 {
            return Err(why_not(word));
        }
        if word & LOCKS == 0 {
            return Err(Why::NotLocked);
        }
        let less = word - LOCK;
        self.exchange(word, less)?;
        Ok(less & LOCKS != 0)
    }

    /// Ends the handle, locked or not, with the link of a free entry. The data is the
    /// caller's then, and the entry, which is on no list yet.
    #[inline(always)]
    pub(crate) fn try_close(&self, link: usize) -> Result<*mut u8, Why> {
        let word = self.word.load(Ordering::Relaxed);
        if word & IN_USE == 0 {
            return Err(why_not(word));
        }
        self.exchange(word, link)?;
        let data = self.data();
        self.data.store(core::ptr::null_mut(), Ordering::Relaxed);
        Ok(data)
    }

    /// Begins a change; the word as it was.
    pub(crate) fn try_begin(&self) -> Result<usize, Why> {
        let word = self.word.load(Ordering::Relaxed);
        if word & IN_USE == 0 {
            return Err(why_not(word));
        }
        self.exchange(word, word & !IN_USE)?;
        Ok(word)
    }

    /// Ends the change that the caller began.
    pub(crate) fn end(&self, word: usize, data: *mut u8) {
        self.data.store(data, Ordering::Relaxed);
        self.word.store(word, Ordering::Release);
    }

    #[inline(always)]
    fn exchange(&self, old: usize, new: usize) -> Result<(), Why> {
        match self
            .word
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(Why::Raced),
        }
    }
}

/// Why a word lets nothing be done.
#[cold]
fn why_not(word: usize) -> Why {
    if word & IN_USE != 0 {
        Why::Empty
    } else if word & MOVEABLE != 0 {
        Why::Changing
    } else {
        Why::Free
    }
}

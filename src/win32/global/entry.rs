//! An entry of the handle table: a word, and where the data is.
//!
//! ```text
//!   bit  0        1         2            3      15        16..23  31
//!        in use | moveable | discardable | empty | shared | locks | changing
//! ```
//!
//! The word of a free entry is the address of the next one, or 0: bit 0 is 0.
//! Locks are counted in the word itself, up to 255, where the count stays. Who
//! gives the handle other data, or other attributes, sets `changing` first and
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
/// A call is changing the handle.
pub(crate) const CHANGING: usize = 0x8000_0000;

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

    /// The word as it is.
    #[inline(always)]
    pub(crate) fn word(&self) -> usize {
        self.word.load(Ordering::Acquire)
    }

    /// Where the data is; null of an empty handle and a free entry.
    #[inline(always)]
    pub(crate) fn data(&self) -> *mut u8 {
        self.data.load(Ordering::Relaxed)
    }

    /// Where the next free entry is, of a free one.
    #[inline(always)]
    pub(crate) fn next(&self) -> usize {
        self.word.load(Ordering::Relaxed)
    }

    /// Writes where the next free entry is.
    #[inline(always)]
    pub(crate) fn set_next(&self, address: usize) {
        self.word.store(address, Ordering::Relaxed);
    }

    /// Makes a free entry, which is the caller's, a handle's.
    #[inline(always)]
    pub(crate) fn open(&self, word: usize, data: *mut u8) {
        self.data.store(data, Ordering::Relaxed);
        self.word.store(word, Ordering::Release);
    }

    /// Locks the handle once more; the data.
    #[inline(always)]
    pub(crate) fn lock(&self) -> Result<*mut u8, Why> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & (IN_USE | EMPTY | CHANGING) != IN_USE {
                return Err(why_not(word));
            }
            let more = if word & LOCKS == LOCKS {
                word
            } else {
                word + LOCK
            };
            match self.exchange(word, more) {
                // Read after the count: from now on nobody moves the data who does
                // not mean to move locked data.
                Ok(()) => return Ok(self.data()),
                Err(now) => word = now,
            }
        }
    }

    /// Takes one lock back; whether it is locked still.
    #[inline(always)]
    pub(crate) fn unlock(&self) -> Result<bool, Why> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & (IN_USE | CHANGING) != IN_USE {
                return Err(why_not(word));
            }
            if word & LOCKS == 0 {
                return Err(Why::NotLocked);
            }
            match self.exchange(word, word - LOCK) {
                Ok(()) => return Ok((word - LOCK) & LOCKS != 0),
                Err(now) => word = now,
            }
        }
    }

    /// Ends the handle, locked or not. The data is the caller's then, and the
    /// entry, which is free but on no list.
    #[inline(always)]
    pub(crate) fn close(&self) -> Result<*mut u8, Why> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & (IN_USE | CHANGING) != IN_USE {
                return Err(why_not(word));
            }
            match self.exchange(word, 0) {
                Ok(()) => break,
                Err(now) => word = now,
            }
        }
        let data = self.data();
        self.data.store(core::ptr::null_mut(), Ordering::Relaxed);
        Ok(data)
    }

    /// Begins a change; the word as it was.
    pub(crate) fn begin(&self) -> Result<usize, Why> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & (IN_USE | CHANGING) != IN_USE {
                return Err(why_not(word));
            }
            match self.exchange(word, word | CHANGING) {
                Ok(()) => return Ok(word),
                Err(now) => word = now,
            }
        }
    }

    /// Ends the change that the caller began.
    pub(crate) fn end(&self, word: usize, data: *mut u8) {
        self.data.store(data, Ordering::Relaxed);
        self.word.store(word, Ordering::Release);
    }

    #[inline(always)]
    fn exchange(&self, old: usize, new: usize) -> Result<(), usize> {
        self.word
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)
            .map(|_| ())
    }
}

#[cold]
fn why_not(word: usize) -> Why {
    if word & IN_USE == 0 {
        Why::Free
    } else if word & CHANGING != 0 {
        Why::Changing
    } else {
        Why::Empty
    }
}

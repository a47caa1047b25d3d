//! The pool: a front end's magazines that no thread and no depot has.

use super::descriptor::MARKED;
use super::magazine::{self, Entry, MARKS, Magazine};
use super::meta::{self, FreeList};
use crate::sync::Mutex;
use core::sync::atomic::{AtomicBool, AtomicU16, Ordering};

/// Magazines that are not asked for after one was refused, so many: each takes calls of the
/// system's, and without one every block that is freed wants it.
const UNASKED: u16 = 1024;

/// The magazines of one front end that no thread and no depot has.
pub(super) struct Pool {
    free: Mutex<Lists>,
    /// Whether a magazine has a second half, for keys.
    has_keys: AtomicBool,
    /// How many are refused at once.
    unasked: AtomicU16,
}

struct Lists {
    large: FreeList,
    small: FreeList,
}

impl Pool {
    /// A pool with every word zero, of magazines without keys.
    pub(super) const fn new() -> Self {
        Pool {
            free: Mutex::new(Lists {
                large: FreeList::new(),
                small: FreeList::new(),
            }),
            has_keys: AtomicBool::new(false),
            unasked: AtomicU16::new(0),
        }
    }

    /// Makes it the pool of a front end whose blocks have marks, before any use.
    pub(super) fn begin_marked(&self) {
        self.has_keys.store(true, Ordering::Relaxed);
    }

    /// Bytes of a large magazine, or of two small ones.
    fn bytes(&self) -> usize {
        let words = if MARKED && self.has_keys.load(Ordering::Relaxed) {
            2 * MARKS
        } else {
            MARKS
        };
        words * size_of::<Entry>()
    }

    /// An empty magazine for `class`; null when there is no memory for one.
    pub(super) fn take(&self, class: usize) -> *mut Magazine {
        let recycled = {
            let mut free = self.free.lock();
            if magazine::is_large(class) {
                free.large.pop()
            } else {
                free.small.pop()
            }
        };
        if !recycled.is_null() {
            // SAFETY: a recycled magazine keeps its size; its second word, the
            // floor, was never overwritten and its first is ours to set.
            unsafe { recycled.cast::<*mut u8>().write(core::ptr::null_mut()) };
            return recycled.cast();
        }
        self.make(class)
    }

    #[cold]
    #[inline(never)]
    fn make(&self, class: usize) -> *mut Magazine {
        let unasked = self.unasked.load(Ordering::Relaxed);
        if unasked != 0 {
            self.unasked.store(unasked - 1, Ordering::Relaxed);
            return core::ptr::null_mut();
        }
        let fresh = meta::allocate(self.bytes());
        if fresh.is_null() {
            self.unasked.store(UNASKED, Ordering::Relaxed);
        }
        if !fresh.is_null() && !magazine::is_large(class) {
            let second = fresh.wrapping_add(MARKS / 2 * size_of::<Entry>());
            // SAFETY: the memory holds two small magazines; the second one is
            // nobody's yet.
            unsafe { self.free.lock().small.push(second) };
        }
        fresh.cast()
    }

    /// Takes an empty magazine of `class` back; null is allowed.
    ///
    /// # Safety
    /// The magazine is null or came from this pool, for this class, and nobody
    /// uses it.
    pub(super) unsafe fn give_back(&self, class: usize, magazine: *mut Magazine) {
        if magazine.is_null() {
            return;
        }
        let mut free = self.free.lock();
        let list = if magazine::is_large(class) {
            &mut free.large
        } else {
            &mut free.small
        };
        // SAFETY: the caller's magazine came from `meta::allocate`.
        unsafe { list.push(magazine.cast()) };
    }

    pub(super) fn lock(&self) -> &crate::sync::Lock {
        self.free.raw()
    }
}

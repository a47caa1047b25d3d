//! The pool: a front end's magazines that no thread and no depot has.

use super::descriptor::Kind;
use super::magazine::Magazine;
use super::meta::{self, FreeList};
use crate::sync::Mutex;

/// The magazines of one front end that no thread and no depot has.
pub(super) struct Pool {
    free: Mutex<FreeList>,
    kind: Kind,
}

impl Pool {
    pub(super) const fn new(kind: Kind) -> Self {
        Pool {
            free: Mutex::new(FreeList::new()),
            kind,
        }
    }

    const fn bytes(&self) -> usize {
        match self.kind {
            Kind::Plain => size_of::<Magazine>(),
            Kind::Checked => 2 * size_of::<Magazine>(),
        }
    }

    /// An empty magazine; null when there is no memory for one.
    pub(super) fn take(&self) -> *mut Magazine {
        let recycled = self.free.lock().pop();
        if !recycled.is_null() {
            // SAFETY: a recycled magazine keeps its size; its second word, the
            // floor, was never overwritten and its first is ours to set.
            unsafe { recycled.cast::<*mut u8>().write(core::ptr::null_mut()) };
            return recycled.cast();
        }
        meta::allocate(self.bytes()).cast()
    }

    /// Takes an empty magazine back; null is allowed.
    ///
    /// # Safety
    /// The magazine is null or came from this pool and nobody uses it.
    pub(super) unsafe fn give_back(&self, magazine: *mut Magazine) {
        if !magazine.is_null() {
            // SAFETY: the caller's magazine came from `meta::allocate`.
            unsafe { self.free.lock().push(magazine.cast()) };
        }
    }

    pub(super) fn lock(&self) -> &crate::sync::Lock {
        self.free.raw()
    }
}

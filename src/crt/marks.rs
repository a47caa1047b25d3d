//! Which threads are in the midst of something, where there is no word of a
//! thread's own to say so.

use crate::sys;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Threads that can be in the midst of it and be known to be.
const MARKS: usize = 64;

/// The tokens of threads that are; 0 where a place is free.
pub(super) struct Marks([AtomicUsize; MARKS]);

impl Marks {
    /// No thread is.
    pub(super) const fn new() -> Marks {
        Marks([const { AtomicUsize::new(0) }; MARKS])
    }

    /// Whether the calling thread is.
    pub(super) fn has_me(&self) -> bool {
        let me = sys::thread_token();
        // Only the thread itself ever stores its token.
        self.0.iter().any(|mark| mark.load(Ordering::Relaxed) == me)
    }

    /// Forgets all threads but the calling one: in the child of a fork, where there
    /// are no others, and new ones may get their tokens.
    pub(super) fn keep_own(&self) {
        let me = sys::thread_token();
        for mark in &self.0 {
            if mark.load(Ordering::Relaxed) != me {
                mark.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Runs `body` with the calling thread marked, unless [`MARKS`] others are.
    pub(super) fn mark<R>(&self, body: impl FnOnce() -> R) -> R {
        let me = sys::thread_token();
        let mark = self.0.iter().find(|mark| {
            mark.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        });
        let result = body();
        if let Some(mark) = mark {
            mark.store(0, Ordering::Relaxed);
        }
        result
    }
}

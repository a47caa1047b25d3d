//! Caches of threads that ended without their exit hooks: by the system call alone, by a
//! signal's handler that made it, or in a destructor that ran when no more hooks were
//! called. Nobody gives such a cache back.
//!
//! Whoever has all that is free given back looks for them, and takes what is in them. A
//! thread is gone when the kernel knows none of its number. Where a number is another
//! thread's by now, the older of the two caches that go by it is nobody's; a thread
//! without a cache that has come to the number hides what was lost until it ends.
//!
//! Invariants:
//! - A cache is taken only in the process that its thread was of: in one that was made
//!   without the fork handlers it is left alone, for there its thread goes by another number.
//!   The first process of a space of process numbers, as in a container, takes none.
//! - All is done under the list's lock, so that a cache is taken once.

use super::cache::ThreadCache;
use super::classes::COUNT;
use super::front::{Front, Shared};
use super::roster::Member;
use crate::report::FixedBuffer;
use core::fmt::Write;
use core::ptr;
use core::sync::atomic::Ordering;

/// The number of the first process of a space of numbers. If the system makes one of
/// another such process, in a space of its own and without the fork handlers, its number
/// is the same and its threads' are not: whose a cache is cannot be told.
const FIRST_PROCESS: u32 = 1;

/// Lost caches that are told of at one time.
const TOLD: usize = 8;

/// What was in a lost cache.
#[derive(Clone, Copy, Default)]
struct Lost {
    /// The thread's number.
    thread: u64,
    blocks: usize,
    bytes: usize,
}

impl Lost {
    fn of(cache: &ThreadCache) -> Lost {
        let mut blocks = 0;
        for class in 1..COUNT {
            let spare = cache.rack(class).spare_count.load(Ordering::Relaxed) as usize;
            blocks += cache.count(class) + spare;
        }
        cache.for_each_foreign(&mut |_, count| blocks += count);
        Lost {
            thread: cache.owner().thread,
            blocks,
            bytes: cache.bytes(),
        }
    }

    /// Says so on standard error.
    fn tell(&self) {
        let mut line = FixedBuffer::<192>::new();
        // The buffer truncates and never fails.
        let _ = writeln!(
            line,
            "ntheap: thread {} ended without its exit hooks: {} free blocks of its cache, {} \
             bytes, were taken back",
            self.thread, self.blocks, self.bytes,
        );
        crate::sys::write_stderr(line.as_bytes());
    }
}

impl Front {
    /// Takes back the caches of threads that ended without their hooks, and says which
    /// those were if `is_told`. No lock may be held but that of reclaiming.
    pub(super) fn take_lost(&self, shared: Shared<'_>, is_told: bool) {
        let process = crate::sys::process_id();
        if process == FIRST_PROCESS {
            return;
        }
        let mut found = [Lost::default(); TOLD];
        let mut places = found.iter_mut();
        {
            let mut caches = self.caches.lock();
            let numbers = caches.shared_numbers();
            let mut at = caches.live;
            while !at.is_null() {
                // SAFETY: the live list links caches in use.
                let cache = unsafe { &*at };
                let next = cache.next.load(Ordering::Relaxed);
                if caches.is_lost(cache, process, &numbers, crate::sys::is_gone) {
                    #[cfg(feature = "hardened")]
                    super::hard::end_spares(cache);
                    if let Some(place) = places.next() {
                        *place = Lost::of(cache);
                    }
                    // The word is gone with its thread, and is not touched.
                    cache.word.set(ptr::null());
                    self.drain(shared, cache);
                    self.forget(&mut caches, at);
                }
                at = next;
            }
        }
        if is_told {
            found
                .iter()
                .filter(|lost| lost.thread != 0)
                .for_each(Lost::tell);
        }
    }
}

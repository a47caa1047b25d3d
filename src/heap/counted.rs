//! Counting what a program takes, at no cost to the fast paths.
//!
//! Where blocks are sampled for guarding, refills count, and bring no more than there are
//! before the next one that is to be looked at. What is freed into a bin and taken out
//! again nobody sees.
//!
//! Where every allocation counts, as for heap profiles, threads' caches have screens
//! (screen.rs): malloc's fast path finds nothing, ever, and a *lane* behind it takes from
//! the bins that are not shown, as the fast path would, and counts bytes down:
//!
//! ```text
//!   malloc --> screen: empty --> lane: bin --> block --> until -= bytes --> program
//!   free ----------------------------> bin                    | below 0
//!                                                             v
//!                                           noted, with its stack (debug/profile/)
//! ```
//!
//! Frees stay what they are, unless a block was noted. A checked front end's block has a
//! mark, and with another value there (`NOTED`) its free is a slow one, which tells. A
//! plain front end's is freed as any other; that it was is seen when a thread takes it
//! again, or when it goes back to its subsegment. Until then it waits in a cache or a depot.

use super::cache::ThreadCache;
use super::magazine::{Entry, MARKS, Magazine};
#[cfg(feature = "debug")]
use super::way::{self, Way};
use core::ptr;
use core::sync::atomic::Ordering;

/// Blocks are given back, for good: whoever watches some of them learns of it.
///
/// # Safety
/// `entries` are `count` words that can be read.
#[inline(always)]
pub(super) unsafe fn freed(entries: *const Entry, count: usize) {
    #[cfg(feature = "debug")]
    if super::debug::profile::is_on() {
        // SAFETY: the caller's words.
        let blocks = unsafe { core::slice::from_raw_parts(entries, count) };
        for block in blocks {
            super::debug::profile::freed(block.addr());
        }
    }
    #[cfg(not(feature = "debug"))]
    let _ = (entries, count);
}

impl ThreadCache {
    /// Moves `part` blocks of the class from its spare magazine, which has `count`, more
    /// than that, to `current`, which is empty and becomes its current one.
    ///
    /// # Safety
    /// The cache is the calling thread's, the class's bucket is locked, and both
    /// magazines are the cache's.
    #[inline(never)]
    pub(super) unsafe fn take_part(
        &self,
        class: usize,
        current: *mut Magazine,
        spare: *mut Magazine,
        count: usize,
        part: usize,
    ) {
        let (bin, rack) = (self.bin(class), self.rack(class));
        let left = count - part;
        let (from, to) = (Magazine::first(spare), Magazine::first(current));
        // SAFETY: the spare has `count` entries, and each magazine of the class room for
        // as many; keys lie beside them in a checked front end.
        unsafe {
            ptr::copy_nonoverlapping(from.add(left), to, part);
            if self.is_checked() {
                ptr::copy_nonoverlapping(from.add(left + MARKS), to.add(MARKS), part);
            }
            rack.spare_count.store(left as u32, Ordering::Relaxed);
            self.exchange(bin, rack, current, part);
        }
    }
}

/// Whether every allocation is counted, of each front end. Not so in a hardened heap.
#[cfg(feature = "debug")]
#[inline(always)]
pub(super) fn is_on() -> bool {
    way::way() == Way::Counted
}

/// What a lane found.
#[cfg(feature = "debug")]
pub enum Counted {
    /// A block for the caller.
    Block(*mut u8),
    /// One that is to be looked at before: `look`.
    Due(*mut u8),
    /// Nothing at hand.
    Nothing,
}

#[cfg(feature = "debug")]
pub(super) use watched::{for_each_kept, look, take, take_any, took};

#[cfg(feature = "debug")]
mod watched {
    use super::super::PROCESS;
    use super::super::bin::Bin;
    use super::super::bucket::SHARDS;
    use super::super::cache::{BIN, ThreadCache};
    use super::super::checked;
    use super::super::classes::{self, COUNT, LAST_BUCKET, MAX_LINEAR_SIZE};
    use super::super::debug::{profile, sample};
    use super::super::front::{Front, Shared};
    use super::super::magazine::{Entry, Magazine};
    use super::super::seize::Slot;
    use super::super::swap::is_calm;
    use super::Counted;
    use core::ptr;
    use core::sync::atomic::Ordering;

    /// Takes a block of a linear class from the bin that lies `offset` bytes into the
    /// thread's row, and counts it: the lane. `offset` is a multiple of [`BIN`].
    ///
    /// # Safety
    /// The cache is what the calling thread's word leads its slow paths to.
    #[inline(always)]
    pub(in crate::heap) unsafe fn take<const CHECKED: bool>(
        cache: *const ThreadCache,
        offset: usize,
    ) -> Counted {
        // SAFETY: caches are never unmapped. Up to the bytes that are counted at once, each
        // multiple is the offset of a linear class's bin; without a cache of the thread's own
        // they are 0, and the bin of class 0 is closed.
        unsafe {
            let cache = &*cache;
            if offset > cache.counted.get() {
                return Counted::Nothing;
            }
            let block = ThreadCache::pop::<CHECKED>(cache.row().byte_add(offset));
            if block.is_null() {
                return Counted::Nothing;
            }
            count::<CHECKED>(cache, block, offset)
        }
    }

    /// [`take`] from the bin of any class.
    ///
    /// # Safety
    /// As for [`take`].
    #[inline(always)]
    pub(in crate::heap) unsafe fn take_any<const CHECKED: bool>(
        cache: *const ThreadCache,
        class: usize,
    ) -> Counted {
        let bytes = classes::size_of(class);
        if !profile::is_small(bytes as u64) {
            return Counted::Nothing;
        }
        // SAFETY: caches are never unmapped; those that are no thread's own have closed bins.
        unsafe {
            let cache = &*cache;
            let block = ThreadCache::pop::<CHECKED>(cache.bin(class));
            if block.is_null() {
                return Counted::Nothing;
            }
            count::<CHECKED>(cache, block, bytes)
        }
    }

    #[inline(always)]
    fn count<const CHECKED: bool>(cache: &ThreadCache, block: *mut u8, bytes: usize) -> Counted {
        // What wraps here is right again once the block was looked at. So it is one subtraction
        // in memory, whose carry tells.
        let (until, is_due) = cache.until_profiled.get().overflowing_sub(bytes as u64);
        cache.until_profiled.set(until);
        if is_due || (!CHECKED && profile::may_have(block.addr())) {
            Counted::Due(block)
        } else {
            Counted::Block(block)
        }
    }

    /// Looks at a block of `size` bytes and of `class` that [`take`] or [`take_any`] said is
    /// due, and returns it. No lock may be held.
    #[cold]
    #[inline(never)]
    pub(in crate::heap) fn look<const CHECKED: bool>(
        cache: &ThreadCache,
        block: *mut u8,
        size: usize,
        class: usize,
    ) -> *mut u8 {
        let bytes = classes::size_of(class);
        let until = &cache.until_profiled;
        until.set(until.get().wrapping_add(bytes as u64));
        took::<CHECKED>(cache, block, size, bytes);
        block
    }

    // A frame less for the stack to be walked.
    #[inline(always)]
    fn record<const CHECKED: bool>(block: *mut u8, size: usize, bytes: usize) {
        profile::record(block.addr(), size, bytes);
        if CHECKED {
            checked::note(block.addr());
        }
    }

    /// Counts a block that the thread was just given for `size` bytes, and that takes `bytes`;
    /// it is noted if that is due. No lock may be held.
    #[inline(always)]
    pub(in crate::heap) fn took<const CHECKED: bool>(
        cache: &ThreadCache,
        block: *mut u8,
        size: usize,
        bytes: usize,
    ) {
        if !CHECKED {
            profile::freed(block.addr());
        }
        let is_due = if profile::is_small(bytes as u64) {
            cache.is_at_place(bytes as u64)
        } else {
            profile::toss(bytes as u64)
        };
        if is_due {
            record::<CHECKED>(block, size, bytes);
        }
    }

    /// Visits the addresses of the free blocks without marks that threads' caches and depots
    /// keep. No lock may be held. What other threads take meanwhile may be among them.
    pub(in crate::heap) fn for_each_kept(visit: &mut dyn FnMut(usize)) {
        // SAFETY: entries of a magazine below its top, which stays while the bucket is locked.
        let mut look = |first: *mut Entry, from: usize, count: usize| unsafe {
            for at in from..from + count {
                visit(Entry::get(first.add(at)).addr());
            }
        };
        let caches = PROCESS.plain.caches.lock();
        for class in 1..COUNT {
            let mut state = PROCESS.plain.bucket(class).state.lock();
            for cache in caches.live() {
                let rack = cache.rack(class);
                let (current, spare) = (cache.current(class), rack.spare.get());
                if !current.is_null() {
                    let floor = rack.floor.load(Ordering::Relaxed) as usize;
                    look(Magazine::first(current), floor, cache.count(class));
                }
                if !spare.is_null() {
                    let count = rack.spare_count.load(Ordering::Relaxed) as usize;
                    look(Magazine::first(spare), 0, count);
                }
            }
            for shard in 0..SHARDS as u8 {
                let mut at = state.depot(shard).head;
                // SAFETY: a depot owns its magazines while the bucket is locked; each has the
                // next one's address and its own count of blocks.
                while let Some(full) = unsafe { at.as_ref() } {
                    look(Magazine::first(at), 0, full.floor.addr());
                    at = full.next;
                }
            }
        }
    }

    impl ThreadCache {
        /// Begins to count, for a cache that begins.
        pub(in crate::heap) fn begin_counting(&self) {
            self.until_sample.set(sample::first());
            let (until, stretch) = profile::first();
            self.until_profiled.set(until);
            self.beyond.set(stretch - until);
            let most = profile::largest_small().min(MAX_LINEAR_SIZE);
            self.counted.set(most & !(BIN - 1));
        }

        /// Counts a block of so many bytes, few of a stretch. Whether the next place falls
        /// on it; if so, what comes after it is drawn.
        #[inline(always)]
        fn is_at_place(&self, bytes: u64) -> bool {
            let until = self.until_profiled.get();
            if let Some(until) = until.checked_sub(bytes) {
                self.until_profiled.set(until);
                return false;
            }
            let (until, end) = profile::next(until + self.beyond.get(), bytes);
            self.until_profiled.set(until - bytes);
            self.beyond.set(end - until);
            true
        }
    }

    impl Front {
        /// [`Front::swap_in`] where there is more to ask: null, but where blocks are sampled.
        #[cold]
        #[inline(never)]
        pub(in crate::heap) fn swap_in_watched(
            &self,
            shared: Shared<'_>,
            cache: &ThreadCache,
            class: usize,
        ) -> *const Bin {
            if !is_calm(cache) {
                return ptr::null();
            }
            self.swap_in_sampled(shared, cache, class)
        }

        /// [`Front::swap_in`] of a thread that is calm, where blocks are sampled: a refill costs a few instructions
        /// more than without. Null, too, when the block that is wanted is the sample.
        #[inline(never)]
        fn swap_in_sampled(
            &self,
            shared: Shared<'_>,
            cache: &ThreadCache,
            class: usize,
        ) -> *const Bin {
            if class > LAST_BUCKET {
                return self.bring_in::<false>(shared, cache, class, usize::MAX, |_| ());
            }
            let left = cache.until_sample.get();
            if left == 0 {
                return ptr::null();
            }
            self.bring_in::<true>(shared, cache, class, left as usize, |blocks| {
                cache.until_sample.set(left.saturating_sub(blocks as u64));
            })
        }
    }
}

//! Counting what a program takes, at no cost to the fast paths.
//!
//! A bin is a stack: what is freed into it and taken out again, nobody sees. So where
//! every allocation counts, as for heap profiles, a thread's cache is *tapped*: it
//! takes from bins that no free goes to. What is taken is then what was brought in, and
//! that is known when it is: a bin is filled by a slow path, which counts, and gives
//! no more than there are before the next block that is to be looked at.
//!
//! ```text
//!   up to 1 KiB    free --> row of the block's shard --> depot --> row to take from --> malloc
//!   above          free --> (slow) spare --------------> current --------------------> malloc
//! ```
//!
//! - Blocks up to 1 KiB: a free goes to one of the bins that are foreign to the thread
//!   (foreign.rs), as fast as ever, and home from there in whole magazines. A checked
//!   front end's word leads to a row that no descriptor leads to. A plain one, whose
//!   frees know no descriptor, takes from the start of its cache as always, and its
//!   word has frees go to another row.
//!   Before they go, and as soon as they are a few, they change places with those that are
//!   taken when these are used up: a swap of two magazines ([`Front::turn`]).
//! - Above, a class has one bin, whose limit stays low: each free is slow, and puts its
//!   block into the spare magazine.
//!
//! Whoever looks at blocks looks at frees too. A checked front end's block has a mark, and
//! with another value there (`NOTED`) its free is a slow one. In a plain one a magazine
//! that leaves a foreign bin is looked through, so that a block's free is seen before
//! it can be used again.
//!
//! Without taps, for sampled guarding, only what comes from outside a thread's bins is
//! counted.

use super::cache::ThreadCache;
use super::magazine::{Entry, MARKS, Magazine};
use core::ptr;
use core::sync::atomic::Ordering;

/// The blocks of a magazine of the cache's are given back: whoever watches some that have
/// no marks learns of it.
///
/// # Safety
/// `entries` are `count` words that can be read.
#[inline(always)]
pub(super) unsafe fn freed_magazine(cache: &ThreadCache, entries: *const Entry, count: usize) {
    if !cache.is_checked() {
        // SAFETY: the caller's words.
        unsafe { freed(entries, count) };
    }
}

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

/// Bytes of freed blocks that change places at once with those that are taken, and how many
/// blocks at least: the fewer, the sooner a block comes back, and the more often that costs a
/// hundred instructions.
#[cfg(feature = "debug")]
const TURN: (usize, usize) = (1024, 8);

/// Freed blocks that wait at most, in as many turns.
#[cfg(feature = "debug")]
const TURNS: u16 = 4;

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

#[cfg(feature = "debug")]
pub(super) use watched::Due;

#[cfg(feature = "debug")]
mod watched {
    use super::super::Heap;
    use super::super::bin::Bin;
    use super::super::bucket::State as BucketState;
    use super::super::cache::{State, TURN_REFILLS, ThreadCache};
    use super::super::checked;
    use super::super::classes::{self, LAST_BUCKET};
    use super::super::debug::{profile, sample};
    use super::super::descriptor::Kind;
    use super::super::front::{Front, Shared};
    use super::super::magazine::{MARKS, Magazine};
    use super::super::swap::{grow, has_room, is_calm, store};
    use super::super::word::Word;
    use core::ptr;
    use core::sync::atomic::Ordering;

    /// What an allocation that took the slow path is.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(in crate::heap) enum Due {
        /// Not looked at.
        Nothing,
        /// To be profiled, for so many bytes.
        Profile(u64),
    }

    impl ThreadCache {
        /// Begins to count, for a cache that begins.
        pub(in crate::heap) fn begin_counting(&self) {
            self.until_sample.set(sample::first());
            let (until, stretch) = profile::first();
            self.until_profiled.set(until);
            self.stretch.set(stretch);
        }

        /// Blocks of the class that may be brought in before one is looked at.
        fn before_next(&self, class: usize) -> usize {
            let size = classes::size_of(class);
            let mut most = usize::MAX;
            if sample::is_on() && size <= classes::MAX_BUCKET_SIZE {
                most = self.until_sample.get() as usize;
            }
            if profile::is_on() {
                let bytes = self.until_profiled.get() as usize;
                let blocks = match bytes.checked_div(size) {
                    Some(blocks) if profile::is_small(size as u64) => blocks,
                    // One by one: each has its coin.
                    _ => 0,
                };
                most = most.min(if self.rack(class).is_due.get() {
                    0
                } else {
                    blocks
                });
            }
            most
        }

        /// Counts blocks of the class that were brought in. If the next one is to be
        /// profiled, that is settled now, whatever is brought in before it: which block
        /// a place falls on must not depend on where it is.
        pub(in crate::heap) fn count_taken(&self, class: usize, blocks: usize) {
            let size = classes::size_of(class) as u64;
            if sample::is_on() {
                let until = &self.until_sample;
                until.set(until.get().saturating_sub(blocks as u64));
            }
            if profile::is_on() && profile::is_small(size) {
                self.pass(blocks as u64 * size);
                if self.is_at_place(size) {
                    self.rack(class).is_due.set(true);
                }
            }
        }

        /// Begins to have blocks of the class that the thread frees change places with those
        /// that it takes, of which a bin holds up to `most`. The most that are to wait.
        pub(in crate::heap) fn begin_turns(&self, class: usize, shard: u8, most: u16) -> u16 {
            let size = classes::size_of(class);
            let is_own = !self.is_checked() || shard == self.shard;
            if !is_own || sample::is_on() || !profile::is_small(size as u64) {
                return most;
            }
            let (bytes, least) = super::TURN;
            let turn = (bytes / size.max(1)).max(least).min(usize::from(most) / 2) as u16;
            self.rack(class).turn.set(turn);
            most.min(turn.saturating_mul(super::TURNS))
        }

        /// Counts blocks of the class that are brought in, if neither one of them is to be
        /// profiled nor the next one.
        #[inline(always)]
        pub(in crate::heap) fn count_unseen(&self, class: usize, blocks: usize) -> bool {
            let size = classes::size_of(class) as u64;
            let bytes = blocks as u64 * size;
            let (until, stretch) = (self.until_profiled.get(), self.stretch.get());
            let is_unseen = until >= bytes + size && !self.rack(class).is_due.get();
            if is_unseen {
                self.until_profiled.set(until - bytes);
                self.stretch.set(stretch.saturating_sub(bytes));
            }
            is_unseen
        }

        /// Counts bytes that the thread takes.
        fn pass(&self, bytes: u64) {
            for left in [&self.until_profiled, &self.stretch] {
                left.set(left.get().saturating_sub(bytes));
            }
        }

        /// Takes back what was counted of blocks that are given back unused.
        pub(in crate::heap) fn count_returned(&self, class: usize, blocks: usize) {
            let size = classes::size_of(class) as u64;
            if self.is_tapped && profile::is_small(size) {
                for left in [&self.until_profiled, &self.stretch] {
                    left.set(left.get().saturating_add(blocks as u64 * size));
                }
            }
        }

        /// Whether the next place falls on the thread's next block, of so many bytes,
        /// few of a stretch; if so, the block is counted and what comes after it drawn.
        fn is_at_place(&self, bytes: u64) -> bool {
            let is_at = self.until_profiled.get() < bytes;
            if is_at {
                let (until, stretch) = profile::next(self.stretch.get(), bytes);
                self.until_profiled.set(until);
                self.stretch.set(stretch);
                self.pass(bytes);
            }
            is_at
        }
    }

    impl Front {
        /// [`Front::swap_in`] where blocks are sampled and nothing else counts: a
        /// refill costs a few instructions more than without. Null, too, when the block
        /// that is wanted is the sample.
        #[inline(never)]
        pub(in crate::heap) fn swap_in_sampled(
            &self,
            shared: Shared<'_>,
            cache: &ThreadCache,
            class: usize,
        ) -> *const Bin {
            if !is_calm(cache) {
                return ptr::null();
            }
            if cache.is_tapped {
                let bin = self.turn(cache, class);
                if !bin.is_null() {
                    return bin;
                }
                return self.swap_in_counted(shared, cache, class);
            }
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

        /// [`Front::swap_in`] where what is brought in is counted. Null, too, when the
        /// block that is wanted is one to be looked at.
        #[cold]
        #[inline(never)]
        pub(in crate::heap) fn swap_in_counted(
            &self,
            shared: Shared<'_>,
            cache: &ThreadCache,
            class: usize,
        ) -> *const Bin {
            if !is_calm(cache) || cache.diverted.load(Ordering::Relaxed) != TURN_REFILLS {
                return ptr::null();
            }
            let is_drawn = cache.is_drawn.replace(false);
            let most = if is_drawn {
                1
            } else {
                cache.before_next(class)
            };
            if most == 0 {
                return ptr::null();
            }
            self.bring_in::<true>(shared, cache, class, most, |blocks| {
                if !is_drawn {
                    cache.count_taken(class, blocks);
                }
            })
        }

        /// Puts a freed block of a class that has one bin into the spare magazine. False
        /// when there is no memory for one, or the class keeps no blocks.
        pub(in crate::heap) fn put_aside(
            &self,
            shared: Shared<'_>,
            cache: &ThreadCache,
            class: usize,
            state: &mut BucketState,
            block: *mut u8,
            key: *mut u8,
        ) -> bool {
            let rack = cache.rack(class);
            let mut spare = rack.spare.get();
            let mut count = rack.spare_count.load(Ordering::Relaxed) as usize;
            if !spare.is_null() && count >= usize::from(rack.capacity.get()) {
                state.falling = state.falling.saturating_add(1);
                grow(rack);
            }
            if !spare.is_null() && count >= usize::from(rack.capacity.get()) {
                let bytes = count * classes::size_of(class);
                let depot = state.depot(0);
                if class <= LAST_BUCKET && has_room(shared, depot, bytes, class) {
                    // SAFETY: the spare is this thread's and holds that many.
                    unsafe { depot.push(spare, count) };
                    store(shared, bytes);
                    spare = ptr::null_mut();
                } else {
                    let place = self.place(shared, class, cache.shard);
                    // SAFETY: the spare's blocks are in nobody's use.
                    unsafe { state.put(&place, Magazine::first(spare), count) };
                }
                count = 0;
            }
            if spare.is_null() {
                spare = self.pool.take(class);
                count = 0;
            }
            rack.spare.set(spare);
            let has_place = !spare.is_null() && count < usize::from(rack.capacity.get());
            if has_place {
                // SAFETY: the spare is this thread's, and below its capacity a magazine
                // has room for an entry, and for its key in a checked front end.
                unsafe {
                    let entry = Magazine::first(spare).add(count);
                    entry.write(block);
                    if cache.is_checked() {
                        entry.add(MARKS).write(key);
                    }
                }
                count += 1;
            }
            rack.spare_count.store(count as u32, Ordering::Relaxed);
            has_place
        }
    }

    impl Heap {
        /// Whether the thread's next allocation, which took the slow path, is to be
        /// looked at.
        pub(in crate::heap) fn due(
            &self,
            kind: Kind,
            word: &Word,
            size: usize,
            class: Option<usize>,
        ) -> Due {
            let cache = self.front(kind).cache(self.shared(kind), word);
            if !profile::is_on() || !cache.is(State::Live) || cache.is_diverted() {
                return Due::Nothing;
            }
            let bytes = class.map_or(size, classes::size_of) as u64;
            let is_due = match class {
                // What is in a bin was counted when it came there.
                Some(class) if cache.count(class) != 0 => false,
                Some(class) if profile::is_small(bytes) => {
                    let is_due =
                        cache.rack(class).is_due.replace(false) || cache.is_at_place(bytes);
                    cache.is_drawn.set(is_due);
                    is_due
                }
                Some(_) => {
                    cache.is_drawn.set(true);
                    profile::toss(bytes)
                }
                None if profile::is_small(bytes) => {
                    let is_due = cache.is_at_place(bytes);
                    if !is_due {
                        cache.pass(bytes);
                    }
                    is_due
                }
                None => profile::toss(bytes),
            };
            if is_due {
                Due::Profile(bytes)
            } else {
                Due::Nothing
            }
        }

        /// Notes a block as [`Heap::due`] said of it; null is allowed.
        pub(in crate::heap) fn note_taken(
            &self,
            kind: Kind,
            due: Due,
            block: *mut u8,
            size: usize,
        ) {
            if let Due::Profile(bytes) = due
                && !block.is_null()
            {
                profile::record(block.addr(), size, bytes as usize);
                if kind == Kind::Checked {
                    checked::note(block.addr());
                }
            }
        }
    }
}

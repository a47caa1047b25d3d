//! Idle classes: what a thread's cache and the depots keep of sizes that the
//! program has stopped using.
//!
//! Blocks in a cache hold on to their subsegment, which only their own class
//! can use. That costs nothing until another class needs pages. So before a
//! class takes slices that hold no memory yet, the thread looks through its
//! bins: what it has not exchanged a magazine of for a while, it gives back, one
//! class after the other, until the new subsegment can lie where an old one was.
//! A program in a steady state never looks; one that grows and finds nothing
//! looks ever more rarely.
//!
//! ```text
//!   bin, spare, depot and free bits are empty: a new subsegment
//!     dirty slices will do  -->  take them
//!     else, idle classes    -->  give back, then take what has become dirty
//!     else                  -->  fresh slices; look again when the heap has grown
//! ```
//!
//! Page runs are given back whether they are idle or not: one of each size is
//! more than all smaller blocks together, and a fresh one costs far more in
//! page faults than to find an old one.
//!
//! Among several threads only page runs are given back: blocks of one
//! subsegment lie in several caches there, so that a thread finds little, and
//! what it gives back it takes again under locks that the others need.

use super::bucket::State as BucketState;
use super::cache::ThreadCache;
use super::classes::{self, COUNT, LAST_BUCKET, SLICE};
use super::front::{Front, Shared};
use super::swap::RUNS;
use core::cell::Cell;
use core::sync::atomic::Ordering;

/// Exchanges of a thread after which a class that had none of them is idle.
const IDLE: u32 = 64;
/// The part of a heap by which it grows at most before it is looked through
/// again, after nothing was found.
const PART: usize = 8;

/// Bytes of page runs that a thread keeps at most when it takes another that is to be zero.
const RUNS_KEPT: usize = RUNS / 2;

/// When a thread looks through its bins.
pub(super) struct Watch {
    /// Exchanges so far.
    exchanges: Cell<u32>,
    /// Looks to be left out yet, and after the next one in vain.
    skip: Cell<u32>,
    skip_next: Cell<u32>,
    /// The class that the next look begins with.
    next: Cell<usize>,
}

impl Watch {
    pub(super) const fn new() -> Self {
        Watch {
            exchanges: Cell::new(0),
            skip: Cell::new(0),
            skip_next: Cell::new(0),
            next: Cell::new(1),
        }
    }

    /// Notes an exchange; its number.
    #[inline(always)]
    pub(super) fn exchange(&self) -> u32 {
        let number = self.exchanges.get().wrapping_add(1);
        self.exchanges.set(number);
        number
    }

    /// Exchanges since the one of number `last`.
    #[inline(always)]
    pub(super) fn since(&self, last: u32) -> u32 {
        self.exchanges.get().wrapping_sub(last)
    }

    fn is_idle(&self, last: u32) -> bool {
        self.since(last) > IDLE
    }

    /// The next class to look at: one after the other, and round again.
    fn next(&self) -> usize {
        let class = self.next.get();
        self.next.set(if class + 1 < COUNT { class + 1 } else { 1 });
        class
    }
}

impl Front {
    /// Whether the thread is to look for idle classes, now that the bucket has
    /// no magazine to give: if the class needs slices and none hold memory that
    /// could be used instead of fresh pages; or if it is to be a run that is zero, and the
    /// thread keeps much of others.
    #[inline(always)]
    pub(super) fn is_to_look(
        &self,
        shared: Shared<'_>,
        cache: &ThreadCache,
        class: usize,
        state: &BucketState,
        is_zero: bool,
    ) -> bool {
        (class > LAST_BUCKET || !self.is_crowded.load(Ordering::Relaxed))
            && state.needs_subsegment(cache.shard)
            && ((is_zero && Self::kept_runs(cache) > RUNS_KEPT) || !Self::can_reuse(shared, class))
    }

    /// Bytes of the page runs that the thread keeps.
    pub(super) fn kept_runs(cache: &ThreadCache) -> usize {
        (LAST_BUCKET + 1..COUNT)
            .map(|class| cache.count(class) * classes::size_of(class))
            .sum()
    }

    /// Whether a subsegment of the class can lie where memory is already.
    fn can_reuse(shared: Shared<'_>, class: usize) -> bool {
        let slices = classes::slices_of(class);
        shared.back_end.lock().can_reuse(slices)
    }

    /// Looks for idle classes and gives back what they keep, for a subsegment
    /// of `class`. No lock may be held.
    #[cold]
    #[inline(never)]
    pub(super) fn seek_idle(&self, shared: Shared<'_>, cache: &ThreadCache, class: usize) {
        if class > LAST_BUCKET {
            self.give_runs_back(shared, cache, class);
            return;
        }
        let watch = &cache.watch;
        if let Some(less) = watch.skip.get().checked_sub(1) {
            watch.skip.set(less);
            return;
        }
        if self.give_idle_back(shared, cache, class) {
            watch.skip_next.set(0);
        } else {
            let active = shared.totals.active.load(Ordering::Relaxed);
            let most = (active / PART / SLICE) as u32;
            watch
                .skip_next
                .set((watch.skip_next.get() * 2 + 1).min(most));
        }
        watch.skip.set(watch.skip_next.get());
    }

    /// Gives back the page runs that the thread keeps of other classes: a few
    /// of them are as much as all its smaller blocks.
    fn give_runs_back(&self, shared: Shared<'_>, cache: &ThreadCache, wanted: usize) {
        for class in LAST_BUCKET + 1..COUNT {
            if class != wanted && cache.count(class) != 0 {
                let mut state = self.bucket(class).state.lock();
                self.flush_current(shared, cache, class, &mut state);
            }
        }
    }

    /// Gives back what idle classes keep, until a subsegment of the class
    /// `wanted` can be had without fresh pages; false if none can.
    fn give_idle_back(&self, shared: Shared<'_>, cache: &ThreadCache, wanted: usize) -> bool {
        for _ in 1..COUNT {
            let class = cache.watch.next();
            let last = cache.rack(class).last.get();
            if cache.current(class).is_null() || !cache.watch.is_idle(last) {
                continue;
            }
            let mut state = self.bucket(class).state.lock();
            self.flush_current(shared, cache, class, &mut state);
            self.empty_spare(shared, cache, class, &mut state);
            self.empty_depot(shared, class, &mut state);
            drop(state);
            if Self::can_reuse(shared, wanted) {
                return true;
            }
        }
        false
    }
}

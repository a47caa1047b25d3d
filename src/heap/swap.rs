//! Between a bin and its bucket: whole magazines change places.
//!
//! ```text
//!   bin empty:  current <-> spare, or current <- depot, or current <- free bits
//!   bin full:   spare <- current <- empty, and the old spare to the depot, or
//!               its blocks to the free bits
//! ```
//!
//! The depot is that of the thread's shard (foreign.rs); where a front end or a
//! class has no shards, the first is everybody's. Most slow calls need no more than this: one lock and a few pointers. When
//! there may be more to do (a request, a diversion, pressure, seized blocks),
//! [`Front::swap_in`] and [`Front::swap_out`] do nothing and leave it to
//! front.rs.

use super::bin::Bin;
use super::bucket::{SHARDS, State as BucketState};
use super::cache::{Rack, State, TURN_NOTHING, ThreadCache};
use super::classes::{self, COUNT, LAST_BUCKET};
use super::front::{FIRST_CAPACITY, Front, Shared};
use super::magazine::{Depot, Entry, Magazine};
use core::ptr;
use core::sync::atomic::Ordering;

/// Bytes of blocks one depot holds at most.
const DEPOT: usize = 1024 * 1024;
/// Bytes of blocks all depots hold at most, in a small heap and in a large one. What many
/// threads exchange goes through them; one thread has the lesser bound in any heap: blocks
/// come out of a depot as they were freed, in any order, and out of the free bits by address,
/// so that what is built of them next lies together.
const DEPOTS: [usize; 2] = [1024 * 1024, 16 * 1024 * 1024];

/// Bytes, or blocks of the larger classes, up to which a magazine grows whenever it is
/// full or empty.
const LITTLE: usize = 8 * 1024;
const LITTLE_BLOCKS: usize = 8;
/// Bytes of page runs that a thread has when it begins to keep those of another size, with the
/// first of these. An array that grows leaves one of each size on its way, which nobody may
/// want again: where there are more, the largest others go back until those left are a quarter
/// of that. Small ones stay so, which would lose their fences to others and get them anew.
pub(super) const RUNS: usize = 512 * 1024;
/// Exchanges of a thread, from one of a class to the next, up to which its magazines
/// grow further. In a batch there is one; a program of many sizes has many, and would
/// fill two large magazines of each.
const DENSE: u32 = 4;

impl Front {
    /// Puts blocks into an empty bin of the calling thread's cache, and returns
    /// it: from the spare, the depot or the free bits. Null, and nothing done,
    /// when there is more to do or nothing to be had.
    #[inline(never)]
    pub(super) fn swap_in(
        &self,
        shared: Shared<'_>,
        cache: &ThreadCache,
        class: usize,
    ) -> *const Bin {
        if !is_calm(cache) || cache.diverted.load(Ordering::Relaxed) != TURN_NOTHING {
            #[cfg(feature = "debug")]
            return self.swap_in_watched(shared, cache, class);
            #[cfg(not(feature = "debug"))]
            return ptr::null();
        }
        self.bring_in::<false>(shared, cache, class, usize::MAX, |_| ())
    }

    /// [`Front::swap_in`] of a thread that is calm. If it is `COUNTED`, no more than
    /// `most` blocks are brought in, which is not 0. `brought` learns how many are.
    #[inline(always)]
    pub(super) fn bring_in<const COUNTED: bool>(
        &self,
        shared: Shared<'_>,
        cache: &ThreadCache,
        class: usize,
        most: usize,
        brought: impl FnOnce(usize),
    ) -> *const Bin {
        let class = if class < COUNT { class } else { 0 };
        let (bin, rack) = (cache.bin(class), cache.rack(class));
        let mut current = rack.current.load(Ordering::Relaxed);
        if current.is_null() {
            current = self.first_magazine(cache, class);
            if current.is_null() {
                return ptr::null();
            }
        } else {
            let top = bin.top.load(Ordering::Relaxed);
            if top != Magazine::first(current) || rack.floor.load(Ordering::Relaxed) != 0 {
                return ptr::null();
            }
        }
        let mut state = self.bucket(class).state.lock();
        let spare = rack.spare.get();
        let count = rack.spare_count.load(Ordering::Relaxed) as usize;
        if count != 0 {
            if COUNTED && count > most {
                // SAFETY: the spare is this thread's and holds `count` blocks, more
                // than `most`; the current magazine is empty and this thread's.
                unsafe { cache.take_part(class, current, spare, count, most) };
                brought(most);
                return bin;
            }
            rack.spare.set(current);
            rack.spare_count.store(0, Ordering::Relaxed);
            // SAFETY: the spare is this thread's and holds `count` blocks.
            unsafe { cache.exchange(bin, rack, spare, count) };
            brought(count);
            return bin;
        }
        let last = rack.last.replace(cache.watch.exchange());
        state.falling = 0;
        if let Some((full, count)) = self.full(&mut state, cache, class) {
            unstore(shared, count * classes::size_of(class));
            if COUNTED && count > most {
                // SAFETY: the old spare is empty, or null; the magazine from the depot
                // is the spare now, and the current one as above.
                unsafe {
                    self.pool.give_back(class, spare);
                    rack.spare.set(full);
                    cache.take_part(class, current, full, count, most);
                }
                brought(most);
                return bin;
            }
            rack.spare.set(current);
            // SAFETY: the old spare is empty, or null. The magazine from the
            // depot is this thread's now and holds `count` blocks.
            unsafe {
                self.pool.give_back(class, spare);
                cache.exchange(bin, rack, full, count);
            }
            brought(count);
            return bin;
        }
        if self.is_to_look(shared, cache, class, &state, false) {
            drop(state);
            self.seek_idle(shared, cache, class);
            state = self.bucket(class).state.lock();
        }
        let place = self.place(shared, class, cache.shard);
        let capacity = rack.capacity.get().max(1);
        let want = usize::from(capacity).min(most);
        // SAFETY: the magazine is empty and has room for `want` entries.
        let got = unsafe { state.take(&place, Magazine::first(current), want) };
        if class <= LAST_BUCKET || rack.capacity.get() != 0 {
            // Since before this exchange, which is counted already.
            grow(rack, class, || cache.watch.since(last.wrapping_add(1)));
        }
        // SAFETY: the magazine is this thread's and holds `got` blocks.
        unsafe { cache.exchange(bin, rack, current, got) };
        if got == 0 {
            return ptr::null();
        }
        brought(got);
        bin
    }

    /// A magazine from the depot of the thread's shard. When that shard has no
    /// free bits either, from one that no running thread would take from.
    #[inline(always)]
    fn full(
        &self,
        state: &mut BucketState,
        cache: &ThreadCache,
        class: usize,
    ) -> Option<(*mut Magazine, usize)> {
        let full = state.depot(cache.home(class)).pop();
        let idle = self.idle_shards.load(Ordering::Relaxed);
        if full.is_none() && idle != 0 && state.is_dry(cache.shard) {
            return inherit(state, idle);
        }
        full
    }

    /// Makes room in a full bin of the calling thread's cache, and returns it.
    /// Null, and nothing done, when there is more to do. Blocks that the free bits
    /// refuse are noted, to be reported when no lock is held.
    #[inline(never)]
    pub(super) fn swap_out(
        &self,
        shared: Shared<'_>,
        cache: &ThreadCache,
        class: usize,
    ) -> *const Bin {
        let class = if class < COUNT { class } else { 0 };
        let (bin, rack) = (cache.bin(class), cache.rack(class));
        if !is_calm(cache) || cache.pressed.get() || Self::is_under_pressure(shared, cache) {
            return ptr::null();
        }
        if class > LAST_BUCKET && rack.capacity.get() == 0 {
            self.begin_to_keep(shared, cache, class);
        }
        if rack.current.load(Ordering::Relaxed).is_null() {
            // A large block's: its bin stays full.
            if class == 0 {
                return ptr::null();
            }
            let fresh = self.first_magazine(cache, class);
            let _state = self.bucket(class).state.lock();
            // SAFETY: the magazine is empty and this thread's, or null.
            unsafe { cache.install(class, fresh, 0) };
            return if fresh.is_null() { ptr::null() } else { bin };
        }
        let mut state = self.bucket(class).state.lock();
        if rack.floor.load(Ordering::Relaxed) == 0
            && self.rotate(shared, cache, class, bin, &mut state)
        {
            return bin;
        }
        ptr::null()
    }

    /// Has the thread keep page runs of `class`, which it keeps none of. If it has too much
    /// of others, those go back, and are kept again from their next free on, which comes here,
    /// or from an exchange of their magazine. No lock may be held.
    #[cold]
    #[inline(never)]
    fn begin_to_keep(&self, shared: Shared<'_>, cache: &ThreadCache, class: usize) {
        let capacity = FIRST_CAPACITY.min(self.most(class));
        cache.rack(class).capacity.set(capacity);
        let mut bytes = Self::kept_runs(cache);
        if bytes + classes::size_of(class) <= RUNS {
            return;
        }
        for other in (LAST_BUCKET + 1..COUNT).rev() {
            // No more than the sum has: others only take from it, by seizing.
            let count = cache.count(other);
            if other != class && count != 0 {
                let mut state = self.bucket(other).state.lock();
                cache.rack(other).capacity.set(0);
                self.flush_current(shared, cache, other, &mut state);
                bytes -= count * classes::size_of(other);
                if bytes <= RUNS / 4 {
                    return;
                }
            }
        }
    }

    /// A class's first magazine in a cache, to be installed under the bucket's
    /// lock; null when there is no memory for one.
    #[inline(never)]
    pub(super) fn first_magazine(&self, cache: &ThreadCache, class: usize) -> *mut Magazine {
        let rack = cache.rack(class);
        cache.open(class);
        let most = self.most(class);
        rack.most.set(most);
        // Page runs are kept from the first one that is freed on.
        if class <= LAST_BUCKET {
            rack.capacity
                .set(rack.capacity.get().max(FIRST_CAPACITY.min(most)));
        }
        self.pool.take(class)
    }

    /// Sees to it that the current magazine, which has no floor, has room for a
    /// block in the class's `bin`. False when the class keeps none or there is no memory for a
    /// magazine.
    #[inline(always)]
    pub(super) fn rotate(
        &self,
        shared: Shared<'_>,
        cache: &ThreadCache,
        class: usize,
        bin: &Bin,
        state: &mut BucketState,
    ) -> bool {
        let rack = cache.rack(class);
        let current = rack.current.load(Ordering::Relaxed);
        let top = bin.top.load(Ordering::Relaxed);
        let count = (top.addr() - Magazine::first(current).addr()) / size_of::<Entry>();
        if count >= usize::from(rack.capacity.get()) {
            state.falling = state.falling.saturating_add(1);
            grow(rack, class, || cache.watch.since(rack.last.get()));
        }
        // A limit lowered from outside, or a magazine that may grow.
        if count < usize::from(rack.capacity.get()) {
            // SAFETY: the current magazine holds `count` blocks.
            unsafe { cache.exchange(bin, rack, current, count) };
            return true;
        }
        if class > LAST_BUCKET {
            // Runs are kept one magazine deep.
            return self.flush_current(shared, cache, class, state);
        }
        let spare_count = rack.spare_count.load(Ordering::Relaxed) as usize;
        let mut empty = rack.spare.get();
        if spare_count != 0 {
            let bytes = spare_count * classes::size_of(class);
            let depot = state.depot(cache.home(class));
            if self.has_room(shared, depot, bytes, class) {
                // SAFETY: the spare is this thread's and holds that many.
                unsafe { depot.push(empty, spare_count) };
                store(shared, bytes);
                empty = ptr::null_mut();
            } else {
                let place = self.place(shared, class, cache.shard);
                // SAFETY: the spare's blocks are in nobody's use.
                unsafe { state.put(&place, Magazine::first(empty), spare_count) };
            }
        }
        if empty.is_null() {
            empty = self.pool.take(class);
        }
        rack.spare.set(current);
        rack.spare_count.store(count as u32, Ordering::Relaxed);
        if empty.is_null() {
            // SAFETY: the bin has no magazine from now on.
            unsafe { cache.install(class, empty, 0) };
            return false;
        }
        // SAFETY: an empty magazine of this thread's.
        unsafe { cache.exchange(bin, rack, empty, 0) };
        true
    }

    /// Whether the depots may take `bytes` more of `class`. They are a program's
    /// way to use a freed batch again without touching the free bits; but what
    /// they hold no other class can use. Both front ends' depots count: where the other
    /// one has several threads, those of this one may have no room for a while.
    #[inline(always)]
    pub(super) fn has_room(
        &self,
        shared: Shared<'_>,
        depot: &Depot,
        bytes: usize,
        class: usize,
    ) -> bool {
        let stored = shared.totals.stored.load(Ordering::Relaxed);
        let [least, most] = DEPOTS;
        let bound = if self.is_crowded.load(Ordering::Relaxed) {
            let active = shared.totals.active.load(Ordering::Relaxed);
            (active / 4).clamp(least, most)
        } else {
            least
        };
        depot.blocks * classes::size_of(class) + bytes <= DEPOT && stored + bytes <= bound
    }
}

/// A magazine from the depot of one of the shards in `which`.
#[cold]
#[inline(never)]
fn inherit(state: &mut BucketState, which: u32) -> Option<(*mut Magazine, usize)> {
    (0..SHARDS as u8)
        .filter(|shard| which & (1 << shard) != 0)
        .find_map(|shard| state.depot(shard).pop())
}

/// Lets the class's magazines hold twice as many blocks: up to what is little,
/// and up to their most if the thread had few exchanges since the last one in which
/// it took blocks of the class.
#[inline(always)]
pub(super) fn grow(rack: &Rack, class: usize, since: impl FnOnce() -> u32) {
    let (capacity, most) = (rack.capacity.get(), rack.most.get());
    if capacity < most && (is_little(capacity, class) || since() <= DENSE) {
        rack.capacity
            .set((capacity * 2).max(FIRST_CAPACITY).min(most));
    }
}

/// Whether a magazine of `class` that may hold `capacity` blocks grows however rarely it is
/// exchanged.
fn is_little(capacity: u16, class: usize) -> bool {
    let capacity = usize::from(capacity);
    capacity < LITTLE_BLOCKS || (capacity + 1) * classes::size_of(class) <= LITTLE
}

/// Counts `bytes` as in a depot.
#[inline(always)]
pub(super) fn store(shared: Shared<'_>, bytes: usize) {
    shared.totals.stored.fetch_add(bytes, Ordering::Relaxed);
    shared.totals.out.fetch_sub(bytes, Ordering::Relaxed);
}

/// Counts `bytes` as no longer in a depot.
#[inline(always)]
pub(super) fn unstore(shared: Shared<'_>, bytes: usize) {
    shared.totals.stored.fetch_sub(bytes, Ordering::Relaxed);
    shared.totals.out.fetch_add(bytes, Ordering::Relaxed);
}

/// Whether the cache is its thread's own and nothing is asked of it.
#[inline(always)]
pub(super) fn is_calm(cache: &ThreadCache) -> bool {
    cache.is(State::Live) && !cache.request.is_pending() && !cache.is_diverted()
}

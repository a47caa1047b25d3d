//! A front end's threads: their caches' births and ends, what is asked of all
//! of them, and what is taken from them.
//!
//! The list of live caches has a lock of its own, which comes before the
//! buckets' locks. A cache's memory is never unmapped: a thread's word, or
//! another thread's walk over the list, may lead to it at any time.

use super::bucket::State as BucketState;
use super::cache::{State, ThreadCache};
use super::classes::COUNT;
use super::front::{Caches, Front, Shared};
use super::magazine::Magazine;
use super::seize::Seizure;
use super::word::Word;
use super::{foreign, meta, misuse, roster, screen};
use crate::sys;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

/// Bytes of blocks in all caches that are kept. One may have them all: threads that come
/// one after the other leave each other what they freed, and a cache that is a little too
/// large would be drained and filled again in full.
const MOST_PARKED_BYTES: usize = 4 * 1024 * 1024;

/// Threads that are spread over shards where two run at a time at most. Of more two hardly ever
/// write one line in turn, and those that free each other's blocks would only carry them back
/// and forth: these take the first shard.
const CROWD: usize = 4;

/// Leads a thread's word to its cache no more.
///
/// # Safety
/// `place` is a cache in use, and no other thread uses it; its word, if it has one, is
/// there: it outlives the exit hooks.
unsafe fn let_go<'a>(place: *mut ThreadCache) -> &'a ThreadCache {
    // SAFETY: the caller's cache, and its word.
    unsafe {
        let cache = &*place;
        if let Some(word) = cache.word.get().as_ref() {
            word.set(ThreadCache::dead());
        }
        cache
    }
}

impl Front {
    /// Counts the blocks of a cache that was kept as in use again, as those of a
    /// thread's cache are.
    fn count_as_out(&self, shared: Shared<'_>, cache: &ThreadCache) {
        let bytes = cache.parked_bytes.replace(0);
        shared.totals.out.fetch_add(bytes, Ordering::Relaxed);
        self.parked_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether there is room for `bytes` more in caches that are kept; then they are counted.
    fn reserve(&self, bytes: usize) -> bool {
        let before = self.parked_bytes.fetch_add(bytes, Ordering::Relaxed);
        let has_room = before.saturating_add(bytes) <= MOST_PARKED_BYTES;
        if !has_room {
            self.parked_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        has_room
    }

    /// The shard for a new thread beside `threads` others: the one with the fewest caches,
    /// of as many as processors. Two that never run at the same time write no line in turn,
    /// and with each more shard all threads would keep more of the others' blocks.
    /// Threads that come after one another use the same subsegments.
    fn emptiest_shard(&self, threads: usize) -> u8 {
        let count = |shard: &AtomicU32| shard.load(Ordering::Relaxed);
        let [first, ..] = &self.of_shard;
        if count(first) == 0 {
            return 0;
        }
        // Each later thread is asked: one that has a processor to itself knows of no other. The
        // first pays for none of this.
        let processors = sys::processors();
        if processors <= 2 && threads >= CROWD {
            return 0;
        }
        let shards = self.of_shard.iter().take(processors.max(2)).enumerate();
        let emptiest = shards.min_by_key(|(_, caches)| count(caches));
        emptiest.map_or(0, |(shard, _)| shard as u8)
    }

    /// Whether no cache is of a shard.
    pub(super) fn is_deserted(&self, shard: u8) -> bool {
        let caches = self.of_shard.get(usize::from(shard));
        caches.is_none_or(|caches| caches.load(Ordering::Relaxed) == 0)
    }

    /// Counts so many more caches of a shard, and so many more that are parked. The
    /// list of caches is locked.
    fn count_shard(&self, shard: u8, caches: i32, parked: i32) {
        let at = usize::from(shard);
        if let (Some(all), Some(idle)) = (self.of_shard.get(at), self.parked_of_shard.get(at)) {
            let all = all.fetch_add(caches as u32, Ordering::Relaxed) as i32 + caches;
            let idle = idle.fetch_add(parked as u32, Ordering::Relaxed) as i32 + parked;
            if idle >= all {
                self.idle_shards.fetch_or(1 << at, Ordering::Relaxed);
            } else {
                self.idle_shards.fetch_and(!(1 << at), Ordering::Relaxed);
            }
        }
    }

    /// The thread's cache, made if it has none yet.
    pub(super) fn cache(&self, shared: Shared<'_>, word: &Word) -> &ThreadCache {
        // SAFETY: a word leads to a shared cache or to its thread's own, and
        // caches are never unmapped.
        let cache = unsafe { &*word.own() };
        if !cache.is(State::Unborn) {
            return cache;
        }
        let born = self.birth(shared, word);
        if born.is_null() {
            return cache;
        }
        // SAFETY: just made, and never unmapped.
        unsafe { &*born }
    }

    #[cold]
    fn birth(&self, shared: Shared<'_>, word: &Word) -> *mut ThreadCache {
        let mut caches = self.caches.lock();
        let mut place = caches.unpark();
        // SAFETY: it was parked: nobody's, and never unmapped.
        if let Some(cache) = unsafe { place.as_ref() } {
            self.count_as_out(shared, cache);
            self.count_shard(cache.shard, 0, -1);
        } else {
            place = self.make(&mut caches);
            if place.is_null() {
                return place;
            }
        }
        // SAFETY: made, or parked, and nobody else's.
        unsafe { (*place).belong(word) };
        drop(caches);
        // SAFETY: the cache is the calling thread's.
        unsafe { word.set(place) };
        // Again, should the system have had no memory for it before.
        super::fork::register();
        // Setting the hook may allocate, on the cache just made.
        if !crate::sys::at_thread_exit(self.kind() as usize, shared.thread_exit, place.cast()) {
            // Nobody would give the cache back: do without one.
            // SAFETY: this thread's own cache, just made.
            unsafe { self.bury(shared, place) };
            // SAFETY: a shared cache.
            unsafe { word.set(ThreadCache::dead()) };
            return ThreadCache::dead().cast_mut();
        }
        place
    }

    /// A fresh cache on the live list; null when there is no memory for one.
    fn make(&self, caches: &mut Caches) -> *mut ThreadCache {
        let mut place = caches.reuse();
        let is_fresh = place.is_null();
        if is_fresh {
            let before = screen::before();
            let memory = meta::allocate(before + foreign::bytes_of(self.kind()));
            if memory.is_null() {
                return ptr::null_mut();
            }
            // A cache stays one, and its screen before it.
            place = memory.wrapping_add(before).cast();
        }
        let shard = self.emptiest_shard(caches.count.saturating_sub(caches.parked_count));
        self.count_shard(shard, 1, 0);
        // SAFETY: the place is memory for a cache that nobody uses, fresh and zero or
        // as the last one was buried.
        let cache = unsafe {
            ThreadCache::birth(place, self.kind(), shard, self.is_hidden(), is_fresh);
            &*place
        };
        cache
            .diverted
            .store(self.diverted.load(Ordering::Relaxed), Ordering::Relaxed);
        #[cfg(feature = "debug")]
        cache.begin_counting();
        // SAFETY: made here, and never unmapped.
        unsafe { caches.enter(place) };
        if caches.count > 1 {
            self.is_crowded.store(true, Ordering::Relaxed);
        }
        place
    }

    /// The end of a thread: its cache is kept as it is for the next thread that
    /// begins, if few are, or else drained and forgotten.
    ///
    /// # Safety
    /// `place` is the calling thread's live cache of this front end.
    pub(super) unsafe fn retire(&self, shared: Shared<'_>, place: *mut ThreadCache) {
        // SAFETY: the caller's cache.
        let cache = unsafe { let_go(place) };
        // A parked cache's bytes are those of its bins.
        #[cfg(feature = "hardened")]
        super::hard::end_spares(cache);
        let bytes = cache.bytes();
        let may_stay = !cache.pressed.get()
            && !cache.is_diverted()
            && !cache.request.is_pending()
            && !Self::is_under_pressure(shared, cache)
            && self.reserve(bytes);
        // SAFETY: the caller's cache.
        unsafe { self.take_off(shared, place, may_stay, bytes) };
    }

    /// Takes a cache that is no thread's any more off those in use; or, if it `may_stay`,
    /// keeps it with its blocks, `bytes` in all, for which there is room and which count as in
    /// use no more.
    ///
    /// # Safety
    /// `place` is the calling thread's live cache of this front end, to which no word
    /// leads, or that of a thread that does not exist.
    unsafe fn take_off(
        &self,
        shared: Shared<'_>,
        place: *mut ThreadCache,
        may_stay: bool,
        bytes: usize,
    ) {
        let keep = |cache: &ThreadCache| {
            cache.parked_bytes.set(bytes);
            shared.totals.out.fetch_sub(bytes, Ordering::Relaxed);
            self.count_shard(cache.shard, 0, 1);
        };
        let drain = |cache: &ThreadCache| {
            if may_stay {
                self.parked_bytes.fetch_sub(bytes, Ordering::Relaxed);
            }
            self.count_as_out(shared, cache);
            self.drain(shared, cache);
        };
        let forgotten = |cache: &ThreadCache| self.count_shard(cache.shard, -1, 0);
        // SAFETY: the caller's promise is the callee's.
        unsafe { roster::retire(&self.caches, place, may_stay, keep, drain, forgotten) };
        misuse::report_late();
    }

    /// Drains the caches of no thread.
    pub(super) fn drain_parked(&self, shared: Shared<'_>, caches: &Caches) {
        for cache in caches.parked() {
            self.count_as_out(shared, cache);
            self.drain(shared, cache);
        }
    }

    /// Drains the cache of a thread that ends and forgets it.
    ///
    /// # Safety
    /// `place` is the calling thread's live cache of this front end.
    #[inline(never)]
    pub(super) unsafe fn bury(&self, shared: Shared<'_>, place: *mut ThreadCache) {
        // SAFETY: the caller's cache.
        unsafe {
            let_go(place);
            self.take_off(shared, place, false, 0);
        }
    }

    /// Takes a cache that was drained off the list of those in use.
    pub(super) fn forget(&self, caches: &mut Caches, place: *mut ThreadCache) {
        if caches.forget(place) {
            // SAFETY: a cache of the list's, and never unmapped.
            self.count_shard(unsafe { (*place).shard }, -1, 0);
        }
    }

    /// Does what others asked of this thread's cache.
    pub(super) fn obey(&self, shared: Shared<'_>, cache: &ThreadCache) {
        if cache.is(State::Live) && cache.request.take() {
            cache
                .diverted
                .store(self.diverted.load(Ordering::Relaxed), Ordering::Relaxed);
            self.drain(shared, cache);
        }
    }

    /// Asks every thread to give back what it keeps and to take note of how the
    /// front end is set; the calling thread, if it gives its word, does so now.
    #[inline(never)]
    pub(super) fn ask_all(&self, shared: Shared<'_>, word: Option<&Word>) {
        let caches = self.caches.lock();
        caches.live().for_each(ThreadCache::request_flush);
        drop(caches);
        if let Some(word) = word {
            // SAFETY: a word leads to a cache, and caches are never unmapped.
            self.obey(shared, unsafe { &*word.own() });
        }
    }

    /// Empties every depot and every thread's cache, but for one block of each
    /// class in other threads' caches. Where the system has no
    /// process-wide barrier, other threads empty theirs at their next slow
    /// call.
    pub(super) fn purge(&self, shared: Shared<'_>, word: Option<&Word>) {
        self.ask_all(shared, word);
        let caches = self.caches.lock();
        self.drain_parked(shared, &caches);
        let can_seize = !caches.live.is_null() && crate::sys::barrier();
        for class in 1..COUNT {
            let mut state = self.bucket(class).state.lock();
            if can_seize {
                for cache in caches.live() {
                    self.seize(shared, cache, class, &mut state);
                    self.seize_foreign(shared, cache, class, &mut state);
                }
            }
            self.empty_depot(shared, class, &mut state);
        }
    }

    /// Puts the blocks that another thread's cache keeps of a class back into
    /// the free bits (seize.rs).
    #[inline(never)]
    fn seize(
        &self,
        shared: Shared<'_>,
        cache: &ThreadCache,
        class: usize,
        state: &mut BucketState,
    ) {
        self.empty_spare(shared, cache, class, state);
        let current = cache.current(class);
        if current.is_null() || cache.count(class) == 0 {
            return;
        }
        let rack = cache.rack(class);
        let first = Magazine::first(current);
        let bin = cache.bin(class);
        let floor = rack.floor.load(Ordering::Relaxed) as usize;
        let place = self.place(shared, class, 0);
        // SAFETY: the bucket is locked until the end, so the magazine stays.
        unsafe {
            let seizure = Seizure::cover(bin, first, floor, || {
                crate::sys::barrier();
            });
            let (blocks, floor) = seizure.keep(bin, first);
            rack.floor.store(floor as u32, Ordering::Relaxed);
            state.put(&place, blocks.as_ptr(), blocks.len());
        }
    }

    /// Visits every live cache, under the list's lock.
    pub(super) fn for_each_cache(&self, visit: &mut dyn FnMut(&ThreadCache)) -> usize {
        let caches = self.caches.lock();
        caches.live().for_each(visit);
        caches.count - caches.parked_count
    }

    /// In a forked child: buries every cache that `is_own` says is not the
    /// forking thread's. Their threads do not exist, and were not inside a
    /// slow path's locked part.
    pub(super) fn adopt_orphans(&self, shared: Shared<'_>, is_own: &dyn Fn(&ThreadCache) -> bool) {
        {
            let mut caches = self.caches.lock();
            caches.unpark_all();
            for parked in &self.parked_of_shard {
                parked.store(0, Ordering::Relaxed);
            }
        }
        loop {
            let caches = self.caches.lock();
            let Some(orphan) = caches.live().find(|cache| !is_own(cache)) else {
                // Nor are there threads that were about to keep one.
                self.parked_bytes.store(0, Ordering::Relaxed);
                return;
            };
            let orphan = (&raw const *orphan).cast_mut();
            drop(caches);
            // SAFETY: the orphan's thread does not exist in this process; its
            // word may not either, and is not touched.
            unsafe {
                (*orphan).word.set(ptr::null());
                self.bury(shared, orphan);
            }
        }
    }
}

//! A front end: the buckets of one kind, and the slow paths between them and
//! the threads' caches.
//!
//! ```text
//!   thread's bin:  current magazine <-> spare     no lock
//!   bucket:        depots of full magazines       the bucket's lock, O(1)
//!                  free bits of subsegments       the bucket's lock, a batch
//! ```
//!
//! A magazine starts with room for four blocks and doubles each time a slow
//! path is needed, up to 8 KiB or eight blocks, and where the thread exchanges
//! little else, up to 62 blocks (126 of the smallest) or a byte limit. A
//! thread keeps two, so that a load that swings about a magazine's edge stays
//! off the lock.
//!
//! Pressure: in a heap of more than 16 MiB that is in use below a quarter of its
//! size, and from then on until little is left, a bucket that gets blocks back
//! and gives none out keeps none outside the free bits, and a thread that comes
//! to know of it empties all its bins and all depots. Few blocks in caches
//! would otherwise hold on to many subsegments.

use super::bucket::{Bucket, Place, SHARDS, State as BucketState, Totals};
#[cfg(feature = "debug")]
use super::cache::TURN_REFILLS;
use super::cache::{State, TURN_EVERYTHING, TURN_NOTHING, ThreadCache};
use super::classes::{self, COUNT, LAST_BUCKET};
use super::counted;
use super::descriptor::{Descriptor, Kind};
#[cfg(feature = "hardened")]
use super::hard;
use super::magazine::{self, Entry, MARKS, Magazine};
use super::misuse;
use super::pool::Pool;
use super::roster::Roster;
use super::segment::Backend;
use super::seize::Slot;
use super::swap::unstore;
use super::word::Word;
use crate::sync::Mutex;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// Bytes that subsegments hold up to which a heap does not come under pressure:
/// a program that builds and drops a small structure over and over is left
/// alone.
const PRESSURE_STARTS: usize = 16 * 1024 * 1024;
/// Bytes that subsegments hold at which pressure ends: what is left of a large
/// heap that was given up.
const PRESSURE_ENDS: usize = 2 * 1024 * 1024;
/// Blocks a magazine may hold when its class is first used.
pub(super) const FIRST_CAPACITY: u16 = 4;

/// Bytes of blocks that a magazine may hold, in each front end.
static CACHE_BYTES: AtomicUsize = AtomicUsize::new(0);

/// [`CACHE_BYTES`], once a front end was begun.
pub(super) fn cache_bytes() -> usize {
    CACHE_BYTES.load(Ordering::Relaxed)
}

/// A front end. What every process uses of it comes first, beside the smallest classes'
/// buckets.
#[repr(C)]
pub(crate) struct Front {
    /// Whether its blocks have marks.
    is_checked: AtomicBool,
    pub(super) pool: Pool,
    pub(super) caches: Mutex<Caches>,
    /// How many caches are of each shard; changed under the list's lock.
    pub(super) of_shard: [AtomicU32; SHARDS],
    /// Those of them that no thread has.
    pub(super) parked_of_shard: [AtomicU32; SHARDS],
    /// Bytes of these caches' blocks.
    pub(super) parked_bytes: AtomicUsize,
    /// The shards that had threads once and have none now, a bit each.
    pub(super) idle_shards: AtomicU32,
    /// How new caches turn calls away, as caches say it.
    pub(super) diverted: AtomicU8,
    /// Whether more than one thread has a cache, or had one.
    pub(super) is_crowded: AtomicBool,
    /// Whether its blocks are guarded against misuse: no fast path leads to a cache.
    is_hardened: AtomicBool,
    pub(super) buckets: [Bucket; COUNT],
}

/// How debug modes turn calls away from the fast paths. It costs nothing while it is
/// off: a diverted bin is one that is always empty and full.
#[derive(Clone, Copy, Debug)]
pub struct Diversion {
    /// Every allocation and every free takes the slow path.
    pub everything: bool,
}

impl Diversion {
    /// No calls turned away.
    pub const NONE: Diversion = Diversion { everything: false };
}

/// The caches of a front end's threads.
pub(super) type Caches = Roster<ThreadCache>;

/// The heap's parts a front end works on.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) back_end: &'a Mutex<Backend>,
    pub(super) totals: &'a Totals,
    /// Called when a thread with a cache ends.
    pub(super) thread_exit: unsafe extern "C" fn(*mut u8),
}

impl Front {
    /// A front end with every word zero; [`Front::begin`] comes before any use.
    pub(super) const fn new() -> Self {
        Front {
            is_checked: AtomicBool::new(false),
            pool: Pool::new(),
            caches: Mutex::new(Roster::new()),
            of_shard: [const { AtomicU32::new(0) }; SHARDS],
            parked_of_shard: [const { AtomicU32::new(0) }; SHARDS],
            parked_bytes: AtomicUsize::new(0),
            idle_shards: AtomicU32::new(0),
            diverted: AtomicU8::new(TURN_NOTHING),
            is_crowded: AtomicBool::new(false),
            is_hardened: AtomicBool::new(false),
            buckets: [const { Bucket::new() }; COUNT],
        }
    }

    /// Makes it a front end of `kind`, and has magazines hold up to `cache_bytes`. Its words are
    /// zero, and zero is not written: a page of a front end that nobody uses is not touched.
    pub(super) fn begin(&self, kind: Kind, cache_bytes: usize) {
        if kind.is_checked() {
            self.is_checked.store(true, Ordering::Relaxed);
            self.pool.begin_marked();
        }
        CACHE_BYTES.store(cache_bytes, Ordering::Relaxed);
    }

    /// Hides the caches that are made from here on from the fast paths, and has blocks
    /// placed as in a hardened heap.
    #[cfg(feature = "hardened")]
    pub(super) fn harden(&self) {
        self.is_hardened.store(true, Ordering::Relaxed);
    }

    /// Whether the fast paths must not be led to caches.
    pub(super) fn is_hidden(&self) -> bool {
        self.is_hardened.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn kind(&self) -> Kind {
        Kind::of(self.is_checked.load(Ordering::Relaxed) as u8)
    }

    pub(super) fn place<'a>(&self, shared: Shared<'a>, class: usize, shard: u8) -> Place<'a> {
        Place {
            kind: self.kind(),
            class,
            shard,
            back_end: shared.back_end,
            totals: shared.totals,
            owned: None,
        }
    }

    pub(super) fn bucket(&self, class: usize) -> &Bucket {
        // SAFETY: a class above the last is taken for class 0, whose blocks
        // are of no bytes.
        unsafe {
            self.buckets
                .get_unchecked(if class < COUNT { class } else { 0 })
        }
    }

    /// Blocks a magazine of `class` holds at most: so many bytes, but twelve of
    /// the larger ones, and of page runs a few of the smallest.
    pub(super) fn most(&self, class: usize) -> u16 {
        let bytes = cache_bytes();
        let size = classes::size_of(class).max(1);
        let least = match class {
            ..=LAST_BUCKET => (bytes / 256).clamp(2, 12),
            _ => (bytes.saturating_mul(4) / size).clamp(1, 4),
        };
        (bytes / size).clamp(least, magazine::entries_of(class)) as u16
    }

    /// Allocates a block of `class` when the bin had none. Null when the
    /// system has nothing to give.
    #[inline(never)]
    pub(super) fn allocate(&self, shared: Shared<'_>, word: &Word, class: usize) -> *mut u8 {
        let cache = self.cache(shared, word);
        self.obey(shared, cache);
        if !cache.is(State::Live) || cache.is_diverted() {
            return self.allocate_direct(shared, class);
        }
        if self.has_magazine(cache, class) {
            {
                let _state = self.bucket(class).state.lock();
                // SAFETY: the cache is this thread's and the bucket is locked.
                unsafe { cache.settle(class) };
            }
            if cache.count(class) == 0 {
                // Does nothing when something was asked just now.
                self.swap_in(shared, cache, class);
            }
            let bin = &raw const *cache.bin(class);
            // SAFETY: the cache is this thread's and the class's bin is its.
            let block = unsafe {
                match self.kind() {
                    Kind::Plain => ThreadCache::pop::<false>(bin),
                    Kind::Checked => ThreadCache::pop::<true>(bin),
                }
            };
            // Null too if another thread has seized the blocks meanwhile.
            if !block.is_null() {
                return block;
            }
        }
        self.allocate_direct(shared, class)
    }

    /// Whether the class has a current magazine, made if it had none.
    fn has_magazine(&self, cache: &ThreadCache, class: usize) -> bool {
        if !cache.current(class).is_null() {
            return true;
        }
        let fresh = self.first_magazine(cache, class);
        let _state = self.bucket(class).state.lock();
        // SAFETY: the magazine is empty and this thread's, or null.
        unsafe { cache.install(class, fresh, 0) };
        !fresh.is_null()
    }

    /// One block straight from the free bits, for threads without a cache and
    /// for diverted front ends.
    #[inline(never)]
    pub(super) fn allocate_direct(&self, shared: Shared<'_>, class: usize) -> *mut u8 {
        let place = self.place(shared, class, 0);
        let mut words: [Entry; MARKS + 1] = [ptr::null_mut(); MARKS + 1];
        let mut state = self.bucket(class).state.lock();
        state.falling = 0;
        // SAFETY: there is room for one entry and its mark.
        let got = unsafe { state.take(&place, words.as_mut_ptr(), 1) };
        let [block, .., key] = words;
        if got == 0 {
            return ptr::null_mut();
        }
        state.allocations += 1;
        if self.kind().is_checked() {
            // SAFETY: `take` left the key of the block's mark.
            unsafe { Descriptor::set_busy(key) };
        }
        block
    }

    /// A block of `class` that is known to be zero, if one can be had without
    /// clearing it; null otherwise.
    pub(super) fn allocate_fresh(&self, shared: Shared<'_>, word: &Word, class: usize) -> *mut u8 {
        // SAFETY: the word leads to a cache of this front end.
        let cache = unsafe { &*word.own() };
        if class <= LAST_BUCKET
            || cache.is(State::Unborn)
            || cache.count(class) != 0
            || cache.is_diverted()
        {
            return ptr::null_mut();
        }
        let mut state = self.bucket(class).state.lock();
        if self.is_to_look(shared, cache, class, &state, true) {
            drop(state);
            self.seek_idle(shared, cache, class);
            state = self.bucket(class).state.lock();
        }
        state.take_fresh(&self.place(shared, class, cache.shard))
    }

    /// Takes back a block of `class` when the bin had no room. In a checked
    /// front end its mark is clear already, and `key` finds it. The
    /// block belongs to `shard`, if its class has shards.
    ///
    /// # Safety
    /// `block` is a block of this front end and class that nobody uses.
    pub(super) unsafe fn free(
        &self,
        shared: Shared<'_>,
        word: &Word,
        class: usize,
        block: *mut u8,
        key: *mut u8,
        shard: u8,
    ) {
        let cache = self.cache(shared, word);
        // SAFETY: one block, the caller's.
        unsafe { counted::freed(&raw const block, 1) };
        self.obey(shared, cache);
        let is_live = cache.is(State::Live) && !cache.is_diverted();
        if is_live {
            self.relieve(shared, cache);
        }
        let is_foreign = cache.is_foreign(shard, class);
        if !is_live || is_foreign || !self.keep(shared, cache, class, block, key) {
            // SAFETY: the caller's block.
            unsafe { self.free_direct(shared, class, block) };
        }
        misuse::report_late();
    }

    /// One block straight into the free bits.
    ///
    /// # Safety
    /// As for [`Front::free`].
    #[inline(never)]
    pub(super) unsafe fn free_direct(&self, shared: Shared<'_>, class: usize, block: *mut u8) {
        let place = self.place(shared, class, 0);
        let mut state = self.bucket(class).state.lock();
        // SAFETY: one entry, the caller's.
        unsafe { state.put(&place, &raw const block, 1) };
    }

    /// Gives back what the thread and the depots keep when the heap has come
    /// under pressure.
    fn relieve(&self, shared: Shared<'_>, cache: &ThreadCache) {
        if Self::is_under_pressure(shared, cache) && !cache.pressed.replace(true) {
            Self::watch_shrinking(shared);
            self.drain(shared, cache);
            self.drain_parked(shared, &self.caches.lock());
            for class in 1..COUNT {
                let mut state = self.bucket(class).state.lock();
                self.empty_depot(shared, class, &mut state);
            }
        }
        if cache.pressed.get() {
            self.thin_out(shared);
        }
    }

    /// Keeps a block in the current magazine, if that has or can be given room.
    /// False when the class keeps no blocks, or there is no memory for a
    /// magazine.
    #[inline(never)]
    fn keep(
        &self,
        shared: Shared<'_>,
        cache: &ThreadCache,
        class: usize,
        block: *mut u8,
        key: *mut u8,
    ) -> bool {
        if !self.has_magazine(cache, class) {
            return false;
        }
        let mut state = self.bucket(class).state.lock();
        // SAFETY: the cache is this thread's and the bucket is locked.
        unsafe { cache.settle(class) };
        if cache.pressed.get() && state.falling >= 1 {
            self.empty(shared, cache, class, &mut state);
            return false;
        }
        if !self.rotate(shared, cache, class, cache.bin(class), &mut state) {
            return false;
        }
        // SAFETY: there is room in the current magazine.
        unsafe {
            let top = cache.bin(class).top.load(Ordering::Relaxed);
            Entry::set(top, block);
            if self.kind().is_checked() {
                top.add(MARKS).write(key);
            }
            cache.bin(class).top.store(top.add(1), Ordering::Relaxed);
        }
        true
    }

    #[inline(never)]
    pub(super) fn flush_current(
        &self,
        shared: Shared<'_>,
        cache: &ThreadCache,
        class: usize,
        state: &mut BucketState,
    ) -> bool {
        // SAFETY: the cache is this thread's and the bucket is locked.
        unsafe { cache.settle(class) };
        let current = cache.current(class);
        let count = cache.count(class);
        if current.is_null() {
            return false;
        }
        let place = self.place(shared, class, cache.shard);
        // SAFETY: the magazine is this thread's and holds `count` blocks that
        // nobody uses; afterwards it is empty.
        unsafe {
            state.put(&place, Magazine::first(current), count);
            cache.install(class, current, 0);
        }
        cache.rack(class).capacity.get() > 0
    }

    /// Whether little of a large heap is in use: see the head of this file.
    /// Over at half, so that a heap about the threshold does not flap.
    pub(super) fn is_under_pressure(shared: Shared<'_>, cache: &ThreadCache) -> bool {
        let active = shared.totals.active.load(Ordering::Relaxed);
        let out = shared.totals.out.load(Ordering::Relaxed);
        let (least, part) = if cache.pressed.get() {
            (PRESSURE_ENDS, 2)
        } else {
            (PRESSURE_STARTS, 4)
        };
        let pressure = active > least && out < active / part;
        if !pressure && cache.pressed.replace(false) {
            shared.totals.is_shrinking.store(false, Ordering::Relaxed);
        }
        pressure
    }

    /// Puts every block of the class that this thread or the depot keeps back
    /// into the free bits; the thread keeps none from now on.
    fn empty(
        &self,
        shared: Shared<'_>,
        cache: &ThreadCache,
        class: usize,
        state: &mut BucketState,
    ) {
        let rack = cache.rack(class);
        rack.capacity.set(0);
        self.flush_current(shared, cache, class, state);
        self.empty_spare(shared, cache, class, state);
        self.empty_depot(shared, class, state);
    }

    #[inline(never)]
    pub(super) fn empty_depot(&self, shared: Shared<'_>, class: usize, state: &mut BucketState) {
        let place = self.place(shared, class, 0);
        while let Some((magazine, count)) = state.pop_any() {
            unstore(shared, count * classes::size_of(class));
            // SAFETY: the magazine came from the depot with `count` blocks.
            unsafe {
                state.put(&place, Magazine::first(magazine), count);
                self.pool.give_back(class, magazine);
            }
        }
    }

    /// Gives everything a cache holds back: to the free bits.
    #[inline(never)]
    pub(super) fn drain(&self, shared: Shared<'_>, cache: &ThreadCache) {
        #[cfg(feature = "hardened")]
        hard::end_quarantine(self, shared, cache);
        for class in cache.opened() {
            let rack = cache.rack(class);
            let mut state = self.bucket(class).state.lock();
            self.flush_current(shared, cache, class, &mut state);
            self.empty_spare(shared, cache, class, &mut state);
            let current = cache.current(class);
            // SAFETY: the current magazine was emptied and is taken out.
            unsafe {
                cache.install(class, ptr::null_mut(), 0);
                self.pool.give_back(class, current);
            }
            drop(state);
            rack.capacity.set(rack.capacity.get().min(FIRST_CAPACITY));
        }
        self.drain_foreign(shared, cache);
    }

    /// Puts the spare's blocks back into the free bits, whoever owns the cache.
    #[inline(never)]
    pub(super) fn empty_spare(
        &self,
        shared: Shared<'_>,
        cache: &ThreadCache,
        class: usize,
        state: &mut BucketState,
    ) {
        let rack = cache.rack(class);
        let spare = rack.spare.replace(ptr::null_mut());
        let count = rack.spare_count.swap(0, Ordering::Relaxed) as usize;
        if spare.is_null() {
            return;
        }
        let place = self.place(shared, class, cache.shard);
        // SAFETY: the bucket's lock makes the spare and its blocks ours.
        unsafe {
            state.put(&place, Magazine::first(spare), count);
            self.pool.give_back(class, spare);
        }
    }

    /// Whether new caches send every call to the slow path.
    pub(super) fn is_diverted(&self) -> bool {
        self.diverted.load(Ordering::Relaxed) == TURN_EVERYTHING
    }

    /// Sets how new caches behave: whether every call takes the slow path.
    pub(super) fn set_diverted(&self, diverted: bool) {
        let diverted = if diverted {
            TURN_EVERYTHING
        } else {
            TURN_NOTHING
        };
        self.diverted.store(diverted, Ordering::Relaxed);
    }

    /// Has refills counted, unless every call is slow. Before there is a cache.
    #[cfg(feature = "debug")]
    pub(super) fn count_refills(&self) {
        if !self.is_diverted() {
            self.diverted.store(TURN_REFILLS, Ordering::Relaxed);
        }
    }

    /// Sends every allocation and every free to the slow path, or no longer.
    pub(super) fn divert(&self, shared: Shared<'_>, word: &Word, diversion: Diversion) {
        self.set_diverted(diversion.everything);
        self.ask_all(shared, Some(word));
    }

    /// Visits every lock in the order in which they are taken.
    pub(super) fn for_each_lock(&self, visit: &mut dyn FnMut(&crate::sync::Lock)) {
        visit(self.caches.raw());
        for bucket in &self.buckets {
            visit(bucket.state.raw());
        }
        visit(self.pool.lock());
    }
}

//! Blocks that belong to another shard: a thread does not hand them out again,
//! but sends them home.
//!
//! Threads of different shards take small blocks from different subsegments,
//! so that no cache line is written by two threads in turn: neither one that
//! holds two blocks nor one that holds two blocks' marks. A thread that freed
//! another's block into its own bin and handed it out next would undo that.
//! So a checked front end's cache has a row of bins for each shard, and a
//! descriptor's `bin` leads to the row of its subsegment's shard: the fast path
//! of a free does not know the difference.
//!
//! ```text
//!   free:  cache + descriptor.bin           malloc:  row + size
//!
//!   row of shard 0  | 0 | 16 | 32 | ...   in the cache itself
//!   row of shard 1  | 0 | 16 | 32 | ...   <-- `row` of a thread of shard 1
//!   ...                                       all others only fill, and go to
//!   row of shard 7  | 0 | 16 | 32 | ...       the depot of their shard when full
//! ```
//!
//! Invariants:
//! - No block is taken from a foreign bin, only whole magazines. Zeroed memory
//!   is a row of bins that are full: they get magazines when they are used.
//! - Which shard a block belongs to is a matter of speed alone. A subsegment
//!   may change its shard while its blocks are in any row, magazine or depot.
//! - Classes above the linear ones have no shards: their blocks are whole
//!   cache lines. Nor have plain front ends, whose frees know only the size.
//! - What a slow path changes here, it changes under the bucket's lock.

use super::bin::Bin;
use super::bucket::{SHARDS, State as BucketState};
use super::cache::{self, BIN, ThreadCache};
use super::classes::{self, COUNT, MAX_LINEAR_SIZE};
use super::descriptor::{Kind, MARKED};
use super::front::{self, Front, Shared};
use super::magazine::{ENTRIES, Entry, MARKS, Magazine};
use super::seize;
use super::swap::{is_calm, store};
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// Bins of a row: class 0 and the linear classes, which alone have shards.
pub(super) const ROW: usize = MAX_LINEAR_SIZE / BIN + 1;

/// What the slow paths keep of a foreign bin.
pub(super) struct Shelf {
    /// The magazine the bin's `top` points into.
    current: AtomicPtr<Magazine>,
    /// Slots at its bottom whose blocks were seized.
    floor: AtomicU32,
    /// Blocks it may hold now.
    capacity: Cell<u16>,
}

/// What lies behind a checked front end's cache.
#[repr(C, align(64))]
pub(super) struct Rows {
    /// The rows of the shards after the first.
    bins: [[Bin; ROW]; SHARDS - 1],
    shelves: [[Shelf; ROW]; SHARDS],
}

/// A checked front end's cache.
#[repr(C)]
struct Wide {
    cache: ThreadCache,
    rows: Rows,
}

/// Bytes of a cache in a front end of `kind`.
pub(super) const fn bytes_of(kind: Kind) -> usize {
    match kind {
        Kind::Plain => size_of::<ThreadCache>(),
        Kind::Checked => size_of::<Wide>(),
    }
}

/// Whether blocks of `class` belong to a shard.
pub(super) const fn has_shards(kind: Kind, class: usize) -> bool {
    matches!(kind, Kind::Checked) && class < ROW
}

/// Where in a cache the bin lies that blocks of `class` and `shard` go to, in
/// bytes.
pub(super) const fn bin_offset(kind: Kind, class: usize, shard: u8) -> usize {
    let row = if shard == 0 || shard as usize >= SHARDS || !has_shards(kind, class) {
        0
    } else {
        core::mem::offset_of!(Wide, rows) + (shard as usize - 1) * size_of::<[Bin; ROW]>()
    };
    row + class * BIN
}

/// Where the rows of the cache at `place` lie.
///
/// # Safety
/// `place` is memory for a checked front end's cache.
pub(super) unsafe fn rows_of(place: *mut ThreadCache) -> *mut Rows {
    // SAFETY: the caller's memory.
    unsafe { &raw mut (*place.cast::<Wide>()).rows }
}

impl Rows {
    /// The bins of a row; null for the first, which lies elsewhere, and where there is
    /// none.
    ///
    /// # Safety
    /// The rows are a cache's.
    pub(super) unsafe fn row(this: *mut Rows, row: u8) -> *mut Bin {
        let before = usize::from(row).wrapping_sub(1);
        if before >= SHARDS - 1 {
            return ptr::null_mut();
        }
        // SAFETY: the row is below the number of rows.
        unsafe { (&raw mut (*this).bins).cast::<Bin>().add(before * ROW) }
    }

    /// Makes a row one to take blocks from.
    ///
    /// # Safety
    /// The row is that of a cache that is about to begin.
    pub(super) unsafe fn open(row: *mut Bin) {
        for class in 0..ROW {
            // SAFETY: a row has so many bins; the caller's memory is ours to write.
            unsafe { row.add(class).write(cache::closed()) };
        }
    }
}

/// A foreign bin with its shelf.
#[derive(Clone, Copy)]
pub(super) struct Foreign<'a> {
    bin: &'a Bin,
    shelf: &'a Shelf,
}

impl Foreign<'_> {
    fn current(&self) -> *mut Magazine {
        self.shelf.current.load(Ordering::Relaxed)
    }

    /// Entries of the magazine that are or were filled.
    fn height(&self) -> usize {
        let first = Magazine::first(self.current());
        let top = self.bin.top.load(Ordering::Relaxed);
        let height = top.addr().wrapping_sub(first.addr()) / size_of::<Entry>();
        height.min(ENTRIES)
    }

    /// Blocks in the bin.
    fn count(&self) -> usize {
        if self.current().is_null() {
            return 0;
        }
        let floor = self.shelf.floor.load(Ordering::Relaxed) as usize;
        self.height().saturating_sub(floor)
    }

    /// Makes `magazine`, with `count` blocks in it, the bin's.
    ///
    /// # Safety
    /// The caller is the owner of the cache and holds the bucket's lock; the
    /// magazine is null or its to use.
    unsafe fn install(&self, cache: &ThreadCache, magazine: *mut Magazine, count: usize) {
        self.shelf.current.store(magazine, Ordering::Relaxed);
        self.shelf.floor.store(0, Ordering::Relaxed);
        if magazine.is_null() {
            self.bin.lower();
            self.bin.top.store(ptr::null_mut(), Ordering::Relaxed);
            return;
        }
        let first = Magazine::first(magazine);
        let top = first.wrapping_add(count);
        self.bin.top.store(top, Ordering::Relaxed);
        let capacity = usize::from(self.shelf.capacity.get());
        self.bin.raise(first.wrapping_add(capacity), &cache.request);
    }

    /// Moves the bin's blocks down to where others were seized.
    ///
    /// # Safety
    /// The caller is the owner of the cache and holds the bucket's lock.
    unsafe fn settle(&self, cache: &ThreadCache) {
        let floor = self.shelf.floor.load(Ordering::Relaxed) as usize;
        if floor == 0 {
            return;
        }
        let (count, current) = (self.count(), self.current());
        let first = Magazine::first(current);
        // SAFETY: the magazine holds `count` entries from `floor` on, and
        // their keys in the second half; it is the owner's.
        unsafe {
            ptr::copy(first.add(floor), first, count);
            let keys = first.add(MARKS);
            ptr::copy(keys.add(floor), keys, count);
            self.install(cache, current, count);
        }
    }
}

impl ThreadCache {
    /// The bins of a row in use: with the first go those of all classes that
    /// have no shards.
    pub(super) fn bins_of(&self, row: u8) -> &[Bin] {
        if row == 0 {
            return &self.bins;
        }
        // SAFETY: only a cache that has further rows uses any, and they live as long as
        // it.
        unsafe {
            let first = Rows::row(self.rows, row);
            if first.is_null() {
                return &[];
            }
            core::slice::from_raw_parts(first, ROW)
        }
    }

    /// Whether blocks of `class` and `shard` go to a bin that the thread does
    /// not take from.
    #[inline]
    pub(super) fn is_foreign(&self, shard: u8, class: usize) -> bool {
        // Large blocks are of class 0, whose bin stays full.
        MARKED && shard != self.shard && (1..ROW).contains(&class) && !self.rows.is_null()
    }

    /// The bin of blocks of `class` and `shard`, if it is not one that the
    /// thread takes from.
    pub(super) fn foreign(&self, shard: u8, class: usize) -> Option<Foreign<'_>> {
        if !self.is_foreign(shard, class) {
            return None;
        }
        // SAFETY: the rows live as long as the cache.
        let rows: &Rows = unsafe { &*self.rows };
        Some(Foreign {
            bin: self.bins_of(shard).get(class)?,
            shelf: rows.shelves.get(usize::from(shard))?.get(class)?,
        })
    }

    /// The depot of the bucket that full magazines of the thread's own go to.
    #[inline(always)]
    pub(super) fn home(&self, class: usize) -> u8 {
        if class < ROW { self.home } else { 0 }
    }

    /// Visits the foreign bins of `class` that were ever used.
    fn for_each_shard<'a>(&'a self, class: usize, visit: &mut dyn FnMut(Foreign<'a>)) {
        if !MARKED || class >= ROW || self.rows.is_null() {
            return;
        }
        for shard in (0..SHARDS as u8).filter(|shard| self.request.uses_row(*shard)) {
            if let Some(foreign) = self.foreign(shard, class) {
                visit(foreign);
            }
        }
    }

    /// Calls `visit` with the class and number of the blocks in each foreign bin.
    pub(super) fn for_each_foreign(&self, visit: &mut dyn FnMut(usize, usize)) {
        if !MARKED || self.rows.is_null() {
            return;
        }
        for shard in (0..SHARDS as u8).filter(|shard| self.request.uses_row(*shard)) {
            for class in 1..ROW {
                if let Some(foreign) = self.foreign(shard, class) {
                    visit(class, foreign.count());
                }
            }
        }
    }
}

impl Front {
    /// Makes room in a full bin of the calling thread's for blocks of `class` and
    /// of another `shard`, one of which is `block`. Returns the bin that the
    /// block may go to now, if that has room; null, and nothing done, when there
    /// is more to do.
    #[inline(never)]
    pub(super) fn swap_away(
        &self,
        shared: Shared<'_>,
        cache: &ThreadCache,
        class: usize,
        shard: u8,
        block: usize,
    ) -> *const Bin {
        let Some(foreign) = cache.foreign(shard, class) else {
            return ptr::null();
        };
        if !is_calm(cache) || cache.pressed.get() || Self::is_under_pressure(shared, cache) {
            return ptr::null();
        }
        let mut state = self.bucket(class).state.lock();
        if self.is_deserted(shard) {
            // Nobody would take the blocks back: the subsegment changes hands.
            state.adopt(&self.place(shared, class, cache.shard), block);
            return cache.bin(class);
        }
        let shelf = foreign.shelf;
        let current = foreign.current();
        if current.is_null() {
            // At once: a bin that grew would send nothing home until it is as
            // large, and so hold as much.
            shelf.capacity.set(self.most_foreign(class));
            cache.request.use_row(shard);
            let fresh = self.pool.take(class);
            // SAFETY: the magazine is empty and this thread's, or null.
            unsafe { foreign.install(cache, fresh, 0) };
            return foreign.bin;
        }
        // SAFETY: the cache is this thread's and the bucket is locked.
        unsafe { foreign.settle(cache) };
        let count = foreign.count();
        let mut next = (current, count);
        if count >= usize::from(shelf.capacity.get()) {
            state.falling = state.falling.saturating_add(1);
            next = (
                self.send_home(shared, &mut state, class, shard, current, count),
                0,
            );
        }
        let (magazine, count) = next;
        // SAFETY: the magazine is this thread's, with so many blocks, or null.
        unsafe { foreign.install(cache, magazine, count) };
        foreign.bin
    }

    /// Blocks a foreign bin of `class` holds at most: a quarter of the bytes that
    /// a thread's own may have, since it has no use for them itself.
    fn most_foreign(&self, class: usize) -> u16 {
        let bytes = front::cache_bytes() / 4;
        let most = (bytes / classes::size_of(class).max(1)).max(8);
        self.most(class).min(most.min(ENTRIES) as u16)
    }

    /// Gives a magazine with `count` blocks to the depot of their shard, or the
    /// blocks to the free bits; returns an empty magazine, or null.
    fn send_home(
        &self,
        shared: Shared<'_>,
        state: &mut BucketState,
        class: usize,
        shard: u8,
        full: *mut Magazine,
        count: usize,
    ) -> *mut Magazine {
        let bytes = count * classes::size_of(class);
        let depot = state.depot(shard);
        if self.has_room(shared, depot, bytes, class) {
            // SAFETY: the magazine is the caller's and holds that many.
            unsafe { depot.push(full, count) };
            store(shared, bytes);
            return self.pool.take(class);
        }
        let place = self.place(shared, class, shard);
        // SAFETY: nobody uses the blocks.
        unsafe { state.put(&place, Magazine::first(full), count) };
        full
    }

    /// Puts the blocks of other shards that a cache holds back into the free
    /// bits.
    pub(super) fn drain_foreign(&self, shared: Shared<'_>, cache: &ThreadCache) {
        for class in 1..ROW.min(COUNT) {
            cache.for_each_shard(class, &mut |foreign| {
                let current = foreign.current();
                if current.is_null() {
                    return;
                }
                let mut state = self.bucket(class).state.lock();
                let place = self.place(shared, class, cache.shard);
                // SAFETY: the cache is this thread's, or nobody's, and the
                // bucket is locked; nobody uses the blocks.
                unsafe {
                    foreign.settle(cache);
                    state.put(&place, Magazine::first(current), foreign.count());
                    foreign.install(cache, ptr::null_mut(), 0);
                    self.pool.give_back(class, current);
                }
            });
        }
    }

    /// Puts the blocks of other shards that another thread's cache keeps of a
    /// class back into the free bits.
    pub(super) fn seize_foreign(
        &self,
        shared: Shared<'_>,
        cache: &ThreadCache,
        class: usize,
        state: &mut BucketState,
    ) {
        let place = self.place(shared, class, 0);
        cache.for_each_shard(class, &mut |foreign| {
            if foreign.count() == 0 {
                return;
            }
            let first = Magazine::first(foreign.current());
            let floor = foreign.shelf.floor.load(Ordering::Relaxed) as usize;
            // SAFETY: the bucket is locked, so the magazine stays; the owner
            // does not take from it.
            unsafe {
                let top = seize::seize_unpopped(foreign.bin, first, || {
                    crate::sys::barrier();
                });
                foreign.shelf.floor.store(top as u32, Ordering::Relaxed);
                state.put(&place, first.add(floor), top.saturating_sub(floor));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bin_has_a_place_of_its_own() {
        // One row after the other, and each bin after the one before it.
        let mut last = 0;
        for shard in 0..SHARDS as u8 {
            for class in 0..if shard == 0 { COUNT } else { ROW } {
                let place = bin_offset(Kind::Checked, class, shard);
                assert!(
                    place >= last && place.is_multiple_of(BIN),
                    "{shard} {class}"
                );
                last = place + BIN;
            }
            assert!(last <= bytes_of(Kind::Checked));
            last = last.max(size_of::<ThreadCache>());
        }
        for class in ROW..COUNT {
            assert_eq!(bin_offset(Kind::Checked, class, 3), class * BIN);
        }
        for class in 0..COUNT {
            assert_eq!(bin_offset(Kind::Plain, class, 3), class * BIN);
            assert_eq!(bin_offset(Kind::Checked, class, 0), class * BIN);
        }
    }
}

//! A thread's cache: one bin per class, popped and pushed without a lock.
//!
//! ```text
//!   ThreadCache                      magazine
//!   | bin 0 | bin 1 | ... |          | next | null | e0 | e1 | e2 | ... |
//!       { top, limit } --------------------------------------^         ^
//!                  +---------------------------------------------------+ limit
//! ```
//!
//! Allocate reads the word below `top`; a null there means empty. Free writes
//! at `top` unless it has reached `limit`. Every special case is a bin that is
//! always empty (its `top` stands above a null word) and always full (its
//! limit is null): a thread without a cache yet, class 0, large blocks,
//! diverted front ends. So the fast paths test nothing else.
//!
//! In a checked front end a thread has a row of bins for each shard, and only
//! that of its own shard is what `row` leads to and blocks are taken from; the
//! other rows only fill (foreign.rs).
//!
//! Only its thread moves `top`. Other threads may read it, for statistics, and
//! may set `limit` to null, which sends the owner's next free to the slow
//! path, where it sees what is asked of it (bin.rs).

use super::bin::{Bin, Request};
use super::classes::{self, COUNT};
use super::descriptor::{BUSY, Descriptor, Kind, MARKED};
use super::foreign::{self, ROW, Rows};
use super::idle::Watch;
use super::magazine::{ENTRIES, Entry, MARKS, Magazine};
use super::roster::{Member, Owner};
use super::screen::{self, Screen};
use super::seize::Slot;
use super::slices;
use super::word::Word;
use core::cell::Cell;
use core::iter::successors;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// Bytes of a bin, and the distance of bins in a cache.
pub(crate) const BIN: usize = size_of::<Bin>();

/// What the slow paths keep of a class.
pub(super) struct Rack {
    /// The magazine `top` points into. Set by the owner alone, under the
    /// bucket's lock.
    pub(super) current: AtomicPtr<Magazine>,
    /// Slots at the current magazine's bottom whose blocks were seized.
    pub(super) floor: AtomicU32,
    /// A second magazine, full or empty, exchanged with the first. Belongs to
    /// the bucket's lock.
    pub(super) spare: Cell<*mut Magazine>,
    /// Blocks in the spare.
    pub(super) spare_count: AtomicU32,
    /// Blocks a magazine may hold now; 0 while the thread keeps none of the class, whether it
    /// ever did or not.
    pub(super) capacity: Cell<u16>,
    /// Blocks it may ever hold.
    pub(super) most: Cell<u16>,
    /// The number of the thread's last exchange that took blocks of the class (idle.rs).
    pub(super) last: Cell<u32>,
}

/// No call takes the slow path but those that must.
pub(super) const TURN_NOTHING: u8 = 0;
/// Refills take the slower of their two paths, where blocks are sampled.
#[cfg_attr(not(feature = "debug"), allow(dead_code))]
pub(super) const TURN_REFILLS: u8 = 1;
/// Every allocation and every free takes the slow path.
pub(super) const TURN_EVERYTHING: u8 = 2;

/// What became of a block whose free a fast path tried.
pub enum Push {
    /// It is in its bin.
    Done,
    /// Nothing was done. The address is a block's whose mark is not the one that fast paths
    /// know.
    Marked(Marked),
    /// Nothing was done. The address is a block's that is handed out, and its bin is full.
    Full(Marked),
    /// Nothing was done.
    Not,
}

/// A block that starts at an address: its descriptor, and what finds its mark.
#[derive(Clone, Copy)]
pub struct Marked {
    pub(super) descriptor: *mut Descriptor,
    pub(super) key: *mut u8,
}

/// How a cache is used.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// The shared one of threads that have none yet.
    Unborn = 0,
    /// The shared one of threads that end, or cannot have one.
    Dead = 1,
    /// A thread's own.
    Live = 2,
}

/// A thread's cache.
#[repr(C, align(64))]
pub struct ThreadCache {
    /// The bins of shard 0 and of the classes that have no shards.
    pub(super) bins: [Bin; COUNT],
    /// The slice table and its mask, copied here to be at hand.
    pub(super) table: AtomicPtr<u8>,
    pub(super) mask: Cell<usize>,
    pub(super) state: AtomicU8,
    /// Made by others: give everything back at the next slow path.
    pub(super) request: Request,
    /// What takes the slow path: [`TURN_NOTHING`], [`TURN_REFILLS`] or
    /// [`TURN_EVERYTHING`].
    pub(super) diverted: AtomicU8,
    /// Blocks that the thread is handed before its next one that is sampled.
    // There without the feature, too: readers from outside know one layout.
    #[cfg_attr(not(feature = "debug"), allow(dead_code))]
    pub(super) until_sample: Cell<u64>,
    /// Bytes that the thread is handed before its next block that is profiled.
    #[cfg_attr(not(feature = "debug"), allow(dead_code))]
    pub(super) until_profiled: Cell<u64>,
    /// Bytes from there to the end of the stretch which has that block's place.
    #[cfg_attr(not(feature = "debug"), allow(dead_code))]
    pub(super) beyond: Cell<u64>,
    /// Bytes of the largest blocks that are counted at once (counted.rs); 0 for none.
    #[cfg_attr(not(feature = "debug"), allow(dead_code))]
    pub(super) counted: Cell<usize>,
    /// The bins that the thread takes from, of which there are [`ROW`]: those of its own
    /// shard.
    row: AtomicPtr<Bin>,
    /// What the fast paths see of the cache: its screen (screen.rs), or itself.
    shown: AtomicPtr<ThreadCache>,
    /// The bins that the thread's word leads to: those it takes from, or what the screen
    /// shows of them.
    word_row: AtomicPtr<Bin>,
    /// Whether magazines have keys.
    is_checked: bool,
    /// The other shards' rows; null in a plain front end.
    pub(super) rows: *mut Rows,
    /// The thread knows that the heap is under pressure.
    pub(super) pressed: Cell<bool>,
    /// When idle classes are looked for.
    pub(super) watch: Watch,
    /// The list of a bucket's subsegments that the thread's blocks come from.
    pub(super) shard: u8,
    /// The shard again, where a front end's blocks have shards; else 0.
    pub(super) home: u8,
    /// The thread's number, to know it by after a fork; 0 while no thread has the cache.
    owner: AtomicU64,
    /// The process that it was a thread of when it got the cache.
    process: AtomicU32,
    /// Counts the threads that got caches: of two caches, which got its own later.
    since: AtomicU64,
    /// The thread's word, which leads here.
    pub(super) word: Cell<*const Word>,
    /// The next cache of the front end's list, or of its free list.
    pub(super) next: AtomicPtr<ThreadCache>,
    /// In a hardened heap, what patterns are made of, at hand.
    // There without the feature, too: readers from outside know one layout.
    #[cfg_attr(not(feature = "hardened"), allow(dead_code))]
    pub(super) secrets: Cell<[u64; 2]>,
    /// Bytes of its blocks while no thread has it.
    pub(super) parked_bytes: Cell<usize>,
    /// The next cache of those that no thread has.
    pub(super) next_parked: AtomicPtr<ThreadCache>,
    /// The classes that ever had a magazine, a bit each: most threads use few.
    opened: [Cell<u64>; COUNT.div_ceil(64)],
    /// Whether the fast paths are not led here: in a hardened front end.
    is_hidden: Cell<bool>,
    /// In a hardened front end, the freed blocks that are kept from use; null until
    /// there are some. A buried cache keeps it for the next thread.
    pub(super) quarantine: AtomicPtr<u8>,
    pub(super) racks: [Rack; COUNT],
}

// SAFETY: the fields others may touch are atomics; the cells are touched by
// the owning thread alone, under the bucket's lock where they say so, or by
// whoever holds the front end's list of caches once the owner is gone.
unsafe impl Sync for ThreadCache {}

impl core::fmt::Debug for ThreadCache {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ThreadCache").finish_non_exhaustive()
    }
}

/// The null word below every empty bin's `top`, and room for the mark word
/// that a checked pop computes the place of.
struct Floor {
    _words: [Entry; 2],
}

// SAFETY: never written.
unsafe impl Sync for Floor {}

static FLOOR: Floor = Floor {
    _words: [ptr::null_mut(); 2],
};

/// A bin that is empty and full.
pub(super) const fn closed() -> Bin {
    Bin {
        top: AtomicPtr::new(nowhere()),
        limit: AtomicPtr::new(ptr::null_mut()),
    }
}

const fn nowhere() -> *mut Entry {
    (&raw const FLOOR)
        .cast::<Entry>()
        .cast_mut()
        .wrapping_add(1)
}

/// The cache of every thread that has none yet: what a word first leads to.
pub static UNBORN: ThreadCache = ThreadCache::shared(
    State::Unborn,
    nowhere(),
    slices::stand_in(),
    (&raw const UNBORN).cast_mut(),
);
/// The cache of every thread that must not have one. It has no addresses before its
/// first use: the loader would have to write them into every process.
static DEAD: ThreadCache = ThreadCache::shared(
    State::Dead,
    ptr::null_mut(),
    ptr::null_mut(),
    ptr::null_mut(),
);

/// The cache that the words of a hardened heap's threads lead to: it has nothing and takes
/// nothing, but its table is the true one, so that the fast path of a free finds the block's
/// descriptor for the hardened heap. As for the addresses, see [`DEAD`].
#[cfg(feature = "hardened")]
static GATE: ThreadCache = ThreadCache::shared(
    State::Unborn,
    ptr::null_mut(),
    ptr::null_mut(),
    ptr::null_mut(),
);

impl ThreadCache {
    const fn shared(state: State, top: *mut Entry, table: *mut u8, this: *mut ThreadCache) -> Self {
        let mut bins = [const { closed() }; COUNT];
        let mut class = 0;
        while class < COUNT {
            bins[class].top = AtomicPtr::new(top);
            class += 1;
        }
        ThreadCache {
            bins,
            table: AtomicPtr::new(table),
            mask: Cell::new(0),
            state: AtomicU8::new(state as u8),
            request: Request::new(),
            diverted: AtomicU8::new(TURN_NOTHING),
            until_sample: Cell::new(0),
            until_profiled: Cell::new(0),
            beyond: Cell::new(0),
            counted: Cell::new(0),
            row: AtomicPtr::new(this.cast()),
            shown: AtomicPtr::new(this),
            word_row: AtomicPtr::new(this.cast()),
            is_checked: false,
            rows: ptr::null_mut(),
            pressed: Cell::new(false),
            watch: Watch::new(),
            shard: 0,
            home: 0,
            owner: AtomicU64::new(0),
            process: AtomicU32::new(0),
            since: AtomicU64::new(0),
            word: Cell::new(ptr::null()),
            next: AtomicPtr::new(ptr::null_mut()),
            secrets: Cell::new([0; 2]),
            parked_bytes: Cell::new(0),
            next_parked: AtomicPtr::new(ptr::null_mut()),
            opened: [const { Cell::new(0) }; COUNT.div_ceil(64)],
            is_hidden: Cell::new(false),
            quarantine: AtomicPtr::new(ptr::null_mut()),
            racks: [const {
                Rack {
                    current: AtomicPtr::new(ptr::null_mut()),
                    floor: AtomicU32::new(0),
                    spare: Cell::new(ptr::null_mut()),
                    spare_count: AtomicU32::new(0),
                    capacity: Cell::new(0),
                    most: Cell::new(0),
                    last: Cell::new(0),
                }
            }; COUNT],
        }
    }

    /// Whether its front end marks its blocks.
    #[inline(always)]
    pub(super) fn is_checked(&self) -> bool {
        MARKED && self.is_checked
    }

    /// Whether every call takes the slow path.
    #[inline(always)]
    pub(super) fn is_diverted(&self) -> bool {
        self.diverted.load(Ordering::Relaxed) == TURN_EVERYTHING
    }

    /// Whether the fast paths must not be led here.
    #[cfg(feature = "hardened")]
    #[inline(always)]
    pub(super) fn is_hidden(&self) -> bool {
        self.is_hidden.get()
    }

    /// The cache of a thread that must not have one (any more).
    pub(super) fn dead() -> *const ThreadCache {
        // Every thread that comes here writes the same addresses, before it uses
        // them.
        DEAD.close();
        &raw const DEAD
    }

    /// The cache of fast paths that find nothing, in a hardened heap.
    #[cfg(feature = "hardened")]
    pub(super) fn gate() -> *const ThreadCache {
        &raw const GATE
    }

    /// Readies [`ThreadCache::gate`]. Called by the thread that makes the heap ready, before
    /// it is.
    #[cfg(feature = "hardened")]
    pub(super) fn shut_gate() {
        GATE.close();
        let (table, mask) = slices::table();
        GATE.mask.set(mask);
        GATE.table.store(table, Ordering::Relaxed);
    }

    /// Closes all bins, and leads to them and to the slice table's stand-in.
    fn close(&self) {
        for bin in &self.bins {
            bin.top.store(nowhere(), Ordering::Relaxed);
        }
        self.table.store(slices::stand_in(), Ordering::Relaxed);
        let this = (&raw const *self).cast_mut();
        self.shown.store(this, Ordering::Relaxed);
        self.row.store(this.cast(), Ordering::Relaxed);
        self.word_row.store(this.cast(), Ordering::Relaxed);
    }

    /// Writes a fresh live cache to `place`.
    ///
    /// # Safety
    /// `place` is memory for a cache of this kind that nobody uses, as large as
    /// [`foreign::bytes_of`] says, and the room for its screen before it, if caches have
    /// screens; its rows are zeroed, or as a cache left them that was drained.
    ///
    /// `is_zero` says that it was never used; then what is left zero takes no memory.
    pub(super) unsafe fn birth(
        place: *mut ThreadCache,
        kind: Kind,
        shard: u8,
        is_hidden: bool,
        is_zero: bool,
    ) {
        // In place, since a copy would take pages of the stack.
        // SAFETY: the caller's memory is ours to write, and a cache of zeros is
        // one: numbers, null pointers, false.
        let fresh = unsafe {
            if !is_zero {
                let quarantine = (*place).quarantine.load(Ordering::Relaxed);
                place.write_bytes(0, 1);
                (*place).quarantine = AtomicPtr::new(quarantine);
            }
            &mut *place
        };
        fresh.is_hidden.set(is_hidden);
        #[cfg(feature = "hardened")]
        if is_hidden {
            fresh.secrets.set(super::hard::secrets());
        }
        fresh.close();
        fresh.state = AtomicU8::new(State::Live as u8);
        fresh.watch = Watch::new();
        fresh.is_checked = kind.is_checked();
        fresh.shard = shard;
        fresh.request.use_row(0);
        if fresh.is_checked() {
            fresh.home = shard;
            // SAFETY: the memory is large enough for the rows, and ours.
            unsafe {
                fresh.rows = foreign::rows_of(place);
                let row = Rows::row(fresh.rows, shard);
                if !row.is_null() {
                    Rows::open(row);
                    fresh.row = AtomicPtr::new(row);
                    fresh.word_row = AtomicPtr::new(row);
                }
            }
            fresh.request.use_row(shard);
        }
        if screen::before() != 0 {
            // SAFETY: the caller's memory.
            let shown = unsafe { Screen::raise(place) };
            fresh.shown = AtomicPtr::new(shown);
            if fresh.is_checked() {
                fresh.word_row = AtomicPtr::new(shown.cast());
            }
        }
        let (table, mask) = slices::table();
        fresh.table = AtomicPtr::new(table);
        fresh.mask.set(mask);
    }

    /// Makes the cache the calling thread's.
    pub(super) fn belong(&self, word: &Word) {
        static BELONGINGS: AtomicU64 = AtomicU64::new(0);
        self.word.set(word);
        let since = BELONGINGS.fetch_add(1, Ordering::Relaxed);
        self.since.store(since, Ordering::Relaxed);
        self.process
            .store(crate::sys::process_id(), Ordering::Relaxed);
        self.owner.store(crate::sys::thread_id(), Ordering::Relaxed);
    }

    pub(super) fn is(&self, state: State) -> bool {
        self.state.load(Ordering::Relaxed) == state as u8
    }

    /// The bins of the thread's own shard.
    #[inline(always)]
    pub(super) fn row(&self) -> *const Bin {
        self.row.load(Ordering::Relaxed)
    }

    /// What the thread's word leads the fast paths to.
    pub(super) fn shown(&self) -> *const ThreadCache {
        self.shown.load(Ordering::Relaxed)
    }

    /// The bins that it leads them to.
    pub(super) fn word_row(&self) -> *const Bin {
        self.word_row.load(Ordering::Relaxed)
    }

    /// The bin that blocks of `class` are taken from.
    #[inline]
    pub(super) fn bin(&self, class: usize) -> &Bin {
        // SAFETY: the row has [`ROW`] bins and lives as long as the cache; a
        // class above the last is taken for class 0.
        unsafe {
            if class < ROW {
                &*self.row().add(class)
            } else {
                self.bins
                    .get_unchecked(if class < COUNT { class } else { 0 })
            }
        }
    }

    #[inline]
    pub(super) fn rack(&self, class: usize) -> &Rack {
        // SAFETY: a class above the last is taken for class 0.
        unsafe {
            self.racks
                .get_unchecked(if class < COUNT { class } else { 0 })
        }
    }

    /// The bin `offset` bytes into the cache.
    ///
    /// # Safety
    /// `offset` is `class * BIN` for a class below `COUNT`, of shard 0 or
    /// without shards.
    #[inline(always)]
    pub(crate) unsafe fn bin_at(this: *const ThreadCache, offset: usize) -> *const Bin {
        // SAFETY: the bins come first, so the offset stays inside them. The
        // address goes through a register of its own: a stack top addressed
        // by base and index costs five cycles more per operation.
        unsafe { pin(this.byte_add(offset).cast::<Bin>().cast_mut()) }
    }

    /// The bin that the descriptor's blocks go to.
    ///
    /// # Safety
    /// The descriptor is that of a block of the front end, and the cache
    /// a thread's own, of that front end.
    #[inline(always)]
    pub(super) unsafe fn bin_of(
        this: *const ThreadCache,
        descriptor: *const Descriptor,
    ) -> *const Bin {
        // SAFETY: the offset is that of a bin in every cache of the front end;
        // a subsegment that changes its shard meanwhile has one before and
        // after, and either will do.
        #[cfg(all(target_arch = "x86_64", not(ntheap_portable)))]
        unsafe {
            // The compiler does not fold an atomic load into an addition.
            let mut bin = this.cast::<Bin>().cast_mut();
            core::arch::asm!(
                "add {bin}, qword ptr [{descriptor} + {offset}]",
                bin = inout(reg) bin,
                descriptor = in(reg) descriptor,
                offset = const core::mem::offset_of!(Descriptor, bin),
                options(nostack, readonly),
            );
            bin
        }
        #[cfg(not(all(target_arch = "x86_64", not(ntheap_portable))))]
        // SAFETY: as above.
        unsafe {
            let offset = (*descriptor).bin.load(Ordering::Relaxed);
            pin(this.byte_add(offset).cast::<Bin>().cast_mut())
        }
    }

    /// Takes a block; null when the bin is empty.
    ///
    /// # Safety
    /// The cache is the calling thread's, or a shared one, and `bin` is one of
    /// its bins.
    #[inline(always)]
    pub(crate) unsafe fn pop<const CHECKED: bool>(bin: *const Bin) -> *mut u8 {
        // SAFETY: the caller's bin. A block in a checked front end has a key
        // 64 words above it.
        unsafe {
            Bin::pop(bin, |slot| {
                if CHECKED {
                    Descriptor::set_busy(slot.add(MARKS).read());
                }
            })
        }
    }

    /// [`ThreadCache::pop`] of a hardened heap's block, which is marked `mark`. The lines at
    /// both ends of the one after the next, of `capacity` bytes, are asked for: it will be
    /// read, and a read that waits for memory holds all up, as a program's first write to
    /// a block does not.
    ///
    /// # Safety
    /// As for [`ThreadCache::pop`], of a checked front end.
    #[cfg(feature = "hardened")]
    #[inline(always)]
    pub(super) unsafe fn pop_hard(bin: *const Bin, mark: u8, capacity: usize) -> *mut u8 {
        // SAFETY: as in `pop`. Below a magazine's first entry lie two words of its own.
        unsafe {
            Bin::pop(bin, |slot| {
                let place = Descriptor::mark_of(slot.add(MARKS).read());
                (*place).store(mark, Ordering::Relaxed);
                let later = Entry::get(slot.sub(2));
                // Where there is none the processor would look for pages in vain.
                let later = if later.is_null() { slot.cast() } else { later };
                prefetch(later);
                prefetch(later.wrapping_add(capacity - 1));
            })
        }
    }

    /// Gives back whatever block starts at `address`, if it is a checked block
    /// that is handed out and its bin has room; nothing is done otherwise. Any address
    /// will do.
    ///
    /// # Safety
    /// The cache is the calling thread's, or a shared one, and if `address`
    /// is a block's, nobody uses the block any more.
    #[inline(always)]
    pub(crate) unsafe fn push_checked(this: *const ThreadCache, address: *mut u8) -> Push {
        // SAFETY: the cache's table leads to a descriptor, an empty one at
        // worst. An index means that a block with a mark starts at the
        // address, and `bin` is a class's offset. What is written to the bin's
        // magazine is a block of that class, which its mark says was handed
        // out.
        unsafe {
            let table = (*this).table.load(Ordering::Relaxed);
            let descriptor = slices::find_in(table, (*this).mask.get(), address.addr());
            let Some(index) = Descriptor::index_of(descriptor, address.addr()) else {
                return Push::Not;
            };
            let key = pin(Descriptor::key(descriptor, index));
            let mark = Descriptor::mark_of(key).cast::<u8>();
            if mark.read() != BUSY {
                return Push::Marked(Marked { descriptor, key });
            }
            let bin = Self::bin_of(this, descriptor);
            if Self::keep_checked(bin, address, key) {
                Push::Done
            } else {
                Push::Full(Marked { descriptor, key })
            }
        }
    }

    /// Puts a block that is handed out into a bin; false, and nothing done, when
    /// the bin is full.
    ///
    /// # Safety
    /// `bin` is one of the calling thread's for blocks of this class, `key` the
    /// block's, and nobody uses the block any more.
    #[inline(always)]
    pub(super) unsafe fn keep_checked(bin: *const Bin, block: *mut u8, key: *mut u8) -> bool {
        // SAFETY: below the limit the magazine has room for an entry and its
        // key.
        unsafe {
            let top = (*bin).top.load(Ordering::Relaxed);
            if Bin::is_at_limit(bin, top) {
                return false;
            }
            Descriptor::mark_of(key).cast::<u8>().write(0);
            Entry::between();
            Entry::set(top, block);
            top.add(MARKS).write(key);
            Entry::between();
            (*bin).top.store(top.add(1), Ordering::Relaxed);
        }
        true
    }

    /// Notes that a class has a magazine from now on.
    pub(super) fn open(&self, class: usize) {
        if let Some(word) = self.opened.get(class / 64) {
            word.set(word.get() | 1 << (class % 64));
        }
    }

    /// The classes that ever had a magazine.
    pub(super) fn opened(&self) -> impl Iterator<Item = usize> {
        let words = self.opened.iter().map(Cell::get).enumerate();
        words.flat_map(|(nth, word)| {
            successors(Some(word), |left| Some(left & left.wrapping_sub(1)))
                .take_while(|&left| left != 0)
                .map(move |left| nth * 64 + left.trailing_zeros() as usize)
        })
    }

    /// Bytes of all the blocks in the cache.
    pub(super) fn bytes(&self) -> usize {
        let mut bytes = 0;
        for class in self.opened() {
            let spare = self.rack(class).spare_count.load(Ordering::Relaxed) as usize;
            bytes += (self.count(class) + spare) * classes::size_of(class);
        }
        self.for_each_foreign(&mut |class, count| bytes += count * classes::size_of(class));
        bytes
    }

    /// Blocks in the bin's current magazine.
    pub(super) fn count(&self, class: usize) -> usize {
        let current = self.current(class);
        if current.is_null() {
            return 0;
        }
        let top = self.bin(class).top.load(Ordering::Relaxed);
        let height = top.addr().wrapping_sub(Magazine::first(current).addr()) / size_of::<Entry>();
        let floor = self.rack(class).floor.load(Ordering::Relaxed);
        height.min(ENTRIES).saturating_sub(floor as usize)
    }

    /// The bin's current magazine, or null.
    pub(super) fn current(&self, class: usize) -> *mut Magazine {
        self.rack(class).current.load(Ordering::Relaxed)
    }

    /// Moves the bin's blocks down to where others were seized.
    ///
    /// # Safety
    /// The caller is the owner and holds the bucket's lock.
    pub(super) unsafe fn settle(&self, class: usize) {
        let count = self.count(class);
        let floor = self.rack(class).floor.swap(0, Ordering::Relaxed) as usize;
        if floor == 0 {
            return;
        }
        let current = self.current(class);
        let first = Magazine::first(current);
        // SAFETY: the magazine is the owner's and holds `count` entries from
        // `floor` on; their keys, in a checked front end, lie in the same
        // places of the second half. A plain magazine has no second half.
        unsafe {
            ptr::copy(first.add(floor), first, count);
            if self.is_checked() {
                let keys = first.add(MARKS);
                ptr::copy(keys.add(floor), keys, count);
            }
            self.install(class, current, count);
        }
    }

    /// Makes `magazine`, with `count` blocks in it, the bin's current one.
    ///
    /// # Safety
    /// The caller is the owner; the magazine is null or its to use and holds
    /// `count` entries.
    pub(super) unsafe fn install(&self, class: usize, magazine: *mut Magazine, count: usize) {
        let rack = self.rack(class);
        let bin = self.bin(class);
        if magazine.is_null() {
            rack.current.store(magazine, Ordering::Relaxed);
            rack.floor.store(0, Ordering::Relaxed);
            bin.lower();
            bin.top.store(nowhere(), Ordering::Relaxed);
            return;
        }
        // SAFETY: the caller's promise is the callee's.
        unsafe { self.exchange(bin, rack, magazine, count) };
    }

    /// [`ThreadCache::install`] of a magazine that is not null, for a bin and a rack
    /// that are at hand.
    ///
    /// # Safety
    /// As for [`ThreadCache::install`].
    #[inline(always)]
    pub(super) unsafe fn exchange(
        &self,
        bin: &Bin,
        rack: &Rack,
        magazine: *mut Magazine,
        count: usize,
    ) {
        rack.current.store(magazine, Ordering::Relaxed);
        rack.floor.store(0, Ordering::Relaxed);
        let first = Magazine::first(magazine);
        bin.top.store(first.wrapping_add(count), Ordering::Relaxed);
        let capacity = usize::from(rack.capacity.get());
        bin.raise(first.wrapping_add(capacity), &self.request);
    }

    /// Sends the owner's next free of every class to the slow path.
    pub(super) fn request_flush(&self) {
        self.request.ask(|row| self.bins_of(row));
    }

    /// Whether the cache is thread `from`'s, or `to`'s of this process; it is `to`'s then. A
    /// fork gives the one thread that survives a new number, which a thread of the parent's
    /// may have had before.
    pub(super) fn change_owner(&self, from: u64, to: u64) -> bool {
        let process = crate::sys::process_id();
        let owner = self.owner.load(Ordering::Relaxed);
        let is_this = self.process.load(Ordering::Relaxed) == process;
        let own = owner == from || (owner == to && is_this);
        if own {
            self.owner.store(to, Ordering::Relaxed);
            self.process.store(process, Ordering::Relaxed);
        }
        own
    }
}

impl Member for ThreadCache {
    fn next(&self) -> &AtomicPtr<Self> {
        &self.next
    }

    fn next_parked(&self) -> &AtomicPtr<Self> {
        &self.next_parked
    }

    fn owner(&self) -> Owner {
        Owner {
            thread: self.owner.load(Ordering::Relaxed),
            process: self.process.load(Ordering::Relaxed),
            since: self.since.load(Ordering::Relaxed),
        }
    }

    fn belong_to_nobody(&self) {
        self.word.set(ptr::null());
        self.owner.store(0, Ordering::Relaxed);
    }
}

/// Has the processor fetch the line of an address, to write to it, if there is memory.
#[cfg(feature = "hardened")]
#[inline(always)]
fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(ntheap_portable)))]
    // SAFETY: faults nowhere and changes nothing.
    unsafe {
        core::arch::asm!(
            "prefetchw byte ptr [{}]",
            in(reg) address,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(not(all(target_arch = "x86_64", not(ntheap_portable))))]
    let _ = address;
}

/// Keeps the compiler from folding the address into its uses.
#[inline(always)]
#[allow(clippy::pointers_in_nomem_asm_block)]
pub(super) fn pin<T>(address: *mut T) -> *mut T {
    #[cfg(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        not(ntheap_portable)
    ))]
    {
        let mut address = address;
        // SAFETY: no instruction at all.
        unsafe {
            core::arch::asm!("/* {0} */", inout(reg) address, options(pure, nomem, nostack, preserves_flags));
        }
        address
    }
    #[cfg(not(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        not(ntheap_portable)
    )))]
    address
}

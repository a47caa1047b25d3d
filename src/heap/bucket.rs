//! A bucket: the subsegments and the depots of one class in one front end.
//!
//! Everything here happens under the bucket's lock. Blocks come out of the
//! free bits in address order and go back one bit each; a subsegment with no
//! block out returns to the back end at once. The lock is taken once for a
//! magazine's worth of blocks.
//!
//! Lock order: bucket, then back end.

mod subsegments;

use super::classes;
use super::descriptor::{BUSY, Descriptor, Geometry, Kind, SUBSEGMENT, exact_index};
use super::fence;
#[cfg(feature = "hardened")]
use super::hard;
use super::magazine::{Depot, Entry, MARKS, Magazine};
use super::refill::fill;
use super::segment::Backend;
use super::{counted, misuse, slices};
use crate::sync::Mutex;
use crate::vm::Budget;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use subsegments::DEFAULT;
#[cfg(feature = "hardened")]
use subsegments::OPEN;

/// Classes above the buckets: their subsegments remember which blocks' pages
/// were never used.
pub(super) const RUNS: usize = classes::LAST_BUCKET + 1;

/// Figures of a whole heap that the buckets keep up to date.
pub(super) struct Totals {
    /// Bytes of subsegments whose pages may hold memory.
    pub(super) active: AtomicUsize,
    /// Bytes of blocks that neither free bits nor depots hold.
    pub(super) out: AtomicUsize,
    /// Bytes of blocks in depots.
    pub(super) stored: AtomicUsize,
    /// Whether the heap is under pressure, as far as any thread has seen.
    pub(super) is_shrinking: AtomicBool,
    /// How often the heap has come under pressure.
    pub(super) shrinkings: AtomicUsize,
    /// What `out` was when sparse subsegments were last thinned out.
    pub(super) thinned: AtomicUsize,
}

/// Lists of open subsegments in a bucket. Threads of different shards take
/// their blocks from different subsegments, so that neither the blocks' lines
/// nor their marks' are written by two threads in turn.
pub(super) const SHARDS: usize = 8;
/// The list of a private heap's subsegments that have no free blocks: such a
/// heap must be able to find all of them.
const FULL: usize = SHARDS;

/// What is wrong with an address that was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misuse {
    /// No block of this bucket starts there.
    NotABlock,
    /// The block is free already.
    AlreadyFree,
}

/// Where in a bucket its depots are.
pub(super) const DEPOTS: usize =
    offset_of!(Bucket, state) + Mutex::<State>::VALUE + offset_of!(State, depots);

/// A class's subsegments and depots. Padded, so that two buckets' locks never
/// share a cache line.
#[repr(align(128))]
pub(super) struct Bucket {
    pub(super) state: Mutex<State>,
}

/// What the bucket's lock protects.
pub(super) struct State {
    /// Subsegments with free blocks, by shard; then a private heap's without.
    open: [*mut Descriptor; SHARDS + 1],
    /// Subsegments in all.
    pub(super) subsegments: usize,
    /// Those with fences, and how many blocks they have less than others of the class.
    fenced: usize,
    pub(super) fewer: usize,
    /// Blocks whose free bit is clear.
    pub(super) out: usize,
    /// Full magazines, by shard; all in the first where a class has none.
    depots: [Depot; SHARDS],
    /// Slow frees since the last slow allocation.
    pub(super) falling: u32,
    /// Allocations counted while the front end was diverted.
    pub(super) allocations: u64,
}

// SAFETY: the lists belong to the bucket, whichever thread holds its lock.
unsafe impl Send for State {}

impl Bucket {
    pub(super) const fn new() -> Self {
        Bucket {
            state: Mutex::new(State::new()),
        }
    }
}

/// Where a bucket's operations take place.
pub(super) struct Place<'a> {
    pub(super) kind: Kind,
    pub(super) class: usize,
    /// Whose list is taken from.
    pub(super) shard: u8,
    pub(super) back_end: &'a Mutex<Backend>,
    pub(super) totals: &'a Totals,
    /// The private heap that it is for.
    pub(super) owned: Option<&'a Owned>,
}

/// Whose a bucket is that is not the process heap's.
pub(super) struct Owned {
    /// What a descriptor's `owner` leads to.
    pub(super) heap: *mut (),
    /// What its `bin` leads to.
    pub(super) bucket: *mut (),
    /// What its subsegments are charged to.
    pub(super) budget: *const Budget,
}

impl Owned {
    fn budget(&self) -> &Budget {
        // SAFETY: a private heap's budget lives longer than its buckets.
        unsafe { &*self.budget }
    }
}

impl Place<'_> {
    /// Bytes of a subsegment.
    fn bytes(&self) -> usize {
        classes::slices_of(self.class) * classes::SLICE
    }

    /// Whether its blocks are guarded against misuse.
    #[cfg(feature = "hardened")]
    #[inline(always)]
    fn is_hard(&self) -> bool {
        hard::is_on() && self.owned.is_none()
    }

    /// Whether its blocks may have fences beside them: those of malloc's whose class has
    /// some, in a build that knows of guards, if so many subsegments have them already.
    #[inline(always)]
    fn may_be_fenced(&self, fenced: usize) -> bool {
        cfg!(feature = "hardened")
            && fence::may_have_fences(self.class)
            && self.kind.is_checked()
            && self.owned.is_none()
            && fenced < fence::most(self.class)
    }

    /// Whether its blocks are the process heap's and so small that they fill their pages
    /// to the last.
    #[inline(always)]
    fn is_small(&self) -> bool {
        self.owned.is_none()
            && self.class.wrapping_sub(1) < classes::class_of(classes::MAX_LINEAR_SIZE)
    }

    /// Bytes of a subsegment's record.
    #[inline(always)]
    fn record_size(&self) -> usize {
        let size = Descriptor::size_for(self.class, self.kind);
        if self.owned.is_none() {
            return size;
        }
        size + Descriptor::sizes_bytes(self.class)
    }
}

impl State {
    /// No subsegments.
    pub(super) const fn new() -> Self {
        State {
            open: [ptr::null_mut(); SHARDS + 1],
            subsegments: 0,
            fenced: 0,
            fewer: 0,
            out: 0,
            depots: [const { Depot::new() }; SHARDS],
            falling: 0,
            allocations: 0,
        }
    }

    /// Takes up to `want` free blocks into `entries`, the lowest address last,
    /// with their marks' keys in a checked front end. Returns how many:
    /// fewer than asked when only a new subsegment could give more, none when
    /// the system has nothing to give.
    ///
    /// # Safety
    /// `entries` has room for `want` entries (and marks), `want` at least 1.
    #[inline(always)]
    pub(super) unsafe fn take(
        &mut self,
        place: &Place<'_>,
        entries: *mut Entry,
        want: usize,
    ) -> usize {
        // SAFETY: the caller's promise.
        unsafe {
            #[cfg(feature = "hardened")]
            if place.is_hard() {
                return self.take_hard(place, entries, want);
            }
            self.take_in_order(place, entries, want)
        }
    }

    /// [`State::take`] of blocks as chance will have them.
    ///
    /// # Safety
    /// As for [`State::take`].
    #[cfg(feature = "hardened")]
    #[inline(never)]
    unsafe fn take_hard(&mut self, place: &Place<'_>, entries: *mut Entry, want: usize) -> usize {
        // SAFETY: the caller's promise; the first `got` places are filled then, with keys
        // if there are any.
        unsafe {
            let got = self.take_by::<OPEN>(place, entries, want, hard::fill);
            hard::shuffle(place.kind, entries, got);
            got
        }
    }

    /// [`State::take`] of the lowest blocks.
    ///
    /// # Safety
    /// As for [`State::take`].
    #[inline(never)]
    unsafe fn take_in_order(
        &mut self,
        place: &Place<'_>,
        entries: *mut Entry,
        want: usize,
    ) -> usize {
        // SAFETY: the caller's promise.
        unsafe { self.take_by::<DEFAULT>(place, entries, want, fill) }
    }

    /// [`State::take`] by a function that takes from one subsegment.
    ///
    /// # Safety
    /// As for [`State::take`].
    #[inline(always)]
    unsafe fn take_by<const HARD: u8>(
        &mut self,
        place: &Place<'_>,
        entries: *mut Entry,
        want: usize,
        fill: unsafe fn(*mut Descriptor, &Place<'_>, *mut Entry, usize, usize) -> usize,
    ) -> usize {
        let mut got = 0;
        while got < want {
            let mut descriptor = self.first(place.shard);
            if descriptor.is_null() {
                if got > 0 || !self.supply::<HARD>(place) {
                    break;
                }
                descriptor = self.first(place.shard);
            }
            // SAFETY: the open list links live subsegments of this bucket, and
            // places `got..want` of `entries` are not filled yet.
            got = unsafe { fill(descriptor, place, entries, got, want) };
            // SAFETY: as above.
            if unsafe { (*descriptor).free } == 0 {
                self.close(descriptor);
                if place.owned.is_some() {
                    // SAFETY: as above, and it is on no list now.
                    unsafe { (*descriptor).set_shard(FULL as u8) };
                    self.open(descriptor);
                }
            }
        }
        if got < want {
            // SAFETY: the blocks lie at the end of the `want` places.
            unsafe {
                ptr::copy(entries.add(want - got), entries, got);
                if place.kind.is_checked() {
                    ptr::copy(entries.add(MARKS + want - got), entries.add(MARKS), got);
                }
            }
        }
        self.out += got;
        let bytes = got * classes::size_of(place.class);
        place.totals.out.fetch_add(bytes, Ordering::Relaxed);
        got
    }

    /// Takes one block whose pages were never used, if the next free one is
    /// such; for page runs. Null otherwise.
    pub(super) fn take_fresh(&mut self, place: &Place<'_>) -> *mut u8 {
        if place.class < RUNS
            || (self.first(place.shard).is_null() && !self.supply::<DEFAULT>(place))
        {
            return ptr::null_mut();
        }
        let descriptor = self.first(place.shard);
        // SAFETY: the open list links live subsegments of this bucket, with a
        // free block; runs have at most 32 blocks, so one word of bits.
        unsafe {
            let words = Descriptor::words(descriptor);
            let Some(word) = words.first_mut() else {
                return ptr::null_mut();
            };
            // The next free one: one that was used before has its pages, and
            // clearing them costs less than fresh ones.
            let index = word.trailing_zeros() as usize;
            if u64::from((*descriptor).fresh) & 1u64.unbounded_shl(index as u32) == 0 {
                return ptr::null_mut();
            }
            *word &= !(1 << index);
            (*descriptor).fresh &= !(1 << index);
            (*descriptor).free -= 1;
            (*descriptor).reach(place, index + 1);
            if (*descriptor).free == 0 {
                self.close(descriptor);
            }
            self.out += 1;
            let size = classes::size_of(place.class);
            place.totals.out.fetch_add(size, Ordering::Relaxed);
            if place.kind.is_checked() {
                (*Descriptor::mark(descriptor, index)).store(BUSY, Ordering::Relaxed);
            }
            let base = (*descriptor).base.load(Ordering::Relaxed);
            ptr::with_exposed_provenance_mut(base + index * size)
        }
    }

    /// Puts `count` blocks back into the free bits. Those that do not belong
    /// there are left out and noted, to be reported when no lock is held.
    ///
    /// # Safety
    /// `entries` holds `count` addresses; nobody uses the blocks.
    #[inline(never)]
    pub(super) unsafe fn put(&mut self, place: &Place<'_>, entries: *const Entry, count: usize) {
        if place.kind == Kind::Plain {
            // SAFETY: the caller's entries.
            unsafe { counted::freed(entries, count) };
        }
        let geometry = Geometry::of(place.class);
        let (size, divisor) = (geometry.size, geometry.divisor);
        let bits_at = geometry.bits_at(place.kind);
        let (table, mask) = slices::table();
        let entry = |at: usize| {
            debug_assert!(at < count);
            // SAFETY: each call below asks for an entry below the caller's count.
            unsafe { entries.add(at).read() }.addr()
        };
        let mut good = 0;
        let mut at = 0;
        while at < count {
            let mut address = entry(at);
            // SAFETY: the table and its mask belong together; what they lead to is readable.
            let descriptor = unsafe { slices::find_in(table, mask, address) };
            // SAFETY: as above. A descriptor of this place is a live subsegment's, which the
            // bucket's lock makes ours.
            let (base, span, is_ours) = unsafe {
                (
                    (*descriptor).base.load(Ordering::Relaxed),
                    (*descriptor).span.load(Ordering::Relaxed),
                    is_of(descriptor, place),
                )
            };
            if !is_ours || address.wrapping_sub(base) >= span {
                misuse::found_late(address, Misuse::NotABlock, 0);
                at += 1;
                continue;
            }
            // All that follow in the same subsegment, as blocks freed together mostly do. A
            // block that comes twice is found, as its subsegment is still there.
            let (first, mut bad, mut lowest) = (at, 0, usize::MAX);
            loop {
                if let Some(index) = exact_index(address - base, divisor) {
                    let bit = index % 64;
                    let mut bits = 1 << bit;
                    // Neighbours often come back one after the other: as many as share a
                    // word of bits are put back with one store.
                    let mut run = 1;
                    let mut expected = address + size;
                    if at + 1 < count && entry(at + 1) == expected {
                        let most = (count - at).min(64 - bit).min(geometry.blocks - index);
                        while run < most && entry(at + run) == expected {
                            run += 1;
                            expected += size;
                        }
                        bits = (u64::MAX >> (64 - run)) << bit;
                    }
                    at += run;
                    lowest = lowest.min(index);
                    // SAFETY: the index is below the number of blocks, so the word is one
                    // of the descriptor's, which is ours.
                    let word = unsafe {
                        &mut *descriptor.byte_add(bits_at + index / 64 * 8).cast::<u64>()
                    };
                    let taken = *word & bits;
                    *word |= bits;
                    if taken != 0 {
                        report_free(taken >> bit, address, size);
                        bad += taken.count_ones() as usize;
                    }
                } else {
                    misuse::found_late(address, Misuse::NotABlock, 0);
                    (at, bad) = (at + 1, bad + 1);
                }
                if at == count {
                    break;
                }
                address = entry(at);
                if address.wrapping_sub(base) >= span {
                    break;
                }
            }
            let put = at - first - bad;
            if put == 0 {
                continue;
            }
            good += put;
            // SAFETY: as above.
            let this = unsafe { &mut *descriptor };
            let was_free = this.free;
            this.free = was_free + put as u32;
            this.first_word = this.first_word.min((lowest / 64) as u32);
            if this.free == this.blocks {
                if was_free != 0 || place.owned.is_some() {
                    self.close(descriptor);
                }
                // SAFETY: all its blocks are free and it is on no list.
                unsafe { self.remove_subsegment(place, descriptor) };
            } else if was_free == 0 {
                self.reopen(place, descriptor);
            }
        }
        self.out -= good;
        // A block of no bytes has a size, too, and counts for none.
        let bytes = if place.class == 0 { 0 } else { good * size };
        place.totals.out.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Visits every subsegment with free blocks.
    pub(super) fn for_each_open(&self, visit: impl FnMut(*mut Descriptor)) {
        self.for_each_of(SHARDS, visit);
    }

    /// Visits every subsegment of a private heap's bucket. `visit` may forget
    /// it.
    #[cfg(feature = "heaps")]
    pub(super) fn for_each(&self, visit: impl FnMut(*mut Descriptor)) {
        self.for_each_of(SHARDS + 1, visit);
    }

    /// The first subsegment of a private heap's bucket, or the one after
    /// `descriptor`; null at the end.
    #[cfg(feature = "heaps")]
    pub(super) fn after(&self, descriptor: *mut Descriptor) -> *mut Descriptor {
        let mut list = 0;
        // SAFETY: the callers' subsegment is one of this bucket's.
        if let Some(this) = unsafe { descriptor.as_ref() } {
            if !this.next.is_null() {
                return this.next;
            }
            list = usize::from(this.shard.load(Ordering::Relaxed)) + 1;
        }
        let mut rest = self.open.iter().skip(list);
        let first = rest.find(|first| !first.is_null());
        first.copied().unwrap_or(ptr::null_mut())
    }

    fn for_each_of(&self, lists: usize, mut visit: impl FnMut(*mut Descriptor)) {
        for mut descriptor in self.open.into_iter().take(lists) {
            while !descriptor.is_null() {
                // SAFETY: the lists link live subsegments of this bucket.
                let next = unsafe { (*descriptor).next };
                visit(descriptor);
                descriptor = next;
            }
        }
    }

    /// The depot of a shard.
    #[inline(always)]
    pub(super) fn depot(&mut self, shard: u8) -> &mut Depot {
        // SAFETY: the remainder is below the number of depots.
        unsafe { self.depots.get_unchecked_mut(usize::from(shard) % SHARDS) }
    }

    /// Takes a magazine from whichever depot has one.
    pub(super) fn pop_any(&mut self) -> Option<(*mut Magazine, usize)> {
        self.depots.iter_mut().find_map(Depot::pop)
    }

    /// Blocks in the depots.
    pub(super) fn stored(&self) -> usize {
        self.depots.iter().map(|depot| depot.blocks).sum()
    }

    /// Whether a shard has no open subsegment.
    #[inline(always)]
    pub(super) fn is_dry(&self, shard: u8) -> bool {
        self.first(shard).is_null()
    }

    /// Whether the next block for `shard` takes a new subsegment.
    #[inline(always)]
    pub(super) fn needs_subsegment(&self, shard: u8) -> bool {
        self.is_dry(shard) && self.second().is_null()
    }

    /// The second open subsegment of a shard that has one, or null.
    #[inline(never)]
    fn second(&self) -> *mut Descriptor {
        for shard in 0..SHARDS {
            let head = self.first(shard as u8);
            // SAFETY: the lists link live subsegments of this bucket.
            if !head.is_null() && unsafe { !(*head).next.is_null() } {
                // SAFETY: as above.
                return unsafe { (*head).next };
            }
        }
        ptr::null_mut()
    }

    /// Makes the subsegment of the block at `address` one of the place's shard.
    #[inline(never)]
    pub(super) fn adopt(&mut self, place: &Place<'_>, address: usize) {
        let descriptor = slices::find(address);
        // SAFETY: what `find` leads to is readable, and a descriptor of this
        // place is a live subsegment's, which the bucket's lock makes ours.
        unsafe {
            if is_of(descriptor, place) {
                self.move_to(descriptor, place.shard);
            }
        }
    }

    /// Makes a subsegment one of another shard.
    ///
    /// # Safety
    /// The descriptor is that of a live subsegment of this bucket.
    unsafe fn move_to(&mut self, descriptor: *mut Descriptor, shard: u8) {
        // SAFETY: the caller's descriptor is live, and on its shard's list
        // while it has free blocks.
        unsafe {
            let is_open = (*descriptor).free != 0;
            if is_open {
                self.close(descriptor);
            }
            (*descriptor).set_shard(shard);
            if is_open {
                self.open(descriptor);
            }
        }
    }

    /// The first open subsegment of a shard, or null.
    fn first(&self, shard: u8) -> *mut Descriptor {
        self.open
            .get(usize::from(shard))
            .copied()
            .unwrap_or(ptr::null_mut())
    }

    /// Lists a subsegment that had no free blocks. A private heap's is listed
    /// elsewhere.
    fn reopen(&mut self, place: &Place<'_>, descriptor: *mut Descriptor) {
        if place.owned.is_some() {
            self.close(descriptor);
            // SAFETY: the caller's subsegment is one of this bucket's.
            unsafe { (*descriptor).set_shard(place.shard) };
        }
        self.open(descriptor);
    }

    fn open(&mut self, descriptor: *mut Descriptor) {
        // SAFETY: the callers pass a live subsegment that is on no list, and
        // the lists' heads are live.
        unsafe {
            let Some(first) = self
                .open
                .get_mut(usize::from((*descriptor).shard.load(Ordering::Relaxed)))
            else {
                return;
            };
            (*descriptor).previous = ptr::null_mut();
            (*descriptor).next = *first;
            if !(*first).is_null() {
                (**first).previous = descriptor;
            }
            *first = descriptor;
        }
    }

    fn close(&mut self, descriptor: *mut Descriptor) {
        // SAFETY: the callers pass a subsegment that is on its shard's list,
        // whose members are live.
        unsafe {
            let (previous, next) = ((*descriptor).previous, (*descriptor).next);
            if !previous.is_null() {
                (*previous).next = next;
            } else if let Some(first) = self
                .open
                .get_mut(usize::from((*descriptor).shard.load(Ordering::Relaxed)))
            {
                *first = next;
            }
            if !next.is_null() {
                (*next).previous = previous;
            }
        }
    }
}

/// Notes blocks that were given back though they were free: those whose bits are
/// set in `which`, counted from `address` on.
#[cold]
#[inline(never)]
fn report_free(mut which: u64, address: usize, size: usize) {
    while which != 0 {
        let block = address + which.trailing_zeros() as usize * size;
        misuse::found_late(block, Misuse::AlreadyFree, size);
        which &= which - 1;
    }
}

impl Descriptor {
    /// Notes that the blocks below `end` were handed out some time.
    #[inline]
    pub(super) fn reach(&mut self, place: &Place<'_>, end: usize) {
        let high = self.high as usize;
        if end > high {
            let bytes = if self.is_fenced() {
                fence::bytes_below(place.class, end) - fence::bytes_below(place.class, high)
            } else {
                (end - high) * classes::size_of(place.class)
            };
            place.totals.active.fetch_add(bytes, Ordering::Relaxed);
            self.high = end as u32;
        }
    }
}

/// Whether the descriptor describes a subsegment of the place's class and
/// kind.
///
/// # Safety
/// `descriptor` came from [`slices::find`].
#[inline(always)]
unsafe fn is_of(descriptor: *const Descriptor, place: &Place<'_>) -> bool {
    // SAFETY: what `find` leads to is readable.
    let this = unsafe { &*descriptor };
    this.what.load(Ordering::Relaxed) == SUBSEGMENT
        && usize::from(this.class.load(Ordering::Relaxed)) == place.class
        && this.kind.load(Ordering::Relaxed) == place.kind as u8
}

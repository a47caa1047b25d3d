//! A bucket: the subsegments and the depot of one class in one front end.
//!
//! Everything here happens under the bucket's lock. Blocks come out of the
//! free bits in address order and go back one bit each; a subsegment with no
//! block out returns to the back end at once. The lock is taken once for a
//! magazine's worth of blocks.
//!
//! Lock order: bucket, then back end.

use super::classes::{self, SLICE};
use super::descriptor::{BUSY, Descriptor, Kind, SUBSEGMENT};
use super::magazine::{Depot, Entry, MARKS};
use super::segment::Backend;
use super::{cache, slices};
use crate::sync::Mutex;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Classes above the buckets: their subsegments remember which blocks' pages
/// were never used.
const RUNS: usize = classes::LAST_BUCKET + 1;

/// Figures of a whole heap that the buckets keep up to date.
pub(super) struct Totals {
    /// Bytes of slices in subsegments.
    pub(super) active: AtomicUsize,
    /// Bytes of blocks that neither free bits nor depots hold.
    pub(super) out: AtomicUsize,
}

/// What is wrong with an address that was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misuse {
    /// No block of this bucket starts there.
    NotABlock,
    /// The block is free already.
    AlreadyFree,
}

/// A class's subsegments and depot. Padded, so that two buckets' locks never
/// share a cache line.
#[repr(align(128))]
pub(super) struct Bucket {
    pub(super) state: Mutex<State>,
}

/// What the bucket's lock protects.
pub(super) struct State {
    /// Subsegments with free blocks.
    open: *mut Descriptor,
    /// Subsegments in all.
    pub(super) subsegments: usize,
    /// Blocks whose free bit is clear.
    pub(super) out: usize,
    /// Full magazines.
    pub(super) depot: Depot,
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
            state: Mutex::new(State {
                open: ptr::null_mut(),
                subsegments: 0,
                out: 0,
                depot: Depot::new(),
                falling: 0,
                allocations: 0,
            }),
        }
    }
}

/// Where a bucket's operations take place.
pub(super) struct Place<'a> {
    pub(super) kind: Kind,
    pub(super) class: usize,
    pub(super) back_end: &'a Mutex<Backend>,
    pub(super) totals: &'a Totals,
}

impl State {
    /// Takes up to `want` free blocks into `entries`, the lowest address last,
    /// with their marks' keys in a checked front end. Returns how many:
    /// fewer than asked when only a new subsegment could give more, none when
    /// the system has nothing to give.
    ///
    /// # Safety
    /// `entries` has room for `want` entries (and marks), `want` at least 1.
    pub(super) unsafe fn take(&mut self, place: &Place<'_>, entries: *mut Entry, want: usize) -> usize {
        let mut got = 0;
        while got < want {
            if self.open.is_null() && (got > 0 || !self.add_subsegment(place)) {
                break;
            }
            let descriptor = self.open;
            // SAFETY: the open list links live subsegments of this bucket, and
            // places `got..want` of `entries` are not filled yet.
            got = unsafe { fill(descriptor, place, entries, got, want) };
            // SAFETY: as above.
            if unsafe { (*descriptor).free } == 0 {
                self.close(descriptor);
            }
        }
        if got < want {
            // SAFETY: the blocks lie at the end of the `want` places.
            unsafe {
                ptr::copy(entries.add(want - got), entries, got);
                if place.kind == Kind::Checked {
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
        if place.class < RUNS || (self.open.is_null() && !self.add_subsegment(place)) {
            return ptr::null_mut();
        }
        let descriptor = self.open;
        // SAFETY: the open list links live subsegments of this bucket, with a
        // free block; runs have at most 32 blocks, so one word of bits.
        unsafe {
            let words = Descriptor::words(descriptor);
            let Some(word) = words.first_mut() else {
                return ptr::null_mut();
            };
            let bits = *word & u64::from((*descriptor).fresh);
            if bits == 0 {
                return ptr::null_mut();
            }
            let index = bits.trailing_zeros() as usize;
            *word &= !(1 << index);
            (*descriptor).fresh &= !(1 << index);
            (*descriptor).free -= 1;
            if (*descriptor).free == 0 {
                self.close(descriptor);
            }
            self.out += 1;
            let size = classes::size_of(place.class);
            place.totals.out.fetch_add(size, Ordering::Relaxed);
            if place.kind == Kind::Checked {
                (*Descriptor::mark(descriptor, index)).store(BUSY, Ordering::Relaxed);
            }
            let base = (*descriptor).base.load(Ordering::Relaxed);
            ptr::with_exposed_provenance_mut(base + index * size)
        }
    }

    /// Puts `count` blocks back into the free bits. Those that do not belong
    /// there are left out and reported to `misuse`.
    ///
    /// # Safety
    /// `entries` holds `count` addresses; nobody uses the blocks.
    pub(super) unsafe fn put(
        &mut self,
        place: &Place<'_>,
        entries: *const Entry,
        count: usize,
        misuse: &mut dyn FnMut(usize, Misuse),
    ) {
        let mut good = 0;
        for at in 0..count {
            // SAFETY: the caller's entries.
            let address = unsafe { entries.add(at).read() }.addr();
            match self.put_one(place, address) {
                Ok(()) => good += 1,
                Err(what) => misuse(address, what),
            }
        }
        let bytes = good * classes::size_of(place.class);
        place.totals.out.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn put_one(&mut self, place: &Place<'_>, address: usize) -> Result<(), Misuse> {
        let descriptor = slices::find(address);
        // SAFETY: `find` leads to a readable descriptor. One that describes a
        // subsegment of our class and kind is ours and locked; its index is
        // below its number of blocks.
        unsafe {
            let this = &mut *descriptor_of(descriptor, place).ok_or(Misuse::NotABlock)?;
            let index = this.locked_index_of(address).ok_or(Misuse::NotABlock)?;
            let word = Descriptor::words(descriptor)
                .get_mut(index / 64)
                .ok_or(Misuse::NotABlock)?;
            let bit = 1 << (index % 64);
            if *word & bit != 0 {
                return Err(Misuse::AlreadyFree);
            }
            *word |= bit;
            this.first_word = this.first_word.min((index / 64) as u32);
            this.free += 1;
            self.out -= 1;
            if this.free == this.blocks {
                if this.free > 1 {
                    self.close(descriptor);
                }
                self.remove_subsegment(place, descriptor);
            } else if this.free == 1 {
                self.open(descriptor);
            }
        }
        Ok(())
    }

    fn add_subsegment(&mut self, place: &Place<'_>) -> bool {
        let slices = classes::slices_of(place.class);
        let size = Descriptor::size_for(place.class, place.kind);
        let Some(run) = place.back_end.lock().take(slices, size) else {
            return false;
        };
        let descriptor = run.descriptor;
        let blocks = classes::blocks_of(place.class);
        let block_size = classes::size_of(place.class);
        let divisor = Descriptor::magic_of(block_size);
        let base = run.base.expose_provenance();
        let relaxed = Ordering::Relaxed;
        // SAFETY: the descriptor's memory is zeroed, large enough for this
        // class and kind, and no table entry leads to it yet.
        unsafe {
            let this = &mut *descriptor;
            this.base.store(base, relaxed);
            this.span.store(blocks * block_size, relaxed);
            this.bin.store(place.class * cache::BIN, relaxed);
            this.what.store(SUBSEGMENT, relaxed);
            this.class.store(place.class as u8, relaxed);
            this.kind.store(place.kind as u8, relaxed);
            if place.kind == Kind::Checked {
                this.set_magic(divisor);
            }
            this.divisor = divisor;
            this.blocks = blocks as u32;
            this.free = blocks as u32;
            this.first_slice = run.first_slice;
            this.segment = run.segment;
            let mut left = blocks;
            for word in Descriptor::words(descriptor) {
                *word = if left >= 64 { u64::MAX } else { (1 << left) - 1 };
                left = left.saturating_sub(64);
            }
            if run.clean && place.class >= RUNS {
                this.fresh = ((1u64 << blocks) - 1) as u32;
            }
            slices::enter(base, slices, descriptor);
        }
        self.open(descriptor);
        self.subsegments += 1;
        let active = &place.totals.active;
        active.fetch_add(slices * SLICE, relaxed);
        true
    }

    /// Gives an empty subsegment, which is on no list, back to the back end.
    ///
    /// # Safety
    /// All its blocks are free.
    unsafe fn remove_subsegment(&mut self, place: &Place<'_>, descriptor: *mut Descriptor) {
        let slices = classes::slices_of(place.class);
        // SAFETY: nobody has a block of it, so nobody needs its entries, and
        // the sizes are those it was made with.
        unsafe {
            let base = (*descriptor).base.load(Ordering::Relaxed);
            let (segment, first) = ((*descriptor).segment, (*descriptor).first_slice);
            slices::clear(base, slices);
            place.back_end.lock().give_back(
                segment,
                first,
                slices,
                descriptor,
                Descriptor::size_for(place.class, place.kind),
            );
        }
        self.subsegments -= 1;
        let active = &place.totals.active;
        active.fetch_sub(slices * SLICE, Ordering::Relaxed);
    }

    fn open(&mut self, descriptor: *mut Descriptor) {
        // SAFETY: the callers pass a live subsegment that is on no list, and
        // the list's head is live.
        unsafe {
            (*descriptor).previous = ptr::null_mut();
            (*descriptor).next = self.open;
            if !self.open.is_null() {
                (*self.open).previous = descriptor;
            }
        }
        self.open = descriptor;
    }

    fn close(&mut self, descriptor: *mut Descriptor) {
        // SAFETY: the callers pass a subsegment that is on the list, whose
        // neighbours are live.
        unsafe {
            let (previous, next) = ((*descriptor).previous, (*descriptor).next);
            if previous.is_null() {
                self.open = next;
            } else {
                (*previous).next = next;
            }
            if !next.is_null() {
                (*next).previous = previous;
            }
        }
    }
}

/// The descriptor, if it describes a subsegment of the place's class and kind.
///
/// # Safety
/// `descriptor` came from [`slices::find`].
unsafe fn descriptor_of(descriptor: *mut Descriptor, place: &Place<'_>) -> Option<*mut Descriptor> {
    // SAFETY: what `find` leads to is readable.
    let this = unsafe { &*descriptor };
    let ours = this.what.load(Ordering::Relaxed) == SUBSEGMENT
        && usize::from(this.class.load(Ordering::Relaxed)) == place.class
        && this.kind.load(Ordering::Relaxed) == place.kind as u8;
    ours.then_some(descriptor)
}

/// Moves blocks from the free bits to places `want - 1 - got` downwards, so
/// that the lowest address comes to lie last. Returns the new `got`.
///
/// # Safety
/// `descriptor` is a live subsegment of the place's bucket, which is locked;
/// `entries` has room for `want`, of which the first `want - got` are unused.
unsafe fn fill(
    descriptor: *mut Descriptor,
    place: &Place<'_>,
    entries: *mut Entry,
    mut got: usize,
    want: usize,
) -> usize {
    let size = classes::size_of(place.class);
    // SAFETY: the caller holds the bucket's lock.
    let (this, words) = unsafe { (&mut *descriptor, Descriptor::words(descriptor)) };
    let base = this.base.load(Ordering::Relaxed);
    let start = got;
    let mut at = this.first_word as usize;
    while let Some(word) = words.get_mut(at) {
        let mut bits = *word;
        while bits != 0 && got < want {
            let index = at * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let slot = want - 1 - got;
            // SAFETY: `slot` is one of the unused places; the block's index is
            // below the number of blocks, so it has a mark if any have.
            unsafe {
                let block = ptr::with_exposed_provenance_mut::<u8>(base + index * size);
                entries.add(slot).write(block);
                if place.kind == Kind::Checked {
                    entries
                        .add(slot + MARKS)
                        .write(Descriptor::key(descriptor, index));
                }
            }
            got += 1;
        }
        *word = bits;
        if got == want {
            break;
        }
        at += 1;
    }
    this.first_word = at as u32;
    this.free -= (got - start) as u32;
    if place.class >= RUNS {
        let free = words.first().copied().unwrap_or(0);
        this.fresh &= free as u32;
    }
    got
}

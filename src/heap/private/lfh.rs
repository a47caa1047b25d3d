//! Buckets of a heap: subsegments of one size, once a size is hot.
//!
//! ```text
//!   program <-> slot (16 a bucket, by thread) <-> free bits of subsegments <-> segments
//!               a lock of one word              the bucket's lock
//! ```
//!
//! A bucket wakes at the 18th block of its size that the regions would have to
//! hand out at a time, or when they have handed out some 4,096 in all; from then on
//! it serves the size. The subsegments are
//! those of the process heap's checked front end (heap/bucket.rs), but that
//! a mark says how many bytes of the block are unused: it is [`BUSY`] with
//! that number, or where a bucket's blocks can have more of them, with none, and
//! the number lies behind the free bits. No mark of a private heap is one of
//! malloc's, so neither takes the other's blocks.
//!
//! Slots are not blocked by the heap's lock. A bucket begins with one, which is
//! the first thread's; each further one makes one of its own (slots.rs).

use super::heap::PrivateHeap;
use super::settable;
use super::shown::Shown;
use super::slot::{CAPACITY, KEYS, Slot, WORDS, Word};
use crate::heap::bucket::{Owned, Place, State, Totals};
use crate::heap::classes::{self, LAST_BUCKET, MAX_LINEAR_SIZE};
use crate::heap::descriptor::{Descriptor, Kind, PRIVATE};
use crate::heap::magazine::{Entry, MARKS};
use crate::heap::meta::{self, FreeList};
use crate::heap::{PROCESS, bucket};
use crate::sync::Mutex;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// Slots of a bucket.
pub(super) const SLOTS: usize = 16;
/// Places by which threads find them: one more, for threads without a number.
pub(super) const PLACES: usize = super::home::NONE + 1;
/// Added to a mark while its block is handed out.
pub(super) const BUSY: u8 = PRIVATE;
/// The most unused bytes that a mark alone can tell. Larger numbers say that the
/// block has settable words (settable.rs).
const MOST_UNUSED: usize = 0x6e;
/// The last class whose marks tell all.
pub(super) const LAST_EXACT: usize = MAX_LINEAR_SIZE / 16;
/// The room of a slot at first; it doubles.
const FIRST_ROOM: usize = 8;
/// Bytes of blocks in a slot at most, but for a few blocks.
const SLOT_BYTES: usize = 16 * 1024;
const LEAST_ROOM: usize = 4;
// What the free bits fill is a slot, too.
const _: () = assert!(KEYS == MARKS);
/// Outstanding blocks of a size at which the next one wakes its bucket.
pub(super) const HOT: u8 = 17;
/// The bits of a size's count that say how many are outstanding.
pub(super) const OUT: u8 = 31;
/// Every so many blocks that the regions hand out, the size of the last is
/// noted; noted seven times, it is hot too, however few are outstanding: some
/// 4,096 blocks. A prime, so that no turn of sizes keeps one out of it.
pub(super) const TICK: u16 = 587;

/// The figures of all private heaps' buckets.
pub(super) static TOTALS: Totals = Totals {
    active: AtomicUsize::new(0),
    out: AtomicUsize::new(0),
    stored: AtomicUsize::new(0),
    thinned: AtomicUsize::new(0),
    is_shrinking: AtomicBool::new(false),
    shrinkings: AtomicUsize::new(0),
};

/// Bytes of private heaps' subsegments whose pages may hold memory.
pub(in crate::heap) fn active_bytes() -> usize {
    TOTALS.active.load(Ordering::Relaxed)
}

/// Records of each kind that are nobody's.
pub(super) struct Records {
    tables: FreeList,
    buckets: FreeList,
    pub(super) slots: FreeList,
}

pub(super) static RECORDS: Mutex<Records> = Mutex::new(Records {
    tables: FreeList::new(),
    buckets: FreeList::new(),
    slots: FreeList::new(),
});

/// A heap's buckets, by class; null while they sleep.
#[repr(C, align(64))]
pub(super) struct Table {
    pub(super) buckets: [Shown<HeapBucket>; LAST_BUCKET + 1],
}

/// A bucket that is awake. What all threads read lies apart from what one of
/// them writes, by two cache lines, for processors fetch them in pairs.
#[repr(C, align(128))]
pub(super) struct HeapBucket {
    /// The slots by their threads' numbers; [`NOBODYS`] for numbers that have
    /// none, and for [`home::NONE`](super::home::NONE). In a heap without
    /// serialization all are the first one.
    pub(super) slots: [Shown<Slot>; PLACES],
    /// Whose number the first slot is for; [`SLOTS`] while it is nobody's.
    pub(super) first_number: AtomicUsize,
    heap: AtomicPtr<PrivateHeap>,
    owned: Owned,
    pub(super) class: usize,
    /// The first slot.
    pub(super) first: Apart<Slot>,
    pub(super) state: Mutex<State>,
    /// The first slot's words.
    words: [Word; WORDS],
}

/// Keeps what one thread writes on cache lines of its own.
#[repr(C, align(128))]
pub(super) struct Apart<T>(pub(super) T);

// SAFETY: the words belong to the first slot's lock, as that says; `owned` is
// constant.
unsafe impl Sync for HeapBucket {}

struct NoWords {
    _words: [Word; WORDS],
}

// SAFETY: never written: the slot they belong to is full.
unsafe impl Sync for NoWords {}

static NO_WORDS: NoWords = NoWords {
    _words: [ptr::null_mut(); WORDS],
};

/// What stands for a bucket that sleeps: its first slot is empty and full, and
/// there are no others.
pub(super) static ASLEEP: HeapBucket = HeapBucket {
    slots: [const { Shown::new(ptr::null_mut()) }; PLACES],
    first_number: AtomicUsize::new(SLOTS),
    heap: AtomicPtr::new(ptr::null_mut()),
    owned: Owned {
        heap: ptr::null_mut(),
        bucket: ptr::null_mut(),
        budget: ptr::null(),
    },
    class: 0,
    // SAFETY: a slot without room writes no word.
    first: Apart(unsafe { Slot::new((&raw const NO_WORDS).cast::<Word>().cast_mut(), 0, 0) }),
    state: Mutex::new(State::new()),
    words: [ptr::null_mut(); WORDS],
};

/// The slot of threads that have none in a bucket yet.
pub(super) static NOBODYS: Slot = Slot::nobodys();

/// The buckets of one size step up to 1 KiB, and none for class 0: what the
/// fast ways look at.
pub(super) const NEAR: usize = LAST_EXACT + 1;

/// A record off a list of those that are nobody's, or a new one, aligned as a
/// bucket is; zero. Null when there is no memory.
pub(super) fn take(list: &mut FreeList, size: usize) -> *mut u8 {
    let record = list.pop();
    if record.is_null() {
        return meta::allocate_aligned(size, align_of::<HeapBucket>());
    }
    // SAFETY: the record is of this kind and nobody's.
    unsafe { record.write_bytes(0, size) };
    record
}

/// A table for a heap, all its buckets asleep; null when there is no memory.
pub(super) fn make_table() -> *mut Table {
    take(&mut RECORDS.lock().tables, size_of::<Table>()).cast()
}

/// A bucket for a heap; null when there is no memory.
pub(super) fn make_bucket(heap: &PrivateHeap, class: usize) -> *mut HeapBucket {
    let record = take(&mut RECORDS.lock().buckets, size_of::<HeapBucket>());
    let record: *mut HeapBucket = record.cast();
    if !record.is_null() {
        // SAFETY: the record is ours alone.
        unsafe {
            let words = (&raw mut (*record).words).cast::<Word>();
            let room = first_room(class);
            record.write(HeapBucket {
                slots: [const { Shown::new((&raw const NOBODYS).cast_mut()) }; PLACES],
                first_number: AtomicUsize::new(SLOTS),
                heap: AtomicPtr::new((&raw const *heap).cast_mut()),
                owned: Owned {
                    heap: (&raw const *heap).cast_mut().cast(),
                    bucket: record.cast(),
                    budget: &raw const heap.budget,
                },
                class,
                first: Apart(Slot::new(words, 0, room)),
                state: Mutex::new(State::new()),
                words: [ptr::null_mut(); WORDS],
            });
            if !heap.is_serialized() {
                for slot in &(*record).slots {
                    slot.show(&raw mut (*record).first.0);
                }
            }
        }
    }
    record
}

/// The blocks that a slot of `class` keeps at first.
pub(super) fn first_room(class: usize) -> usize {
    FIRST_ROOM.min(most_room(class))
}

/// The most blocks that a slot of `class` keeps.
fn most_room(class: usize) -> usize {
    let blocks = SLOT_BYTES.checked_div(classes::size_of(class));
    blocks.unwrap_or(0).clamp(LEAST_ROOM, CAPACITY)
}

/// A block just taken: how to mark it when it is handed out.
fn mark_busy(class: usize, unused: usize, block: Word, key: Word) {
    let low = if class <= LAST_EXACT { unused as u8 } else { 0 };
    // SAFETY: a key leads to its block's mark, which lives as long as the
    // block's subsegment; so do the numbers behind it.
    unsafe {
        if class > LAST_EXACT {
            let descriptor = crate::heap::slices::find(block.addr());
            if let Some(index) = Descriptor::index_of(descriptor, block.addr()) {
                let place = Descriptor::unused_at(descriptor, class, index);
                (*place).store(unused as u16, Ordering::Relaxed);
            }
        }
        (*Descriptor::mark_of(key)).store(BUSY | low, Ordering::Relaxed);
    }
}

/// The unused bytes of a busy block; `None` when it is free.
///
/// # Safety
/// The descriptor is a live subsegment's of a private heap and `class`, with
/// more than `index` blocks.
pub(super) unsafe fn unused_of(
    descriptor: *mut Descriptor,
    class: usize,
    index: usize,
) -> Option<usize> {
    // SAFETY: the caller's promise.
    unsafe {
        let mark = (*Descriptor::mark(descriptor, index)).load(Ordering::Relaxed);
        if mark & BUSY == 0 {
            return None;
        }
        Some(if class > LAST_EXACT {
            let place = Descriptor::unused_at(descriptor, class, index);
            usize::from((*place).load(Ordering::Relaxed))
        } else if settable::is_mark(mark) {
            settable::unused(mark, settable::words_of(descriptor, class, index), class)
        } else {
            usize::from(mark & !BUSY)
        })
    }
}

/// Whether a block of `class` can keep that it has `size` bytes.
pub(super) fn can_keep(class: usize, size: usize) -> bool {
    class > LAST_EXACT || classes::size_of(class) - size <= MOST_UNUSED
}

/// Sets the bytes that a busy block was asked for.
///
/// # Safety
/// As for [`unused_of`]; the block is the caller's, and can keep the size.
pub(super) unsafe fn set_size(
    descriptor: *mut Descriptor,
    class: usize,
    index: usize,
    size: usize,
) {
    let unused = classes::size_of(class) - size;
    // SAFETY: the caller's promise.
    unsafe {
        let key = Descriptor::key(descriptor, index);
        if let Some(words) = settable::find(descriptor, class, index) {
            let mark = settable::write(words, unused, settable::info(words));
            (*Descriptor::mark_of(key)).store(mark, Ordering::Relaxed);
            return;
        }
        let base = (*descriptor).base.load(Ordering::Relaxed);
        let block = ptr::with_exposed_provenance_mut(base + index * classes::size_of(class));
        mark_busy(class, unused, block, key);
    }
}

impl HeapBucket {
    pub(super) fn heap(&self) -> &PrivateHeap {
        // SAFETY: a bucket's heap lives longer than the bucket.
        unsafe { &*self.heap.load(Ordering::Relaxed) }
    }

    /// Where the bucket's operations take place, for threads of a number.
    pub(super) fn place(&self, shard: u8) -> Place<'_> {
        Place {
            kind: Kind::Checked,
            class: self.class,
            shard: shard % bucket::SHARDS as u8,
            back_end: &PROCESS.back_end,
            totals: &TOTALS,
            owned: Some(&self.owned),
        }
    }

    /// Allocates a block for `size` bytes and what `info` needs, at most the
    /// class's; null when the system, or the heap's limit, has none to give.
    #[inline(never)]
    pub(super) fn allocate(&self, size: usize, info: u8) -> Word {
        let slot = self.acquire();
        let unused = classes::size_of(self.class).saturating_sub(size);
        // SAFETY: the lock is held.
        let block = unsafe {
            if slot.count() == 0 {
                self.refill(slot);
            }
            let mut key = ptr::null_mut();
            let block = slot.pop(|found| key = found);
            if !block.is_null() && info != 0 {
                let words = settable::words_at(block.addr(), self.class);
                words.write([0; 2]);
                let mark = settable::write(words, unused, info);
                (*Descriptor::mark_of(key)).store(mark, Ordering::Relaxed);
            } else if !block.is_null() {
                mark_busy(self.class, unused, block, key);
            }
            block
        };
        slot.release();
        block
    }

    /// Fills an empty slot.
    ///
    /// # Safety
    /// The caller holds the slot's lock.
    unsafe fn refill(&self, slot: &Slot) {
        let room = slot.room();
        let want = room.min(most_room(self.class));
        let place = self.place(self.shard_of(slot));
        // SAFETY: the slot is empty and has room for that many.
        let got = unsafe {
            self.state
                .lock()
                .take(&place, slot.first().cast::<Entry>(), want)
        };
        slot.set_count(got);
        slot.set_room((room * 2).min(most_room(self.class)).max(got));
    }

    /// Takes back the block `index` of a subsegment of this bucket. False, and
    /// nothing done, when it is free.
    ///
    /// # Safety
    /// The block is the caller's to give up, if it is busy.
    #[inline(never)]
    pub(super) unsafe fn free(
        &self,
        descriptor: *mut Descriptor,
        index: usize,
        block: Word,
    ) -> bool {
        // SAFETY: the caller's descriptor is this bucket's and has the block.
        unsafe {
            let key = Descriptor::key(descriptor, index);
            // Of two frees at once only one finds the mark set.
            if (*Descriptor::mark_of(key)).swap(0, Ordering::Relaxed) & BUSY == 0 {
                return false;
            }
            let slot = self.acquire();
            if !slot.push(block, key) {
                self.spill(slot);
                slot.push(block, key);
            }
            slot.release();
            true
        }
    }

    /// Makes room in a full slot: half of it goes back to the free bits, the
    /// oldest first, or all of it when hardly anything of the bucket is used.
    ///
    /// # Safety
    /// The caller holds the slot's lock.
    unsafe fn spill(&self, slot: &Slot) {
        let place = self.place(self.shard_of(slot));
        let mut state = self.state.lock();
        let room = slot.room();
        let has = state.subsegments * classes::blocks_of(self.class);
        let is_sparse = state.out.saturating_sub(slot.count()) * 4 < has && state.subsegments > 1;
        let most = most_room(self.class);
        if room < most && !is_sparse {
            slot.set_room((room * 2).min(most));
            return;
        }
        let count = slot.count();
        let gone = if is_sparse { count } else { count.div_ceil(2) };
        // SAFETY: the oldest blocks of the slot, which nobody uses.
        unsafe {
            state.put(&place, slot.first().cast::<Entry>(), gone);
            slot.drop_oldest(gone);
        }
    }

    /// Puts what the slots keep back into the free bits. Slots that are in use
    /// by others are waited for.
    pub(super) fn flush(&self) {
        for slot in self.each_slot() {
            while !slot.try_acquire() {
                crate::sys::yield_now();
            }
            let count = slot.count();
            let place = self.place(self.shard_of(slot));
            // SAFETY: the lock is held, and nobody uses the blocks.
            unsafe {
                self.state.lock().put(&place, slot.first().cast(), count);
                slot.drop_oldest(count);
            }
            slot.release();
        }
    }

    /// Blocks that the slots keep.
    pub(super) fn kept(&self) -> usize {
        self.each_slot().map(Slot::count).sum()
    }
}

/// Visits the buckets of a table that are awake.
pub(super) fn for_each(table: *mut Table, mut visit: impl FnMut(&'static HeapBucket)) {
    // SAFETY: null, or the table of a heap; tables, buckets and slots live as
    // long as their heap, and the callers know that it does.
    if let Some(table) = unsafe { table.as_ref() } {
        for bucket in &table.buckets {
            // SAFETY: as above.
            if let Some(bucket) = unsafe { bucket.find().as_ref() } {
                visit(bucket);
            }
        }
    }
}

/// What a bucket has handed out: bytes asked for, blocks, and bytes of its
/// subsegments.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) bytes: usize,
    pub(super) blocks: usize,
    pub(super) reserved: usize,
}

impl HeapBucket {
    /// What the bucket has handed out, counted mark by mark.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let state = self.state.lock();
        let size = classes::size_of(self.class);
        state.for_each(|descriptor| {
            for index in 0..classes::blocks_of(self.class) {
                // SAFETY: the bucket's lock keeps its subsegments, each with
                // so many blocks.
                if let Some(unused) = unsafe { unused_of(descriptor, self.class, index) } {
                    tally.bytes += size - unused;
                    tally.blocks += 1;
                }
            }
        });
        tally.reserved = state.subsegments * classes::slices_of(self.class) * classes::SLICE;
        tally
    }

    /// Whether the bucket's records are true. No block may change meanwhile
    /// but in slots.
    pub(super) fn is_sound(&self) -> bool {
        let state = self.state.lock();
        let blocks = classes::blocks_of(self.class);
        let (mut subsegments, mut out, mut sound) = (0, 0, true);
        state.for_each(|descriptor| {
            // SAFETY: the bucket's lock keeps its subsegments and their words.
            unsafe {
                let mut free = 0;
                for (nth, word) in Descriptor::words(descriptor).iter().enumerate() {
                    let mut bits = *word;
                    while bits != 0 {
                        let index = nth * 64 + bits.trailing_zeros() as usize;
                        bits &= bits - 1;
                        free += 1;
                        // A free block is not handed out.
                        sound &=
                            index < blocks && unused_of(descriptor, self.class, index).is_none();
                    }
                }
                let heap = (&raw const *self.heap()).cast_mut().cast();
                sound &= (*descriptor).free as usize == free
                    && (*descriptor).owner.load(Ordering::Relaxed) == heap;
                out += blocks - free;
            }
            subsegments += 1;
        });
        sound && subsegments == state.subsegments && out == state.out
    }
}

/// Gives all subsegments of a heap back, and the records of its buckets.
///
/// # Safety
/// Nobody uses the heap any more.
pub(super) unsafe fn destroy(table: *mut Table) {
    if table.is_null() {
        return;
    }
    for_each(table, |bucket| {
        // SAFETY: nobody uses the bucket or its blocks; each record is of the
        // kind of the list it goes to.
        unsafe {
            bucket.state.lock().remove_all(&bucket.place(0));
            let mut records = RECORDS.lock();
            // The list writes to the slots it is given.
            bucket.each_own(|slot| records.slots.push(slot.cast()));
            records.buckets.push((&raw const *bucket).cast_mut().cast());
        }
    });
    // SAFETY: as above.
    unsafe { RECORDS.lock().tables.push(table.cast()) };
}

//! What is known of each block beside the block: who asked for it and how much,
//! who freed it.
//!
//! ```text
//!   start of a block --hash--> shard --> table of records, open addressing
//!                              one lock a shard
//! ```
//!
//! A record stays after its block is freed until the address is used again or
//! there are more freed ones than the shard keeps: then the oldest half goes. So
//! the second free of a block, or a write to it, can be told with both stacks.
//!
//! Invariants: shards' locks are the last of all but those of pages: nothing of a
//! heap is called while one is held. A record is found by its block's exact
//! start. Where there is no memory for a record the block has none, and nothing
//! may take that for a mistake of the program's.

use crate::heap::traces::Traces;
use crate::sync::{Lock, Mutex};
use crate::vm::{self, Use};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

/// How a block was asked for, and so how it is to be freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Family {
    /// HeapAlloc and its kin.
    Heap,
    /// C's malloc and its kin.
    Malloc,
    /// C++'s operator new.
    New,
    /// C++'s operator new[].
    NewArray,
    /// C++'s operator new with an alignment.
    AlignedNew,
    /// C++'s operator new[] with an alignment.
    AlignedNewArray,
    /// Rust's allocator interface, with a Layout.
    Layout,
}

/// Where a block is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Handed out.
    Busy,
    /// Freed, and its bytes kept out of use.
    Kept,
    /// Freed.
    Freed,
}

/// What is known of a block.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Record {
    /// The address of its first byte; 0 in a place of the table that is free.
    pub start: usize,
    /// The bytes asked for.
    pub size: usize,
    /// The handle of its heap.
    pub heap: usize,
    /// The stack of its allocation, in the stack database.
    pub stack: u32,
    /// The stack of its free.
    pub free_stack: u32,
    /// The thread that allocated it.
    pub thread: u32,
    /// The thread that freed it.
    pub free_thread: u32,
    /// A number that rises with each allocation and each free of the process: that of
    /// the block's allocation, and from its free on that of the free.
    pub sequence: u32,
    /// How it was asked for.
    pub family: Family,
    /// Where it is in its life.
    pub state: State,
    /// The alignment asked for, as a power of two.
    pub align: u8,
    /// For whoever guards the block.
    pub mark: u8,
    /// As above.
    pub extra: [usize; 2],
    /// What asked for it, as a number (tags.rs); 0 for nobody that is known.
    pub tag: u16,
}

impl Record {
    /// A busy block that nothing more is known of.
    pub const fn busy(start: usize, size: usize, heap: usize) -> Record {
        Record {
            start,
            size,
            heap,
            stack: 0,
            free_stack: 0,
            thread: 0,
            free_thread: 0,
            sequence: 0,
            family: Family::Heap,
            state: State::Busy,
            align: 4,
            mark: 0,
            extra: [0; 2],
            tag: 0,
        }
    }
}

const SHARDS: usize = 32;
/// Records of a shard's first table.
const FIRST: usize = 1024;
/// Freed records that a shard keeps at least.
const KEPT: usize = 1024;

struct Shard {
    table: *mut Record,
    capacity: usize,
    busy: usize,
    kept: usize,
    freed: usize,
}

// SAFETY: a table belongs to its shard, whichever thread holds the lock.
unsafe impl Send for Shard {}

static SHARDS_OF: [Mutex<Shard>; SHARDS] = [const {
    Mutex::new(Shard {
        table: ptr::null_mut(),
        capacity: 0,
        busy: 0,
        kept: 0,
        freed: 0,
    })
}; SHARDS];

static SEQUENCE: AtomicU32 = AtomicU32::new(0);

/// The next number of an allocation or a free.
pub fn next_sequence() -> u32 {
    SEQUENCE.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
}

/// How many numbers were given since that one was: they begin again when there are no
/// more, so that the numbers themselves cannot be compared.
pub fn age(sequence: u32) -> u32 {
    SEQUENCE.load(Ordering::Relaxed).wrapping_sub(sequence)
}

/// Where the records are, for who reads them from outside; the rest is in `so_far`.
pub(super) fn describe(so_far: Traces) -> Traces {
    Traces {
        shards: (&raw const SHARDS_OF).addr() + Mutex::<Shard>::VALUE,
        count: SHARDS,
        stride: size_of::<Mutex<Shard>>(),
        table: offset_of!(Shard, table),
        capacity: offset_of!(Shard, capacity),
        record: size_of::<Record>(),
        start: offset_of!(Record, start),
        stack: offset_of!(Record, stack),
        state: offset_of!(Record, state),
        size: offset_of!(Record, size),
        heap: offset_of!(Record, heap),
        ..so_far
    }
}

/// What says so, outside, that a block is handed out.
const _: () = assert!(State::Busy as u8 == 0);

pub(super) fn for_each_lock(visit: &mut dyn FnMut(&Lock)) {
    for shard in &SHARDS_OF {
        visit(shard.raw());
    }
}

fn mix(start: usize) -> usize {
    let mixed = (start as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 32) as usize
}

fn shard_of(start: usize) -> &'static Mutex<Shard> {
    let [first, ..] = &SHARDS_OF;
    SHARDS_OF.get(mix(start) % SHARDS).unwrap_or(first)
}

fn bytes_of(capacity: usize) -> usize {
    (capacity * size_of::<Record>()).next_multiple_of(vm::GRANULARITY)
}

impl Shard {
    fn place(&self, index: usize) -> *mut Record {
        self.table.wrapping_add(index & (self.capacity - 1))
    }

    fn home(&self, start: usize) -> usize {
        (mix(start) / SHARDS) & (self.capacity - 1)
    }

    /// The place of a block's record.
    fn find(&self, start: usize) -> Option<usize> {
        if self.capacity == 0 || start == 0 {
            return None;
        }
        let mut index = self.home(start);
        loop {
            // SAFETY: a place of the shard's table, which is never full.
            let found = unsafe { (*self.place(index)).start };
            if found == start {
                return Some(index);
            }
            if found == 0 {
                return None;
            }
            index = (index + 1) & (self.capacity - 1);
        }
    }

    /// Puts a record into a table that has none of the block and has room.
    fn put(&mut self, record: &Record) {
        let mut index = self.home(record.start);
        // SAFETY: places of the shard's table, one of which is free.
        unsafe {
            while (*self.place(index)).start != 0 {
                index = (index + 1) & (self.capacity - 1);
            }
            self.place(index).write(*record);
        }
    }

    /// Takes the record at a place away, and moves those behind it that would
    /// not be found any more.
    fn remove(&mut self, index: usize) {
        let mask = self.capacity - 1;
        let (mut free, mut next) = (index, index);
        // SAFETY: places of the shard's table, one of which is free.
        unsafe {
            loop {
                next = (next + 1) & mask;
                let record = self.place(next).read();
                if record.start == 0 {
                    break;
                }
                let home = self.home(record.start);
                if next.wrapping_sub(home) & mask >= next.wrapping_sub(free) & mask {
                    self.place(free).write(record);
                    free = next;
                }
            }
            (*self.place(free)).start = 0;
        }
    }

    /// Makes room for one record more: fewer freed ones, or a larger table.
    fn make_room(&mut self) -> bool {
        let held = self.busy + self.kept + self.freed + 1;
        if self.capacity != 0 && held * 4 <= self.capacity * 3 {
            return true;
        }
        // Only what is freed and not kept can be forgotten.
        if self.freed > KEPT.max((self.busy + self.kept) / 2) {
            self.forget_half();
            return true;
        }
        let capacity = (self.capacity * 2).max(FIRST);
        let bytes = bytes_of(capacity);
        let table = vm::reserve(Use::Metadata, bytes, vm::GRANULARITY);
        if table.is_null() {
            return held < self.capacity;
        }
        // SAFETY: just reserved.
        if !unsafe { vm::commit(Use::Metadata, table, bytes) } {
            // SAFETY: as above, and unused.
            unsafe { vm::give_back(Use::Metadata, table, bytes, 0) };
            return held < self.capacity;
        }
        let old = Shard {
            table: self.table,
            capacity: self.capacity,
            busy: 0,
            kept: 0,
            freed: 0,
        };
        self.table = table.cast();
        self.capacity = capacity;
        old.for_each(&mut |record| self.put(record));
        if !old.table.is_null() {
            let bytes = bytes_of(old.capacity);
            // SAFETY: the old table, which the shard has left.
            unsafe { vm::give_back(Use::Metadata, old.table.cast(), bytes, bytes) };
        }
        true
    }

    fn for_each(&self, visit: &mut dyn FnMut(&Record)) {
        for index in 0..self.capacity {
            // SAFETY: a place of the shard's table, which is locked or the
            // caller's alone.
            let record = unsafe { &*self.place(index) };
            if record.start != 0 {
                visit(record);
            }
        }
    }

    /// Forgets what is not kept and was freed in the earlier half of the time since the
    /// first free that is known.
    fn forget_half(&mut self) {
        let age = |record: &Record| age(record.sequence);
        let (mut oldest, mut newest) = (0, u32::MAX);
        self.for_each(&mut |record| {
            if record.state == State::Freed {
                oldest = oldest.max(age(record));
                newest = newest.min(age(record));
            }
        });
        let bound = oldest - oldest.saturating_sub(newest) / 2;
        let mut index = 0;
        while index < self.capacity {
            // SAFETY: a place of the shard's table, which is locked.
            let record = unsafe { &*self.place(index) };
            if record.start != 0 && record.state == State::Freed && age(record) >= bound {
                self.remove(index);
                self.freed -= 1;
                // Another record may have come here.
                continue;
            }
            index += 1;
        }
    }

    fn count(&mut self, state: State, change: isize) {
        let figure = match state {
            State::Busy => &mut self.busy,
            State::Kept => &mut self.kept,
            State::Freed => &mut self.freed,
        };
        *figure = figure.wrapping_add_signed(change);
    }
}

/// Keeps a record, in the place of an older one of the same address. False when
/// there is no memory.
pub fn insert(record: &Record) -> bool {
    let mut shard = shard_of(record.start).lock();
    if let Some(index) = shard.find(record.start) {
        // SAFETY: a place of the table, which is locked.
        let old = unsafe { shard.place(index).replace(*record) };
        shard.count(old.state, -1);
        shard.count(record.state, 1);
        return true;
    }
    if record.start == 0 || !shard.make_room() {
        return false;
    }
    shard.put(record);
    shard.count(record.state, 1);
    true
}

/// The record of the block that starts at `start`.
pub fn find(start: usize) -> Option<Record> {
    let shard = shard_of(start).lock();
    let index = shard.find(start)?;
    // SAFETY: a place of the table, which is locked.
    Some(unsafe { shard.place(index).read() })
}

/// Lets `change` change the record of the block that starts at `start`, but for
/// its start; the record after that, or `None` where there is none.
pub fn update(start: usize, change: impl FnOnce(&mut Record)) -> Option<Record> {
    let mut shard = shard_of(start).lock();
    let index = shard.find(start)?;
    // SAFETY: a place of the table, which is locked.
    let mut record = unsafe { shard.place(index).read() };
    let before = record.state;
    change(&mut record);
    record.start = start;
    if before == State::Busy && record.state != State::Busy {
        record.sequence = next_sequence();
    }
    // SAFETY: as above.
    unsafe { shard.place(index).write(record) };
    shard.count(before, -1);
    shard.count(record.state, 1);
    Some(record)
}

/// Forgets the record of the block that starts at `start`.
pub fn remove(start: usize) -> Option<Record> {
    let mut shard = shard_of(start).lock();
    let index = shard.find(start)?;
    // SAFETY: a place of the table, which is locked.
    let record = unsafe { shard.place(index).read() };
    shard.remove(index);
    shard.count(record.state, -1);
    Some(record)
}

/// Forgets all blocks of a heap that is destroyed.
pub fn remove_heap(heap: usize) {
    for shard in &SHARDS_OF {
        let mut shard = shard.lock();
        let mut index = 0;
        while index < shard.capacity {
            // SAFETY: a place of the table, which is locked.
            let record = unsafe { shard.place(index).read() };
            if record.start != 0 && record.heap == heap {
                shard.remove(index);
                shard.count(record.state, -1);
                continue;
            }
            index += 1;
        }
    }
}

/// Shows all records, shard by shard: `visit` may use neither the registry nor a
/// heap.
pub fn for_each(visit: &mut dyn FnMut(&Record)) {
    for shard in &SHARDS_OF {
        shard.lock().for_each(visit);
    }
}

/// The record whose block starts at or below an address, nearest, and the one
/// whose block starts above it. Looks at all: for reports.
pub fn nearest(address: usize) -> (Option<Record>, Option<Record>) {
    let (mut below, mut above) = (None::<Record>, None::<Record>);
    for_each(&mut |record| {
        if record.start <= address {
            if below.is_none_or(|best| best.start < record.start) {
                below = Some(*record);
            }
        } else if above.is_none_or(|best| best.start > record.start) {
            above = Some(*record);
        }
    });
    (below, above)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Addresses that no block can have, a range for each test.
    fn base(test: usize) -> usize {
        (1 << 56) + (test << 40)
    }

    #[test]
    fn agrees_with_a_map() {
        let base = base(1);
        let mut map: HashMap<usize, (usize, State)> = HashMap::new();
        let mut state = 7u64;
        for step in 0..200_000 {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let start = base + (state >> 33) as usize % 5_000 * 16;
            match (state >> 20) % 4 {
                0 | 1 => {
                    assert!(insert(&Record::busy(start, step, 1)));
                    map.insert(start, (step, State::Busy));
                }
                2 => {
                    let found = update(start, |record| record.state = State::Kept);
                    assert_eq!(found.is_some(), map.contains_key(&start));
                    if let Some(entry) = map.get_mut(&start) {
                        entry.1 = State::Kept;
                    }
                }
                _ => assert_eq!(remove(start).is_some(), map.remove(&start).is_some()),
            }
            if step % 1000 == 0 {
                for at in 0..5_000 {
                    let start = base + at * 16;
                    let found = find(start).map(|record| (record.size, record.state));
                    assert_eq!(found, map.get(&start).copied());
                }
            }
        }
        for &start in map.keys() {
            remove(start);
        }
        assert!(find(base).is_none());
    }

    #[test]
    fn nearest_are_told() {
        let base = base(2);
        for at in [0x100, 0x200, 0x300] {
            insert(&Record::busy(base + at, 16, 2));
        }
        let near = |address: usize| {
            let (below, above) = nearest(address);
            (
                below.map(|record| record.start.wrapping_sub(base)),
                above.map(|record| record.start.wrapping_sub(base)),
            )
        };
        assert_eq!(near(base + 0x200), (Some(0x200), Some(0x300)));
        assert_eq!(near(base + 0x1ff), (Some(0x100), Some(0x200)));
        assert_eq!(near(base + 0x2ff).0, Some(0x200));
        remove_heap(2);
        assert!(
            [0x100, 0x200, 0x300]
                .iter()
                .all(|at| find(base + at).is_none())
        );
    }

    #[test]
    fn freed_ones_are_forgotten_oldest_first() {
        let base = base(3);
        // A shard's table has room for 3,072 then.
        let count = 2_560 * SHARDS;
        let insert = |at: usize| {
            insert(&Record {
                sequence: next_sequence(),
                ..Record::busy(base + at * 32, 16, 3)
            })
        };
        assert!((0..count).all(insert));
        // The last to be allocated is the first to be freed.
        let start = |nth: usize| base + (count - 1 - nth) * 32;
        for nth in 0..count {
            update(start(nth), |record| record.state = State::Freed);
        }
        // Others make every shard forget half of its freed ones.
        assert!((count..count + KEPT * SHARDS).all(insert));
        let known = |nth: usize| find(start(nth)).is_some();
        for nth in 0..count {
            let is_late = nth >= count * 6 / 10;
            let is_early = nth < count * 4 / 10;
            assert!(!is_late || known(nth), "{nth} of {count} is forgotten");
            assert!(!is_early || !known(nth), "{nth} of {count} is known");
        }
        remove_heap(3);
    }
}

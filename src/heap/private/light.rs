//! Light page heap: blocks with patterns about them, which are compared when the block
//! is freed or resized, and once more before its bytes are used again.
//!
//! ```text
//!   | prefix, 64 bytes             | user data          | suffix |
//!   | ABCDAAAA ...        DCBAAAAA | E0 E0 E0 E0 ...    | A0 x 8 |    handed out
//!   | ABCDAAA9 ...        DCBAAAA9 | F0 F0 F0 F0 ...    | A0 x 8 |    freed, kept
//!   ^ a block of the heap's        ^ what the program has
//! ```
//!
//! The patterns are those of the debugger's documentation ("!heap", block diagrams of
//! page heap). A prefix lies in the program's reach, so nothing in it is believed: a
//! light block is known by its record, which has the address of the heap's block that
//! it lies in. Freed blocks are kept from use in a queue, first in, first out,
//! as long as it is not too long; those of heaps without serialization are freed at once,
//! for no other thread may be in such a heap.

use super::free as freeing;
use super::heap::{self, PrivateHeap};
use super::list::LIST;
use super::watched::Caller;
use super::{Error, damage, flags, guarded, place as placing};
use crate::heap::debug;
use crate::heap::debug::page::{self, Finding, Information, Stamps, View};
use crate::heap::debug::registry::{self, Family, Record, State};
use crate::report::Stop;
use crate::sync::Mutex;
use core::ptr::{self, NonNull};

/// The bit in a record's mark of a light block. `extra` is the address of the block it lies
/// in, and of the light block that was freed after it.
const LIGHT: u8 = 1;

/// Beside [`LIGHT`], of a block that would have guards if there had been room for them.
const LACKS_GUARDS: u8 = 2;

fn is_light(record: &Record) -> bool {
    record.mark & LIGHT != 0
}

/// Whether a block was to have guards and has none.
pub(super) fn lacks_guards(record: &Record) -> bool {
    record.mark & LACKS_GUARDS != 0
}

/// Bytes of the suffix.
const SUFFIX: usize = 8;
pub(in crate::heap) const SUFFIX_FILL: u8 = 0xA0;
pub(in crate::heap) const FRESH_FILL: u8 = 0xE0;

/// The stamps of a block that is handed out.
const BUSY: Stamps = Stamps {
    start: 0xABCD_AAAA,
    end: 0xDCBA_AAAA,
};

/// Those of a freed one.
const FREED: Stamps = Stamps {
    start: 0xABCD_AAA9,
    end: 0xDCBA_AAA9,
};

/// Freed blocks that changed of which the end of the process tells.
const SHOWN_AT_EXIT: usize = 8;

/// Freed blocks that are kept at most.
const KEPT: usize = 65_536;

/// The freed blocks, by their addresses, 0 while there are none.
struct Queue {
    first: usize,
    last: usize,
    blocks: usize,
    bytes: usize,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    first: 0,
    last: 0,
    blocks: 0,
    bytes: 0,
});

/// The queue's lock, for the fork handlers.
pub(in crate::heap) fn lock() -> &'static crate::sync::Lock {
    QUEUE.raw()
}

/// Bytes of freed blocks that are kept, with what is about them.
pub(in crate::heap) fn kept_bytes() -> usize {
    QUEUE.lock().bytes
}

/// Bytes before a block of this alignment.
fn before(align: usize) -> usize {
    align.max(page::PREFIX)
}

fn information(record: &Record) -> Information {
    Information {
        heap: record.heap,
        size: record.size,
        taken: record.start - record.extra[0] + record.size + SUFFIX,
        stack: record.stack,
    }
}

/// A light block; `is_wanting` if it was to have guards.
pub(super) fn place(
    heap: &'static PrivateHeap,
    all: u32,
    info: u8,
    (size, align): (usize, usize),
    caller: Caller,
    is_wanting: bool,
) -> Result<NonNull<u8>, Error> {
    let before = before(align);
    let total = size.checked_add(before + SUFFIX).ok_or(Error::NoMemory)?;
    let outer = placing::place(heap, all, info, total, align)?;
    let outer_start = outer.addr().get();
    let start = outer_start + before;
    // What other flags have found in the bytes that the heap's block was made of.
    let found = super::watched::take_found(heap);
    let record = Record {
        stack: caller.stack,
        thread: caller.thread,
        sequence: registry::next_sequence(),
        family: Family::Heap,
        align: align.trailing_zeros() as u8,
        mark: if is_wanting {
            LIGHT | LACKS_GUARDS
        } else {
            LIGHT
        },
        extra: [outer_start, 0],
        ..Record::busy(start, size, heap.handle().address())
    };
    let fill = if all & flags::ZERO_MEMORY != 0 {
        0
    } else {
        FRESH_FILL
    };
    // SAFETY: all within the heap's block, which is this call's.
    unsafe {
        page::write_prefix(start, &information(&record), BUSY);
        page::fill(start..start + size, fill);
        page::fill(start + size..start + size + SUFFIX, SUFFIX_FILL);
    }
    // Others look at what is written about a block from here on: whoever holds the heap
    // has seen the heap's block alone, and sees no other before the end of that.
    let core = heap.enter(all);
    let is_known = registry::insert(&record);
    drop(core);
    if !is_known {
        // Without a record nobody would find it.
        // SAFETY: nobody knows of the block but this call.
        let _ = unsafe { freeing::free_found(heap, all | flags::NO_SERIALIZE, outer.as_ptr()) };
        return Err(Error::NoMemory);
    }
    if let Some(found) = found {
        damage::raise("allocation", heap, &damage::Finding::of_free(found));
    }
    let block = ptr::with_exposed_provenance_mut(start);
    NonNull::new(block).ok_or(Error::NoMemory)
}

/// The record of the light block of the heap that starts at `address`, busy or kept.
pub(super) fn find(heap: &PrivateHeap, address: usize) -> Option<Record> {
    let handle = heap.handle().address();
    registry::find(address)
        .filter(|record| is_light(record) && record.heap == handle && record.state != State::Freed)
}

/// The block of the heap that the light block at `address` lies in; the address itself
/// if there is none.
pub(super) fn outer(heap: &PrivateHeap, address: usize) -> usize {
    if !guarded::has_pages(heap) {
        return address;
    }
    match find(heap, address) {
        Some(record) if record.state == State::Busy => record.extra[0],
        _ => address,
    }
}

/// The light block that lies in the block of the heap at `outer`.
pub(super) fn inner(heap: &PrivateHeap, outer: usize) -> Option<Record> {
    // The record does not tell where it is by this address; alignments are few.
    (page::PREFIX.trailing_zeros()..24)
        .filter_map(|bits| find(heap, outer.checked_add(1 << bits)?))
        .find(|record| record.extra[0] == outer)
}

/// What is wrong about a block: busy, or freed and kept.
///
/// # Safety
/// The block is as its record says, and stays so.
unsafe fn find_damage(record: &Record) -> Option<Finding> {
    let (start, end) = (record.start, record.start + record.size);
    let is_busy = record.state == State::Busy;
    let stamps = if is_busy { BUSY } else { FREED };
    // SAFETY: the caller's promise: prefix, bytes and suffix lie in the heap's block.
    let found = unsafe {
        let fill = || {
            let stop = Stop::CorruptedFreedHeapBlock;
            Finding::look(stop, start..end, [page::FREED; 4]).filter(|_| !is_busy)
        };
        let suffix = || {
            let stop = Stop::CorruptedHeapBlockSuffix;
            Finding::look(stop, end..end + SUFFIX, [SUFFIX_FILL; 4])
        };
        page::check_prefix(start, &information(record), stamps)
            .or_else(fill)
            .or_else(suffix)
    };
    found.map(|found| if is_busy { found } else { found.since_free() })
}

/// Tells of damage.
fn report(operation: &str, record: &Record, finding: &Finding) {
    page::report_finding(operation, &view(record), finding);
}

/// What reports show of the block.
pub(super) fn view(record: &Record) -> View {
    View {
        start: record.start,
        size: record.size,
        state: match record.state {
            State::Busy => page::State::Busy,
            _ => page::State::Kept,
        },
        heap: record.heap,
        threads: (u64::from(record.thread), u64::from(record.free_thread)),
        stacks: (record.stack, record.free_stack),
        lacks_guards: lacks_guards(record),
    }
}

/// Checks a busy block that is about to be resized.
///
/// # Safety
/// The block is busy, and the caller's.
pub(super) unsafe fn check(operation: &str, record: &Record) {
    // SAFETY: the caller's promise.
    if let Some(finding) = unsafe { find_damage(record) } {
        report(operation, record, &finding);
    }
}

/// Frees the light block at `address`; `None` if there is none.
///
/// # Safety
/// If it is busy, nobody uses it any more.
pub(super) unsafe fn free(
    operation: &str,
    heap: &'static PrivateHeap,
    call_flags: u32,
    address: usize,
    caller: Caller,
) -> Option<Result<(), Error>> {
    let handle = heap.handle().address();
    let known =
        || registry::find(address).filter(|record| is_light(record) && record.heap == handle);
    known()?;
    // Whoever holds the heap may look at its blocks, this one too.
    let core = heap.enter(call_flags);
    let record = known()?;
    if record.state != State::Busy {
        return Some(Err(Error::AlreadyFree));
    }
    // SAFETY: the block is busy, and is this call's alone while the heap is locked.
    let finding = unsafe {
        let finding = find_damage(&record);
        page::fill(record.start..record.start + record.size, page::FREED);
        page::write_prefix(record.start, &information(&record), FREED);
        let end = record.start + record.size;
        page::fill(end..end + SUFFIX, SUFFIX_FILL);
        finding
    };
    // Kept from here on: what a kept block is to hold is there.
    registry::update(address, |record| {
        record.state = State::Kept;
        record.free_stack = caller.stack;
        record.free_thread = caller.thread;
        record.extra[1] = 0;
    });
    if heap.is_serialized() {
        keep(&mut QUEUE.lock(), &record);
        drop(core);
        if let Some(finding) = finding {
            report(operation, &record, &finding);
        }
        while let Some(oldest) = overdue() {
            leave(&oldest);
        }
    } else {
        drop(core);
        if let Some(finding) = finding {
            report(operation, &record, &finding);
        }
        registry::update(address, |record| record.state = State::Freed);
        // SAFETY: the heap's block is this call's.
        let done = unsafe {
            let outer = ptr::with_exposed_provenance_mut(record.extra[0]);
            freeing::free_found(heap, call_flags, outer)
        };
        return Some(done);
    }
    Some(Ok(()))
}

/// Puts a freed block last in the queue.
fn keep(queue: &mut Queue, record: &Record) {
    if queue.last == 0 {
        queue.first = record.start;
    } else {
        registry::update(queue.last, |last| last.extra[1] = record.start);
    }
    queue.last = record.start;
    queue.blocks += 1;
    queue.bytes += information(record).taken;
}

/// Takes the first block out of the queue, if that is too long.
fn overdue() -> Option<Record> {
    let mut queue = QUEUE.lock();
    if queue.blocks <= KEPT && queue.bytes <= debug::options().page.delayed {
        return None;
    }
    let first = registry::find(queue.first)?;
    queue.unlink(&first);
    Some(first)
}

impl Queue {
    /// Takes the first block out, whose record this is.
    fn unlink(&mut self, first: &Record) {
        self.first = first.extra[1];
        if self.first == 0 {
            self.last = 0;
        }
        self.blocks -= 1;
        self.bytes -= information(first).taken;
    }
}

/// Ends a block that left the queue: its bytes are the heap's again.
fn leave(record: &Record) {
    let found = {
        // No heap is destroyed while the list is held.
        let _list = LIST.lock();
        let Ok(heap) = heap::at(record.heap) else {
            return;
        };
        // SAFETY: a kept block is nobody's but the queue's, which gave it to this call.
        let found = unsafe { find_damage(record) };
        registry::update(record.start, |record| record.state = State::Freed);
        let outer = ptr::with_exposed_provenance_mut(record.extra[0]);
        // SAFETY: as above. A heap whose blocks are kept is serialized; who holds it is
        // not waited for.
        let _ = unsafe { freeing::free_found(heap, flags::NO_SERIALIZE, outer) };
        found
    };
    if let Some(finding) = found {
        report("delayed free", record, &finding);
    }
}

/// Forgets the kept blocks of a heap that is destroyed, and what is known of its busy
/// ones.
pub(super) fn end(heap: &PrivateHeap) {
    let handle = heap.handle().address();
    let mut queue = QUEUE.lock();
    let mut at = queue.first;
    (queue.first, queue.last, queue.blocks, queue.bytes) = (0, 0, 0, 0);
    while let Some(record) = registry::find(at) {
        at = record.extra[1];
        if record.heap == handle {
            continue;
        }
        registry::update(record.start, |record| record.extra[1] = 0);
        keep(&mut queue, &record);
    }
}

/// Whether what was written about the light block at `address`, if there is one, is as it
/// was.
pub(super) fn is_sound_at(heap: &PrivateHeap, address: usize) -> bool {
    match find(heap, address) {
        // SAFETY: the block is busy, and its owner's is this call.
        Some(record) if record.state == State::Busy => unsafe { find_damage(&record) }.is_none(),
        _ => true,
    }
}

/// Looks at all freed blocks that are kept, when the process ends: nobody would later.
pub(in crate::heap) extern "C" fn look_at_kept() {
    // The registry may not be used while it shows its records.
    let mut found = [const { None::<(Record, Finding)> }; SHOWN_AT_EXIT];
    let mut places = found.iter_mut();
    registry::for_each(&mut |record| {
        if is_light(record)
            && record.state == State::Kept
            // SAFETY: a kept block's bytes are the heap's again only after its record
            // says so, which waits until it was shown.
            && let Some(finding) = unsafe { find_damage(record) }
            && let Some(place) = places.next()
        {
            *place = Some((*record, finding));
        }
    });
    for (record, finding) in found.iter().flatten() {
        report("exit", record, finding);
    }
}

/// Whether all light blocks of the heap, busy and kept, are as they were.
pub(super) fn are_sound(heap: &PrivateHeap) -> bool {
    let handle = heap.handle().address();
    let mut are = true;
    registry::for_each(&mut |record| {
        let is_own = is_light(record) && record.heap == handle;
        if are && is_own && record.state != State::Freed {
            // SAFETY: a block of the heap, which is locked, that is busy or kept; one
            // that is kept leaves only after its record says so.
            are = unsafe { find_damage(record) }.is_none();
        }
    });
    are
}

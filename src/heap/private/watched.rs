//! Blocks of watched heaps: those that are made while a global flag is on.
//!
//! Every call of such a heap that allocates, frees or resizes comes here first:
//! its blocks get records, and what the heap's flags say is filled and checked.
//!
//! ```text
//!          data                size                 end
//!   AB x 16 | BAADF00D BAADF00D | AB x 16 and more |   handed out   (free, tail checking)
//!           | 16 bytes | FEEEFEEE FEEEFEEE FEEEFEEE|   freed        (free checking)
//! ```
//!
//! Windows fills 16 bytes behind a block; here all that is behind it is filled up to
//! the next one, but for a settable value, so that the 16 bytes before a block are
//! known, too.
//!
//! What is found is told when no lock is held (damage.rs). A fill is checked where
//! the block is at hand anyway: a tail when its block is freed, resized or asked
//! about, a freed block's when it is used again, all of them by `HeapValidate` and
//! with validation of everything.
//!
//! Large blocks have neither fill, as on Windows: their mapping ends behind them.

use super::damage::{self, Finding};
use super::heap::{Core, PrivateHeap};
use super::lookup::{Block, busy_block, is_mallocs, tail_of};
use super::region::{FREE_FILL, Region, TAIL_FILL};
use super::units::UNIT;
use super::{Error, flags, free as freeing, guarded, misuse, place};
use crate::heap::debug::registry::{self, Family, Record, State};
use crate::heap::debug::{faults, stacks, threads, witness};
use crate::heap::{checked, classes};
use crate::report::Damage;
use crate::sync::{Lock, Mutex};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// What a block holds that is not asked to be zero.
pub(in crate::heap) const FRESH_FILL: u32 = 0xbaad_f00d;

/// Whether calls of the heap come here.
#[inline]
pub(super) fn is_watched(heap: &PrivateHeap) -> bool {
    has(heap, flags::WATCHED)
}

/// Whether the heap has a flag, or one of several.
fn has(heap: &PrivateHeap, flags: u32) -> bool {
    heap.flags.load(Ordering::Relaxed) & flags != 0
}

/// Who calls, found before a heap is locked.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    pub(super) stack: u32,
    pub(super) thread: u32,
}

impl Caller {
    #[inline(never)]
    pub(super) fn here() -> Caller {
        let thread = crate::sys::thread_id() as u32;
        threads::note(thread);
        Caller {
            stack: stacks::capture(),
            thread,
        }
    }
}

/// Heaps without serialization that a thread is in, by a hash of their handles:
/// the handle's slice in the upper half, the thread in the lower; 0 is free. A heap
/// that finds another's entry in its place is not looked after meanwhile. Not in the
/// heaps' records, which would be larger for everybody.
static INSIDE: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];

/// Damage that was found in free memory of a heap, whose address it goes with, and
/// not told of yet. Should another be found before, it is told in this one's place.
static FOUND: Mutex<Option<(usize, Damage)>> = Mutex::new(None);

/// Calls that may have validated a whole heap.
static VALIDATIONS: AtomicU32 = AtomicU32::new(0);

/// The address of the damage that validation told of last.
static TOLD: AtomicUsize = AtomicUsize::new(0);

/// The lock that is taken while a heap is locked, for the fork handlers.
pub(in crate::heap) fn lock() -> &'static Lock {
    FOUND.raw()
}

/// Forgets the stays of threads that a forked child does not have.
pub(in crate::heap) fn forget_stays() {
    for place in &INSIDE {
        place.store(0, Ordering::Relaxed);
    }
}

/// A thread's stay in a heap without serialization, which only one may be in.
#[must_use]
pub(super) struct Stay(Option<&'static AtomicU64>);

impl Stay {
    /// Fails, and reports it, when another thread is in the heap.
    fn begin(operation: &str, heap: &PrivateHeap, caller: Caller) -> Result<Stay, Error> {
        if heap.is_serialized() {
            return Ok(Stay(None));
        }
        let slice = (heap.handle().address() / classes::SLICE) as u64;
        let [first, ..] = &INSIDE;
        let place = INSIDE.get(slice as usize % INSIDE.len()).unwrap_or(first);
        let own = slice << 32 | u64::from(caller.thread);
        match place.compare_exchange(0, own, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(Stay(Some(place))),
            Err(entry) if entry != own && entry >> 32 == own >> 32 => {
                damage::unsynchronized(operation, heap, entry as u32, caller.thread);
                Err(Error::Corrupt)
            }
            // A call of the heap's own, within another one; or another heap's.
            Err(_) => Ok(Stay(None)),
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.store(0, Ordering::Release);
        }
    }
}

/// [`place::place`] of a watched heap.
pub(super) fn place(
    heap: &'static PrivateHeap,
    all: u32,
    info: u8,
    size: usize,
    align: usize,
) -> Result<NonNull<u8>, Error> {
    const OPERATION: &str = "allocation";
    witness::still_catch();
    let caller = Caller::here();
    let _stay = Stay::begin(OPERATION, heap, caller)?;
    validate_now(OPERATION, heap, all);
    if size > isize::MAX as usize && has(heap, flags::VALIDATE_PARAMETERS_ENABLED) {
        damage::extreme_size(OPERATION, heap, size);
        return Err(Error::NoMemory);
    }
    if faults::strike(caller.stack) {
        return Err(Error::NoMemory);
    }
    if let Some(placed) = guarded::place(heap, all, info, size, align, caller) {
        return placed;
    }
    let block = place::place(heap, all, info, size, align)?;
    let address = block.addr().get();
    // Told of before the record goes that knows who freed it.
    let finding = take_found(heap).map(Finding::of_free);
    registry::insert(&Record {
        stack: caller.stack,
        thread: caller.thread,
        sequence: registry::next_sequence(),
        family: Family::Heap,
        align: align.trailing_zeros() as u8,
        ..Record::busy(address, size, heap.handle().address())
    });
    if let Some(finding) = finding {
        damage::raise(OPERATION, heap, &finding);
    }
    Ok(block)
}

/// What was found when a block was made of free memory of the heap.
pub(super) fn take_found(heap: &PrivateHeap) -> Option<Damage> {
    let mut found = FOUND.lock();
    match *found {
        Some((of, damage)) if of == heap.handle().address() => {
            *found = None;
            Some(damage)
        }
        _ => None,
    }
}

/// Checks the free bytes that a fresh block of a region is made of, and fills it
/// and what is behind it. Its heap is locked: who looks at a busy block finds its
/// tail filled.
pub(super) fn prepare(heap: &PrivateHeap, region: &Region, unit: usize, all: u32, size: usize) {
    let address = region.data(unit);
    if region.fills {
        let from = address + UNIT;
        let length = (region.units.size(unit) - 1) * UNIT;
        // SAFETY: the bytes are the fresh block's.
        let found = unsafe { Damage::find(from, length, FREE_FILL.to_le_bytes()) };
        if let Some(damage) = found {
            *FOUND.lock() = Some((heap.handle().address(), damage));
        }
        if all & flags::ZERO_MEMORY == 0 {
            fill_fresh(address, 0, size);
        }
    }
    fill_tail(region, unit);
}

/// Fills the whole dwords of a block that lie in `[from, to)` bytes of it.
fn fill_fresh(address: usize, from: usize, to: usize) {
    const WORD: usize = size_of::<u32>();
    for offset in (from.next_multiple_of(WORD)..to / WORD * WORD).step_by(WORD) {
        // SAFETY: the callers' block has `to` bytes, and its address is a multiple
        // of 16.
        unsafe { ptr::with_exposed_provenance_mut::<u32>(address + offset).write(FRESH_FILL) };
    }
}

/// Where the fill behind the busy block of a region at `unit` lies, in bytes from
/// its start: all that is behind it, or what is on both sides of its settable value.
fn tails(region: &Region, unit: usize) -> [(usize, usize); 2] {
    let room = region.units.size(unit) * UNIT;
    let size = room - region.units.unused(unit);
    let least = tail_of(region.units.overhead);
    if least == 0 {
        [(0, 0); 2]
    } else if region.units.flags(unit) == 0 {
        [(size, room), (0, 0)]
    } else {
        [(size, size + least), (room - UNIT, room)]
    }
}

fn fill_tail(region: &Region, unit: usize) {
    for (from, to) in tails(region, unit) {
        let tail: *mut u8 = ptr::with_exposed_provenance_mut(region.data(unit) + from);
        // SAFETY: the bytes lie between the block's and the next one's.
        unsafe { tail.write_bytes(TAIL_FILL, to - from) };
    }
}

/// What is wrong behind the busy block of a region at `unit`.
pub(super) fn tail_damage(region: &Region, unit: usize) -> Option<Damage> {
    tails(region, unit).into_iter().find_map(|(from, to)| {
        // SAFETY: as in `fill_tail`.
        unsafe { Damage::find(region.data(unit) + from, to - from, [TAIL_FILL; 4]) }
    })
}

/// What is wrong in the 16 bytes before the busy block of a region at `unit`.
fn prefix_damage(region: &Region, unit: usize) -> Option<Damage> {
    let expected = if region.units.free_before(unit).is_some() {
        if !region.fills {
            return None;
        }
        FREE_FILL.to_le_bytes()
    } else if tail_of(region.units.overhead) != 0 {
        [TAIL_FILL; 4]
    } else {
        return None;
    };
    // SAFETY: the bytes are the end of the block before, or of the region's header.
    unsafe { Damage::find(region.data(unit) - UNIT, UNIT, expected) }
}

/// What is wrong in the free block of a region at `unit`.
pub(super) fn free_damage(region: &Region, unit: usize) -> Option<Damage> {
    if !region.fills {
        return None;
    }
    let from = region.data(unit) + UNIT;
    let length = (region.units.size(unit) - 1) * UNIT;
    // SAFETY: a free block's bytes are committed.
    unsafe { Damage::find(from, length, FREE_FILL.to_le_bytes()) }
}

/// The first damage in the regions of a heap, which is locked.
pub(super) fn find_damage(core: &Core) -> Option<Finding> {
    let mut region = core.first;
    // SAFETY: listed regions are live, and the heap is locked.
    while let Some(this) = unsafe { region.as_ref() } {
        let (mut unit, end) = (this.first(), this.end());
        while unit < end {
            let units = this.units.size(unit).max(1);
            if this.units.is_busy(unit) {
                if let Some(damage) = tail_damage(this, unit) {
                    let size = units * UNIT - this.units.unused(unit);
                    return Some(Finding::of_tail(this.data(unit), size, damage));
                }
            } else if let Some(damage) = free_damage(this, unit) {
                return Some(Finding::of_free(damage));
            }
            unit += units;
        }
        region = this.next;
    }
    None
}

/// With validation of everything, checks the heap, or each so-manieth time; tells
/// of what is wrong, once.
fn validate_now(operation: &str, heap: &'static PrivateHeap, call_flags: u32) {
    if !has(heap, flags::VALIDATE_ALL_ENABLED) {
        return;
    }
    let every = crate::heap::debug::options().validate_every.max(1);
    let calls = VALIDATIONS.fetch_add(1, Ordering::Relaxed);
    if !calls.is_multiple_of(every) {
        return;
    }
    let finding = find_damage(&heap.enter(call_flags));
    if let Some(finding) = finding {
        let before = TOLD.swap(finding.damage.address, Ordering::Relaxed);
        if before != finding.damage.address {
            damage::raise(operation, heap, &finding);
        }
    }
}

/// The damage behind a busy block or before it, if one of the heap starts at `address`. Its
/// heap is locked for as long as the look takes.
fn damage_about(heap: &'static PrivateHeap, call_flags: u32, address: usize) -> Option<Finding> {
    match busy_block(heap, call_flags, address) {
        Ok((_core, Block::Region(region, unit))) => {
            // SAFETY: a region of the heap, which is locked.
            let this = unsafe { &*region };
            let size = this.units.size(unit) * UNIT - this.units.unused(unit);
            tail_damage(this, unit)
                .map(|damage| Finding::of_tail(address, size, damage))
                .or_else(|| {
                    let damage = prefix_damage(this, unit)?;
                    Some(Finding::of_prefix(address, size, damage))
                })
        }
        _ => None,
    }
}

/// Checks a block that `operation` is given. Fails, and has reported it, where
/// bytes about it changed and the heap validates parameters; where it does not,
/// only reports it.
pub(super) fn check(
    operation: &str,
    heap: &'static PrivateHeap,
    call_flags: u32,
    address: usize,
) -> Result<(), Error> {
    if !has(heap, flags::TAIL_CHECKING_ENABLED) {
        return Ok(());
    }
    let Some(finding) = damage_about(heap, call_flags, address) else {
        return Ok(());
    };
    damage::raise(operation, heap, &finding);
    if has(heap, flags::VALIDATE_PARAMETERS_ENABLED) {
        return Err(Error::Corrupt);
    }
    Ok(())
}

/// [`check`] for a function that tells a block's size: where the heap does not
/// validate parameters nothing is looked at, as on Windows.
pub(super) fn check_parameter(
    operation: &str,
    heap: &'static PrivateHeap,
    address: usize,
) -> Result<(), Error> {
    if !has(heap, flags::VALIDATE_PARAMETERS_ENABLED) {
        return Ok(());
    }
    check(operation, heap, flags::NO_SERIALIZE, address)
}

/// Whether nothing behind a block or before it changed. Reports nothing.
pub(super) fn is_whole(heap: &'static PrivateHeap, address: usize) -> bool {
    damage_about(heap, flags::NO_SERIALIZE, address).is_none()
}

/// Frees a block of a watched heap for `operation`. What is no block is an error,
/// and reported.
///
/// # Safety
/// As for [`freeing::free`].
pub(super) unsafe fn free_as(
    operation: &str,
    heap: &'static PrivateHeap,
    call_flags: u32,
    block: *mut u8,
) -> Result<(), Error> {
    let caller = Caller::here();
    let _stay = Stay::begin(operation, heap, caller)?;
    validate_now(operation, heap, call_flags);
    check(operation, heap, call_flags, block.addr())?;
    // SAFETY: the caller's promise.
    let result = unsafe {
        guarded::free(operation, heap, call_flags, block, caller)
            .unwrap_or_else(|| free_found(heap, call_flags, block, caller))
    };
    result.inspect_err(|&error| misuse::report(operation, heap, block.addr(), error))
}

unsafe fn free_found(
    heap: &'static PrivateHeap,
    call_flags: u32,
    block: *mut u8,
    caller: Caller,
) -> Result<(), Error> {
    match busy_block(heap, call_flags, block.addr()) {
        Ok((Some(mut core), found)) => {
            // While the heap is locked, so that nobody gets the block before.
            registry::update(block.addr(), |record| {
                record.state = State::Freed;
                record.free_stack = caller.stack;
                record.free_thread = caller.thread;
            });
            match found {
                Block::Region(region, unit) => {
                    freeing::free_in_region(heap, &mut core, region, unit);
                }
                Block::Large(record) => freeing::free_large(heap, &mut core, record),
                Block::Bucket(..) | Block::Guarded(_) => return Err(Error::NotABlock),
            }
            Ok(())
        }
        // A watched heap has no buckets.
        Ok(_) => Err(Error::NotABlock),
        Err(Error::OtherHeap) if heap.handle().takes_mallocs() && is_mallocs(block.addr()) => {
            // SAFETY: the block is malloc's and busy, and nobody uses it.
            freeing::without_cache(|word| unsafe { checked::free(word, block) });
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Begins the resizing of a block for `operation`: what [`free_as`] does before it
/// frees. What is returned is kept until the block is resized.
pub(super) fn begin_resize(
    operation: &str,
    heap: &'static PrivateHeap,
    call_flags: u32,
    block: *mut u8,
) -> Result<Stay, Error> {
    let caller = Caller::here();
    let stay = Stay::begin(operation, heap, caller)?;
    validate_now(operation, heap, call_flags);
    check(operation, heap, call_flags, block.addr())?;
    Ok(stay)
}

/// Notes that the block of a region has another size, and fills what it grew by
/// and what lies behind it now. Its heap is locked.
pub(super) fn resized(region: &Region, unit: usize, old: usize, size: usize) {
    let address = region.data(unit);
    if region.fills {
        fill_fresh(address, old, size);
    }
    fill_tail(region, unit);
    note_size(address, size);
}

/// Notes that a block has another size. Its heap is locked.
pub(super) fn note_size(address: usize, size: usize) {
    registry::update(address, |record| record.size = size);
}

/// Notes how a block was asked for.
pub(super) fn note_family(address: usize, family: Family, align: usize) {
    registry::update(address, |record| {
        record.family = family;
        record.align = align.trailing_zeros() as u8;
    });
}

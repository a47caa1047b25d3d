//! Where a region's memory and its record come from.
//!
//! ```text
//!   slices    a run of the process's segments; record and tables lie with the
//!             segment's descriptors. No system call.
//!   own       a reservation of its own, the tables behind the memory:
//!             | region, backed as it is committed | tables, sparse |
//!   caller's  memory of whoever made the heap; the tables have a
//!             reservation of their own
//! ```
//!
//! Who has read a record's address from the slice table may look at it though
//! another thread releases the region at that moment. So the records of the last
//! two kinds lie with the allocator's records and are used again, never unmapped;
//! and those of the first, which are all heaps' first regions, stay for as long as
//! the destroyed heap is remembered (list.rs), saying that it is gone. Tables go
//! with the region, those in a reservation with the heap; only whoever holds the heap's
//! lock looks at them.

use super::CommitRoutine;
use super::region::{PAGE, Region};
use super::units::{self, UNIT, Units};
use crate::heap::classes::SLICE;
use crate::heap::descriptor::{Descriptor, REGION};
use crate::heap::meta::{self, FreeList};
use crate::heap::segment::{Alike, Segment};
use crate::heap::{PROCESS, slices};
use crate::sync::Mutex;
use crate::sys::{self, Protection};
use crate::vm::{self, Use};
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::Ordering;

/// Slices that a region may take from the process's segments.
const MOST_SLICES: usize = 4;
/// Places tried for a reservation.
const TRIES: usize = 4;
/// Bytes backed at least at a time.
const BACK_STEP: usize = 256 * 1024;

/// Bytes of memory that a destroyed heap's first region may hold on to for as
/// long as it is remembered.
const MOST_GONE: usize = 32 * 1024;

/// Whose the memory is.
#[derive(Clone, Copy)]
pub(super) enum Source {
    Slices,
    Own { executable: bool },
    Caller { routine: Option<CommitRoutine> },
}

/// How a region's memory is backed.
pub(super) struct Backing {
    source: Source,
    /// Bytes from the start that the system lets us touch.
    backed: usize,
    /// Bytes of the memory, at the end of which it cannot be backed any more.
    whole: usize,
    /// The reservation that the tables lie in: its address and its bytes.
    reservation: *mut u8,
    reservation_size: usize,
    /// Bytes of a reservation that are committed apart from the region's memory.
    table_bytes: usize,
}

/// Records of regions with reservations that were released.
pub(super) static RECORDS: Mutex<FreeList> = Mutex::new(FreeList::new());

/// What a region is to be like.
pub(super) struct Plan {
    pub(super) reserved: usize,
    pub(super) source: Source,
    /// For a caller's memory: where it is and what of it is committed.
    pub(super) base: *mut u8,
    pub(super) backed: usize,
}

/// Bytes of a record that tables follow.
const RECORD: usize = size_of::<Region>().next_multiple_of(64);

/// Bytes of a region's tables.
pub(super) const fn tables_size(reserved: usize) -> usize {
    (units::bytes_for(reserved / UNIT) + reserved.div_ceil(PAGE)).next_multiple_of(64)
}

fn take_record() -> *mut Region {
    let record = RECORDS.lock().pop();
    if record.is_null() {
        return meta::allocate(size_of::<Region>()).cast();
    }
    record.cast()
}

/// # Safety
/// The record came from `take_record`, and the slice table does not lead to it
/// any more.
unsafe fn give_record(record: *mut Region) {
    // SAFETY: the caller's record. Its descriptor is wiped first but for the word
    // that links the list, which reads as a base that no span follows.
    unsafe {
        (*record).descriptor = Descriptor::nothing().0;
        RECORDS.lock().push(record.cast());
    }
}

/// Makes a region: its memory reserved, its record and tables zero but for what
/// is set here, nothing entered in the slice table but that the slices are ours.
/// Null when the system has nothing to give, and nothing changed.
///
/// # Safety
/// A caller's memory is as the plan says, and nobody else's.
pub(super) unsafe fn make(plan: &Plan) -> *mut Region {
    if matches!(plan.source, Source::Slices) && plan.reserved <= MOST_SLICES * SLICE {
        return from_slices(plan.reserved);
    }
    let record = take_record();
    if record.is_null() {
        return record;
    }
    // SAFETY: a record nobody has, and the caller's plan.
    let made = unsafe {
        match plan.source {
            Source::Caller { .. } => from_caller(record, plan),
            source => from_reservation(record, plan.reserved, source),
        }
    };
    if made.is_none() {
        // SAFETY: taken above, and written by nobody.
        unsafe { give_record(record) };
        return ptr::null_mut();
    }
    record
}

/// # Safety
/// The record is the caller's, and the memory as the plan says.
unsafe fn from_caller(record: *mut Region, plan: &Plan) -> Option<()> {
    if !slices::claim(plan.base.addr(), plan.reserved) {
        return None;
    }
    let size = tables_size(plan.reserved).next_multiple_of(vm::GRANULARITY);
    let tables = vm::reserve(Use::Metadata, size, vm::GRANULARITY);
    // SAFETY: just reserved, nothing of it committed.
    let is_there = !tables.is_null() && unsafe { vm::commit(Use::Metadata, tables, size) };
    if !is_there {
        if !tables.is_null() {
            // SAFETY: just reserved, unused.
            unsafe { vm::give_back(Use::Metadata, tables, size, 0) };
        }
        // SAFETY: claimed just above.
        unsafe { slices::disclaim(plan.base.addr(), plan.reserved) };
        return None;
    }
    let backing = Backing {
        source: plan.source,
        backed: plan.backed,
        whole: plan.reserved,
        reservation: tables,
        reservation_size: size,
        table_bytes: size,
    };
    let base = plan.base.expose_provenance();
    // SAFETY: the tables are committed, zero and ours alone.
    unsafe { write(record, tables, base, plan.reserved, backing) };
    Some(())
}

fn from_slices(reserved: usize) -> *mut Region {
    let count = reserved.div_ceil(SLICE);
    let size = RECORD + tables_size(reserved);
    let Some(run) = PROCESS.sparse.lock().take(count, size, Alike::No, false) else {
        return ptr::null_mut();
    };
    let region: *mut Region = run.descriptor.cast();
    let backing = Backing {
        source: Source::Slices,
        backed: count * SLICE,
        whole: count * SLICE,
        reservation: ptr::null_mut(),
        reservation_size: 0,
        table_bytes: 0,
    };
    let base = run.base.expose_provenance();
    // SAFETY: the record is zero but for its size, which stays, and ours alone.
    unsafe {
        let extent = (*run.descriptor).extent;
        let tables = region.cast::<u8>().add(RECORD);
        write(region, tables, base, reserved, backing);
        (*region).descriptor.extent = extent;
        (*region).descriptor.segment = run.segment;
        (*region).descriptor.first_slice = run.first_slice;
    }
    region
}

/// # Safety
/// The record is the caller's.
unsafe fn from_reservation(record: *mut Region, reserved: usize, source: Source) -> Option<()> {
    let whole = reserved.next_multiple_of(SLICE);
    let table_bytes = tables_size(reserved).next_multiple_of(vm::page_size());
    let size = whole.checked_add(table_bytes)?;
    // A place that would share slice-table entries stays in the way while
    // another one is sought.
    let mut in_the_way = [ptr::null_mut(); TRIES];
    let mut made = None;
    for place in &mut in_the_way {
        let base = vm::reserve(Use::Segments, size, vm::GRANULARITY);
        if base.is_null() {
            break;
        }
        if !slices::claim(base.addr(), whole) {
            *place = base;
            continue;
        }
        let tables = base.wrapping_add(whole);
        // SAFETY: just reserved, nothing of it committed.
        if !unsafe { vm::commit(Use::Segments, tables, table_bytes) } {
            // SAFETY: claimed just above.
            unsafe { slices::disclaim(base.addr(), whole) };
            *place = base;
            break;
        }
        let backing = Backing {
            source,
            backed: 0,
            whole,
            reservation: base,
            reservation_size: size,
            table_bytes,
        };
        let start = base.expose_provenance();
        // SAFETY: the tables are committed, zero and ours alone.
        unsafe { write(record, tables, start, reserved, backing) };
        made = Some(());
        break;
    }
    for base in in_the_way {
        if !base.is_null() {
            // SAFETY: ours, whole, and unused.
            unsafe { vm::give_back(Use::Segments, base, size, 0) };
        }
    }
    made
}

/// Writes a region's record.
///
/// # Safety
/// The record is the caller's; `tables` is memory for the tables, zero, at a
/// multiple of 64.
unsafe fn write(
    region: *mut Region,
    tables: *mut u8,
    start: usize,
    reserved: usize,
    backing: Backing,
) {
    let capacity = reserved / UNIT;
    let touched = tables.wrapping_add(units::bytes_for(capacity));
    // SAFETY: the caller's memory has room for the record and for the tables.
    unsafe {
        region.write(Region {
            descriptor: Descriptor::nothing().0,
            next: ptr::null_mut(),
            previous: ptr::null_mut(),
            index: 0,
            start,
            header: 0,
            reserved,
            limit: 0,
            committed: 0,
            initial: 0,
            active: 0,
            blocks: 0,
            bound: u8::MAX,
            units: Units::new(tables, capacity),
            touched,
            backing,
            fills: false,
        });
        let descriptor = &(*region).descriptor;
        descriptor.base.store(start, Ordering::Relaxed);
        descriptor.span.store(reserved, Ordering::Relaxed);
        descriptor.what.store(REGION, Ordering::Relaxed);
    }
}

impl Backing {
    /// Lets `[from, to)` bytes of the region be touched. False, and nothing
    /// changed, when the system refuses.
    ///
    /// # Safety
    /// The region starts at `start`; nothing after `from` is in use.
    pub(super) unsafe fn back(&mut self, start: usize, from: usize, to: usize) -> bool {
        if to <= self.backed {
            return true;
        }
        let executable = match self.source {
            Source::Slices => return false,
            Source::Caller { routine } => {
                // SAFETY: the caller's promise.
                return unsafe { self.ask(start, from, to, routine) };
            }
            Source::Own { executable } => executable,
        };
        let page = vm::page_size();
        let step = BACK_STEP.min(self.whole - self.backed);
        let least = (to - self.backed).next_multiple_of(page);
        let place: *mut u8 = ptr::with_exposed_provenance_mut(start + self.backed);
        for size in [least.max(step), least] {
            // SAFETY: what is not backed yet of the reservation is reserved
            // and ours.
            if unsafe { vm::commit(Use::Segments, place, size) } {
                // SAFETY: just committed.
                if executable && !unsafe { sys::protect(place, size, Protection::ReadWriteExecute) }
                {
                    // SAFETY: just committed, and nothing there.
                    if !unsafe { vm::decommit(Use::Segments, place, size) } {
                        // They are charged as long as the region is there.
                        self.table_bytes += size;
                    }
                    return false;
                }
                self.backed += size;
                return true;
            }
        }
        false
    }

    /// Has the caller's routine, or the system, commit more of a caller's
    /// memory.
    unsafe fn ask(
        &mut self,
        start: usize,
        from: usize,
        to: usize,
        routine: Option<CommitRoutine>,
    ) -> bool {
        let place: *mut u8 = ptr::with_exposed_provenance_mut(start + from);
        let Some(routine) = routine else {
            let end = to.next_multiple_of(vm::page_size()).min(self.whole);
            let from = self.backed.max(from) & !(vm::page_size() - 1);
            let place = ptr::with_exposed_provenance_mut(start + from);
            // SAFETY: the range is part of what the heap's maker reserved for
            // it.
            let done = end >= to && unsafe { sys::commit(place, end - from) };
            if done {
                self.backed = end;
            }
            return done;
        };
        let mut address: *mut c_void = place.cast();
        let mut size = to - from;
        // SAFETY: the routine and the range are the heap's maker's, who
        // promised to commit what is asked for.
        let status = unsafe {
            routine(
                ptr::with_exposed_provenance_mut(start),
                &raw mut address,
                &raw mut size,
            )
        };
        if status >= 0 {
            self.backed = to;
        }
        status >= 0
    }

    /// Gives the memory of pages back.
    ///
    /// # Safety
    /// The pages are the region's, backed, and nothing in them is in use.
    pub(super) unsafe fn purge(&self, place: *mut u8, size: usize) -> bool {
        if matches!(self.source, Source::Caller { .. }) {
            // What its owner mapped there is his affair.
            return true;
        }
        // SAFETY: the caller's promise.
        unsafe { vm::purge(place, size) }
    }

    /// Slices of the region, as the slice table has them.
    pub(super) fn slices(&self, reserved: usize) -> usize {
        reserved.div_ceil(SLICE)
    }

    /// Whose the memory is.
    pub(super) fn source(&self) -> Source {
        self.source
    }

    /// Bytes that the system lets us touch, for the account.
    pub(super) fn backed(&self) -> usize {
        self.backed
    }
}

/// Enters a region in the slice table: from here on every address in it leads
/// to it.
///
/// # Safety
/// The region is whole, and its slices were claimed.
pub(super) unsafe fn enter(region: *mut Region) {
    // SAFETY: the caller's region; its record stays readable until `leave`.
    unsafe {
        let count = (*region).backing.slices((*region).reserved);
        slices::enter((*region).start, count, region.cast());
    }
}

/// Gives up what a destroyed region holds, but for its address space and its record, beside
/// which tables may lie.
///
/// # Safety
/// Nothing of the region is in use, and it is not a caller's.
pub(super) unsafe fn empty(region: *mut Region) {
    // SAFETY: the caller's region. Its tables are those that `from_reservation` committed, as
    // long and at the same place; the heap is on no list any more, so nobody looks at them, and
    // a heap ends once.
    unsafe {
        let this = &mut *region;
        if matches!(this.backing.source, Source::Slices) && this.high() > MOST_GONE {
            this.purge_all();
        }
        if matches!(this.backing.source, Source::Own { .. }) {
            let place = ptr::with_exposed_provenance_mut(this.start);
            if this.backing.backed != 0 {
                if vm::decommit(Use::Segments, place, this.backing.backed) {
                    this.backing.backed = 0;
                } else {
                    vm::purge(place, this.backing.backed);
                }
            }
            let tables = this.backing.reservation.wrapping_add(this.backing.whole);
            let bytes = tables_size(this.reserved).next_multiple_of(vm::page_size());
            if vm::decommit(Use::Segments, tables, bytes) {
                this.backing.table_bytes -= bytes;
            } else {
                vm::purge(tables, bytes);
            }
        }
    }
}

/// Bytes that a destroyed heap's first region holds on to.
///
/// # Safety
/// The region went through [`empty`] and is not released.
pub(super) unsafe fn held(region: *const Region) -> usize {
    // SAFETY: the caller's region.
    let this = unsafe { &*region };
    match this.backing.source {
        Source::Slices => this.high(),
        _ => this.backing.backed,
    }
}

/// Gives a region's memory, tables and record back.
///
/// # Safety
/// Nothing of the region is in use, and no list leads to it.
pub(super) unsafe fn release(region: *mut Region) {
    // SAFETY: the caller's region, which nobody else knows.
    unsafe {
        let this = &*region;
        let (start, reserved) = (this.start, this.reserved);
        let count = this.backing.slices(reserved);
        slices::clear(start, count);
        match this.backing.source {
            Source::Slices => {
                let segment: *mut Segment = this.descriptor.segment;
                let first = this.descriptor.first_slice;
                let high = this.high();
                PROCESS.sparse.lock().give_back(
                    segment,
                    first,
                    count,
                    high,
                    region.cast(),
                    RECORD + tables_size(reserved),
                );
            }
            Source::Own { .. } | Source::Caller { .. } => {
                let of = if matches!(this.backing.source, Source::Own { .. }) {
                    Use::Segments
                } else {
                    Use::Metadata
                };
                let own_bytes = if of == Use::Segments {
                    this.backing.backed
                } else {
                    0
                };
                let (base, size) = (this.backing.reservation, this.backing.reservation_size);
                let committed = own_bytes + this.backing.table_bytes;
                slices::disclaim(start, reserved);
                vm::give_back(of, base, size, committed);
                give_record(region);
            }
        }
    }
}

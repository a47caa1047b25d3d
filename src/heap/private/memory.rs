//! Where a region's memory and its record come from.
//!
//! ```text
//!   slices    a run of the process's segments; the record lies with the
//!             segment's descriptors. No system call.
//!   own       a reservation of its own, the record behind the memory:
//!             | region, backed as it is committed | record, sparse |
//!   caller's  memory of whoever made the heap; the record has a
//!             reservation of its own
//! ```
//!
//! A destroyed heap's first region stays out of use for a while (stale.rs),
//! its record saying that it is gone.

use super::CommitRoutine;
use super::region::{PAGE, Region};
use super::units::{self, UNIT, Units};
use crate::heap::classes::SLICE;
use crate::heap::descriptor::{Descriptor, REGION};
use crate::heap::segment::Segment;
use crate::heap::{PROCESS, slices};
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
    /// The reservation that the record lies in: its address and its bytes.
    reservation: *mut u8,
    reservation_size: usize,
    /// Bytes of it that are committed apart from the region's memory.
    record_bytes: usize,
}

/// What a region is to be like.
pub(super) struct Plan {
    pub(super) reserved: usize,
    pub(super) source: Source,
    /// For a caller's memory: where it is and what of it is committed.
    pub(super) base: *mut u8,
    pub(super) backed: usize,
}

fn record_size(reserved: usize) -> usize {
    let header = size_of::<Region>().next_multiple_of(64);
    let tables = units::bytes_for(reserved / UNIT);
    (header + tables + reserved.div_ceil(PAGE)).next_multiple_of(64)
}

/// Makes a region: its memory reserved, its record zero but for what is set
/// here, nothing entered in the slice table but that the slices are ours. Null
/// when the system has nothing to give, and nothing changed.
///
/// # Safety
/// A caller's memory is as the plan says, and nobody else's.
pub(super) unsafe fn make(plan: &Plan) -> *mut Region {
    match plan.source {
        Source::Slices if plan.reserved <= MOST_SLICES * SLICE => from_slices(plan.reserved),
        Source::Caller { .. } => {
            if !slices::claim(plan.base.addr(), plan.reserved) {
                return ptr::null_mut();
            }
            let record = record_size(plan.reserved).next_multiple_of(vm::GRANULARITY);
            let reservation = vm::reserve(Use::Metadata, record, vm::GRANULARITY);
            // SAFETY: just reserved, nothing of it committed.
            let is_there =
                !reservation.is_null() && unsafe { vm::commit(Use::Metadata, reservation, record) };
            if !is_there {
                if !reservation.is_null() {
                    // SAFETY: just reserved, unused.
                    unsafe { vm::release(Use::Metadata, reservation, record, 0) };
                }
                // SAFETY: claimed just above.
                unsafe { slices::disclaim(plan.base.addr(), plan.reserved) };
                return ptr::null_mut();
            }
            let backing = Backing {
                source: plan.source,
                backed: plan.backed,
                whole: plan.reserved,
                reservation,
                reservation_size: record,
                record_bytes: record,
            };
            plan.base.expose_provenance();
            // SAFETY: the record is committed, zero and ours alone.
            unsafe { write(reservation, plan.base.addr(), plan.reserved, backing) }
        }
        source => from_reservation(plan.reserved, source),
    }
}

fn from_slices(reserved: usize) -> *mut Region {
    let count = reserved.div_ceil(SLICE);
    let taken = PROCESS.sparse.lock().take(count, record_size(reserved));
    let Some(run) = taken else {
        return ptr::null_mut();
    };
    // SAFETY: the record is zero but for its size, and ours alone.
    unsafe {
        let extent = (*run.descriptor).extent;
        let backing = Backing {
            source: Source::Slices,
            backed: count * SLICE,
            whole: count * SLICE,
            reservation: ptr::null_mut(),
            reservation_size: 0,
            record_bytes: 0,
        };
        let base = run.base.expose_provenance();
        let region = write(run.descriptor.cast(), base, reserved, backing);
        (*region).descriptor.extent = extent;
        (*region).descriptor.segment = run.segment;
        (*region).descriptor.first_slice = run.first_slice;
        region
    }
}

fn from_reservation(reserved: usize, source: Source) -> *mut Region {
    let whole = reserved.next_multiple_of(SLICE);
    let record = record_size(reserved).next_multiple_of(vm::page_size());
    let Some(size) = whole.checked_add(record) else {
        return ptr::null_mut();
    };
    // A place that would share slice-table entries stays in the way while
    // another one is sought.
    let mut in_the_way = [ptr::null_mut(); TRIES];
    let mut region = ptr::null_mut();
    for place in &mut in_the_way {
        let base = vm::reserve(Use::Segments, size, vm::GRANULARITY);
        if base.is_null() {
            break;
        }
        if !slices::claim(base.addr(), whole) {
            *place = base;
            continue;
        }
        let at = base.wrapping_add(whole);
        // SAFETY: just reserved, nothing of it committed.
        if !unsafe { vm::commit(Use::Segments, at, record) } {
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
            record_bytes: record,
        };
        base.expose_provenance();
        // SAFETY: the record is committed, zero and ours alone.
        region = unsafe { write(at, base.addr(), reserved, backing) };
        break;
    }
    for base in in_the_way {
        if !base.is_null() {
            // SAFETY: ours, whole, and unused.
            unsafe { vm::release(Use::Segments, base, size, 0) };
        }
    }
    region
}

/// Writes a region's record.
///
/// # Safety
/// `record` is memory for it, zero, at a multiple of 64.
unsafe fn write(record: *mut u8, start: usize, reserved: usize, backing: Backing) -> *mut Region {
    let tables = record.wrapping_add(size_of::<Region>().next_multiple_of(64));
    let capacity = reserved / UNIT;
    let touched = tables.wrapping_add(units::bytes_for(capacity));
    let region = record.cast::<Region>();
    // SAFETY: the caller's memory has room for the record and its tables.
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
        });
        let descriptor = &(*region).descriptor;
        descriptor.base.store(start, Ordering::Relaxed);
        descriptor.span.store(reserved, Ordering::Relaxed);
        descriptor.what.store(REGION, Ordering::Relaxed);
    }
    region
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
                    // SAFETY: just committed, and nothing there. If that fails
                    // too, the pages stay, unused, in the account.
                    unsafe { vm::decommit(Use::Segments, place, size) };
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

/// Gives up what a destroyed region holds, but for its address space and the
/// start of its record.
///
/// # Safety
/// Nothing of the region is in use, and it is not a caller's.
pub(super) unsafe fn empty(region: *mut Region) {
    // SAFETY: the caller's region.
    unsafe {
        let this = &mut *region;
        if matches!(this.backing.source, Source::Slices) && this.high() > MOST_GONE {
            this.purge_all();
        }
        if matches!(this.backing.source, Source::Own { .. }) && this.backing.backed != 0 {
            let place = ptr::with_exposed_provenance_mut(this.start);
            if vm::decommit(Use::Segments, place, this.backing.backed) {
                this.backing.backed = 0;
            } else {
                vm::purge(place, this.backing.backed);
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

/// Gives a region's memory and record back.
///
/// # Safety
/// Nothing of the region is in use, and no list leads to it.
pub(super) unsafe fn release(region: *mut Region) {
    // SAFETY: the caller's region, which nobody else knows; what is needed of
    // its record is read before that goes.
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
                    record_size(reserved),
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
                let committed = own_bytes + this.backing.record_bytes;
                slices::disclaim(start, reserved);
                if !vm::release(of, base, size, committed) {
                    // The address space stays behind, without memory.
                    vm::purge(base, own_bytes);
                }
            }
        }
    }
}

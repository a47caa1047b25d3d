//! How a bucket comes by subsegments and gives them back to the back end.
//!
//! A subsegment is made as one of three kinds, which differ in their pages alone: as in the
//! default heap, with fences beside its blocks (fence.rs), or guarded, in a hardened heap.
//! The kind is a constant of the functions, so that the default one pays for none of the
//! others.

use super::super::active_bytes;
use super::super::classes;
use super::super::descriptor::{Descriptor, Geometry, SUBSEGMENT};
use super::super::fence;
#[cfg(feature = "hardened")]
use super::super::hard;
use super::super::segment::{Alike, Run};
use super::super::slices;
use super::{Place, RUNS, SHARDS, State};
use crate::sys::{self, Protection};
#[cfg(feature = "heaps")]
use core::ptr;
use core::sync::atomic::Ordering;

/// How a subsegment is made: as in the default heap; guarded, as in a hardened one; or
/// with fences.
pub(super) const DEFAULT: u8 = 0;
#[cfg(feature = "hardened")]
pub(super) const OPEN: u8 = 1;
pub(super) const FENCED: u8 = 2;

/// Whether the last page of a new subsegment of `class` is to be a guard page.
#[inline(always)]
fn ends_in_guard<const HARD: u8>(class: usize) -> bool {
    #[cfg(feature = "hardened")]
    if HARD == OPEN {
        return hard::ends_in_guard(class);
    }
    let _ = class;
    false
}

/// Readies a new subsegment's pages; how many blocks it has.
#[inline(always)]
fn prepare<const HARD: u8>(class: usize, run: &Run) -> usize {
    #[cfg(feature = "hardened")]
    if HARD == OPEN {
        return hard::prepare(class, run);
    }
    let _ = run;
    Geometry::of(class).blocks
}

impl State {
    /// Gives the place's shard, which has none, an open subsegment: a second
    /// one of another shard, or a new one. False when the system has nothing
    /// to give.
    #[inline(never)]
    pub(super) fn supply<const HARD: u8>(&mut self, place: &Place<'_>) -> bool {
        let second = self.second();
        if !second.is_null() {
            // SAFETY: the lists link live subsegments of this bucket.
            unsafe { self.move_to(second, place.shard) };
            return true;
        }
        let is_added = if HARD != DEFAULT {
            self.add_hard::<HARD>(place)
        } else if place.may_be_fenced(self.fenced) {
            self.add_fenced(place)
        } else {
            self.add_plain(place)
        };
        is_added || self.take_over(place.shard)
    }

    /// Moves the only open subsegment of another shard to this one's list: for
    /// when there is no memory for a new one.
    #[inline(never)]
    fn take_over(&mut self, shard: u8) -> bool {
        for from in 0..SHARDS {
            let head = self.first(from as u8);
            if !head.is_null() {
                // SAFETY: the lists link live subsegments of this bucket.
                unsafe { self.move_to(head, shard) };
                return true;
            }
        }
        false
    }

    /// A new subsegment with fences beside its blocks, where there can be some.
    #[cold]
    #[inline(never)]
    fn add_fenced(&mut self, place: &Place<'_>) -> bool {
        self.add_subsegment::<FENCED>(place)
    }

    /// A new subsegment as most are.
    #[inline(never)]
    fn add_plain(&mut self, place: &Place<'_>) -> bool {
        self.add_subsegment::<DEFAULT>(place)
    }

    /// A new subsegment of a hardened heap: a name of its own, by which the linker keeps it
    /// from those that every process runs.
    #[inline(never)]
    fn add_hard<const HARD: u8>(&mut self, place: &Place<'_>) -> bool {
        self.add_subsegment::<HARD>(place)
    }

    #[inline(always)]
    fn add_subsegment<const HARD: u8>(&mut self, place: &Place<'_>) -> bool {
        let slices = classes::slices_of(place.class);
        if let Some(owned) = place.owned
            && !owned.budget().charge(place.bytes())
        {
            return false;
        }
        let bytes = (self.subsegments + 1) * slices * classes::SLICE;
        let alike = match place.owned {
            Some(_) => Alike::Private(bytes),
            None if place.is_small() => Alike::Small(bytes),
            None => Alike::No,
        };
        let taken = {
            let mut back_end = place.back_end.lock();
            let size = place.record_size();
            back_end.note_active(active_bytes());
            if HARD == FENCED {
                back_end.take_for(place.class, size)
            } else {
                back_end.take(slices, size, alike, ends_in_guard::<HARD>(place.class))
            }
        };
        let Some(run) = taken else {
            if let Some(owned) = place.owned {
                owned.budget().credit(place.bytes());
            }
            return false;
        };
        let descriptor = run.descriptor;
        let base = run.base.expose_provenance();
        let geometry = Geometry::of(place.class);
        let all = prepare::<HARD>(place.class, &run);
        let mut blocks = all;
        let mut used = 0;
        if HARD == FENCED {
            if run.is_fenced {
                used = fence::used(place.class);
                self.fenced += 1;
            }
            if used != 0 {
                blocks = used.count_ones() as usize;
                self.fewer += all - blocks;
            }
            if place.class == 0 && !run.is_fenced {
                // SAFETY: the slice was just taken, and never goes back.
                unsafe { sys::protect(run.base, classes::SLICE, Protection::None) };
            }
        }
        let block_size = geometry.size;
        let relaxed = Ordering::Relaxed;
        // SAFETY: the descriptor's memory is zeroed, large enough for this
        // class and kind, and no table entry leads to it yet.
        unsafe {
            let this = &mut *descriptor;
            this.base.store(base, relaxed);
            this.span.store(all * block_size, relaxed);
            this.what.store(SUBSEGMENT, relaxed);
            this.class.store(place.class as u8, relaxed);
            this.kind.store(place.kind as u8, relaxed);
            if let Some(owned) = place.owned {
                this.bin.store(owned.bucket.expose_provenance(), relaxed);
                this.owner.store(owned.heap, relaxed);
            }
            this.set_shard(place.shard);
            if place.kind.is_checked() {
                this.set_magic(geometry.divisor);
            }
            this.blocks = blocks as u32;
            this.free = blocks as u32;
            if place.class == 0 && HARD != DEFAULT {
                // One that there is not: it holds no memory, and is never empty.
                this.blocks += 1;
            }
            this.first_slice = run.first_slice;
            this.segment = run.segment;
            #[cfg(feature = "hardened")]
            if HARD == OPEN {
                this.room.store(hard::capacity(place.class) as u32, relaxed);
            }
            this.is_fenced = HARD == FENCED && run.is_fenced;
            let mut left = all;
            let first = descriptor
                .byte_add(geometry.bits_at(place.kind))
                .cast::<u64>();
            let words = geometry.blocks.div_ceil(64);
            for word in core::slice::from_raw_parts_mut(first, words) {
                *word = if left >= 64 {
                    u64::MAX
                } else {
                    (1 << left) - 1
                };
                left = left.saturating_sub(64);
            }
            if HARD == FENCED && used != 0 {
                first.write(u64::from(used));
            }
            if run.clean && place.class >= RUNS {
                this.fresh = first.read() as u32;
            }
            slices::enter(base, slices, descriptor);
        }
        self.open(descriptor);
        self.subsegments += 1;
        true
    }

    /// Gives an empty subsegment, which is on no list, back to the back end.
    ///
    /// # Safety
    /// All its blocks are free.
    #[inline(never)]
    pub(super) unsafe fn remove_subsegment(
        &mut self,
        place: &Place<'_>,
        descriptor: *mut Descriptor,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            #[cfg(feature = "hardened")]
            if place.is_hard() {
                return self.remove_hard(place, descriptor);
            }
            if (*descriptor).is_fenced() {
                return self.remove_fenced(place, descriptor);
            }
            self.remove_as::<DEFAULT>(place, descriptor);
        }
    }

    /// [`State::remove_subsegment`] in a hardened heap.
    ///
    /// # Safety
    /// As there.
    #[cfg(feature = "hardened")]
    #[inline(never)]
    unsafe fn remove_hard(&mut self, place: &Place<'_>, descriptor: *mut Descriptor) {
        // SAFETY: the caller's promise.
        unsafe { self.remove_as::<OPEN>(place, descriptor) }
    }

    /// [`State::remove_subsegment`] of one with fences.
    ///
    /// # Safety
    /// As there.
    #[cold]
    #[inline(never)]
    unsafe fn remove_fenced(&mut self, place: &Place<'_>, descriptor: *mut Descriptor) {
        // SAFETY: the caller's promise; its descriptor is live.
        unsafe {
            let has = (*descriptor).blocks as usize;
            self.fenced -= 1;
            self.fewer -= Geometry::of(place.class).blocks - has;
            self.remove_as::<FENCED>(place, descriptor);
        }
    }

    /// # Safety
    /// As for [`State::remove_subsegment`].
    #[inline(always)]
    unsafe fn remove_as<const HARD: u8>(&mut self, place: &Place<'_>, descriptor: *mut Descriptor) {
        let slices = classes::slices_of(place.class);
        // SAFETY: the caller's descriptor is live.
        let high = unsafe { (*descriptor).high as usize };
        let touched = high * classes::size_of(place.class);
        let active = if HARD == FENCED {
            fence::bytes_below(place.class, high)
        } else {
            touched
        };
        // SAFETY: nobody has a block of it, so nobody needs its entries, and
        // the sizes are those it was made with.
        unsafe {
            let base = (*descriptor).base.load(Ordering::Relaxed);
            let (segment, first) = ((*descriptor).segment, (*descriptor).first_slice);
            slices::clear(base, slices);
            #[cfg(feature = "hardened")]
            let is_zero = HARD == OPEN && hard::undo(place.class, descriptor);
            let mut back_end = place.back_end.lock();
            back_end.note_shrinking(place.totals.active.load(Ordering::Relaxed));
            #[cfg(feature = "hardened")]
            if is_zero {
                back_end.note_zero(segment, first, slices);
            }
            let slices = if HARD == FENCED {
                fence::slices_of(place.class)
            } else {
                slices
            };
            back_end.give_back(
                segment,
                first,
                slices,
                touched,
                descriptor,
                place.record_size(),
            );
        }
        if let Some(owned) = place.owned {
            owned.budget().credit(place.bytes());
        }
        self.subsegments -= 1;
        place.totals.active.fetch_sub(active, Ordering::Relaxed);
    }

    /// Gives all subsegments of a private heap's bucket back, whatever their
    /// blocks.
    ///
    /// # Safety
    /// Nobody uses the blocks or the bucket any more.
    #[cfg(feature = "heaps")]
    pub(in crate::heap) unsafe fn remove_all(&mut self, place: &Place<'_>) {
        let slices = classes::slices_of(place.class);
        let mut active = 0;
        {
            let mut back_end = place.back_end.lock();
            // SAFETY: as in `remove_subsegment`; the next one is known before
            // this one is gone.
            self.for_each(|descriptor| unsafe {
                let touched = (*descriptor).high as usize * classes::size_of(place.class);
                let base = (*descriptor).base.load(Ordering::Relaxed);
                let (segment, first) = ((*descriptor).segment, (*descriptor).first_slice);
                slices::clear(base, slices);
                let size = place.record_size();
                back_end.put_back(segment, first, slices, touched, descriptor, size);
                active += touched;
            });
            back_end.note_shrinking(place.totals.active.load(Ordering::Relaxed));
            back_end.purge_excess();
        }
        place.totals.active.fetch_sub(active, Ordering::Relaxed);
        let out = self.out * classes::size_of(place.class);
        place.totals.out.fetch_sub(out, Ordering::Relaxed);
        self.open = [ptr::null_mut(); SHARDS + 1];
        self.subsegments = 0;
        self.out = 0;
    }
}

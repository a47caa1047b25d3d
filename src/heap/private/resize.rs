//! Resizing: where the block is if that can be done, else by moving it.

use super::free::{free_as, without_cache};
use super::heap::{Core, PrivateHeap, add, take};
use super::large;
use super::lfh;
use super::lookup::{Block, busy_block, is_mallocs};
use super::place::{allocate, bucket_of, count, info_of, place_block, units_for, with_words};
use super::units::UNIT;
use super::{Error, flags};
#[cfg(feature = "debug")]
use crate::heap::debug::tags;
use crate::heap::descriptor::Descriptor;
use crate::heap::{PROCESS, checked, classes};
use crate::vm;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
#[cfg(feature = "debug")]
use {
    super::light,
    crate::heap::debug::registry::{Record, State},
};

/// Resizes a block.
///
/// # Safety
/// As for [`free_as`], if the block moves.
pub(super) unsafe fn reallocate(
    heap: &'static PrivateHeap,
    call_flags: u32,
    block: *mut u8,
    size: usize,
) -> Result<NonNull<u8>, Error> {
    if !heap.choices.allows(size) {
        return Err(Error::NoMemory);
    }
    let all = call_flags | heap.flags.load(Ordering::Relaxed);
    let in_place_only = all & flags::REALLOC_IN_PLACE_ONLY != 0;
    #[cfg(feature = "debug")]
    if super::guarded::has_pages(heap)
        && let Some(record) = super::light::find(heap, block.addr())
    {
        // SAFETY: the caller's promise.
        return unsafe { reallocate_light(heap, call_flags, block, size, &record) };
    }
    let before = vm::refused();
    let Old {
        size: old,
        info,
        value,
        why,
    } = match in_place(heap, call_flags, block, size) {
        Ok(Ok(block)) => return Ok(block),
        Ok(Err(old)) => old,
        Err(Error::OtherHeap) if heap.handle().takes_mallocs() && is_mallocs(block.addr()) => {
            // SAFETY: the caller's block.
            return unsafe { reallocate_mallocs(heap, all, block, size) };
        }
        Err(error) => return Err(error),
    };
    let stays = call_flags | flags::REALLOC_IN_PLACE_ONLY;
    if in_place_only {
        let more = size.saturating_sub(old);
        let is_roomier = why == Error::NoMemory && PROCESS.make_room(more, 1, before);
        if is_roomier && let Ok(block) = in_place(heap, stays, block, size)? {
            return Ok(block);
        }
        return Err(Error::NotInPlace);
    }
    let new = match place_block(heap, all, info, size, 16) {
        // What is free was given back for a copy, and may be room enough where the block is.
        Err(error @ (Error::NoMemory | Error::LimitReached)) => {
            return in_place(heap, stays, block, size)?.map_err(|_| error);
        }
        placed => placed?,
    };
    #[cfg(feature = "debug")]
    tags::carry(block.addr(), new.addr().get(), call_flags);
    // SAFETY: the new block is as large as what both hold, and the old one is
    // the caller's to give up.
    unsafe {
        new.copy_from_nonoverlapping(NonNull::new_unchecked(block), old.min(size));
        zero_growth(all, new.as_ptr(), old, size);
        #[cfg(feature = "debug")]
        let address = light::outer(heap, new.addr().get());
        #[cfg(not(feature = "debug"))]
        let address = new.addr().get();
        if let Some(value) = value
            && let Ok((_core, moved)) = busy_block(heap, all, address)
            && let Some(at) = moved.value()
        {
            at.write(value);
        }
        free_as("realloc", heap, all, block)?;
    }
    Ok(new)
}

/// A block that was not resized where it is: what it takes along if it moves, and why.
struct Old {
    size: usize,
    info: u8,
    value: Option<usize>,
    why: Error,
}

/// Resizes a block where it is. Fails where it is none of the heap's.
fn in_place(
    heap: &'static PrivateHeap,
    call_flags: u32,
    block: *mut u8,
    size: usize,
) -> Result<Result<NonNull<u8>, Old>, Error> {
    let all = call_flags | heap.flags.load(Ordering::Relaxed);
    let in_place_only = all & flags::REALLOC_IN_PLACE_ONLY != 0;
    let (mut core, found) = busy_block(heap, all, block.addr())?;
    let old = found.size();
    let info = if size > old {
        found.info() & 1 | info_of(call_flags)
    } else {
        found.info()
    };
    let moves = !in_place_only && belongs_in_a_region(heap, &found, size);
    // SAFETY: the value is the block's, whose heap is locked.
    let value = found.value().map(|value| unsafe { value.read() });
    let done = match (&mut core, found) {
        _ if moves => Err(Error::NotInPlace),
        (_, Block::Bucket(descriptor, index)) => {
            let is_rigid = in_place_only && heap.buckets_are_rigid;
            let has_words = found.info() != 0;
            let fits = has_words == (info != 0)
                && !is_rigid
                && resize_in_bucket(descriptor, index, size, info);
            if fits && has_words {
                found.set_info(info);
            }
            fits.then_some(()).ok_or(Error::NotInPlace)
        }
        (Some(core), _) => resize(heap, core, &found, size, info),
        (None, _) => Err(Error::NotInPlace),
    };
    drop(core);
    if let Err(why) = done {
        return Ok(Err(Old {
            size: old,
            info,
            value,
            why,
        }));
    }
    zero_growth(all, block, old, size);
    NonNull::new(block).map(Ok).ok_or(Error::NotABlock)
}

/// Resizes a light block of page heap, which always moves.
///
/// # Safety
/// As for [`reallocate`]; the record is the block's.
#[cfg(feature = "debug")]
unsafe fn reallocate_light(
    heap: &'static PrivateHeap,
    call_flags: u32,
    block: *mut u8,
    size: usize,
    record: &Record,
) -> Result<NonNull<u8>, Error> {
    let all = call_flags | heap.flags.load(Ordering::Relaxed);
    if record.state != State::Busy {
        return Err(Error::AlreadyFree);
    }
    // SAFETY: the block is busy and the caller's.
    unsafe { light::check("realloc", record) };
    if all & flags::REALLOC_IN_PLACE_ONLY != 0 {
        return Err(Error::NotInPlace);
    }
    let (mut info, mut value) = (0, None);
    if let Ok((_core, found)) = busy_block(heap, all, record.extra[0]) {
        info = if size > record.size {
            found.info() & 1 | info_of(call_flags)
        } else {
            found.info()
        };
        // SAFETY: the value is the block's, whose heap is locked.
        value = found.value().map(|value| unsafe { value.read() });
    }
    let new = place_block(heap, all, info, size, 16)?;
    #[cfg(feature = "debug")]
    tags::carry(block.addr(), new.addr().get(), call_flags);
    // SAFETY: the new block is as large as what both hold, and the old one is
    // the caller's to give up.
    unsafe {
        new.copy_from_nonoverlapping(NonNull::new_unchecked(block), record.size.min(size));
        zero_growth(all, new.as_ptr(), record.size, size);
        if let Some(value) = value
            && let Ok((_core, moved)) = busy_block(heap, all, light::outer(heap, new.addr().get()))
            && let Some(at) = moved.value()
        {
            at.write(value);
        }
        free_as("realloc", heap, all, block)?;
    }
    Ok(new)
}

/// Makes a block smaller where it is. Fails with [`Error::NotInPlace`] when it
/// would grow, and for a block of a bucket that cannot tell the size.
pub(super) fn shrink(
    heap: &'static PrivateHeap,
    call_flags: u32,
    block: *mut u8,
    size: usize,
) -> Result<(), Error> {
    let (mut core, found) = busy_block(heap, call_flags, block.addr())?;
    let info = found.info();
    if size > found.size() {
        return Err(Error::NotInPlace);
    }
    match (&mut core, found) {
        (_, Block::Bucket(descriptor, index)) => {
            // SAFETY: the block is busy, so its subsegment is live.
            let class = usize::from(unsafe { (*descriptor).class.load(Ordering::Relaxed) });
            let can_tell = info != 0 || lfh::can_keep(class, size);
            if can_tell {
                // SAFETY: as above; it is the caller's.
                unsafe { lfh::set_size(descriptor, class, index, size) };
            }
            can_tell.then_some(()).ok_or(Error::NotInPlace)
        }
        (Some(core), _) => resize(heap, core, &found, size, info),
        (None, _) => Err(Error::NotInPlace),
    }
}

fn zero_growth(all: u32, block: *mut u8, old: usize, new: usize) {
    if all & flags::ZERO_MEMORY != 0 && new > old {
        // SAFETY: the callers' block has `new` bytes.
        unsafe { block.wrapping_add(old).write_bytes(0, new - old) };
    }
}

/// Whether a large block that shrinks had better move.
fn belongs_in_a_region(heap: &PrivateHeap, block: &Block, size: usize) -> bool {
    matches!(block, Block::Large(_)) && size < heap.choices.largest() / 4
}

/// Gives a block of a bucket `size` bytes, if its class serves that size.
fn resize_in_bucket(descriptor: *mut Descriptor, index: usize, size: usize, info: u8) -> bool {
    // SAFETY: the callers' block is busy, so its subsegment is live.
    let class = usize::from(unsafe { (*descriptor).class.load(Ordering::Relaxed) });
    let room = classes::size_of(class);
    let served = with_words(size, info);
    let is_served = served <= room && (served > room / 2 || bucket_of(served) == Some(class));
    if !is_served || (info == 0 && !lfh::can_keep(class, size)) {
        return false;
    }
    // SAFETY: as above.
    unsafe { lfh::set_size(descriptor, class, index, size) };
    true
}

/// Gives a block of a region, or a large one, `size` bytes where it is. Fails with
/// [`Error::NotInPlace`] where there is no room for it; otherwise with why there could be.
fn resize(
    heap: &PrivateHeap,
    core: &mut Core,
    block: &Block,
    size: usize,
    info: u8,
) -> Result<(), Error> {
    let old = block.size();
    match *block {
        Block::Large(record) => {
            // SAFETY: a block of the heap, which is locked.
            unsafe {
                let committed = (*record).committed;
                if !large::resize(heap, record, size) {
                    return Err(Error::NotInPlace);
                }
                take(&heap.figures.backed, committed - (*record).committed);
                (*record).flags = info;
                #[cfg(feature = "debug")]
                if super::watched::is_watched(heap) {
                    super::watched::note_size((*record).data(), size);
                }
            }
            add(&heap.figures.large_bytes, size.wrapping_sub(old));
            Ok(())
        }
        Block::Bucket(..) => Err(Error::NotInPlace),
        // It moves: what follows its end is a guard.
        #[cfg(feature = "debug")]
        Block::Guarded(_) => Err(Error::NotInPlace),
        Block::Region(region, unit) => {
            if size > heap.choices.largest() {
                return Err(Error::NotInPlace);
            }
            let value = block.value();
            // SAFETY: the value is the block's; the heap is locked.
            let kept = value.map(|value| unsafe { value.read() });
            // A block that had none has no room for settable flags.
            let old_info = block.info();
            let info = if old_info == 0 && info != 0 {
                return Err(Error::NotInPlace);
            } else {
                info
            };
            let units = units_for(heap, size, info != 0);
            // SAFETY: a region of the heap, which is locked.
            let this = unsafe { &mut *region };
            let mut place = this.resize(unit, units);
            if place.is_none()
                && let Some(free) = this.room_at_end(unit)
            {
                let missing = units - this.units.size(unit);
                let active = this.active;
                if missing > free {
                    this.extend(missing, 16, heap.choices.commit_step(), &heap.budget)?;
                    add(&heap.figures.backed, this.active - active);
                    place = this.resize(unit, units);
                }
            }
            let Some(place) = place else {
                return Err(Error::NotInPlace);
            };
            this.units
                .write_busy(unit, place.units, place.units * UNIT - size, info);
            if let Some(kept) = kept
                && let Some(at) = Block::Region(region, unit).value()
            {
                // SAFETY: the block has room for its value behind its bytes.
                unsafe { at.write(kept) };
            }
            #[cfg(feature = "debug")]
            if super::watched::is_watched(heap) {
                // SAFETY: as above; the borrow before it is used no more.
                super::watched::resized(unsafe { &*region }, unit, old, size);
            }
            count(core, with_words(old, old_info), -1);
            count(core, with_words(size, info), 1);
            add(&heap.figures.bytes, size.wrapping_sub(old));
            Ok(())
        }
    }
}

/// Resizes a block of malloc's that was given to the process heap.
///
/// # Safety
/// As for [`reallocate`].
unsafe fn reallocate_mallocs(
    heap: &'static PrivateHeap,
    all: u32,
    block: *mut u8,
    size: usize,
) -> Result<NonNull<u8>, Error> {
    let old = checked::usable_size(block);
    if all & flags::REALLOC_IN_PLACE_ONLY != 0 {
        if size > old {
            return Err(Error::NotInPlace);
        }
        return NonNull::new(block).ok_or(Error::NotABlock);
    }
    let new = allocate(heap, all, size, 16)?;
    // SAFETY: the new block is as large as what both hold; the old one is the
    // caller's to give up.
    unsafe {
        new.copy_from_nonoverlapping(NonNull::new_unchecked(block), old.min(size));
        without_cache(|word| checked::free(word, block));
    }
    Ok(new)
}

//! Where blocks lie in a hardened heap: in which class, beside which guards, and in
//! what order they are handed out.
//!
//! A block that all but fills whole pages ends where guard pages begin: its class is
//! one of whole pages with two more than it needs, which are shut for as long as the
//! subsegment lives. Other subsegments end in one guard page.

use super::chance;
use super::guard::{self, PAGE};
use super::pattern::{self, LEAST, WHOLE};
use crate::heap::bucket::Place;
use crate::heap::classes::{self, COUNT, MAX_BUCKET_SIZE, MAX_LINEAR_SIZE, SLICE};
use crate::heap::descriptor::{Descriptor, Geometry, Kind};
use crate::heap::magazine::{Entry, MARKS};
use crate::heap::segment::Run;
use crate::vm;
use core::ptr;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// The most bytes of a block with a class; larger ones are regions of their own.
pub(super) const MOST: usize = 2 * SLICE - GUARD;
/// Bytes of guard pages behind such a block: a page past its end, and before its start,
/// is none of another's.
const GUARD: usize = 2 * PAGE;

/// Whether each block of `class` ends in guard pages.
#[inline(always)]
pub(super) fn has_guard(class: usize) -> bool {
    let size = classes::size_of(class);
    size > GUARD && size.is_multiple_of(PAGE) && guard::in_subsegments()
}

/// Whether the last page of `class`'s subsegments is a guard page. Those of blocks of no
/// bytes are nothing else.
#[inline(never)]
pub(in crate::heap) fn ends_in_guard(class: usize) -> bool {
    class != 0 && guard::in_subsegments() && !has_guard(class)
}

/// [`capacity`] by class.
static CAPACITIES: [AtomicU32; COUNT] = [const { AtomicU32::new(0) }; COUNT];

/// [`class_for`] up to [`MAX_BUCKET_SIZE`] bytes at a multiple of 16, by the size in steps of
/// 8 bytes: where slack and whole pages begin is a matter of such.
static CLASSES: [AtomicU8; MAX_BUCKET_SIZE / 8 + 1] =
    [const { AtomicU8::new(0) }; MAX_BUCKET_SIZE / 8 + 1];

/// [`class_for`] up to [`MOST`] bytes at a multiple of 16, by the size in pages: more than
/// [`MAX_BUCKET_SIZE`] are always in classes of whole pages.
static PAGES: [AtomicU8; MOST.div_ceil(PAGE) + 1] =
    [const { AtomicU8::new(0) }; MOST.div_ceil(PAGE) + 1];

/// Notes what blocks of each class hold, once it is known which have guard pages, and the
/// classes of sizes.
pub(super) fn begin() {
    for (step, class) in CLASSES.iter().enumerate() {
        let found = class_above(step * 8, 16).unwrap_or(0);
        class.store(found as u8, Ordering::Relaxed);
    }
    for (pages, class) in PAGES.iter().enumerate() {
        let found = class_above(pages * PAGE, 16).unwrap_or(0);
        class.store(found as u8, Ordering::Relaxed);
    }
    for (class, capacity) in CAPACITIES.iter().enumerate() {
        let size = classes::size_of(class);
        let capacity_now = if has_guard(class) { size - GUARD } else { size };
        capacity.store(capacity_now as u32, Ordering::Relaxed);
    }
}

/// The bytes of a block of `class` that may be used, its pattern's included.
#[inline(always)]
pub(in crate::heap) fn capacity(class: usize) -> usize {
    let capacity = CAPACITIES.get(class).map(|c| c.load(Ordering::Relaxed));
    capacity.unwrap_or(0) as usize
}

/// The class that serves `size` bytes at `align`; `None` when the block is to have a
/// region of its own.
#[inline(always)]
pub(in crate::heap) fn class_for(size: usize, align: usize) -> Option<usize> {
    if align <= 16
        && let Some(class) = CLASSES.get(size.div_ceil(8))
    {
        return Some(usize::from(class.load(Ordering::Relaxed)));
    }
    class_above(size, align)
}

/// The class that serves `size` bytes at the usual alignment, which are more than the linear
/// classes hold, and what its blocks hold; `None` for few or many bytes.
#[inline(always)]
pub(super) fn larger_class(size: usize) -> Option<(usize, usize)> {
    let class = if size <= MAX_BUCKET_SIZE {
        CLASSES.get(size.div_ceil(8))
    } else if guard::in_subsegments() {
        PAGES.get(size.div_ceil(PAGE))
    } else {
        None
    };
    let class = usize::from(class?.load(Ordering::Relaxed));
    let capacity = CAPACITIES.get(class)?.load(Ordering::Relaxed) as usize;
    // Class 0 is where there is none.
    (capacity > MAX_LINEAR_SIZE).then_some((class, capacity))
}

/// [`class_for`] of more than the linear sizes, or at a larger alignment.
#[inline(never)]
fn class_above(size: usize, align: usize) -> Option<usize> {
    if size > MOST {
        return None;
    }
    let class = classes::class_for(size + LEAST, align)?;
    let pages = size.next_multiple_of(PAGE);
    let is_exact = size != 0 && pages - size < LEAST;
    if has_guard(class) || (is_exact && guard::in_subsegments()) {
        return classes::class_for(pages + GUARD, align);
    }
    Some(class)
}

/// Readies the pages of a new subsegment of `class`; how many blocks it has.
#[inline(never)]
pub(in crate::heap) fn prepare(class: usize, run: &Run) -> usize {
    let bytes = classes::slices_of(class) * SLICE;
    let size = classes::size_of(class).max(1);
    let base = run.base.addr();
    let blocks = classes::blocks_of(class);
    // SAFETY: the run was just taken with its record, and nothing in either is used.
    unsafe {
        if !run.is_zero {
            clear(class, run);
        }
        if class == 0 {
            guard::shut(base, bytes);
            return blocks;
        }
        if !guard::in_subsegments() {
            return blocks;
        }
        // The others' last page was shut when the run was taken.
        if has_guard(class) {
            let ends = (1..=blocks).map(|index| base + index * size - GUARD);
            let guards = ends.filter(|&end| guard::shut(end, GUARD)).count();
            // As many end with it.
            (*run.descriptor).region_size = guards;
            return blocks;
        }
    }
    blocks_of(class)
}

/// Blocks of a subsegment of `class`, which may end in a guard page.
fn blocks_of(class: usize) -> usize {
    if ends_in_guard(class) {
        let bytes = classes::slices_of(class) * SLICE;
        return (bytes - PAGE) / classes::size_of(class).max(1);
    }
    classes::blocks_of(class)
}

/// Has what is wiped and checked of a new subsegment's blocks read zero: the memory that is
/// there is kept, where most of it is.
///
/// # Safety
/// The run was just taken, and nothing in it is used.
unsafe fn clear(class: usize, run: &Run) {
    let bytes = classes::slices_of(class) * SLICE;
    let size = classes::size_of(class).max(1);
    let room = capacity(class);
    let is_single = bytes == SLICE;
    // SAFETY: the caller's run, of so many bytes, of which the first `touched` alone may hold
    // anything if it is of one slice. A guard page at its end holds none of a block.
    unsafe {
        let is_there = is_single || run.touched >= bytes / 2;
        if class == 0 || !is_there {
            if !vm::purge(run.base, bytes) {
                run.base.write_bytes(0, bytes);
            }
            return;
        }
        let touched = if is_single { run.touched } else { bytes };
        if room <= WHOLE {
            let guard = if ends_in_guard(class) { PAGE } else { 0 };
            run.base.write_bytes(0, touched.min(bytes - guard));
            return;
        }
        for index in 0..(touched.div_ceil(size)).min(blocks_of(class)) {
            pattern::wipe(run.base.add(index * size), room);
        }
    }
}

/// Ends the guards in a subsegment, but for a guard page at its end, of `class` that goes
/// back, which those of blocks of no bytes never do. Whether all of it reads zero.
///
/// # Safety
/// The descriptor is a live subsegment's, whose blocks are free.
#[inline(never)]
pub(in crate::heap) unsafe fn undo(class: usize, descriptor: *const Descriptor) -> bool {
    let bytes = classes::slices_of(class) * SLICE;
    // SAFETY: the caller's descriptor, and its subsegment, all of it.
    unsafe {
        let base = (*descriptor).base.load(Ordering::Relaxed);
        let guards = (*descriptor).region_size;
        if guards != 0 && !guard::open(base, bytes, guards) {
            return false;
        }
    }
    capacity(class) <= WHOLE
}

/// As `refill::fill`, but the blocks are any of those that lie in the pages which were
/// used before, and as many more as it takes.
///
/// # Safety
/// As for `refill::fill`.
#[inline(never)]
pub(in crate::heap) unsafe fn fill(
    descriptor: *mut Descriptor,
    place: &Place<'_>,
    entries: *mut Entry,
    mut got: usize,
    want: usize,
) -> usize {
    let geometry = Geometry::of(place.class);
    let size = geometry.size.max(1);
    // SAFETY: the caller holds the bucket's lock.
    let (this, words) = unsafe { (&mut *descriptor, Descriptor::words(descriptor)) };
    let (blocks, base) = (this.blocks as usize, this.base.load(Ordering::Relaxed));
    let out = blocks - this.free as usize;
    let used = this.high as usize;
    // With what is out, these many blocks hold all that is wanted.
    let least = (out + want - got).max(this.high as usize).max(1);
    let reach = (least * size).next_multiple_of(PAGE) / size;
    let reach = reach.max(least).min(blocks).max(1);
    let start = chance::below(chance::random(), reach);
    let before = got;
    let mut end = 0;
    for (mut at, stop) in [(start, reach), (0, start)] {
        while at < stop && got < want {
            let Some(word) = words.get_mut(at / 64) else {
                break;
            };
            let bits = *word >> (at % 64);
            if bits == 0 {
                at = (at / 64 + 1) * 64;
                continue;
            }
            at += bits.trailing_zeros() as usize;
            if at >= stop {
                break;
            }
            *word &= !(1 << (at % 64));
            // SAFETY: place `want - got - 1` is unused, and the block's index is below
            // the number of blocks.
            unsafe {
                let slot = entries.add(want - got - 1);
                let block: *mut u8 = ptr::with_exposed_provenance_mut(base + at * size);
                slot.write(block);
                if at >= used && size <= MAX_LINEAR_SIZE && place.class != 0 {
                    pattern::touch(block, size);
                }
                if place.kind == Kind::Checked {
                    slot.add(MARKS).write(Descriptor::key(descriptor, at));
                }
            }
            got += 1;
            at += 1;
            end = end.max(at);
        }
    }
    let mut first = this.first_word as usize;
    while words.get(first).is_some_and(|word| *word == 0) {
        first += 1;
    }
    this.first_word = first as u32;
    this.free -= (got - before) as u32;
    this.reach(place, end);
    got
}

/// Puts a magazine's first `count` entries in an order of chance.
///
/// # Safety
/// The entries are filled, in a checked front end with their keys, and the caller's.
pub(in crate::heap) unsafe fn shuffle(kind: Kind, entries: *mut Entry, count: usize) {
    let mut state = chance::random();
    for last in (1..count).rev() {
        let other = chance::below(chance::next(&mut state), last + 1);
        // SAFETY: both places are below `count`.
        unsafe {
            ptr::swap(entries.add(last), entries.add(other));
            if kind == Kind::Checked {
                let keys = entries.add(MARKS);
                ptr::swap(keys.add(last), keys.add(other));
            }
        }
    }
}

/// The position of any of the ones in `bits`; `None` if there are none.
pub(in crate::heap) fn any_of(bits: u64) -> Option<u32> {
    if bits == 0 {
        return None;
    }
    let turn = (chance::random() % 64) as u32;
    Some((bits.rotate_right(turn).trailing_zeros() + turn) % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_a_class_with_room_for_it_and_a_pattern_or_a_guard() {
        guard::begin();
        begin();
        for size in 0..=MOST + PAGE {
            let class = class_above(size, 16);
            assert_eq!(class_for(size, 16), class, "{size}");
            if let Some((class, room)) = larger_class(size) {
                assert_eq!(class_for(size, 16), Some(class), "{size}");
                assert_eq!(room, capacity(class), "{size}");
            } else if guard::in_subsegments() {
                let room = class.map_or(0, capacity);
                assert!(room <= MAX_LINEAR_SIZE, "{size}");
            }
        }
        for align in [16, 32, 64, 4096, 65536] {
            for size in (0..=20_000).chain((20_001..MOST).step_by(97)) {
                let Some(class) = class_for(size, align) else {
                    continue;
                };
                let room = capacity(class);
                assert!(classes::size_of(class).is_multiple_of(align.min(classes::size_of(class))));
                assert!(
                    room >= size + LEAST || (room >= size && has_guard(class)),
                    "{size}"
                );
            }
        }
        assert_eq!(class_for(MOST + 1, 16), None);
        // A page's bytes end at a guard page.
        if guard::in_subsegments() {
            let class = class_for(PAGE, 16).expect("a class");
            assert!(has_guard(class) && capacity(class) == PAGE);
        }
    }

    #[test]
    fn any_one_is_found_and_nothing_else() {
        assert_eq!(any_of(0), None);
        for bits in [1u64, 1 << 63, 0x8000_0001, u64::MAX, 0x0010_0400_0020_0000] {
            let mut met = 0u64;
            for _ in 0..4000 {
                met |= 1 << any_of(bits).expect("a one");
            }
            assert_eq!(met, bits);
        }
    }
}

//! Whose an address is that no heap of this copy knows: heaps of the other
//! copies of ntheap in the process.
//!
//! ```text
//!   root record of a copy (vm/copies.rs) -- SliceTable, SliceMask --> its table
//!   address --> its descriptor --> its heap's record: name, handle, module
//! ```
//!
//! Copies of one version lay out what is read here alike: slice tables,
//! descriptors, regions, large blocks and the records of heaps are `repr(C)`
//! and count as part of the root record's version. Nothing is locked: the
//! block is told as it is just then. All of these are used again and never
//! unmapped, but for regions' tables of units: those are copied by the system,
//! piece by piece, which says no where one is gone.

use super::NAME_MAX;
use super::advice::{HeapName, Owner};
use super::heap::PrivateHeap;
use super::lookup::{self, Found};
use super::misuse;
use super::region::{Region, TAIL};
use super::units::{CHUNK, UNIT, Units};
use crate::heap::classes::SLICE;
use crate::heap::descriptor::{Descriptor, HEADER};
use crate::heap::slices;
use crate::report::{Block, BlockState};
use crate::sys;
use crate::vm::copies;
use crate::vm::root::Anchor;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::Ordering;

/// Finds the other copy's heap that has `address`.
#[cold]
pub(super) fn find(address: usize) -> Option<Owner> {
    let mut found = None;
    copies::for_each(&mut |record| {
        let anchor = |which: Anchor| {
            let anchor = record.anchors.get(which as usize);
            anchor.map_or(0, |anchor| anchor.load(Ordering::Acquire))
        };
        let entries = anchor(Anchor::SliceTable);
        if entries == 0 || anchor(Anchor::DescriptorSize) != HEADER {
            return true;
        }
        let table = slices::of_entries(ptr::with_exposed_provenance_mut(entries));
        // SAFETY: a table and its mask of a copy of this version, published
        // together and never unmapped.
        let descriptor = unsafe { slices::find_in(table, anchor(Anchor::SliceMask), address) };
        found = told(descriptor, address, anchor(Anchor::ProcessHeap));
        found.is_none()
    });
    found
}

fn told(descriptor: *mut Descriptor, address: usize, process: usize) -> Option<Owner> {
    let at = lookup::look_at(descriptor, address);
    let (handle, name, module, is_runtimes) = match at {
        Found::Region(_, heap) | Found::Large(_, heap) | Found::Bucket(_, heap) => {
            let module = if heap.module == 0 {
                process
            } else {
                heap.module
            };
            (
                heap.handle().address(),
                name_of(heap),
                module,
                heap.module != 0,
            )
        }
        // By a table of descriptors alone no such page is found.
        #[cfg(feature = "debug")]
        Found::Guarded(..) => return None,
        Found::Process(_) => (
            process,
            HeapName::of(crate::heap::PROCESS_HEAP),
            process,
            false,
        ),
        // Its name went with it.
        Found::Gone => (
            address & !(SLICE - 1),
            HeapName::of("destroyed heap"),
            process,
            true,
        ),
        Found::Nothing => return None,
    };
    Some(Owner {
        handle,
        name,
        module,
        is_runtimes,
        is_here: false,
        is_gone: matches!(at, Found::Gone),
        block: match at {
            Found::Region(region, _) => block_of_region(region, address),
            _ => misuse::block_in(at, address),
        },
    })
}

/// A copy of a heap's name, whose record may be another's by now: at worst it is a
/// mixture, or none.
fn name_of(heap: &PrivateHeap) -> HeapName {
    let mut bytes = [0; NAME_MAX];
    let (name, length) = heap.name_field();
    if !sys::read_own_memory(name, &mut bytes) {
        return HeapName::NONE;
    }
    let name = bytes.get(..usize::from(length)).unwrap_or_default();
    HeapName::of(core::str::from_utf8(name).unwrap_or_default())
}

/// Bytes of a region's table that are read at a time.
const PIECE: usize = 1024;

/// The block that `address` lies in of a region that may be going: its record is
/// readable, its table may not be.
fn block_of_region(region: *const Region, address: usize) -> Option<Block> {
    let field = |field: usize| {
        let mut bytes = [0; size_of::<usize>()];
        sys::read_own_memory(region.addr() + field, &mut bytes)
            .then_some(usize::from_ne_bytes(bytes))
    };
    let start = field(offset_of!(Region, start))?;
    let first = field(offset_of!(Region, header))? / UNIT;
    let committed = field(offset_of!(Region, committed))?;
    let end = committed.checked_sub(TAIL)? / UNIT;
    let table = field(offset_of!(Region, units) + Units::TABLE)?;
    let overhead = field(offset_of!(Region, units) + offset_of!(Units, overhead))?.min(CHUNK);
    let inside = (address.checked_sub(start)? / UNIT).checked_sub(1)?;
    if inside < first || inside >= end {
        return None;
    }
    // Back to the block's start, a piece at a time.
    let mut behind = inside + 1;
    let mut piece = [0; PIECE];
    let unit = loop {
        let from = behind.saturating_sub(PIECE).max(first);
        let piece = piece.get_mut(..behind - from)?;
        if !sys::read_own_memory(table.checked_add(from)?, piece) {
            return None;
        }
        // SAFETY: the table's copy is read, and only while it is borrowed.
        let units = unsafe { Units::of_copy(piece, overhead) };
        if let Some(at) = (0..piece.len()).rev().find(|&at| units.is_start(at)) {
            break from + at;
        }
        if from == first {
            return None;
        }
        behind = from;
    };
    let mut bytes = [0; Units::OF_A_START];
    let length = bytes.len().min(end - unit);
    let bytes = bytes.get_mut(..length)?;
    if !sys::read_own_memory(table.checked_add(unit)?, bytes) {
        return None;
    }
    // SAFETY: as above.
    let units = unsafe { Units::of_copy(bytes, overhead) };
    let is_free = units.is_free(0);
    let bytes = units.size(0).checked_mul(UNIT)?;
    let unused = if is_free { 0 } else { units.unused(0) };
    Some(Block {
        start: start + (unit + 1) * UNIT,
        size: bytes.saturating_sub(unused),
        state: if is_free {
            BlockState::Free
        } else {
            BlockState::Busy
        },
    })
}

#[cfg(test)]
mod tests {
    use super::block_of_region;
    use crate::heap::private::lookup::{self, Found};
    use crate::heap::private::{self, Handle, Settings, misuse};
    use core::ptr::NonNull;
    use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::vec::Vec;

    fn region_of(address: usize) -> Option<*mut crate::heap::private::region::Region> {
        match lookup::look(address) {
            Found::Region(region, _) => Some(region),
            _ => None,
        }
    }

    fn heap() -> Handle {
        // SAFETY: the settings name no memory and no routine.
        unsafe { private::create(&Settings::DEFAULT) }.expect("a heap")
    }

    fn block(heap: Handle, size: usize) -> NonNull<u8> {
        // SAFETY: the heap is serialized and lives.
        unsafe { private::allocate(heap, 0, size) }.expect("a block")
    }

    fn end(heap: Handle) {
        // SAFETY: nobody uses the heap any more.
        unsafe { private::destroy(heap) }.expect("destroyed");
    }

    #[test]
    fn a_copied_table_tells_what_the_table_does() {
        let heap = heap();
        let sizes = [0, 1, 24, 100, 900, 1100, 5000, 40_000, 300_000];
        let blocks: Vec<_> = sizes.map(|size| (block(heap, size), size)).into();
        for (block, _) in blocks.iter().skip(1).step_by(2) {
            // SAFETY: a block of the heap, which nobody uses any more.
            unsafe { private::free(heap, 0, block.as_ptr()) }.expect("freed");
        }
        let mut seen = 0;
        for &(block, size) in &blocks {
            for offset in [0, 1, 16, size / 2, size] {
                let address = block.addr().get() + offset;
                let region = region_of(address).expect("in a region");
                let told = block_of_region(region, address);
                assert_eq!(told, misuse::block_at(address), "{size} + {offset}");
                seen += usize::from(told.is_some());
            }
        }
        assert_eq!(seen, 9 * 5);
        end(heap);
    }

    #[test]
    fn a_region_may_go_while_it_is_read() {
        static ADDRESS: AtomicUsize = AtomicUsize::new(0);
        static STOP: AtomicBool = AtomicBool::new(false);
        static TOLD: AtomicUsize = AtomicUsize::new(0);
        let read = std::thread::spawn(|| {
            while !STOP.load(Ordering::Relaxed) {
                let address = ADDRESS.load(Ordering::Relaxed);
                if let Some(region) = region_of(address) {
                    let is_told = block_of_region(region, address).is_some();
                    TOLD.fetch_add(usize::from(is_told), Ordering::Relaxed);
                }
            }
        });
        // Until the other thread has met a region as well, which may not run for a while.
        let mut rounds = 0;
        while rounds < 2000 || TOLD.load(Ordering::Relaxed) == 0 && rounds < 2_000_000 {
            rounds += 1;
            let heap = heap();
            // In a region of its own, which goes with the heap, and so does its table.
            let block = block(heap, 900_000);
            ADDRESS.store(block.addr().get() + 500_000, Ordering::Relaxed);
            if rounds % 16 == 0 {
                std::thread::yield_now();
            }
            end(heap);
        }
        STOP.store(true, Ordering::Relaxed);
        read.join().expect("no fault");
        assert!(TOLD.load(Ordering::Relaxed) > 0, "nothing met");
    }
}

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
//! block is told as it is just then.

use super::advice::{HeapName, Owner};
use super::lookup::{self, Found};
use super::misuse;
use crate::heap::classes::SLICE;
use crate::heap::descriptor::{Descriptor, HEADER};
use crate::heap::slices;
use crate::vm::copies;
use crate::vm::root::Anchor;
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
                HeapName::of(heap.name()),
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
        block: misuse::block_in(at, address),
    })
}

//! From an address to what lies there: whose it is, and the busy block that
//! starts at it.

use super::heap::{Guard, PrivateHeap};
use super::large::Large;
use super::list::List;
use super::region::Region;
use super::units::UNIT;
use super::{Error, Handle, flags, lfh, settable};
use crate::heap::classes::SLICE;
use crate::heap::descriptor::{
    Descriptor, LARGE, PRIVATE_LARGE, REGION, REGION_GONE, SUBSEGMENT, is_out,
};
use crate::heap::{checked, classes, slices};
use core::ptr;
use core::sync::atomic::Ordering;
#[cfg(feature = "debug")]
use {
    super::{guarded, light},
    crate::heap::debug::{page::Cell, registry},
};

/// What an address leads to.
#[derive(Clone, Copy)]
pub(in crate::heap) enum Found {
    /// A region of a heap.
    Region(*mut Region, &'static PrivateHeap),
    /// A large block's mapping.
    Large(*mut Large, &'static PrivateHeap),
    /// A subsegment of a bucket of a heap.
    Bucket(*mut Descriptor, &'static PrivateHeap),
    /// Pages of a block with guards, of a heap with page heap.
    #[cfg(feature = "debug")]
    Guarded(&'static Cell, &'static PrivateHeap),
    /// Memory of the process heap, malloc's.
    Process(*mut Descriptor),
    /// The first region of a destroyed heap.
    Gone,
    /// Nothing of ntheap's.
    Nothing,
}

/// What lies at an address, any address, as far as the slice table says. Its
/// index drops high bits of the address, so the whole is compared here.
pub(super) fn look(address: usize) -> Found {
    let found = look_at(slices::find(address), address);
    #[cfg(feature = "debug")]
    if let Found::Nothing = found {
        return guarded::look(address);
    }
    found
}

/// [`look`] with what a slice table, this copy's or another's, has for the
/// address.
pub(in crate::heap) fn look_at(descriptor: *mut Descriptor, address: usize) -> Found {
    // SAFETY: what `find` leads to is readable; owners are heaps' records,
    // which are never unmapped. A region's record begins with its descriptor.
    unsafe {
        let owner = (*descriptor).owner.load(Ordering::Relaxed);
        let heap = owner.cast::<PrivateHeap>().as_ref();
        let base = (*descriptor).base.load(Ordering::Relaxed);
        let class = usize::from((*descriptor).class.load(Ordering::Relaxed));
        let is_within = |bytes| address.wrapping_sub(base) < bytes;
        let is_in_first_slice = address / SLICE == base / SLICE;
        match ((*descriptor).what.load(Ordering::Relaxed), heap) {
            (REGION, Some(heap)) => {
                // Its slices are its own to their ends.
                let reserved = (*descriptor).span.load(Ordering::Relaxed);
                if !is_within(reserved.next_multiple_of(SLICE)) {
                    return Found::Nothing;
                }
                Found::Region(descriptor.cast(), heap)
            }
            (PRIVATE_LARGE, Some(heap)) if Large::has(descriptor.cast(), address) => {
                Found::Large(descriptor.cast(), heap)
            }
            (SUBSEGMENT, _) if !is_within(classes::slices_of(class) * SLICE) => Found::Nothing,
            (SUBSEGMENT, Some(heap)) => Found::Bucket(descriptor, heap),
            (SUBSEGMENT, None) => Found::Process(descriptor),
            (LARGE, None) if is_in_first_slice => Found::Process(descriptor),
            (REGION_GONE, _) if is_in_first_slice => Found::Gone,
            _ => Found::Nothing,
        }
    }
}

impl Found {
    /// The private heap whose it is.
    pub(super) fn heap(self) -> Option<&'static PrivateHeap> {
        match self {
            Found::Region(_, heap) | Found::Large(_, heap) | Found::Bucket(_, heap) => Some(heap),
            #[cfg(feature = "debug")]
            Found::Guarded(_, heap) => Some(heap),
            Found::Process(_) | Found::Gone | Found::Nothing => None,
        }
    }
}

/// The bytes of the fill behind a block of a region whose blocks have so much
/// overhead.
pub(super) fn tail_of(overhead: usize) -> usize {
    if overhead >= super::flags::TAIL_OVERHEAD {
        UNIT
    } else {
        0
    }
}

/// Where a block's settable value lies, from the end of its first bytes and their
/// fill.
pub(super) fn value_offset(size: usize) -> usize {
    size.next_multiple_of(8) + 8
}

/// A busy block: in a region, large, or of a bucket. In a region and large, its
/// heap is locked.
#[derive(Clone, Copy)]
pub(super) enum Block {
    Region(*mut Region, usize),
    Large(*mut Large),
    Bucket(*mut Descriptor, usize),
    #[cfg(feature = "debug")]
    Guarded(&'static Cell),
}

/// Why `address` is no busy block of the region. Freed blocks join, so one that
/// was freed lies anywhere in a free block.
#[cold]
fn why_not(region: &Region, address: usize) -> Error {
    let around = region.unit_of(address).and_then(|unit| region.around(unit));
    match around {
        Some(unit) if region.units.is_free(unit) => Error::AlreadyFree,
        _ => Error::NotABlock,
    }
}

/// The busy block of a subsegment that starts at `address`.
fn busy_in_bucket(descriptor: *mut Descriptor, address: usize) -> Result<usize, Error> {
    // SAFETY: what the slice table leads to is readable; an index means that
    // there is a mark.
    unsafe {
        let index = Descriptor::index_of(descriptor, address).ok_or(Error::NotABlock)?;
        let mark = (*Descriptor::mark(descriptor, index)).load(Ordering::Relaxed);
        if mark & lfh::BUSY == 0 {
            return Err(Error::AlreadyFree);
        }
        Ok(index)
    }
}

/// The busy block that starts at `address`, and the heap's lock to go with it
/// where it is needed.
pub(super) fn busy_block(
    heap: &'static PrivateHeap,
    call_flags: u32,
    address: usize,
) -> Result<(Option<Guard<'static>>, Block), Error> {
    let found = look(address);
    let core = match found {
        found if found.heap().is_some_and(|owner| !ptr::eq(owner, heap)) => {
            return Err(Error::OtherHeap);
        }
        Found::Bucket(descriptor, _) => {
            let index = busy_in_bucket(descriptor, address)?;
            return Ok((None, Block::Bucket(descriptor, index)));
        }
        #[cfg(feature = "debug")]
        Found::Guarded(cell, _) => {
            guarded::check_busy(cell, address)?;
            return Ok((None, Block::Guarded(cell)));
        }
        Found::Region(..) | Found::Large(..) => heap.enter(call_flags),
        Found::Process(_) => return Err(Error::OtherHeap),
        #[cfg(feature = "debug")]
        Found::Nothing if crate::heap::debug::page::has(address) => return Err(Error::OtherHeap),
        Found::Gone | Found::Nothing => return Err(Error::NotABlock),
    };
    // Once more, since the heap may have changed until it was locked, but for its
    // first region, which stays.
    let found = match found {
        Found::Region(region, _) if ptr::eq(region, core.first) => found,
        _ => look(address),
    };
    match found {
        Found::Region(region, owner) if ptr::eq(owner, heap) => {
            // SAFETY: a region of this heap, which is locked.
            let this = unsafe { &*region };
            match this.busy_at(address) {
                Some(unit) => Ok((Some(core), Block::Region(region, unit))),
                None => Err(why_not(this, address)),
            }
        }
        Found::Large(record, owner) if ptr::eq(owner, heap) => {
            // SAFETY: a large block of this heap, which is locked.
            if unsafe { (*record).data() } != address {
                return Err(Error::NotABlock);
            }
            Ok((Some(core), Block::Large(record)))
        }
        _ => Err(Error::NotABlock),
    }
}

/// The bytes a block was asked for. Waits for nobody's lock but an operation's.
pub(super) fn size_of(heap: &'static PrivateHeap, address: usize) -> Result<usize, Error> {
    #[cfg(feature = "debug")]
    if guarded::has_pages(heap)
        && let Some(record) = light::find(heap, address)
    {
        let is_busy = record.state == registry::State::Busy;
        return is_busy.then_some(record.size).ok_or(Error::AlreadyFree);
    }
    match busy_block(heap, flags::NO_SERIALIZE, address) {
        Ok((_core, block)) => Ok(block.size()),
        Err(Error::OtherHeap) if heap.handle().takes_mallocs() && is_mallocs(address) => Ok(
            checked::usable_size(ptr::with_exposed_provenance_mut(address)),
        ),
        Err(error) => Err(error),
    }
}

impl Block {
    /// The bytes it was asked for. Its heap is locked.
    pub(super) fn size(&self) -> usize {
        match *self {
            // SAFETY: a block of a heap that is locked.
            Block::Region(region, unit) => unsafe {
                (*region).units.size(unit) * UNIT - (*region).units.unused(unit)
            },
            // SAFETY: as above.
            Block::Large(record) => unsafe { (*record).size.load(Ordering::Relaxed) },
            #[cfg(feature = "debug")]
            Block::Guarded(cell) => cell.size(),
            // SAFETY: a block that was found busy is so until its owner gives
            // it up, and the subsegment lives as long.
            Block::Bucket(descriptor, index) => unsafe {
                let class = usize::from((*descriptor).class.load(Ordering::Relaxed));
                let unused = lfh::unused_of(descriptor, class, index).unwrap_or(0);
                classes::size_of(class).saturating_sub(unused)
            },
        }
    }

    /// Its settable flags, and in bit 0 whether it has a settable value.
    pub(super) fn info(&self) -> u8 {
        match *self {
            // SAFETY: a block of a heap that is locked.
            Block::Region(region, unit) => unsafe { (*region).units.flags(unit) },
            // SAFETY: as above.
            Block::Large(record) => unsafe { (*record).flags },
            #[cfg(feature = "debug")]
            Block::Guarded(cell) => cell.info.load(Ordering::Relaxed),
            // SAFETY: a block that was found busy, as above.
            Block::Bucket(..) => self
                .words()
                .map_or(0, |words| unsafe { settable::info(words) }),
        }
    }

    /// Where its settable value is, if it has one.
    pub(super) fn value(&self) -> Option<*mut usize> {
        if self.info() & 1 == 0 {
            return None;
        }
        match *self {
            Block::Region(region, unit) => {
                // SAFETY: a block of a heap that is locked.
                let (data, overhead) = unsafe { ((*region).data(unit), (*region).units.overhead) };
                let at = data + value_offset(self.size() + tail_of(overhead));
                Some(ptr::with_exposed_provenance_mut(at))
            }
            // SAFETY: as above.
            Block::Large(record) => Some(unsafe { &raw mut (*record).value }),
            #[cfg(feature = "debug")]
            Block::Guarded(cell) => Some(cell.value.as_ptr()),
            Block::Bucket(..) => self.words().map(settable::value),
        }
    }

    /// Sets its settable flags. A block of a region that has none keeps none.
    pub(super) fn set_info(&self, info: u8) {
        match *self {
            // SAFETY: a block of a heap that is locked.
            Block::Region(region, unit) => unsafe { (*region).units.set_flags(unit, info) },
            // SAFETY: as above.
            Block::Large(record) => unsafe { (*record).flags = info },
            #[cfg(feature = "debug")]
            Block::Guarded(cell) => cell.info.store(info, Ordering::Relaxed),
            Block::Bucket(..) => {
                let unused = self.room() - self.size();
                if let Some(words) = self.words() {
                    // SAFETY: a block that was found busy, as above; its size
                    // stays, and so does its mark.
                    unsafe { settable::write(words, unused, info) };
                }
            }
        }
    }

    /// The settable words of a bucket's block, if it has some.
    fn words(&self) -> Option<settable::Words> {
        let Block::Bucket(descriptor, index) = *self else {
            return None;
        };
        // SAFETY: a block that was found busy is so until its owner gives it up,
        // and the subsegment lives as long.
        unsafe {
            let class = usize::from((*descriptor).class.load(Ordering::Relaxed));
            settable::find(descriptor, class, index)
        }
    }

    /// The bytes of a bucket's block; 0 of others.
    fn room(&self) -> usize {
        let Block::Bucket(descriptor, _) = *self else {
            return 0;
        };
        // SAFETY: as above.
        classes::size_of(usize::from(unsafe {
            (*descriptor).class.load(Ordering::Relaxed)
        }))
    }
}

/// Whether a private heap has the memory at an address.
#[cfg(feature = "debug")]
pub(in crate::heap) fn is_heaps(address: usize) -> bool {
    look(address).heap().is_some()
}

/// Whether the process heap's front ends have the memory at an address.
#[cfg(feature = "debug")]
pub(in crate::heap) fn is_process(address: usize) -> bool {
    matches!(look(address), Found::Process(_))
}

/// Whether the process heap's malloc has handed out a block at `address`.
pub(super) fn is_mallocs(address: usize) -> bool {
    let Found::Process(descriptor) = look(address) else {
        #[cfg(feature = "debug")]
        return crate::heap::debug::page::busy_at(address).is_some_and(|view| view.heap == 0);
        #[cfg(not(feature = "debug"))]
        return false;
    };
    // SAFETY: what the slice table leads to is readable; an index means that
    // there is a mark.
    unsafe {
        Descriptor::index_of(descriptor, address).is_some_and(|index| {
            is_out((*Descriptor::mark(descriptor, index)).load(Ordering::Relaxed))
        })
    }
}

/// The private heap that an address lies in, if it lives. With the list of heaps
/// held it lives as long as that.
pub(super) fn listed(address: usize, _list: &List) -> Option<&'static PrivateHeap> {
    look(address).heap().filter(|heap| heap.is_live())
}

/// The heap that the memory at an address belongs to, the process heap where it
/// is malloc's; `None` where it is no heap's.
pub(super) fn owner(address: usize) -> Option<Handle> {
    match look(address) {
        Found::Process(_) => Handle::process().ok(),
        found => found.heap().map(PrivateHeap::handle),
    }
}

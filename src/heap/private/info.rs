//! What can be asked of a heap, and of all heaps.

use super::free;
use super::heap::{self, PrivateHeap};
use super::lfh;
use super::list::LIST;
use super::lookup::{self, Found};
use super::misuse;
use super::units::UNIT;
use super::{Error, Handle, Shape, flags};
use crate::heap::classes;
use crate::stats::Stats;
use core::sync::atomic::{AtomicUsize, Ordering};

/// A heap's figures ("HEAP_SUMMARY structure"), in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// What its blocks were asked for.
    pub allocated: usize,
    /// Committed in regions, buckets and large blocks.
    pub committed: usize,
    /// Reserved for them.
    pub reserved: usize,
    /// The most that may be reserved: of a fixed heap what is, of a limited
    /// one its limit, else `usize::MAX`.
    pub max_reserve: usize,
    /// Busy blocks.
    pub blocks: usize,
}

pub(super) fn summary_of(heap: &PrivateHeap) -> Summary {
    let figures = &heap.figures;
    let get = |figure: &AtomicUsize| figure.load(Ordering::Relaxed);
    let mut reserved = get(&figures.reserved);
    let (mut bytes, mut blocks) = (0, 0);
    lfh::for_each(heap.table.find(), |bucket| {
        let tally = bucket.tally();
        bytes += tally.bytes;
        blocks += tally.blocks;
        reserved += tally.reserved;
    });
    Summary {
        allocated: get(&figures.bytes) + get(&figures.large_bytes) + bytes,
        committed: heap.budget.committed(),
        reserved,
        max_reserve: match heap.shape {
            Shape::Fixed(_) => reserved,
            Shape::Limited(limit) => limit,
            Shape::Growable => usize::MAX,
        },
        blocks: get(&figures.blocks) + get(&figures.large_blocks) + blocks,
    }
}

/// The heap's figures. Each was true at some moment during the call, which
/// takes time in proportion to the blocks that buckets have.
pub fn summary(handle: Handle) -> Result<Summary, Error> {
    heap::at(handle.address()).map(summary_of)
}

/// How the heap may grow.
pub fn shape_of(handle: Handle) -> Result<Shape, Error> {
    heap::at(handle.address()).map(|heap| heap.shape)
}

/// The flags the heap was made with, and those that global flags stand for.
pub fn flags_of(handle: Handle) -> Result<u32, Error> {
    heap::at(handle.address()).map(|heap| heap.flags.load(Ordering::Relaxed) & !flags::WATCHED)
}

/// The heap that an address lies in, as far as the slice table knows: of a
/// large block, its first 4 GiB. The process heap where it is malloc's.
pub fn owner_of(address: usize) -> Option<Handle> {
    lookup::owner(address)
}

/// The process heap, if an address lies in what its instance here has, and not
/// malloc.
pub fn process_heap_at(address: usize) -> Option<Handle> {
    let heap = lookup::look(address).heap()?;
    Some(heap.handle()).filter(|handle| handle.is_process())
}

/// Writes the heap's name; returns how many bytes of it there are.
pub fn name_of(handle: Handle, buffer: &mut [u8]) -> Result<usize, Error> {
    let name = heap::at(handle.address())?.name();
    for (to, from) in buffer.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    Ok(name.len())
}

/// Gives the free pages of the heap back to the system; returns the size of
/// the largest free block that is committed, in bytes ("HeapCompact
/// function").
pub fn compact(handle: Handle, call_flags: u32) -> Result<usize, Error> {
    let heap = heap::at(handle.address())?;
    lfh::for_each(heap.table.find(), lfh::HeapBucket::flush);
    let mut core = heap.enter(call_flags);
    free::sweep(heap, &mut core);
    let mut largest = 0;
    let mut region = core.first;
    // SAFETY: listed regions are live, and the heap is locked.
    while let Some(this) = unsafe { region.as_ref() } {
        let (mut unit, end) = (this.first(), this.end());
        while unit < end {
            let units = this.units.size(unit);
            if this.units.is_free(unit) {
                largest = largest.max(units * UNIT - 2 * UNIT);
            }
            unit += units.max(1);
        }
        region = this.next;
    }
    Ok(largest)
}

/// Writes `byte` over the free blocks of the heap's regions, where their pages
/// hold memory. What buckets keep stays as it is.
pub fn fill_free(handle: Handle, byte: u8) -> Result<(), Error> {
    let heap = heap::at(handle.address())?;
    free::fill_free(&mut heap.enter(0), byte);
    Ok(())
}

/// 0, or 2 once the heap has buckets ("HeapQueryInformation function").
pub fn compatibility(handle: Handle) -> Result<u32, Error> {
    heap::at(handle.address()).map(|heap| u32::from(heap.compatibility.load(Ordering::Relaxed)))
}

/// Lets a heap have buckets (2), which it has for good then. Fails with
/// [`Error::HasBuckets`] for other values once it has, and with
/// [`Error::InvalidParameter`] for heaps that have none.
pub fn set_compatibility(handle: Handle, value: u32) -> Result<(), Error> {
    let heap = heap::at(handle.address())?;
    match value {
        2 if heap.buckets_allowed => {
            heap.compatibility.store(2, Ordering::Relaxed);
            Ok(())
        }
        0 | 1 if heap.compatibility.load(Ordering::Relaxed) == 2 => Err(Error::HasBuckets),
        0 => Ok(()),
        _ => Err(Error::InvalidParameter),
    }
}

/// A block's settable value and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserInfo {
    /// The value; `None` where the block was allocated without one.
    pub value: Option<usize>,
    /// The flags, 0x200, 0x400 and 0x800.
    pub flags: u32,
}

/// What the program has set of a block.
pub fn user_info(handle: Handle, call_flags: u32, block: *const u8) -> Result<UserInfo, Error> {
    on_block("RtlGetUserInfoHeap", handle, call_flags, block, |block| {
        Ok(UserInfo {
            // SAFETY: a block's value is its own, and its heap is locked.
            value: block.value().map(|value| unsafe { value.read() }),
            flags: u32::from(block.info()) << 8 & flags::SETTABLE_USER_FLAGS,
        })
    })
}

/// Sets the value of a block that was allocated with one; fails with
/// [`Error::InvalidParameter`] for others.
pub fn set_user_value(
    handle: Handle,
    call_flags: u32,
    block: *const u8,
    value: usize,
) -> Result<(), Error> {
    on_block("RtlSetUserValueHeap", handle, call_flags, block, |block| {
        let place = block.value().ok_or(Error::InvalidParameter)?;
        // SAFETY: as above.
        unsafe { place.write(value) };
        Ok(())
    })
}

/// Clears and sets flags of a block. Fails with [`Error::InvalidParameter`]
/// for flags that are not settable, and for a block allocated without any or
/// a value.
pub fn set_user_flags(
    handle: Handle,
    call_flags: u32,
    block: *const u8,
    clear: u32,
    set: u32,
) -> Result<(), Error> {
    if (clear | set) & !flags::SETTABLE_USER_FLAGS != 0 {
        return Err(Error::InvalidParameter);
    }
    on_block("RtlSetUserFlagsHeap", handle, call_flags, block, |block| {
        let old = block.info();
        let new = old & !((clear >> 8) as u8) | (set >> 8) as u8;
        if old == 0 && new != 0 {
            return Err(Error::InvalidParameter);
        }
        block.set_info(new);
        Ok(())
    })
}

/// Runs `use_it` on a busy block while its heap is locked. What is none is
/// reported as found by `operation`.
fn on_block<T>(
    operation: &str,
    handle: Handle,
    call_flags: u32,
    block: *const u8,
    use_it: impl FnOnce(&lookup::Block) -> Result<T, Error>,
) -> Result<T, Error> {
    let heap = heap::at(handle.address())?;
    let address = block.addr();
    #[cfg(feature = "debug")]
    let address = if super::guarded::has_pages(heap) {
        super::light::outer(heap, address)
    } else {
        address
    };
    let done =
        lookup::busy_block(heap, call_flags, address).and_then(|(_core, block)| use_it(&block));
    done.inspect_err(|&error| misuse::report(operation, heap, block.addr(), error))
}

/// The reservation that an address lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionInfo {
    /// Whose it is.
    pub heap: Handle,
    /// Its first byte.
    pub base: usize,
    /// Bytes reserved.
    pub reserved: usize,
    /// Bytes committed, from the base.
    pub committed: usize,
}

/// The region, or large block's mapping, of a private heap that an address lies
/// in; of a mapping, only its first 4 GiB are known by address.
pub fn region_of(address: usize) -> Option<RegionInfo> {
    // Whose heap it is may be destroying it: not while the list is held.
    let list = LIST.lock();
    lookup::listed(address, &list)?;
    let heap = match lookup::look(address) {
        Found::Region(_, heap) | Found::Large(_, heap) => heap,
        Found::Bucket(descriptor, heap) => {
            // SAFETY: what the slice table leads to is readable.
            let this = unsafe { &*descriptor };
            let class = usize::from(this.class.load(Ordering::Relaxed));
            let bytes = classes::slices_of(class) * classes::SLICE;
            return Some(RegionInfo {
                heap: heap.handle(),
                base: this.base.load(Ordering::Relaxed),
                reserved: bytes,
                committed: bytes,
            });
        }
        _ => return None,
    };
    let _core = heap.enter(flags::NO_SERIALIZE);
    // SAFETY: the heap is locked, and what the slice table leads to now is its.
    unsafe {
        match lookup::look(address) {
            Found::Region(region, _) => Some(RegionInfo {
                heap: heap.handle(),
                base: (*region).start,
                reserved: (*region).reserved,
                committed: (*region).committed,
            }),
            Found::Large(record, _) => Some(RegionInfo {
                heap: heap.handle(),
                base: (*record).descriptor.extent,
                reserved: (*record).descriptor.region_size,
                committed: (*record).committed,
            }),
            _ => None,
        }
    }
}

/// What a private heap has reserved at an address, for the layer below.
#[cfg(all(unix, feature = "pages"))]
pub(super) fn owned_at(address: usize) -> Option<crate::vm::query::Owned> {
    let region = region_of(address)?;
    let flags = flags_of(region.heap).unwrap_or(0);
    Some(crate::vm::query::Owned {
        base: region.base,
        reserved: region.reserved,
        committed: region.committed,
        executable: flags & flags::CREATE_ENABLE_EXECUTE != 0,
    })
}

/// Adds the private heaps' figures to the process's: their blocks to what is
/// allocated (those of regions and large blocks as they were asked for, those of
/// buckets with the bucket's size), their pages to what is active, and what
/// destroyed heaps hold on to, to what is retained. Exact while no other thread
/// is in a heap.
pub(in crate::heap) fn collect(stats: &mut Stats) {
    let list = LIST.lock();
    for heap in list.roll.each() {
        let get = |figure: &AtomicUsize| figure.load(Ordering::Relaxed);
        let figures = &heap.figures;
        stats.allocated += get(&figures.bytes) + get(&figures.large_bytes);
        stats.large_blocks += get(&figures.large_blocks);
        stats.large_bytes += get(&figures.large_bytes);
        stats.active += get(&figures.backed);
        lfh::for_each(heap.table.find(), |bucket| {
            let kept = bucket.kept();
            let state = bucket.state.lock();
            if let Some(of_class) = stats.buckets.get_mut(bucket.class) {
                let live = state.out.saturating_sub(kept);
                of_class.live += live as u64;
                of_class.cached += kept as u64;
                of_class.blocks += (state.subsegments * classes::blocks_of(bucket.class)) as u64;
                stats.allocated += live * classes::size_of(bucket.class);
            }
        });
    }
    stats.active += lfh::active_bytes();
    stats.retained += list.gone_bytes;
}

/// Visits all heaps in the order they were made, the process heap first, until
/// `visit` returns false; returns how many there are. No heap is destroyed
/// meanwhile: `visit` must not make or destroy one, allocates from none, and
/// waits for none that a program holds.
pub fn for_each(visit: &mut dyn FnMut(Handle) -> bool) -> usize {
    // Listed even when nobody has used it yet.
    let _ = Handle::process();
    let list = LIST.lock();
    for heap in list.roll.each() {
        if !visit(heap.handle()) {
            break;
        }
    }
    list.roll.count()
}

/// Visits the first heap made after that of number `passed`, or the first of all, as
/// [`for_each`] would; its own number, or none where there is no such heap.
pub fn visit_after(passed: Option<u64>, visit: &mut dyn FnMut(Handle)) -> Option<u64> {
    let _ = Handle::process();
    let list = LIST.lock();
    let (heap, number) = list.roll.after(passed)?;
    visit(heap.handle());
    Some(number)
}

/// Writes the handles of all heaps, in the order of [`for_each`], as far as
/// there is room; returns how many there are.
pub fn handles(buffer: &mut [usize]) -> usize {
    let mut places = buffer.iter_mut();
    for_each(&mut |handle| match places.next() {
        Some(place) => {
            *place = handle.address();
            true
        }
        None => false,
    })
}

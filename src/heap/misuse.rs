//! What to say of an address that is not what its caller takes it for.

use super::bucket::Misuse;
use super::classes;
use super::descriptor::{Descriptor, Kind, LARGE, SUBSEGMENT, is_busy, is_out};
use super::{PROCESS, PROCESS_HEAP, private, slices};
use crate::config::Config;
use crate::report::{self, Block, BlockState, Report, Stop};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Reports an address given to `operation` that is no block handed out.
#[cold]
#[inline(never)]
pub(super) fn bad_address(operation: &str, address: usize) {
    raise(operation, address, describe(address));
}

/// What the free bits saw and nobody has reported yet.
struct Finding {
    /// The address; 0 is a free place, 1 one that is being filled.
    address: AtomicUsize,
    /// The size of the block that was free already; 0 where there is no block.
    size: AtomicUsize,
}

/// Beyond these few, findings are dropped: the first ends the process, if any
/// does.
static LATE: [Finding; 8] = [const {
    Finding {
        address: AtomicUsize::new(0),
        size: AtomicUsize::new(0),
    }
}; 8];

/// Whether `LATE` may hold something.
static PENDING: AtomicBool = AtomicBool::new(false);

/// Notes what the free bits saw when a block of `size` bytes came back to them.
/// Its bucket is locked, and a report runs code of others.
#[cold]
pub(super) fn found_late(address: usize, what: Misuse, size: usize) {
    for place in &LATE {
        let taken = place
            .address
            .compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed);
        if taken.is_ok() {
            let size = if what == Misuse::AlreadyFree { size } else { 0 };
            place.size.store(size, Ordering::Relaxed);
            place.address.store(address, Ordering::Release);
            PENDING.store(true, Ordering::Release);
            return;
        }
    }
}

/// Reports what was noted. No lock may be held.
#[inline]
pub(super) fn report_late() {
    if PENDING.load(Ordering::Relaxed) {
        report_all_late();
    }
}

#[cold]
fn report_all_late() {
    PENDING.store(false, Ordering::Relaxed);
    for place in &LATE {
        let address = place.address.load(Ordering::Acquire);
        if address <= 1 {
            // Who fills it says so afterwards.
            continue;
        }
        let size = place.size.load(Ordering::Relaxed);
        let taken =
            place
                .address
                .compare_exchange(address, 0, Ordering::Relaxed, Ordering::Relaxed);
        if taken.is_err() {
            continue;
        }
        // The block's subsegment may be gone by now: what was noted counts.
        let block = if size != 0 {
            Some(Block {
                start: address,
                size,
                state: BlockState::Free,
            })
        } else {
            around(slices::find(address), address)
        };
        raise("flush of freed blocks", address, block);
    }
}

/// Forgets what was noted, in a forked child.
pub(super) fn forget_late() {
    for place in &LATE {
        place.address.store(0, Ordering::Relaxed);
    }
    PENDING.store(false, Ordering::Relaxed);
}

fn raise(operation: &str, address: usize, block: Option<Block>) {
    // A misuse may be the first call of a process: the options count from here.
    PROCESS.is_ready(&Config::new());
    let heap = (&raw const PROCESS).addr();
    let said = private::said(operation, address, heap);
    let block = block.or_else(|| said.block());
    let (stop, parameters) = match block {
        Some(block) if block.start == address && block.state != BlockState::Busy => {
            (Stop::DoubleFree, [heap, address, block.size, 0])
        }
        Some(block) => (
            Stop::SwitchedHeapHandle,
            [heap, address, block.size, said.owner_or(heap)],
        ),
        None => (Stop::SwitchedHeapHandle, [heap, address, 0, 0]),
    };
    let report = Report {
        stop,
        parameters,
        heap: PROCESS_HEAP,
        address,
        block,
        operation,
        thread: crate::sys::thread_id(),
        ..Report::NOTHING
    };
    let report = said.add_to(report);
    #[cfg(feature = "debug")]
    let report = super::debug::fills::add_to(report);
    report::raise(&report, PROCESS.action());
}

/// The block of malloc's that `address` lies in, busy or free; `descriptor` is
/// what the slice table has for it.
#[cfg(feature = "heaps")]
pub(super) fn block_of(descriptor: *mut Descriptor, address: usize) -> Option<Block> {
    around(descriptor, address)
}

/// The block that `address` lies in, wherever in it, handed out or not.
fn describe(address: usize) -> Option<Block> {
    if let Some(block) = private::block_at(address) {
        return Some(block);
    }
    if let Some(block) = around(slices::find(address), address) {
        return Some(block);
    }
    #[cfg(feature = "debug")]
    if let Some(block) = super::debug::page::block_at(address) {
        return Some(block);
    }
    let large = PROCESS.large.lock();
    let descriptor = large.around(address)?;
    // SAFETY: the list's lock keeps its descriptors live; a large block's
    // record has a mark.
    let (this, mark) = unsafe { (&*descriptor, &*Descriptor::mark(descriptor, 0)) };
    Some(Block {
        start: this.base.load(Ordering::Relaxed),
        size: this.span.load(Ordering::Relaxed),
        state: if is_busy(mark.load(Ordering::Relaxed)) {
            BlockState::Busy
        } else {
            BlockState::Free
        },
    })
}

/// The block of `descriptor` that `address` lies in.
fn around(descriptor: *mut Descriptor, address: usize) -> Option<Block> {
    // SAFETY: what `find` leads to is readable.
    let this = unsafe { &*descriptor };
    let index = this.index_around(address)?;
    let base = this.base.load(Ordering::Relaxed);
    let size = this.block_size();
    // Blocks of no bytes have addresses of their own.
    let distance = size.max(classes::stride_of(0));
    let what = this.what.load(Ordering::Relaxed);
    let has_mark = what == LARGE || Kind::of(this.kind.load(Ordering::Relaxed)).is_checked();
    if what != LARGE && what != SUBSEGMENT {
        return None;
    }
    let busy = !has_mark || {
        // SAFETY: the index is below the number of blocks, each with a mark.
        unsafe { is_out((*Descriptor::mark(descriptor, index)).load(Ordering::Relaxed)) }
    };
    Some(Block {
        start: base + index * distance,
        size,
        state: if busy {
            BlockState::Busy
        } else {
            BlockState::Free
        },
    })
}

/// Reports the block of `size` bytes at `address`, given to `operation`, as free already: its
/// caller saw that, and it may be handed out again by now.
#[cfg(feature = "hardened")]
#[cold]
#[inline(never)]
pub(super) fn already_free(operation: &str, address: usize, size: usize) {
    let block = Block {
        start: address,
        size,
        state: BlockState::Free,
    };
    raise(operation, address, Some(block));
}

/// Reports a block of `size` bytes that was written to where nobody may, as `stop` says.
#[cfg(feature = "hardened")]
#[cold]
pub(super) fn damaged(stop: Stop, operation: &str, address: usize, size: usize) {
    let report = Report {
        stop,
        parameters: [(&raw const PROCESS).addr(), address, size, 0],
        heap: PROCESS_HEAP,
        address,
        block: describe(address),
        operation,
        thread: crate::sys::thread_id(),
        ..Report::NOTHING
    };
    report::raise(&report, PROCESS.action());
}

/// Reports a block that was given back with a Layout of `size` bytes, which
/// is not the one it was allocated with.
#[cold]
pub(super) fn wrong_layout(operation: &str, address: usize, size: usize) {
    let report = Report {
        stop: Stop::CorruptedHeapBlock,
        parameters: [(&raw const PROCESS).addr(), address, size, 0],
        heap: PROCESS_HEAP,
        address,
        block: describe(address),
        operation,
        thread: crate::sys::thread_id(),
        owner: None,
        ..Report::NOTHING
    };
    report::raise(&report, PROCESS.action());
}

/// The class that the block that starts at `address` was allocated for, 0 for
/// a large one; `None` when no block with a mark starts there.
pub(super) fn class_at(address: usize) -> Option<usize> {
    let descriptor = slices::find(address);
    // SAFETY: `find` came from the slice table.
    unsafe { Descriptor::index_of(descriptor, address) }?;
    // SAFETY: what `find` leads to is readable.
    let this = unsafe { &*descriptor };
    let class = usize::from(this.class.load(Ordering::Relaxed));
    (class < classes::COUNT).then_some(class)
}

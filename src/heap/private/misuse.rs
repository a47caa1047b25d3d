//! What is said of misuse, and what follows.

use super::advice::{self, Modules};
use super::heap::PrivateHeap;
use super::lfh;
use super::list::{LIST, List};
use super::lookup::{self, Found};
use super::units::UNIT;
use super::{Error, Handle};
use crate::config::Action;
use crate::heap::classes;
use crate::report::{self, Block, BlockState, FixedBuffer, Report, Stop};
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};

const DESTROYED: &str = "advice: that heap was destroyed, and all its blocks with it; use neither \
     afterwards (\"HeapDestroy function\")";

/// Whether misuse ends the process where a heap's maker has not said.
static TERMINATES: AtomicBool = AtomicBool::new(false);

/// From here on misuse of heaps made without an action of their own is
/// reported and ends the process: HeapSetInformation with
/// HeapEnableTerminationOnCorruption. Until then it is an error of the call
/// and nothing more. Cannot be undone.
pub fn terminate_on_corruption() {
    TERMINATES.store(true, Ordering::Relaxed);
}

/// What follows the report of misuse in heaps without an action of their own.
pub(super) fn process_action() -> Option<Action> {
    (TERMINATES.load(Ordering::Relaxed) || is_debugging()).then(crate::heap::on_corruption)
}

/// Whether a global flag is on: then misuse is always reported.
fn is_debugging() -> bool {
    #[cfg(feature = "debug")]
    return crate::heap::debug::is_on();
    #[cfg(not(feature = "debug"))]
    false
}

/// Reports a handle that is no heap's, where misuse ends the process.
#[cold]
#[inline(never)]
pub fn bad_handle(operation: &str, handle: Handle) {
    let Some(action) = process_action() else {
        return;
    };
    raise(
        Report {
            stop: Stop::BadHeapHandle,
            parameters: [handle.address(), 0, 0, 0],
            operation,
            thread: crate::sys::thread_id(),
            advice: match super::heap::at(handle.address()) {
                Err(Error::Destroyed) => DESTROYED,
                _ => "",
            },
            ..Report::NOTHING
        },
        action,
    );
}

/// Reports that the process heap was to be destroyed.
#[cold]
#[inline(never)]
pub(super) fn destroys_process_heap(heap: &PrivateHeap) {
    let Some(action) = heap.action() else {
        return;
    };
    raise(
        Report {
            stop: Stop::DestroyProcessHeap,
            parameters: [heap.handle().address(), 0, 0, 0],
            heap: heap.name(),
            address: 0,
            block: None,
            operation: "HeapDestroy",
            thread: crate::sys::thread_id(),
            owner: None,
            ..Report::NOTHING
        },
        action,
    );
}

/// Reports an address that is no block of `heap`, if that is what `error`
/// says. No lock may be held.
#[cold]
#[inline(never)]
pub(super) fn report(operation: &str, heap: &'static PrivateHeap, address: usize, error: Error) {
    if !matches!(
        error,
        Error::NotABlock | Error::AlreadyFree | Error::OtherHeap
    ) {
        return;
    }
    // malloc's callers are told no error: for them, it is the report or nothing.
    let is_windows = operation.starts_with("Heap") || operation.starts_with("Rtl");
    let is_mallocs = heap.handle().takes_mallocs() && !is_windows;
    let always = is_mallocs.then(crate::heap::on_corruption);
    let Some(action) = heap.action().or(always) else {
        return;
    };
    let handle = heap.handle().address();
    // Named as the owner of malloc's blocks.
    let _ = Handle::process();
    let owner = advice::owner_of(address);
    let mut block = owner.as_ref().and_then(|owner| owner.block);
    #[cfg(feature = "debug")]
    let record = super::damage::record_at(address, block);
    #[cfg(feature = "debug")]
    let was_freed = super::damage::freed_at(record.as_ref(), address);
    #[cfg(not(feature = "debug"))]
    let was_freed = None;
    // Also of a large block, whose mapping is gone.
    let is_twice = error == Error::AlreadyFree || block.is_none() && was_freed.is_some();
    if is_twice && was_freed.is_some() {
        block = was_freed;
    }
    let size = block.map_or(0, |block| block.size);
    let (stop, parameters) = if is_twice {
        (Stop::DoubleFree, [handle, address, size, 0])
    } else {
        let owner = owner.as_ref().map_or(0, |owner| owner.handle);
        (Stop::SwitchedHeapHandle, [handle, address, size, owner])
    };
    let modules = Modules::of(heap.module, owner.as_ref());
    let is_runtimes = heap.module != 0;
    #[cfg_attr(not(feature = "debug"), allow(unused_mut))]
    let mut advice = advice::advice(operation, address, handle, is_runtimes, owner.as_ref());
    #[cfg_attr(not(feature = "debug"), allow(unused_mut))]
    let (mut allocated, mut freed, mut lacks_guards) = (None, None, false);
    #[cfg(feature = "debug")]
    if let Some(record) = &record {
        (allocated, freed) = super::damage::traces(record);
        lacks_guards = super::light::lacks_guards(record);
        if is_twice && advice.is_empty() && freed.is_none_or(|by| by.frames.is_empty()) {
            advice = super::damage::ADVICE_TWICE;
        }
    }
    let report = Report {
        stop,
        allocated,
        freed,
        parameters,
        heap: heap.name(),
        address,
        block,
        lacks_guards,
        operation,
        thread: crate::sys::thread_id(),
        owner: owner.as_ref().map(|owner| owner.name.as_str()),
        module: modules.used(),
        owner_module: modules.owner(),
        advice,
        ..Report::NOTHING
    };
    #[cfg(feature = "debug")]
    let report = crate::heap::debug::fills::add_to(report);
    raise(report, action);
}

/// Reports that `blocks` blocks of `bytes` bytes are in use in a C runtime's
/// heap that is about to be destroyed. No lock may be held.
#[cold]
#[inline(never)]
pub fn report_leaks(handle: Handle, blocks: usize, bytes: usize) {
    let Ok(heap) = super::heap::at(handle.0) else {
        return;
    };
    let Some(action) = heap.action() else {
        return;
    };
    let mut cursor = super::Cursor::START;
    let mut first = None;
    while let Ok(entry) = super::walk(handle, &mut cursor) {
        if entry.kind.flags() == super::EntryKind::BUSY {
            first = Some(entry);
            break;
        }
    }
    let block = first.map(|entry| Block {
        start: entry.data,
        size: entry.size,
        state: BlockState::Busy,
    });
    let modules = Modules::of(heap.module, None);
    let mut text = FixedBuffer::<128>::new();
    // The buffer truncates and never fails.
    let _ = write!(
        text,
        "{blocks} blocks of {bytes} bytes in all are in use and go with the heap"
    );
    let address = block.map_or(0, |block| block.start);
    raise(
        Report {
            stop: Stop::Allocation,
            parameters: [address, 0, heap.name().as_ptr().addr(), heap.module],
            heap: heap.name(),
            address,
            block,
            operation: "unload",
            thread: crate::sys::thread_id(),
            module: modules.used(),
            advice: core::str::from_utf8(text.as_bytes()).unwrap_or_default(),
            ..Report::NOTHING
        },
        action,
    );
}

pub(super) fn raise(report: Report<'_>, action: Action) {
    report::raise(&report, action);
}

/// The block of a private heap, or of malloc's, that `address` lies in, busy or
/// free. The caller holds no lock.
pub(in crate::heap) fn block_at(address: usize) -> Option<Block> {
    block_of(address, &LIST.lock())
}

/// [`block_at`], with the list of heaps held: no heap goes meanwhile.
pub(super) fn block_of(address: usize, _list: &List) -> Option<Block> {
    let found = lookup::look(address);
    let Some(heap) = found.heap() else {
        return block_in(found, address);
    };
    if !heap.is_live() {
        return None;
    }
    if let Found::Bucket(..) = found {
        return block_in(found, address);
    }
    #[cfg(feature = "debug")]
    if let Found::Guarded(..) = found {
        return block_in(found, address);
    }
    let _core = heap.enter(super::flags::NO_SERIALIZE);
    // Once more, since the heap may have changed until it was locked.
    match (found, lookup::look(address)) {
        (Found::Region(before, _), Found::Region(now, _)) if core::ptr::eq(before, now) => {
            block_in(found, address)
        }
        (Found::Large(before, _), Found::Large(now, _)) if core::ptr::eq(before, now) => {
            block_in(found, address)
        }
        _ => None,
    }
}

/// The block that `address` lies in by what was found there. Locks nothing: the
/// block of a heap that is not locked is told as it is just then.
pub(super) fn block_in(found: Found, address: usize) -> Option<Block> {
    match found {
        Found::Region(region, _) => {
            // SAFETY: records of regions are never unmapped.
            let this = unsafe { &*region };
            let offset = address.checked_sub(this.start)?;
            let inside = (offset / UNIT).checked_sub(1)?;
            if inside >= this.end() {
                return None;
            }
            let unit = this.around(inside)?;
            let is_free = this.units.is_free(unit);
            #[cfg(feature = "debug")]
            if let Found::Region(_, heap) = found
                && super::guarded::has_pages(heap)
                && let Some(record) = super::light::inner(heap, this.data(unit))
            {
                return Some(crate::heap::debug::page::block_in(&super::light::view(
                    &record,
                )));
            }
            let bytes = this.units.size(unit) * UNIT;
            Some(Block {
                start: this.data(unit),
                size: if is_free {
                    bytes
                } else {
                    bytes.saturating_sub(this.units.unused(unit))
                },
                state: if is_free {
                    BlockState::Free
                } else {
                    BlockState::Busy
                },
            })
        }
        #[cfg(feature = "debug")]
        Found::Large(record, heap) if super::guarded::has_pages(heap) => {
            // SAFETY: records of large blocks are never unmapped.
            let (start, size) =
                unsafe { ((*record).data(), (*record).size.load(Ordering::Relaxed)) };
            let plain = Block {
                start,
                size,
                state: BlockState::Busy,
            };
            let inner = super::light::inner(heap, start);
            Some(inner.map_or(plain, |inner| {
                crate::heap::debug::page::block_in(&super::light::view(&inner))
            }))
        }
        // SAFETY: records of large blocks are never unmapped.
        Found::Large(record, _) => unsafe {
            Some(Block {
                start: (*record).data(),
                size: (*record).size.load(Ordering::Relaxed),
                state: BlockState::Busy,
            })
        },
        Found::Bucket(descriptor, _) => {
            // SAFETY: what the slice table leads to is readable, and has a
            // mark for every index.
            unsafe {
                let this = &*descriptor;
                let index = this.index_around(address)?;
                let class = usize::from(this.class.load(Ordering::Relaxed));
                let unused = lfh::unused_of(descriptor, class, index);
                let size = classes::size_of(class);
                Some(Block {
                    start: this.base.load(Ordering::Relaxed) + index * size,
                    size: size.saturating_sub(unused.unwrap_or(0)),
                    state: if unused.is_some() {
                        BlockState::Busy
                    } else {
                        BlockState::Free
                    },
                })
            }
        }
        #[cfg(feature = "debug")]
        Found::Guarded(cell, _) => Some(crate::heap::debug::page::block_of(cell)),
        Found::Process(descriptor) => crate::heap::misuse::block_of(descriptor, address),
        Found::Gone | Found::Nothing => None,
    }
}

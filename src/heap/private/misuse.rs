//! What is said of misuse, and what follows.

use super::heap::PrivateHeap;
use super::lfh;
use super::list::LIST;
use super::lookup::{self, Found};
use super::units::UNIT;
use super::{Error, Handle, NAME_MAX};
use crate::config::Action;
use crate::heap::classes;
use crate::report::{self, Block, BlockState, Report, Stop};
use core::sync::atomic::{AtomicBool, Ordering};

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
    TERMINATES.load(Ordering::Relaxed).then_some(Action::Abort)
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
            heap: "",
            address: 0,
            block: None,
            operation,
            thread: crate::sys::thread_id(),
            owner: None,
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
    let Some(action) = heap.action() else {
        return;
    };
    let handle = heap.handle().address();
    let known = known(address);
    let size = known.block.map_or(0, |block| block.size);
    let (stop, parameters) = if error == Error::AlreadyFree {
        (Stop::DoubleFree, [handle, address, size, 0])
    } else {
        let owner = known.owner.as_ref().map_or(0, |owner| owner.handle);
        (Stop::SwitchedHeapHandle, [handle, address, size, owner])
    };
    raise(
        Report {
            stop,
            parameters,
            heap: heap.name(),
            address,
            block: known.block,
            operation,
            thread: crate::sys::thread_id(),
            owner: known.owner.as_ref().map(Owner::name),
        },
        action,
    );
}

/// What heaps know of an address.
struct Known {
    block: Option<Block>,
    owner: Option<Owner>,
}

/// The heap that an address belongs to, as it was when it was asked for: its
/// thread may have destroyed it since.
struct Owner {
    handle: usize,
    name: [u8; NAME_MAX],
    name_len: usize,
}

impl Owner {
    fn of(heap: &PrivateHeap) -> Owner {
        let mut name = [0; NAME_MAX];
        for (to, from) in name.iter_mut().zip(heap.name().bytes()) {
            *to = from;
        }
        Owner {
            handle: heap.handle().address(),
            name,
            name_len: heap.name().len(),
        }
    }

    fn name(&self) -> &str {
        let bytes = self.name.get(..self.name_len).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// What heaps know of an address, whoever's it is. The caller holds no lock.
fn known(address: usize) -> Known {
    let process = match lookup::look(address) {
        Found::Process(_) => Handle::process().ok(),
        _ => None,
    };
    // Whose heap it is may be destroying it: not while the list is held.
    let list = LIST.lock();
    let owner = lookup::listed(address, &list).or_else(|| process.and_then(heap_of));
    Known {
        block: block_of(address),
        owner: owner.map(Owner::of),
    }
}

fn heap_of(handle: Handle) -> Option<&'static PrivateHeap> {
    super::heap::at(handle.address()).ok()
}

fn raise(report: Report<'_>, action: Action) {
    report::raise(&report, action);
}

/// The block of a private heap, or of malloc's, that `address` lies in, busy or
/// free. The caller holds no lock.
pub(in crate::heap) fn block_at(address: usize) -> Option<Block> {
    let _list = LIST.lock();
    block_of(address)
}

/// [`block_at`], with the list of heaps held: no heap goes meanwhile.
fn block_of(address: usize) -> Option<Block> {
    match lookup::look(address) {
        found if found.heap().is_some_and(|heap| !heap.is_live()) => None,
        Found::Region(region, heap) => {
            let _core = heap.enter(super::flags::NO_SERIALIZE);
            let this = match lookup::look(address) {
                // SAFETY: the heap is locked, and the region still its own.
                Found::Region(again, _) if core::ptr::eq(again, region) => unsafe { &*region },
                _ => return None,
            };
            let offset = address.checked_sub(this.start)?;
            let inside = (offset / UNIT).checked_sub(1)?;
            if inside >= this.end() {
                return None;
            }
            let unit = this.around(inside)?;
            let is_free = this.units.is_free(unit);
            let bytes = this.units.size(unit) * UNIT;
            Some(Block {
                start: this.data(unit),
                size: if is_free {
                    bytes
                } else {
                    bytes - this.units.unused(unit)
                },
                state: if is_free {
                    BlockState::Free
                } else {
                    BlockState::Busy
                },
            })
        }
        Found::Large(record, heap) => {
            let _core = heap.enter(super::flags::NO_SERIALIZE);
            match lookup::look(address) {
                // SAFETY: as above.
                Found::Large(again, _) if core::ptr::eq(again, record) => unsafe {
                    Some(Block {
                        start: (*record).data(),
                        size: (*record).size.load(Ordering::Relaxed),
                        state: BlockState::Busy,
                    })
                },
                _ => None,
            }
        }
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
        Found::Process(_) => crate::heap::misuse::block_at(address),
        Found::Gone | Found::Nothing => None,
    }
}

/// Runs `use_it` with the name of the private heap that the memory at an
/// address belongs to. The caller holds no lock.
pub(in crate::heap) fn with_owner_name<R>(
    address: usize,
    use_it: impl FnOnce(Option<&str>) -> R,
) -> R {
    let owner = {
        let list = LIST.lock();
        lookup::listed(address, &list).map(Owner::of)
    };
    use_it(owner.as_ref().map(Owner::name))
}

//! Whose an address is, in words: the heap, the module, and what documentation
//! advises who gave it to the wrong function.

use super::lookup::{self, Found};
use super::{NAME_MAX, list, misuse};
use crate::heap::PROCESS_HEAP;
use crate::report::{Block, BlockState, Report};
use core::sync::atomic::Ordering;

const CROSS_HEAP: &str = "advice: free a block in the module that allocated it, or let all modules \
     share one C runtime library (\"Potential Errors Passing CRT Objects Across DLL Boundaries\")";
const GONE: &str = "advice: that heap was destroyed with the runtime of its module, and all its \
     blocks with it; free them before the module is unloaded, or let all modules share one C \
     runtime library (\"Potential Errors Passing CRT Objects Across DLL Boundaries\")";
const NOT_HEAP_FREE: &str = "advice: give what malloc or new allocated to free or delete, not to \
     HeapFree (\"Comparing Memory Allocation Methods\")";
const ALIGNED: &str = "advice: a block of _aligned_malloc lies around it; such are released by \
     _aligned_free alone (\"_aligned_malloc\")";
const NOT_ALIGNED: &str = "advice: _aligned_free and its kin are for blocks of _aligned_malloc \
     alone (\"_aligned_free\")";
const NOT_FREE: &str = "advice: free what HeapAlloc allocated with HeapFree and the same heap \
     (\"HeapFree function\")";
const DEBUG_BLOCK: &str = "advice: a block of the debug runtime lies around it; free it with the \
     debug runtime that allocated it (\"CRT debug heap details\")";

/// A heap's name, kept.
#[derive(Clone, Copy)]
pub(in crate::heap) struct HeapName {
    bytes: [u8; NAME_MAX],
    length: usize,
}

impl HeapName {
    pub(super) const NONE: HeapName = HeapName {
        bytes: [0; NAME_MAX],
        length: 0,
    };

    /// A copy of a name, which is not longer than a heap's can be.
    pub(super) fn of(name: &str) -> HeapName {
        let mut bytes = [0; NAME_MAX];
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        HeapName {
            bytes,
            length: name.len().min(NAME_MAX),
        }
    }

    pub(in crate::heap) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// The heap that an address belongs to, in this copy of ntheap or another one.
pub(in crate::heap) struct Owner {
    pub(in crate::heap) handle: usize,
    pub(in crate::heap) name: HeapName,
    /// An address in the module that it belongs to.
    pub(in crate::heap) module: usize,
    /// Whether it is a C runtime's.
    pub(in crate::heap) is_runtimes: bool,
    /// Whether this copy of ntheap has it.
    pub(in crate::heap) is_here: bool,
    /// Whether it was destroyed.
    pub(in crate::heap) is_gone: bool,
    pub(in crate::heap) block: Option<Block>,
}

/// An address in this copy's own module, in a part that a file is mapped to:
/// its code.
pub(in crate::heap) fn own_module() -> usize {
    (own_module as fn() -> usize as *const ()).addr()
}

/// Finds whose an address is; reads the system's list of mappings if no heap
/// here has it.
#[cold]
pub(in crate::heap) fn owner_of(address: usize) -> Option<Owner> {
    match lookup::look(address) {
        Found::Gone => gone(address),
        Found::Nothing => elsewhere(address),
        _ => here(address),
    }
}

/// Whose an address is that a heap of this copy has, if it is not destroyed by
/// now.
fn here(address: usize) -> Option<Owner> {
    // No heap is destroyed while the list is held.
    let list = list::LIST.lock();
    let (handle, name, module) = if let Found::Process(_) = lookup::look(address) {
        let process = super::PROCESS_HANDLE.load(Ordering::Relaxed);
        (process, HeapName::of(PROCESS_HEAP), 0)
    } else {
        let heap = lookup::listed(address, &list)?;
        let handle = heap.handle().address();
        (handle, HeapName::of(heap.name()), heap.module)
    };
    Some(Owner {
        handle,
        name,
        module: if module == 0 { own_module() } else { module },
        is_runtimes: module != 0,
        is_here: true,
        is_gone: false,
        block: misuse::block_of(address, &list),
    })
}

/// The heap that had the address until it was destroyed, if it was a C runtime's
/// and not long ago.
fn gone(address: usize) -> Option<Owner> {
    let gone = list::gone_at(address)?;
    Some(Owner {
        handle: gone.start,
        name: gone.name,
        module: gone.module,
        is_runtimes: true,
        is_here: true,
        is_gone: true,
        block: None,
    })
}

#[cfg(unix)]
fn elsewhere(address: usize) -> Option<Owner> {
    super::elsewhere::find(address)
}

#[cfg(not(unix))]
fn elsewhere(_: usize) -> Option<Owner> {
    None
}

/// The file names of the modules of the heap used and of the owner, for a
/// report in which a C runtime or another copy has a part.
pub(in crate::heap) struct Modules {
    used: ([u8; Self::MAX], usize),
    owner: ([u8; Self::MAX], usize),
}

impl Modules {
    const MAX: usize = 64;

    /// Those of the heap that was used, whose module and nature are told, and
    /// of the owner. Empty where every heap is this copy's and no runtime's.
    pub(in crate::heap) fn of(used: usize, owner: Option<&Owner>) -> Modules {
        let concerns = used != 0 || owner.is_some_and(|owner| owner.is_runtimes || !owner.is_here);
        let name = |module: usize| {
            let mut bytes = [0; Self::MAX];
            let length = if concerns && module != 0 {
                file_at(module, &mut bytes)
            } else {
                0
            };
            (bytes, length)
        };
        Modules {
            used: name(if used == 0 { own_module() } else { used }),
            owner: name(owner.map_or(0, |owner| owner.module)),
        }
    }

    pub(in crate::heap) fn used(&self) -> &str {
        text(&self.used)
    }

    pub(in crate::heap) fn owner(&self) -> &str {
        text(&self.owner)
    }
}

fn text((bytes, length): &([u8; Modules::MAX], usize)) -> &str {
    let bytes = bytes.get(..*length).unwrap_or_default();
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        // A character was cut, or the name is no text: its start is.
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            core::str::from_utf8(valid).unwrap_or_default()
        }
    }
}

#[cfg(unix)]
fn file_at(module: usize, name: &mut [u8]) -> usize {
    crate::sys::file_at(module, name)
}

#[cfg(not(unix))]
fn file_at(_: usize, _: &mut [u8]) -> usize {
    0
}

/// What a report of malloc's front end says of an address beside the block it is
/// in.
pub(in crate::heap) struct Said {
    owner: Option<Owner>,
    modules: Modules,
    advice: &'static str,
}

/// Finds whose an address is that was given to `operation` of the front end,
/// which reports call `used`.
#[cold]
pub(in crate::heap) fn said(operation: &str, address: usize, used: usize) -> Said {
    let owner = owner_of(address);
    Said {
        modules: Modules::of(0, owner.as_ref()),
        advice: advice(operation, address, used, false, owner.as_ref()),
        owner,
    }
}

impl Said {
    /// The owner's block.
    pub(in crate::heap) fn block(&self) -> Option<Block> {
        self.owner.as_ref()?.block
    }

    /// The owner's handle; `own` where the block is the front end's.
    pub(in crate::heap) fn owner_or(&self, own: usize) -> usize {
        match &self.owner {
            Some(owner) if !owner.is_here || owner.name.as_str() != PROCESS_HEAP => owner.handle,
            // Also of the inside of a large block, which is not found.
            _ => own,
        }
    }

    /// The report with all of this in it.
    pub(in crate::heap) fn add_to<'a>(&'a self, report: Report<'a>) -> Report<'a> {
        Report {
            owner: self.owner.as_ref().map(|owner| owner.name.as_str()),
            module: self.modules.used(),
            owner_module: self.modules.owner(),
            advice: self.advice,
            ..report
        }
    }
}

/// What documentation advises who gave `address` to `operation` of the heap
/// `used`; empty where it is no mistake that is known here.
pub(super) fn advice(
    operation: &str,
    address: usize,
    used: usize,
    used_is_runtimes: bool,
    owner: Option<&Owner>,
) -> &'static str {
    let Some(owner) = owner else {
        return "";
    };
    if owner.is_gone {
        return GONE;
    }
    if let Some(block) = owner.block
        && let Some(advice) = about_the_start(address, block)
    {
        return advice;
    }
    if operation.starts_with("_aligned") {
        return NOT_ALIGNED;
    }
    if owner.handle == used && owner.is_here {
        return "";
    }
    if owner.is_runtimes && operation.starts_with("Heap") {
        return NOT_HEAP_FREE;
    }
    if used_is_runtimes && owner.is_here && !owner.is_runtimes {
        return NOT_FREE;
    }
    if owner.is_runtimes || used_is_runtimes || !owner.is_here {
        return CROSS_HEAP;
    }
    ""
}

/// What the bytes before an address inside a busy block tell of it.
fn about_the_start(address: usize, block: Block) -> Option<&'static str> {
    const WORD: usize = size_of::<usize>();
    const FENCE: u32 = 0xFDFD_FDFD;
    /// Bytes of a debug block's header at least.
    const HEADER: usize = 40;
    let offset = address.checked_sub(block.start)?;
    if block.state != BlockState::Busy || offset > block.size {
        return None;
    }
    // The block's thread may free it, and its heap may end, at this moment:
    // the bytes may be gone.
    // Where _aligned_malloc keeps the block's start.
    let slot = address.checked_sub(WORD)? & !(WORD - 1);
    if slot >= block.start && read(slot).map(usize::from_ne_bytes) == Some(block.start) {
        return Some(ALIGNED);
    }
    if offset >= HEADER {
        let fence = address.checked_sub(size_of::<u32>())?;
        if read(fence).map(u32::from_ne_bytes) == Some(FENCE) {
            return Some(DEBUG_BLOCK);
        }
    }
    None
}

fn read<const N: usize>(address: usize) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    crate::sys::read_own_memory(address, &mut bytes).then_some(bytes)
}

//! A module with three runtimes: each copy of the library that a process loads
//! has its own, and its own copy of the allocator.

use ntheap::crt::check::HeapInfo;
use ntheap::crt::debug::kind::{NORMAL_BLOCK, UNKNOWN_BLOCK};
use ntheap::crt::debug::{DebugHeap, Origin};
use ntheap::crt::{Crt, Mode};
use ntheap::{Heap, NtHeap};
use std::alloc::{GlobalAlloc, Layout};

/// Runtimes of a module.
pub const HEAPS: usize = 3;

static RUNTIMES: [Crt; HEAPS] = [
    Crt::private("first"),
    Crt::private("second"),
    Crt::private("third"),
];

/// A block of the module's runtime of that number.
#[unsafe(no_mangle)]
pub extern "C" fn module_allocate(heap: usize, size: usize) -> *mut u8 {
    RUNTIMES[heap].allocate(size)
}

/// Frees a block by the module's runtime of that number; false if that said that
/// it is none of its own.
///
/// # Safety
/// If it is one, nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn module_free(heap: usize, block: *mut u8) -> bool {
    // SAFETY: the caller's promise.
    unsafe { RUNTIMES[heap].free(block).is_ok() }
}

/// What a block of the module's runtime was asked for.
#[unsafe(no_mangle)]
pub extern "C" fn module_size(heap: usize, block: *mut u8) -> usize {
    RUNTIMES[heap].size_of(block).unwrap_or(usize::MAX)
}

/// The runtime that all modules share, as a module sees it: functions of the
/// module's copy of the allocator.
#[repr(C)]
pub struct Shared {
    /// The heap's handle.
    pub heap: extern "C" fn() -> usize,
    /// A block.
    pub allocate: extern "C" fn(usize) -> *mut u8,
    /// Frees a block: whether it was one.
    pub free: unsafe extern "C" fn(*mut u8) -> bool,
    /// A block with another size: where it is then, or null.
    pub reallocate: unsafe extern "C" fn(*mut u8, usize) -> *mut u8,
    /// Whether a block starts there.
    pub owns: extern "C" fn(*mut u8) -> bool,
    /// An aligned block.
    pub aligned_allocate: extern "C" fn(usize, usize) -> *mut u8,
    /// An aligned block's size.
    pub aligned_size: extern "C" fn(*mut u8, usize) -> usize,
    /// Frees an aligned block.
    pub aligned_free: unsafe extern "C" fn(*mut u8),
    /// What `_heapchk` says.
    pub check: extern "C" fn() -> i32,
    /// What `_heapset` says.
    pub set: extern "C" fn(u32) -> i32,
    /// What `_heapmin` says.
    pub give_back: extern "C" fn() -> bool,
    /// One step of `_heapwalk`.
    pub walk: unsafe extern "C" fn(*mut HeapInfo) -> i32,
    /// A debug block.
    pub debug_allocate: extern "C" fn(usize) -> *mut u8,
    /// Whether a debug block starts there.
    pub debug_owns: extern "C" fn(*mut u8) -> bool,
    /// Frees a debug block.
    pub debug_free: unsafe extern "C" fn(*mut u8),
    /// What `_CrtCheckMemory` says.
    pub debug_check: extern "C" fn() -> bool,
    /// A block of the process heap of the module's copy.
    pub process_block: extern "C" fn(usize) -> *mut u8,
    /// Where a block was of a heap of the module's that is gone.
    pub gone_block: extern "C" fn(usize) -> *mut u8,
}

static ONE_FOR_ALL: Crt = Crt::with_mode("shared", Mode::Shared);
static DEBUG: DebugHeap = DebugHeap::on(&ONE_FOR_ALL);

extern "C" fn heap() -> usize {
    ONE_FOR_ALL.heap().map_or(0, |heap| heap.address())
}

extern "C" fn allocate(size: usize) -> *mut u8 {
    ONE_FOR_ALL.allocate(size)
}

unsafe extern "C" fn free(block: *mut u8) -> bool {
    // SAFETY: the caller's promise.
    unsafe { ONE_FOR_ALL.free(block).is_ok() }
}

unsafe extern "C" fn reallocate(block: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { ONE_FOR_ALL.reallocate(block, size) }
}

extern "C" fn process_block(size: usize) -> *mut u8 {
    static PROCESS: NtHeap = NtHeap::new();
    let layout = Layout::from_size_align(size.max(1), 8).unwrap();
    // SAFETY: a layout of some bytes.
    unsafe { PROCESS.alloc(layout) }
}

extern "C" fn gone_block(size: usize) -> *mut u8 {
    let heap = Heap::new().unwrap();
    let layout = Layout::from_size_align(size, 8).unwrap();
    heap.alloc(layout).unwrap().as_ptr()
}

extern "C" fn owns(block: *mut u8) -> bool {
    ONE_FOR_ALL.owns(block)
}

extern "C" fn aligned_allocate(size: usize, alignment: usize) -> *mut u8 {
    ONE_FOR_ALL.aligned_malloc(size, alignment)
}

extern "C" fn aligned_size(block: *mut u8, alignment: usize) -> usize {
    ONE_FOR_ALL.aligned_msize(block, alignment, 0)
}

unsafe extern "C" fn aligned_free(block: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { ONE_FOR_ALL.aligned_free(block) }
}

extern "C" fn check() -> i32 {
    ONE_FOR_ALL.heapchk()
}

extern "C" fn set(fill: u32) -> i32 {
    ONE_FOR_ALL.heapset(fill)
}

extern "C" fn give_back() -> bool {
    ONE_FOR_ALL.heapmin()
}

unsafe extern "C" fn walk(info: *mut HeapInfo) -> i32 {
    // SAFETY: the caller's entry.
    ONE_FOR_ALL.heapwalk(unsafe { &mut *info })
}

extern "C" fn debug_allocate(size: usize) -> *mut u8 {
    DEBUG.allocate(size, NORMAL_BLOCK, Origin::NONE)
}

extern "C" fn debug_owns(block: *mut u8) -> bool {
    DEBUG.is_block(block)
}

unsafe extern "C" fn debug_free(block: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { DEBUG.free(block, UNKNOWN_BLOCK) }
}

extern "C" fn debug_check() -> bool {
    DEBUG.check()
}

/// The module's functions on the runtime that all share.
#[unsafe(no_mangle)]
pub extern "C" fn module_shared() -> &'static Shared {
    &Shared {
        heap,
        allocate,
        free,
        reallocate,
        owns,
        aligned_allocate,
        aligned_size,
        aligned_free,
        check,
        set,
        give_back,
        walk,
        debug_allocate,
        debug_owns,
        debug_free,
        debug_check,
        process_block,
        gone_block,
    }
}

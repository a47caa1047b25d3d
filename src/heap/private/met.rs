//! Blocks of heaps that C's functions meet: those that HeapAlloc took from the
//! process heap, for there `malloc` and `HeapAlloc` may free each other's, and
//! those of the heap that serves malloc in the front end's place.
//!
//! With a flag on, records say that a block is malloc's, and families.rs compares.

#[cfg(feature = "crt")]
use super::HeapRef;
use super::{
    Error, Handle, allocate_aligned, flags, free as free_block, free_as, owns, process_heap_at,
    reallocate_as, size_of, validate,
};
#[cfg(feature = "debug")]
use super::{damage, families, watched};
#[cfg(feature = "debug")]
use crate::heap::debug::registry::Family;
use crate::heap::misuse;
#[cfg(feature = "crt")]
use crate::sync::Function;
use core::ptr::{self, NonNull};
#[cfg(feature = "crt")]
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The handle of the heap that malloc's blocks come from, where that is not the
/// front end of the process heap; else 0.
static MALLOC_HANDLE: AtomicUsize = AtomicUsize::new(0);

/// From here on malloc's blocks come from this heap, once its front end is
/// diverted; blocks of the time before pass for the heap's own when they are
/// freed.
#[cfg(any(feature = "crt", feature = "debug"))]
pub(in crate::heap) fn serve_malloc(heap: Handle) {
    #[cfg(feature = "crt")]
    if let Ok(heap) = HeapRef::new(heap) {
        MALLOC_HEAP.store(heap.as_ptr(), Ordering::Release);
    }
    MALLOC_HANDLE.store(heap.address(), Ordering::Release);
}

/// The same heap, for the ways that touch a slot and nothing else; null for none.
#[cfg(feature = "crt")]
static MALLOC_HEAP: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

#[cfg(feature = "crt")]
#[inline(always)]
fn malloc_ref() -> Option<HeapRef> {
    // SAFETY: null, or a heap's that `serve_malloc` stored, which is never
    // destroyed.
    unsafe { HeapRef::from_ptr(MALLOC_HEAP.load(Ordering::Acquire)) }
}

/// A block of that heap that is at hand; null, and nothing done, when there is none
/// or malloc is not served so.
#[cfg(feature = "crt")]
#[inline(always)]
pub(in crate::heap) fn at_hand(size: usize) -> *mut u8 {
    // SAFETY: the heap is serialized, as `serve_malloc`'s caller sees to.
    malloc_ref().map_or(ptr::null_mut(), |heap| unsafe { heap.at_hand(size) })
}

/// Whether [`at_hand`] has a heap to ask.
#[cfg(feature = "crt")]
#[inline(always)]
pub(in crate::heap) fn is_served() -> bool {
    !MALLOC_HEAP.load(Ordering::Relaxed).is_null()
}

/// Frees a block of that heap which its thread's slot has room for; false, and
/// nothing done, of anything else.
///
/// # Safety
/// The caller gives the block up, if it is one.
#[cfg(feature = "crt")]
#[inline(always)]
pub(in crate::heap) unsafe fn free_at_hand(block: *mut u8) -> bool {
    // SAFETY: the heap is serialized; the rest is the caller's promise.
    malloc_ref().is_some_and(|heap| unsafe { heap.free_at_hand(block) })
}

/// The heap of [`serve_malloc`].
#[inline]
pub(super) fn malloc_heap() -> Option<Handle> {
    match MALLOC_HANDLE.load(Ordering::Acquire) {
        0 => None,
        handle => Some(Handle::unchecked(handle)),
    }
}

/// Told how many bytes there is no memory for; whether to try again.
#[cfg(feature = "crt")]
static NO_MEMORY: Function<fn(usize) -> bool> = Function::none();

/// Sets what malloc asks when there is no memory, or takes it away.
#[cfg(feature = "crt")]
pub fn when_no_memory(ask: Option<fn(usize) -> bool>) {
    NO_MEMORY.swap(ask);
}

/// Asks what [`when_no_memory`] set. No lock may be held.
#[cfg(feature = "crt")]
#[cold]
pub(in crate::heap) fn tries_again(size: usize) -> bool {
    NO_MEMORY.get().is_some_and(|ask| ask(size))
}

/// Without the C runtime nobody is asked.
#[cfg(not(feature = "crt"))]
pub(in crate::heap) fn tries_again(_size: usize) -> bool {
    false
}

/// Whether malloc's blocks come from a heap that [`serve_malloc`] named.
#[inline]
pub(in crate::heap) fn serves_malloc() -> bool {
    MALLOC_HANDLE.load(Ordering::Relaxed) != 0
}

/// A block of that heap for malloc, null when there is no memory.
#[cold]
#[inline(never)]
pub(in crate::heap) fn allocate(size: usize, align: usize, zero: bool) -> *mut u8 {
    #[cfg(feature = "debug")]
    if crate::heap::debug::is_on() {
        return allocate_as(Family::Malloc, size, align, zero);
    }
    allocate_any(size, align, zero)
}

/// A block of that heap, null when there is no memory.
fn allocate_any(size: usize, align: usize, zero: bool) -> *mut u8 {
    let Some(heap) = malloc_heap() else {
        return ptr::null_mut();
    };
    let flags = if zero { flags::ZERO_MEMORY } else { 0 };
    // SAFETY: the heap is serialized, as `serve_malloc`'s caller sees to.
    let block = unsafe {
        if align <= 16 {
            super::allocate(heap, flags, size)
        } else {
            allocate_aligned(heap, flags, size, align)
        }
    };
    block.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// [`allocate_any`] of a block that is freed as `family` says.
#[cfg(feature = "debug")]
pub(in crate::heap) fn allocate_as(
    family: Family,
    size: usize,
    align: usize,
    zero: bool,
) -> *mut u8 {
    let block = allocate_any(size, align, zero);
    if !block.is_null() {
        watched::note_family(block.addr(), family, align);
    }
    block
}

/// Frees a block that was allocated with a Layout.
///
/// # Safety
/// The caller gives the block up, if `address` is one.
#[cfg(feature = "debug")]
pub(in crate::heap) unsafe fn free_layout(address: *mut u8, layout: core::alloc::Layout) {
    if expect_layout("dealloc", address, layout)
        && let Some(heap) = malloc_heap()
    {
        // SAFETY: the caller's block. What is none was reported.
        let _ = unsafe { free_as("dealloc", heap, address) };
    }
}

/// Whether a block was allocated with `layout`, as far as that is known; reports
/// it if not.
#[cfg(feature = "debug")]
pub(in crate::heap) fn expect_layout(
    operation: &str,
    address: *mut u8,
    layout: core::alloc::Layout,
) -> bool {
    !crate::heap::debug::has(crate::heap::debug::gflags::VALIDATE_PARAMETERS)
        || damage::expect_layout(operation, address.addr(), layout)
}

/// Whether a block of the heap that serves malloc starts at `address`, which a private heap
/// has; what is none, or free, is reported.
#[cfg(feature = "debug")]
pub(in crate::heap) fn expect_busy(operation: &str, address: *mut u8) -> bool {
    malloc_heap().is_none_or(|heap| owns(operation, heap, address.addr()))
}

/// The heap that serves malloc, or the process heap, if `address` is a block of
/// it. Anything else is reported as found by `operation`.
#[cold]
#[inline(never)]
fn heap_of(operation: &str, address: usize) -> Option<Handle> {
    if let Some(heap) = malloc_heap() {
        return owns(operation, heap, address).then_some(heap);
    }
    let block = ptr::without_provenance(address);
    let heap = process_heap_at(address).filter(|&heap| validate(heap, 0, block));
    if heap.is_none() {
        misuse::bad_address(operation, address);
    }
    heap
}

/// Frees such a block; reports what is none.
///
/// # Safety
/// The caller gives the block up, if `address` is one.
#[cold]
#[inline(never)]
pub(in crate::heap) unsafe fn free(address: *mut u8) {
    if let Some(heap) = malloc_heap() {
        #[cfg(feature = "debug")]
        families::expect("free", address.addr(), Family::Malloc);
        // SAFETY: the caller's block. What is none was reported.
        let _ = unsafe { free_as("free", heap, address) };
        return;
    }
    if let Some(heap) = heap_of("free", address.addr()) {
        // SAFETY: the caller's block. Of two frees at once the second one is an
        // error of the heap's, which is not told of here.
        let _ = unsafe { free_block(heap, 0, address) };
    }
}

/// The bytes of such a block; 0, and a report, for what is none.
#[cold]
#[inline(never)]
pub(in crate::heap) fn usable_size(address: *mut u8) -> usize {
    heap_of("malloc_usable_size", address.addr())
        .and_then(|heap| size_of(heap, 0, address).ok())
        .unwrap_or(0)
}

/// Resizes such a block; null, and the block as it was, when the system has
/// nothing to give, also after whom [`when_no_memory`] set was asked. Reports what
/// is none, and asks nobody about that.
///
/// # Safety
/// The old block is used no more unless null is returned.
#[cold]
#[inline(never)]
pub(in crate::heap) unsafe fn reallocate(address: *mut u8, size: usize) -> *mut u8 {
    let Some(heap) = heap_of("realloc", address.addr()) else {
        return ptr::null_mut();
    };
    #[cfg(feature = "debug")]
    let family = families::expect("realloc", address.addr(), Family::Malloc);
    loop {
        // SAFETY: the caller's promise is the callee's.
        match unsafe { reallocate_as("realloc", heap, 0, address, size) } {
            Ok(new) => {
                #[cfg(feature = "debug")]
                families::note(new.addr().get(), Family::Malloc);
                return new.as_ptr();
            }
            Err(Error::NoMemory | Error::LimitReached) if tries_again(size) => {}
            Err(_) => {
                // The block stays what it was.
                #[cfg(feature = "debug")]
                families::note(address.addr(), family);
                return ptr::null_mut();
            }
        }
    }
}

//! One runtime for the modules of a process, whichever copy of ntheap they have.
//!
//! Where instances share a heap, the copies of ntheap in a process use that of
//! one copy: the first whose runtime was used. It publishes a table of
//! functions in its root record, and the others call them:
//!
//! ```text
//!   plugin's copy                      the program's copy
//!   Crt ── remote ──> Runtime { version, heap, allocate, free, ... } ──> its heap
//!          found by vm::copies, Anchor::Runtime
//! ```
//!
//! A copy whose table others may have stays loaded for good, as the module of a
//! shared runtime library does that is in use.
//!
//! Two copies may begin in the same moment: [`first`] has them agree.

use super::check::{self, HeapInfo};
use super::first::{self, Others};
use super::instance;
use super::mode::Mode;
use crate::heap::private::{self, Handle};
use crate::sync::Once;
use crate::vm::copies;
use crate::vm::root::{self, Anchor};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The version of [`Runtime`]: copies of others do not call it.
const VERSION: u32 = 2;

/// The name of an operation, for reports: a string of whoever calls.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Name {
    first: *const u8,
    length: usize,
}

impl Name {
    fn of(name: &str) -> Name {
        Name {
            first: name.as_ptr(),
            length: name.len(),
        }
    }

    /// The text.
    ///
    /// # Safety
    /// The caller's string lives as long as it is used.
    unsafe fn text<'a>(self) -> &'a str {
        // SAFETY: made of a string that lives, by `Name::of` of some copy.
        let bytes = unsafe { core::slice::from_raw_parts(self.first, self.length) };
        core::str::from_utf8(bytes).unwrap_or("free")
    }
}

/// A copy's functions, for other copies and for its own rare operations. A heap
/// is named by its handle in the copy whose table it is.
#[repr(C)]
pub(super) struct Runtime {
    version: u32,
    size: u32,
    /// The heap of a [`Mode`] by number; 0 when there is no memory.
    heap: extern "C" fn(u32) -> usize,
    /// A block of a heap, with flags, size and alignment; null.
    allocate: extern "C" fn(usize, u32, usize, usize) -> *mut u8,
    /// Frees a block, after a report and with 0 if it is none.
    free: unsafe extern "C" fn(Name, usize, *mut u8) -> u32,
    /// Resizes a block, with flags; null, and the block as it was.
    reallocate: unsafe extern "C" fn(Name, usize, u32, *mut u8, usize) -> *mut u8,
    /// A block's size; the largest number, after a report, if it is none.
    size_of: unsafe extern "C" fn(Name, usize, *const u8) -> usize,
    /// A block's size; the largest number, and no report, if it is none.
    busy_size: extern "C" fn(usize, *const u8) -> usize,
    /// Whether a block in use starts there, or, of null, the heap is sound.
    validate: extern "C" fn(usize, *const u8) -> u32,
    /// Whether so many bytes are memory that the heap has committed.
    has: extern "C" fn(usize, usize, usize) -> u32,
    /// Reports an address that is no block of the kind that is wanted.
    report_stranger: unsafe extern "C" fn(Name, usize, *const u8),
    /// Moves a walk on; one of [`check`]'s numbers.
    walk: unsafe extern "C" fn(usize, *mut HeapInfo) -> i32,
    /// Fills what is free.
    fill_free: extern "C" fn(usize, u8),
    /// Gives back what is free; 0 if it could not.
    compact: extern "C" fn(usize) -> u32,
}

static RUNTIME: Runtime = Runtime {
    version: VERSION,
    size: size_of::<Runtime>() as u32,
    heap,
    allocate,
    free,
    reallocate,
    size_of: size,
    busy_size,
    validate,
    has,
    report_stranger,
    walk,
    fill_free,
    compact,
};

extern "C" fn heap(mode: u32) -> usize {
    let heap = if mode == Mode::Process as u32 {
        Handle::process()
    } else {
        instance::shared_heap()
    };
    heap.map_or(0, Handle::address)
}

extern "C" fn allocate(heap: usize, flags: u32, size: usize, align: usize) -> *mut u8 {
    // SAFETY: the heaps that are handed out above are serialized.
    let block =
        unsafe { private::allocate_aligned(Handle::unchecked(heap), flags, size, align.max(16)) };
    block.map_or(ptr::null_mut(), NonNull::as_ptr)
}

unsafe extern "C" fn free(name: Name, heap: usize, block: *mut u8) -> u32 {
    // SAFETY: the caller's operation and promise; as in `allocate`.
    let freed = unsafe { private::free_as(name.text(), Handle::unchecked(heap), block) };
    u32::from(freed.is_ok())
}

unsafe extern "C" fn reallocate(
    name: Name,
    heap: usize,
    flags: u32,
    block: *mut u8,
    size: usize,
) -> *mut u8 {
    let heap = Handle::unchecked(heap);
    // SAFETY: as in `free`.
    let new = unsafe { private::reallocate_as(name.text(), heap, flags, block, size) };
    new.map_or(ptr::null_mut(), NonNull::as_ptr)
}

unsafe extern "C" fn size(name: Name, heap: usize, block: *const u8) -> usize {
    // SAFETY: the caller's operation.
    let name = unsafe { name.text() };
    private::size_as(name, Handle::unchecked(heap), block.addr()).unwrap_or(usize::MAX)
}

extern "C" fn busy_size(heap: usize, block: *const u8) -> usize {
    private::busy_size(Handle::unchecked(heap), block.addr()).unwrap_or(usize::MAX)
}

extern "C" fn validate(heap: usize, block: *const u8) -> u32 {
    u32::from(private::validate(Handle::unchecked(heap), 0, block))
}

extern "C" fn has(heap: usize, address: usize, size: usize) -> u32 {
    let has = private::region_of(address).is_some_and(|region| {
        region.heap.address() == heap && address - region.base + size <= region.committed
    });
    u32::from(has)
}

unsafe extern "C" fn report_stranger(name: Name, heap: usize, block: *const u8) {
    // SAFETY: the caller's operation.
    let name = unsafe { name.text() };
    private::report_stranger(name, Handle::unchecked(heap), block.addr());
}

unsafe extern "C" fn walk(heap: usize, info: *mut HeapInfo) -> i32 {
    // SAFETY: the caller's entry, which nobody else uses meanwhile.
    check::walk(Handle::unchecked(heap), unsafe { &mut *info })
}

extern "C" fn fill_free(heap: usize, byte: u8) {
    let _ = private::fill_free(Handle::unchecked(heap), byte);
}

extern "C" fn compact(heap: usize) -> u32 {
    u32::from(private::compact(Handle::unchecked(heap), 0).is_ok())
}

impl Runtime {
    /// This copy's own.
    pub(super) fn own() -> &'static Runtime {
        &RUNTIME
    }

    /// The other copy's that this one is to use, if there is one. If there is
    /// none, others use this one's from here on.
    pub(super) fn of_the_process() -> Option<&'static Runtime> {
        static IS_FIRST: Once = Once::new();
        if IS_FIRST.is_ready() || !IS_FIRST.begin() {
            return None;
        }
        // Makes the root record, if that was not done.
        let _ = crate::heap::on_corruption();
        let first = root::own().and_then(|record| {
            let word = record.anchors.get(Anchor::Runtime as usize)?;
            let others = Copies {
                own: record.address,
            };
            first::decide(word, (&raw const RUNTIME).addr(), &others)
        });
        IS_FIRST.end(first.is_none());
        let table = first.filter(|&table| is_known(table))?;
        let table = ptr::with_exposed_provenance::<Runtime>(table);
        // SAFETY: a table that a copy of this layout published; its module stays
        // loaded.
        Some(unsafe { &*table })
    }

    pub(super) fn heap(&self, mode: Mode) -> usize {
        (self.heap)(mode as u32)
    }

    pub(super) fn allocate(&self, heap: usize, flags: u32, size: usize, align: usize) -> *mut u8 {
        (self.allocate)(heap, flags, size, align)
    }

    /// # Safety
    /// If it is a block, nobody uses it any more.
    pub(super) unsafe fn free(&self, operation: &str, heap: usize, block: *mut u8) -> bool {
        // SAFETY: the caller's promise.
        unsafe { (self.free)(Name::of(operation), heap, block) != 0 }
    }

    /// # Safety
    /// As for [`Runtime::free`], if this succeeds.
    pub(super) unsafe fn reallocate(
        &self,
        operation: &str,
        heap: usize,
        flags: u32,
        block: *mut u8,
        size: usize,
    ) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { (self.reallocate)(Name::of(operation), heap, flags, block, size) }
    }

    pub(super) fn size_of(&self, operation: &str, heap: usize, block: *const u8) -> Option<usize> {
        // SAFETY: the name lives during the call; any address may be asked about.
        let size = unsafe { (self.size_of)(Name::of(operation), heap, block) };
        (size != usize::MAX).then_some(size)
    }

    pub(super) fn busy_size(&self, heap: usize, block: *const u8) -> Option<usize> {
        let size = (self.busy_size)(heap, block);
        (size != usize::MAX).then_some(size)
    }

    pub(super) fn validate(&self, heap: usize, block: *const u8) -> bool {
        (self.validate)(heap, block) != 0
    }

    pub(super) fn has(&self, heap: usize, address: usize, size: usize) -> bool {
        (self.has)(heap, address, size) != 0
    }

    pub(super) fn report_stranger(&self, operation: &str, heap: usize, block: *const u8) {
        // SAFETY: the name lives during the call; any address may be reported.
        unsafe { (self.report_stranger)(Name::of(operation), heap, block) }
    }

    pub(super) fn walk(&self, heap: usize, info: &mut HeapInfo) -> i32 {
        // SAFETY: the entry is this thread's alone.
        unsafe { (self.walk)(heap, info) }
    }

    pub(super) fn fill_free(&self, heap: usize, byte: u8) {
        (self.fill_free)(heap, byte);
    }

    pub(super) fn compact(&self, heap: usize) -> bool {
        (self.compact)(heap) != 0
    }
}

/// The words of the other copies by which they are told apart whose tables this
/// one can call.
struct Copies {
    /// This copy's record.
    own: usize,
}

impl Others for Copies {
    fn each(&self, show: &mut dyn FnMut(&AtomicUsize, bool)) {
        copies::for_each(&mut |record| {
            if let Some(word) = record.anchors.get(Anchor::Runtime as usize)
                && is_known(word.load(Ordering::Acquire))
            {
                show(word, record.address < self.own);
            }
            true
        });
    }
}

/// Whether what a copy's word says is a table of this layout, or no table.
fn is_known(said: usize) -> bool {
    if said < align_of::<Runtime>() {
        return true;
    }
    let runtime = ptr::with_exposed_provenance::<Runtime>(said);
    // SAFETY: a table that a copy published, whose module stays loaded. All
    // versions begin with these words.
    unsafe { (*runtime).version == VERSION && (*runtime).size as usize == size_of::<Runtime>() }
}

/// Keeps this copy's module loaded, if others may use its table. The system's
/// loader takes locks of its own for that, under which it may run code that waits
/// for a runtime: to be called while nobody waits for this copy's.
pub(super) fn stay_if_shared() {
    static IS_DONE: AtomicBool = AtomicBool::new(false);
    let word = root::own().and_then(|record| record.anchors.get(Anchor::Runtime as usize));
    let table = (&raw const RUNTIME).addr();
    if word.is_some_and(|word| word.load(Ordering::Acquire) == table)
        && !IS_DONE.swap(true, Ordering::Relaxed)
    {
        stay_loaded();
    }
}

/// Sees to it that this copy's module is never unloaded.
fn stay_loaded() {
    // SAFETY: dladdr fills one record about an address; dlopen of a module that
    // is loaded already, by the loader's own name for it, runs no code of it.
    // For the program itself the name may be none of a module's: it is not
    // unloaded anyway.
    unsafe {
        let mut info: libc::Dl_info = core::mem::zeroed();
        if libc::dladdr((&raw const RUNTIME).cast(), &raw mut info) != 0
            && !info.dli_fname.is_null()
        {
            libc::dlopen(
                info.dli_fname,
                libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE,
            );
        }
    }
}

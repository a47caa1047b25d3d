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
//! shared runtime library does that is in use. Two copies whose first use falls
//! into the same moment may both become the first; a program that uses its own
//! runtime before it loads plugins has none of that.

use super::instance;
use super::mode::Mode;
use crate::heap::private::{self, Handle};
use crate::vm::copies;
use crate::vm::root::{self, Anchor};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};

/// The version of [`Runtime`]: copies of others do not call it.
const VERSION: u32 = 1;

/// A copy's functions, for other copies. A heap is named by its handle there.
#[repr(C)]
pub(super) struct Runtime {
    version: u32,
    size: u32,
    /// The heap of a [`Mode`] by number; 0 when there is no memory.
    heap: extern "C" fn(u32) -> usize,
    /// A block of a heap, with flags, size and alignment; null.
    allocate: extern "C" fn(usize, u32, usize, usize) -> *mut u8,
    /// Frees a block, after a report and with 0 if it is none; operation's name
    /// and its length first.
    free: unsafe extern "C" fn(*const u8, usize, usize, *mut u8) -> u32,
    /// Resizes a block, with flags; null, and the block as it was.
    reallocate: unsafe extern "C" fn(usize, u32, *mut u8, usize) -> *mut u8,
    /// A block's size; the largest number, after a report, if it is none.
    size_of: extern "C" fn(usize, *const u8) -> usize,
}

static RUNTIME: Runtime = Runtime {
    version: VERSION,
    size: size_of::<Runtime>() as u32,
    heap,
    allocate,
    free,
    reallocate,
    size_of: size,
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

unsafe extern "C" fn free(name: *const u8, length: usize, heap: usize, block: *mut u8) -> u32 {
    // SAFETY: the other copy's operation, a string of its own; as in `allocate`;
    // the rest is the caller's promise.
    unsafe {
        let name = core::slice::from_raw_parts(name, length);
        let operation = core::str::from_utf8(name).unwrap_or("free");
        private::free_as(operation, Handle::unchecked(heap), block).is_ok() as u32
    }
}

unsafe extern "C" fn reallocate(heap: usize, flags: u32, block: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: as above.
    let new =
        unsafe { private::reallocate_as("realloc", Handle::unchecked(heap), flags, block, size) };
    new.map_or(ptr::null_mut(), NonNull::as_ptr)
}

extern "C" fn size(heap: usize, block: *const u8) -> usize {
    private::size_as("_msize", Handle::unchecked(heap), block.addr()).unwrap_or(usize::MAX)
}

impl Runtime {
    /// The other copy's that this one is to use, if there is one. If there is
    /// none, others use this one's from here on.
    pub(super) fn of_the_process() -> Option<&'static Runtime> {
        let mut found = None;
        copies::for_each(&mut |record| {
            let anchor = record.anchors.get(Anchor::Runtime as usize);
            let address = anchor.map_or(0, |anchor| anchor.load(Ordering::Acquire));
            if address != 0 {
                let runtime = ptr::with_exposed_provenance::<Runtime>(address);
                // SAFETY: a table that a copy of this layout published; its
                // module stays loaded. All versions begin with these words.
                let known = unsafe {
                    (*runtime).version == VERSION
                        && (*runtime).size as usize == size_of::<Runtime>()
                };
                // SAFETY: as above.
                found = known.then(|| unsafe { &*runtime });
            }
            found.is_none()
        });
        if found.is_none() {
            publish();
        }
        found
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
        unsafe { (self.free)(operation.as_ptr(), operation.len(), heap, block) != 0 }
    }

    /// # Safety
    /// As for [`Runtime::free`], if this succeeds.
    pub(super) unsafe fn reallocate(
        &self,
        heap: usize,
        flags: u32,
        block: *mut u8,
        size: usize,
    ) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { (self.reallocate)(heap, flags, block, size) }
    }

    pub(super) fn size_of(&self, heap: usize, block: *const u8) -> Option<usize> {
        let size = (self.size_of)(heap, block);
        (size != usize::MAX).then_some(size)
    }
}

/// Lets other copies use this one's runtime.
pub(super) fn publish() {
    static IS_DONE: AtomicBool = AtomicBool::new(false);
    if IS_DONE.swap(true, Ordering::Relaxed) {
        return;
    }
    stay_loaded();
    // Makes the root record, if that was not done.
    let _ = crate::heap::on_corruption();
    root::set_anchor(Anchor::Runtime, (&raw const RUNTIME).addr());
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

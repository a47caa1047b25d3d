//! The C runtime of this library, and runtimes of modules' own for C.
//!
//! By default malloc has the process heap's fast front end. It is put on the heap
//! of [`Crt::shared`], whose sizes are exact and which `_get_heap_handle` names,
//! when `libntheap_win32.so` is loaded, or when `NTHEAP_CRT` asks for a mode: then
//! misuse of any heap ends the process as well, as a runtime's start sees to on
//! Windows.
//!
//! `ntheap_crt.h` has the functions at the end: a C or C++ library makes itself a
//! runtime of its own, as one does that links the runtime statically.

use crate::word;
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use heap::crt::debug::{DebugHeap, Origin};
use heap::crt::{Crt, Mode, errno, new_handler};

#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
static AT_LOAD: extern "C" fn() = at_load;

extern "C" fn at_load() {
    if Mode::from_environment().is_some() {
        ntheap_crt_begin();
    }
}

/// Puts malloc on the runtime's heap. `libntheap_win32.so` calls it when it is
/// loaded.
#[unsafe(no_mangle)]
pub extern "C" fn ntheap_crt_begin() {
    // SAFETY: the word is the calling thread's, of this library's front end.
    word::with(|word| unsafe { heap::crt::serve_malloc(word) });
}

/// A place for a module's runtime.
struct Place {
    state: AtomicU8,
    crt: UnsafeCell<MaybeUninit<Crt>>,
}

const FREE: u8 = 0;
const TAKEN: u8 = 1;

// SAFETY: the runtime is written by whoever took the place, before its address
// is handed out, and is shared afterwards as any `Crt` is.
unsafe impl Sync for Place {}

/// As many modules as can have a runtime at a time.
static PLACES: [Place; 256] = [const {
    Place {
        state: AtomicU8::new(FREE),
        crt: UnsafeCell::new(MaybeUninit::uninit()),
    }
}; 256];

/// Whether a module has, or had, a runtime of its own, and with it operators of C++'s.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_modules_own() -> bool {
    HAS_MODULES_OWN.load(Ordering::Relaxed)
}

static HAS_MODULES_OWN: AtomicBool = AtomicBool::new(false);

/// A runtime with a heap of its own, unless `NTHEAP_CRT` says otherwise; null
/// when 256 modules have one. `name` is what reports call the heap.
///
/// # Safety
/// `name` is a string that lives until `ntheap_crt_close`, and `module` an
/// address in the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_crt_open(name: *const c_char, module: *const c_void) -> *mut Crt {
    // SAFETY: the caller's string, which outlives the runtime.
    let name: &'static CStr = unsafe { CStr::from_ptr(name) };
    let name = name.to_str().unwrap_or("C runtime of a module");
    HAS_MODULES_OWN.store(true, Ordering::Relaxed);
    for place in &PLACES {
        let taken = place
            .state
            .compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed);
        if taken.is_ok() {
            let crt = Crt::of_module(name, Mode::Private, module.addr());
            // SAFETY: the place is this thread's alone until its address is
            // handed out.
            return unsafe { (*place.crt.get()).write(crt) };
        }
    }
    ptr::null_mut()
}

/// Ends a module's runtime, as when the module is unloaded: its heap is
/// destroyed, and blocks in use are reported as leaked. How many those are; 0 of
/// null.
///
/// # Safety
/// The runtime is null or came from `ntheap_crt_open`, and nobody uses it or a block of it
/// any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_crt_close(crt: *mut Crt) -> usize {
    if crt.is_null() {
        return 0;
    }
    // SAFETY: the caller's runtime.
    let leaked = unsafe { (*crt).detach() };
    let place = PLACES
        .iter()
        .find(|place| place.crt.get().addr() == crt.addr());
    if let Some(place) = place {
        place.state.store(FREE, Ordering::Release);
    }
    leaked
}

/// malloc of a module's runtime.
///
/// # Safety
/// The runtime is open, or null, as it is where none could be opened; so for all
/// functions below.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_crt_malloc(crt: *const Crt, size: usize) -> *mut c_void {
    if crt.is_null() {
        return no_runtime();
    }
    // SAFETY: the caller's runtime.
    unsafe { (*crt).malloc(size).cast() }
}

/// What a module gets whose runtime could not be opened: null, and ENOMEM.
#[cold]
fn no_runtime() -> *mut c_void {
    errno::set(errno::ENOMEM);
    ptr::null_mut()
}

/// calloc of a module's runtime.
///
/// # Safety
/// As for [`ntheap_crt_malloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_crt_calloc(
    crt: *const Crt,
    count: usize,
    size: usize,
) -> *mut c_void {
    if crt.is_null() {
        return no_runtime();
    }
    // SAFETY: the caller's runtime.
    unsafe { (*crt).calloc(count, size).cast() }
}

/// realloc of a module's runtime.
///
/// # Safety
/// As for [`ntheap_crt_malloc`]; if it succeeds, nobody uses the old block any
/// more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_crt_realloc(
    crt: *const Crt,
    block: *mut c_void,
    size: usize,
) -> *mut c_void {
    if crt.is_null() {
        return no_runtime();
    }
    // SAFETY: the caller's runtime and block.
    unsafe { (*crt).realloc(block.cast(), size).cast() }
}

/// free of a module's runtime: what is no block of its heap is reported.
///
/// # Safety
/// As for [`ntheap_crt_malloc`]; nobody uses the block any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_crt_free(crt: *const Crt, block: *mut c_void) {
    if crt.is_null() || block.is_null() {
        return;
    }
    // SAFETY: the caller's runtime and block. What is none was reported.
    errno::keep(|| unsafe {
        let _ = (*crt).free(block.cast());
    });
}

/// _msize of a module's runtime; the largest number, and ENOMEM, of no runtime.
///
/// # Safety
/// As for [`ntheap_crt_malloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_crt_msize(crt: *const Crt, block: *mut c_void) -> usize {
    if crt.is_null() {
        no_runtime();
        return usize::MAX;
    }
    // SAFETY: the caller's runtime.
    unsafe { (*crt).msize(block.cast()) }
}

/// _aligned_malloc of a module's runtime.
///
/// # Safety
/// As for [`ntheap_crt_malloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_crt_aligned_malloc(
    crt: *const Crt,
    size: usize,
    alignment: usize,
) -> *mut c_void {
    if crt.is_null() {
        return no_runtime();
    }
    // SAFETY: the caller's runtime.
    unsafe { (*crt).aligned_malloc(size, alignment).cast() }
}

/// _aligned_free of a module's runtime.
///
/// # Safety
/// As for [`ntheap_crt_free`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_crt_aligned_free(crt: *const Crt, block: *mut c_void) {
    if crt.is_null() || block.is_null() {
        return;
    }
    // SAFETY: the caller's runtime and block.
    errno::keep(|| unsafe { (*crt).aligned_free(block.cast()) });
}

/// One attempt of `operator new` at a block of a module's runtime, which does not
/// ask the new handler: the caller does.
///
/// # Safety
/// As for [`ntheap_crt_malloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_crt_new(crt: *const Crt, size: usize) -> *mut c_void {
    if crt.is_null() {
        return no_runtime();
    }
    // SAFETY: the caller's runtime.
    new_handler::without_asking(|| unsafe { (*crt).malloc(size).cast() })
}

/// As [`ntheap_crt_new`], at a block of `_aligned_malloc`; a size of 0 is one of 1.
///
/// # Safety
/// As for [`ntheap_crt_malloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_crt_aligned_new(
    crt: *const Crt,
    size: usize,
    alignment: usize,
) -> *mut c_void {
    if crt.is_null() {
        return no_runtime();
    }
    // SAFETY: the caller's runtime.
    let attempt = || unsafe { (*crt).aligned_malloc(size.max(1), alignment).cast() };
    new_handler::without_asking(attempt)
}

/// As [`ntheap_crt_new`], at a debug block.
///
/// # Safety
/// `file` is null or a text that lives as long as the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_crt_debug_new(
    size: usize,
    block_use: c_int,
    file: *const c_char,
    line: c_int,
) -> *mut c_void {
    // SAFETY: the caller's text.
    let origin = unsafe { Origin::from_raw(file, line) };
    new_handler::without_asking(|| DebugHeap::shared().allocate(size, block_use, origin).cast())
}

/// As [`ntheap_crt_new`], at a block of `allocate`.
///
/// # Safety
/// `allocate` is malloc.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_crt_new_by(
    allocate: unsafe extern "C" fn(usize) -> *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: malloc takes any size.
    let block = new_handler::without_asking(|| unsafe { allocate(size) });
    #[cfg(target_arch = "x86_64")]
    let block = crate::operators::note(block, heap::heap::checked::Family::New as u8);
    block
}

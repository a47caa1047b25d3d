//! The task allocator by its functions, and as an object.

use super::allocator;
use super::spy::{self, Telling};
use super::told;
use super::types::{
    E_INVALIDARG, E_NOINTERFACE, E_POINTER, HRESULT, IID_IMalloc, IID_IUnknown, IMalloc,
    IMallocVtbl, LPMALLOC, MEMCTX_TASK, REFIID, S_OK,
};
use crate::trace;
use crate::win32::types::{DWORD, LPVOID, SIZE_T, ULONG};
use core::ffi::c_void;
use core::ptr;

/// The allocator as an object: there is one, and one that is told of (told.rs).
#[repr(transparent)]
pub(super) struct Object(IMalloc);

// SAFETY: it is never written, and its methods may be called by any thread.
unsafe impl Sync for Object {}

impl Object {
    pub(super) const fn new(methods: &'static IMallocVtbl) -> Object {
        Object(IMalloc {
            lpVtbl: &raw const *methods,
        })
    }
}

pub(super) const METHODS: IMallocVtbl = IMallocVtbl {
    QueryInterface: query_interface,
    AddRef: add_reference,
    Release: add_reference,
    Alloc: alloc,
    Realloc: realloc,
    Free: free,
    GetSize: get_size,
    DidAlloc: did_alloc,
    HeapMinimize: heap_minimize,
};

static MALLOC: Object = Object::new(&METHODS);

unsafe extern "system" fn query_interface(
    this: *mut IMalloc,
    identifier: REFIID,
    object: *mut *mut c_void,
) -> HRESULT {
    if identifier.is_null() || object.is_null() {
        return E_POINTER;
    }
    // SAFETY: the caller's places.
    unsafe {
        let is_known = matches!(identifier.read_unaligned(), IID_IUnknown | IID_IMalloc);
        object.write_unaligned(if is_known {
            this.cast()
        } else {
            ptr::null_mut()
        });
        if is_known { S_OK } else { E_NOINTERFACE }
    }
}

/// The object is there for ever: nothing is counted.
unsafe extern "system" fn add_reference(_this: *mut IMalloc) -> ULONG {
    1
}

unsafe extern "system" fn alloc(_this: *mut IMalloc, bytes: SIZE_T) -> LPVOID {
    allocate(bytes)
}

unsafe extern "system" fn realloc(_this: *mut IMalloc, block: LPVOID, bytes: SIZE_T) -> LPVOID {
    // SAFETY: the caller's promise.
    unsafe { resize(block, bytes) }
}

unsafe extern "system" fn free(_this: *mut IMalloc, block: LPVOID) {
    // SAFETY: the caller's promise.
    unsafe { release(block) };
}

unsafe extern "system" fn get_size(_this: *mut IMalloc, block: LPVOID) -> SIZE_T {
    if block.is_null() {
        return SIZE_T::MAX;
    }
    match Telling::begin() {
        // SAFETY: a spy's maker made that promise.
        Some(spy) => unsafe { spy.size_of(block.cast()) },
        None => allocator::size_of(block.cast()),
    }
}

unsafe extern "system" fn did_alloc(_this: *mut IMalloc, block: LPVOID) -> i32 {
    if block.is_null() {
        return -1;
    }
    match Telling::begin() {
        // SAFETY: a spy's maker made that promise.
        Some(spy) => unsafe { spy.did_allocate(block.cast()) },
        None => i32::from(allocator::is_block(block.cast())),
    }
}

unsafe extern "system" fn heap_minimize(_this: *mut IMalloc) {
    match Telling::begin() {
        // SAFETY: a spy's maker made that promise.
        Some(spy) => unsafe { spy.minimize() },
        None => allocator::minimize(),
    }
}

/// Allocates task memory, telling a spy.
pub(super) fn allocate(bytes: usize) -> LPVOID {
    if spy::is_none() {
        return allocator::allocate(bytes).cast();
    }
    match Telling::begin() {
        // SAFETY: a spy's maker made that promise.
        Some(spy) => unsafe { spy.allocate(bytes) }.cast(),
        None => allocator::allocate(bytes).cast(),
    }
}

/// Resizes task memory, telling a spy.
///
/// # Safety
/// Nobody uses the block by its old address, unless this is null and `bytes` is not 0.
pub(super) unsafe fn resize(block: LPVOID, bytes: usize) -> LPVOID {
    // SAFETY: the caller's promise, and that of a spy's maker.
    unsafe {
        match Telling::begin() {
            Some(spy) => spy.resize(block.cast(), bytes).cast(),
            None if block.is_null() && bytes != 0 => allocator::allocate(bytes).cast(),
            None if bytes == 0 => {
                allocator::free(block.cast());
                ptr::null_mut()
            }
            None => allocator::resize(block.cast(), bytes).cast(),
        }
    }
}

/// Frees task memory, or null, telling a spy.
///
/// # Safety
/// Nobody uses the block any more.
pub(super) unsafe fn release(block: LPVOID) {
    if block.is_null() {
        return;
    }
    // SAFETY: the caller's promise, and that of a spy's maker.
    unsafe {
        match Telling::begin() {
            Some(spy) => spy.free(block.cast()),
            None => allocator::free(block.cast()),
        }
    }
}

/// The task allocator: the object behind [`CoTaskMemAlloc`], which lives for ever. Only
/// MEMCTX_TASK is known: S_OK. For other contexts E_INVALIDARG, and null is told. Once
/// somebody listens to the calls it is another one, whose calls are told.
///
/// Source: "CoGetMalloc function (combaseapi.h)".
///
/// # Safety
/// `malloc` leads to room for an address, or is null, which is E_INVALIDARG.
pub unsafe extern "system" fn CoGetMalloc(context: DWORD, malloc: *mut LPMALLOC) -> HRESULT {
    if malloc.is_null() {
        return E_INVALIDARG;
    }
    let is_known = context == MEMCTX_TASK;
    let found = if !is_known {
        ptr::null()
    } else if trace::is_listening() {
        &raw const told::MALLOC
    } else {
        &raw const MALLOC
    };
    // SAFETY: the caller's place.
    unsafe { malloc.write_unaligned(found.cast_mut().cast()) };
    if is_known { S_OK } else { E_INVALIDARG }
}

/// A block of the task allocator's, of `bytes` bytes, at a multiple of 16; of 0 bytes a
/// block of its own. Null when there is no memory. The last error stays as it was.
///
/// Any thread may free it. Constant time on most paths.
///
/// Source: "CoTaskMemAlloc function (combaseapi.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn CoTaskMemAlloc(bytes: SIZE_T) -> LPVOID {
    allocate(bytes)
}

/// A block with another size, wherever it then is; of null, a new one. 0 bytes free it, and
/// null is returned. Null otherwise when there is no memory, and the block as it was.
///
/// Source: "CoTaskMemRealloc function (combaseapi.h)".
///
/// # Safety
/// Nobody uses the block by its old address, unless null is returned for more than 0
/// bytes.
pub unsafe extern "system" fn CoTaskMemRealloc(block: LPVOID, bytes: SIZE_T) -> LPVOID {
    // SAFETY: the caller's promise is the callee's.
    unsafe { resize(block, bytes) }
}

/// Frees a block, or null. What is no block is left alone, and reported once termination on
/// corruption is on.
///
/// Source: "CoTaskMemFree function (combaseapi.h)".
///
/// # Safety
/// Nobody uses the block any more.
pub unsafe extern "system" fn CoTaskMemFree(block: LPVOID) {
    // SAFETY: the caller's promise is the callee's.
    unsafe { release(block) };
}

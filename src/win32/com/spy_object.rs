//! Spies in Rust: a trait, and the object that COM knows.

use super::spy::{CoRegisterMallocSpy, CoRevokeMallocSpy};
use super::types::{
    CO_E_OBJISREG, E_ACCESSDENIED, E_NOINTERFACE, E_POINTER, HRESULT, IID_IMallocSpy, IID_IUnknown,
    IMallocSpy, IMallocSpyVtbl, LPMALLOCSPY, REFIID, S_OK,
};
use crate::win32::types::{BOOL, LPVOID, SIZE_T, ULONG};
use core::ffi::c_void;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

/// What is told of each call of the task allocator, one call at a time, before and after. A
/// method that is not written changes nothing.
///
/// `spied` says that the block was allocated while this spy was registered. Methods may
/// use any heap; what they do with task memory is not told.
///
/// # Safety
/// The methods answer as "IMallocSpy interface (objidl.h)" has it: sizes are no smaller than
/// asked for; an address that a Post method makes of a block lies in it, at a multiple of 16,
/// with as many bytes behind it as were asked for, and the Pre methods turn it back into the
/// block's.
pub unsafe trait MallocSpy: Sync + 'static {
    /// Before `size` bytes are allocated: how many are. 0 fails a request for more.
    fn pre_alloc(&self, size: usize) -> usize {
        size
    }

    /// After that, with the block, or null: what the caller gets.
    fn post_alloc(&self, block: *mut c_void) -> *mut c_void {
        block
    }

    /// Before a block is freed: the address that is.
    fn pre_free(&self, block: *mut c_void, _spied: bool) -> *mut c_void {
        block
    }

    /// After that.
    fn post_free(&self, _spied: bool) {}

    /// Before a block, or null, is made `size` bytes: the address and the size that are used.
    /// A size of 0 fails a request for more. Of a request for 0, which frees, no Post is told.
    fn pre_realloc(&self, block: *mut c_void, size: usize, _spied: bool) -> (*mut c_void, usize) {
        (block, size)
    }

    /// After that, with the block, or null: what the caller gets.
    fn post_realloc(&self, block: *mut c_void, _spied: bool) -> *mut c_void {
        block
    }

    /// Before a block is asked for its size: the address that is.
    fn pre_get_size(&self, block: *mut c_void, _spied: bool) -> *mut c_void {
        block
    }

    /// After that: what the caller gets.
    fn post_get_size(&self, size: usize, _spied: bool) -> usize {
        size
    }

    /// Before an address is asked about: the address that is.
    fn pre_did_alloc(&self, block: *mut c_void, _spied: bool) -> *mut c_void {
        block
    }

    /// After that: what the caller gets, 1, 0 or -1.
    fn post_did_alloc(&self, _block: *mut c_void, _spied: bool, answer: i32) -> i32 {
        answer
    }

    /// Before memory is given back to the system.
    fn pre_heap_minimize(&self) {}

    /// After that.
    fn post_heap_minimize(&self) {}

    /// When the registration has ended, and no more is told.
    fn released(&self) {}
}

/// Why a spy was not registered, or its registration did not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpyError {
    /// There is one already (CO_E_OBJISREG).
    AlreadyRegistered,
    /// There is none (CO_E_OBJNOTREG).
    NotRegistered,
}

impl fmt::Display for SpyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SpyError::AlreadyRegistered => "a spy is registered already",
            SpyError::NotRegistered => "no spy is registered",
        })
    }
}

impl core::error::Error for SpyError {}

/// How a registration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// At once.
    Now,
    /// It ends when the last block that the spy was told of is freed (E_ACCESSDENIED).
    Later,
}

/// A spy as COM knows it, in a static.
///
/// ```
/// use ntheap::win32::{MallocSpy, Revoked, SpyObject, TaskMem, revoke_malloc_spy};
/// use std::ffi::c_void;
/// use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
///
/// struct Count(AtomicIsize);
///
/// // SAFETY: no size or address is changed.
/// unsafe impl MallocSpy for Count {
///     fn post_alloc(&self, block: *mut c_void) -> *mut c_void {
///         self.0.fetch_add(1, Relaxed);
///         block
///     }
///     fn post_free(&self, _spied: bool) {
///         self.0.fetch_sub(1, Relaxed);
///     }
/// }
///
/// static SPY: SpyObject<Count> = SpyObject::new(Count(AtomicIsize::new(0)));
/// SPY.register()?;
/// let kept = TaskMem::new(7)?;
/// drop(TaskMem::new(8)?);
/// assert_eq!(SPY.spy().0.load(Relaxed), 1);
/// assert_eq!(revoke_malloc_spy(), Ok(Revoked::Later));
/// drop(kept);
/// assert!(revoke_malloc_spy().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(C)]
pub struct SpyObject<S: 'static> {
    interface: IMallocSpy,
    references: AtomicU32,
    spy: S,
}

// SAFETY: the table of methods is constant.
unsafe impl<S: Sync> Sync for SpyObject<S> {}
// SAFETY: as above.
unsafe impl<S: Send> Send for SpyObject<S> {}

impl<S: MallocSpy> SpyObject<S> {
    const METHODS: &'static IMallocSpyVtbl = &IMallocSpyVtbl {
        QueryInterface: query_interface::<S>,
        AddRef: add_reference::<S>,
        Release: release::<S>,
        PreAlloc: pre_alloc::<S>,
        PostAlloc: post_alloc::<S>,
        PreFree: pre_free::<S>,
        PostFree: post_free::<S>,
        PreRealloc: pre_realloc::<S>,
        PostRealloc: post_realloc::<S>,
        PreGetSize: pre_get_size::<S>,
        PostGetSize: post_get_size::<S>,
        PreDidAlloc: pre_did_alloc::<S>,
        PostDidAlloc: post_did_alloc::<S>,
        PreHeapMinimize: pre_heap_minimize::<S>,
        PostHeapMinimize: post_heap_minimize::<S>,
    };

    /// The object of a spy.
    pub const fn new(spy: S) -> Self {
        SpyObject {
            interface: IMallocSpy {
                lpVtbl: Self::METHODS,
            },
            references: AtomicU32::new(0),
            spy,
        }
    }

    /// The spy.
    pub fn spy(&self) -> &S {
        &self.spy
    }

    /// Registers the spy ([`CoRegisterMallocSpy`]).
    ///
    /// # Errors
    /// [`SpyError::AlreadyRegistered`].
    pub fn register(&'static self) -> Result<(), SpyError> {
        let object = (&raw const *self).cast_mut().cast();
        // SAFETY: the object lives for ever; its spy answers as its maker promised.
        match unsafe { CoRegisterMallocSpy(object) } {
            S_OK => Ok(()),
            answer => {
                debug_assert_eq!(answer, CO_E_OBJISREG);
                Err(SpyError::AlreadyRegistered)
            }
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for SpyObject<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpyObject").field(&self.spy).finish()
    }
}

/// Ends the registration of the spy there is ([`CoRevokeMallocSpy`]).
///
/// # Errors
/// [`SpyError::NotRegistered`].
pub fn revoke_malloc_spy() -> Result<Revoked, SpyError> {
    // SAFETY: no promise to keep.
    match unsafe { CoRevokeMallocSpy() } {
        S_OK => Ok(Revoked::Now),
        E_ACCESSDENIED => Ok(Revoked::Later),
        _ => Err(SpyError::NotRegistered),
    }
}

/// The object at an address.
///
/// # Safety
/// It is that of a [`SpyObject<S>`], which is static.
unsafe fn object<S>(this: LPMALLOCSPY) -> &'static SpyObject<S> {
    // SAFETY: the caller's promise; the interface is the object's first member.
    unsafe { &*this.cast() }
}

unsafe extern "system" fn query_interface<S: MallocSpy>(
    this: LPMALLOCSPY,
    identifier: REFIID,
    found: *mut *mut c_void,
) -> HRESULT {
    if identifier.is_null() || found.is_null() {
        return E_POINTER;
    }
    // SAFETY: the caller's places, and its object.
    unsafe {
        let is_known = matches!(identifier.read_unaligned(), IID_IUnknown | IID_IMallocSpy);
        found.write_unaligned(if is_known {
            this.cast()
        } else {
            core::ptr::null_mut()
        });
        if !is_known {
            return E_NOINTERFACE;
        }
        add_reference::<S>(this);
    }
    S_OK
}

unsafe extern "system" fn add_reference<S: MallocSpy>(this: LPMALLOCSPY) -> ULONG {
    // SAFETY: the methods are of such objects only.
    unsafe { object::<S>(this) }
        .references
        .fetch_add(1, Ordering::Relaxed)
        .wrapping_add(1)
}

unsafe extern "system" fn release<S: MallocSpy>(this: LPMALLOCSPY) -> ULONG {
    // SAFETY: as above.
    let object = unsafe { object::<S>(this) };
    let left = object
        .references
        .fetch_sub(1, Ordering::AcqRel)
        .wrapping_sub(1);
    if left == 0 {
        object.spy.released();
    }
    left
}

macro_rules! methods {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? {
        $spy:ident => $answer:expr
    })*) => {
        $(
            unsafe extern "system" fn $name<S: MallocSpy>(
                this: LPMALLOCSPY $(, $argument: $type)*
            ) $(-> $result)? {
                // SAFETY: the methods are of such objects only.
                let $spy = &unsafe { object::<S>(this) }.spy;
                $answer
            }
        )*
    };
}

methods! {
    fn pre_alloc(size: SIZE_T) -> SIZE_T { spy => spy.pre_alloc(size) }
    fn post_alloc(block: LPVOID) -> LPVOID { spy => spy.post_alloc(block) }
    fn pre_free(block: LPVOID, spied: BOOL) -> LPVOID { spy => spy.pre_free(block, spied != 0) }
    fn post_free(spied: BOOL) { spy => spy.post_free(spied != 0) }
    fn post_realloc(block: LPVOID, spied: BOOL) -> LPVOID {
        spy => spy.post_realloc(block, spied != 0)
    }
    fn pre_get_size(block: LPVOID, spied: BOOL) -> LPVOID {
        spy => spy.pre_get_size(block, spied != 0)
    }
    fn post_get_size(size: SIZE_T, spied: BOOL) -> SIZE_T {
        spy => spy.post_get_size(size, spied != 0)
    }
    fn pre_did_alloc(block: LPVOID, spied: BOOL) -> LPVOID {
        spy => spy.pre_did_alloc(block, spied != 0)
    }
    fn post_did_alloc(block: LPVOID, spied: BOOL, answer: i32) -> i32 {
        spy => spy.post_did_alloc(block, spied != 0, answer)
    }
    fn pre_heap_minimize() { spy => spy.pre_heap_minimize() }
    fn post_heap_minimize() { spy => spy.post_heap_minimize() }
}

unsafe extern "system" fn pre_realloc<S: MallocSpy>(
    this: LPMALLOCSPY,
    block: LPVOID,
    size: SIZE_T,
    request: *mut LPVOID,
    spied: BOOL,
) -> SIZE_T {
    // SAFETY: as above.
    let spy = &unsafe { object::<S>(this) }.spy;
    let (block, size) = spy.pre_realloc(block, size, spied != 0);
    // SAFETY: the allocator's place.
    unsafe { request.write(block) };
    size
}

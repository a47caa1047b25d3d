//! A spy: who it is, and what it is told.
//!
//! ```text
//!   none --register--> registered --revoke, no block left------------> none
//!                          |                                            ^
//!                          +--revoke, blocks left--> ending --last freed+
//! ```
//!
//! Source: "CoRegisterMallocSpy function", "CoRevokeMallocSpy function", "IMallocSpy
//! interface". What those leave open: the calls that a spy makes are not told to it;
//! while it is ending it is told of all calls still; a block from before its
//! registration stays one when it is resized; IMalloc's GetSize and DidAlloc of null
//! are not told.

use super::allocator;
use super::spied::Spied;
use super::types::{
    CO_E_OBJISREG, CO_E_OBJNOTREG, E_ACCESSDENIED, E_INVALIDARG, HRESULT, IID_IMallocSpy,
    IMallocSpy, IMallocSpyVtbl, LPMALLOCSPY, S_OK,
};
use crate::sync::forks::{self, AtFork, Layer};
use crate::sync::{Lock, Mutex};
use crate::win32::types::{BOOL, LPVOID};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What is known of the spy. Held over no call of the program's.
struct State {
    spy: Option<NonNull<IMallocSpy>>,
    is_ending: bool,
    /// Whether a call is between its Pre and its Post that makes a block of the spy's.
    is_making: bool,
    spied: Spied,
}

// SAFETY: a spy's methods may be called by any thread, as its maker promises.
unsafe impl Send for State {}

static STATE: Mutex<State> = Mutex::new(State {
    spy: None,
    is_ending: false,
    is_making: false,
    spied: Spied::new(),
});
/// Whether there is a spy: looked at first.
static IS_THERE: AtomicBool = AtomicBool::new(false);
/// Held from a spy's Pre to its Post.
static TELLING: Lock = Lock::new();
/// The thread that holds it; 0 if nobody does.
static TELLER: AtomicUsize = AtomicUsize::new(0);

/// A spy that is being told of a call; only one thread has one.
pub(super) struct Telling {
    spy: NonNull<IMallocSpy>,
}

/// Whether no spy need be asked for.
#[inline(always)]
pub(super) fn is_none() -> bool {
    !IS_THERE.load(Ordering::Acquire)
}

impl Telling {
    /// The spy, if there is one and the thread is not called by it.
    pub(super) fn begin() -> Option<Telling> {
        if is_none() {
            return None;
        }
        let me = crate::sys::thread_token();
        if TELLER.load(Ordering::Relaxed) == me {
            return None;
        }
        TELLING.acquire();
        TELLER.store(me, Ordering::Relaxed);
        match STATE.lock().spy {
            Some(spy) => Some(Telling { spy }),
            None => {
                stop();
                None
            }
        }
    }

    fn table(&self) -> &IMallocSpyVtbl {
        // SAFETY: a registered spy lives until it is released.
        unsafe { &*(*self.spy.as_ptr()).lpVtbl }
    }

    fn this(&self) -> LPMALLOCSPY {
        self.spy.as_ptr()
    }

    fn is_spied(&self, block: *mut u8) -> BOOL {
        BOOL::from(STATE.lock().spied.has(block.addr()))
    }

    /// Allocates `size` bytes; null if the spy, or the heap, has it so.
    ///
    /// # Safety
    /// The spy's methods may be called, and return what is documented.
    pub(super) unsafe fn allocate(&self, size: usize) -> *mut u8 {
        {
            let mut state = STATE.lock();
            if !state.spied.reserve() {
                return ptr::null_mut();
            }
            state.is_making = true;
        }
        // SAFETY: the caller's promise.
        unsafe {
            let actual = (self.table().PreAlloc)(self.this(), size);
            if actual == 0 && size != 0 {
                return ptr::null_mut();
            }
            let block = allocator::allocate(actual);
            let block = (self.table().PostAlloc)(self.this(), block.cast());
            STATE.lock().spied.insert(block.addr());
            block.cast()
        }
    }

    /// Frees a block that is not null.
    ///
    /// # Safety
    /// As for [`Telling::allocate`]; nobody uses the block any more.
    pub(super) unsafe fn free(&self, block: *mut u8) {
        let spied = self.is_spied(block);
        // SAFETY: the caller's promise.
        unsafe {
            let actual = (self.table().PreFree)(self.this(), block.cast(), spied);
            allocator::free(actual.cast());
            STATE.lock().spied.remove(block.addr());
            (self.table().PostFree)(self.this(), spied);
        }
    }

    /// Resizes a block, or null; null if the spy, or the heap, has it so, and the block
    /// as it was, unless `size` is 0.
    ///
    /// # Safety
    /// As for [`Telling::free`].
    pub(super) unsafe fn resize(&self, block: *mut u8, size: usize) -> *mut u8 {
        // Null counts as the spy's: what comes of it is.
        let spied = BOOL::from(block.is_null()) | self.is_spied(block);
        {
            let mut state = STATE.lock();
            if !state.spied.reserve() && size != 0 {
                return ptr::null_mut();
            }
            state.is_making = block.is_null() && size != 0;
        }
        // SAFETY: the caller's promise.
        unsafe {
            let mut request: LPVOID = block.cast();
            let this = self.this();
            let actual =
                (self.table().PreRealloc)(this, block.cast(), size, &raw mut request, spied);
            if size == 0 {
                allocator::free(request.cast());
                STATE.lock().spied.remove(block.addr());
                return ptr::null_mut();
            }
            if actual == 0 {
                return ptr::null_mut();
            }
            let new = if request.is_null() {
                allocator::allocate(actual)
            } else {
                allocator::resize(request.cast(), actual)
            };
            let told = (self.table().PostRealloc)(this, new.cast(), spied);
            if new.is_null() {
                return ptr::null_mut();
            }
            if spied != 0 {
                let mut state = STATE.lock();
                state.spied.remove(block.addr());
                state.spied.insert(told.addr());
            }
            told.cast()
        }
    }

    /// A block's size.
    ///
    /// # Safety
    /// As for [`Telling::allocate`].
    pub(super) unsafe fn size_of(&self, block: *mut u8) -> usize {
        let spied = self.is_spied(block);
        // SAFETY: the caller's promise.
        unsafe {
            let actual = (self.table().PreGetSize)(self.this(), block.cast(), spied);
            let size = allocator::size_of(actual.cast());
            (self.table().PostGetSize)(self.this(), size, spied)
        }
    }

    /// Whether an address is a block's.
    ///
    /// # Safety
    /// As for [`Telling::allocate`].
    pub(super) unsafe fn did_allocate(&self, block: *mut u8) -> i32 {
        let spied = self.is_spied(block);
        // SAFETY: the caller's promise.
        unsafe {
            let actual = (self.table().PreDidAlloc)(self.this(), block.cast(), spied);
            let is_block = i32::from(allocator::is_block(actual.cast()));
            (self.table().PostDidAlloc)(self.this(), block.cast(), spied, is_block)
        }
    }

    /// Gives free memory back.
    ///
    /// # Safety
    /// As for [`Telling::allocate`].
    pub(super) unsafe fn minimize(&self) {
        // SAFETY: the caller's promise.
        unsafe {
            (self.table().PreHeapMinimize)(self.this());
            allocator::minimize();
            (self.table().PostHeapMinimize)(self.this());
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let gone = forget_if_ended();
        stop();
        release(gone);
    }
}

/// Lets other threads tell.
fn stop() {
    TELLER.store(0, Ordering::Relaxed);
    TELLING.release();
}

/// At a call's end: forgets a spy that is ending and has no block left; it is to be
/// released.
fn forget_if_ended() -> Option<NonNull<IMallocSpy>> {
    let mut state = STATE.lock();
    state.is_making = false;
    if !state.is_ending || state.spied.count() != 0 {
        return None;
    }
    state.is_ending = false;
    state.spied.clear();
    IS_THERE.store(false, Ordering::Release);
    state.spy.take()
}

fn release(spy: Option<NonNull<IMallocSpy>>) {
    if let Some(spy) = spy {
        // SAFETY: the reference that QueryInterface gave, for the last time.
        unsafe { ((*(*spy.as_ptr()).lpVtbl).Release)(spy.as_ptr()) };
    }
}

/// Registers a spy, whose QueryInterface for IMallocSpy gives the reference that is
/// kept: from then on it is told of every call of the task allocator, by any thread, one
/// at a time.
///
/// S_OK; E_INVALIDARG for null, and for what is no spy by its QueryInterface;
/// CO_E_OBJISREG when one is registered. Constant time.
///
/// Source: "CoRegisterMallocSpy function (objbase.h)".
///
/// # Safety
/// The spy lives until it is released, its methods may be called by any thread, and the
/// addresses that they return are blocks, and the sizes large enough, as "IMallocSpy
/// interface" has it.
pub unsafe extern "system" fn CoRegisterMallocSpy(spy: LPMALLOCSPY) -> HRESULT {
    let Some(given) = NonNull::new(spy) else {
        return E_INVALIDARG;
    };
    if STATE.lock().spy.is_some() {
        return CO_E_OBJISREG;
    }
    let mut found: LPVOID = ptr::null_mut();
    // SAFETY: the caller's spy.
    let answer = unsafe {
        ((*(*given.as_ptr()).lpVtbl).QueryInterface)(spy, &IID_IMallocSpy, &raw mut found)
    };
    let Some(found) = NonNull::new(found.cast::<IMallocSpy>()).filter(|_| answer >= 0) else {
        return E_INVALIDARG;
    };
    forget_tellers_in_children();
    {
        let mut state = STATE.lock();
        if state.spy.is_none() {
            state.spy = Some(found);
            state.is_ending = false;
            IS_THERE.store(true, Ordering::Release);
            return S_OK;
        }
    }
    // Another thread came first.
    release(Some(found));
    CO_E_OBJISREG
}

/// Ends a spy's registration. S_OK when it was released; E_ACCESSDENIED while there are
/// blocks that it was told of: it is told of all calls still, and released when the last of those is
/// freed; CO_E_OBJNOTREG when there is none. Called by a method of the spy's, a block that
/// is just being allocated is one of those, and the release waits for the call's end.
///
/// Waits for a call that the spy is just told of, unless that is the caller.
///
/// Source: "CoRevokeMallocSpy function (objbase.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn CoRevokeMallocSpy() -> HRESULT {
    let telling = Telling::begin();
    let left = {
        let mut state = STATE.lock();
        if state.spy.is_none() {
            return CO_E_OBJNOTREG;
        }
        state.is_ending = true;
        // What is being made counts as a block: the spy has it change already.
        state.spied.count() + usize::from(state.is_making)
    };
    // Released with this, or by the call of the spy's that came here.
    drop(telling);
    if left == 0 { S_OK } else { E_ACCESSDENIED }
}

/// In a forked child nobody tells who is not there any more.
fn forget_tellers_in_children() {
    static FORK: AtFork = AtFork {
        child,
        ..AtFork::locks(&[STATE.raw()])
    };
    forks::hold(Layer::Spies, &FORK);
}

fn child() {
    if TELLER.load(Ordering::Relaxed) != crate::sys::thread_token() {
        TELLER.store(0, Ordering::Relaxed);
        TELLING.reset();
        // The thread that was making a block is not in the child.
        STATE.lock().is_making = false;
    }
}

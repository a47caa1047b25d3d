//! An instance of the C runtime: a name, and the heap it is on.

use super::mode::Mode;
use crate::heap::private::{self, Error, Handle, HeapRef, Settings, flags};
use crate::sync::Once;
use core::fmt;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

/// The name of the heap of the runtime that all modules share.
pub(crate) const RUNTIME: &str = "C runtime";

/// An instance of the C runtime.
///
/// A constant: its heap is made at the first use, by whichever thread comes
/// first. All functions may be called from any thread. A null result means that
/// the system has no memory to give, or a size above [`super::MAX_REQUEST`].
pub struct Crt {
    name: &'static str,
    /// What the environment does not overrule.
    mode: Mode,
    /// The heap's handle, 0 before it is made.
    handle: AtomicUsize,
    made: Once,
}

/// The runtime that all modules share, and the C library's.
pub(super) static SHARED: Crt = Crt::with_mode(RUNTIME, Mode::Process);

impl Crt {
    /// The runtime that modules share which link it dynamically: one heap for
    /// all. It is on the process heap unless `NTHEAP_CRT` says otherwise.
    pub fn shared() -> &'static Crt {
        &SHARED
    }

    /// The runtime of a module that links it statically, with a heap of its
    /// own, unless `NTHEAP_CRT` says otherwise. Reports call the heap `name`.
    pub const fn private(name: &'static str) -> Crt {
        Crt::with_mode(name, Mode::Private)
    }

    /// An instance in a mode of its maker's choice, which `NTHEAP_CRT`
    /// overrules.
    pub const fn with_mode(name: &'static str, mode: Mode) -> Crt {
        Crt {
            name,
            mode,
            handle: AtomicUsize::new(0),
            made: Once::new(),
        }
    }

    /// The instance's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Which heap it is on.
    pub fn mode(&self) -> Mode {
        Mode::from_environment().unwrap_or(self.mode)
    }

    /// Its heap, made if it was not. Fails when the system has no memory.
    #[inline]
    pub fn heap(&self) -> Result<Handle, Error> {
        match self.handle.load(Ordering::Acquire) {
            0 => self.start(),
            address => Ok(Handle::unchecked(address)),
        }
    }

    #[cold]
    fn start(&self) -> Result<Handle, Error> {
        if self.made.begin() {
            let made = match self.mode() {
                Mode::Private => make(self.name),
                Mode::Shared if ptr::eq(self, &SHARED) => make(RUNTIME),
                Mode::Shared => SHARED.heap(),
                Mode::Process => Handle::process(),
            };
            if let Ok(handle) = made {
                self.handle.store(handle.address(), Ordering::Release);
            }
            self.made.end(made.is_ok());
            return made;
        }
        Ok(Handle::unchecked(self.handle.load(Ordering::Acquire)))
    }

    /// Allocates `size` bytes at a multiple of 16; null when that fails. A size
    /// of 0 gives a block of its own.
    pub fn allocate(&self, size: usize) -> *mut u8 {
        self.allocate_with(0, size)
    }

    /// [`Crt::allocate`] of zeroed bytes.
    pub fn allocate_zeroed(&self, size: usize) -> *mut u8 {
        self.allocate_with(flags::ZERO_MEMORY, size)
    }

    fn allocate_with(&self, flags: u32, size: usize) -> *mut u8 {
        if size > super::MAX_REQUEST {
            return ptr::null_mut();
        }
        let Ok(heap) = self.heap() else {
            return ptr::null_mut();
        };
        // SAFETY: the heap is serialized, as all that are made here.
        let block = unsafe { private::allocate(heap, flags, size) };
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// Frees a block of the instance's heap. What is none is reported, and is an
    /// error if the process goes on.
    ///
    /// # Safety
    /// If it is a block, nobody uses it any more.
    pub unsafe fn free(&self, block: *mut u8) -> Result<(), Error> {
        let heap = HeapRef::new(self.heap()?)?;
        // SAFETY: the heap is serialized; the rest is the caller's promise.
        unsafe { heap.free::<false>(block) }
    }

    /// Resizes a block, moving it if it must be; null, and the block as it was,
    /// when that fails.
    ///
    /// # Safety
    /// If this succeeds, nobody uses the old block any more.
    pub unsafe fn reallocate(&self, block: *mut u8, size: usize) -> *mut u8 {
        let Ok(heap) = self.heap() else {
            return ptr::null_mut();
        };
        // SAFETY: as in `free`.
        let new = unsafe { private::reallocate(heap, 0, block, size) };
        new.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// The bytes that a block was asked for; `None`, after a report, for what is
    /// no block of the instance's heap.
    pub fn size_of(&self, block: *const u8) -> Option<usize> {
        private::size_of(self.heap().ok()?, 0, block).ok()
    }

    /// Whether a block of the instance's heap that is in use starts at the
    /// address. Reports nothing; any address will do.
    pub fn owns(&self, block: *const u8) -> bool {
        !block.is_null()
            && self
                .heap()
                .is_ok_and(|heap| private::validate(heap, 0, block))
    }
}

impl fmt::Debug for Crt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Crt")
            .field("name", &self.name)
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}

/// A heap as the C runtime makes it: HeapCreate(0, 0, 0).
fn make(name: &str) -> Result<Handle, Error> {
    let settings = Settings {
        name,
        action: Some(crate::heap::on_corruption()),
        ..Settings::DEFAULT
    };
    // SAFETY: the settings give no memory.
    unsafe { private::create(&settings) }
}

//! An instance of the C runtime: a name, and the heap it is on.

use super::leaks;
use super::mode::Mode;
use super::runtime::{self, Runtime};
use crate::heap::private::{self, Error, Handle, HeapRef, Settings, flags};
use crate::heap::{Word, checked};
use crate::sync::Once;
use core::fmt;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The name of the heap of the runtime that all modules share.
const RUNTIME: &str = "C runtime";

/// An instance of the C runtime.
///
/// A constant: its heap is made at the first use, by whichever thread comes
/// first. All functions may be called from any thread. A null result means that
/// the system has no memory to give, or a size above [`MAX_REQUEST`].
///
/// ```
/// use ntheap::crt::Crt;
///
/// static PLUGIN: Crt = Crt::private("plugin");
///
/// let block = PLUGIN.allocate(100);
/// assert_eq!(PLUGIN.size_of(block), Some(100));
/// assert!(!Crt::shared().owns(block));
/// // SAFETY: the block is used no more.
/// unsafe { PLUGIN.free(block) }.unwrap();
/// ```
///
/// [`MAX_REQUEST`]: super::MAX_REQUEST
pub struct Crt {
    name: &'static str,
    /// What the environment does not overrule.
    mode: Mode,
    /// An address in the module whose runtime it is; 0 for this copy's own.
    module: usize,
    /// The heap, if it is one of this copy's; null before it is made.
    heap: AtomicPtr<()>,
    /// The heap's handle, in whichever copy it is; 0 before it is made.
    handle: AtomicUsize,
    /// The copy that the heap is in, if it is another one.
    remote: AtomicPtr<Runtime>,
    made: Once,
}

/// The runtime that all modules share, and the C library's.
pub(super) static SHARED: Crt = Crt::with_mode(RUNTIME, Mode::Process);

/// Where an instance's heap is.
enum Place {
    Here(HeapRef),
    Elsewhere(&'static Runtime, usize),
}

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
        Crt::of_module(name, mode, 0)
    }

    /// [`Crt::with_mode`] for the module that `module` is an address in.
    pub const fn of_module(name: &'static str, mode: Mode, module: usize) -> Crt {
        Crt {
            name,
            mode,
            module,
            heap: AtomicPtr::new(ptr::null_mut()),
            handle: AtomicUsize::new(0),
            remote: AtomicPtr::new(ptr::null_mut()),
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

    /// Its heap, made if it was not: a handle of the copy of ntheap that has it.
    /// Fails when the system has no memory.
    pub fn heap(&self) -> Result<Handle, Error> {
        match self.handle.load(Ordering::Acquire) {
            0 => self.start(),
            address => Ok(Handle::unchecked(address)),
        }
    }

    /// Its heap, if it was made and is one of this copy's.
    #[inline(always)]
    pub(super) fn heap_here(&self) -> Option<HeapRef> {
        // SAFETY: set from a heap's own address, and before the heap's end.
        unsafe { HeapRef::from_ptr(self.heap.load(Ordering::Acquire)) }
    }

    #[inline]
    fn place(&self) -> Option<Place> {
        if let Some(heap) = self.heap_here() {
            return Some(Place::Here(heap));
        }
        let handle = self.heap().ok()?.address();
        // SAFETY: null or another copy's table, which stays where it is.
        match unsafe { self.remote.load(Ordering::Acquire).as_ref() } {
            Some(runtime) => Some(Place::Elsewhere(runtime, handle)),
            None => self.heap_here().map(Place::Here),
        }
    }

    /// Whose functions look at the heap, and its handle there; none where there is
    /// no memory for a heap.
    pub(super) fn runtime(&self) -> Option<(&'static Runtime, usize)> {
        Some(match self.place()? {
            Place::Here(heap) => (Runtime::own(), heap.handle().address()),
            Place::Elsewhere(runtime, heap) => (runtime, heap),
        })
    }

    /// Makes the heap. A fork meanwhile leaves the child without the thread that was at
    /// it: the child makes its own, and what was begun stays unused. Where the environment asked for a mode, misuse of any heap
    /// ends the process from here on, as a runtime's start sees to on Windows
    /// ("HeapSetInformation function").
    #[cold]
    fn start(&self) -> Result<Handle, Error> {
        if self.made.begin() {
            let made = self.make();
            self.made.end(made.is_ok());
            runtime::stay_if_shared();
            return made;
        }
        Ok(Handle::unchecked(self.handle.load(Ordering::Acquire)))
    }

    fn make(&self) -> Result<Handle, Error> {
        let mode = self.mode();
        if Mode::from_environment().is_some() {
            private::terminate_on_corruption();
        }
        let own_module = if self.module == 0 {
            (&raw const SHARED).addr()
        } else {
            self.module
        };
        if mode != Mode::Private
            && let Some(runtime) = Runtime::of_the_process()
        {
            let handle = runtime.heap(mode);
            if handle == 0 {
                return Err(Error::NoMemory);
            }
            self.remote
                .store((&raw const *runtime).cast_mut(), Ordering::Release);
            self.handle.store(handle, Ordering::Release);
            return Ok(Handle::unchecked(handle));
        }
        let handle = match mode {
            Mode::Private => create(self.name, own_module),
            Mode::Shared => shared_heap(),
            Mode::Process => Handle::process(),
        }?;
        self.heap
            .store(HeapRef::new(handle)?.as_ptr(), Ordering::Release);
        self.handle.store(handle.address(), Ordering::Release);
        Ok(handle)
    }

    /// Allocates `size` bytes at a multiple of 16; null when that fails. A size
    /// of 0 gives a block of its own.
    pub fn allocate(&self, size: usize) -> *mut u8 {
        self.allocate_as(0, size, 16)
    }

    /// [`Crt::allocate`] of zeroed bytes.
    pub fn allocate_zeroed(&self, size: usize) -> *mut u8 {
        self.allocate_as(flags::ZERO_MEMORY, size, 16)
    }

    /// [`Crt::allocate`] with a heap's flags, at a multiple of `align`, a power
    /// of two.
    pub(super) fn allocate_as(&self, flags: u32, size: usize, align: usize) -> *mut u8 {
        if size > super::MAX_REQUEST {
            return ptr::null_mut();
        }
        match self.place() {
            Some(Place::Here(heap)) => {
                let block = if flags == 0 {
                    // SAFETY: the heap is serialized, as all are that are made
                    // here.
                    unsafe { heap.allocate::<false>(size, align) }
                } else {
                    heap.allocate_rest(flags, size, align)
                };
                block.map_or(ptr::null_mut(), NonNull::as_ptr)
            }
            Some(Place::Elsewhere(runtime, heap)) => runtime.allocate(heap, flags, size, align),
            None => ptr::null_mut(),
        }
    }

    /// Frees a block of the instance's heap. What is none is reported, and is an
    /// error if the process goes on.
    ///
    /// # Safety
    /// If it is a block, nobody uses it any more.
    pub unsafe fn free(&self, block: *mut u8) -> Result<(), Error> {
        // SAFETY: the caller's promise.
        unsafe { self.free_as("free", block) }
    }

    /// [`Crt::free`] of a function that reports are to call `operation`.
    ///
    /// # Safety
    /// As for [`Crt::free`].
    pub(super) unsafe fn free_as(&self, operation: &str, block: *mut u8) -> Result<(), Error> {
        match self.place() {
            // SAFETY: the heap is serialized; the rest is the caller's promise.
            Some(Place::Here(heap)) => unsafe { heap.free_as(operation, block) },
            // SAFETY: as above.
            Some(Place::Elsewhere(runtime, heap)) => unsafe {
                let done = runtime.free(operation, heap, block);
                done.then_some(()).ok_or(Error::NotABlock)
            },
            None => Err(Error::NoMemory),
        }
    }

    /// Resizes a block, moving it if it must be; null, and the block as it was,
    /// when that fails.
    ///
    /// # Safety
    /// If this succeeds, nobody uses the old block any more.
    pub unsafe fn reallocate(&self, block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.reallocate_as("realloc", 0, block, size) }
    }

    /// [`Crt::reallocate`] with a heap's flags, of a function that reports are to
    /// call `operation`.
    ///
    /// # Safety
    /// As for [`Crt::reallocate`].
    pub(super) unsafe fn reallocate_as(
        &self,
        operation: &str,
        flags: u32,
        block: *mut u8,
        size: usize,
    ) -> *mut u8 {
        // SAFETY: the caller's promise.
        let new = unsafe { self.try_reallocate(operation, flags, block, size) };
        new.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// [`Crt::reallocate_as`], and why it failed: [`Error::NoMemory`],
    /// [`Error::LimitReached`] and [`Error::NotInPlace`] of a block, anything else of what
    /// was reported.
    ///
    /// # Safety
    /// As for [`Crt::reallocate`].
    pub(super) unsafe fn try_reallocate(
        &self,
        operation: &str,
        flags: u32,
        block: *mut u8,
        size: usize,
    ) -> Result<NonNull<u8>, Error> {
        if size > super::MAX_REQUEST {
            return Err(Error::NoMemory);
        }
        match self.place() {
            // SAFETY: as in `free_as`.
            Some(Place::Here(heap)) => unsafe {
                private::reallocate_as(operation, heap.handle(), flags, block, size)
            },
            Some(Place::Elsewhere(runtime, heap)) => {
                // SAFETY: as in `free_as`.
                let new = unsafe { runtime.reallocate(operation, heap, flags, block, size) };
                // The other copy's table does not say why.
                NonNull::new(new).ok_or_else(|| match runtime.validate(heap, block) {
                    true => Error::NoMemory,
                    false => Error::NotABlock,
                })
            }
            None => Err(Error::NoMemory),
        }
    }

    /// The bytes that a block was asked for; `None`, after a report, for what is
    /// no block of the instance's heap.
    pub fn size_of(&self, block: *const u8) -> Option<usize> {
        self.size_as("_msize", block)
    }

    /// [`Crt::size_of`] of a function that reports are to call `operation`.
    pub(super) fn size_as(&self, operation: &str, block: *const u8) -> Option<usize> {
        let (runtime, heap) = self.runtime()?;
        runtime.size_of(operation, heap, block)
    }

    /// Whether a block of the instance's heap that is in use starts at the
    /// address. Reports nothing; any address will do.
    pub fn owns(&self, block: *const u8) -> bool {
        !block.is_null()
            && self
                .runtime()
                .is_some_and(|(runtime, heap)| runtime.validate(heap, block))
    }

    /// Whether the bytes at an address are known to be memory that the instance's
    /// heap has committed.
    pub(super) fn has(&self, address: usize, size: usize) -> bool {
        self.runtime()
            .is_some_and(|(runtime, heap)| runtime.has(heap, address, size))
    }

    /// Whether a block of the heap in use starts at `start` and has `address` in
    /// it. Reports nothing.
    pub(super) fn spans(&self, start: *const u8, address: usize) -> bool {
        let size = self
            .runtime()
            .and_then(|(runtime, heap)| runtime.busy_size(heap, start));
        size.is_some_and(|size| address.wrapping_sub(start.addr()) <= size)
    }

    /// Reports an address that is no block of the kind that `operation` takes.
    pub(super) fn report_stranger(&self, operation: &str, block: *const u8) {
        if let Some((runtime, heap)) = self.runtime() {
            runtime.report_stranger(operation, heap, block);
        }
    }

    /// What a statically linked runtime does when its module is unloaded: its
    /// heap is destroyed, with all blocks that are in use still. Returns how
    /// many those are; if there are any they are reported as leaked (stop
    /// 0x900), as Application Verifier does. A heap that others use as well
    /// stays, and 0 is returned.
    ///
    /// # Safety
    /// Nobody uses the instance or a block of its heap, now or later. (What is
    /// still freed later is reported as no block.)
    pub unsafe fn detach(&self) -> usize {
        if self.mode() != Mode::Private {
            return 0;
        }
        let Some(heap) = self.heap_here() else {
            return 0;
        };
        let handle = heap.handle();
        let leaked = leaks::report(handle);
        self.heap.store(ptr::null_mut(), Ordering::Release);
        self.handle.store(0, Ordering::Release);
        self.made.end(false);
        // SAFETY: the caller's promise.
        let _ = unsafe { private::destroy(handle) };
        leaked
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

/// Puts malloc, the shared library's, on the heap of [`Crt::shared`].
///
/// # Safety
/// `word` is the calling thread's word for checked front ends.
pub unsafe fn serve_malloc(word: &Word) {
    if SHARED.heap().is_ok()
        && let Some(heap) = SHARED.heap_here()
    {
        // SAFETY: the caller's word; the runtime's heap is serialized and lives
        // as long as the process.
        unsafe { checked::serve_from(word, heap.handle()) };
    }
}

/// The heap of the runtime that modules share which is not the process heap,
/// made if it was not.
pub(super) fn shared_heap() -> Result<Handle, Error> {
    static MADE: Once = Once::new();
    static HANDLE: AtomicUsize = AtomicUsize::new(0);
    if MADE.is_ready() || !MADE.begin() {
        return Ok(Handle::unchecked(HANDLE.load(Ordering::Acquire)));
    }
    let made = create(RUNTIME, (&raw const SHARED).addr());
    if let Ok(handle) = made {
        HANDLE.store(handle.address(), Ordering::Release);
    }
    MADE.end(made.is_ok());
    made
}

/// A heap as the C runtime makes it: HeapCreate(0, 0, 0).
fn create(name: &str, module: usize) -> Result<Handle, Error> {
    let settings = Settings {
        name,
        action: Some(crate::heap::on_corruption()),
        module,
        ..Settings::DEFAULT
    };
    // SAFETY: the settings give no memory.
    unsafe { private::create(&settings) }
}

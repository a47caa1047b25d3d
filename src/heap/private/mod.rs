//! Heaps of a program's own: those that HeapCreate makes.
//!
//! ```text
//!   PrivateHeap ── first ──> Region ──> Region ──> ...     variable blocks
//!   (heap.rs)   ── large ──> Large ──> Large ──> ...       a mapping each
//!               ── buckets ─> subsegments                  once a size is hot
//!
//!   any address ── slice table ──> Region, Large or subsegment ──> PrivateHeap
//! ```
//!
//! - **Regions** (region.rs, units.rs, memory.rs) hold blocks of any size up to
//!   [`LARGEST`], in units of 16 bytes, side by side as Windows lays them out:
//!   a block of `n` bytes takes `max(n, 16) + 8` rounded up to 16, though
//!   no header lies between.
//! - **Large blocks** (large.rs) have a mapping each.
//! - **The handle** is the address of the first region. The slice table says of
//!   any address which heap it belongs to, without touching it: a handle is
//!   checked, and the owner of a block found, in a few instructions.
//!
//! A call goes the fast way (fast.rs) or else to place.rs, resize.rs or free.rs;
//! lookup.rs tells them, and all others, what lies at an address.
//!
//! Invariants:
//! - No word of the heap's lies in a block or between blocks; the settable
//!   value of a block is the program's, and lies behind its bytes. Of one kind of
//!   block alone more lies there, which is believed no further than the block
//!   goes (settable.rs).
//! - An address may be anything: what is not the heap's is told from the slice
//!   table alone, and is an error, never a fault.
//! - A heap's figures, names and handles can be read by any thread while the
//!   list's lock is held (list.rs).
//! - Locks are taken in this order: a heap's outer lock, under which a program
//!   may make and end heaps; the list, a heap's inner lock (lock.rs), a bucket's
//!   slots, a bucket, then those of the process heap's parts.
//! - Misuse is reported when no lock is held.
//!
//! The functions here are the heap's whole face: the Windows names and Rust's
//! are made of them. A [`Handle`] is only an address: every function checks it.
//!
//! Where sources differ, this is what was chosen. A fresh heap reserves its initial
//! size and 64 KiB more, and commits two pages. Further regions have 1 MiB, 2,
//! 4, 8 and then 0xFD0000 bytes; an empty one is released at once. What a region
//! has committed is a prefix: it is taken back when the region is empty, not
//! before. Free pages inside go back to the system, yet count as committed,
//! when a quarter as much was freed as is in use, 64 KiB at least (Windows'
//! DeCommitTotalFreeThreshold).

mod advice;
#[cfg(feature = "debug")]
mod damage;
#[cfg(unix)]
mod elsewhere;
#[cfg(feature = "debug")]
pub(in crate::heap) mod families;
mod fast;
mod fingerprint;
mod free;
#[cfg(feature = "debug")]
mod guarded;
mod heap;
mod home;
mod info;
mod large;
mod lfh;
#[cfg(feature = "debug")]
pub(in crate::heap) mod light;
mod list;
mod lock;
mod lookup;
mod memory;
pub(in crate::heap) mod met;
mod misuse;
mod numbers;
#[cfg(feature = "outside")]
pub mod outside;
mod place;
mod region;
mod resize;
mod roll;
mod settable;
mod shown;
mod slot;
mod slots;
mod tuning;
mod units;
mod validate;
mod walk;
#[cfg(feature = "debug")]
mod watched;

#[cfg(feature = "debug")]
pub(in crate::heap) use advice::Modules;
pub(in crate::heap) use advice::said;
pub use fast::HeapRef;
pub(in crate::heap) use fingerprint::LAYOUT;
#[cfg(feature = "debug")]
pub(in crate::heap) use guarded::{Shown, shown};
pub(in crate::heap) use info::collect;
pub use info::{
    RegionInfo, Summary, UserInfo, compact, compatibility, fill_free, flags_of, for_each, handles,
    name_of, owner_of, process_heap_at, region_of, set_compatibility, set_user_flags,
    set_user_value, shape_of, summary, user_info, visit_after,
};
pub(in crate::heap) use lfh::active_bytes;
pub(in crate::heap) use list::{for_each_lock, forget_holders};
#[cfg(feature = "debug")]
pub(in crate::heap) use lookup::{is_heaps as lookup_is_heaps, is_process as lookup_is_process};
#[cfg(feature = "crt")]
pub use met::when_no_memory;
pub(in crate::heap) use misuse::block_at;
pub use misuse::{bad_handle, report_leaks, terminate_on_corruption};
pub(in crate::heap) use place::BESIDE;
#[cfg(feature = "debug")]
pub(in crate::heap) use region::{FREE_FILL, TAIL_FILL};
pub use tuning::Tuning;
pub use walk::{Cursor, Entry, EntryKind, for_each_entry, walk};
#[cfg(feature = "debug")]
pub(in crate::heap) use watched::{FRESH_FILL, forget_stays, lock as debug_lock};

use crate::config::Action;
use crate::sync::Once;
use crate::trace::{self, Argument};
use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Flags as Windows numbers them ("HeapCreate function", "HeapAlloc
/// function", "HeapReAlloc function").
pub mod flags {
    /// Calls are not serialized: the caller sees to that.
    pub const NO_SERIALIZE: u32 = 0x1;
    /// The heap may grow. Told by [`Shape`](super::Shape) here.
    pub const GROWABLE: u32 = 0x2;
    /// Failures are raised. For the Windows names; nothing is raised here.
    pub const GENERATE_EXCEPTIONS: u32 = 0x4;
    /// What is allocated, and what a block grows by, is zeroed.
    pub const ZERO_MEMORY: u32 = 0x8;
    /// A block is resized where it is, or not at all.
    pub const REALLOC_IN_PLACE_ONLY: u32 = 0x10;
    /// The block has a settable value.
    pub const SETTABLE_USER_VALUE: u32 = 0x100;
    /// The block's settable flags.
    pub const SETTABLE_USER_FLAGS: u32 = 0xe00;
    /// The heap's memory may be executed.
    pub const CREATE_ENABLE_EXECUTE: u32 = 0x40000;
    /// What lies behind a block is filled, and checked when it is freed.
    pub const TAIL_CHECKING_ENABLED: u32 = 0x20;
    /// What is free is filled, and checked when it is used again.
    pub const FREE_CHECKING_ENABLED: u32 = 0x40;
    /// Free blocks do not join.
    pub const DISABLE_COALESCE_ON_FREE: u32 = 0x80;
    /// Each block has pages of its own.
    pub const PAGE_ALLOCS: u32 = 0x0100_0000;
    /// The whole heap is checked at every call.
    pub const VALIDATE_ALL_ENABLED: u32 = 0x2000_0000;
    /// Arguments are checked at every call.
    pub const VALIDATE_PARAMETERS_ENABLED: u32 = 0x4000_0000;
    /// Of a heap that is made while a global flag is on; never shown.
    pub(super) const WATCHED: u32 = 0x8000_0000;
    /// The overhead from which on there is room for a fill behind a block.
    pub(super) const TAIL_OVERHEAD: usize = 32;
    /// Flags of a call that an allocation from a slot cannot do.
    pub(super) const NEED_WORK: u32 = ZERO_MEMORY | SETTABLE_USER_VALUE | SETTABLE_USER_FLAGS;
    /// What of a heap's creation flags counts for its calls, too.
    pub(super) const OF_A_HEAP: u32 =
        NO_SERIALIZE | GENERATE_EXCEPTIONS | ZERO_MEMORY | CREATE_ENABLE_EXECUTE;
}

/// Most bytes of a heap's name.
pub const NAME_MAX: usize = 32;

/// Most bytes of a block with a settable value that can be at hand.
pub const SETTABLE_NEAR: usize = super::classes::MAX_LINEAR_SIZE - settable::BYTES;

/// The largest block, in bytes, that a region holds, unless less is chosen
/// ([`Tuning`]). Windows' threshold lies between 0xFD000 and 0xFF000.
pub const LARGEST: usize = 0xfe000;

/// How a heap may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As far as there is memory: dwMaximumSize 0.
    Growable,
    /// As far as no more than so many bytes are committed in its regions,
    /// buckets and large blocks.
    Limited(usize),
    /// Not at all: dwMaximumSize. No large blocks, no buckets.
    Fixed(usize),
}

/// When buckets serve a size that is hot. In a heap whose memory may be executed
/// the regions do, though it says that it has buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Buckets {
    /// In heaps that are serialized and not fixed.
    #[default]
    WindowsRule,
    /// In heaps that are not fixed.
    Always,
    /// Never.
    Never,
}

/// Commits a part of a caller's memory (RTL_HEAP_COMMIT_ROUTINE): told the
/// heap's base, and where and how much. Negative: it failed.
pub type CommitRoutine = unsafe extern "system" fn(
    base: *mut c_void,
    address: *mut *mut c_void,
    size: *mut usize,
) -> i32;

/// Memory of the caller's that a heap is to lie in, at a multiple of 64 KiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Its first byte.
    pub base: *mut u8,
    /// Bytes committed from there, a page at least.
    pub commit: usize,
    /// Bytes reserved.
    pub reserve: usize,
    /// Commits more of it; without one the system is asked.
    pub routine: Option<CommitRoutine>,
}

/// What a heap is to be like.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// How it may grow.
    pub shape: Shape,
    /// Bytes committed at first.
    pub initial: usize,
    /// [`flags`]; others are ignored.
    pub flags: u32,
    /// When buckets serve.
    pub buckets: Buckets,
    /// Its name, cut to [`NAME_MAX`] bytes.
    pub name: &'a str,
    /// What follows a report of misuse; `None`: as
    /// [`terminate_on_corruption`] was called or not.
    pub action: Option<Action>,
    /// Memory to lie in, with a shape that is fixed.
    pub memory: Option<Memory>,
    /// Of a C runtime's heap, any address in the module whose runtime it is; 0
    /// for other heaps.
    pub module: usize,
    /// How it reserves, commits and gives back.
    pub tuning: Tuning,
}

impl Settings<'_> {
    /// HeapCreate(0, 0, 0)'s.
    pub const DEFAULT: Settings<'static> = Settings {
        shape: Shape::Growable,
        initial: 0,
        flags: 0,
        buckets: Buckets::WindowsRule,
        name: "",
        action: None,
        memory: None,
        module: 0,
        tuning: Tuning {
            region: 0,
            commit: 0,
            free_block: 0,
            freed: 0,
            most: 0,
            large: 0,
        },
    };
}

/// Why a call did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// The system has nothing to give, or a fixed heap is full.
    NoMemory,
    /// The heap's limit is reached.
    LimitReached,
    /// A parameter that no call can mean.
    InvalidParameter,
    /// No heap has this handle.
    InvalidHandle,
    /// The heap of this handle was destroyed a while ago.
    Destroyed,
    /// No block starts at the address.
    NotABlock,
    /// The block is free already.
    AlreadyFree,
    /// The block is another heap's; [`owner_of`] says whose.
    OtherHeap,
    /// The block cannot have that size where it is.
    NotInPlace,
    /// The calling thread does not hold the heap's lock.
    NotLocked,
    /// The walk is over.
    NoMore,
    /// The process heap cannot be destroyed.
    ProcessHeap,
    /// The heap has buckets already and cannot lose them.
    HasBuckets,
    /// Bytes behind the block, or of the heap, are not what they should be; it was
    /// reported.
    Corrupt,
}

/// A heap's address, and so its name to all functions here. It may be any
/// number: each function checks it, and fails with [`Error::InvalidHandle`] or
/// [`Error::Destroyed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Handle(pub(super) usize);

/// The process heap's handle, once there is one.
static PROCESS_HANDLE: AtomicUsize = AtomicUsize::new(0);

static PROCESS_MADE: Once = Once::new();

impl Handle {
    /// The heap at `address`, if there is one.
    pub fn from_address(address: usize) -> Result<Handle, Error> {
        heap::at(address).map(|_| Handle(address))
    }

    /// The handle of any number, for functions that check it themselves.
    #[inline]
    pub const fn unchecked(address: usize) -> Handle {
        Handle(address)
    }

    /// The handle as a number.
    pub fn address(self) -> usize {
        self.0
    }

    /// The process heap's instance, made when it is first asked for; it stands
    /// first in the list of heaps and is never destroyed. What malloc handed
    /// out is taken for a block of it. Fails when there is no memory.
    pub fn process() -> Result<Handle, Error> {
        let made = PROCESS_HANDLE.load(Ordering::Acquire);
        if made != 0 {
            return Ok(Handle(made));
        }
        if PROCESS_MADE.begin() {
            let made = PROCESS_HANDLE.load(Ordering::Acquire);
            if made != 0 {
                // By a thread that a fork left behind.
                PROCESS_MADE.end(true);
                return Ok(Handle(made));
            }
            let settings = Settings {
                name: super::PROCESS_HEAP,
                ..Settings::DEFAULT
            };
            let made = heap::create(&settings, true);
            PROCESS_MADE.end(made.is_ok());
            return made;
        }
        Ok(Handle(PROCESS_HANDLE.load(Ordering::Acquire)))
    }

    /// Has this be the process heap's. The caller holds the list of heaps, and enters it
    /// there: a fork finds both done or neither.
    fn be_process(self) {
        PROCESS_HANDLE.store(self.0, Ordering::Release);
    }

    /// Whether blocks of malloc's front end pass for this heap's.
    fn takes_mallocs(self) -> bool {
        self.is_process() || met::malloc_heap() == Some(self)
    }

    /// Whether this is the process heap's.
    pub fn is_process(self) -> bool {
        self.0 != 0 && self.0 == PROCESS_HANDLE.load(Ordering::Relaxed)
    }
}

/// Makes a heap.
///
/// Fails with [`Error::InvalidParameter`] when the initial size is above the
/// maximum or limit, or the memory given is not fit; with [`Error::NoMemory`]
/// when the system has none. Costs no system call for a heap that begins with
/// 64 KiB or less, warm.
///
/// # Safety
/// Memory that the settings give is the heap's alone until it is destroyed,
/// its first bytes are committed as they say, and its routine may be called.
pub unsafe fn create(settings: &Settings<'_>) -> Result<Handle, Error> {
    let settings = Settings {
        flags: settings.flags & flags::OF_A_HEAP,
        ..*settings
    };
    heap::create(&settings, false)
}

/// Ends a heap and all its blocks, whatever their number; a caller's memory
/// stays as it is.
///
/// # Safety
/// Nobody uses the heap or a block of it, now or later.
pub unsafe fn destroy(handle: Handle) -> Result<(), Error> {
    let heap = match heap::at(handle.0) {
        Ok(heap) => heap,
        Err(error) => {
            misuse::bad_handle("HeapDestroy", handle);
            return Err(error);
        }
    };
    if handle.is_process() {
        misuse::destroys_process_heap(heap);
        return Err(Error::ProcessHeap);
    }
    // SAFETY: the caller's promise.
    unsafe { heap::destroy(heap) };
    Ok(())
}

/// A block of `size` bytes that is at hand; null, and nothing said or done,
/// when there is none: [`allocate`] then serves, or says why not.
///
/// # Safety
/// As for [`allocate`].
#[inline(always)]
pub unsafe fn at_hand(handle: Handle, flags: u32, size: usize) -> *mut u8 {
    if flags & flags::NEED_WORK != 0 {
        return core::ptr::null_mut();
    }
    match heap::find(handle.0) {
        // SAFETY: the slot's lock is taken.
        Some(heap) => unsafe { fast::take::<false>(heap, size) },
        None => core::ptr::null_mut(),
    }
}

/// Allocates `size` bytes at a multiple of 16. A size of 0 gives a block of
/// its own.
///
/// # Safety
/// In a heap, or with a call, without serialization, no other thread is in the
/// heap.
#[inline]
pub unsafe fn allocate(handle: Handle, flags: u32, size: usize) -> Result<NonNull<u8>, Error> {
    // SAFETY: the caller's promise.
    unsafe {
        match NonNull::new(at_hand(handle, flags, size)) {
            Some(block) => Ok(block),
            None => allocate_aligned(handle, flags, size, 16),
        }
    }
}

/// The arguments of a call, for who listens.
fn told(handle: Handle, flags: u32, name: &'static core::ffi::CStr, value: usize) -> [Argument; 3] {
    [
        Argument::new(c"heap", handle.0 as u64),
        Argument::new(c"flags", u64::from(flags)),
        Argument::new(name, value as u64),
    ]
}

/// Allocates `size` bytes at a multiple of `align`, a power of two.
///
/// # Safety
/// As for [`allocate`].
#[inline(never)]
pub unsafe fn allocate_aligned(
    handle: Handle,
    flags: u32,
    size: usize,
    align: usize,
) -> Result<NonNull<u8>, Error> {
    match heap::at(handle.0) {
        Ok(heap) => place::allocate(heap, flags, size, align),
        Err(error) => {
            misuse::bad_handle("HeapAlloc", handle);
            Err(error)
        }
    }
}

/// Resizes a block, where it is if that can be done, else by moving it; the
/// block is as it was when that fails. A size of 0 is a size like others.
/// What the block grows by is zeroed with [`flags::ZERO_MEMORY`].
///
/// # Safety
/// As for [`free()`], if this succeeds.
pub unsafe fn reallocate(
    handle: Handle,
    flags: u32,
    block: *mut u8,
    size: usize,
) -> Result<NonNull<u8>, Error> {
    // SAFETY: the caller's promise.
    unsafe { reallocate_as("HeapReAlloc", handle, flags, block, size) }
}

/// [`reallocate`] of a function that reports are to call `operation`.
///
/// # Safety
/// As for [`reallocate`].
pub unsafe fn reallocate_as(
    operation: &str,
    handle: Handle,
    flags: u32,
    block: *mut u8,
    size: usize,
) -> Result<NonNull<u8>, Error> {
    match heap::at(handle.0) {
        Ok(heap) => {
            #[cfg(feature = "debug")]
            let _stay = if watched::is_watched(heap) {
                Some(watched::begin_resize(operation, heap, flags, block)?)
            } else {
                None
            };
            // SAFETY: the caller's promise.
            let result = trace::during(
                c"RtlReAllocateHeap",
                || told(handle, flags, c"size", size),
                || unsafe { resize::reallocate(heap, flags, block, size) },
            );
            result.inspect_err(|&error| misuse::report(operation, heap, block.addr(), error))
        }
        Err(error) => {
            misuse::bad_handle(operation, handle);
            Err(error)
        }
    }
}

/// Makes a block smaller where it is, which fails with [`Error::NotInPlace`] for
/// some blocks of buckets: never for those with a settable value.
///
/// # Safety
/// As for [`allocate`]; nobody uses the bytes that go.
pub unsafe fn shrink(handle: Handle, flags: u32, block: *mut u8, size: usize) -> Result<(), Error> {
    resize::shrink(heap::at(handle.0)?, flags, block, size)
}

/// Frees a block. An address that is no block of this heap is an error and
/// changes nothing.
///
/// # Safety
/// As for [`allocate`]; if `block` is a block of the heap, nobody uses it any
/// more.
#[inline]
pub unsafe fn free(handle: Handle, flags: u32, block: *mut u8) -> Result<(), Error> {
    // SAFETY: the caller's promise.
    unsafe {
        if free_at_hand(handle, block) {
            return Ok(());
        }
        free_slow(handle, flags, block)
    }
}

/// Frees a block that its thread's slot has room for; false, and nothing said or
/// done, when it is none: [`free()`] then does it, or says why not.
///
/// # Safety
/// As for [`free()`].
#[inline(always)]
pub unsafe fn free_at_hand(handle: Handle, block: *mut u8) -> bool {
    // SAFETY: the caller's promise; the slot's lock is taken. An owner is a
    // heap's record, which is never unmapped.
    unsafe {
        let is_it = |owner: *const heap::PrivateHeap| {
            !owner.is_null() && roll::Life::peek(&raw const (*owner).life) == handle.0
        };
        fast::give::<false>(super::slices::find(block.addr()), block, is_it)
    }
}

/// [`free()`] without the fast way.
///
/// # Safety
/// As for [`free()`].
#[inline(never)]
unsafe fn free_slow(handle: Handle, flags: u32, block: *mut u8) -> Result<(), Error> {
    // SAFETY: the caller's promise.
    unsafe { free_checked("HeapFree", handle, flags, block) }
}

/// [`free()`] without flags, of a function that reports are to call
/// `operation`.
///
/// # Safety
/// As for [`free()`].
#[inline]
pub unsafe fn free_as(operation: &str, handle: Handle, block: *mut u8) -> Result<(), Error> {
    // SAFETY: the caller's promise.
    unsafe {
        if free_at_hand(handle, block) {
            return Ok(());
        }
        free_checked(operation, handle, 0, block)
    }
}

unsafe fn free_checked(
    operation: &str,
    handle: Handle,
    flags: u32,
    block: *mut u8,
) -> Result<(), Error> {
    match heap::at(handle.0) {
        Ok(heap) => {
            // SAFETY: the caller's promise.
            unsafe { free::free_as(operation, heap, flags, block) }
        }
        Err(error) => {
            misuse::bad_handle(operation, handle);
            Err(error)
        }
    }
}

/// Whether a busy block of the heap starts at `address`; what is none is
/// reported as found by `operation`.
pub fn owns(operation: &str, handle: Handle, address: usize) -> bool {
    size_as(operation, handle, address).is_ok()
}

/// The bytes that a block was asked for.
pub fn size_of(handle: Handle, _flags: u32, block: *const u8) -> Result<usize, Error> {
    size_as("HeapSize", handle, block.addr())
}

/// [`size_of`] of a function that reports are to call `operation`.
pub fn size_as(operation: &str, handle: Handle, address: usize) -> Result<usize, Error> {
    match heap::at(handle.0) {
        Ok(heap) => {
            #[cfg(feature = "debug")]
            if watched::is_watched(heap) {
                watched::check_parameter(operation, heap, address)?;
            }
            lookup::size_of(heap, address)
                .inspect_err(|&error| misuse::report(operation, heap, address, error))
        }
        Err(error) => {
            misuse::bad_handle(operation, handle);
            Err(error)
        }
    }
}

/// The size of the busy block of the heap that starts at `address`, if one does.
/// Reports nothing.
pub fn busy_size(handle: Handle, address: usize) -> Option<usize> {
    let heap = heap::at(handle.0).ok()?;
    lookup::size_of(heap, address).ok()
}

/// Reports an address that is no block of the kind that `operation` takes, be it
/// a block of the heap or not.
#[cold]
pub fn report_stranger(operation: &str, handle: Handle, address: usize) {
    if let Ok(heap) = heap::at(handle.0) {
        misuse::report(operation, heap, address, Error::NotABlock);
    }
}

/// Whether `block` is a busy block of the heap whose records are sound; with
/// null, whether all of the heap's are. Reports nothing.
pub fn validate(handle: Handle, flags: u32, block: *const u8) -> bool {
    let Ok(heap) = heap::at(handle.0) else {
        misuse::bad_handle("HeapValidate", handle);
        return false;
    };
    if block.is_null() {
        validate::heap(heap, flags)
    } else {
        lookup::size_of(heap, block.addr()).is_ok() && is_whole(heap, block.addr())
    }
}

/// Whether nothing behind a block changed, as far as that is watched.
fn is_whole(heap: &'static heap::PrivateHeap, address: usize) -> bool {
    #[cfg(feature = "debug")]
    return !watched::is_watched(heap)
        || watched::is_whole(heap, address) && guarded::is_sound_at(heap, address);
    #[cfg(not(feature = "debug"))]
    {
        let _ = (heap, address);
        true
    }
}

/// Takes the heap's lock, once more if the thread has it. Nothing in a heap
/// without serialization.
pub fn lock(handle: Handle) -> Result<(), Error> {
    let heap = heap::at(handle.0)?;
    if heap.is_serialized() {
        heap.lock.hold(crate::sys::thread_token());
    }
    Ok(())
}

/// Gives the heap's lock back as often as it was taken.
pub fn unlock(handle: Handle) -> Result<(), Error> {
    let heap = heap::at(handle.0)?;
    if heap.is_serialized() && !heap.lock.let_go(crate::sys::thread_token()) {
        return Err(Error::NotLocked);
    }
    Ok(())
}

//! Debugging: what Windows' global flags turn on for the heaps of a process.
//!
//! ```text
//!   NTHEAP_GFLAGS ─> config/gflags.rs ─> options()
//!                                          │ at the first use of the heap
//!                                          v
//!   malloc, new, Rust ── always slow ──> process heap, a private heap ─┐
//!   HeapAlloc ── no buckets ──────────> heap/private/watched.rs        │ checks
//!                                          │                           │
//!                       registry.rs        │      stacks.rs            v
//!                       block ─> record <──┴────> call stack ─> id   report
//! ```
//!
//! With a flag on, the front ends of malloc and of Rust are *diverted*: they have
//! no block at hand, ever, and their slow ways lead to the process heap's private
//! twin. So the checks are written once, for blocks of private heaps, and every
//! heap is one. A heap that is made while a flag is on is *watched*
//! (`WATCHED`): its blocks have records, its flags say what is checked, and it
//! has no buckets.
//!
//! Without a flag nothing of this runs: no fast path knows of it, and slow ones
//! ask what they would have asked anyway.
//!
//! Allocations that fail by chance (faults.rs) are a reason of their own for a heap to be
//! watched. Who allocated a block is told to others outside, too (published.rs).
//!
//! Guard pages (page/) are met in two places: page heap's blocks are those of private
//! heaps that have the flag (`private/guarded.rs`); sampled guarding (sample.rs) needs
//! no flag and takes few of the front ends' blocks (blocks.rs). Nor do heap profiles
//! (profile/), which note few of the front ends' blocks and change none.
//!
//! Invariants:
//! - The options are read once, before the heap serves, and never change.
//! - Nothing here lies in a block or is believed because of what lies in one.
//! - The registry's locks and the stack database's are below every heap's.
//!   Stacks are captured before a heap is locked.

pub(in crate::heap) mod blocks;
mod chains;
pub(in crate::heap) mod faults;
pub(in crate::heap) mod fills;
pub(in crate::heap) mod modules;
pub(in crate::heap) mod page;
pub mod profile;
mod published;
mod random;
pub mod registry;
pub(in crate::heap) mod sample;
pub mod stacks;
pub mod tags;
pub(super) mod threads;
pub(in crate::heap) mod witness;

pub(in crate::heap) use blocks::{begin, begun, free, has_block, reallocate, size_of};

pub use crate::config::gflags;

use crate::sync::Lock;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};
use gflags::GlobalFlags;

/// A heap's flag, of ours and never shown: its blocks have records.
pub(super) const WATCHED: u32 = 0x8000_0000;

/// The global flags that mean something to heaps.
const OF_HEAPS: u32 = gflags::TAIL_CHECK
    | gflags::FREE_CHECK
    | gflags::VALIDATE_PARAMETERS
    | gflags::VALIDATE_ALL
    | gflags::STACK_TRACES
    | gflags::DISABLE_COALESCING
    | gflags::TAGGING
    | gflags::TAG_BY_DLL
    | gflags::PAGE_ALLOCS;

/// Options that are written once, before anybody reads them.
struct Options(UnsafeCell<GlobalFlags>);

// SAFETY: written by the one thread that makes the heap ready, before it is.
unsafe impl Sync for Options {}

static OPTIONS: Options = Options(UnsafeCell::new(GlobalFlags::NONE));

/// The bits of [`OPTIONS`] that are in force, and [`FAULTS`].
static BITS: AtomicU64 = AtomicU64::new(0);

/// Says among them that allocations fail by chance.
const FAULTS: u64 = 1 << 32;

/// The global flags and what was said beside them; none before the first use of
/// the heap.
pub fn options() -> &'static GlobalFlags {
    if BITS.load(Ordering::Acquire) == 0 {
        return &GlobalFlags::NONE;
    }
    // SAFETY: the bits are stored after the options, which never change then.
    unsafe { &*OPTIONS.0.get() }
}

/// Whether a global flag, or one of several, is in force.
#[inline]
pub fn has(bits: u32) -> bool {
    BITS.load(Ordering::Relaxed) & u64::from(bits) != 0
}

/// Whether allocations fail by chance.
#[inline]
pub(super) fn injects() -> bool {
    BITS.load(Ordering::Relaxed) & FAULTS != 0
}

/// Whether heaps that are made now are watched.
#[inline]
pub fn is_on() -> bool {
    BITS.load(Ordering::Relaxed) & (OF_HEAPS as u64 | FAULTS) != 0
}

/// Reads the options. Called once, by the thread that makes the heap ready,
/// before it is.
pub(super) fn configure() {
    let flags = crate::config::gflags_from_environment();
    // SAFETY: nobody reads the options before the bits are set below, and this
    // is called once.
    unsafe { *OPTIONS.0.get() = flags };
    crate::report::set_json(flags.json);
    #[cfg(target_os = "linux")]
    crate::report::begin_copies();
    let injects = flags.faults.rate != 0;
    if injects {
        faults::configure(&flags.faults);
    }
    // Who asks is found by the stack.
    let by_module =
        (injects || flags.has(gflags::PAGE_ALLOCS)) && flags.page.modules().next().is_some();
    let by_module = by_module || flags.has(gflags::TAG_BY_DLL);
    if flags.has(gflags::STACK_TRACES) || by_module {
        stacks::begin(flags.trace_bytes);
    }
    let injects = if injects { FAULTS } else { 0 };
    BITS.store(u64::from(flags.bits) | injects, Ordering::Release);
}

/// What the global flags add to the flags of a heap that is made now, as Windows
/// derives them.
pub(super) fn heap_flags() -> u32 {
    if !is_on() {
        return 0;
    }
    let mut flags = WATCHED;
    for (global, derived) in DERIVED {
        if has(global) {
            flags |= derived;
        }
    }
    flags
}

/// Global flags and the heap flags that each stands for.
const DERIVED: [(u32, u32); 6] = [
    (gflags::TAIL_CHECK, 0x20),
    (gflags::FREE_CHECK, 0x40),
    (gflags::VALIDATE_PARAMETERS, 0x4000_0060),
    (gflags::VALIDATE_ALL, 0x2000_0060),
    (gflags::DISABLE_COALESCING, 0x80),
    (gflags::PAGE_ALLOCS, 0x0100_0000),
];

/// The locks of the debug layer, for the fork handlers: last to be taken.
pub(super) fn for_each_lock(visit: &mut dyn FnMut(&Lock)) {
    visit(super::private::light::lock());
    visit(page::lock());
    visit(profile::lock());
    visit(stacks::lock());
    registry::for_each_lock(visit);
}

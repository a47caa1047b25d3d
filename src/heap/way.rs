//! Which way malloc goes where its fast path has no block: one byte, asked first.
//!
//! 0 is as ever: the thread's bin is filled. Where the fast paths never have one, the byte
//! says why, by its sign, so that one comparison tells all ways apart.

use core::sync::atomic::{AtomicI8, Ordering};

/// Above 0 in a hardened heap, below 0 where every allocation is counted (counted.rs). Set
/// before the heap serves; `libntheap.so` reads it by its address.
pub static WAY: AtomicI8 = AtomicI8::new(0);

/// Blocks are guarded against misuse.
#[cfg(feature = "hardened")]
pub(super) const HARDENED: i8 = 1;
/// Every allocation is counted.
#[cfg(feature = "debug")]
pub(super) const COUNTED: i8 = -1;

/// The way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A refill.
    Usual,
    /// That of a hardened heap.
    Hardened,
    /// Where every allocation is counted.
    Counted,
}

/// Sets the way. Called by the thread that makes the heap ready, before it is.
pub(super) fn go(way: i8) {
    WAY.store(way, Ordering::Relaxed);
}

/// The way, where a bin has no block.
#[inline(always)]
pub fn way() -> Way {
    // The compiler would take four instructions for the first jump, and load the byte by its
    // address in a table.
    #[cfg(all(target_arch = "x86_64", not(ntheap_portable)))]
    // SAFETY: reads a byte, which nobody writes once the heap serves.
    unsafe {
        core::arch::asm!(
            "cmp byte ptr [rip + {way}], 0",
            "jg {hardened}",
            "jl {counted}",
            way = sym WAY,
            hardened = label { return Way::Hardened; },
            counted = label { return Way::Counted; },
            options(nostack, readonly),
        );
        Way::Usual
    }
    #[cfg(not(all(target_arch = "x86_64", not(ntheap_portable))))]
    match WAY.load(Ordering::Relaxed) {
        0 => Way::Usual,
        1.. => Way::Hardened,
        _ => Way::Counted,
    }
}

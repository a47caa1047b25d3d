//! Words of 16 bytes, which a register of the processor holds: what blocks are wiped and
//! checked by.
//!
//! Numbers of 128 bits are that, but what tells whether one is zero goes by two registers of 64,
//! once for each sum.

#[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(ntheap_portable)))]
use core::arch::x86_64 as arch;

/// Such a word.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(ntheap_portable)))]
pub(super) type Lane = arch::__m128i;
/// Such a word.
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2", not(ntheap_portable))))]
pub(super) type Lane = u128;

/// Zeros.
#[inline(always)]
pub(super) fn zeros() -> Lane {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(ntheap_portable)))]
    // SAFETY: the processor has the instruction, as the program says it must.
    return unsafe { arch::_mm_setzero_si128() };
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2", not(ntheap_portable))))]
    0
}

/// The bits that either word has.
#[inline(always)]
pub(super) fn either(one: Lane, other: Lane) -> Lane {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(ntheap_portable)))]
    // SAFETY: as in `zeros`.
    return unsafe { arch::_mm_or_si128(one, other) };
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2", not(ntheap_portable))))]
    (one | other)
}

/// Whether a word is zeros.
#[inline(always)]
pub(super) fn is_zero(lane: Lane) -> bool {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(ntheap_portable)))]
    // SAFETY: as in `zeros`.
    return unsafe { arch::_mm_movemask_epi8(arch::_mm_cmpeq_epi8(lane, zeros())) == 0xffff };
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2", not(ntheap_portable))))]
    (lane == 0)
}

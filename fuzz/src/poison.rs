//! Poison, which AddressSanitizer knows: with the feature `asan`, memory that nobody may
//! touch until it is unpoisoned. Without, nothing.

#[cfg(feature = "asan")]
unsafe extern "C" {
    fn __asan_poison_memory_region(address: *const u8, size: usize);
    fn __asan_unpoison_memory_region(address: *const u8, size: usize);
}

/// Poisons a block's bytes.
#[cfg_attr(not(feature = "asan"), allow(unused_variables))]
pub(crate) fn poison(address: usize, size: usize) {
    #[cfg(feature = "asan")]
    // SAFETY: marks of the sanitizer's own, about memory that is mapped.
    unsafe {
        __asan_poison_memory_region(std::ptr::without_provenance(address), size);
    }
}

/// Takes the poison away.
#[cfg_attr(not(feature = "asan"), allow(unused_variables))]
pub(crate) fn unpoison(address: usize, size: usize) {
    #[cfg(feature = "asan")]
    // SAFETY: as above.
    unsafe {
        __asan_unpoison_memory_region(std::ptr::without_provenance(address), size);
    }
}

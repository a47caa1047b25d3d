//! The target of many heaps: see `ntheap_fuzz::heaps`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ntheap_fuzz::heaps::run(data));

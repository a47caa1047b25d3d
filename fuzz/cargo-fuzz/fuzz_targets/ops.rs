//! The operations target: see `ntheap_fuzz::ops`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ntheap_fuzz::ops::run(data));

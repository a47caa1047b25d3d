//! The target of sections and views: see `ntheap_fuzz::mappings`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ntheap_fuzz::mappings::run(data));

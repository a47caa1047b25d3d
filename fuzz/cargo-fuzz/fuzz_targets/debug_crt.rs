//! The target of the debug runtime: see `ntheap_fuzz::debug_crt`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ntheap_fuzz::debug_crt::run(data));

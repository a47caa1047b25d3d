//! The target of the C runtime: see `ntheap_fuzz::crt`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ntheap_fuzz::crt::run(data));

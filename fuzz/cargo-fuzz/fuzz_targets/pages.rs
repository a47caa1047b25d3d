//! The target of the Virtual functions: see `ntheap_fuzz::pages`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ntheap_fuzz::pages::run(data));

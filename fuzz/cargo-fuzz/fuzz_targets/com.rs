//! The target of task memory and strings: see `ntheap_fuzz::com`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ntheap_fuzz::com::run(data));

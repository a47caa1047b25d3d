//! The target of global and local memory: see `ntheap_fuzz::moveable`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ntheap_fuzz::moveable::run(data));

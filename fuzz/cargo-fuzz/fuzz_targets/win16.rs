//! The target of heaps whose blocks move: see `ntheap_fuzz::win16`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ntheap_fuzz::win16::run(data));

//! The target of the Heap functions: see `ntheap_fuzz::heap_api`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ntheap_fuzz::heap_api::run(data));

//! The snapshot reader's target: see `ntheap_fuzz::snapshot`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    ntheap_fuzz::snapshot::run(data);
});

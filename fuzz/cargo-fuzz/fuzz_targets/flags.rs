//! The target of the variables of global flags: see `ntheap_fuzz::flags`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    ntheap_fuzz::flags::run(data);
});

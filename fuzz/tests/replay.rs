//! Every input that the fuzzer found worth keeping, and some that it never
//! saw, on the stable compiler.

use ntheap_fuzz::ops;
use std::fs;
use std::path::Path;

#[test]
fn the_corpus_of_operations_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/ops");
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 50, "{} has no inputs", folder.display());
    for input in inputs {
        // Shown if the input fails.
        println!("{}", input.display());
        ops::run(&fs::read(input).unwrap());
    }
}

#[test]
fn random_operations_pass() {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    for round in 0..20 {
        let mut data = vec![0u8; 1500];
        for byte in &mut data {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = (state >> 32) as u8;
        }
        println!("round {round}");
        ops::run(&data);
    }
}

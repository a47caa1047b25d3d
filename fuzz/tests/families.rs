//! The families that share the process heap with others, so that its figures are nobody's
//! alone: what the fuzzer kept of each, and random inputs, on the stable compiler.
#![cfg(unix)]

use ntheap_fuzz::{com, crt, debug_crt, heap_api, heaps, mappings, moveable, pages, win16};
use std::fs;
use std::path::Path;

/// The kept inputs of a target, and then random ones.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 10, "{} has few inputs", folder.display());
    for input in inputs {
        println!("{}", input.display());
        run(&fs::read(input).unwrap());
    }
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for round in 0..4 {
        let mut data = vec![0u8; 2000];
        for byte in &mut data {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = (state >> 32) as u8;
        }
        println!("{target}, round {round}");
        run(&data);
    }
}

macro_rules! replays {
    ($($name:ident $target:ident)*) => {$(
                #[test]
        fn $name() {
            replay(stringify!($target), $target::run);
        }
    )*};
}

replays!(
    many_heaps_do_what_models_do heaps
    the_heap_functions_do_what_models_do heap_api
    the_virtual_functions_do_what_a_model_does pages
    mappings_do_what_a_model_does mappings
    moveable_blocks_do_what_a_model_does moveable
    blocks_that_move_do_what_a_model_does win16
    the_runtime_does_what_a_model_does crt
    the_debug_runtime_does_what_a_model_does debug_crt
    task_memory_does_what_a_model_does com
);

//! Every input that the fuzzer found worth keeping, and some that it never
//! saw, on the stable compiler.

use ntheap_fuzz::{flags, ops};
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

/// What an input's name says of it.
struct Name {
    /// Nothing is wrong in it.
    is_good: bool,
    /// The fuzzer found it, and has changed it in each way already.
    was_found: bool,
}

fn name_of(input: &Path, wrong: &[&str]) -> Name {
    let name = input.file_name().unwrap().to_str().unwrap();
    let says = |of: &&str| name.starts_with(*of);
    Name {
        is_good: !wrong.iter().chain(&["found-bad"]).any(says),
        was_found: name.starts_with("found-"),
    }
}

/// Inputs in which something is wrong have names that say so.
#[test]
fn the_corpus_of_flags_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/flags");
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 20, "{} has few inputs", folder.display());
    for input in inputs {
        println!("{}", input.display());
        let data = fs::read(&input).unwrap();
        let name = name_of(&input, &["wrong"]);
        assert_eq!(flags::run(&data), name.is_good);
        if name.was_found {
            continue;
        }
        for at in (0..data.len()).step_by(data.len() / 100 + 1) {
            flags::run(&data[..at]);
            for change in [1, 0x20, 0x80, 0xff] {
                let mut changed = data.clone();
                changed[at] ^= change;
                flags::run(&changed);
            }
        }
    }
}

#[test]
fn random_flags_pass() {
    // Of the pieces that values are made of, and now and then any byte.
    const PIECES: &[&str] = &[
        "+",
        "-",
        ",",
        ":",
        "=",
        "0x",
        "htc",
        "hvc",
        "ust",
        "hpa",
        "fault",
        "seed=",
        "tracedb=",
        "size=",
        "random=",
        "delay=",
        "dlls=",
        "light",
        "full",
        "json",
        "text",
        "1",
        "99999999999",
        "K",
        "G",
        "none",
        "\0",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..6_000 {
        let mut data = Vec::new();
        for _ in 0..12 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let draw = (state >> 32) as usize;
            match PIECES.get(draw % (PIECES.len() + 2)) {
                Some(piece) => data.extend(piece.bytes()),
                None => data.push(draw as u8),
            }
        }
        flags::run(&data);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_corpus_of_snapshots_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/snapshot");
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 10, "{} has no inputs", folder.display());
    for input in inputs {
        println!("{}", input.display());
        let data = fs::read(&input).unwrap();
        let name = name_of(&input, &["overlap", "unlisted"]);
        assert_eq!(ntheap_fuzz::snapshot::run(&data), name.is_good);
        if name.was_found {
            continue;
        }
        // Each cut, and with each byte changed in turn, in both ways of reading it.
        for at in (0..data.len()).step_by(data.len() / 200 + 1) {
            ntheap_fuzz::snapshot::run(&data[..at]);
            for change in [1, 0x80, 0xff] {
                let mut changed = data.clone();
                changed[at] ^= change;
                ntheap_fuzz::snapshot::run(&changed);
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn random_sections_pass() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..20_000 {
        let mut data = vec![1u8; 120];
        for byte in data.iter_mut().skip(1) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Small numbers, and now and then any byte.
            let any = (state >> 32) as u8;
            *byte = if state >> 60 == 0 { any } else { any & 7 };
        }
        ntheap_fuzz::snapshot::run(&data);
    }
}

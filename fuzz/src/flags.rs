//! The variables that turn on global flags, with any bytes in them.
//!
//! An input is values between zeros: the first of `NTHEAP_GFLAGS`, then of `NTHEAP_PAGEHEAP`,
//! of `NTHEAP_REPORT`, and of a second `NTHEAP_GFLAGS`, which does not count.

use ntheap::heap::debug::gflags::{FLAGS, GlobalFlags, read};

const NAMES: [&[u8]; 4] = [
    b"NTHEAP_GFLAGS",
    b"NTHEAP_PAGEHEAP",
    b"NTHEAP_REPORT",
    b"NTHEAP_GFLAGS",
];

/// What variables with these values say, and the lines that warn.
fn read_all(values: &[Vec<u8>]) -> (GlobalFlags, Vec<String>) {
    let mut lines = Vec::new();
    let flags = read(
        |visit| {
            for (name, value) in NAMES.iter().zip(values) {
                visit(name, value);
            }
        },
        &mut |line| {
            let line = std::str::from_utf8(line).expect("warnings are UTF-8");
            lines.push(line.to_owned());
        },
    );
    (flags, lines)
}

/// One input; whether nothing in it was wrong.
///
/// # Panics
/// When what is read cannot be, a warning is no line, or the same items say
/// another thing with other signs between them.
pub fn run(data: &[u8]) -> bool {
    let values: Vec<Vec<u8>> = data
        .split(|&byte| byte == 0)
        .take(NAMES.len())
        .map(<[u8]>::to_vec)
        .collect();
    let (flags, lines) = read_all(&values);
    assert!(flags.validate_every >= 1);
    assert!((8 << 20..=4096 << 20).contains(&flags.trace_bytes));
    assert!(flags.page.sizes.0 <= flags.page.sizes.1);
    assert!(flags.page.percent <= 100);
    assert!(flags.faults.rate <= 10_000);
    for module in flags.page.modules() {
        assert!(!module.is_empty() && !module.contains(&b'+') && module.len() <= 256);
    }
    // One line for each variable that counts, at most.
    assert!(lines.len() <= 3);
    for line in &lines {
        let text = line.strip_suffix('\n').expect("a line");
        assert!(text.starts_with("ntheap: NTHEAP_") && text.is_ascii());
        assert!(!text.chars().any(|letter| letter.is_control()));
    }
    // Items are parted by any of four signs, and empty ones say nothing.
    let is_sign = |byte: &u8| matches!(byte, b',' | b';' | b' ' | b'\t');
    let others: Vec<Vec<u8>> = values
        .iter()
        .map(|value| {
            let items = value.split(is_sign);
            let parted = items.flat_map(|item| [b"; ", item].concat());
            parted.collect()
        })
        .collect();
    assert_eq!(read_all(&others), (flags, lines.clone()));
    // What the number says, the names say.
    let by_name: Vec<&str> = FLAGS
        .iter()
        .filter(|flag| flags.bits & flag.bit != 0)
        .map(|flag| flag.name)
        .collect();
    let again = read_all(&[by_name.join(",").into_bytes()]).0;
    let of_table = FLAGS.iter().fold(0, |all, flag| all | flag.bit);
    assert_eq!(again.bits, flags.bits & of_table);
    lines.is_empty()
}

//! Planted bugs in programs whose blocks have guard pages or patterns about them: page
//! heap, full and light, and sampled guarding. Each ends as it is said here, with
//! the report below word for word.

#![cfg(target_os = "linux")]

mod common;

use common::{Ended, compiled, compiled_as, preloaded, run, text};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

/// What the environment asks for.
type Mode = &'static [(&'static str, &'static str)];

const SAMPLED: Mode = &[("NTHEAP_SAMPLE", "1")];
const FULL: Mode = &[("NTHEAP_GFLAGS", "+hpa")];
/// Checked at each call, and recorded, too: threads are told of at their ends.
const CHECKED: Mode = &[("NTHEAP_GFLAGS", "+hpa,+hpc")];
const MAPPED: Mode = &[("NTHEAP_GFLAGS", "+hpa"), ("NTHEAP_PAGEHEAP", "mappings")];
const QUARTER: Mode = &[
    ("NTHEAP_GFLAGS", "+hpa"),
    ("NTHEAP_PAGEHEAP", "mappings,random=25"),
];
const BACKWARDS: Mode = &[("NTHEAP_GFLAGS", "+hpa"), ("NTHEAP_PAGEHEAP", "backwards")];
const UNALIGNED: Mode = &[("NTHEAP_GFLAGS", "+hpa"), ("NTHEAP_PAGEHEAP", "unaligned")];
const LIGHT: Mode = &[
    ("NTHEAP_GFLAGS", "+hpa"),
    ("NTHEAP_PAGEHEAP", "light,delay=8K"),
];
const SHORT: Mode = &[("NTHEAP_GFLAGS", "+hpa"), ("NTHEAP_PAGEHEAP", "delay=0")];

/// A report's first words, and what its parameters are.
struct Stop {
    number: u32,
    text: &'static str,
    labels: [&'static str; 4],
}

const BLOCK: [&str; 4] = ["heap handle", "block", "size", "not used"];
const STAMP: [&str; 4] = ["heap handle", "block", "size", "stamp found"];

const VIOLATION: Stop = Stop {
    number: 2,
    text: "access violation (ACCESS_VIOLATION)",
    labels: [
        "address accessed",
        "code that accessed it",
        "exception record",
        "context record",
    ],
};
const SWITCHED: Stop = Stop {
    number: 6,
    text: "bad pointer or wrong heap (SWITCHED_HEAP_HANDLE)",
    labels: [
        "heap handle used",
        "block",
        "size",
        "heap the block came from",
    ],
};
const DOUBLE_FREE: Stop = Stop {
    number: 7,
    text: "block already freed (DOUBLE_FREE)",
    labels: BLOCK,
};
const HEADER: Stop = Stop {
    number: 0xD,
    text: "block damaged after it was freed (CORRUPTED_HEAP_BLOCK_HEADER)",
    labels: [
        "heap handle",
        "block",
        "size, or 0 where not known",
        "not used",
    ],
};
const FREED: Stop = Stop {
    number: 0xE,
    text: "freed block written to (CORRUPTED_FREED_HEAP_BLOCK)",
    labels: BLOCK,
};
const SUFFIX: Stop = Stop {
    number: 0xF,
    text: "written past the end of the block (CORRUPTED_HEAP_BLOCK_SUFFIX)",
    labels: BLOCK,
};
const START_STAMP: Stop = Stop {
    number: 0x10,
    text: "start stamp of the block's header changed (CORRUPTED_HEAP_BLOCK_START_STAMP)",
    labels: STAMP,
};
const END_STAMP: Stop = Stop {
    number: 0x11,
    text: "end stamp of the block's header changed (CORRUPTED_HEAP_BLOCK_END_STAMP)",
    labels: STAMP,
};
const PREFIX: Stop = Stop {
    number: 0x12,
    text: "written before the start of the block (CORRUPTED_HEAP_BLOCK_PREFIX)",
    labels: BLOCK,
};

/// What a case's report says. In its texts `<block>` is where the block starts.
struct Said {
    stop: Stop,
    operation: &'static str,
    /// The size of the block, in bytes.
    size: usize,
    /// The stamp found.
    stamp: usize,
    /// Where the address is.
    place: &'static str,
    /// The bytes that changed, and their dump.
    damage: &'static str,
    /// Whether the block was freed before.
    is_freed: bool,
}

impl Said {
    fn of(stop: Stop, operation: &'static str, size: usize, place: &'static str) -> Said {
        let is_freed = place.contains("a free block");
        Said {
            stop,
            operation,
            size,
            stamp: 0,
            place,
            damage: "",
            is_freed,
        }
    }
}

fn program() -> Option<PathBuf> {
    compiled("guarded", "guarded.c", &["-ldl"])
}

/// Runs a case. `None`, and said so, where there is no compiler.
fn ended(mode: Mode, case: &[&str]) -> Option<Ended> {
    let program = program()?;
    Some(run(preloaded(program)
        .args(case)
        .envs(mode.iter().copied())))
}

/// What the case announced: its process, thread, block and address.
fn announced(ended: &Ended, what: &str) -> [usize; 4] {
    let out = text(&ended.stdout);
    let words: Vec<usize> = out
        .lines()
        .next()
        .unwrap_or_default()
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    words
        .try_into()
        .unwrap_or_else(|_| panic!("{what}: {}\n{out}\n{}", ended.status, text(&ended.stderr)))
}

/// The text with what differs from run to run made the same: addresses near the block by
/// their distance from it, others left to be whatever they are. The frames of a stack
/// become one line, if the first of them is in the program.
fn masked(error: &str, block: usize) -> String {
    const DIFFERS: [&str; 5] = [
        "heap handle",
        "heap handle used",
        "heap the block came from",
        "code that accessed it",
        "context record",
    ];
    let mut out = String::new();
    for line in error.lines() {
        if let Some((value, label)) = line.trim_start().split_once(" : ")
            && DIFFERS.contains(&label)
        {
            assert_ne!(value.trim_start_matches('0'), "", "{line}");
            out += &format!("    <some> : {label}\n");
        } else if let Some(frame) = line.strip_prefix("    #") {
            if frame.starts_with("0 ") {
                assert!(frame.contains(" guarded-c+0x"), "{error}");
                out += "    <frames>\n";
            }
        } else {
            out += &relative(line, block);
            out.push('\n');
        }
    }
    out
}

/// A line with addresses near the block by their distance from it.
fn relative(line: &str, block: usize) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("0x") {
        let digits = &rest[at + 2..];
        let length = digits
            .find(|letter: char| !letter.is_ascii_hexdigit())
            .unwrap_or(digits.len());
        let address = usize::from_str_radix(&digits[..length], 16).unwrap_or_default();
        out += &rest[..at];
        match address.checked_signed_diff(block) {
            Some(0) => out += "<block>",
            Some(distance) if distance.abs() < 65536 => out += &format!("<block>{distance:+}"),
            _ => out += &rest[at..at + 2 + length],
        }
        rest = &digits[length..];
    }
    out + rest
}

fn expect(mode: Mode, case: &str, said: &Said) {
    let what = format!("{mode:?} {case}");
    let Some(ended) = ended(mode, &[case]) else {
        return;
    };
    let [pid, thread, block, address] = announced(&ended, &what);
    let is_fault = said.stop.number == 2;
    let is_wrong_call = [6, 7].contains(&said.stop.number);
    let values = if is_fault {
        [
            format!("{address:016X}"),
            "<some>".into(),
            "0".repeat(16),
            "<some>".into(),
        ]
    } else {
        let given = if is_wrong_call { address } else { block };
        let fourth = match said.stop.number {
            6 => "<some>".into(),
            _ => format!("{:016X}", said.stamp),
        };
        [
            "<some>".into(),
            format!("{given:016X}"),
            format!("{:016X}", said.size),
            fourth,
        ]
    };
    let mut expected = format!(
        "ntheap: VERIFIER STOP {:016X}: pid 0x{pid:X}: {}\n",
        said.stop.number, said.stop.text
    );
    for (value, label) in values.iter().zip(said.stop.labels) {
        expected += &format!("    {value} : {label}\n");
    }
    let told = if is_fault || is_wrong_call {
        address
    } else {
        block
    };
    expected += &relative(
        &format!(
            "  {}({told:#x}) on heap \"process heap\", thread {thread}\n",
            said.operation
        ),
        block,
    );
    expected += &format!("  the address {}\n", said.place);
    if !said.damage.is_empty() {
        expected += &format!("  {}\n", said.damage);
    }
    if is_fault {
        expected += &format!("  accessed by thread {thread} \"guarded-c\":\n    <frames>\n");
    }
    // Sampling keeps stacks without being asked.
    let frames = if mode == SAMPLED {
        ":\n    <frames>"
    } else {
        ""
    };
    expected += &format!("  allocated by thread {thread} \"guarded-c\"{frames}\n");
    if said.is_freed {
        expected += &format!("  freed by thread {thread} \"guarded-c\"{frames}\n");
    }
    if said.stop.number == 7 && mode != SAMPLED {
        expected += "  advice: free a block once; NTHEAP_GFLAGS=+ust tells who freed it first\n";
    }
    assert_eq!(masked(&text(&ended.stderr), block), expected, "{what}");
    let signal = if is_fault {
        libc::SIGSEGV
    } else {
        libc::SIGABRT
    };
    assert_eq!(ended.status.signal(), Some(signal), "{what}");
}

/// The report of an access that faults.
fn fault(operation: &'static str, place: &'static str) -> Said {
    Said::of(VIOLATION, operation, 0, place)
}

/// The report of a call that is given what is no busy block.
fn found(stop: Stop, operation: &'static str, size: usize, place: &'static str) -> Said {
    Said::of(stop, operation, size, place)
}

/// The report of bytes that changed about a block.
fn damaged(
    stop: Stop,
    operation: &'static str,
    size: usize,
    place: &'static str,
    damage: &'static str,
) -> Said {
    Said {
        damage,
        ..Said::of(stop, operation, size, place)
    }
}

/// Modes in which a guard lies behind each block.
const GUARDED: [Mode; 4] = [SAMPLED, FULL, MAPPED, UNALIGNED];

#[test]
fn a_program_without_bugs_is_left_alone() {
    for mode in [SAMPLED, FULL, MAPPED, BACKWARDS, UNALIGNED, LIGHT, SHORT] {
        let Some(ended) = ended(mode, &["nothing"]) else {
            return;
        };
        let ended = ended.expect_success("nothing");
        assert_eq!(text(&ended.stderr), "", "{mode:?}");
    }
}

#[test]
fn overruns_run_into_the_guard() {
    for mode in GUARDED {
        let end = "is the end of a busy block of 64 bytes that starts at <block>";
        expect(mode, "overrun_by_one", &fault("write", end));
        let past = "lies 99 bytes past the end of a busy block of 64 bytes that starts at <block>";
        expect(mode, "overrun_by_many", &fault("write", past));
        let end = "is the end of a busy block of 48 bytes that starts at <block>";
        expect(mode, "overrun_read", &fault("read", end));
        let end = "is the end of a busy block of 8192 bytes that starts at <block>";
        expect(mode, "overrun_of_a_page", &fault("write", end));
        let past =
            "lies 3940 bytes past the end of a busy block of 60 bytes that starts at <block>";
        expect(mode, "overrun_far", &fault("write", past));
    }
    let end = "is the end of a busy block of 64 bytes that starts at <block>";
    expect(CHECKED, "overrun_by_one", &fault("write", end));
    // Without regard to the alignment, by the first byte.
    let end = "is the end of a busy block of 60 bytes that starts at <block>";
    expect(UNALIGNED, "overrun_in_the_rest", &fault("write", end));
    let end = "is the end of a busy block of 61 bytes that starts at <block>";
    expect(UNALIGNED, "overrun_inside_alignment", &fault("write", end));
}

#[test]
fn what_the_guard_is_too_far_for_is_found_by_free() {
    const SIXTY: &str = "is the start of a busy block of 60 bytes";
    const SIXTY_ONE: &str = "is the start of a busy block of 61 bytes";
    let behind_60 = "1 byte is not as expected, the first 0 bytes past the end of the block, at \
         <block>+60; expected D0\n    <block>+60  01 D0 D0 D0  ....";
    let behind_61 = "1 byte is not as expected, the first 0 bytes past the end of the block, at \
         <block>+61; expected D0\n    <block>+61  01 D0 D0  ...";
    for mode in [SAMPLED, FULL, MAPPED] {
        let said = damaged(SUFFIX, "free", 60, SIXTY, behind_60);
        expect(mode, "overrun_in_the_rest", &said);
        let said = damaged(SUFFIX, "free", 61, SIXTY_ONE, behind_61);
        expect(mode, "overrun_inside_alignment", &said);
    }
    let light_60 = "1 byte is not as expected, the first 0 bytes past the end of the block, at \
         <block>+60; expected A0\n    <block>+60  01 A0 A0 A0 A0 A0 A0 A0  ........";
    let said = damaged(SUFFIX, "free", 60, SIXTY, light_60);
    expect(LIGHT, "overrun_in_the_rest", &said);
    let said = damaged(SUFFIX, "realloc", 60, SIXTY, light_60);
    expect(LIGHT, "realloc_of_overrun", &said);
    let place = "is the start of a busy block of 64 bytes";
    let damage = "1 byte is not as expected, the first 0 bytes past the end of the block, at \
         <block>+64; expected D0\n    \
         <block>+64  01 D0 D0 D0 D0 D0 D0 D0 D0 D0 D0 D0 D0 D0 D0 D0  ................\n    \
         <block>+80  D0 D0 D0 D0 D0 D0 D0 D0 D0 D0 D0 D0 D0 D0 D0 D0  ................";
    let said = damaged(SUFFIX, "free", 64, place, damage);
    expect(BACKWARDS, "overrun_by_one", &said);
}

#[test]
fn underruns_run_into_the_guard_that_lies_before() {
    let before = "lies 1 byte before a busy block of 64 bytes that starts at <block>";
    expect(BACKWARDS, "underrun_read", &fault("read", before));
    let before = "lies 100 bytes before a busy block of 64 bytes that starts at <block>";
    expect(BACKWARDS, "underrun_by_many", &fault("write", before));
}

#[test]
fn underruns_are_found_by_free() {
    const PLACE: &str = "is the start of a busy block of 64 bytes";
    let full = (
        0xDCBA_BBBB_usize,
        "1 byte is not as expected, the first 1 byte before the block, at <block>-1; expected \
         DCBABBBB\n    <block>-4  BB BB BA 01  ....",
        "4 bytes are not as expected, the first 64 bytes before the block, at <block>-64; expected \
         ABCDBBBB\n    <block>-64  00 00 00 00  ....",
    );
    let light = (
        0xDCBA_AAAA_usize,
        "1 byte is not as expected, the first 1 byte before the block, at <block>-1; expected \
         DCBAAAAA\n    <block>-4  AA AA BA 01  ....",
        "4 bytes are not as expected, the first 64 bytes before the block, at <block>-64; expected \
         ABCDAAAA\n    <block>-64  00 00 00 00  ....",
    );
    for (mode, (stamp, end, start)) in [
        (SAMPLED, full),
        (FULL, full),
        (MAPPED, full),
        (UNALIGNED, full),
        (LIGHT, light),
    ] {
        let mut said = damaged(END_STAMP, "free", 64, PLACE, end);
        // The last byte is written to.
        said.stamp = stamp & 0x00FF_FFFF | 0x0100_0000;
        expect(mode, "underrun_stamp", &said);
        let said = damaged(START_STAMP, "free", 64, PLACE, start);
        expect(mode, "underrun_start_stamp", &said);
    }
    let before = "1 byte is not as expected, the first 100 bytes before the block, at \
         <block>-100; expected 00\n    \
         <block>-100  01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................\n    \
         <block>-84  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................";
    for mode in GUARDED {
        let said = damaged(PREFIX, "free", 64, PLACE, before);
        expect(mode, "underrun_by_many", &said);
    }
}

#[test]
fn freed_blocks_fault() {
    for mode in [SAMPLED, FULL, MAPPED, BACKWARDS, UNALIGNED] {
        let inside = "lies 10 bytes inside a free block of 64 bytes that starts at <block>";
        expect(mode, "write_after_free", &fault("write", inside));
        let start = "is the start of a free block of 64 bytes";
        expect(mode, "read_after_free", &fault("read", start));
        let inside = "lies 63 bytes inside a free block of 64 bytes that starts at <block>";
        expect(mode, "read_after_many_frees", &fault("read", inside));
        let inside = "lies 3 bytes inside a free block of 64 bytes that starts at <block>";
        expect(mode, "write_after_realloc", &fault("write", inside));
    }
}

#[test]
fn writes_to_freed_bytes_are_found_before_they_are_used_again() {
    const PLACE: &str = "is the start of a free block of 64 bytes";
    let inside = "1 byte is not as expected, the first 10 bytes inside the block, at <block>+10; \
         expected F0\n    \
         <block>+8  F0 F0 01 F0 F0 F0 F0 F0 F0 F0 F0 F0 F0 F0 F0 F0  ................\n    \
         <block>+24  F0 F0 F0 F0 F0 F0 F0 F0 F0 F0 F0 F0 F0 F0 F0 F0  ................";
    let said = damaged(FREED, "delayed free", 64, PLACE, inside);
    expect(LIGHT, "write_after_free_pushed_out", &said);
    // What is still kept then is looked at when the process ends.
    let said = damaged(FREED, "exit", 64, PLACE, inside);
    expect(LIGHT, "write_after_free", &said);
    let before = "1 byte is not as expected, the first 2 bytes before the block, at <block>-2; \
         expected DCBAAAA9\n    <block>-4  A9 AA 01 DC  ....";
    let said = damaged(HEADER, "delayed free", 64, PLACE, before);
    expect(LIGHT, "header_after_free", &said);
}

#[test]
fn wrong_frees_are_told_with_the_block() {
    for mode in [SAMPLED, FULL, MAPPED, BACKWARDS, UNALIGNED, LIGHT] {
        let start = "is the start of a free block of 64 bytes";
        for (case, operation) in [
            ("double_free", "free"),
            ("double_free_later", "free"),
            ("realloc_of_freed", "realloc"),
            ("size_of_freed", "malloc_usable_size"),
        ] {
            expect(mode, case, &found(DOUBLE_FREE, operation, 64, start));
        }
        let inside = "lies 16 bytes inside a busy block of 64 bytes that starts at <block>";
        let said = found(SWITCHED, "free", 64, inside);
        expect(mode, "free_of_interior", &said);
        let end = "is the end of a busy block of 64 bytes that starts at <block>";
        expect(mode, "free_of_guard", &found(SWITCHED, "free", 64, end));
    }
}

/// A fault elsewhere is none of ours: the program ends as without us.
#[test]
fn other_faults_are_not_told_of() {
    for mode in [SAMPLED, FULL, CHECKED] {
        let Some(ended) = ended(mode, &["wild"]) else {
            return;
        };
        assert_eq!(text(&ended.stderr), "", "{mode:?}");
        assert_eq!(ended.status.signal(), Some(libc::SIGSEGV));
    }
}

/// The patterns of the debugger's documentation are where it says.
#[test]
fn patterns_are_as_documented() {
    for (mode, bytes, stamps) in [
        (FULL, "c0 c0 d0", "abcdbbbb dcbabbbb"),
        (LIGHT, "e0 e0 a0", "abcdaaaa dcbaaaaa"),
        // A sample changes nothing of what a program reads.
        (SAMPLED, "00 00 d0", "abcdbbbb dcbabbbb"),
    ] {
        let Some(ended) = ended(mode, &["bytes"]) else {
            return;
        };
        let ended = ended.expect_success("bytes");
        let out = text(&ended.stdout);
        let lines: Vec<&str> = out.lines().skip(1).collect();
        assert_eq!(lines[..2], [bytes, stamps], "{mode:?}");
        let place: Vec<usize> = lines[2]
            .split(' ')
            .map(|word| word.parse().expect("a number"))
            .collect();
        assert_eq!(place[0], 37, "the size as it was asked for");
        if mode != LIGHT {
            assert_eq!(place[1], 4096 - 48, "37 bytes, 16 aligned, at a page's end");
        }
    }
    // By the module that asks: what is not chosen has patterns.
    for (modules, bytes) in [
        ("dlls=guarded-c", "c0 c0 d0"),
        ("dlls=libother+guarded-c", "c0 c0 d0"),
        ("dlls=libother", "e0 e0 a0"),
        ("size=1-36", "e0 e0 a0"),
        ("size=37-40", "c0 c0 d0"),
        ("random=0", "e0 e0 a0"),
    ] {
        let program = program().expect("it was compiled before");
        let ended = run(preloaded(program)
            .arg("bytes")
            .env("NTHEAP_GFLAGS", "+hpa")
            .env("NTHEAP_PAGEHEAP", modules))
        .expect_success(modules);
        let out = text(&ended.stdout);
        assert_eq!(out.lines().nth(1), Some(bytes), "{modules}");
        assert_eq!(text(&ended.stderr), "", "{modules}");
    }
    let Some(ended) = ended(UNALIGNED, &["overrun_inside_alignment"]) else {
        return;
    };
    let [_, _, block, _] = announced(&ended, "unaligned");
    assert_eq!((block + 61) % 4096, 0, "ends where the page does");
}

/// However many blocks have guards, the kernel's list of mappings has the same few lines;
/// without its guards, two for each block, and at its limit of mappings blocks go
/// without.
#[test]
fn guards_are_no_mappings() {
    let lines = |mode: Mode, blocks: &str| -> Option<(usize, String)> {
        let ended = ended(mode, &["map_lines", blocks])?.expect_success("map_lines");
        let lines = text(&ended.stdout).trim().parse().expect("a number");
        Some((lines, text(&ended.stderr)))
    };
    let Some((few, _)) = lines(FULL, "10") else {
        return;
    };
    let (many, said) = lines(FULL, "20000").expect("it ran before");
    assert_eq!(said, "");
    let (mapped, said) = lines(MAPPED, "2000").expect("it ran before");
    assert_eq!(said, "");
    assert!(
        mapped > 2000,
        "{mapped}: the kernel has guards by mappings alone"
    );
    // Of a quarter by chance, a quarter as many.
    let (some, said) = lines(QUARTER, "2000").expect("it ran before");
    assert_eq!(said, "");
    let share = some.saturating_sub(few) * 100 / (mapped - few);
    assert!((20..=30).contains(&share), "{few}, {some}, {mapped}");
    if many > 20_000 {
        common::skip("guards that are no mappings", "the kernel has none");
        return;
    }
    assert!(
        many <= few + 2,
        "{few} lines for few blocks, {many} for many"
    );
    // The limit is 65530 where nobody changed it.
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").expect("a number");
    let limit: usize = limit.trim().parse().expect("a number");
    if limit > 100_000 {
        common::skip("page heap at the limit of mappings", "the limit is high");
        return;
    }
    let ended = ended(MAPPED, &["map_lines", "25500", "damage"]).expect("it ran before");
    let out = text(&ended.stdout);
    let (most, rest) = out.split_once('\n').expect("a line");
    let most: usize = most.parse().expect("a number");
    assert!(most <= limit + 1, "{most}");
    // A block that would have had guards is told of as such.
    let words: Vec<usize> = rest
        .split_whitespace()
        .map(|word| word.parse().expect("a number"))
        .collect();
    let [pid, thread, block, _] = words[..] else {
        panic!("{rest}");
    };
    let heap = text(&ended.stderr);
    let heap = heap
        .lines()
        .find_map(|line| line.trim().strip_suffix(" : heap handle"))
        .expect("a report");
    assert_eq!(
        text(&ended.stderr),
        format!(
            "ntheap: page heap: the system has no more pages with guards to give; from here on \
             blocks have patterns around them instead\n\
             ntheap: VERIFIER STOP 000000000000000F: pid 0x{pid:X}: written past the end of the \
             block (CORRUPTED_HEAP_BLOCK_SUFFIX)\n\
             \x20   {heap} : heap handle\n\
             \x20   {block:016X} : block\n\
             \x20   0000000000000064 : size\n\
             \x20   0000000000000000 : not used\n\
             \x20 free({block:#x}) on heap \"process heap\", thread {thread}\n\
             \x20 the address is the start of a busy block of 100 bytes\n\
             \x20 it has no guard pages: page heap had no more of them when it was made\n\
             \x20 1 byte is not as expected, the first 0 bytes past the end of the block, at \
             {end:#x}; expected A0\n\
             \x20   {end:#x}  01 A0 A0 A0 A0 A0 A0 A0  ........\n\
             \x20 allocated by thread {thread} \"guarded-c\"\n",
            end = block + 100,
        )
    );
}

/// A program that is not ours does what it does without guards.
#[test]
fn sqlite_runs_to_the_end() {
    let Some(sqlite) = common::find("sqlite3") else {
        return common::skip("sqlite3 on page heap", "it is not installed");
    };
    let mut script = String::from("create table t(a integer primary key, b text);");
    for row in 0..1000 {
        script += &format!("insert into t(b) values('row {}');", row * 7919 % 1001);
    }
    script += "create index i on t(b); delete from t where a % 5 = 0;";
    script += "select count(*), min(b), max(b) from t;";
    for mode in [SAMPLED, FULL, BACKWARDS, LIGHT] {
        let ended = run(preloaded(&sqlite)
            .args([":memory:", &script])
            .envs(mode.iter().copied()))
        .expect_success("sqlite3");
        assert_eq!(text(&ended.stdout), "800|row 0|row 999\n", "{mode:?}");
        assert_eq!(text(&ended.stderr), "", "{mode:?}");
    }
}

/// Heaps of the program's own: the handle shows no header, damage makes them invalid,
/// and their blocks end with them.
#[test]
fn private_heaps_have_guards_too() {
    for (mode, is_full) in [(FULL, true), (LIGHT, false)] {
        let Some(ended) = ended(mode, &["private_heap"]) else {
            return;
        };
        let [pid, thread, block, _] = announced(&ended, "private_heap");
        let out = text(&ended.stdout);
        let lines: Vec<&str> = out.lines().skip(1).collect();
        assert_eq!(lines[0], "ee ee ee");
        assert_eq!(lines[1], "60 1048576 0");
        assert_eq!(lines[2], "1 0 1 1 1", "{mode:?}");
        if is_full {
            assert_eq!(ended.status.signal(), Some(libc::SIGSEGV));
            let error = text(&ended.stderr);
            let start = format!("ntheap: VERIFIER STOP 0000000000000002: pid 0x{pid:X}:");
            assert!(error.starts_with(&start), "{error}");
            let place = format!("write({block:#x}) on heap \"destroyed heap\", thread {thread}");
            assert!(error.contains(&place), "{error}");
        }
    }
}

/// A library that lies where an unloaded one lay is not taken for it.
#[test]
fn an_unloaded_module_is_forgotten() {
    let flags = ["-shared", "-fPIC", "-DLIBRARY"];
    let (Some(library), Some(program)) = (
        compiled_as("liblisted.so", "unloaded modules", "dlls.c", &flags),
        compiled_as("dlls", "unloaded modules", "dlls.c", &[]),
    ) else {
        return;
    };
    let other = library.with_file_name("libunlisted.so");
    std::fs::copy(&library, &other).expect("a copy");
    for (first, second, bytes) in [
        (&library, &other, "c0 c0 c0\ne0 e0 e0\n"),
        (&other, &library, "e0 e0 e0\nc0 c0 c0\n"),
    ] {
        let ended = run(preloaded(&program)
            .args([first, second])
            .env("NTHEAP_GFLAGS", "+hpa")
            .env("NTHEAP_PAGEHEAP", "dlls=liblisted"))
        .expect_success("unloaded modules");
        let expected = format!("{bytes}same place\n");
        assert_eq!(text(&ended.stdout), expected, "{}", text(&ended.stderr));
    }
}

/// malloc fails as where memory is short, of the modules that are named.
#[test]
fn faults_are_injected() {
    let Some(program) = compiled_as("dlls", "fault injection", "dlls.c", &[]) else {
        return;
    };
    for (modules, failed) in [("dlls=dlls", "1000\n"), ("dlls=libother", "0\n")] {
        let ended = run(preloaded(&program)
            .arg("faults")
            .env("NTHEAP_GFLAGS", "fault=10000:0:seed=5")
            .env("NTHEAP_PAGEHEAP", modules))
        .expect_success(modules);
        assert_eq!(text(&ended.stdout), failed, "{modules}");
        let of = failed.trim();
        let told = format!(
            "ntheap: fault injection: {of} of {of} allocations failed \
             (rate 10000 in 10000, seed 5)\n"
        );
        assert_eq!(text(&ended.stderr), told, "{modules}");
    }
}

/// An operator new is one allocation: a fifth of them fail where a fifth are to.
#[test]
fn faults_are_injected_once_for_each_new() {
    let Some(program) = compiled("faults-new", "faults_new.cpp", &[]) else {
        return;
    };
    // With some seeds the C++ library has no memory for exceptions, and ends the program.
    let ended = (1..=8)
        .map(|seed| format!("fault=2000:0:seed={seed}"))
        .map(|flags| run(preloaded(&program).env("NTHEAP_GFLAGS", flags)))
        .find(|ended| ended.status.success())
        .expect("a seed");
    let said = text(&ended.stdout);
    let counts: Vec<u32> = said
        .split_whitespace()
        .map(|count| count.parse().expect("a number"))
        .collect();
    assert_eq!(counts.len(), 2, "{said}");
    // Were each asked twice, it were a twenty-fifth.
    for count in counts {
        assert!((150..=250).contains(&count), "{count} of 1000");
    }
}

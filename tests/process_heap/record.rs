//! The root record: another process finds the heap without calling its code.
#![cfg(target_os = "linux")]

use super::support::*;
use ntheap::stats;
use ntheap::vm::root::{self, Anchor};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;

const READY: &str = "ready: ";

/// Another process's memory.
struct Memory(File);

impl Memory {
    fn word(&self, address: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, address as u64).unwrap();
        usize::from_ne_bytes(bytes)
    }
}

/// What each copy of ntheap in the process has published.
fn records(pid: u32, memory: &Memory) -> Vec<[usize; root::ANCHORS]> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut found = Vec::new();
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        let start = range.split_once('-').unwrap().0;
        let start = usize::from_str_radix(start, 16).unwrap();
        if !rest.starts_with("rw-p") || !start.is_multiple_of(64 * KIB) {
            continue;
        }
        let mut bytes = [0; size_of::<root::RootRecord>()];
        if memory.0.read_exact_at(&mut bytes, start as u64).is_ok()
            && let Some(anchors) = root::recognise(&bytes, start)
        {
            found.push(anchors);
            // The same bytes elsewhere are no record.
            assert!(root::recognise(&bytes, start + 64 * KIB).is_none());
            bytes[0] ^= 1;
            assert!(root::recognise(&bytes, start).is_none());
        }
    }
    found
}

/// Allocates a few blocks, says where, and waits to be let go.
fn wait() {
    let face = Face::Checked;
    let sizes = [64, 5000, 100_000, 3 * MIB];
    let blocks = sizes.map(|size| face.allocate(layout(size, 8)).addr());
    // More than one segment.
    let more: Vec<_> = (0..100)
        .map(|_| face.allocate(layout(256 * KIB, 8)))
        .collect();
    let account = ntheap::vm::account();
    let mut text = String::from(READY);
    for number in blocks.into_iter().chain([
        account.total().reserved,
        account.total().committed,
        stats().large_blocks,
        more.len(),
    ]) {
        text += &format!("{number} ");
    }
    say(&text);
    let mut end = Vec::new();
    std::io::stdin().read_to_end(&mut end).unwrap();
}

#[test]
fn another_process_finds_the_heap() {
    let body = || {
        wait();
    };
    let Some(mut command) = child_of(&body) else {
        body();
        return;
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let numbers: Vec<usize> = said
        .find_map(|line| Some(line.unwrap().split_once(READY)?.1.to_string()))
        .expect("the child did not come so far")
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    let [
        small,
        medium,
        run,
        large,
        reserved,
        committed,
        large_blocks,
        _,
    ] = numbers[..]
    else {
        panic!("{numbers:?}");
    };

    let memory = Memory(File::open(format!("/proc/{}/mem", child.id())).unwrap());
    let records = records(child.id(), &memory);
    assert_eq!(records.len(), 1, "one copy of the library, one record");
    let at = |anchor: Anchor| {
        let value = records[0][anchor as usize];
        assert_ne!(value, 0, "{anchor:?}");
        value
    };

    // The segments, by their links: the small blocks lie in them.
    let mut segments = Vec::new();
    let mut segment = at(Anchor::Segments);
    while segment != 0 {
        let [next, base, used] = [0, 1, 2].map(|field| memory.word(segment + field * 8));
        segments.push((base, used.count_ones()));
        assert!(segments.len() < 1000, "the list has no end");
        segment = next;
    }
    assert!(segments.len() > 5, "{segments:x?}");
    for block in [small, medium, run] {
        let inside = |base: usize| block.wrapping_sub(base) < 4 * MIB;
        assert_eq!(segments.iter().filter(|(base, _)| inside(*base)).count(), 1);
    }
    let slices: u32 = segments.iter().map(|(_, used)| used).sum();
    assert!(slices as usize * 64 * KIB >= 100 * 256 * KIB);

    // From any block to its descriptor, by the slice table: base, span.
    let table = at(Anchor::SliceTable);
    let mask = at(Anchor::SliceMask);
    let nothing = 2 * at(Anchor::DescriptorSize);
    let descriptor = |address: usize| {
        let entry = memory.word(table + ((address / (64 * KIB)) & mask) * 8);
        (table - nothing).wrapping_add(entry)
    };
    for block in [small, medium, run, large] {
        let found = descriptor(block);
        let (base, span) = (memory.word(found), memory.word(found + 8));
        assert!(
            block.wrapping_sub(base) < span,
            "{block:#x} in {base:#x} + {span:#x}"
        );
    }
    assert_eq!(memory.word(at(Anchor::LargeBlocks)), large);
    assert_eq!(large_blocks, 1);

    // The account: reserved and committed by use.
    let account = at(Anchor::Account);
    let sum = |column: usize| -> usize {
        (0..ntheap::vm::Use::ALL.len())
            .map(|of| memory.word(account + (2 * of + column) * 8))
            .sum()
    };
    assert_eq!((sum(0), sum(1)), (reserved, committed));
    at(Anchor::ProcessHeap);
    figure(&format!(
        "found from outside: {} segments, {slices} slices used, {} reserved, {} committed",
        segments.len(),
        mib(reserved),
        mib(committed)
    ));

    drop(child.stdin.take());
    for _ in said {}
    assert!(child.wait().unwrap().success());
}

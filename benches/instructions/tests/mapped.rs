//! What a small program has in memory of the shared library: what it runs and reads, which
//! `capi/rare.ld` lays together by name, and no page of the rest. Another compiler than the
//! recorded one may leave other functions to themselves: then this only tells.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use common::{say, target};
use ntheap_instructions::growth::Growth;
use ntheap_instructions::{Figures, compiler};
use std::path::Path;
use std::process::Command;

/// Sections of which a small program touches nothing. A mapping is as long as its segment, and
/// around a fault the system maps nothing beyond it.
const REST: [&str; 4] = [".rodata", ".eh_frame", ".text", ".text.rare"];

/// What a program prints. It must end well.
fn says(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// What the first fault in the library brings, from its beginning on.
const AROUND: u64 = 64 * 1024;

/// Where a section begins in its file, and its bytes.
fn place(sections: &str, name: &str) -> (u64, u64) {
    let words = sections.lines().filter_map(|line| line.split_once("] "));
    let mut words = words.map(|(_, rest)| rest.split_whitespace());
    let mut words = words
        .find(|words| words.clone().next() == Some(name))
        .unwrap_or_else(|| panic!("no {name} in {sections}"));
    let mut number = |skipped: usize| {
        let word = words.nth(skipped).expect("a number");
        u64::from_str_radix(word, 16).expect("hexadecimal")
    };
    (number(3), number(0))
}

/// Of a mapping of the library's its place in the file and its bytes, and the KiB of it that are
/// in memory.
fn mappings(smaps: &str, library: &Path) -> Vec<(u64, u64, u64)> {
    let hexadecimal = |word: &str| u64::from_str_radix(word, 16).expect("hexadecimal");
    let mut found = Vec::new();
    let mut is_its = false;
    for line in smaps.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [range, _, place, _, _, ..] = words[..]
            && let Some((start, end)) = range.split_once('-')
        {
            is_its = words.last() == library.to_str().as_ref();
            if is_its {
                found.push((hexadecimal(place), hexadecimal(end) - hexadecimal(start), 0));
            }
        } else if let ["Rss:", kib, "kB"] = words[..]
            && is_its
            && let Some(last) = found.last_mut()
        {
            last.2 = kib.parse().expect("a number");
        }
    }
    found
}

#[test]
fn a_small_program_touches_nothing_of_what_is_rare() {
    let Some(target) = target("the library's pages in a small program") else {
        return;
    };
    // Builds the library as it ships.
    if let Err(e) = Growth::prepare(&target) {
        panic!("{e}");
    }
    let library = target.join("release/libntheap.so");
    let library = library.canonicalize().expect("the library");
    let program = target.join("instructions/mapped");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c/mapped.cpp");
    let mut compile = Command::new("c++");
    compile.args(["-O0", "-o"]).args([&program, &source]);
    match compile.output() {
        Err(e) if std::env::var("NTHEAP_REQUIRE_PROGRAMS").as_deref() != Ok("1") => {
            return say(&format!("SKIPPED: the library's pages: c++: {e}"));
        }
        output => {
            let output = output.expect("a compiler");
            assert!(output.status.success(), "{output:?}");
        }
    }
    let smaps = says(
        Command::new(program)
            // A variable of the library's has more of it run.
            .env_clear()
            .env("LD_PRELOAD", &library),
    );
    let sections = says(Command::new("readelf").arg("-SW").arg(&library));
    let mappings = mappings(&smaps, &library);
    assert!(mappings.iter().any(|&(_, _, kib)| kib != 0), "{smaps}");
    for name in REST {
        let (at, _) = place(&sections, name);
        let mapping = mappings
            .iter()
            .find(|(place, bytes, _)| (*place..place + bytes).contains(&at));
        let Some((_, _, kib)) = mapping else {
            panic!("{name}, at {at:#x}, is not mapped: {smaps}");
        };
        let told = format!("{kib} KiB of the segment of {name}: {mappings:x?}");
        match Figures::committed() {
            Ok(figures) if compiler().as_ref() != Ok(&figures.rustc) => say(&told),
            figures => assert!(*kib == 0, "{told}, {:?}", figures.err()),
        }
    }
    let (at, bytes) = place(&sections, ".rodata.first");
    let told = format!("what starts read is {} bytes of the file", at + bytes);
    match Figures::committed() {
        Ok(figures) if compiler().as_ref() != Ok(&figures.rustc) => say(&told),
        figures => assert!(at + bytes <= AROUND, "{told}, {:?}", figures.err()),
    }
    // What the loader alone reads is half of the first segment, and goes back at load.
    let first = mappings.first().map(|&(_, _, kib)| kib * 1024);
    assert!(first.is_some_and(|bytes| bytes < AROUND), "{mappings:x?}");
}

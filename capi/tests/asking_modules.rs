//! Whose block it is that C++'s operators make: the module's that called them, though some of
//! them are passed on to the C++ library.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use common::{compiled, preloaded, run, text};

/// Each way to ask for a block in `c/asks.cpp`.
const WAYS: [&str; 9] = [
    "plain",
    "array",
    "quiet",
    "quiet-array",
    "aligned",
    "aligned-array",
    "quiet-aligned",
    "quiet-aligned-array",
    "malloc",
];

#[test]
fn a_block_has_the_tag_of_the_module_that_called_the_operator() {
    let Some(program) = compiled("asks", "asks.cpp", &[]) else {
        return;
    };
    // With and without what tells the operators apart.
    for flags in ["+htd", "+htd,+hpc", "+htd,+hpa,+ust"] {
        for way in WAYS {
            let ended = run(preloaded(&program)
                .arg(way)
                .env("NTHEAP_GFLAGS", flags)
                .env("NTHEAP_SHOW_STATS", "1"));
            let said = text(&ended.expect_success(way).stderr);
            let (_, tags) = said
                .split_once("  in use by\n")
                .unwrap_or_else(|| panic!("{said}"));
            let of_program = tags.lines().find(|line| line.ends_with(" asks-cpp"));
            let blocks: Option<u32> =
                of_program.and_then(|line| line.split_whitespace().next()?.parse().ok());
            assert_eq!(blocks, Some(100), "{flags} {way}: {tags}");
        }
    }
}

#[test]
fn page_heap_for_a_program_takes_what_its_operators_make() {
    let Some(program) = compiled("asks", "asks.cpp", &[]) else {
        return;
    };
    for (modules, fill) in [("dlls=asks-cpp", "c0\n"), ("dlls=libstdc++", "e0\n")] {
        for way in WAYS {
            let ended = run(preloaded(&program)
                .arg(way)
                .env("NTHEAP_GFLAGS", "+hpa")
                .env("NTHEAP_PAGEHEAP", modules));
            let ended = ended.expect_success(way);
            assert_eq!(text(&ended.stdout), fill, "{modules} {way}");
        }
    }
}

/// Allocations that fail by chance are the program's, by whichever operator: all of them with
/// this rate, so that the first ends it.
#[test]
fn faults_for_a_program_are_in_what_its_operators_make() {
    let Some(program) = compiled("asks", "asks.cpp", &[]) else {
        return;
    };
    for (modules, fails) in [("dlls=asks-cpp", true), ("dlls=libstdc++", false)] {
        for way in WAYS {
            let ended = run(preloaded(&program)
                .arg(way)
                .env("NTHEAP_GFLAGS", "fault=10000:0:seed=1")
                .env("NTHEAP_PAGEHEAP", modules));
            assert_eq!(!ended.status.success(), fails, "{modules} {way}: {ended:?}");
        }
    }
}

//! The debug C runtime from C and C++: Microsoft's samples with what they report,
//! a thousand planted leaks, `new` and `delete`, and how what goes wrong ends.

#![cfg(target_os = "linux")]

mod common;

use common::{Ended, command, compiled_as, run, text, windows_library};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

/// A program of the folder `c`, linked with both libraries, in a debug version.
fn debug(test: &str, source: &str, more: &[&str]) -> Option<PathBuf> {
    built(test, source, test, &[&["-D_DEBUG"], more].concat())
}

fn built(test: &str, source: &str, name: &str, more: &[&str]) -> Option<PathBuf> {
    let headers = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let folder = windows_library().parent().expect("a folder").display();
    let (include, search) = (format!("-I{}", headers.display()), format!("-L{folder}"));
    let found = format!("-Wl,-rpath,{folder}");
    let flags = [
        include.as_str(),
        &search,
        "-lntheap_win32",
        "-lntheap",
        &found,
    ];
    let name = name.replace(' ', "-");
    compiled_as(&name, test, source, &[&flags, more].concat())
}

/// The text with every address in it as `0x...`.
fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x0000");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        assert!(part.is_char_boundary(12) && part.len() >= 12, "{part}");
        result += "0x...";
        result += &part[12..];
    }
    result
}

#[test]
fn the_sample_of_assertions_reports_what_its_page_shows() {
    for wide in ["-fshort-wchar", "-fno-short-wchar"] {
        let name = format!("assertions{wide}");
        let flags = ["-D_DEBUG", "-D_CRTDBG_MAP_ALLOC", wide];
        let Some(program) = built("assertions", "crtdbg_assert.c", &name, &flags) else {
            return;
        };
        let ended = run(&mut command(program)).expect_success("assertions");
        let out = text(&ended.stdout);
        let page = "Use the assert macros to evaluate the expression p1 == p2.\n\
            crt_ASSERT_macro.c(54) : \n \
            Will _ASSERT find 'I am p1' == 'I am p2' ?\n\
            crt_ASSERT_macro.c(55) : Assertion failed!\n\
            crt_ASSERT_macro.c(58) : \n\n \
            Will _ASSERTE find 'I am p1' == 'I am p2' ?\n\
            crt_ASSERT_macro.c(59) : Assertion failed: p1 == p2\n\
            'I am p1' != 'I am p2'\n";
        let more = "crt_ASSERT_macro.c(65) : Assertion failed: they differ\n\
            1\n\
            -2 0.5 three\n\
            4 beef 1099511627776 0000000000000010\n\
            1 2 2.250000 1.23e+04 five\n\
            crt_ASSERT_macro.c(70) : at a place\n\
            w\u{ef}de 5\n\
            crt_ASSERT_macro.c(72) : narrow in wide\n\
            all.c(80) : none %d\n\
            all.c(81) : 1 2 3\n\
            all.c(82) : 1 2 3 4\n\
            all.c(83) : 1 2 3 4 5.0\n\
            none %d\n\
            1\n\
            1 2 3\n\
            1 2 3 4\n\
            1 2 3 4 5.0\n\
            all.c(89) : none %d\n\
            all.c(90) : 1 2\n\
            all.c(91) : 1 2 3\n\
            all.c(92) : 1 2 3 4\n\
            all.c(93) : 1 2 3 4 5.0\n\
            1 2 3 4 1.000000 2.000000 3.000000 4.000000 5.000000 6.000000 7.000000 8.000000 \
            9.000000 10.000000 5\n";
        assert_eq!(out, format!("{page}{more}"));
        assert_eq!(text(&ended.stderr), "");
    }
}

#[test]
fn the_sample_of_block_types_reports_what_its_page_shows() {
    let Some(program) = debug("block types", "crtdbg_types.cpp", &[]) else {
        return;
    };
    let dumper: String = [3, 2, 1]
        .map(|subtype| format!("Dumper found block at ADDRESS: type 4, subtype {subtype}\n"))
        .concat();
    let first_bytes = |count: usize| {
        let shown = count.min(16);
        format!(" Data: <{}> {}\n", " ".repeat(shown), "CD ".repeat(shown))
    };
    let line = |line: usize, request: usize, subtype: usize, size: usize| {
        format!(
            "crt_crtreportblocktype.cpp({line}) : {{{request}}} client block at 0x..., \
             subtype {subtype}, {size} bytes long.\n"
        )
    };
    let last = format!(
        "crt_crtreportblocktype.cpp(27) : {{1}} normal block at 0x..., 10 bytes long.\n{}\
         Object dump complete.\n",
        first_bytes(10)
    );
    let blocks = [(30, 4, 3, 30), (29, 3, 2, 20), (28, 2, 1, 10)];
    let begin = "Detected memory leaks!\nDumping objects ->\n";

    // As the page's output has it: the first bytes of client blocks.
    let shown: String = blocks
        .iter()
        .map(|&(at, request, subtype, size)| line(at, request, subtype, size) + &first_bytes(size))
        .collect();
    let reported = |ended: &Ended| {
        let out = without_addresses(&text(&ended.stdout));
        // What %p prints has no 0x.
        out.lines()
            .map(|line| match line.split_once(" block at 0000") {
                Some((before, after)) => {
                    format!("{before} block at ADDRESS{}\n", &after[12..])
                }
                None => format!("{line}\n"),
            })
            .collect::<String>()
    };
    let ended = run(&mut command(&program)).expect_success("block types");
    assert_eq!(reported(&ended), format!("{dumper}{begin}{shown}{last}"));

    // As its text has it: by the program's own function.
    let own: String = blocks
        .iter()
        .map(|&(at, request, subtype, size)| {
            line(at, request, subtype, size)
                + &format!(
                    "LeakDumper found block at ADDRESS: type 4, subtype {subtype}, size {size}\n"
                )
        })
        .collect();
    let ended = run(command(&program).arg("own")).expect_success("block types");
    assert_eq!(reported(&ended), format!("{dumper}{begin}{own}{last}"));
}

#[test]
fn the_sample_of_flags_reports_its_leak_at_the_end() {
    let Some(program) = debug("flags", "crtdbg_flag.c", &["-D_CRTDBG_MAP_ALLOC"]) else {
        return;
    };
    let ended = run(&mut command(program)).expect_success("flags");
    assert_eq!(
        without_addresses(&text(&ended.stderr)),
        "80 bytes in 2 Free Blocks.\n\
         40 bytes in 1 Normal Blocks.\n\
         0 bytes in 0 CRT Blocks.\n\
         0 bytes in 0 Ignore Blocks.\n\
         40 bytes in 1 Client Blocks.\n\
         Largest number used: 80 bytes.\n\
         Total allocations: 160 bytes.\n\
         Detected memory leaks!\n\
         Dumping objects ->\n\
         crt_crtsetdflag.c(100) : {5} normal block at 0x..., 10 bytes long.\n \
         Data: <          > CD CD CD CD CD CD CD CD CD CD \n\
         Object dump complete.\n"
    );
}

#[test]
fn a_thousand_planted_leaks_are_listed_exactly() {
    let Some(program) = debug("leaks", "crtdbg_leaks.c", &["-D_CRTDBG_MAP_ALLOC"]) else {
        return;
    };
    let ended = run(&mut command(program)).expect_success("leaks");
    let (expected, found) = (text(&ended.stdout), text(&ended.stderr));
    assert_eq!(expected.matches(" normal block at ").count(), 1000);
    assert_eq!(found, expected);
}

#[test]
fn new_and_delete_are_on_the_debug_heap() {
    for standard in ["-std=c++11", "-std=c++14", "-std=c++20"] {
        let name = format!("new{standard}").replace('+', "p");
        let flags = ["-D_DEBUG", "-D_CRTDBG_MAP_ALLOC", standard];
        let Some(program) = built("new", "crtdbg_new.cpp", &name, &flags) else {
            return;
        };
        let ended = run(&mut command(program)).expect_success("new");
        assert_eq!(text(&ended.stdout), "done\n");
        let found = without_addresses(&text(&ended.stderr));
        let number = found
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'))
            .map(|(number, _)| number.to_owned())
            .expect("a number");
        assert_eq!(
            found,
            format!(
                "Detected memory leaks!\n\
                 Dumping objects ->\n\
                 debug_new.cpp(19) : {{{number}}} normal block at 0x..., 4 bytes long.\n \
                 Data: <    > CD CD CD CD \n\
                 Object dump complete.\n"
            )
        );
    }
}

/// What goes wrong in the program of that argument, and whether it went on.
fn ends(what: &str, environment: &[(&str, &str)]) -> Option<Ended> {
    let program = debug("ends", "crtdbg_ends.c", &[])?;
    Some(run(command(program)
        .arg(what)
        .envs(environment.iter().copied())))
}

const CORRUPTION: &str = "Debug Error!\n\n\
    HEAP CORRUPTION DETECTED: PLACE Normal block (#1) at 0x....\n\
    CRT detected that the application wrote to memory WHERE of heap buffer.\n\n\
    Memory allocated at ends.c(1).\n";

/// Reports and assertions are windows at first: the process ends where somebody
/// would press Abort, and goes on as with Ignore where reports of corruption are
/// set to let it.
#[test]
fn what_goes_wrong_ends_the_process_or_not() {
    let overrun = CORRUPTION
        .replace("PLACE", "after")
        .replace("WHERE", "after end");
    let underrun = CORRUPTION
        .replace("PLACE", "before")
        .replace("WHERE", "before start");
    let not_a_block = "Debug Assertion Failed!\n\nExpression: _CrtIsValidHeapPointer(block)\n";
    for (what, expected) in [
        ("overrun", overrun.as_str()),
        ("underrun", &underrun),
        ("twice", not_a_block),
        ("debug-free", not_a_block),
        (
            "assert",
            "Debug Assertion Failed!\n\nFile: ends.c\nLine: 100\n\nExpression: block == NULL\n",
        ),
    ] {
        for (setting, goes_on) in [("abort", false), ("continue", true)] {
            let Some(ended) = ends(what, &[("NTHEAP_ON_CORRUPTION", setting)]) else {
                return;
            };
            let error = without_addresses(&text(&ended.stderr));
            assert_eq!(error, expected, "{what}");
            if goes_on {
                assert!(ended.status.success(), "{what}: {}", ended.status);
                assert_eq!(text(&ended.stdout), "went on\n", "{what}");
            } else {
                assert_eq!(ended.status.signal(), Some(libc::SIGABRT), "{what}");
                assert_eq!(text(&ended.stdout), "", "{what}");
            }
        }
    }
}

#[test]
fn a_breakpoint_ends_a_process_without_a_debugger() {
    let Some(ended) = ends("break", &[]) else {
        return;
    };
    assert_eq!(ended.status.signal(), Some(libc::SIGTRAP));
    assert_eq!(text(&ended.stdout), "");
}

#[test]
fn leaks_go_to_the_debuggers_channel_at_first() {
    let Some(ended) = ends("leak", &[]) else {
        return;
    };
    assert!(ended.status.success());
    let error = without_addresses(&text(&ended.stderr));
    assert!(
        error.contains("\nends.c(1) : {1} normal block at 0x..., 24 bytes long.\n"),
        "{error}"
    );
}

/// A release free sees no block at a debug block's address, in each of the modes
/// that the runtime can be in.
#[test]
fn a_debug_block_that_meets_release_free_is_reported() {
    for mode in ["process", "shared", "private"] {
        for what in ["release-free", "aligned-free"] {
            let Some(ended) = ends(what, &[("NTHEAP_CRT", mode)]) else {
                return;
            };
            let error = text(&ended.stderr);
            assert_eq!(
                ended.status.signal(),
                Some(libc::SIGABRT),
                "{mode} {what}: {error}"
            );
            assert!(
                error.contains("ntheap: VERIFIER STOP "),
                "{mode} {what}: {error}"
            );
            assert_eq!(text(&ended.stdout), "", "{mode} {what}");
        }
    }
}

#[test]
fn without_debug_nothing_is_left() {
    let flags = ["-Wno-unused-value"];
    let Some(program) = built("off", "crtdbg_off.c", "crtdbg-off", &flags) else {
        return;
    };
    let ended = run(&mut command(program)).expect_success("off");
    assert_eq!(text(&ended.stdout), "done\n");
    assert_eq!(text(&ended.stderr), "");
}

#[test]
fn texts_for_the_caller_are_in_blocks_and_buffers() {
    let flags = ["-D_CRTDBG_MAP_ALLOC", "-pthread"];
    let Some(program) = debug("texts", "crtdbg_texts.c", &flags) else {
        return;
    };
    let ended = run(&mut command(program)).expect_success("texts");
    assert_eq!(text(&ended.stdout), "done\n");
    assert_eq!(text(&ended.stderr), "");
}

/// The hooks and the rarer functions, whichever heap the runtime is on.
#[test]
fn hooks_and_handlers_are_called_by_all_that_has_them() {
    let Some(program) = debug("hooks", "crtdbg_hooks.c", &[]) else {
        return;
    };
    for mode in ["", "private", "shared", "process"] {
        let ended = run(command(&program).env("NTHEAP_CRT", mode)).expect_success("hooks");
        assert_eq!(text(&ended.stdout), "done\n");
        assert_eq!(text(&ended.stderr), "");
    }
}

#[test]
fn macros_make_debug_blocks_of_all_of_mallocs_kin() {
    let Some(program) = debug("map", "crtdbg_map.c", &[]) else {
        return;
    };
    let ended = run(&mut command(program)).expect_success("map");
    assert_eq!(text(&ended.stdout), "done\n");
    assert_eq!(text(&ended.stderr), "");
}

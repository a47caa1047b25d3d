//! What the shared library shows to the dynamic linker.

#![cfg(target_os = "linux")]

mod common;

use common::{command, find, library, run, skip, text};
use std::collections::BTreeSet;

/// Everything that a program gets from the library, and nothing else.
const EXPORTED: [&str; 15] = [
    "aligned_alloc",
    "calloc",
    "free",
    "free_aligned_sized",
    "free_sized",
    "mallinfo2",
    "malloc",
    "malloc_trim",
    "malloc_usable_size",
    "memalign",
    "posix_memalign",
    "pvalloc",
    "realloc",
    "reallocarray",
    "valloc",
];

/// What a tool of binutils says of the library.
fn tool(name: &str, arguments: &[&str]) -> Option<String> {
    let Some(program) = find(name) else {
        skip("the library's symbols", &format!("{name} is not installed"));
        return None;
    };
    let ended = run(command(program).args(arguments).arg(library())).expect_success(name);
    Some(text(&ended.stdout))
}

#[test]
fn the_documented_functions_are_exported_and_nothing_else() {
    let Some(output) = tool("nm", &["-D", "--defined-only"]) else {
        return;
    };
    let exported: BTreeSet<&str> = output
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .collect();
    assert_eq!(exported, BTreeSet::from(EXPORTED));
    for line in output.lines() {
        assert!(line.contains(" T "), "not a function: {line}");
    }
}

#[test]
fn it_has_its_name_and_needs_the_c_library_only() {
    let Some(output) = tool("readelf", &["-dW"]) else {
        return;
    };
    let values = |tag: &str| -> BTreeSet<String> {
        output
            .lines()
            .filter(|line| line.contains(&format!("({tag})")))
            .filter_map(|line| line.split_once('['))
            .filter_map(|(_, rest)| rest.split_once(']'))
            .map(|(value, _)| value.to_owned())
            .collect()
    };
    assert_eq!(
        values("SONAME"),
        BTreeSet::from(["libntheap.so".to_owned()])
    );
    let needed = values("NEEDED");
    let allowed = ["libc.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"];
    assert!(needed.contains("libc.so.6"), "{needed:?}");
    for name in &needed {
        assert!(allowed.contains(&name.as_str()), "needs {name}");
    }
    // Code that must be rewritten when it is loaded would be shared by nobody.
    assert!(!output.contains("(TEXTREL)"), "{output}");
}

#[test]
fn closing_it_leaves_it_in_place() {
    let Some(output) = tool("readelf", &["-dW"]) else {
        return;
    };
    let flags = output.lines().find(|line| line.contains("(FLAGS_1)"));
    assert!(
        flags.is_some_and(|line| line.contains("NODELETE")),
        "{output}"
    );
}

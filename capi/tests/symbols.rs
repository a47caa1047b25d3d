//! What the shared library shows to the dynamic linker.

#![cfg(target_os = "linux")]

mod common;

use common::{command, find, library, run, skip, text, windows_library};
use std::collections::BTreeSet;
use std::path::Path;

/// Everything that a program gets from the library but for the Windows names,
/// which it has behind a prefix.
const EXPORTED: [&str; 55] = [
    "_ZdaPv",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdaPvSt11align_val_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvm",
    "_ZdaPvmSt11align_val_t",
    "_ZdlPv",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdlPvSt11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdlPvm",
    "_ZdlPvmSt11align_val_t",
    "_Znam",
    "_ZnamRKSt9nothrow_t",
    "_ZnamSt11align_val_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    "_Znwm",
    "_ZnwmRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
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
    "ntheap_crt_aligned_free",
    "ntheap_crt_aligned_malloc",
    "ntheap_crt_aligned_new",
    "ntheap_crt_begin",
    "ntheap_crt_calloc",
    "ntheap_crt_close",
    "ntheap_crt_debug_new",
    "ntheap_crt_free",
    "ntheap_crt_malloc",
    "ntheap_crt_msize",
    "ntheap_crt_new",
    "ntheap_crt_new_by",
    "ntheap_crt_open",
    "ntheap_crt_realloc",
    "ntheap_set_stop_callback",
    "ntheap_snapshot",
    "ntheap_stats_prometheus",
    "ntheap_stop_json",
    "ntheap_stop_text",
    "ntheap_trace",
    "posix_memalign",
    "pvalloc",
    "realloc",
    "reallocarray",
    "valloc",
];

macro_rules! list_names {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        /// The Windows names.
        const WINDOWS: &[&str] = &[$(stringify!($name)),*];
    };
}

heap::win32_names!(list_names);

macro_rules! list_variadic {
    ($(fn $name:ident($($argument:ident: $type:ty,)* ...) -> $result:ty;)*) => {
        /// Those of them whose arguments vary.
        const VARIADIC: &[&str] = &[$(stringify!($name)),*];
    };
}

heap::win32_variadic_names!(list_variadic);

/// What a tool of binutils says of a library.
fn tool_on(library: &Path, name: &str, arguments: &[&str]) -> Option<String> {
    let Some(program) = find(name) else {
        skip("the library's symbols", &format!("{name} is not installed"));
        return None;
    };
    let ended = run(command(program).args(arguments).arg(library)).expect_success(name);
    Some(text(&ended.stdout))
}

/// What a tool of binutils says of libntheap.so.
fn tool(name: &str, arguments: &[&str]) -> Option<String> {
    tool_on(library(), name, arguments)
}

/// The functions that nm's output names.
fn exported(output: &str) -> BTreeSet<&str> {
    output
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .collect()
}

/// The values of the dynamic section's entries of one kind.
fn dynamic(output: &str, tag: &str) -> BTreeSet<String> {
    output
        .lines()
        .filter(|line| line.contains(&format!("({tag})")))
        .filter_map(|line| line.split_once('['))
        .filter_map(|(_, rest)| rest.split_once(']'))
        .map(|(value, _)| value.to_owned())
        .collect()
}

#[test]
fn the_documented_functions_are_exported_and_nothing_else() {
    let Some(output) = tool("nm", &["-D", "--defined-only"]) else {
        return;
    };
    let prefixed: Vec<String> = WINDOWS
        .iter()
        .chain(VARIADIC)
        .map(|name| format!("ntheap_{name}"))
        .collect();
    let expected: BTreeSet<&str> = EXPORTED
        .into_iter()
        .chain(prefixed.iter().map(String::as_str))
        .collect();
    assert_eq!(exported(&output), expected);
    for line in output.lines() {
        assert!(line.contains(" T "), "not a function: {line}");
    }
}

#[test]
fn it_has_its_name_and_needs_the_c_library_only() {
    let Some(output) = tool("readelf", &["-dW"]) else {
        return;
    };
    assert_eq!(
        dynamic(&output, "SONAME"),
        BTreeSet::from(["libntheap.so".to_owned()])
    );
    let needed = dynamic(&output, "NEEDED");
    let allowed = ["libc.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"];
    assert!(needed.contains("libc.so.6"), "{needed:?}");
    for name in &needed {
        assert!(allowed.contains(&name.as_str()), "needs {name}");
    }
    // Code that must be rewritten when it is loaded would be shared by nobody.
    assert!(!output.contains("(TEXTREL)"), "{output}");
}

/// Each name that is looked up costs every process time.
#[test]
#[cfg(all(target_env = "gnu", target_arch = "x86_64"))]
fn calls_of_the_system_are_not_looked_up() {
    let Some(output) = tool("nm", &["-D", "--undefined-only"]) else {
        return;
    };
    let wanted: BTreeSet<&str> = output
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(|name| name.split('@').next().unwrap_or(name))
        .collect();
    assert!(wanted.contains("__errno_location"), "{output}");
    let calls = include_str!("../src/calls.rs");
    let own: BTreeSet<&str> = calls
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"ntheap_"))
        .filter_map(|line| line.split_once(' '))
        .filter(|(kind, _)| matches!(*kind, "call" | "begin"))
        .filter_map(|(_, rest)| rest.split(['"', ',']).next())
        .filter(|name| !name.starts_with('\\'))
        .collect();
    assert!(own.contains("mmap") && own.contains("open"), "{own:?}");
    let both: Vec<_> = own.intersection(&wanted).collect();
    assert!(both.is_empty(), "{both:?}");
}

/// The loader takes the right to write away from what is relocated once. A linker that is given
/// an order of sections may take more for that.
#[test]
fn what_is_written_later_is_not_made_read_only() {
    let Some(output) = tool("readelf", &["-SlW"]) else {
        return;
    };
    let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).unwrap();
    let words = |line: &'_ str| {
        line.split_whitespace()
            .map(String::from)
            .collect::<Vec<_>>()
    };
    let relro = output.lines().map(words);
    let relro = relro.filter(|words| words.first().is_some_and(|name| name == "GNU_RELRO"));
    let [relro] = &relro.collect::<Vec<_>>()[..] else {
        panic!("{output}");
    };
    let (start, bytes) = (number(&relro[2]), number(&relro[5]));
    let mut written = 0;
    for line in output.lines().filter_map(|line| line.split_once("] .")) {
        let words = words(line.1);
        let name = &words[0];
        if (name.starts_with("data") && !name.starts_with("data.rel.ro")) || name.starts_with("bss")
        {
            let (from, size) = (number(&words[2]), number(&words[4]));
            let is_apart = from >= start + bytes || from + size <= start;
            assert!(is_apart, ".{name} from {from:#x} on:\n{output}");
            written += 1;
        }
    }
    assert!(written >= 3, "{output}");
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

#[test]
fn the_windows_library_exports_the_list_and_leads_to_the_other_one() {
    let library = windows_library();
    let Some(output) = tool_on(library, "nm", &["-D", "--defined-only"]) else {
        return;
    };
    // And C++'s operator new.
    let expected = WINDOWS
        .iter()
        .chain(VARIADIC)
        .copied()
        .chain(["_Znwm"])
        .collect();
    assert_eq!(exported(&output), expected);
    let Some(output) = tool_on(library, "readelf", &["-dW"]) else {
        return;
    };
    let one = |value: &str| BTreeSet::from([value.to_owned()]);
    assert_eq!(dynamic(&output, "SONAME"), one("libntheap_win32.so"));
    assert_eq!(dynamic(&output, "RUNPATH"), one("$ORIGIN"));
    let mut needed = dynamic(&output, "NEEDED");
    assert!(needed.remove("libntheap.so"), "{needed:?}");
    needed.remove("libc.so.6");
    assert!(needed.is_empty(), "{needed:?}");
    assert!(!output.contains("(TEXTREL)"), "{output}");
}

#[test]
fn the_windows_library_has_no_heap_of_its_own() {
    let Some(output) = tool_on(windows_library(), "nm", &["-C", "--defined-only"]) else {
        return;
    };
    let heap: Vec<&str> = output
        .lines()
        .filter(|line| line.contains("ntheap::") || line.contains("ntheap_"))
        // Its own few functions.
        .filter(|line| !line.contains("ntheap_win32::"))
        .collect();
    assert!(heap.is_empty(), "{heap:?}");
    // Code and data: a few instructions for each name, and up to a page that the
    // linker fills up.
    let Some(sizes) = tool_on(windows_library(), "readelf", &["-lW"]) else {
        return;
    };
    let loaded: u64 = sizes
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("LOAD"))
        .filter_map(|line| line.split_whitespace().nth(4))
        .filter_map(|size| u64::from_str_radix(size.trim_start_matches("0x"), 16).ok())
        .sum();
    let most = 20 * 1024 + 128 * WINDOWS.len() as u64;
    assert!((1..most).contains(&loaded), "{loaded} bytes");
}

//! The two shared libraries and the Windows names: whom they belong to, and
//! what a program that has both gets.

#![cfg(target_os = "linux")]

mod common;

use common::{command, compiled, compiled_as, preloaded, run, text, windows_library};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

macro_rules! list_names {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        /// The Windows names.
        const WINDOWS: &[&str] = &[$(stringify!($name)),*];
    };
}

heap::win32_names!(list_names);

#[test]
fn a_preloaded_library_replaces_no_function_of_a_windows_name() {
    let flags = ["-rdynamic", "-ldl"];
    let Some(program) = compiled("own names", "own_names.c", &flags) else {
        return;
    };
    let ended = run(preloaded(program).args(WINDOWS)).expect_success("own names");
    assert_eq!(text(&ended.stdout), "done\n");
    assert_eq!(text(&ended.stderr), "");
}

/// A program of the folder `c`, linked with both libraries; none without a
/// compiler.
fn built(test: &str, source: &str, more: &[&str]) -> Option<PathBuf> {
    built_with(&["-lntheap_win32", "-lntheap"], test, source, more)
}

/// The same, linked with these.
fn built_with(libraries: &[&str], test: &str, source: &str, more: &[&str]) -> Option<PathBuf> {
    let headers = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let include = format!("-I{}", headers.display());
    let folder = windows_library().parent().expect("a folder").display();
    let (search, found) = (format!("-L{folder}"), format!("-Wl,-rpath,{folder}"));
    let mut flags = vec![include.as_str(), &search];
    flags.extend(libraries);
    flags.extend([found.as_str(), "-ldl"]);
    flags.extend(more);
    compiled_as(&test.replace(' ', "-"), test, source, &flags)
}

/// Runs a program that is linked with both libraries.
fn linked(test: &str, source: &str, more: &[&str]) {
    let Some(program) = built(test, source, more) else {
        return;
    };
    let ended = run(&mut command(program)).expect_success(test);
    assert_eq!(text(&ended.stdout), "done\n");
    assert_eq!(text(&ended.stderr), "");
}

#[test]
fn a_program_with_both_libraries_has_one_heap() {
    linked("both libraries", "both_libraries.c", &[]);
}

#[test]
fn a_module_that_gets_no_runtime_is_refused_all() {
    linked("no runtime", "no_runtime.c", &[]);
}

#[test]
fn malloc_is_on_the_heap_that_its_handle_names() {
    let Some(program) = built("heap handle", "heap_handle.c", &[]) else {
        return;
    };
    for (mode, heap) in [
        ("", "process"),
        ("process", "process"),
        ("private", "own"),
        ("shared", "own"),
    ] {
        let ended = run(command(&program).arg(heap).env("NTHEAP_CRT", mode));
        let ended = ended.expect_success(&format!("the heap of mode {mode}"));
        assert_eq!(text(&ended.stdout), "done\n");
        assert_eq!(text(&ended.stderr), "");
    }
}

#[test]
fn texts_for_the_debugger_go_to_standard_error() {
    let Some(program) = built("debug text", "debug_text.c", &["-fshort-wchar"]) else {
        return;
    };
    let ended = run(&mut command(program)).expect_success("debug text");
    assert_eq!(text(&ended.stderr), "narrow\nwide \u{e4}\neither\n");
}

#[test]
fn handlers_of_exceptions_leave_by_longjmp() {
    linked("exceptions", "exceptions.c", &[]);
}

#[test]
fn operator_new_calls_the_handlers_and_throws() {
    linked("operator new", "new_handler.cpp", &[]);
}

#[test]
fn what_a_new_handler_frees_is_had() {
    let (both, alone) = (&["-lntheap_win32", "-lntheap"][..], &["-lntheap"][..]);
    for (name, libraries, more) in [
        ("handler frees", both, &["-std=c++17"][..]),
        ("handler frees alone", alone, &["-std=c++17", "-DALONE"]),
    ] {
        let source = "new_handler_frees.cpp";
        let Some(program) = built_with(libraries, name, source, more) else {
            return;
        };
        for hardened in ["0", "1"] {
            let mut command = command(&program);
            command.env("NTHEAP_COMMIT_LIMIT", "16M");
            command.env("NTHEAP_HARDENED", hardened);
            let ended = run(&mut command).expect_success(&format!("{name}, hardened {hardened}"));
            assert_eq!(text(&ended.stdout), "done\n");
            assert_eq!(text(&ended.stderr), "");
        }
    }
}

#[test]
fn what_a_handler_throws_at_malloc_ends_the_process() {
    let Some(program) = built("throw at malloc", "new_handler.cpp", &[]) else {
        return;
    };
    let ended = run(command(program).arg("ends"));
    let errors = text(&ended.stderr);
    assert_eq!(ended.status.signal(), Some(6), "{errors}");
    assert_eq!(text(&ended.stdout), "ends\n", "{errors}");
    assert!(errors.starts_with("terminate called"), "{errors}");
}

#[test]
fn a_modules_own_runtime_has_all_forms_of_new() {
    for standard in ["-std=c++11", "-std=c++20"] {
        linked(
            &format!("own new {standard}"),
            "static_new.cpp",
            &[standard],
        );
    }
}

#[test]
fn threads_with_many_keys_use_the_heap_that_serves_malloc() {
    let Some(program) = compiled("keys", "keys.c", &["-pthread"]) else {
        return;
    };
    for mode in ["", "private", "shared", "process"] {
        let ended = run(preloaded(&program).env("NTHEAP_CRT", mode)).expect_success("keys");
        assert_eq!(text(&ended.stdout), "done\n");
        assert_eq!(text(&ended.stderr), "");
    }
}

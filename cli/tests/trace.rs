//! `ntheap trace` on programs that run.

#![cfg(target_os = "linux")]

mod common;

use common::{
    compile, compile_cpp, folder, library, ntheap, output, root, stderr, stdout, trace_library,
    windows_library,
};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn trace(options: &[&str]) -> Command {
    library();
    windows_library();
    trace_library();
    let mut command = ntheap();
    command.arg("trace").args(options).arg("--");
    command
}

/// The JSON objects on standard error.
fn calls(out: &Output) -> Vec<Value> {
    stderr(out)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

/// The functions on the way from a call to the first call inside each.
fn chain(call: &Value) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = call;
    while let Some(name) = at["function"].as_str() {
        let module = at["module"].as_str().expect("a module");
        names.push(format!("{module}.{name}"));
        at = &at["calls"][0];
    }
    names
}

/// A C++ program that links the Windows names' library, if it can be built.
fn windows_program(name: &str, source: &str) -> Option<std::path::PathBuf> {
    let folder = folder(name);
    let program = folder.join("program");
    let include = root().join("capi/include");
    let libraries = windows_library().parent().expect("in a folder");
    let flags = [
        "-I".to_owned(),
        include.display().to_string(),
        "-L".to_owned(),
        libraries.display().to_string(),
        "-lntheap_win32".to_owned(),
        "-lntheap".to_owned(),
        format!("-Wl,-rpath,{}", libraries.display()),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    compile_cpp(name, source, &program, &flags).then_some(program)
}

const NEW: &str = "
#include <cstdio>
int main() {
    int *volatile p = new int[1 << 20];
    std::printf(\"%p\\n\", (void *)p);
    delete[] p;
    return 3;
}
";

#[test]
fn a_new_is_followed_down_to_the_system() {
    let folder = folder("trace-new");
    let program = folder.join("program");
    if !compile_cpp("a traced new", NEW, &program, &[]) {
        return;
    }
    let out = output(trace(&["--call", "new[]", "--first", "1", "--json"]).arg(&program));
    assert_eq!(out.status.code(), Some(3), "{}", stderr(&out));
    let calls = calls(&out);
    let [call] = calls.as_slice() else {
        panic!("{calls:?}");
    };
    assert_eq!(
        chain(call),
        [
            "C++.operator new[]",
            "C++.operator new",
            "msvcrt.malloc",
            "ntdll.RtlAllocateHeap",
            "ntdll.NtAllocateVirtualMemory",
            "system.mmap",
        ]
    );
    let size = 4 << 20;
    assert_eq!(call["arguments"]["size"], size);
    assert_eq!(call["calls"][0]["calls"][0]["arguments"]["size"], size);
    // The block that the program prints is the one that each layer gave.
    let block = u64::from_str_radix(stdout(&out).trim().trim_start_matches("0x"), 16);
    let block = Value::from(block.expect("an address"));
    let malloc = &call["calls"][0]["calls"][0];
    for layer in [call, &call["calls"][0], malloc, &malloc["calls"][0]] {
        assert_eq!(layer["result"], block, "{layer}");
    }
}

#[test]
fn the_text_names_modules_and_flags() {
    let folder = folder("trace-text");
    let program = folder.join("program");
    if !compile_cpp("a traced new", NEW, &program, &[]) {
        return;
    }
    let out = output(trace(&["--call", "new[]"]).arg(&program));
    let text = stderr(&out);
    let block = stdout(&out).trim().to_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        format!("C++ operator new[](size 4194304) -> {block}")
    );
    assert_eq!(
        lines[1],
        format!("  C++ operator new(size 4194304) -> {block}")
    );
    assert_eq!(
        lines[2],
        format!("    msvcrt.malloc(size 4194304) -> {block}")
    );
    assert_eq!(
        lines[3],
        format!(
            "      kernel32.HeapAlloc = ntdll.RtlAllocateHeap(heap process heap, flags 0, \
             size 4194304) -> {block}"
        )
    );
    assert!(
        lines[4].starts_with("        ntdll.NtAllocateVirtualMemory(address NULL, size "),
        "{text}"
    );
    assert!(lines[4].contains("type MEM_RESERVE"), "{text}");
    assert!(
        lines[5].starts_with("          system mmap(address NULL, length "),
        "{text}"
    );
    assert!(text.ends_with("\n\n"), "{text}");
}

#[test]
fn an_exception_passes_and_leaves_the_new_without_a_result() {
    let folder = folder("trace-throw");
    let program = folder.join("program");
    let source = "
#include <cstdio>
#include <new>
int main() {
    volatile unsigned long size = 1ul << 62;
    try {
        char *volatile p = new char[size];
        std::printf(\"%p\\n\", (void *)p);
    } catch (const std::bad_alloc &) {
        std::puts(\"caught\");
    }
}
";
    if !compile_cpp("a traced exception", source, &program, &[]) {
        return;
    }
    let out = output(trace(&["--call", "new[]", "--json"]).arg(&program));
    assert_eq!(stdout(&out), "caught\n", "{}", stderr(&out));
    assert!(out.status.success());
    let calls = calls(&out);
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0]["result"], Value::Null);
    assert_eq!(calls[0]["calls"][0]["calls"][0]["result"], 0, "{calls:?}");
}

#[test]
fn windows_names_are_followed_by_their_own() {
    let source = "
#include <windows.h>
int main() {
    HANDLE heap = HeapCreate(0, 0, 0);
    void *block = HeapAlloc(heap, HEAP_ZERO_MEMORY, 3000000);
    HeapFree(heap, 0, block);
    HeapDestroy(heap);
    VirtualFree(VirtualAlloc(0, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE), 0, MEM_RELEASE);
}
";
    let Some(program) = windows_program("trace-windows", source) else {
        return;
    };
    let names = ["HeapCreate", "HeapAlloc", "HeapFree", "HeapDestroy"];
    let mut options = vec!["--json"];
    for name in names {
        options.extend(["--call", name]);
    }
    let out = output(trace(&options).arg(&program));
    assert!(out.status.success(), "{}", stderr(&out));
    let calls = calls(&out);
    let found: Vec<&str> = calls
        .iter()
        .filter_map(|call| call["function"].as_str())
        .collect();
    assert_eq!(found, names, "{calls:?}");
    assert_eq!(
        chain(&calls[1])[..3],
        [
            "kernel32.HeapAlloc",
            "ntdll.RtlAllocateHeap",
            "ntdll.NtAllocateVirtualMemory",
        ]
    );
    assert_eq!(calls[1]["arguments"]["flags"], 8);
    assert_eq!(calls[1]["arguments"]["heap"], calls[0]["result"]);
    assert_eq!(calls[2]["arguments"]["block"], calls[1]["result"]);

    let out = output(trace(&["--call", "VirtualAlloc"]).arg(&program));
    let text = stderr(&out);
    assert!(
        text.contains("type MEM_RESERVE|MEM_COMMIT, protect PAGE_READWRITE"),
        "{text}"
    );
    assert!(text.contains("  ntdll.NtAllocateVirtualMemory("), "{text}");
    assert!(text.contains("    system mmap("), "{text}");
}

#[test]
fn threads_and_processes_are_told_apart() {
    let folder = folder("trace-threads");
    let program = folder.join("program");
    let source = "
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void *work(void *x) {
    for (int i = 0; i < 50; i++) {
        void *volatile p = malloc(12345);
        free(p);
    }
    return x;
}
int main(void) {
    pthread_t all[4];
    for (int i = 0; i < 4; i++) pthread_create(&all[i], 0, work, 0);
    for (int i = 0; i < 4; i++) pthread_join(all[i], 0);
    pid_t child = fork();
    if (child == 0) {
        work(0);
        _exit(0);
    }
    waitpid(child, 0, 0);
    return 0;
}
";
    if !compile("traced threads", source, &program, &["-pthread"]) {
        return;
    }
    let out = output(trace(&["--call", "malloc", "--json"]).arg(&program));
    assert!(out.status.success(), "{}", stderr(&out));
    let mut counts = std::collections::BTreeMap::new();
    for call in calls(&out) {
        if call["arguments"]["size"] == 12345 {
            let thread = (call["process"].to_string(), call["thread"].to_string());
            *counts.entry(thread).or_insert(0) += 1;
            assert_ne!(call["result"], 0);
        }
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [50; 5]);
}

#[test]
fn the_calls_go_to_a_file_when_asked() {
    let to = folder("trace-file").join("calls");
    let path = to.to_str().expect("a name in UTF-8");
    let out = output(trace(&["-o", path]).args(["echo", "hello"]));
    assert_eq!(stdout(&out), "hello\n");
    assert_eq!(stderr(&out), "");
    let text = std::fs::read_to_string(&to).expect("the calls");
    assert!(text.contains("msvcrt.malloc(size "), "{text}");
}

#[test]
fn a_signal_and_a_missing_program_have_their_exit_statuses() {
    let out = output(trace(&[]).args(["sh", "-c", "kill -9 $$"]));
    assert_eq!(out.status.code(), Some(137));
    let out = output(trace(&[]).arg("/nonexistent/program"));
    assert_eq!(out.status.code(), Some(127));
    assert!(stderr(&out).contains("/nonexistent/program"));
}

#[test]
fn without_its_library_it_says_so() {
    let empty = folder("trace-no-library");
    let copy = empty.join("libntheap.so");
    std::fs::copy(library(), &copy).expect("copied");
    let mut command = ntheap();
    command
        .env("NTHEAP_LIBRARY", &copy)
        .args(["trace", "--", "true"]);
    let out = output(&mut command);
    assert_eq!(out.status.code(), Some(120));
    let name = Path::new("libntheap_trace.so");
    assert!(stderr(&out).contains(&*name.to_string_lossy()));
}

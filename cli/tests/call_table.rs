//! Who calls whom: each family of functions, followed down by `ntheap trace`, and
//! the heap that its memory came from.

#![cfg(target_os = "linux")]

mod common;

use common::{
    compile_cpp, folder, library, ntheap, output, root, stderr, trace_library, windows_library,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Each family allocates more than its heap has at hand, of a size of its own.
const SOURCE: &str = "
#include <windows.h>
#include <objbase.h>
#include <cstdlib>
int main() {
    HANDLE process = GetProcessHeap();
    HANDLE own = HeapCreate(0, 0, 0);
    IMalloc *allocator = 0;
    if (CoGetMalloc(MEMCTX_TASK, &allocator) != S_OK)
        return 2;
    volatile void *all[13];
    all[0] = new char[3000001];
    all[1] = std::malloc(3000002);
    all[2] = HeapAlloc(process, 0, 3000003);
    all[3] = HeapAlloc(own, 0, 3000004);
    all[4] = LocalAlloc(LMEM_FIXED, 3000005);
    all[5] = GlobalAlloc(GMEM_FIXED, 3000006);
    all[6] = CoTaskMemAlloc(3000007);
    all[7] = VirtualAlloc(0, 3000008, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    all[8] = LocalAlloc(LMEM_MOVEABLE, 3000009);
    all[9] = GlobalAlloc(GMEM_MOVEABLE, 3000010);
    all[10] = allocator->Alloc(3000011);
    all[11] = allocator->Realloc(0, 3000012);
    all[12] = CoTaskMemRealloc(0, 3000013);
    for (volatile void *block : all)
        if (block == 0)
            return 1;
    void *blocks[13];
    for (int i = 0; i < 13; i++)
        blocks[i] = const_cast<void *>(all[i]);
    delete[] static_cast<char *>(blocks[0]);
    std::free(blocks[1]);
    HeapFree(process, 0, blocks[2]);
    HeapFree(own, 0, blocks[3]);
    LocalFree(blocks[4]);
    GlobalFree(blocks[5]);
    CoTaskMemFree(blocks[6]);
    VirtualFree(blocks[7], 0, MEM_RELEASE);
    LocalFree(blocks[8]);
    GlobalFree(blocks[9]);
    allocator->Free(blocks[10]);
    allocator->Realloc(blocks[11], 0);
    CoTaskMemFree(blocks[12]);
    return 0;
}
";

fn program() -> Option<PathBuf> {
    let program = folder("call-table").join("program");
    let include = root().join("capi/include");
    let libraries = windows_library().parent().expect("in a folder");
    let flags = [
        "-fshort-wchar".to_owned(),
        "-I".to_owned(),
        include.display().to_string(),
        "-L".to_owned(),
        libraries.display().to_string(),
        "-lntheap_win32".to_owned(),
        "-lntheap".to_owned(),
        format!("-Wl,-rpath,{}", libraries.display()),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    compile_cpp("the call table", SOURCE, &program, &flags).then_some(program)
}

fn name(call: &Value) -> String {
    let text = |key: &str| call[key].as_str().expect("a name").to_owned();
    format!("{}.{}", text("module"), text("function"))
}

/// The size that a call asks for, under whichever name.
fn size(call: &Value) -> Option<u64> {
    ["size", "bytes"]
        .iter()
        .find_map(|name| call["arguments"][name].as_u64())
}

/// All pairs of caller and callee at and below a call.
fn pairs(call: &Value, found: &mut Vec<(String, String)>) {
    for inner in call["calls"].as_array().expect("calls") {
        found.push((name(call), name(inner)));
        pairs(inner, found);
    }
}

/// All calls of a function at and below a call.
fn calls_of<'a>(call: &'a Value, function: &str, found: &mut Vec<&'a Value>) {
    if call["function"] == function {
        found.push(call);
    }
    for inner in call["calls"].as_array().expect("calls") {
        calls_of(inner, function, found);
    }
}

/// Whose heap a block is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Process,
    Own,
    /// No heap's: pages.
    Nobody,
}

/// A row of the table: who is called to allocate so many bytes, and whom that calls in
/// turn; and the same of freeing what came of it. Below are the heap and the pages.
type Family = (u64, Whose, &'static [&'static str], &'static [&'static str]);

const FAMILIES: [Family; 13] = [
    (
        3_000_001,
        Whose::Process,
        &["C++.operator new[]", "C++.operator new", "msvcrt.malloc"],
        &[
            "C++.operator delete[]",
            "C++.operator delete",
            "msvcrt.free",
        ],
    ),
    (
        3_000_002,
        Whose::Process,
        &["msvcrt.malloc"],
        &["msvcrt.free"],
    ),
    (
        3_000_003,
        Whose::Process,
        &["kernel32.HeapAlloc"],
        &["kernel32.HeapFree"],
    ),
    (
        3_000_004,
        Whose::Own,
        &["kernel32.HeapAlloc"],
        &["kernel32.HeapFree"],
    ),
    (
        3_000_005,
        Whose::Process,
        &["kernel32.LocalAlloc"],
        &["kernel32.LocalFree"],
    ),
    (
        3_000_006,
        Whose::Process,
        &["kernel32.GlobalAlloc"],
        &["kernel32.GlobalFree"],
    ),
    (
        3_000_007,
        Whose::Process,
        &["ole32.CoTaskMemAlloc"],
        &["ole32.CoTaskMemFree"],
    ),
    (
        3_000_008,
        Whose::Nobody,
        &["kernel32.VirtualAlloc", "kernel32.VirtualAllocEx"],
        &["kernel32.VirtualFree"],
    ),
    // By handles.
    (
        3_000_009,
        Whose::Process,
        &["kernel32.LocalAlloc"],
        &["kernel32.LocalFree"],
    ),
    (
        3_000_010,
        Whose::Process,
        &["kernel32.GlobalAlloc"],
        &["kernel32.GlobalFree"],
    ),
    (
        3_000_011,
        Whose::Process,
        &["ole32.IMalloc::Alloc", "ole32.CoTaskMemAlloc"],
        &["ole32.IMalloc::Free", "ole32.CoTaskMemFree"],
    ),
    (
        3_000_012,
        Whose::Process,
        &["ole32.IMalloc::Realloc", "ole32.CoTaskMemRealloc"],
        &["ole32.IMalloc::Realloc", "ole32.CoTaskMemRealloc"],
    ),
    (
        3_000_013,
        Whose::Process,
        &["ole32.CoTaskMemRealloc"],
        &["ole32.CoTaskMemFree"],
    ),
];

/// Asserts that a call is the first of `chain`, and each of it called by the one before,
/// at or below that call.
fn assert_chain(call: &Value, chain: &[&str]) {
    assert_eq!(name(call), chain[0]);
    let mut found = Vec::new();
    pairs(call, &mut found);
    for pair in chain.windows(2) {
        let pair = (pair[0].to_owned(), pair[1].to_owned());
        assert!(found.contains(&pair), "{pair:?} is not in {found:#?}");
    }
}

/// Asserts that `heap` is told of a call of the heap's `function` at or below `call`, and
/// if it is given, `block`; what the call gave.
fn heap_call(call: &Value, function: &str, heap: &Value, block: Option<&Value>) -> Value {
    let mut found = Vec::new();
    calls_of(call, function, &mut found);
    let of = |inner: &&&Value| {
        let arguments = &inner["arguments"];
        arguments["heap"] == *heap && block.is_none_or(|block| arguments["block"] == *block)
    };
    let found = found.iter().find(of);
    found.unwrap_or_else(|| panic!("{heap}, {block:?}: {call:#?}"))["result"].clone()
}

/// Every call of the program's, with those within it.
fn calls_of_the_program() -> Option<Vec<Value>> {
    library();
    windows_library();
    trace_library();
    let program = program()?;
    let mut command = ntheap();
    command.args(["trace", "--json", "--"]).arg(&program);
    let out = output(&mut command);
    assert!(out.status.success(), "{}", stderr(&out));
    let calls = stderr(&out)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    Some(calls)
}

#[test]
fn each_family_calls_the_layer_below() {
    let Some(calls) = calls_of_the_program() else {
        return;
    };
    let by_size: BTreeMap<u64, usize> = calls
        .iter()
        .enumerate()
        .filter_map(|(at, call)| size(call).map(|size| (size, at)))
        .collect();
    let result = |function: &str| {
        let of = |call: &&Value| call["function"] == function;
        calls.iter().find(of).expect(function)["result"].clone()
    };
    let (process, own) = (result("GetProcessHeap"), result("HeapCreate"));
    assert_ne!(process, own);

    for (bytes, whose, allocate, free) in FAMILIES {
        let at = *by_size
            .get(&bytes)
            .unwrap_or_else(|| panic!("{bytes}: {calls:#?}"));
        let allocation = &calls[at];
        // What was returned is an argument of the call that frees it.
        let frees = |call: &&Value| {
            let arguments = call["arguments"].as_object().expect("arguments");
            let names = ["block", "memory", "address"];
            let is_told = names
                .iter()
                .any(|name| arguments.get(*name) == Some(&allocation["result"]));
            is_told && name(call) == free[0]
        };
        let freeing = calls[at + 1..].iter().find(frees);
        let freeing = freeing.unwrap_or_else(|| panic!("{bytes} are not freed: {calls:#?}"));

        let (below, below_free) = match whose {
            Whose::Nobody => (None, None),
            Whose::Process | Whose::Own => {
                (Some("ntdll.RtlAllocateHeap"), Some("ntdll.RtlFreeHeap"))
            }
        };
        let chain =
            |above: &[&'static str], heap: Option<&'static str>, pages: [&'static str; 2]| {
                let mut chain = above.to_vec();
                chain.extend(heap);
                chain.extend(pages);
                chain
            };
        let pages = ["ntdll.NtAllocateVirtualMemory", "system.mmap"];
        assert_chain(allocation, &chain(allocate, below, pages));
        let pages = ["ntdll.NtFreeVirtualMemory", "system.munmap"];
        assert_chain(freeing, &chain(free, below_free, pages));

        let heap = match whose {
            Whose::Process => &process,
            Whose::Own => &own,
            Whose::Nobody => {
                let mut found = Vec::new();
                calls_of(allocation, "RtlAllocateHeap", &mut found);
                calls_of(freeing, "RtlFreeHeap", &mut found);
                assert!(found.is_empty(), "{found:#?}");
                continue;
            }
        };
        let block = heap_call(allocation, "RtlAllocateHeap", heap, None);
        let is_handle = bytes == 3_000_009 || bytes == 3_000_010;
        assert_eq!(block != allocation["result"], is_handle, "{allocation:#?}");
        heap_call(freeing, "RtlFreeHeap", heap, Some(&block));
    }
}

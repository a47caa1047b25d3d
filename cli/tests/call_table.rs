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

/// The first call of `RtlAllocateHeap` at or below a call.
fn heap_call(call: &Value) -> Option<&Value> {
    if call["function"] == "RtlAllocateHeap" {
        return Some(call);
    }
    let calls = call["calls"].as_array().expect("calls");
    calls.iter().find_map(heap_call)
}

#[test]
fn each_family_calls_the_layer_below() {
    library();
    windows_library();
    trace_library();
    let Some(program) = program() else { return };
    let mut command = ntheap();
    command.args(["trace", "--json", "--"]).arg(&program);
    let out = output(&mut command);
    assert!(out.status.success(), "{}", stderr(&out));
    let calls: Vec<Value> = stderr(&out)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let by_size: BTreeMap<u64, &Value> = calls
        .iter()
        .filter_map(|call| size(call).map(|size| (size, call)))
        .collect();
    let result = |function: &str| {
        let of = |call: &&Value| call["function"] == function;
        calls.iter().find(of).expect(function)["result"].clone()
    };
    let (process, own) = (result("GetProcessHeap"), result("HeapCreate"));

    let expected: [(u64, &[&str]); 8] = [
        (
            3_000_001,
            &["C++.operator new[]", "C++.operator new", "msvcrt.malloc"],
        ),
        (3_000_002, &["msvcrt.malloc"]),
        (3_000_003, &["kernel32.HeapAlloc"]),
        (3_000_004, &["kernel32.HeapAlloc"]),
        (3_000_005, &["kernel32.LocalAlloc"]),
        (3_000_006, &["kernel32.GlobalAlloc"]),
        (3_000_007, &["ole32.CoTaskMemAlloc"]),
        (3_000_008, &["kernel32.VirtualAlloc"]),
    ];
    for (bytes, above) in expected {
        let call = by_size
            .get(&bytes)
            .unwrap_or_else(|| panic!("{bytes}: {calls:#?}"));
        let mut found = Vec::new();
        pairs(call, &mut found);
        let is_virtual = above == ["kernel32.VirtualAlloc"];
        let mut chain: Vec<&str> = above.to_vec();
        if is_virtual {
            chain.extend([
                "kernel32.VirtualAllocEx",
                "ntdll.NtAllocateVirtualMemory",
                "system.mmap",
            ]);
        } else {
            chain.extend([
                "ntdll.RtlAllocateHeap",
                "ntdll.NtAllocateVirtualMemory",
                "system.mmap",
            ]);
        }
        assert_eq!(name(call), chain[0]);
        for pair in chain.windows(2) {
            let pair = (pair[0].to_owned(), pair[1].to_owned());
            assert!(found.contains(&pair), "{pair:?} is not in {found:#?}");
        }
        // Whose heap it was.
        if is_virtual {
            assert!(heap_call(call).is_none(), "{call}");
            continue;
        }
        let heap = &heap_call(call).expect("a call of the heap")["arguments"]["heap"];
        let whose = if bytes == 3_000_004 { &own } else { &process };
        assert_eq!(heap, whose, "{bytes}: {call}");
    }
}

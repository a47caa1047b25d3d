//! Calls as people read them, and as JSON.

use super::tree::{Call, Thread};
use super::words;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// A call and what it called, a line each, with a blank line behind.
pub(crate) fn text(thread: Thread, several: bool, call: &Call) -> String {
    let mut out = String::new();
    if several {
        // A String takes whatever is written.
        let _ = writeln!(out, "process {}, thread {}", thread.0, thread.1);
    }
    lines(&mut out, None, call, 0);
    out.push('\n');
    out
}

/// `HeapAlloc` and `RtlAllocateHeap` are one function on Windows: where the
/// former was not called by its name, both are named.
fn title(around: Option<&Call>, call: &Call) -> String {
    let by_its_name = around.is_some_and(|around| words::module(&around.name) == "kernel32");
    let also = match call.name.as_str() {
        _ if by_its_name => "",
        "RtlAllocateHeap" => "kernel32.HeapAlloc = ",
        "RtlReAllocateHeap" => "kernel32.HeapReAlloc = ",
        "RtlFreeHeap" => "kernel32.HeapFree = ",
        _ => "",
    };
    let separator = match words::module(&call.name) {
        "C++" | "system" => " ",
        _ => ".",
    };
    format!(
        "{also}{}{separator}{}",
        words::module(&call.name),
        call.name
    )
}

fn lines(out: &mut String, around: Option<&Call>, call: &Call, depth: usize) {
    let arguments: Vec<String> = call
        .arguments
        .iter()
        .map(|(name, value)| format!("{name} {}", words::argument(name, *value)))
        .collect();
    let result = match call.result {
        // Nothing worth a word comes of giving memory back.
        Some(0) if gives_nothing(&call.name) => String::new(),
        Some(value) => format!(" -> {}", words::result(&call.name, value)),
        None => " -> left without an end".to_owned(),
    };
    let _ = writeln!(
        out,
        "{:indent$}{}({}){result}",
        "",
        title(around, call),
        arguments.join(", "),
        indent = depth * 2,
    );
    for inner in &call.inside {
        lines(out, Some(call), inner, depth + 1);
    }
}

fn gives_nothing(name: &str) -> bool {
    name.starts_with("operator delete") || name.starts_with("free")
}

/// A call and what it called, as one JSON value.
pub(crate) fn json(thread: Thread, call: &Call) -> Value {
    let mut value = object(call);
    value.insert("process".to_owned(), json!(thread.0));
    value.insert("thread".to_owned(), json!(thread.1));
    Value::Object(value)
}

fn object(call: &Call) -> Map<String, Value> {
    let arguments: Map<String, Value> = call
        .arguments
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let inside: Vec<Value> = call
        .inside
        .iter()
        .map(|inner| Value::Object(object(inner)))
        .collect();
    let value = json!({
        "module": words::module(&call.name),
        "function": call.name,
        "arguments": arguments,
        "result": call.result,
        "calls": inside,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Call {
        let call = |name: &str, arguments: &[(&str, u64)], result, inside| Call {
            name: name.to_owned(),
            arguments: arguments
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
            result,
            inside,
        };
        let mmap = call(
            "mmap",
            &[
                ("address", 0),
                ("length", 65536),
                ("prot", 0),
                ("map", 0x4022),
            ],
            Some(0x7f00_0000_0000),
            vec![],
        );
        let pages = call(
            "NtAllocateVirtualMemory",
            &[("address", 0), ("size", 65536), ("type", 0x2000)],
            Some(0),
            vec![mmap],
        );
        let heap = call(
            "RtlAllocateHeap",
            &[("heap", 0), ("flags", 0), ("size", 40)],
            Some(0x7f00_0000_0000),
            vec![pages],
        );
        let malloc = call(
            "malloc",
            &[("size", 40)],
            Some(0x7f00_0000_0000),
            vec![heap],
        );
        call("operator new", &[("size", 40)], None, vec![malloc])
    }

    #[test]
    fn a_new_is_told_down_to_the_system() {
        let expected = "\
C++ operator new(size 40) -> left without an end
  msvcrt.malloc(size 40) -> 0x7f0000000000
    kernel32.HeapAlloc = ntdll.RtlAllocateHeap(heap process heap, flags 0, size 40) -> 0x7f0000000000
      ntdll.NtAllocateVirtualMemory(address NULL, size 65536, type MEM_RESERVE) -> STATUS_SUCCESS
        system mmap(address NULL, length 65536, prot PROT_NONE, map MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE) -> 0x7f0000000000

";
        assert_eq!(text((1, 1), false, &example()), expected);
        assert_eq!(
            text((1, 2), true, &example()),
            format!("process 1, thread 2\n{expected}")
        );
    }

    #[test]
    fn heap_alloc_by_its_name_is_not_named_twice() {
        let mut call = example().inside.remove(0);
        call.name = "HeapAlloc".to_owned();
        let text = text((1, 1), false, &call);
        assert!(text.contains("\n  ntdll.RtlAllocateHeap("), "{text}");
    }

    #[test]
    fn what_frees_has_nothing_to_give() {
        let mut call = example().inside.remove(0);
        call.name = "free".to_owned();
        call.result = Some(0);
        call.inside.clear();
        assert_eq!(text((1, 1), false, &call), "msvcrt.free(size 40)\n\n");
    }

    #[test]
    fn json_has_the_same_shape() {
        let value = json((1, 2), &example());
        assert_eq!(value["process"], 1);
        assert_eq!(value["result"], Value::Null);
        let heap = &value["calls"][0]["calls"][0];
        assert_eq!(heap["module"], "ntdll");
        assert_eq!(heap["arguments"]["size"], 40);
        assert_eq!(heap["calls"][0]["calls"][0]["function"], "mmap");
    }
}

//! Whether the tables leave any of the Windows names out.

/// Functions that change or tell what ntheap keeps in its own variables, the caller's
/// or none, or are other functions by another name: they ask the system for nothing
/// that it could refuse them. By the start of the name, or whole.
const ASK_NOTHING: [&str; 28] = [
    "GetLastError",
    "SetLastError",
    "GetCurrentProcess",
    "GetCurrentProcessId",
    "GlobalFix",
    "GlobalUnfix",
    "GlobalWire",
    "GlobalUnWire",
    "GlobalCompact",
    "LocalCompact",
    "LocalShrink",
    "SysStringLen",
    "SysStringByteLen",
    "SetOaNoCache",
    "Heap32",
    "LookupPrivilegeValue",
    "AdjustTokenPrivileges",
    "_query_new_",
    "_set_new_",
    "_get_invalid_",
    "_set_invalid_",
    "_get_sbh_",
    "_set_sbh_",
    "__doserrno",
    "_get_doserrno",
    "_set_doserrno",
    "_get_errno",
    "_set_errno",
];

/// Functions that have no row, and where they are tried instead.
const ELSEWHERE: [(&str, &str); 34] = [
    // Their blocks are the C runtime's or the debug heap's, tried as a load.
    ("_CrtDbg", "tests/crt_debug/faults.rs"),
    ("_Crt", "tests/crt_debug/faults.rs"),
    ("__p__crt", "tests/crt_debug/faults.rs"),
    ("_malloc_dbg", "tests/crt_debug/faults.rs"),
    ("_calloc_dbg", "tests/crt_debug/faults.rs"),
    ("_realloc_dbg", "tests/crt_debug/faults.rs"),
    ("_recalloc_dbg", "tests/crt_debug/faults.rs"),
    ("_expand_dbg", "tests/crt_debug/faults.rs"),
    ("_free_dbg", "tests/crt_debug/faults.rs"),
    ("_msize_dbg", "tests/crt_debug/faults.rs"),
    ("_aligned_", "tests/faults/rust.rs"),
    ("_strdup_dbg", "tests/crt_debug/faults.rs"),
    ("_mbsdup_dbg", "tests/crt_debug/faults.rs"),
    ("_wcsdup_dbg", "tests/crt_debug/faults.rs"),
    ("_getcwd_dbg", "tests/crt_debug/faults.rs"),
    ("_wgetcwd_dbg", "tests/crt_debug/faults.rs"),
    ("_fullpath_dbg", "tests/crt_debug/faults.rs"),
    ("_wfullpath_dbg", "tests/crt_debug/faults.rs"),
    ("_tempnam_dbg", "tests/crt_debug/faults.rs"),
    ("_wtempnam_dbg", "tests/crt_debug/faults.rs"),
    ("_dupenv_s_dbg", "tests/crt_debug/faults.rs"),
    ("_wdupenv_s_dbg", "tests/crt_debug/faults.rs"),
    ("_msize", "tests/faults/rust.rs"),
    ("_expand", "tests/faults/rust.rs"),
    ("_recalloc", "tests/faults/rust.rs"),
    ("_heap", "tests/private_heaps/faults.rs"),
    ("_get_heap_handle", "tests/faults/rust.rs"),
    ("_callnewh", "tests/crt/new_mode.rs"),
    ("AddVectoredExceptionHandler", "tests/pages/refused.rs"),
    ("RemoveVectoredExceptionHandler", "tests/pages/refused.rs"),
    ("RaiseException", "tests/win32/exceptions.rs"),
    ("FreeUserPhysicalPages", "tests/pages/physical.rs"),
    ("CoRegisterMallocSpy", "tests/win32/task_memory.rs"),
    ("CoRevokeMallocSpy", "tests/win32/task_memory.rs"),
];

macro_rules! list {
    ($(fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $result:ty;)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}
ntheap::win32_names!(list);

#[test]
fn every_name_has_a_row_or_is_said_to_have_none() {
    let document = include_str!("../../docs/faults.md");
    let mut missing = Vec::new();
    for name in NAMES {
        let has_row = document.contains(&format!("`{name}`"));
        let mut told = ASK_NOTHING.iter().any(|start| name.starts_with(start));
        told |= ELSEWHERE.iter().any(|(start, _)| name.starts_with(start));
        if !has_row && !told {
            missing.push(*name);
        }
    }
    assert!(missing.is_empty(), "without a row: {missing:?}");
}

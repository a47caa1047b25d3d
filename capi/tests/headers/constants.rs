//! Every number that the headers define is `windows-sys`' number.

use super::common::{find, folder, skip};
use super::{STRICT, all_text, include, printed};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use windows_sys::Wdk::Storage::FileSystem::{
    HEAP_SETTABLE_USER_FLAG1, HEAP_SETTABLE_USER_FLAG2, HEAP_SETTABLE_USER_FLAG3,
    HEAP_SETTABLE_USER_FLAGS, HEAP_SETTABLE_USER_VALUE,
};
use windows_sys::Win32::Foundation::*;
use windows_sys::Win32::Security::*;
use windows_sys::Win32::Storage::FileSystem::*;
use windows_sys::Win32::System::Diagnostics::Debug::*;
use windows_sys::Win32::System::Diagnostics::ToolHelp::*;
use windows_sys::Win32::System::Memory::*;
use windows_sys::Win32::System::SystemInformation::*;
use windows_sys::Win32::System::SystemServices::*;

/// The low 32 bits of each; a constant is compared by its bits.
macro_rules! numbers {
    ($($name:ident)*) => {
        [$((stringify!($name), $name as u32)),*]
    };
}

/// What `windows-sys` says.
fn windows() -> BTreeMap<&'static str, u32> {
    let mut all = BTreeMap::new();
    all.extend(numbers! {
        FALSE TRUE ANYSIZE_ARRAY NO_ERROR ERROR_SUCCESS ERROR_ACCESS_DENIED ERROR_INVALID_HANDLE
        ERROR_NOT_ENOUGH_MEMORY ERROR_BAD_LENGTH ERROR_GEN_FAILURE ERROR_NOT_SUPPORTED
        ERROR_INVALID_PARAMETER ERROR_CALL_NOT_IMPLEMENTED ERROR_INSUFFICIENT_BUFFER
        ERROR_DISCARDED ERROR_INVALID_DATA ERROR_NO_MORE_FILES
        ERROR_NOT_LOCKED ERROR_NO_MORE_ITEMS ERROR_NOT_OWNER ERROR_INVALID_ADDRESS ERROR_NOACCESS
        ERROR_COMMITMENT_LIMIT ERROR_BUSY ERROR_PARTIAL_COPY ERROR_NO_SYSTEM_RESOURCES
        ERROR_WORKING_SET_QUOTA
    });
    all.extend(numbers! {
        STATUS_SUCCESS STATUS_GUARD_PAGE_VIOLATION STATUS_NO_MORE_ENTRIES STATUS_UNSUCCESSFUL
        STATUS_ACCESS_VIOLATION STATUS_INVALID_HANDLE STATUS_INVALID_PARAMETER STATUS_NO_MEMORY
        STATUS_NONCONTINUABLE_EXCEPTION STATUS_INVALID_DISPOSITION STATUS_HEAP_CORRUPTION
        EXCEPTION_ACCESS_VIOLATION EXCEPTION_GUARD_PAGE EXCEPTION_NONCONTINUABLE_EXCEPTION
        EXCEPTION_INVALID_DISPOSITION EXCEPTION_INVALID_HANDLE EXCEPTION_NONCONTINUABLE
        EXCEPTION_MAXIMUM_PARAMETERS EXCEPTION_EXECUTE_HANDLER EXCEPTION_CONTINUE_SEARCH
        EXCEPTION_CONTINUE_EXECUTION STATUS_IN_PAGE_ERROR STATUS_STACK_OVERFLOW
        EXCEPTION_IN_PAGE_ERROR EXCEPTION_STACK_OVERFLOW
    });
    all.extend(numbers! {
        STATUS_PARTIAL_COPY STATUS_INVALID_INFO_CLASS STATUS_INFO_LENGTH_MISMATCH
        STATUS_CONFLICTING_ADDRESSES STATUS_UNABLE_TO_FREE_VM STATUS_UNABLE_TO_DELETE_SECTION
        STATUS_ALREADY_COMMITTED STATUS_ACCESS_DENIED STATUS_NOT_LOCKED STATUS_NOT_COMMITTED
        STATUS_INVALID_PAGE_PROTECTION STATUS_SECTION_PROTECTION STATUS_INSUFFICIENT_RESOURCES
        STATUS_FREE_VM_NOT_AT_BASE STATUS_MEMORY_NOT_ALLOCATED STATUS_WORKING_SET_QUOTA
        STATUS_NOT_SUPPORTED STATUS_INVALID_PARAMETER_1 STATUS_INVALID_PARAMETER_2
        STATUS_INVALID_PARAMETER_3 STATUS_INVALID_PARAMETER_4 STATUS_INVALID_PARAMETER_5
        STATUS_INVALID_PARAMETER_6 STATUS_COMMITMENT_LIMIT STATUS_INVALID_ADDRESS
    });
    all.extend(numbers! {
        HEAP_NO_SERIALIZE HEAP_GROWABLE HEAP_GENERATE_EXCEPTIONS HEAP_ZERO_MEMORY
        HEAP_REALLOC_IN_PLACE_ONLY HEAP_TAIL_CHECKING_ENABLED HEAP_FREE_CHECKING_ENABLED
        HEAP_DISABLE_COALESCE_ON_FREE HEAP_CREATE_ALIGN_16 HEAP_CREATE_ENABLE_TRACING
        HEAP_CREATE_ENABLE_EXECUTE HEAP_SETTABLE_USER_VALUE HEAP_SETTABLE_USER_FLAG1
        HEAP_SETTABLE_USER_FLAG2 HEAP_SETTABLE_USER_FLAG3 HEAP_SETTABLE_USER_FLAGS
        HEAP_OPTIMIZE_RESOURCES_CURRENT_VERSION HeapCompatibilityInformation
        HeapEnableTerminationOnCorruption HeapOptimizeResources PROCESS_HEAP_REGION
        PROCESS_HEAP_UNCOMMITTED_RANGE PROCESS_HEAP_ENTRY_BUSY PROCESS_HEAP_SEG_ALLOC
        PROCESS_HEAP_ENTRY_MOVEABLE PROCESS_HEAP_ENTRY_DDESHARE
    });
    all.extend(numbers! {
        PAGE_NOACCESS PAGE_READONLY PAGE_READWRITE PAGE_WRITECOPY PAGE_EXECUTE PAGE_EXECUTE_READ
        PAGE_EXECUTE_READWRITE PAGE_EXECUTE_WRITECOPY PAGE_GUARD PAGE_NOCACHE PAGE_WRITECOMBINE
        MEM_COMMIT MEM_RESERVE MEM_DECOMMIT MEM_RELEASE MEM_FREE MEM_PRIVATE MEM_MAPPED MEM_RESET
        MEM_TOP_DOWN MEM_WRITE_WATCH MEM_PHYSICAL MEM_RESET_UNDO MEM_IMAGE MEM_LARGE_PAGES
        MEM_REPLACE_PLACEHOLDER MEM_RESERVE_PLACEHOLDER MEM_COALESCE_PLACEHOLDERS
        MEM_PRESERVE_PLACEHOLDER WRITE_WATCH_FLAG_RESET MEM_EXTENDED_PARAMETER_TYPE_BITS
    });
    all.extend(numbers! {
        CREATE_ALWAYS CREATE_NEW DUPLICATE_CLOSE_SOURCE DUPLICATE_SAME_ACCESS
        ERROR_ALREADY_EXISTS ERROR_BAD_EXE_FORMAT ERROR_DISK_FULL ERROR_FILENAME_EXCED_RANGE
        ERROR_FILE_EXISTS ERROR_FILE_INVALID ERROR_FILE_NOT_FOUND ERROR_HANDLE_EOF
        ERROR_INVALID_NAME ERROR_IO_DEVICE ERROR_MAPPED_ALIGNMENT ERROR_NEGATIVE_SEEK
        ERROR_NOT_ALL_ASSIGNED ERROR_NO_SUCH_PRIVILEGE ERROR_PATH_NOT_FOUND
        ERROR_PRIVILEGE_NOT_HELD ERROR_SHARING_VIOLATION ERROR_TOO_MANY_OPEN_FILES
        ERROR_WRITE_PROTECT FILE_ATTRIBUTE_NORMAL FILE_BEGIN FILE_CURRENT FILE_END
        FILE_MAP_ALL_ACCESS FILE_MAP_COPY FILE_MAP_EXECUTE FILE_MAP_LARGE_PAGES
        FILE_MAP_READ FILE_MAP_TARGETS_INVALID FILE_MAP_WRITE FILE_SHARE_DELETE
        FILE_SHARE_READ FILE_SHARE_WRITE GENERIC_ALL GENERIC_EXECUTE GENERIC_READ
        GENERIC_WRITE INVALID_FILE_SIZE INVALID_SET_FILE_POINTER
        MEM_UNMAP_WITH_TRANSIENT_BOOST OBJ_CASE_INSENSITIVE OBJ_OPENIF OPEN_ALWAYS
        OPEN_EXISTING PROCESSOR_AMD_X8664 PROCESSOR_ARCHITECTURE_AMD64
        PROCESSOR_ARCHITECTURE_ARM64 PROCESSOR_ARCHITECTURE_UNKNOWN SECTION_ALL_ACCESS
        SECTION_EXTEND_SIZE SECTION_MAP_EXECUTE SECTION_MAP_EXECUTE_EXPLICIT
        SECTION_MAP_READ SECTION_MAP_WRITE SECTION_QUERY SEC_COMMIT SEC_FILE SEC_IMAGE
        SEC_IMAGE_NO_EXECUTE SEC_LARGE_PAGES SEC_NOCACHE SEC_RESERVE SEC_WRITECOMBINE
        SE_PRIVILEGE_ENABLED SE_PRIVILEGE_ENABLED_BY_DEFAULT SE_PRIVILEGE_REMOVED
        STATUS_DISK_FULL STATUS_INVALID_FILE_FOR_SECTION STATUS_INVALID_IMAGE_FORMAT
        STATUS_INVALID_IMAGE_NOT_MZ STATUS_INVALID_PARAMETER_7 STATUS_INVALID_PARAMETER_8
        STATUS_INVALID_PARAMETER_9 STATUS_INVALID_VIEW_SIZE STATUS_MAPPED_ALIGNMENT
        STATUS_MAPPED_FILE_SIZE_ZERO STATUS_NAME_TOO_LONG STATUS_NOT_MAPPED_VIEW
        STATUS_OBJECT_NAME_COLLISION STATUS_OBJECT_NAME_EXISTS STATUS_OBJECT_NAME_INVALID
        STATUS_OBJECT_NAME_NOT_FOUND STATUS_OBJECT_PATH_NOT_FOUND
        STATUS_OBJECT_TYPE_MISMATCH STATUS_PRIVILEGE_NOT_HELD STATUS_SECTION_NOT_IMAGE
        STATUS_SECTION_TOO_BIG STATUS_TOO_MANY_OPENED_FILES TOKEN_ADJUST_PRIVILEGES
        TOKEN_QUERY TRUNCATE_EXISTING
    });
    all.extend(numbers! {
        GMEM_FIXED GMEM_MOVEABLE GMEM_ZEROINIT GHND GPTR LMEM_FIXED LMEM_MOVEABLE LMEM_NOCOMPACT
        LMEM_NODISCARD LMEM_ZEROINIT LMEM_MODIFY LMEM_DISCARDABLE LMEM_VALID_FLAGS
        LMEM_INVALID_HANDLE LHND LPTR NONZEROLHND NONZEROLPTR LMEM_DISCARDED LMEM_LOCKCOUNT
    });
    all.extend(numbers! {
        S_OK S_FALSE E_NOINTERFACE E_POINTER E_ACCESSDENIED E_OUTOFMEMORY E_INVALIDARG
        CO_E_OBJNOTREG CO_E_OBJISREG
    });
    all.extend(numbers! {
        TH32CS_SNAPHEAPLIST TH32CS_SNAPPROCESS TH32CS_SNAPTHREAD TH32CS_SNAPMODULE
        TH32CS_SNAPMODULE32 TH32CS_SNAPALL TH32CS_INHERIT HF32_DEFAULT HF32_SHARED LF32_FIXED
        LF32_FREE LF32_MOVEABLE
    });
    // It has none of these, whose pages on Microsoft Learn do.
    all.extend([
        ("GMEM_NOCOMPACT", 0x10),
        ("GMEM_NODISCARD", 0x20),
        ("GMEM_MODIFY", 0x80),
        ("GMEM_DISCARDABLE", 0x100),
        ("GMEM_NOT_BANKED", 0x1000),
        ("GMEM_SHARE", 0x2000),
        ("GMEM_DDESHARE", 0x2000),
        ("GMEM_NOTIFY", 0x4000),
        ("GMEM_LOWER", 0x1000),
        ("GMEM_VALID_FLAGS", 0x7F72),
        ("GMEM_INVALID_HANDLE", 0x8000),
        ("GMEM_DISCARDED", 0x4000),
        ("GMEM_LOCKCOUNT", 0xFF),
    ]);
    // There the architecture is part of the name.
    all.extend([
        ("CONTEXT_AMD64", CONTEXT_AMD64),
        ("CONTEXT_CONTROL", CONTEXT_CONTROL_AMD64),
        ("CONTEXT_INTEGER", CONTEXT_INTEGER_AMD64),
        ("CONTEXT_SEGMENTS", CONTEXT_SEGMENTS_AMD64),
        ("CONTEXT_FLOATING_POINT", CONTEXT_FLOATING_POINT_AMD64),
        ("CONTEXT_DEBUG_REGISTERS", CONTEXT_DEBUG_REGISTERS_AMD64),
    ]);
    all
}

/// Macros in capitals that are no numbers.
const NO_NUMBERS: [&str; 16] = [
    "INVALID_HANDLE_VALUE",
    "SE_LOCK_MEMORY_NAME",
    "FAR",
    "NEAR",
    "CONST",
    "VOID",
    "CALLBACK",
    "WINAPI",
    "WINAPIV",
    "APIENTRY",
    "NTAPI",
    "WINBASEAPI",
    "STDMETHODCALLTYPE",
    "REFGUID",
    "REFIID",
    "NTSYSAPI",
];

/// The numbers that the headers define: macros in capitals without arguments,
/// and enumerators.
fn defined() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in all_text().lines().map(str::trim) {
        let name = if let Some(macro_) = line.strip_prefix("#define ") {
            macro_.split_whitespace().next()
        } else {
            line.split_once(" = ")
                .map(|(name, _)| name)
                .filter(|name| name.starts_with("Heap") && !name.contains(' '))
        };
        let Some(name) = name else { continue };
        let capitals = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if (name.chars().all(capitals) || name.starts_with("Heap"))
            && !name.starts_with("NTHEAP_")
            && !name.starts_with('_')
            && !NO_NUMBERS.contains(&name)
        {
            names.insert(name.to_owned());
        }
    }
    names
}

#[test]
fn every_constant_has_windows_number() {
    if find("gcc").is_none() {
        skip("the constants", "gcc is not installed");
        return;
    }
    let defined = defined();
    let windows = windows();
    let known: BTreeSet<String> = windows.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        defined, known,
        "the headers' constants and the compared ones"
    );

    // Only ntstatus.h has these; the other codes are in winnt.h too.
    let own = fs::read_to_string(include().join("winnt.h")).expect("readable");
    let native: Vec<&str> = windows
        .keys()
        .copied()
        .filter(|name| name.starts_with("STATUS_"))
        .filter(|name| !own.contains(&format!("#define {name} ")))
        .collect();
    let all: Vec<&str> = windows.keys().copied().collect();
    let without: Vec<&str> = all
        .iter()
        .copied()
        .filter(|name| !native.contains(name))
        .collect();
    for (includes, names) in [
        (&["windows.h", "tlhelp32.h", "ntrtlheap.h"][..], &without),
        (
            &["windows.h", "tlhelp32.h", "ntrtlheap.h", "ntstatus.h"],
            &all,
        ),
        (
            &["ntstatus.h", "windows.h", "tlhelp32.h", "ntrtlheap.h"],
            &all,
        ),
    ] {
        let mut source = String::from("#include <stdio.h>\n");
        for include in includes {
            source += &format!("#include <{include}>\n");
        }
        source += "int main(void)\n{\n";
        for name in names {
            source += &format!("    printf(\"{name} %u\\n\", (unsigned)({name}));\n");
        }
        source += "    return 0;\n}\n";
        let options = [&STRICT[..], &["-std=c99"]].concat();
        let output = printed("gcc", &options, &source, &folder("constants"));
        let numbers: BTreeMap<&str, u32> = output
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, number)| (name, number.parse().expect("a number")))
            .collect();
        let expected: BTreeMap<&str, u32> =
            names.iter().map(|name| (*name, windows[name])).collect();
        assert_eq!(numbers, expected, "{includes:?}");
    }
}

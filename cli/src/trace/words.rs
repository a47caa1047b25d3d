//! What names and numbers mean.

/// The module of Windows that has a function of this name, or who else has it.
pub(crate) fn module(name: &str) -> &'static str {
    const C: [&str; 13] = [
        "malloc",
        "calloc",
        "realloc",
        "reallocarray",
        "free",
        "free_sized",
        "free_aligned_sized",
        "aligned_alloc",
        "memalign",
        "posix_memalign",
        "valloc",
        "pvalloc",
        "malloc_usable_size",
    ];
    const SYSTEM: [&str; 5] = ["mmap", "munmap", "mprotect", "madvise", "mremap"];
    if name.starts_with("operator ") {
        "C++"
    } else if SYSTEM.contains(&name) {
        "system"
    } else if C.contains(&name) || name.starts_with('_') {
        "msvcrt"
    } else if name.starts_with("Rtl") || name.starts_with("Nt") {
        "ntdll"
    } else if name.starts_with("Sys") {
        "oleaut32"
    } else if name.starts_with("IMalloc::") || name.starts_with("Co") && !name.starts_with("Co_") {
        "ole32"
    } else {
        "kernel32"
    }
}

/// Flags by name, in the order in which they are told.
type Flags = &'static [(u64, &'static str)];

const ALLOCATION: Flags = &[
    (0x2000, "MEM_RESERVE"),
    (0x1000, "MEM_COMMIT"),
    (0x4000, "MEM_DECOMMIT"),
    (0x8000, "MEM_RELEASE"),
    (0x80000, "MEM_RESET"),
    (0x10_0000, "MEM_TOP_DOWN"),
    (0x20_0000, "MEM_WRITE_WATCH"),
    (0x40_0000, "MEM_PHYSICAL"),
    (0x100_0000, "MEM_RESET_UNDO"),
    (0x2000_0000, "MEM_LARGE_PAGES"),
];

const PROTECT: Flags = &[
    (0x1, "PAGE_NOACCESS"),
    (0x2, "PAGE_READONLY"),
    (0x4, "PAGE_READWRITE"),
    (0x8, "PAGE_WRITECOPY"),
    (0x10, "PAGE_EXECUTE"),
    (0x20, "PAGE_EXECUTE_READ"),
    (0x40, "PAGE_EXECUTE_READWRITE"),
    (0x80, "PAGE_EXECUTE_WRITECOPY"),
    (0x100, "PAGE_GUARD"),
    (0x200, "PAGE_NOCACHE"),
    (0x400, "PAGE_WRITECOMBINE"),
];

const PROT: Flags = &[(1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC")];

const MAP: Flags = &[
    (0x1, "MAP_SHARED"),
    (0x2, "MAP_PRIVATE"),
    (0x10, "MAP_FIXED"),
    (0x20, "MAP_ANONYMOUS"),
    (0x4000, "MAP_NORESERVE"),
    (0x10_0000, "MAP_FIXED_NOREPLACE"),
];

const REMAP: Flags = &[(1, "MREMAP_MAYMOVE"), (2, "MREMAP_FIXED")];

const ADVICE: Flags = &[
    (4, "MADV_DONTNEED"),
    (8, "MADV_FREE"),
    (14, "MADV_HUGEPAGE"),
    (15, "MADV_NOHUGEPAGE"),
    (102, "MADV_GUARD_INSTALL"),
    (103, "MADV_GUARD_REMOVE"),
];

fn flags(value: u64, known: Flags, nothing: &str) -> String {
    let mut left = value;
    let mut names: Vec<String> = Vec::new();
    for &(bits, name) in known {
        if left & bits == bits {
            names.push(name.to_owned());
            left &= !bits;
        }
    }
    if left != 0 {
        names.push(format!("{left:#x}"));
    }
    if names.is_empty() {
        nothing.to_owned()
    } else {
        names.join("|")
    }
}

/// An argument's value as people write it.
pub(crate) fn argument(name: &str, value: u64) -> String {
    match name {
        "size" | "bytes" | "length" | "count" | "old" | "new" | "alignment" | "initial"
        | "maximum" | "reserve" | "commit" | "offset" => value.to_string(),
        "type" | "allocation_type" | "free_type" => flags(value, ALLOCATION, "0"),
        "protect" => flags(value, PROTECT, "0"),
        "prot" => flags(value, PROT, "PROT_NONE"),
        "map" => flags(value, MAP, "0"),
        "remap" => flags(value, REMAP, "0"),
        "advice" => ADVICE
            .iter()
            .find(|(number, _)| *number == value)
            .map_or_else(|| value.to_string(), |(_, name)| (*name).to_owned()),
        "heap" if value == 0 => "process heap".to_owned(),
        "address" if value == 0 => "NULL".to_owned(),
        "file" => (value as i64).to_string(),
        _ => plain(value),
    }
}

/// A number that is small as such, another one as an address.
pub(crate) fn plain(value: u64) -> String {
    if value < 4096 {
        value.to_string()
    } else {
        format!("{value:#x}")
    }
}

/// What a call gave, as people write it.
pub(crate) fn result(name: &str, value: u64) -> String {
    match module(name) {
        "system" if value > u64::MAX - 4096 => "failed".to_owned(),
        "ntdll" if name.starts_with("Nt") => match value {
            0 => "STATUS_SUCCESS".to_owned(),
            0xC000_0017 => "STATUS_NO_MEMORY".to_owned(),
            _ => plain(value),
        },
        _ => plain(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_the_modules_of_the_tables() {
        for (name, of) in [
            ("operator new", "C++"),
            ("malloc", "msvcrt"),
            ("_msize", "msvcrt"),
            ("HeapAlloc", "kernel32"),
            ("LocalAlloc", "kernel32"),
            ("VirtualAlloc", "kernel32"),
            ("CoTaskMemAlloc", "ole32"),
            ("IMalloc::Alloc", "ole32"),
            ("SysAllocString", "oleaut32"),
            ("RtlAllocateHeap", "ntdll"),
            ("NtAllocateVirtualMemory", "ntdll"),
            ("mmap", "system"),
        ] {
            assert_eq!(module(name), of, "{name}");
        }
    }

    #[test]
    fn arguments_are_written_by_what_they_are() {
        for (name, value, text) in [
            ("size", 65536, "65536"),
            ("address", 0, "NULL"),
            ("address", 0x7f00_0000_0000, "0x7f0000000000"),
            ("type", 0x3000, "MEM_RESERVE|MEM_COMMIT"),
            ("protect", 0x104, "PAGE_READWRITE|PAGE_GUARD"),
            ("prot", 3, "PROT_READ|PROT_WRITE"),
            ("prot", 0, "PROT_NONE"),
            ("advice", 4, "MADV_DONTNEED"),
            ("advice", 99, "99"),
            ("heap", 0, "process heap"),
            ("file", u64::MAX, "-1"),
            ("flags", 8, "8"),
            ("type", 0x8000_0000_0000, "0x800000000000"),
        ] {
            assert_eq!(argument(name, value), text, "{name}");
        }
    }

    #[test]
    fn results_are_written_by_who_gave_them() {
        assert_eq!(result("mmap", u64::MAX), "failed");
        assert_eq!(result("munmap", 0), "0");
        assert_eq!(result("NtFreeVirtualMemory", 0), "STATUS_SUCCESS");
        assert_eq!(
            result("NtAllocateVirtualMemory", 0xC000_0017),
            "STATUS_NO_MEMORY"
        );
        assert_eq!(result("malloc", 0x7f00_0000_0010), "0x7f0000000010");
        assert_eq!(result("HeapFree", 1), "1");
    }
}

//! The functions that the headers declare are those of the list, which both
//! libraries export.

use super::common::{find, folder, skip};
use super::{STRICT, all_text, printed};
use std::collections::{BTreeMap, BTreeSet};

/// One function of the list, in Rust's words.
struct Function {
    name: &'static str,
    arguments: &'static [&'static str],
    result: &'static str,
}

macro_rules! list {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        const FUNCTIONS: &[Function] = &[$(Function {
            name: stringify!($name),
            arguments: &[$(stringify!($type)),*],
            result: stringify!($result),
        }),*];

        /// Each type that the list names, in C's words, and its size.
        fn types() -> BTreeMap<String, usize> {
            use heap::win32::*;
            let mut types = BTreeMap::new();
            $(
                $(types.insert(in_c(stringify!($type)), size_of::<$type>());)*
                types.insert(in_c(stringify!($result)), size_of::<$result>());
            )*
            types
        }
    };
}

heap::win32_names!(list);

/// A type of the list in C.
fn in_c(rust: &str) -> String {
    let rust = rust.trim();
    if rust == "()" {
        return "void".to_owned();
    }
    let Some(pointee) = rust.strip_prefix('*') else {
        return rust.to_owned();
    };
    match pointee.trim().split_once(' ') {
        Some(("const", pointee)) => format!("const {} *", in_c(pointee)),
        Some(("mut", pointee)) => format!("{} *", in_c(pointee)),
        _ => panic!("{rust} is no type of the list"),
    }
}

/// The functions that the headers declare.
fn declared() -> BTreeSet<String> {
    let text = all_text();
    ["WINAPI ", "NTAPI ", "__cdecl "]
        .iter()
        .flat_map(|marker| text.split(marker).skip(1))
        .filter_map(|rest| rest.split_once('('))
        .map(|(name, _)| name.to_owned())
        .filter(|name| {
            name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty()
        })
        .collect()
}

#[test]
fn the_headers_declare_the_list_and_nothing_else() {
    let listed: BTreeSet<String> = FUNCTIONS.iter().map(|f| f.name.to_owned()).collect();
    let declared = declared();
    let missing: Vec<_> = listed.difference(&declared).collect();
    let unknown: Vec<_> = declared.difference(&listed).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "not declared: {missing:?}\nnot in the list: {unknown:?}"
    );
}

/// A pointer of each listed function's type that is set to the declared one,
/// and the sizes of all types. Nothing is called: a reference that is only
/// measured needs no library.
fn program() -> String {
    let mut source = String::from(
        "#include <io.h>\n#include <ntrtlheap.h>\n#include <ntsection.h>\n#include <ntvirtual.h>\n\
         #include <psapi.h>\n#include <stdio.h>\n#include <windows.h>\n#include <tlhelp32.h>\n\
         #include <crtdbg.h>\n#include <malloc.h>\n#include <new.h>\n#include <stdlib.h>\n\
         #ifdef __cplusplus\n#define SAME(type, name) \
         static_assert(sizeof(static_cast<type>(&name)) == sizeof(type), \"\")\n\
         #else\n#define SAME(type, name) \
         _Static_assert(_Generic(&name, type: 1), \"\")\n#endif\n",
    );
    for function in FUNCTIONS {
        let arguments: Vec<String> = function.arguments.iter().map(|t| in_c(t)).collect();
        let arguments = if arguments.is_empty() {
            "void".to_owned()
        } else {
            arguments.join(", ")
        };
        let (name, result) = (function.name, in_c(function.result));
        source += &format!("typedef {result} (*type_of_{name})({arguments});\n");
        source += &format!("SAME(type_of_{name}, {name});\n");
    }
    source += "int main(void)\n{\n";
    for name in types().keys().filter(|name| *name != "void") {
        source += &format!("    printf(\"{name}:%u\\n\", (unsigned)sizeof({name}));\n");
    }
    source + "    return 0;\n}\n"
}

#[test]
fn each_declaration_has_the_types_of_the_list() {
    assert!(FUNCTIONS.len() >= 10, "the list is short");
    for (compiler, standard) in [("gcc", "-std=c11"), ("g++", "-std=c++11")] {
        if find(compiler).is_none() {
            skip("the prototypes", &format!("{compiler} is not installed"));
            continue;
        }
        let options = [&STRICT[..], &[standard]].concat();
        let output = printed(compiler, &options, &program(), &folder("prototypes"));
        let sizes: BTreeMap<String, usize> = output
            .lines()
            .filter_map(|line| line.rsplit_once(':'))
            .map(|(name, size)| (name.to_owned(), size.parse().expect("a number")))
            .collect();
        let mut expected = types();
        expected.remove("void");
        assert_eq!(sizes, expected, "{compiler}");
    }
}

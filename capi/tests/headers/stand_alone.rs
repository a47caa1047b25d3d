//! Any header may be the first and only one of a file.

use super::common::{find, folder, skip, text};
use super::{STRICT, compile, headers};

/// The compilers and language standards; a missing compiler is told.
const WAYS: [(&str, &[&str]); 7] = [
    ("gcc", &["-std=c99", "-Wstrict-prototypes"]),
    ("gcc", &["-std=c17", "-Wstrict-prototypes"]),
    ("g++", &["-std=c++11"]),
    ("g++", &["-std=c++20"]),
    ("clang", &["-std=c99", "-Wstrict-prototypes"]),
    ("clang++", &["-std=c++11"]),
    ("clang++", &["-std=c++20"]),
];

#[test]
fn each_header_compiles_alone_twice_and_without_a_warning() {
    for (compiler, standard) in WAYS {
        if find(compiler).is_none() {
            // clang is a second opinion; gcc is what CI installs.
            if compiler.starts_with('g') {
                skip("the headers", &format!("{compiler} is not installed"));
            }
            continue;
        }
        let folder = folder("headers");
        for wide in [&[][..], &["-fno-short-wchar"], &["-DUNICODE", "-D_UNICODE"]] {
            for header in headers() {
                let source = format!(
                    "#include <{header}>\n#include <{header}>\nint main(void) {{ return 0; }}\n"
                );
                let options = [&STRICT[..], standard, wide, &["-fsyntax-only"]].concat();
                let ended = compile(compiler, &options, &source, &folder);
                assert!(
                    ended.status.success(),
                    "{compiler} {standard:?} {wide:?} {header}:\n{}",
                    text(&ended.stderr)
                );
            }
        }
    }
}

/// Texts and characters are as wide as they are said to be.
const WIDTHS: &str = r#"
#include <tchar.h>
#include <windows.h>
#ifdef __cplusplus
#define ASSERT(condition) static_assert(condition, #condition)
#else
#define ASSERT(condition) _Static_assert(condition, #condition)
#endif
ASSERT(sizeof(WCHAR) == 2);
#ifdef UNICODE
ASSERT(sizeof(TCHAR) == 2);
ASSERT(sizeof(_TCHAR) == 2);
static const TCHAR *const texts[] = {TEXT("a"), _T("b"), _TEXT("c")};
static const LPCWSTR wide = TEXT("d");
#else
ASSERT(sizeof(TCHAR) == 1);
ASSERT(sizeof(_TCHAR) == 1);
static const TCHAR *const texts[] = {TEXT("a"), _T("b"), _TEXT("c")};
static const LPCSTR wide = TEXT("d");
#endif
#ifdef SHORT_WCHAR
static const LPCWSTR literal = L"e";
#else
static const LPCWSTR literal = u"e";
#endif
int main(void) { return !(texts[0] && wide && literal); }
"#;

#[test]
fn texts_are_wide_where_unicode_is_defined() {
    for (compiler, standard) in [("gcc", "-std=c11"), ("g++", "-std=c++11")] {
        if find(compiler).is_none() {
            skip("the headers", &format!("{compiler} is not installed"));
            continue;
        }
        let folder = folder("widths");
        for unicode in [&[][..], &["-DUNICODE", "-D_UNICODE"]] {
            for short in ["-DSHORT_WCHAR", "-fno-short-wchar"] {
                let options = [&STRICT[..], &[standard, short], unicode].concat();
                let ended = compile(compiler, &options, WIDTHS, &folder);
                assert!(
                    ended.status.success(),
                    "{compiler} {options:?}:\n{}",
                    text(&ended.stderr)
                );
            }
        }
    }
}

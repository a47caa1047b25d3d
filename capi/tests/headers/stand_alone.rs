//! Any header may be the first and only one of a file.

use super::common::{find, folder, skip, text};
use super::{STRICT, compile, headers};

/// The compilers and language standards; a missing compiler is told.
const WAYS: [(&str, &[&str]); 7] = [
    ("gcc", &[OLD_C, "-Wstrict-prototypes"]),
    ("gcc", &["-std=c17", "-Wstrict-prototypes"]),
    ("g++", &["-std=c++11"]),
    ("g++", &["-std=c++20"]),
    ("clang", &[OLD_C, "-Wstrict-prototypes"]),
    ("clang++", &["-std=c++11"]),
    ("clang++", &["-std=c++20"]),
];

const OLD_C: &str = "-std=c99";

/// Texts as programs on Windows have them; the two others; the characters of the system.
const TEXTS: [&[&str]; 3] = [&[], &["-DUNICODE", "-D_UNICODE"], &["-fno-short-wchar"]];

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
        // What texts are made of is a matter of macros, which all standards treat alike;
        // of these C of 1999 and C++ of 2020 differ most.
        let is_extreme = standard.contains(&OLD_C) || standard.contains(&"-std=c++20");
        for wide in &TEXTS[..if is_extreme { 3 } else { 1 }] {
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

/// crtdbg.h in a debug version, before and after the headers whose functions it
/// puts others in place of.
const DEBUG: &str = r#"
#include <crtdbg.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <crtdbg.h>
#ifdef __cplusplus
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>
#endif
#include <crtdbg.h>
static int use(void *block)
{
    _CrtMemState state;
    _CrtMemCheckpoint(&state);
    _RPT1(_CRT_WARN, "%d\n", 1);
    _RPTF0(_CRT_ERROR, "text\n");
    _RPTFW0(_CRT_WARN, _CRT_WIDE("text\n"));
    _ASSERT(block != NULL);
    _ASSERTE(block);
    _free_dbg(_malloc_dbg(1, _CLIENT_BLOCK | 2 << 16, __FILE__, __LINE__), _UNKNOWN_BLOCK);
    _aligned_free_dbg(_aligned_offset_malloc_dbg(10, 16, 4, __FILE__, __LINE__));
    return _CrtSetDbgFlag(_CRTDBG_REPORT_FLAG) & _crtDbgFlag;
}
int main(void) { return use(NULL) == 77; }
"#;

#[test]
fn the_debug_header_compiles_in_a_debug_version_and_in_another() {
    for (compiler, standard) in WAYS {
        if find(compiler).is_none() {
            continue;
        }
        let folder = folder("headers");
        // What is not evaluated leaves its arguments unused.
        let release = &[
            "-Wno-unused-value",
            "-Wno-unused-parameter",
            "-Wno-unused-variable",
        ][..];
        for version in [
            &["-D_DEBUG"][..],
            &["-D_DEBUG", "-D_CRTDBG_MAP_ALLOC"],
            release,
        ] {
            for wide in [&[][..], &["-fno-short-wchar"]] {
                // C of 1999 has no texts of 16-bit characters then.
                if standard.contains(&"-std=c99") && !wide.is_empty() {
                    continue;
                }
                let options = [&STRICT[..], standard, version, wide, &["-fsyntax-only"]].concat();
                let source = match version == release {
                    true => DEBUG.replace(" & _crtDbgFlag", "").replace("_CRT_WIDE", ""),
                    false => DEBUG.to_owned(),
                };
                let ended = compile(compiler, &options, &source, &folder);
                assert!(
                    ended.status.success(),
                    "{compiler} {standard:?} {version:?}:\n{}",
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

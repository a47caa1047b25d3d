//! The two shared libraries and the Windows names: whom they belong to, and
//! what a program that has both gets.

#![cfg(target_os = "linux")]

mod common;

use common::{compiled, preloaded, run, text};

macro_rules! list_names {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        /// The Windows names.
        const WINDOWS: &[&str] = &[$(stringify!($name)),*];
    };
}

heap::win32_names!(list_names);

#[test]
fn a_preloaded_library_replaces_no_function_of_a_windows_name() {
    let flags = ["-rdynamic", "-ldl"];
    let Some(program) = compiled("own names", "own_names.c", &flags) else {
        return;
    };
    let ended = run(preloaded(program).args(WINDOWS)).expect_success("own names");
    assert_eq!(text(&ended.stdout), "done\n");
    assert_eq!(text(&ended.stderr), "");
}

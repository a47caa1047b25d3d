//! Links the library against libntheap.so, which need not exist yet: a stub
//! with that library's name and the functions of the list stands in for it.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

const LISTS: &str = "../../src/win32/names";

/// The names in the lists: `fn Name(` each.
fn names() -> Vec<String> {
    let mut all = Vec::new();
    for file in fs::read_dir(LISTS).expect("the folder of the lists is readable") {
        let path = file.expect("its entries are readable").path();
        let list = fs::read_to_string(&path).expect("a list of names is readable");
        all.extend(
            list.lines()
                .filter_map(|line| line.trim_start().strip_prefix("fn "))
                .filter_map(|line| line.split_once('('))
                .map(|(name, _)| name.to_owned()),
        );
    }
    all
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={LISTS}");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    let names = names();
    assert!(!names.is_empty(), "{LISTS} has no names");
    let stub: String = names
        .iter()
        .map(String::as_str)
        .chain(["crt_begin"])
        .map(|name| format!("void ntheap_{name}(void) {{}}\n"))
        .collect();

    let folder = env::var("OUT_DIR").expect("cargo gives a folder");
    let folder = Path::new(&folder);
    let source = folder.join("stub.c");
    fs::write(&source, stub).expect("the stub is written");
    // The linker of a target that has its own is a compiler as well.
    let compiler = env::var("RUSTC_LINKER").unwrap_or_else(|_| "cc".to_owned());
    let status = Command::new(&compiler)
        .args(["-shared", "-nostdlib", "-Wl,-soname,libntheap.so", "-o"])
        .arg(folder.join("libntheap.so"))
        .arg(&source)
        .status()
        .unwrap_or_else(|error| panic!("{compiler}: {error}"));
    assert!(status.success(), "{compiler}: {status}");

    println!("cargo:rustc-link-search=native={}", folder.display());
    for argument in [
        "-Wl,-soname,libntheap_win32.so",
        "-Wl,-z,now",
        // The program finds the other library beside this one.
        "-Wl,-rpath,$ORIGIN",
        "-Wl,--enable-new-dtags",
    ] {
        println!("cargo:rustc-cdylib-link-arg={argument}");
    }
}

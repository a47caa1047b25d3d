//! Examples that watch memory, compiled against our headers and run: the heap monitor, which
//! tells what blocks of new, malloc, GlobalAlloc and HeapAlloc appeared in which heap, and a
//! spy that finds a leaked [out] parameter. MinGW makes programs of them as well.

#![cfg(target_os = "linux")]

mod common;

use common::{command, find, folder, run, skip, text, windows_library};
use std::path::{Path, PathBuf};

const MINGW: &str = "x86_64-w64-mingw32-g++-win32";

/// An example's source.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/porting")
        .join(format!("{name}.cpp"))
}

/// Compiles an example without a warning and runs it; what it prints.
fn printed(name: &str) -> Option<String> {
    if find("g++").is_none() {
        skip(name, "g++ is not installed");
        return None;
    }
    let library = windows_library().parent().expect("in a folder");
    let program = folder(name).join(name);
    run(command("g++")
        .args(["-std=c++11", "-O1", "-fno-builtin", "-fshort-wchar"])
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"])
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg(source(name))
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(library)
        .args(["-lntheap_win32", "-lntheap"])
        .arg(format!("-Wl,-rpath,{}", library.display())))
    .expect_success("g++");
    Some(text(
        &run(&mut command(program)).expect_success(name).stdout,
    ))
}

/// The numbers in a line.
fn numbers(line: &str) -> Vec<u64> {
    line.split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.parse().expect("a number"))
        .collect()
}

#[test]
fn every_block_is_told_with_its_heap() {
    let Some(report) = printed("heap_monitor") else {
        return;
    };
    let lines: Vec<&str> = report.lines().collect();
    // Two lists of heaps, and what is new in the second.
    let mut lists = lines.split(|&line| line == "the end");
    let (first, second) = (lists.next(), lists.next());
    let heaps = |list: Option<&[&str]>| -> Vec<u64> {
        let list = list.expect("a list of heaps");
        list.iter().map(|line| numbers(line)[0]).collect()
    };
    let (first, second) = (heaps(first), heaps(second));
    let new = lines
        .iter()
        .find(|line| line.starts_with("The new heap id is\t"));
    let new = numbers(new.unwrap_or_else(|| panic!("no new heap:\n{report}")))[0];
    assert!(!first.contains(&new), "{report}");
    assert_eq!(second, [&first[..], &[new]].concat(), "{report}");
    let process_heap = first[0];
    for by in ["HeapAlloc", "GlobalAlloc", "new", "malloc"] {
        let start = format!("by {by}\t");
        let line = lines.iter().find(|line| line.starts_with(&start));
        let address = numbers(line.unwrap_or_else(|| panic!("{by}:\n{report}")))[0];
        // Told among the differences, with its size, and then its heap.
        let told: Vec<usize> = (0..lines.len())
            .filter(|&nth| lines[nth].starts_with("The size of the different block"))
            .filter(|&nth| numbers(lines[nth])[1] == address)
            .collect();
        assert_eq!(told.len(), 1, "{by}:\n{report}");
        let block = numbers(lines[told[0]]);
        assert_eq!(block[0], 4096, "{by}:\n{report}");
        let moveable = by == "GlobalAlloc";
        assert_eq!(block[2], if moveable { 4 } else { 1 }, "{by}:\n{report}");
        let heap = numbers(lines[told[0] + 1])[0];
        assert_eq!(heap, process_heap, "{by}:\n{report}");
    }
}

#[test]
fn a_spy_finds_the_leaked_out_parameter() {
    if let Some(report) = printed("leaked_out") {
        assert_eq!(report, LEAK);
    }
}

/// What the spy says: the one caller that does not free what it was handed.
const LEAK: &str = "the allocator knows its block, of 40 bytes\n\
                    title by an author's, with 10 numbers\n\
                    leaked: 12 bytes, handed out by GetAuthor\n\
                    1 leaked, revoked later\n";

#[test]
fn mingw_makes_programs_of_the_same_sources() {
    if find(MINGW).is_none() {
        return skip(
            "the examples by MinGW",
            &format!("{MINGW} is not installed"),
        );
    }
    for name in ["heap_monitor", "leaked_out"] {
        let program = folder("mingw").join(format!("{name}.exe"));
        run(command(MINGW)
            .args(["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
            .arg(source(name))
            .arg("-o")
            .arg(&program)
            .args(["-static", "-lole32", "-luuid"]))
        .expect_success("MinGW");
        let made = std::fs::read(&program).expect("a program");
        assert!(made.starts_with(b"MZ"), "{name}");
    }
}

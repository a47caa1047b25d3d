//! What programs do wrong with memory, each mistake in a process of its own, and what
//! becomes of it: the table of `docs/hardening.md`, word for word.
//!
//! A process that is stopped ends by a report, whose stop the table names, or by a
//! fault. Where chance decides which of two stops it is, the table has both. With
//! `NTHEAP_TEST_WRITE_ATTACKS` set the rows are written to standard output, to be read
//! and put there by whoever changed them.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use common::{compiled, preloaded, run, text};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const MODES: [&[(&str, &str)]; 2] = [&[], &[("NTHEAP_HARDENED", "1")]];

fn program() -> Option<PathBuf> {
    let flags = [
        "-O0",
        "-Wno-use-after-free",
        "-Wno-free-nonheap-object",
        "-Wno-mismatched-new-delete",
    ];
    compiled("attacks", "attacks.cpp", &flags)
}

/// Whether the kernel marks pages that fault without a mapping of their own, as Linux does
/// since 6.13: without it the default heap has no fences.
fn has_guard_marks() -> bool {
    const MADV_GUARD_INSTALL: i32 = 102;
    let size = 4096;
    // SAFETY: a page of the test's own, which nobody uses.
    unsafe {
        let (rights, flags) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let page = libc::mmap(
            std::ptr::null_mut(),
            size,
            rights | libc::PROT_WRITE,
            flags,
            -1,
            0,
        );
        assert_ne!(page, libc::MAP_FAILED);
        let is_marked = libc::madvise(page, size, MADV_GUARD_INSTALL) == 0;
        libc::munmap(page, size);
        is_marked
    }
}

/// What became of an attack: a stop's name, "fault", or what the program says.
fn outcome(program: &Path, name: &str, mode: &[(&str, &str)]) -> String {
    let mut command = preloaded(program);
    command.arg(name).envs(mode.iter().copied());
    let ended = run(&mut command);
    let (stdout, stderr) = (text(&ended.stdout), text(&ended.stderr));
    match ended.status.signal() {
        Some(libc::SIGSEGV) => "fault".to_owned(),
        Some(libc::SIGABRT) => {
            let stop = stderr.lines().next().and_then(|line| line.rsplit_once('('));
            let Some((_, stop)) = stop else {
                panic!("{name}: {stderr}");
            };
            stop.trim_end_matches(')').to_owned()
        }
        Some(signal) => panic!("{name}: signal {signal}\n{stderr}"),
        None => {
            assert_eq!(ended.status.code(), Some(0), "{name}: {stderr}");
            assert_eq!(stderr, "", "{name}");
            let said = stdout.trim().to_owned();
            assert!(
                ["missed", "harmless"].contains(&said.as_str()),
                "{name}: {said}"
            );
            said
        }
    }
}

/// The outcomes of all attacks in each mode, by the attack's place in the program's list.
fn outcomes(program: &Path, names: &[String]) -> BTreeMap<usize, [String; 2]> {
    let next = AtomicUsize::new(0);
    let all = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(name) = names.get(at) else {
                        return;
                    };
                    let found = MODES.map(|mode| outcome(program, name, mode));
                    all.lock().expect("no thread failed").insert(at, found);
                }
            });
        }
    });
    all.into_inner().expect("no thread failed")
}

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hardening.md");
    fs::read_to_string(path).expect("the document")
}

/// The heads of the two tables: of programs' mistakes, and of attacks on records that
/// other heaps keep where programs can write.
const TABLES: [&str; 2] = [
    "| attack | default | hardened |",
    "| attack on records | default | hardened |",
];

/// A table's rows: attack, default, hardened.
fn rows<'a>(document: &'a str, head: &str) -> Vec<[&'a str; 3]> {
    document
        .lines()
        .skip_while(|line| !line.starts_with(head))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            cells.try_into().expect("three cells")
        })
        .collect()
}

fn is_stopped(said: &str) -> bool {
    !matches!(said, "missed" | "harmless")
}

#[test]
fn each_attack_ends_as_the_table_says() {
    let Some(program) = program() else {
        return;
    };
    let listed = run(&mut preloaded(&program)).expect_success("attacks");
    let listed = text(&listed.stdout);
    let names: Vec<String> = listed.lines().map(str::to_owned).collect();
    let found = outcomes(&program, &names);
    if std::env::var_os("NTHEAP_TEST_WRITE_ATTACKS").is_some() {
        for (name, [default, hardened]) in names.iter().zip(found.values()) {
            println!("| {name} | {default} | {hardened} |");
        }
        return;
    }
    let document = document();
    let rows = TABLES.map(|head| rows(&document, head)).concat();
    let told: Vec<&str> = rows.iter().map(|[name, ..]| *name).collect();
    assert_eq!(names, told);
    let has_fences = has_guard_marks();
    for ([name, told @ ..], found) in rows.iter().zip(found.values()) {
        for (mode, (told, found)) in told.iter().zip(found).enumerate() {
            let is_told = told.split(" or ").any(|word| word == found);
            let is_unfenced = mode == 0 && !has_fences && *told == "fault" && found == "missed";
            assert!(is_told || is_unfenced, "{name}: {found}, and not {told}");
        }
    }
}

/// The sums that the text gives are the table's.
#[test]
fn the_document_counts_what_its_table_says() {
    let document = document();
    let [mistakes, _] = TABLES;
    let rows = rows(&document, mistakes);
    let count = |what: &dyn Fn(&[&str; 3]) -> bool| rows.iter().filter(|row| what(row)).count();
    let line = format!(
        "Of {} attacks the default heap stops {}, the hardened one {}, and {} more come to nothing there.",
        rows.len(),
        count(&|[_, default, _]| is_stopped(default)),
        count(&|[.., hardened]| is_stopped(hardened)),
        count(&|[.., hardened]| *hardened == "harmless"),
    );
    let flat = document.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(&line), "{line}");
}

/// The default heap has fences until it asks for huge pages, from 32 MiB in use on,
/// however much of it is of one size.
#[test]
fn blocks_of_a_page_are_fenced_in_larger_heaps() {
    if !has_guard_marks() {
        println!("not run: this system has no pages that fault by a mark");
        return;
    }
    let Some(program) = compiled("fences", "fences.c", &["-O0"]) else {
        return;
    };
    for mebibytes in ["0", "7", "9", "20", "30"] {
        let mut command = preloaded(&program);
        command.arg(mebibytes);
        let output = run(&mut command);
        assert_eq!(text(&output.stdout), "", "{mebibytes} MiB of blocks before");
        assert_eq!(
            output.status.signal(),
            Some(libc::SIGSEGV),
            "{mebibytes} MiB of blocks before"
        );
    }
}

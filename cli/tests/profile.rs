//! Heap profiles of programs whose allocations are known, read back by the words of the
//! format and by pprof's own tool.

#![cfg(target_os = "linux")]

mod common;

use common::{compile, folder, library, ntheap, output, stderr, stdout};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A block that comes and goes before each one that stays, of the same size; says so and
/// waits for its input's end.
const PROGRAM: &str = r#"
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 100000, SIZE = 300 };
static void *kept[COUNT];

__attribute__((noinline)) void *keeper(size_t size) {
    void *block = malloc(size);
    __asm__ volatile("" : : "r"(block) : "memory");
    return block;
}

__attribute__((noinline)) void *waster(size_t size) {
    void *block = malloc(size);
    __asm__ volatile("" : : "r"(block) : "memory");
    return block;
}

int main(void) {
    for (int i = 0; i < COUNT; i++) {
        free(waster(SIZE));
        kept[i] = keeper(SIZE);
    }
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
"#;

/// What it has, and what each of its two functions has allocated.
const BYTES: f64 = 100_000.0 * 300.0;
/// How near an estimate of it comes: which of the two a place falls on is a coin's, some
/// 3,700 times, so that one in a million is off by more.
const NEAR: f64 = 0.08;

fn built(test: &str, flags: &[&str]) -> Option<(PathBuf, PathBuf)> {
    let folder = folder(test);
    let program = folder.join("program");
    compile(test, PROGRAM, &program, flags).then_some((folder, program))
}

/// The rate of the tests that are not about rates.
const RATE: &str = "16K";

fn profiled(file: &Path, rate: &str, more: &[&str], program: &Path) -> Output {
    let mut command = ntheap();
    // The command looks for it beside itself.
    library();
    command.args(["profile", "--rate", rate, "-o"]).arg(file);
    output(command.args(more).arg("--").arg(program))
}

fn near(found: f64, expected: f64, part: f64, what: &str) {
    let off = found / expected - 1.0;
    assert!(off.abs() < part, "{what}: {found} for {expected}");
}

/// A message's fields: their numbers, and a number or bytes each, as
/// protobuf.dev's "Encoding" has them.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn number(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first().expect("a number");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = number(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Number(number(&mut bytes)),
            2 => {
                let length = number(&mut bytes) as usize;
                let (field, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(field)
            }
            kind => panic!("a field of kind {kind}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

/// The messages of profile.proto ("github.com/google/pprof/blob/main/proto/profile.proto"),
/// written down apart from what writes them: each field's number, and what it is: `n` a
/// number, `p` numbers in a row, `i` a place in the table of strings, `s` a string, or the
/// message of that name.
const SCHEMA: [(&str, &[(u64, &str)]); 7] = [
    (
        "Profile",
        &[
            (1, "ValueType"),
            (2, "Sample"),
            (3, "Mapping"),
            (4, "Location"),
            (5, "Function"),
            (6, "s"),
            (7, "i"),
            (8, "i"),
            (9, "n"),
            (10, "n"),
            (11, "ValueType"),
            (12, "n"),
            (13, "p"),
            (14, "i"),
            (15, "i"),
        ],
    ),
    ("ValueType", &[(1, "i"), (2, "i")]),
    ("Sample", &[(1, "p"), (2, "p"), (3, "Label")]),
    (
        "Mapping",
        &[
            (1, "n"),
            (2, "n"),
            (3, "n"),
            (4, "n"),
            (5, "i"),
            (6, "i"),
            (7, "n"),
            (8, "n"),
            (9, "n"),
            (10, "n"),
        ],
    ),
    (
        "Location",
        &[(1, "n"), (2, "n"), (3, "n"), (4, "Line"), (5, "n")],
    ),
    ("Line", &[(1, "n"), (2, "n"), (3, "n")]),
    (
        "Function",
        &[(1, "n"), (2, "i"), (3, "i"), (4, "i"), (5, "n")],
    ),
];

/// Whether a message has no other fields than the schema's, each as it says, and places in the
/// table of strings that are there. How often each kind of message was seen is counted.
fn conforms(name: &'static str, bytes: &[u8], strings: u64, seen: &mut BTreeMap<&str, usize>) {
    *seen.entry(name).or_default() += 1;
    let (_, known) = SCHEMA
        .iter()
        .find(|(message, _)| *message == name)
        .unwrap_or_else(|| panic!("no message {name}"));
    for (number, field) in fields(bytes) {
        let kind = known.iter().find(|(field, _)| *field == number);
        let (_, kind) = kind.unwrap_or_else(|| panic!("{name} has a field {number}"));
        match (*kind, field) {
            ("n", Field::Number(_)) => {}
            ("i", Field::Number(place)) => assert!(place < strings, "{name}.{number}: {place}"),
            ("s", Field::Bytes(text)) => {
                assert!(std::str::from_utf8(text).is_ok(), "{name}.{number}");
            }
            // Numbers in a row are sent one by one as well.
            ("p", Field::Number(_)) => {}
            ("p", Field::Bytes(numbers)) => drop(packed(numbers)),
            (message, Field::Bytes(bytes)) if message.len() > 1 => {
                conforms(message, bytes, strings, seen);
            }
            (kind, _) => panic!("{name}.{number} is no {kind}"),
        }
    }
}

/// The messages or texts of one field.
fn all<'a>(of: &[(u64, Field<'a>)], which: u64) -> Vec<&'a [u8]> {
    let own = of.iter().filter(|(field, _)| *field == which);
    own.filter_map(|(_, field)| match field {
        Field::Bytes(bytes) => Some(*bytes),
        Field::Number(_) => None,
    })
    .collect()
}

/// A field that is a number; 0 where it is left out.
fn one(of: &[(u64, Field<'_>)], which: u64) -> u64 {
    let own = of.iter().find(|(field, _)| *field == which);
    match own {
        Some((_, Field::Number(number))) => *number,
        _ => 0,
    }
}

/// Numbers in a row.
fn packed(mut bytes: &[u8]) -> Vec<u64> {
    let mut numbers = Vec::new();
    while !bytes.is_empty() {
        numbers.push(number(&mut bytes));
    }
    numbers
}

/// A profile as its file tells it.
struct Told {
    kinds: Vec<(String, String)>,
    period: u64,
    default: String,
    /// By the innermost function with its line: the four values.
    by_function: BTreeMap<String, Vec<u64>>,
    sums: Vec<u64>,
    /// Samples whose innermost address has no function.
    nameless: usize,
}

fn read(file: &Path) -> Told {
    let zipped = fs::read(file).expect("the file");
    let mut bytes = Vec::new();
    GzDecoder::new(&zipped[..])
        .read_to_end(&mut bytes)
        .expect("gzip");
    let top = fields(&bytes);
    let strings = all(&top, 6).len() as u64;
    let mut seen = BTreeMap::new();
    conforms("Profile", &bytes, strings, &mut seen);
    for message in ["ValueType", "Sample", "Mapping", "Location"] {
        assert!(seen.contains_key(message), "no {message}");
    }
    // Numbers of what is referred to are not 0, and each is one thing's.
    for (field, what) in [(3, "mapping"), (4, "location"), (5, "function")] {
        let ids: Vec<u64> = all(&top, field)
            .into_iter()
            .map(|bytes| one(&fields(bytes), 1))
            .collect();
        let different: std::collections::BTreeSet<u64> = ids.iter().copied().collect();
        assert!(
            different.len() == ids.len() && !different.contains(&0),
            "{what}"
        );
    }
    let text = |place: u64| {
        let table = all(&top, 6);
        String::from_utf8(table[place as usize].to_vec()).expect("UTF-8")
    };
    assert_eq!(text(0), "");
    let functions: BTreeMap<u64, (String, String)> = all(&top, 5)
        .into_iter()
        .map(|bytes| {
            let of = fields(bytes);
            (one(&of, 1), (text(one(&of, 2)), text(one(&of, 4))))
        })
        .collect();
    let mappings: Vec<u64> = all(&top, 3)
        .into_iter()
        .map(|bytes| one(&fields(bytes), 1))
        .collect();
    let locations: BTreeMap<u64, Option<String>> = all(&top, 4)
        .into_iter()
        .map(|bytes| {
            let of = fields(bytes);
            assert!(one(&of, 2) == 0 || mappings.contains(&one(&of, 2)));
            assert_ne!(one(&of, 3), 0, "an address");
            let name = all(&of, 4).first().map(|line| {
                let line = fields(line);
                let (name, file) = &functions[&one(&line, 1)];
                let file = Path::new(file).file_name().unwrap_or_default();
                format!("{name} {}:{}", file.display(), one(&line, 2))
            });
            (one(&of, 1), name)
        })
        .collect();
    let mut found = Told {
        kinds: Vec::new(),
        period: one(&top, 12),
        default: text(one(&top, 14)),
        by_function: BTreeMap::new(),
        sums: vec![0; 4],
        nameless: 0,
    };
    for kind in all(&top, 1) {
        let of = fields(kind);
        found.kinds.push((text(one(&of, 1)), text(one(&of, 2))));
    }
    for sample in all(&top, 2) {
        let of = fields(sample);
        let values = packed(all(&of, 2)[0]);
        let innermost = all(&of, 1)
            .first()
            .and_then(|ids| locations[&packed(ids)[0]].clone());
        found.nameless += usize::from(innermost.is_none());
        let sums = found.by_function.entry(innermost.unwrap_or_default());
        let own = sums.or_insert_with(|| vec![0; 4]);
        for sums in [own, &mut found.sums] {
            for (sum, value) in sums.iter_mut().zip(&values) {
                *sum += value;
            }
        }
    }
    found
}

fn line_of(text: &str) -> usize {
    let at = PROGRAM.lines().position(|line| line.contains(text));
    at.expect("the line") + 1
}

/// Run, looked at when it ends, read by the format's own words and by pprof.
#[test]
fn a_program_at_its_end() {
    let Some((folder, program)) = built("profile-end", &["-g", "-O1"]) else {
        return;
    };
    let file = folder.join("heap.pb.gz");
    let out = profiled(&file, RATE, &["--format", "json"], &program);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let last = stdout(&out);
    let last = last
        .lines()
        .last()
        .expect("the answer, after the program's");
    let told: Value = serde_json::from_str(last).expect("JSON");
    let bytes = |of: &Value| of["bytes"].as_f64().expect("bytes");
    near(bytes(&told["in_use"]), BYTES, NEAR, "in use");
    near(bytes(&told["allocated"]), 2.0 * BYTES, 0.02, "allocated");
    assert_eq!(
        (told["rate"].as_u64(), told["lost"].as_u64()),
        (Some(16384), Some(0))
    );
    let first = &told["sites"][0]["stack"];
    let functions = |at: usize| first[at]["functions"][0].as_str().expect("a name");
    assert_eq!((functions(0), functions(1)), ("keeper", "main"));

    let found = read(&file);
    let kinds = [
        ("alloc_objects", "count"),
        ("alloc_space", "bytes"),
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
    ];
    let kinds = kinds.map(|(kind, unit)| (kind.to_owned(), unit.to_owned()));
    assert_eq!(found.kinds, kinds);
    assert_eq!(
        (found.period, found.default.as_str()),
        (16384, "inuse_space")
    );
    assert_eq!(Some(found.sums[3]), told["in_use"]["bytes"].as_u64());
    assert_eq!(Some(found.sums[1]), told["allocated"]["bytes"].as_u64());
    let call = line_of("__attribute__((noinline)) void *keeper") + 1;
    let keeper = &found.by_function[&format!("keeper program.c:{call}")];
    let waster = found
        .by_function
        .iter()
        .find(|(name, _)| name.starts_with("waster "));
    let (_, waster) = waster.expect("the other function");
    near(keeper[3] as f64, BYTES, NEAR, "keeper's, in use");
    near(keeper[1] as f64, BYTES, NEAR, "keeper's");
    near(keeper[0] as f64, 100_000.0, NEAR, "keeper's blocks");
    near(waster[1] as f64, BYTES, NEAR, "waster's");
    // Its last block may wait for the thread's end.
    assert!(waster[3] < 20_000, "waster's, in use: {}", waster[3]);

    let mut pprof = Command::new("go");
    pprof.args(["tool", "pprof", "-top", "-unit=kb"]).arg(&file);
    match pprof.output() {
        Ok(top) => {
            let text = stdout(&top);
            assert!(top.status.success(), "{}", stderr(&top));
            let line = text
                .lines()
                .find(|line| line.trim_end().ends_with("keeper"));
            let flat = line.and_then(|line| line.trim().split("kB").next()?.parse::<f64>().ok());
            near(
                flat.expect("keeper's line") * 1024.0,
                BYTES,
                NEAR,
                "pprof's",
            );
            assert!(text.contains("Type: inuse_space"), "{text}");
        }
        Err(_) => {
            common::skip("pprof's own tool on a profile", "go is not installed");
        }
    }
}

/// The first thread is gone when another one ends the program: it is read by that one,
/// and named by its own number.
const ANOTHER: &str = r#"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *kept[1000];

__attribute__((noinline)) static void *keeper(size_t size) {
    void *block = malloc(size);
    __asm__ volatile("" : : "r"(block) : "memory");
    return block;
}

static void *work(void *first) {
    pthread_join(*(pthread_t *)first, 0);
    for (int i = 0; i < 1000; i++)
        kept[i] = keeper(20000);
    printf("%d\n", (int)getpid());
    exit(0);
}

int main(void) {
    static pthread_t first;
    pthread_t thread;
    first = pthread_self();
    pthread_create(&thread, 0, work, &first);
    pthread_exit(0);
}
"#;

#[test]
fn a_program_that_another_thread_ends() {
    let folder = folder("profile-another");
    let program = folder.join("program");
    let flags = ["-g", "-O1", "-pthread"];
    if !compile("profile-another", ANOTHER, &program, &flags) {
        return;
    }
    let file = folder.join("heap.pb.gz");
    let out = profiled(&file, RATE, &["--format", "json"], &program);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let text = stdout(&out);
    let lines: Vec<&str> = text.lines().collect();
    let told: Value = serde_json::from_str(lines[1]).expect("JSON");
    assert_eq!(told["process"]["pid"].to_string(), lines[0]);
    assert_eq!(
        told["process"]["program"].as_str().map(Path::new),
        Some(program.as_path())
    );
    let in_use = told["in_use"]["bytes"].as_f64().expect("bytes");
    near(in_use, 20_000_000.0, NEAR, "in use");
    let functions = &told["sites"][0]["stack"][0]["functions"];
    assert_eq!(functions[0].as_str(), Some("keeper"));
}

/// A process that runs, with names for people and lines about it; and one that is not
/// profiled.
#[test]
fn a_running_process() {
    let Some((folder, program)) = built("profile-running", &["-O1"]) else {
        return;
    };
    let file = folder.join("heap.pb.gz");
    for is_profiled in [true, false] {
        let mut command = Command::new(&program);
        command.env("LD_PRELOAD", library());
        command.env("NTHEAP_PROFILE", if is_profiled { "16K" } else { "off" });
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let lines = child.stdout.take().expect("a pipe");
        BufReader::new(lines).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        let pid = child.id().to_string();
        let out = output(ntheap().args(["profile", "-o"]).arg(&file).arg(&pid));
        drop(child.stdin.take());
        assert!(child.wait().expect("it ends").success());
        if is_profiled {
            assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
            let text = stdout(&out);
            let lines: Vec<&str> = text.lines().collect();
            assert!(lines[0].starts_with(&format!("process {pid}, ")), "{text}");
            assert!(lines[1].contains("at one byte of 16.0 KiB"), "{text}");
            // Symbols without lines.
            assert!(
                lines[3].ends_with("keeper < main < __libc_start_main")
                    || lines[3].contains("keeper < main < 0x"),
                "{text}"
            );
            let found = read(&file);
            near(found.sums[3] as f64, BYTES, NEAR, "in use");
            fs::remove_file(&file).expect("the file");
        } else {
            assert_eq!(out.status.code(), Some(4));
            let said = format!("ntheap: process {pid} is not profiled: it must be started with");
            assert!(stderr(&out).starts_with(&said), "{}", stderr(&out));
            assert!(!file.exists());
        }
    }
}

/// A stripped program's addresses have no names, and standard error says so.
#[test]
fn a_stripped_program() {
    let Some((folder, program)) = built("profile-stripped", &["-O1", "-s"]) else {
        return;
    };
    let file = folder.join("heap.pb.gz");
    let out = profiled(&file, RATE, &[], &program);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let said = format!("addresses in {} have no name", program.display());
    assert!(stderr(&out).contains(&said), "{}", stderr(&out));
    let found = read(&file);
    assert!(found.nameless >= 2);
    near(found.sums[3] as f64, BYTES, NEAR, "in use");
}

/// Takes blocks by every function there is, with a count of its own; with an argument a
/// child of a fork does so too, and each says who it is and what it has, and waits.
const FUNCTIONS: &str = r#"
#define _GNU_SOURCE
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct { void *block; size_t size; } kept[4000];
static unsigned long long in_use, allocated, state = 88172645463325252ULL;

static size_t below(size_t end) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % end;
}

static void *take(void *old, size_t size) {
    void *block = NULL;
    if (old)
        return realloc(old, size);
    switch (below(7)) {
    case 0: return calloc(1, size);
    case 1: return aligned_alloc(64, size);
    case 2: return memalign(256, size);
    case 3: return posix_memalign(&block, 32, size) ? NULL : block;
    case 4: return valloc(size);
    default: return malloc(size);
    }
}

static void work(int steps) {
    for (int i = 0; i < steps; i++) {
        size_t place = below(4000), size = 1 + below(below(8) ? 3000 : 60000);
        if (kept[place].block && below(3) == 0) {
            free(kept[place].block);
            in_use -= kept[place].size;
            kept[place].block = NULL;
            kept[place].size = 0;
            continue;
        }
        void *old = kept[place].block;
        kept[place].block = take(old, size);
        if (!kept[place].block)
            abort();
        // One that is large enough stays what it is, and is no new block.
        if (kept[place].block == old)
            continue;
        in_use += size - kept[place].size;
        allocated += size;
        kept[place].size = size;
    }
}

int main(int count, char **arguments) {
    (void)arguments;
    work(30000);
    int is_parent = 1;
    if (count > 1) {
        is_parent = fork();
        if (is_parent < 0)
            abort();
        if (!is_parent)
            work(30000);
    }
    printf("%d %d %llu %llu\n", (int)getpid(), is_parent != 0, in_use, allocated);
    fflush(stdout);
    while (count > 1 && getchar() != EOF)
        ;
    _exit(0);
}
"#;

/// What a process of [`FUNCTIONS`] says of itself.
struct Said {
    pid: String,
    is_parent: bool,
    in_use: f64,
    allocated: f64,
}

fn said(line: &str) -> Said {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| words[at].parse::<f64>().expect("a number");
    Said {
        pid: words[0].to_owned(),
        is_parent: words[1] == "1",
        in_use: number(2),
        allocated: number(3),
    }
}

/// How near the estimates of what it has come at a rate of 2 KiB: more than six standard
/// deviations of what runs gave.
const NEARER: f64 = 0.04;

/// What the profile says is what the program counted itself.
fn tells_what(said: &Said, out: &Output) {
    assert_eq!(out.status.code(), Some(0), "{}", stderr(out));
    let text = stdout(out);
    let last = text.lines().last().expect("the answer");
    let told: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(told["process"]["pid"].to_string(), said.pid);
    assert_eq!(told["lost"].as_u64(), Some(0));
    let bytes = |of: &str| told[of]["bytes"].as_f64().expect("bytes");
    near(bytes("in_use"), said.in_use, NEARER, "in use");
    near(bytes("allocated"), said.allocated, NEARER, "allocated");
}

#[test]
fn what_each_function_takes_counts() {
    let folder = folder("profile-functions");
    let (program, file) = (folder.join("program"), folder.join("heap.pb.gz"));
    if compile("profile-functions", FUNCTIONS, &program, &["-O1"]) {
        let out = profiled(&file, "2K", &["--format", "json"], &program);
        let text = stdout(&out);
        let said = said(text.lines().next().expect("a line"));
        assert!(said.in_use > 5e6 && said.allocated > 5e7, "{text}");
        tells_what(&said, &out);
    }
}

/// The child of a fork has what the parent has, and more; the parent's stays what it was.
#[test]
fn a_fork_has_a_profile_of_its_own() {
    let folder = folder("profile-fork");
    let (program, file) = (folder.join("program"), folder.join("heap.pb.gz"));
    if !compile("profile-fork", FUNCTIONS, &program, &["-O1"]) {
        return;
    }
    let mut started = Command::new(&program);
    started.arg("fork").env("LD_PRELOAD", library());
    started.env("NTHEAP_PROFILE", "2K");
    started.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = started.spawn().expect("the program starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let both: Vec<Said> = lines
        .take(2)
        .map(|line| said(&line.expect("a line")))
        .collect();
    let outs: Vec<Output> = both
        .iter()
        .map(|one| {
            let arguments = ["profile", "--format", "json", "-o"];
            output(ntheap().args(arguments).arg(&file).arg(&one.pid))
        })
        .collect();
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
    assert_ne!(both[0].is_parent, both[1].is_parent);
    for (one, out) in both.iter().zip(&outs) {
        tells_what(one, out);
    }
    let of = |is_parent: bool| both.iter().find(|one| one.is_parent == is_parent);
    let (parent, child) = (of(true).expect("both"), of(false).expect("both"));
    assert!(child.allocated > 1.5 * parent.allocated);
}

#[test]
fn what_cannot_be_done_is_told() {
    let folder = folder("profile-refused");
    let file = folder.join("heap.pb.gz");
    let out = output(ntheap().args(["profile", "-o"]).arg(&file).arg("999999999"));
    assert_eq!(out.status.code(), Some(4));
    assert_eq!(
        stderr(&out),
        "ntheap: there is no process 999999999, or it has ended\n"
    );
    let out = profiled(&file, "0", &[], Path::new("/bin/true"));
    assert_eq!(out.status.code(), Some(2));
    let refused = "error: invalid value '0' for '--rate <BYTES>'";
    assert!(stderr(&out).starts_with(refused), "{}", stderr(&out));
    let out = profiled(&folder.join("no/where"), RATE, &[], Path::new("/bin/ls"));
    assert_eq!(out.status.code(), Some(5), "{}", stderr(&out));
    assert!(
        stderr(&out).starts_with("ntheap: cannot write "),
        "{}",
        stderr(&out)
    );
    let out = profiled(&file, RATE, &[], Path::new("/no/such/program"));
    assert_eq!(out.status.code(), Some(127), "{}", stderr(&out));
    assert!(!file.exists());
}

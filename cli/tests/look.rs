//! The commands that look at a process from outside, at programs whose blocks are
//! known.

#![cfg(target_os = "linux")]

mod common;
#[path = "look/leaks.rs"]
mod leaks;
#[path = "look/leaks_by_language.rs"]
mod leaks_by_language;
#[path = "look/mount_namespace.rs"]
mod mount_namespace;
#[path = "look/unreadable.rs"]
mod unreadable;

use common::running::{Running, told};
use common::{compile, folder, library, ntheap, output, stderr, stdout, windows_library};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

fn look(args: &[&str]) -> Output {
    output(ntheap().args(args))
}

fn json(out: &Output) -> Value {
    serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("{e} in\n{}\n{}", stdout(out), stderr(out)))
}

/// The blocks that `walk` lists, by address.
fn walked(args: &[&str]) -> BTreeMap<String, u64> {
    let out = look(&[&["walk", "--format", "json"], args].concat());
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let found = json(&out);
    let blocks = found["blocks"].as_array().expect("blocks");
    let block = |block: &Value| {
        let address = block["address"].as_str().expect("an address");
        (address.to_owned(), block["size"].as_u64().expect("a size"))
    };
    let listed: BTreeMap<String, u64> = blocks.iter().map(block).collect();
    assert_eq!(listed.len(), blocks.len(), "a block is listed twice");
    listed
}

fn built(test: &str, source: &str, flags: &[&str]) -> Option<(PathBuf, PathBuf)> {
    let folder = folder(test);
    let program = folder.join("program");
    compile(test, source, &program, flags).then_some((folder, program))
}

/// Says every block that it has, and every one that it had.
const MALLOCS: &str = r#"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
static void *kept[400];
static char line[64];
static void say(void) {
    for (int i = 0; i < 400; i++)
        if (kept[i]) printf("busy %p %zu\n", kept[i], malloc_usable_size(kept[i]));
    printf("ready\n");
}
int main(void) {
    static char buffer[1 << 16];
    setvbuf(stdout, buffer, _IOLBF, sizeof buffer);
    static char input[1 << 10];
    setvbuf(stdin, input, _IOFBF, sizeof input);
    for (int i = 0; i < 300; i++) kept[i] = malloc(i < 290 ? 40 + 37 * i : 700000 * (i - 289));
    for (int i = 0; i < 300; i += 3) {
        printf("freed %p 0\n", kept[i]);
        free(kept[i]);
        kept[i] = 0;
    }
    say();
    if (!fgets(line, sizeof line, stdin)) return 0;
    for (int i = 300; i < 400; i++) kept[i] = malloc(5000);
    for (int i = 1; i < 31; i += 3) {
        free(kept[i]);
        kept[i] = 0;
    }
    say();
    fgets(line, sizeof line, stdin);
    return 0;
}
"#;

#[test]
fn mallocs_blocks_are_listed_and_their_growth_is_exact() {
    let Some((folder, program)) = built("look-mallocs", MALLOCS, &[]) else {
        return;
    };
    let mut running = Running::preloaded(&program);
    let lines = running.until_ready();
    let pid = running.pid();
    let busy = told(&lines, "busy");
    assert_eq!(busy.len(), 200);
    let is_listed = |busy: &BTreeMap<String, u64>| {
        for stop in [&[][..], &["--stop"]] {
            let listed = walked(&[&[pid.as_str()], stop].concat());
            for (address, size) in busy {
                assert_eq!(listed.get(address), Some(size), "{address}");
            }
            // What the program has not is what its libraries have: little.
            let others = listed.len() - busy.len();
            assert!(others < 10, "{others} blocks more");
        }
    };
    is_listed(&busy);
    let listed = walked(&[&pid]);
    for address in told(&lines, "freed").keys() {
        // A freed block's place may be another's by now, which is busy then.
        assert_eq!(
            listed.contains_key(address),
            busy.contains_key(address),
            "{address}"
        );
    }

    let file = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let (before, after) = (file("before.heap"), file("after.heap"));
    let out = look(&["snapshot", &pid, "-o", &before]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    assert_eq!(walked(&[&before]), listed);

    running.go();
    let later = told(&running.until_ready(), "busy");
    assert_eq!(later.len(), 290);
    is_listed(&later);
    let out = look(&["snapshot", &pid, "-o", &after, "--stop", "--format", "json"]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    assert_eq!(json(&out)["process"]["was_held"], true);

    let out = look(&["diff", &before, &after, "--format", "json", "--top", "0"]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let diff = json(&out);
    // What the program itself says grew, by size.
    let mut growth: BTreeMap<u64, i64> = BTreeMap::new();
    for (sizes, sign) in [(&busy, -1), (&later, 1)] {
        for &size in sizes.values() {
            *growth.entry(size).or_default() += sign * size as i64;
        }
    }
    growth.retain(|_, bytes| *bytes != 0);
    let sizes = diff["sizes"].as_array().expect("sizes").iter();
    let found: BTreeMap<u64, i64> = sizes
        .map(|line| {
            let size = line["size"].as_u64().expect("a size");
            (size, line["growth"].as_i64().expect("a growth"))
        })
        .collect();
    assert_eq!(found, growth);
    assert_eq!(found[&5120], 100 * 5120);
    let heaps = diff["heaps"].as_array().expect("heaps");
    assert_eq!(heaps.len(), 1);
    assert_eq!(heaps[0]["growth"].as_i64(), Some(growth.values().sum()));
    assert_eq!(diff["appeared"]["blocks"].as_u64(), Some(100));
    assert_eq!(diff["vanished"]["blocks"].as_u64(), Some(10));

    let out = look(&["diff", &before, &pid]);
    let text = stdout(&out);
    assert!(
        text.contains("100 blocks appeared, 500.0 KiB; 10 blocks vanished"),
        "{text}"
    );
    assert!(text.contains("5,120  +512,000    +100"), "{text}");
    let out = look(&["diff", &before, &after, "--umdh"]);
    assert_eq!(out.status.code(), Some(5), "{}", stdout(&out));
    assert!(stderr(&out).contains("no stacks"), "{}", stderr(&out));
    running.end();
}

const HEAPS: &str = r#"
#include <stdio.h>
void *HeapCreate(unsigned, unsigned long, unsigned long);
void *HeapAlloc(void *, unsigned, unsigned long);
int HeapFree(void *, unsigned, void *);
int main(void) {
    void *heap = HeapCreate(0, 0, 0), *other = HeapCreate(1, 0x10000, 0x100000);
    printf("heap %p 0\nother %p 0\n", heap, other);
    void *freed[200];
    for (int i = 0; i < 200; i++) freed[i] = HeapAlloc(heap, 0, 33 + i % 3);
    for (int i = 0; i < 500; i++) {
        unsigned long size = i < 490 ? i % 7 * 300 + i % 5 : 600000ul * (i - 489);
        printf("busy %p %lu\n", HeapAlloc(heap, 0, size), size);
    }
    for (int i = 0; i < 200; i++) HeapFree(heap, 0, freed[i]);
    printf("second %p 77\n", HeapAlloc(other, 0, 77));
    printf("ready\n");
    fflush(stdout);
    getchar();
    return 0;
}
"#;

#[test]
fn heaps_blocks_are_exactly_those_that_were_asked_for() {
    // It leads to the other, which a test beside this one may be building.
    common::library();
    let library = windows_library();
    let place = library.parent().expect("a folder").to_str().expect("UTF-8");
    let flags = [
        "-L",
        place,
        "-lntheap_win32",
        &format!("-Wl,-rpath,{place}"),
    ];
    let Some((folder, program)) = built("look-heaps", HEAPS, &flags) else {
        return;
    };
    let mut running = Running::start(&mut Command::new(&program));
    let lines = running.until_ready();
    let pid = running.pid();
    let handle = |kind: &str| told(&lines, kind).into_keys().next().expect("a handle");
    let busy = told(&lines, "busy");
    assert_eq!(busy.len(), 500);
    assert_eq!(walked(&[&pid, "--heap", &handle("heap")]), busy);
    assert_eq!(
        walked(&[&pid, "--heap", &handle("other")]),
        told(&lines, "second")
    );
    assert_eq!(walked(&[&pid, "--heap", "no such heap"]), BTreeMap::new());
    let large: BTreeMap<String, u64> = busy
        .iter()
        .filter(|&(_, &size)| size >= 600_000)
        .map(|(address, &size)| (address.clone(), size))
        .collect();
    assert_eq!(
        walked(&[&pid, "--heap", &handle("heap"), "--size", "600000-"]),
        large
    );
    let free = walked(&[&pid, "--heap", &handle("heap"), "--state", "free,cached"]);
    assert!(busy.keys().all(|address| !free.contains_key(address)) && !free.is_empty());

    let out = look(&["validate", &pid, "--format", "json"]);
    assert_eq!(out.status.code(), Some(0), "{}", stdout(&out));
    let found = json(&out);
    assert_eq!(found["is_sound"], true);
    assert_eq!(found["missing"], serde_json::json!([]));

    for name in ["map.svg", "map.html"] {
        let file = folder.join(name);
        let path = file.to_str().expect("UTF-8");
        let out = look(&["map", &pid, "-o", path, "--format", "json"]);
        assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
        let told = json(&out);
        let bytes = fs::metadata(&file).expect("a file").len();
        assert_eq!(told["bytes"], bytes);
        assert_eq!(told["kinds"][3]["kind"], "Heap");
        assert!(told["kinds"][3]["committed"].as_u64() > Some(900_000));
        let text = fs::read_to_string(&file).expect("a file");
        assert!(text.len() < 5 << 20, "{name} has {} bytes", text.len());
        for part in [
            "Memory by kind",
            "Address space",
            "program",
            &handle("other"),
            "bucket",
        ] {
            assert!(text.contains(part), "{name} has no {part}");
        }
        // Nothing is fetched: the name space is the only address.
        let addresses = text.matches("://").count();
        assert_eq!(addresses, 1, "{name}");
        assert!(text.contains("prefers-color-scheme:dark"), "{name}");
        assert_balanced(
            &text
                [text.find("<svg").expect("a picture")..=text.find("</svg>").expect("its end") + 5],
        );
    }
    running.end();
}

/// Whether every element ends, in order.
fn assert_balanced(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in xml.split('<').skip(1) {
        let tag = tag.split('>').next().expect("a tag's end");
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed));
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().expect("a name"));
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// What asked for each block, where tags are on, of a process and of its snapshot.
#[test]
fn tags_are_told_of_each_block() {
    let Some((folder, program)) = built("look-tags", MALLOCS, &[]) else {
        return;
    };
    let mut command = Command::new(&program);
    command.env("LD_PRELOAD", library());
    let mut running = Running::start(command.env("NTHEAP_GFLAGS", "+htd"));
    let busy = told(&running.until_ready(), "busy");
    let file = folder.join("tags.heap");
    let file = file.to_str().expect("UTF-8");
    let out = look(&["snapshot", &running.pid(), "-o", file]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    for source in [&running.pid(), file] {
        let found = json(&look(&["walk", "--format", "json", source]));
        let blocks = found["blocks"].as_array().expect("blocks").iter();
        let tagged = blocks.filter(|block| block["tag"] == "program");
        let tagged: Vec<&str> = tagged
            .filter_map(|block| block["address"].as_str())
            .collect();
        assert_eq!(tagged, busy.keys().collect::<Vec<_>>(), "{source}");
        let text = stdout(&look(&["walk", "--size", "5000-6000", source]));
        let (head, rows) = text
            .split_once('\n')
            .and_then(|(_, rows)| rows.split_once('\n'))
            .expect("a head");
        assert!(head.contains("  stack  tag ") && !rows.is_empty(), "{text}");
        for row in rows
            .lines()
            .take_while(|row| row.contains("0x") && row.contains("busy"))
        {
            assert!(row.contains("  program  "), "{text}");
        }
        let text = stdout(&look(&[
            "walk",
            "--no-names",
            "--size",
            "5000-6000",
            source,
        ]));
        assert!(text.contains("\n    program+0x"), "{text}");
        assert!(!text.contains("\n    main"), "{text}");
    }
    running.go();
    let more = told(&running.until_ready(), "busy");
    let pid = running.pid();
    // What grew, by what asked for it.
    let sum = |busy: &BTreeMap<String, u64>| {
        let bytes = busy.values().sum::<u64>();
        serde_json::json!({ "blocks": busy.len(), "bytes": bytes })
    };
    let found = json(&look(&["diff", file, &pid, "--format", "json"]));
    let (was, is) = (sum(&busy), sum(&more));
    let growth = is["bytes"].as_u64().expect("bytes") - was["bytes"].as_u64().expect("bytes");
    let of_program = serde_json::json!({
        "tag": "program", "growth": growth, "before": was, "after": is,
    });
    assert_eq!(found["tags"][0], of_program, "{found}");
    let text = stdout(&look(&["diff", file, &pid]));
    let tables: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("by "))
        .collect();
    assert_eq!(
        tables,
        ["by heap", "by size", "by tag", "by stack"],
        "{text}"
    );
    let text = stdout(&look(&["diff", file, &pid, "--by", "tag,heap"]));
    let tables: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("by "))
        .collect();
    assert_eq!(tables, ["by heap", "by tag"], "{text}");
    let row = text.lines().find(|line| line.contains("  program "));
    let words: Vec<&str> = row.expect("a row").split_whitespace().collect();
    assert_eq!(words[2], "+90", "{text}");
    running.go();
    running.end();
    let out = look(&["diff", file, file, "--by", "tag"]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let untagged = folder.join("plain.heap");
    let untagged = untagged.to_str().expect("UTF-8");
    let mut plain = Running::preloaded(&program);
    plain.until_ready();
    look(&["snapshot", &plain.pid(), "-o", untagged]);
    for (by, says) in [("tag", "have no tags; "), ("stack", "have no stacks; ")] {
        let out = look(&["diff", untagged, untagged, "--by", by]);
        assert_eq!(out.status.code(), Some(5), "{by}");
        assert!(stderr(&out).contains(says), "{}", stderr(&out));
    }
    plain.go();
    plain.until_ready();
    plain.go();
    plain.end();
}

/// Page heap's blocks are seen; those that sampling took are not, which is said.
#[test]
fn guarded_blocks_are_seen_or_said_to_be_missing() {
    let Some((folder, program)) = built("look-guarded", MALLOCS, &[]) else {
        return;
    };
    let start = |name: &str, value: &str| {
        let mut command = Command::new(&program);
        command.env("LD_PRELOAD", library()).env(name, value);
        let mut running = Running::start(&mut command);
        let lines = running.until_ready();
        (running, told(&lines, "busy"))
    };
    let (running, busy) = start("NTHEAP_GFLAGS", "+hpa");
    // By its name, too: no other heap has it.
    let listed = walked(&[&running.pid(), "--heap", "process heap"]);
    assert_eq!(busy.len(), 200);
    for (address, size) in &busy {
        assert_eq!(listed.get(address), Some(size), "{address}");
    }
    let all = json(&look(&["walk", &running.pid(), "--format", "json"]));
    let heaps = all["heaps"].as_array().expect("heaps").iter();
    let names: Vec<&str> = heaps.filter_map(|heap| heap["name"].as_str()).collect();
    assert_eq!(
        names.iter().filter(|&&name| name == "process heap").count(),
        1,
        "{names:?}"
    );
    let top = json(&look(&[
        "top",
        &running.pid(),
        "--format",
        "json",
        "--heap",
        "process heap",
    ]));
    assert!(top["heaps"][0]["blocks"].as_u64() >= Some(200), "{top}");
    // The map has their rows.
    let map = folder.join("guarded.svg");
    let map = map.to_str().expect("UTF-8");
    assert!(look(&["map", &running.pid(), "-o", map]).status.success());
    let picture = std::fs::read_to_string(map).expect("written");
    assert!(picture.contains(" guarded blocks</text>"), "{picture}");
    let (running, _) = start("NTHEAP_SAMPLE", "100");
    let out = look(&["walk", &running.pid()]);
    assert_eq!(out.status.code(), Some(3), "{}", stderr(&out));
    assert!(stderr(&out).contains("NTHEAP_SAMPLE guards"));
}

#[test]
fn a_hardened_heap_is_sound_and_its_blocks_are_listed() {
    let Some((_, program)) = built("look-hardened", MALLOCS, &[]) else {
        return;
    };
    let mut command = Command::new(&program);
    command
        .env("LD_PRELOAD", library())
        .env("NTHEAP_HARDENED", "1");
    let mut running = Running::start(&mut command);
    let busy = told(&running.until_ready(), "busy");
    assert_eq!(busy.len(), 200);
    let out = look(&["validate", &running.pid()]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let listed = walked(&[&running.pid()]);
    for address in busy.keys() {
        assert!(listed.contains_key(address), "{address}");
    }
    running.end();
}

const BUSY: &str = r#"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static volatile int is_over;
static void *churn(void *seed) {
    static __thread void *mine[200];
    unsigned number = (unsigned)(unsigned long)seed;
    while (!is_over) {
        number = number * 1103515245 + 12345;
        unsigned at = (number >> 16) % 200;
        free(mine[at]);
        mine[at] = malloc((number >> 8) % 40 == 0 ? (number >> 12) % 3000000 : (number >> 12) % 3000);
    }
    return 0;
}
int main(void) {
    pthread_t threads[3];
    for (long i = 0; i < 3; i++) pthread_create(&threads[i], 0, churn, (void *)(i + 1));
    printf("ready\n");
    fflush(stdout);
    getchar();
    is_over = 1;
    for (int i = 0; i < 3; i++) pthread_join(threads[i], 0);
    return 0;
}
"#;

#[test]
fn a_process_that_changes_is_read_and_goes_on() {
    let Some((folder, program)) = built("look-busy", BUSY, &["-pthread"]) else {
        return;
    };
    let mut running = Running::preloaded(&program);
    running.until_ready();
    let pid = running.pid();
    let file = folder.join("busy.heap");
    let file = file.to_str().expect("UTF-8");
    for _ in 0..5 {
        // A torn answer says so, and is an answer all the same.
        let out = look(&["walk", &pid, "--summary"]);
        let code = out.status.code();
        assert!(
            code == Some(0) || code == Some(3),
            "{code:?} {}",
            stderr(&out)
        );
        assert_eq!(
            code == Some(3),
            stderr(&out).contains("partial"),
            "{}",
            stderr(&out)
        );
        assert!(stdout(&out).contains("process heap"), "{}", stdout(&out));
        // Held still, it is whole.
        let out = look(&["snapshot", &pid, "-o", file, "--stop"]);
        assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
        let out = look(&["validate", file]);
        let code = out.status.code();
        assert!(
            code == Some(0) || code == Some(1),
            "{code:?} {}",
            stderr(&out)
        );
        let out = look(&["validate", &pid]);
        assert_eq!(
            out.status.code(),
            Some(0),
            "{}{}",
            stdout(&out),
            stderr(&out)
        );
    }
    running.go();
    running.end();
}

/// What is said of work is for people and goes to standard error: lines where there is no
/// terminal and they are asked for, of which the numbers grow.
#[test]
fn progress_is_told_where_it_is_asked_for() {
    let Some((folder, program)) = built("look-progress", MALLOCS, &[]) else {
        return;
    };
    let mut running = Running::preloaded(&program);
    running.until_ready();
    let pid = running.pid();
    let file = folder.join("p.heap");
    let file = file.to_str().expect("UTF-8");
    let picture = folder.join("p.svg");
    let picture = picture.to_str().expect("UTF-8");
    let json = ["--format", "json"];
    for (args, says) in [
        (&["snapshot", &pid, "-o", file][..], "reading process"),
        (&["walk", file][..], "reading "),
        (&["validate", &pid][..], "checking process"),
        (&["diff", file, &pid][..], "comparing"),
        (&["leaks", &pid][..], "looking through process"),
        (&["map", &pid, "-o", picture][..], "drawing"),
    ] {
        let quiet = look(&[args, &json].concat());
        assert_eq!(stderr(&quiet), "", "{args:?}");
        let told = look(&[args, &json, &["--progress"]].concat());
        let said = stderr(&told);
        let begins = format!("ntheap: {says}");
        assert!(said.lines().any(|line| line.starts_with(&begins)), "{said}");
        assert!(said.lines().any(|line| line.ends_with(": done")), "{said}");
        assert!(!said.contains('\x1b') && !said.contains('\r'), "{said:?}");
        // Of each thing that is done, and none above all.
        for line in said.lines().filter(|line| line.ends_with(" %")) {
            let number = line.trim_end_matches(" %").rsplit(' ').next();
            let percent: u32 = number.expect("a number").parse().expect(line);
            assert!(percent <= 100, "{said}");
        }
        assert!(serde_json::from_slice::<Value>(&told.stdout).is_ok());
    }
    running.end();
}

/// A terabyte that can be read and is not there is not looked through.
#[test]
fn reserved_terabytes_take_no_time() {
    const RESERVES: &str = r#"
    #include <stdio.h>
    #include <stdlib.h>
    #include <sys/mman.h>
    static char *volatile far;
    int main(void) {
        size_t size = (size_t)4 << 40;
        far = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (far == MAP_FAILED) return 1;
        /* One page in its middle leads to a block, which leads to another. */
        void **block = malloc(3000);
        block[5] = malloc(3001);
        ((void **)(far + size / 2))[7] = block;
        block = 0;
        for (int i = 0; i < 3; i++) ((volatile char *)malloc(2500))[0] = 1;
        printf("ready\n");
        fflush(stdout);
        getchar();
        return 0;
    }
    "#;
    let Some((_, program)) = built("look-reserved", RESERVES, &["-O0", "-fno-builtin"]) else {
        return;
    };
    let mut command = Command::new(&program);
    command
        .env("LD_PRELOAD", library())
        .env("NTHEAP_GFLAGS", "+htc");
    let mut running = Running::start(&mut command);
    running.until_ready();
    let start = std::time::Instant::now();
    let found = json(&look(&["leaks", &running.pid(), "--format", "json"]));
    let taken = start.elapsed();
    running.end();
    // A page of four terabytes after the other takes minutes.
    assert!(taken.as_secs() < 10, "{taken:?}");
    let groups = found["lost"].as_array().expect("groups").iter();
    let lost: Vec<u64> = groups.filter_map(|group| group["size"].as_u64()).collect();
    assert!(
        lost.contains(&2500) || found["unsure_blocks"].as_u64() >= Some(3),
        "{found}"
    );
    assert!(!lost.contains(&3000) && !lost.contains(&3001), "{found}");
    assert!(found["bytes_searched"].as_u64() < Some(1 << 30), "{found}");
}

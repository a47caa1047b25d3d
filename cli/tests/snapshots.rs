//! Snapshots with call stacks, and those that a process asks for itself: by a call, at a
//! signal, at its end.

#![cfg(target_os = "linux")]

mod common;

use common::running::Running;
use common::{clean, compile, folder, library, ntheap, output, root, stderr, stdout};
use ntheap_inspect::{Snapshot, file};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Allocates from two places, and has itself looked at in the way it is told.
const PROGRAM: &str = r#"
#include <errno.h>
#include <ntheap_debug.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static void *volatile kept[200];
static int count;
static __attribute__((noinline)) void many(void) {
    for (int i = 0; i < 40; i++) kept[count++] = malloc(1000);
}
static __attribute__((noinline)) void one(void) {
    kept[count++] = malloc(300000);
}
static volatile int is_over;
static void *churn(void *unused) {
    (void)unused;
    for (unsigned long n = 1; !is_over; n++) {
        free(kept[1 + n % 50]);
        kept[1 + n % 50] = malloc(n * 7919 % 5000);
    }
    return NULL;
}
int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    one();
    if (strcmp(argv[1], "call") == 0) {
        for (int i = 2; i < argc; i++) {
            errno = 0;
            int result = ntheap_snapshot(argv[i]);
            printf("%d %d\n", result, result < 0 ? errno : 0);
            many();
        }
        // No child of the library's is waited for by the program.
        errno = 0;
        int waited = (int)wait(NULL);
        printf("%d %d\n", waited, errno == ECHILD);
    } else if (strcmp(argv[1], "signal") == 0) {
        raise(SIGUSR2);
        many();
        raise(SIGUSR2);
        if (fork() == 0) {
            raise(SIGUSR2);
            _exit(0);
        }
        wait(NULL);
    } else if (strcmp(argv[1], "storm") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, churn, NULL);
        for (int i = 2; i < argc; i++) {
            usleep(1000);
            pthread_kill(thread, SIGUSR2);
            /* One that is not made is not waited for for ever. */
            for (int n = 0; access(argv[i], R_OK) != 0; n++)
                if (usleep(1000), n == 30000) return 3;
        }
        is_over = 1;
        pthread_join(thread, NULL);
    } else if (strcmp(argv[1], "write") == 0) {
        many();
        ((char *)kept[1])[0] = 1;
    }
    printf("%p %p\n", (void *)many, (void *)one);
    return 0;
}
"#;

/// The program, built into a folder of the test's.
fn program(test: &str) -> Option<(PathBuf, PathBuf)> {
    let folder = folder(test);
    let program = folder.join("program");
    let library = library().parent().expect("a folder");
    let flags = [
        format!("-I{}", root().join("capi/include").display()),
        format!("-L{}", library.display()),
        format!("-Wl,-rpath,{}", library.display()),
        "-lntheap".to_owned(),
        "-O1".to_owned(),
        "-fno-builtin".to_owned(),
        "-pthread".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    compile(test, PROGRAM, &program, &flags).then_some((folder, program))
}

fn start(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    clean(&mut command);
    command
        .args(arguments)
        .current_dir(program.parent().expect("a folder"))
        .env("NTHEAP_COMMAND", env!("CARGO_BIN_EXE_ntheap"));
    command
}

fn succeeds(command: &mut Command) -> Output {
    let out = output(command);
    assert!(out.status.success(), "{}{}", stdout(&out), stderr(&out));
    out
}

/// The blocks of this size that the program has, by the first frames of their stacks, and how
/// many there are.
fn stacks(snapshot: &Snapshot, size: std::ops::Range<u64>) -> Vec<(Vec<String>, usize)> {
    let mut found: Vec<(Vec<String>, usize)> = Vec::new();
    for block in &snapshot.blocks {
        if !block.state.is_held() || !size.contains(&block.size) {
            continue;
        }
        let stack = snapshot.stacks.iter().find(|stack| stack.id == block.stack);
        let frames = stack.map_or(Vec::new(), |stack| stack.frames.clone());
        match found.iter_mut().find(|(known, _)| *known == frames) {
            Some((_, count)) => *count += 1,
            None => found.push((frames, 1)),
        }
    }
    found
}

/// Whether a frame is in the function that begins at this address of the program, of which
/// the last three digits are those of the file's.
fn is_in(frame: &str, function: &str) -> bool {
    let offset = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let (Some(("program", at)), Some(start)) = (frame.split_once('+'), offset(function)) else {
        return false;
    };
    let at = offset(at).expect("a number");
    (at & 0xfff).wrapping_sub(start & 0xfff) & 0xfff < 0x80
}

fn read(path: &Path) -> Snapshot {
    let snapshot = file::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(snapshot.missing, Vec::<String>::new());
    snapshot
}

#[test]
fn a_program_makes_snapshots_by_a_call() {
    let Some((folder, program)) = program("snapshot-call") else {
        return;
    };
    let arguments = ["call", "a.heap", "b.heap", "/nonexistent/c.heap"];
    let out = succeeds(start(&program, &arguments).env("NTHEAP_GFLAGS", "+ust"));
    let text = stdout(&out);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..4],
        ["0 0", "0 0", "-1 5", "-1 1"],
        "{}",
        stderr(&out)
    );
    assert!(
        stderr(&out).contains("cannot write /nonexistent/c.heap"),
        "{}",
        stderr(&out)
    );
    let (many, one) = lines[4].split_once(' ').expect("two addresses");

    let (before, after) = (read(&folder.join("a.heap")), read(&folder.join("b.heap")));
    assert!(stacks(&before, 1000..1001).is_empty());
    let large = stacks(&before, 300_000..300_001);
    assert!(large.len() == 1 && large[0].1 == 1, "{large:?}");
    assert!(is_in(&large[0].0[0], one), "{large:?} {one}");
    let small = stacks(&after, 1000..1001);
    assert!(small.len() == 1 && small[0].1 == 40, "{small:?}");
    assert!(is_in(&small[0].0[0], many), "{small:?} {many}");
    assert!(
        small[0].0.iter().any(|frame| frame.starts_with("libc")),
        "{small:?}"
    );

    // diff tells what grew by that stack, and as UMDH does.
    let files = [folder.join("a.heap"), folder.join("b.heap")];
    let out = succeeds(ntheap().arg("diff").args(&files).arg("--umdh"));
    let text = stdout(&out);
    assert!(
        text.starts_with("+    9c40 (   9c40 -      0)     28 allocs\tBackTrace"),
        "{text}"
    );
    assert_eq!(text.lines().nth(1), Some("\tprogram!many"), "{text}");
    assert!(text.ends_with("Total increase == 9c40\n"), "{text}");

    // The process is gone; what its files are was noted.
    let out = succeeds(ntheap().arg("diff").args(&files));
    let named = format!("      many ({})\n      main (program+0x", small[0].0[0]);
    assert!(stdout(&out).contains(&named), "{}", stdout(&out));
    let out = succeeds(ntheap().arg("diff").args(&files).args(["--format", "json"]));
    let told: serde_json::Value = serde_json::from_str(&stdout(&out)).expect("JSON");
    let stack = &told["stacks"][0];
    assert_eq!(stack["frames"][0], small[0].0[0].as_str());
    assert_eq!(stack["calls"][0]["frame"], stack["frames"][0]);
    assert_eq!(stack["calls"][0]["functions"][0]["name"], "many");

    // And so do blocks by a function's name, a part of it, a frame, or an address.
    let walked = |stack: &str| {
        let mut command = ntheap();
        command.arg("walk").arg(&files[1]);
        let out = succeeds(command.args(["--format", "json", "--stack", stack]));
        let told: serde_json::Value = serde_json::from_str(&stdout(&out)).expect("JSON");
        let blocks = told["blocks"].as_array().expect("blocks");
        let sizes = blocks
            .iter()
            .map(|block| block["size"].as_u64().expect("a size"));
        (sizes.collect::<Vec<u64>>(), told["stacks"].clone())
    };
    let frame = small[0].0[0].as_str();
    let (_, number) = frame.split_once('+').expect("a number");
    let code = after
        .mappings
        .iter()
        .find(|mapping| mapping.is_executable && mapping.name.ends_with("/program"))
        .expect("the program's code");
    let digits = u64::from_str_radix(&number[2..], 16).expect("a number");
    let address = format!("{:#x}", code.start - code.offset + digits);
    for wanted in [
        "many",
        "man",
        frame,
        number,
        &number.replace("0x", "0X"),
        &address,
    ] {
        let (sizes, stacks) = walked(wanted);
        // Other blocks of calls that are named alike may be there.
        let found = sizes.iter().filter(|&&size| size == 1000).count();
        assert_eq!(found, 40, "{wanted}: {sizes:?}");
        let first = &stacks[0]["calls"][0]["functions"][0]["name"];
        assert_eq!(first, "many", "{wanted}: {stacks}");
    }
    assert_eq!(walked("many").0.len(), 40);
    let (sizes, stacks) = walked("one");
    assert_eq!(sizes, [300_000], "{stacks}");
    assert_eq!(
        walked("no_such_function"),
        (vec![], serde_json::Value::Null)
    );
    assert_eq!(walked("0x7").0, [0; 0]);
    let mut command = ntheap();
    command.arg("walk").arg(&files[1]).args(["--stack", "one"]);
    let text = stdout(&succeeds(&mut command));
    assert!(
        text.contains("  lies in            stack  heap\n"),
        "{text}"
    );
    assert!(
        text.contains("\nstack ") && text.contains("\n    one (program+0x"),
        "{text}"
    );
    let mut command = ntheap();
    command
        .arg("walk")
        .arg(&files[1])
        .args(["--stack", "many", "--summary"]);
    let text = stdout(&succeeds(&mut command));
    assert!(text.contains("1,000      40  40,000"), "{text}");

    // Without the file there are addresses, and a word about it.
    fs::remove_file(&program).expect("the program");
    let out = succeeds(ntheap().arg("diff").args(&files));
    assert!(
        stdout(&out).contains(&format!("      {frame}\n")),
        "{}",
        stdout(&out)
    );
    let said = format!(
        "addresses in {} have no name: the file cannot be read any more\n",
        program.display()
    );
    assert!(stderr(&out).contains(&said), "{}", stderr(&out));
}

#[test]
fn without_ust_there_are_no_stacks() {
    let Some((folder, program)) = program("snapshot-plain") else {
        return;
    };
    succeeds(&mut start(&program, &["call", "a.heap"]));
    let snapshot = read(&folder.join("a.heap"));
    assert!(snapshot.stacks.is_empty());
    let large = stacks(&snapshot, 300_000..400_000);
    assert_eq!(large, [(Vec::new(), 1)]);
    let file = folder.join("a.heap");
    let out = output(ntheap().arg("diff").args([&file, &file]).arg("--umdh"));
    assert_eq!(out.status.code(), Some(5));
    assert!(
        stderr(&out).contains("NTHEAP_GFLAGS=+ust"),
        "{}",
        stderr(&out)
    );
    let out = output(ntheap().arg("walk").arg(&file).args(["--stack", "x"]));
    assert_eq!(out.status.code(), Some(5));
    let said = format!(
        "ntheap: {} has no stacks; a process with NTHEAP_GFLAGS=+ust has\n",
        file.display()
    );
    assert_eq!(stderr(&out), said);
}

#[test]
fn a_signal_and_the_end_make_snapshots() {
    let Some((folder, program)) = program("snapshot-signal") else {
        return;
    };
    let out = succeeds(
        start(&program, &["signal"])
            .env("NTHEAP_GFLAGS", "+ust")
            .env("NTHEAP_SNAPSHOT", "s.%n.heap,signal=USR2,exit"),
    );
    assert_eq!(stderr(&out), "");
    let counts: Vec<usize> = (1..=4)
        .map(|nth| {
            let path = folder.join(format!("s.{nth}.heap"));
            if !path.exists() {
                return usize::MAX;
            }
            stacks(&read(&path), 1000..1001)
                .iter()
                .map(|found| found.1)
                .sum()
        })
        .collect();
    // The third is of the forked child, and then, in its place, of the program's end.
    assert_eq!(counts, [0, 40, 40, usize::MAX]);
    let third = read(&folder.join("s.3.heap"));
    assert_eq!(
        third.process.pid,
        read(&folder.join("s.1.heap")).process.pid
    );

    let out = succeeds(start(&program, &["none"]).env("NTHEAP_SNAPSHOT", "end.%p.heap"));
    assert_eq!(stderr(&out), "");
    let names = fs::read_dir(&folder).expect("a folder").map(|entry| {
        let name = entry.expect("an entry").file_name();
        name.into_string().expect("UTF-8")
    });
    let ends: Vec<String> = names.filter(|name| name.starts_with("end.")).collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    let snapshot = read(&folder.join(&ends[0]));
    assert_eq!(ends[0], format!("end.{}.heap", snapshot.process.pid));
    assert_eq!(stacks(&snapshot, 300_000..400_000).len(), 1);
}

/// A thread that is interrupted in the middle of an allocation makes them as well.
#[test]
fn a_signal_in_the_middle_of_an_allocation_makes_a_snapshot() {
    let Some((folder, program)) = program("snapshot-storm") else {
        return;
    };
    let names: Vec<String> = (1..=6).map(|nth| format!("m.{nth}.heap")).collect();
    let mut arguments = vec!["storm"];
    arguments.extend(names.iter().map(String::as_str));
    let mut whole = 0;
    for flags in ["", "+ust", "+hpc,+ust"] {
        for name in &names {
            let _ = fs::remove_file(folder.join(name));
        }
        let out = succeeds(
            start(&program, &arguments)
                .env("NTHEAP_GFLAGS", flags)
                .env("NTHEAP_SNAPSHOT", "m.%n.heap,signal=USR2"),
        );
        let mut partial = 0;
        for name in &names {
            let path = folder.join(name);
            let snapshot = file::read(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
            let large = stacks(&snapshot, 300_000..400_000);
            let found: usize = large.iter().map(|(_, count)| count).sum();
            if snapshot.is_partial() {
                partial += 1;
                assert!(found <= 1, "{flags}: {large:?}");
            } else {
                assert_eq!(found, 1, "{flags}: {large:?}");
            }
        }
        // What was being changed at that moment is said to be missing, each time.
        let said = stderr(&out).matches("the answer is partial").count();
        assert_eq!(said, partial, "{flags}: {}", stderr(&out));
        whole += names.len() - partial;
    }
    println!("{whole} of {} are whole", 3 * names.len());
    assert!(whole > 0);
}

/// Page heap's patterns lie before a block, or its pages in no heap's memory: it is found all
/// the same, and its stack.
#[test]
fn stacks_are_found_under_the_other_flags() {
    let Some((folder, program)) = program("snapshot-flags") else {
        return;
    };
    for (flags, pages) in [
        ("+hpc,+ust", ""),
        ("+hpa,+ust", "light"),
        ("+hpa,+ust", "full"),
        ("+hpa,+ust", "mappings,random=50"),
    ] {
        succeeds(
            start(&program, &["write"])
                .env("NTHEAP_GFLAGS", flags)
                .env("NTHEAP_PAGEHEAP", pages)
                .env("NTHEAP_SNAPSHOT", "f.heap"),
        );
        let snapshot = read(&folder.join("f.heap"));
        let found = stacks(&snapshot, 1000..1100);
        assert!(found.len() == 1 && found[0].1 == 40, "{flags}: {found:?}");
        assert!(
            found[0].0[0].starts_with("program+0x"),
            "{flags}: {found:?}"
        );
    }
}

#[test]
fn what_cannot_be_is_said() {
    let Some((folder, program)) = program("snapshot-refused") else {
        return;
    };
    for (variable, value, says) in [
        (
            "NTHEAP_SNAPSHOT",
            "x,signal=KILL",
            "\"signal=KILL\" is not valid",
        ),
        (
            "NTHEAP_SNAPSHOT",
            "/nonexistent/x",
            "the ntheap command failed with status 5",
        ),
        (
            "NTHEAP_COMMAND",
            "/nonexistent/ntheap",
            "there is no ntheap command",
        ),
        (
            "NTHEAP_COMMAND",
            "/bin/false",
            "the ntheap command failed with status 1",
        ),
    ] {
        let out = succeeds(
            start(&program, &["none"])
                .env("NTHEAP_SNAPSHOT", "x")
                .env(variable, value),
        );
        let text = stderr(&out);
        assert!(text.contains(says), "{variable}={value}: {text}");
        assert!(!folder.join("x").exists(), "{variable}={value}");
    }
    // Found by the path, and not found.
    let mut command = start(&program, &["call", "by-path.heap"]);
    let folder_of = Path::new(env!("CARGO_BIN_EXE_ntheap"))
        .parent()
        .expect("a folder");
    command.env_remove("NTHEAP_COMMAND").env("PATH", folder_of);
    assert!(stdout(&succeeds(&mut command)).starts_with("0 0\n"));
    command.env("PATH", "/nonexistent:");
    assert!(stdout(&succeeds(&mut command)).starts_with("-1 2\n"));
}

/// Has as many blocks as it is told, of a few sizes, and then a hundred more.
const MANY: &str = r#"
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    long count = atol(argv[1]);
    void **kept = malloc((count + 100) * sizeof *kept);
    for (long i = 0; i < count; i++) kept[i] = malloc(16 + i % 4 * 16);
    printf("ready\n");
    fflush(stdout);
    getchar();
    for (long i = 0; i < 100; i++) kept[count + i] = malloc(64);
    printf("ready\n");
    fflush(stdout);
    getchar();
    return kept[count / 2] == NULL;
}
"#;

/// Ten million blocks, with `NTHEAP_LONG`: each look takes less than ten seconds, and a map
/// less than five megabytes.
#[test]
fn many_blocks_take_seconds() {
    let is_long = std::env::var_os("NTHEAP_LONG").is_some_and(|value| value != "0");
    let count: u64 = if is_long { 10_000_000 } else { 100_000 };
    let folder = folder("snapshot-many");
    let program = folder.join("many");
    if !compile("snapshot-many", MANY, &program, &["-O1", "-fno-builtin"]) {
        return;
    }
    let file = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let (before, after, map) = (file("before.heap"), file("after.heap"), file("map.html"));
    let timed = |arguments: &[&str]| {
        let start = std::time::Instant::now();
        let out = output(ntheap().args(arguments));
        let taken = start.elapsed();
        assert!(out.status.success(), "{arguments:?}: {}", stderr(&out));
        assert!(!is_long || taken.as_secs() < 10, "{arguments:?}: {taken:?}");
        (stdout(&out), taken.as_secs_f64())
    };
    let mut command = Command::new(&program);
    clean(&mut command);
    command.arg(count.to_string()).env("LD_PRELOAD", library());
    let mut running = Running::start(&mut command);
    running.until_ready();
    let pid = running.pid();
    let (_, first) = timed(&["snapshot", &pid, "-o", &before]);
    running.go();
    running.until_ready();
    let (_, second) = timed(&["snapshot", &pid, "-o", &after]);
    let (text, compared) = timed(&["diff", &before, &after, "--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert!(
        told["after"]["blocks"].as_u64() >= Some(count + 100),
        "{told}"
    );
    assert_eq!(told["appeared"]["blocks"], 100);
    assert_eq!(told["sizes"][0]["growth"], 6400);
    let (_, drawn) = timed(&["map", &after, "-o", &map]);
    let bytes = fs::metadata(&map).expect("the map").len();
    assert!(bytes < 5_000_000, "{bytes} bytes");
    let kept = fs::metadata(&after).expect("the snapshot").len();
    println!(
        "evidence: {count} blocks: snapshots {first:.1} and {second:.1} s, {} KiB; \
         difference {compared:.1} s; map {drawn:.1} s, {} KiB",
        kept >> 10,
        bytes >> 10
    );
    let start = std::time::Instant::now();
    let out = output(ntheap().args(["leaks", "--progress", &pid]));
    let taken = start.elapsed();
    assert!(
        out.status.code().is_some_and(|code| code < 2) && (!is_long || taken.as_secs() < 10),
        "{taken:?} {}",
        stderr(&out)
    );
    println!("evidence: search for leaks {:.1} s", taken.as_secs_f64());
    let said = stderr(&out);
    let (_, search) = said
        .split_once("looking through process")
        .expect("the search");
    let seen: Vec<u32> = search
        .lines()
        .filter_map(|line| line.strip_suffix(" %")?.rsplit(' ').next()?.parse().ok())
        .collect();
    // Few blocks are looked through before there is anything to say.
    assert!((!is_long || !seen.is_empty()) && seen.is_sorted(), "{said}");
    running.go();
    running.end();
}

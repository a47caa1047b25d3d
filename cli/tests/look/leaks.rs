//! Blocks that nothing leads to: those that were planted, and no other, while a program runs
//! and at its end.

use super::common::running::{Running, told};
use super::common::{library, ntheap, output, stderr, stdout};
use super::{built, json, look};
use serde_json::Value;
use std::process::Command;

const LEAKS: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *kept[100];
static struct node { struct node *next; char rest[92]; } *list;
__attribute__((noinline)) static void lose(void) {
    for (int i = 0; i < 9; i++) printf("lost %p 0\n", malloc(3000));
    struct node *ring = malloc(sizeof *ring), *other = malloc(sizeof *ring);
    ring->next = other;
    other->next = ring;
    printf("lost %p 0\nlost %p 0\n", (void *)ring, (void *)other);
    char *large = malloc(2000000);
    large[0] = 1;
    printf("lost %p 0\n", large);
}
__attribute__((noinline)) static void wipe(void) {
    volatile char stack[1 << 15];
    for (unsigned i = 0; i < sizeof stack; i++) stack[i] = 0;
}
int main(int count, char **args) {
    static char buffer[1 << 16];
    setvbuf(stdout, buffer, _IOLBF, sizeof buffer);
    static char input[1 << 10];
    setvbuf(stdin, input, _IOFBF, sizeof input);
    for (int i = 0; i < 100; i++) kept[i] = malloc(3000);
    for (int i = 0; i < 50; i++) {
        struct node *node = malloc(sizeof *node);
        node->next = list;
        list = node;
    }
    /* The address of a byte inside is one that leads there. */
    kept[50] = (char *)kept[50] + 1234;
    if (count > 1) lose();
    wipe();
    /* What was printed last lies in the buffer, as text. */
    printf("ready\n");
    if (count < 3) getchar();
    return count > 3 ? 3 : 0;
}
"#;

/// What is said of the lost blocks: of each call stack the heap, the sizes and the functions.
const LOST: &str = "\
nothing leads to 12 blocks, 1.9 MiB
2,000,000 bytes in 1 block of 2,000,000, process heap, allocated at
    lose
    main
27,000 bytes in 9 blocks of 3,000, process heap, allocated at
    lose
    main
104 bytes in 1 block of 104, process heap, allocated at
    lose
    main
104 bytes in 1 block of 104, process heap, allocated at
    lose
    main
";

/// A report of leaks without its title, how much else there is, and where in memory the
/// program's functions are; of stacks, those alone that are written in it.
fn without_places(text: &str) -> String {
    let mut told = String::new();
    for line in text.lines().skip(1) {
        let line = match line.split_once(" (program+0x") {
            Some(("    _start", _)) => continue,
            Some((function, _)) => function,
            None if line.starts_with("    ") => continue,
            None => line.split(';').next().unwrap_or_default(),
        };
        told.push_str(line);
        told.push('\n');
    }
    told
}

#[test]
fn planted_leaks_are_found_exactly() {
    let Some((_, program)) = built("look-leaks", LEAKS, &["-O1"]) else {
        return;
    };
    let lost = |found: &Value| -> Vec<String> {
        let groups = found["lost"].as_array().expect("groups").iter();
        let mut lost: Vec<String> = groups
            .flat_map(|group| group["addresses"].as_array().expect("addresses"))
            .map(|address| address.as_str().expect("an address").to_owned())
            .collect();
        lost.sort();
        lost
    };
    // What the flags keep of each block does not lead to it.
    let runs = ["", "+htc", "+hpc", "+hpa", "+ust", "+hpa,+ust"]
        .map(|flags| [(flags, &[][..]), (flags, &["lose"])]);
    for (flags, args) in runs.into_iter().flatten() {
        let mut command = Command::new(&program);
        command.args(args).env("LD_PRELOAD", library());
        command.env("NTHEAP_GFLAGS", flags);
        let mut running = Running::start(&mut command);
        let planted: Vec<String> = told(&running.until_ready(), "lost").into_keys().collect();
        assert_eq!(planted.len(), if args.is_empty() { 0 } else { 12 });
        let out = look(&["leaks", &running.pid(), "--format", "json", "--top", "0"]);
        assert_eq!(
            out.status.code(),
            Some(i32::from(!planted.is_empty())),
            "{flags} {}",
            stderr(&out)
        );
        let found = json(&out);
        assert_eq!(lost(&found), planted, "{flags}");
        assert_eq!(found["lost_blocks"].as_u64(), Some(planted.len() as u64));
        assert_eq!(found["unsure_blocks"].as_u64(), Some(0));
        // Where stacks are kept, there is one record of each.
        let blocks = |group: &Value| (group["frames"].clone(), group["blocks"].as_u64());
        let mut groups: Vec<_> = found["lost"]
            .as_array()
            .into_iter()
            .flatten()
            .map(blocks)
            .collect();
        if flags.contains("ust") && !planted.is_empty() {
            assert!(
                groups.iter().all(|(frames, _)| frames[0].is_string()),
                "{found}"
            );
            let calls = &found["lost"][0]["calls"];
            assert_eq!(calls[0]["functions"][0]["name"], "lose", "{found}");
            assert_eq!(calls[1]["functions"][0]["name"], "main", "{found}");
            // Nine in one place, three elsewhere.
            groups.sort_by_key(|(_, blocks)| *blocks);
            let counts: Vec<_> = groups.iter().filter_map(|(_, blocks)| *blocks).collect();
            assert_eq!(counts, [1, 1, 1, 9]);
            let out = look(&["leaks", &running.pid()]);
            let text = stdout(&out);
            assert_eq!(without_places(&text), LOST, "{text}");
            let out = look(&["leaks", &running.pid(), "--blocks"]);
            let text = stdout(&out);
            for address in &planted {
                assert!(text.contains(&format!("\n  {address}\n")), "{text}");
            }
        } else {
            assert!(groups.iter().all(|(frames, _)| frames.is_null()), "{found}");
        }
        running.end();
    }

    // The same of a program that is run for it, whose own output comes first.
    let mut command = ntheap();
    command
        .args(["leaks", "--format", "json", "--top", "0", "--"])
        .arg(&program);
    library();
    let out = output(command.args(["lose", "and end"]));
    assert_eq!(out.status.code(), Some(1), "{}", stderr(&out));
    let text = stdout(&out);
    let (says, answer) = text.split_once("ready\n").expect("the program's output");
    let says: Vec<String> = says.lines().map(str::to_owned).collect();
    let planted: Vec<String> = told(&says, "lost").into_keys().collect();
    assert_eq!(planted.len(), 12);
    assert_eq!(lost(&serde_json::from_str(answer).expect("JSON")), planted);

    let mut command = ntheap();
    let out = output(
        command
            .args(["leaks", "--"])
            .arg(&program)
            .args(["lose", "and end"]),
    );
    assert_eq!(out.status.code(), Some(1), "{}", stderr(&out));
    let text = stdout(&out);
    assert!(
        text.contains("nothing leads to 12 blocks, 1.9 MiB"),
        "{text}"
    );
    let out = output(ntheap().args(["leaks", "--", "no-such-program-here"]));
    assert_eq!(out.status.code(), Some(127), "{}", stderr(&out));
}

/// Whoever ends it, and last, the program is looked at then.
const ENDS: &str = r#"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void *kept[10];
static char how;
__attribute__((noinline)) static void lose(void) {
    for (int i = 0; i < 7; i++) ((volatile char *)malloc(2500))[0] = 1;
}
__attribute__((noinline)) static void wipe(void) {
    volatile char stack[1 << 15];
    for (unsigned i = 0; i < sizeof stack; i++) stack[i] = 0;
}
static void *work(void *nothing) {
    /* The first thread is gone by then, if it goes. */
    usleep(100000);
    lose();
    wipe();
    if (how == 'e') exit(0);
    if (how == 'x') execl("/bin/ls", "ls", "/dev/null", (char *)0);
    return nothing;
}
int main(int count, char **args) {
    pthread_t thread;
    how = count > 1 ? args[1][0] : 0;
    for (int i = 0; i < 10; i++) kept[i] = malloc(2500);
    pthread_create(&thread, 0, work, 0);
    if (how == 'j') { pthread_join(thread, 0); return 0; }
    if (how == 'e' || how == 'x') for (;;) pause();
    pthread_detach(thread);
    pthread_exit(0);
}
"#;

#[test]
fn a_program_is_looked_at_whoever_ends_it() {
    let Some((_, program)) = built("look-ends", ENDS, &["-O1", "-pthread"]) else {
        return;
    };
    library();
    for (how, lost) in [("join", 7), ("exit", 7), ("pthread_exit", 7), ("x", 0)] {
        let mut command = ntheap();
        command.args(["leaks", "--format", "json", "--"]);
        let out = output(command.arg(&program).arg(how));
        // What became another program has that one's leaks, if any.
        let code = out.status.code();
        assert!(
            code == Some(1) || (code == Some(0) && lost == 0),
            "{how} {}",
            stderr(&out)
        );
        let text = stdout(&out);
        let answer = text.lines().last().expect("an answer");
        let found: Value = serde_json::from_str(answer).expect("JSON");
        let groups = found["lost"].as_array().expect("groups").iter();
        let planted: u64 = groups
            .filter(|group| group["size"].as_u64().is_some_and(|size| size / 100 == 25))
            .map(|group| group["blocks"].as_u64().expect("a number"))
            .sum();
        assert_eq!(planted, lost, "{how} {}", stdout(&out));
    }
}

/// A heap profile's records have blocks' addresses, and lead nobody to them.
#[test]
fn a_profiled_program_has_the_same_leaks() {
    let Some((_, program)) = built("look-profiled", ENDS, &["-O1", "-pthread"]) else {
        return;
    };
    library();
    let mut command = ntheap();
    command
        .env("NTHEAP_PROFILE", "100")
        .args(["leaks", "--format", "json", "--"]);
    let out = output(command.arg(&program).arg("join"));
    assert_eq!(out.status.code(), Some(1), "{}", stderr(&out));
    let found: Value = serde_json::from_str(&stdout(&out)).expect("JSON");
    let groups = found["lost"].as_array().expect("groups").iter();
    let planted: u64 = groups
        .filter(|group| group["size"].as_u64().is_some_and(|size| size / 100 == 25))
        .map(|group| group["blocks"].as_u64().expect("a number"))
        .sum();
    assert_eq!(planted, 7, "{}", stdout(&out));
}

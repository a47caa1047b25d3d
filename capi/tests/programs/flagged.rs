//! Real programs under each of the global flags, and what it finds in them: nothing.
//! They write what they write without the library, on standard error too, where a
//! report would be.

use crate::common::{Ended, command, folder, preloaded, run, text};
use crate::compilers::distributions_rustc as rustc;
use crate::{installed, steady};
use std::path::Path;
use std::process::Command;
use std::{fs, thread};

/// What is set for each run; the library is told by it what to check.
const FLAGS: [(&str, &[(&str, &str)]); 9] = [
    ("tail and free checks", &[("NTHEAP_GFLAGS", "+htc,+hfc")]),
    ("parameter checks", &[("NTHEAP_GFLAGS", "+hpc")]),
    ("no coalescing", &[("NTHEAP_GFLAGS", "+dhc")]),
    ("stacks and tags", &[("NTHEAP_GFLAGS", "+ust,+htg,+htd")]),
    ("page heap", &[("NTHEAP_GFLAGS", "+hpa")]),
    (
        "page heap, backwards",
        &[
            ("NTHEAP_GFLAGS", "+hpa"),
            ("NTHEAP_PAGEHEAP", "backwards,random=50"),
        ],
    ),
    (
        "light page heap",
        &[("NTHEAP_GFLAGS", "+hpa"), ("NTHEAP_PAGEHEAP", "light")],
    ),
    ("sampling", &[("NTHEAP_SAMPLE", "50")]),
    (
        "everything at once",
        &[
            ("NTHEAP_GFLAGS", "+htc,+hfc,+hpc,+dhc,+ust,+hpa"),
            ("NTHEAP_PAGEHEAP", "delay=256K,random=50"),
        ],
    ),
];

/// Validating the heap in every call takes the square of the blocks: only for programs
/// that allocate less often than this.
const MOST_VALIDATED: u64 = 10_000;
const VALIDATING: (&str, &[(&str, &str)]) = ("all validated", &[("NTHEAP_GFLAGS", "+hvc")]);
/// Whether tests may take minutes.
pub(crate) fn is_long() -> bool {
    std::env::var_os("NTHEAP_LONG").is_some_and(|value| value != "0")
}

/// Runs the program in a folder of its own.
fn run_in(mut command: Command, name: &str, arguments: &[&str], input: &[(&str, &str)]) -> Ended {
    let folder = folder(name);
    for (name, contents) in input {
        fs::write(folder.join(name), contents).expect("written");
    }
    steady(&mut command, &folder);
    let ended = run(command.args(arguments));
    if !thread::panicking() {
        let _ = fs::remove_dir_all(&folder);
    }
    ended
}

/// How many allocations the program makes in its own process.
fn allocations(program: &Path, name: &str, arguments: &[&str], input: &[(&str, &str)]) -> u64 {
    let notes = folder("flagged-notes").join("notes");
    let mut counted = preloaded(program);
    counted
        .env("NTHEAP_RUN_REPORT", &notes)
        .env("NTHEAP_COUNT", "1");
    run_in(counted, name, arguments, input);
    let notes = fs::read_to_string(notes).expect("notes");
    let ends = notes.lines().filter_map(|line| {
        let note: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let buckets = note["stats"]["buckets"].as_array()?.clone();
        Some(
            buckets
                .iter()
                .filter_map(|b| b["allocations"].as_u64())
                .sum(),
        )
    });
    ends.max().expect("a process that ended")
}

fn check(name: &str, arguments: &[&str], input: &[(&str, &str)]) {
    if let Some(program) = installed(name) {
        check_program(name, &program, &[], arguments, input);
    }
}

/// Checks a program that allocates so often that all flags take minutes in a build for
/// debugging: without `NTHEAP_LONG`, those that are named, or all if none are.
fn check_program(
    name: &str,
    program: &Path,
    short: &[&str],
    arguments: &[&str],
    input: &[(&str, &str)],
) {
    let label = format!("flagged-{name}");
    let system = run_in(command(program), &label, arguments, input);
    assert!(system.status.success(), "{}", text(&system.stderr));
    assert!(!system.stdout.is_empty());
    let calls = allocations(program, &label, arguments, input);
    let validating = (calls < MOST_VALIDATED).then_some(VALIDATING);
    let is_in = |what: &str| is_long() || short.is_empty() || short.contains(&what);
    for what in short {
        assert!(FLAGS.iter().any(|(known, _)| known == what), "{what}");
    }
    let flags = FLAGS.into_iter().filter(|(what, _)| is_in(what));
    for (what, variables) in flags.chain(validating) {
        let mut flagged = preloaded(program);
        flagged.envs(variables.iter().copied());
        let ours = run_in(flagged, &label, arguments, input);
        let said = text(&ours.stderr);
        assert_eq!(ours.status, system.status, "{name}, {what}: {said}");
        assert_eq!(said, text(&system.stderr), "{name}, {what}");
        assert_eq!(text(&ours.stdout), text(&system.stdout), "{name}, {what}");
    }
    println!(
        "{name}: {calls} allocations, {}",
        validating.map_or("too many to validate", |(what, _)| what)
    );
}

#[test]
fn bash_has_nothing_wrong() {
    let script = "declare -A n; for i in {1..100}; do n[$((i % 7))]+=$i; done; \
                  echo \"${n[@]}\" | rev; echo $(echo inner) \"${#n[@]}\"";
    check("bash", &["-c", script], &[]);
}

#[test]
fn perl_has_nothing_wrong() {
    let script = "my %n; $n{$_ % 7} .= $_ for 1..300; print join(',', map { \"$_=$n{$_}\" } sort keys %n), \"\\n\"; \
                  my @s = sort { $b <=> $a } map { $_ * 7919 % 613 } 1..300; print \"@s[0..5]\\n\";";
    check("perl", &["-e", script], &[]);
}

#[test]
fn python_has_nothing_wrong() {
    let script = "import json, re\n\
                  d = {str(i): [i, {'s': 'x' * (i % 50)}] for i in range(200)}\n\
                  t = json.dumps(d)\n\
                  assert json.loads(t) == d\n\
                  print(len(t), len(re.findall(r'x+', t)))\n";
    check("python3", &["-S", "-c", script], &[]);
}

#[test]
fn sqlite_has_nothing_wrong() {
    let script = "create table t(a integer primary key, b text);\n\
                  with recursive n(i) as (select 1 union all select i + 1 from n where i < 300)\n\
                  insert into t select i, hex(i * 7919) from n;\n\
                  create index by_b on t(b);\n\
                  select count(*), max(b), sum(a) from t where b > '3';\n";
    check(
        "sqlite3",
        &[":memory:", ".read script"],
        &[("script", script)],
    );
}

#[test]
fn a_compiler_has_nothing_wrong() {
    let source = "struct s { int a[7]; };\n\
                  int f(struct s *p, int n) { int t = 0; for (int i = 0; i < n; i++) t += p->a[i % 7] * i; return t; }\n";
    check(
        "gcc",
        &["-O2", "-S", "-o", "-", "source.c"],
        &[("source.c", source)],
    );
}

/// Programs in C++, one of which begins the others.
#[test]
fn a_formatter_has_nothing_wrong() {
    let page =
        ".TH PAGE 1\n.SH NAME\npage \\- a page\n.PP\nWords in a line of \\fBtheir\\fP own.\n";
    check("groff", &["-man", "-Tascii", "page"], &[("page", page)]);
}

#[test]
fn tar_has_nothing_wrong() {
    check(
        "tar",
        &["-cf", "-", "--sort=name", "--mtime=@0", "a", "b"],
        &[("a", "one\n"), ("b", "two\n")],
    );
}

#[test]
fn xz_has_nothing_wrong() {
    let text: String = (0..3000).map(|n| format!("line {n}\n")).collect();
    let script = "xz -0 -c text >text.xz && xz -dc text.xz | cksum && cksum <text.xz";
    if let (Some(bash), Some(_)) = (installed("bash"), installed("xz")) {
        check_program("xz", &bash, &[], &["-c", script], &[("text", &text)]);
    }
}

#[test]
fn git_has_nothing_wrong() {
    let (Some(bash), Some(_)) = (installed("bash"), installed("git")) else {
        return;
    };
    let script = "set -e; export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='1700000000 +0000' \
                  GIT_COMMITTER_DATE='1700000000 +0000'; \
                  git init -q -b main r; cd r; git config user.name a; git config user.email a@b; \
                  git config maintenance.auto false; \
                  for n in 1 2; do seq 1 $((n * 40)) >numbers; echo $n >one; git add .; \
                  git commit -qm \"number $n\"; done; \
                  git log -p --stat --format=%H | cksum; git diff HEAD~1 | tail -3; git fsck --strict";
    check_program("git", &bash, GIT, &["-c", script], &[]);
}

/// Twenty processes and more a run.
const GIT: &[&str] = &["parameter checks", "page heap", "everything at once"];

#[test]
fn a_cpp_compiler_has_nothing_wrong() {
    let Some(program) = installed("g++") else {
        return;
    };
    let short = "template<class T> struct S { T v; T get() const { return v; } };\n\
                 int f(int n) { S<int> a{n}; S<long> b{n}; return a.get() + (int)b.get(); }\n";
    let long = "#include <map>\n#include <string>\n\
                int f(int n) { std::map<std::string, int> m; m[std::to_string(n)] = n; return m.size(); }\n";
    let source = if is_long() { long } else { short };
    let arguments = ["-O1", "-S", "-o", "-", "source.cpp"];
    check_program("g++", &program, &[], &arguments, &[("source.cpp", source)]);
}

#[test]
fn a_rust_compiler_has_nothing_wrong() {
    let Some(program) = rustc("a rustc under the flags") else {
        return;
    };
    let short = "#![no_std]\npub fn sum(n: &[u32]) -> u32 { n.iter().fold(0, |a, b| a ^ b) }\n";
    let long = "pub fn all(n: u32) -> Vec<String> { (0..n).map(|i| format!(\"{i}\")).collect() }\n";
    let source = if is_long() { long } else { short };
    let arguments = [
        "--edition=2021",
        "--crate-type=lib",
        "--emit=asm",
        "-o",
        "-",
        "source.rs",
    ];
    let flags = ["parameter checks", "page heap"];
    check_program(
        "rustc",
        &program,
        &flags,
        &arguments,
        &[("source.rs", source)],
    );
}

#[test]
fn node_has_nothing_wrong() {
    let Some(program) = installed("node") else {
        return;
    };
    let script = "const m = new Map(); for (let i = 0; i < 3000; i++) m.set('k' + i % 97, [i, 'x'.repeat(i % 50)]); \
                  console.log(JSON.stringify([...m]).length, Buffer.alloc(5000, 'ab').toString('hex').length)";
    // It makes half a million allocations before the first line of a script.
    check_program("node", &program, &["sampling"], &["-e", script], &[]);
}

#[test]
fn redis_has_nothing_wrong() {
    let (Some(bash), Some(_)) = (installed("bash"), installed("redis-server")) else {
        return;
    };
    let script = r#"
        set -eu
        redis-server --port 0 --unixsocket socket --save '' --appendonly no \
            --dir "$PWD" --logfile log &
        server=$!
        trap 'kill "$server" 2>/dev/null || true' EXIT
        for i in {1..300}; do
            [[ $(redis-cli -s socket ping 2>/dev/null || true) == PONG ]] && break
            sleep 0.05
        done
        for i in {1..60}; do
            echo "SET key:$i value-$i"
            echo "RPUSH list:$((i % 7)) $i item-$i"
            echo "ZADD scores $((i * 7919 % 613)) member$i"
        done | redis-cli -s socket | cksum
        redis-cli -s socket lrange list:3 0 -1
        redis-cli -s socket eval 'for i = 1, 300 do redis.call("SET", "f:" .. i, string.rep("x", i)) end return redis.call("DBSIZE")' 0
        redis-cli -s socket flushall
        redis-cli -s socket shutdown nosave || true
        wait "$server"
        trap - EXIT
        grep -c 'VERIFIER STOP' log || true
    "#;
    let flags = ["parameter checks", "page heap"];
    check_program("redis", &bash, &flags, &["script"], &[("script", script)]);
}

//! Real programs under each of the global flags, and what it finds in them: nothing.
//! They write what they write without the library, on standard error too, where a
//! report would be.

use crate::common::{Ended, command, folder, preloaded, run, text};
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
/// that allocate less often than `most_validated` says.
const VALIDATING: (&str, &[(&str, &str)]) = ("all validated", &[("NTHEAP_GFLAGS", "+hvc")]);

/// 10,000 with `NTHEAP_LONG` set, and what takes a few seconds in all without.
fn most_validated() -> u64 {
    let is_long = std::env::var_os("NTHEAP_LONG").is_some_and(|value| value != "0");
    if is_long { 10_000 } else { 2000 }
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
    let Some(program) = installed(name) else {
        return;
    };
    let label = format!("flagged-{name}");
    let system = run_in(command(&program), &label, arguments, input);
    assert!(system.status.success(), "{}", text(&system.stderr));
    assert!(!system.stdout.is_empty());
    let calls = allocations(&program, &label, arguments, input);
    let validating = (calls < most_validated()).then_some(VALIDATING);
    for (what, variables) in FLAGS.into_iter().chain(validating) {
        let mut flagged = preloaded(&program);
        flagged.envs(variables.iter().copied());
        let ours = run_in(flagged, &label, arguments, input);
        let said = text(&ours.stderr);
        assert_eq!(ours.status, system.status, "{name}, {what}: {said}");
        assert_eq!(said, text(&system.stderr), "{name}, {what}");
        assert_eq!(text(&ours.stdout), text(&system.stdout), "{name}, {what}");
    }
    println!(
        "{name}: {calls} allocations, {}",
        if validating.is_some() {
            "validated in each call"
        } else {
            "too many to validate in each"
        }
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

//! Large programs with a page that faults behind each block, to their end: what they write is
//! what they write without, within 16 GiB.
//!
//! With `NTHEAP_LONG` set they have as much to do as `docs/performance-debugging.md` tells of.

use crate::common::{command, folder, preloaded, text};
use crate::compilers::{SHAPES, distributions_rustc};
use crate::flagged::is_long;
use crate::{installed, steady};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// What a program and those that it waited for used.
#[derive(Debug)]
struct Used {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// The most memory of one of them.
    peak: u64,
    seconds: f64,
}

#[expect(
    clippy::zombie_processes,
    reason = "wait4 waits for it, and tells what it used"
)]
fn run(mut command: Command, arguments: &[&str], folder: &Path) -> Used {
    steady(&mut command, folder);
    let files = [".stdout", ".stderr"].map(|name| folder.join(name));
    let [stdout, stderr] = [0, 1].map(|at| File::create(&files[at]).expect("a file"));
    let child = command
        .args(arguments)
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .expect("the program starts");
    let pid = libc::pid_t::try_from(child.id()).expect("a process's number");
    let mut status = 0;
    // SAFETY: rusage is plain numbers, for which all zeros are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both results are writable for the length of the call, and nobody else waits
    // for this child.
    assert_eq!(unsafe { libc::wait4(pid, &mut status, 0, &mut usage) }, pid);
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let [stdout, stderr] = [0, 1].map(|at| fs::read(&files[at]).expect("a file"));
    Used {
        status: ExitStatus::from_raw(status),
        stdout,
        stderr,
        peak: u64::try_from(usage.ru_maxrss).expect("KiB") << 10,
        seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
    }
}

/// Runs it without the library and with full page heap.
fn check(name: &str, program: &Path, arguments: &[&str], input: &[(&str, &str)]) {
    let folder = folder(name);
    for (name, contents) in input {
        fs::write(folder.join(name), contents).expect("written");
    }
    let system = run(command(program), arguments, &folder);
    assert!(system.status.success(), "{}", text(&system.stderr));
    assert!(!system.stdout.is_empty());
    let mut guarded = preloaded(program);
    guarded.env("NTHEAP_GFLAGS", "+hpa");
    let ours = run(guarded, arguments, &folder);
    assert_eq!(text(&ours.stderr), text(&system.stderr), "{name}");
    assert_eq!(ours.status, system.status, "{name}");
    assert!(ours.stdout == system.stdout, "{name}: the output differs");
    assert!(ours.peak < 16 << 30, "{name}: {} bytes", ours.peak);
    // Every block has a page of its own; but no peak is below what this process had when it
    // forked.
    assert!(ours.peak >= system.peak, "{name}: {} bytes", ours.peak);
    let mib = |bytes: u64| bytes >> 20;
    println!(
        "evidence: full page heap, {name}: {:.2} CPU s and {} MiB; without ntheap {:.2} and {}",
        ours.seconds,
        mib(ours.peak),
        system.seconds,
        mib(system.peak),
    );
    let _ = fs::remove_dir_all(&folder);
}

#[test]
fn sqlite_with_many_rows() {
    let Some(program) = installed("sqlite3") else {
        return;
    };
    let rows = if is_long() { 100_000 } else { 2000 };
    let script = format!(
        "create table t(a integer primary key, b text);\n\
         with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})\n\
         insert into t select i, hex(i * 7919) from n;\n\
         create index by_b on t(b);\n\
         select count(*), max(b), sum(a) from t where b > '3';\n"
    );
    let arguments = [":memory:", ".read script"];
    check("sqlite3", &program, &arguments, &[("script", &script)]);
}

#[test]
fn rustc_with_a_small_crate() {
    let Some(program) = distributions_rustc("rustc on full page heap") else {
        return;
    };
    // To the machine's code of all that it uses of the standard library, or of a function.
    let source = if is_long() {
        SHAPES
    } else {
        "pub fn double(n: u32) -> u32 { n * 2 }\nfn main() { println!(\"{}\", double(2)) }\n"
    };
    let arguments = ["--edition=2021", "-O", "--emit=asm", "-o", "-", "main.rs"];
    check("rustc", &program, &arguments, &[("main.rs", source)]);
}

//! What processes go through under load: signals inside the allocator, forks from all
//! threads, threads born and dead, libraries opened and closed, and ends. With
//! NTHEAP_LONG set, as often as is told beside each.

#![cfg(target_os = "linux")]

mod common;

use common::{compiled, preloaded, run, text};
use std::sync::{Mutex, PoisonError};

/// Runs a case so many times over, or `long` times. The counts of a case are one
/// process's; it prints that it is done, and nothing else.
fn storm(case: &str, short: usize, long: usize, more: &[&std::ffi::OsStr]) {
    let Some(program) = compiled(case, "storms.c", &["-ldl", "-pthread"]) else {
        return;
    };
    let _alone = alone();
    let count = count(short, long);
    let mut command = preloaded(program);
    let ended = run(command.arg(case).arg(count.to_string()).args(more)).expect_success(case);
    assert_eq!(text(&ended.stdout), "done\n", "{case}");
    assert_eq!(text(&ended.stderr), "", "{case}");
    if count == long {
        println!("evidence: storm of {case}: {long}");
    }
}

/// One storm at a time.
fn alone() -> impl Drop {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(short: usize, long: usize) -> usize {
    let is_long = std::env::var_os("NTHEAP_LONG").is_some_and(|value| value != "0");
    if is_long { long } else { short }
}

#[test]
fn signals_arrive_inside_the_allocator() {
    storm("signals", 300, 50_000, &[]);
}

#[test]
fn sixteen_threads_fork_while_they_allocate() {
    storm("forks", 48, 1_600, &[]);
}

#[test]
fn threads_are_born_and_dead() {
    storm("births", 1_000, 100_000, &[]);
}

#[test]
fn a_library_that_allocates_is_opened_and_closed() {
    let flags = ["-shared", "-fPIC"];
    let Some(plugin) = compiled("opened plugin", "storms_plugin.c", &flags) else {
        return;
    };
    storm("opened", 100, 10_000, &[plugin.as_os_str()]);
}

/// The end of a process, many times.
fn ends(case: &str) {
    const SHORT: usize = 5;
    let _alone = alone();
    let Some(program) = compiled(
        &format!("storm of {case}"),
        "storms.c",
        &["-ldl", "-pthread"],
    ) else {
        return;
    };
    let times = count(SHORT, 1_000);
    for number in 0..times {
        let ended = run(preloaded(&program).arg(case).arg(number.to_string()))
            .expect_success(&format!("{case} {number}"));
        assert_eq!(text(&ended.stdout), "done\n", "{case} {number}");
        assert_eq!(text(&ended.stderr), "", "{case} {number}");
    }
    if times > SHORT {
        println!("evidence: storm of {case}: {times}");
    }
}

#[test]
fn a_quick_exit_comes_while_threads_allocate() {
    ends("quick_exit");
}

#[test]
fn an_exit_comes_while_threads_allocate() {
    ends("exit");
}

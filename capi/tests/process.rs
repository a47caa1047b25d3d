//! The library in the life of a process: from its first call to after its
//! last handler, with threads, forks and late opening in between.

#![cfg(target_os = "linux")]

mod common;

use common::{command, compiled, find, library, preloaded, run, skip, text};

const FUNCTIONS: [&str; 16] = [
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "large",
    "free",
    "free_sized",
    "free_aligned_sized",
    "aligned_alloc",
    "posix_memalign",
    "memalign",
    "valloc",
    "pvalloc",
    "malloc_usable_size",
    "malloc_trim",
    "mallinfo2",
];

#[test]
fn every_function_works_as_the_first_call() {
    let Some(program) = compiled("first calls", "first_call.c", &[]) else {
        return;
    };
    for name in FUNCTIONS.into_iter().chain(["thread"]) {
        for more in [None, Some("some-keys"), Some("all-keys")] {
            let ended = run(preloaded(&program).arg(name).args(more))
                .expect_success(&format!("{name} {more:?}"));
            assert_eq!(text(&ended.stdout), "done\n", "{name} {more:?}");
            assert_eq!(text(&ended.stderr), "", "{name} {more:?}");
        }
    }
}

#[test]
fn opened_late_it_works_beside_another_malloc() {
    let Some(program) = compiled("opened late", "opened_late.c", &["-ldl"]) else {
        return;
    };
    let ended = run(command(program).arg(library())).expect_success("opened late");
    assert_eq!(text(&ended.stdout), "done\n");
}

#[test]
fn a_free_of_the_programs_own_sees_only_its_calls() {
    let Some(program) = compiled("own free", "own_free.c", &["-fno-builtin", "-ldl"]) else {
        return;
    };
    run(&mut preloaded(program)).expect_success("own free");
}

#[test]
#[cfg(all(target_env = "gnu", target_arch = "x86_64"))]
fn calls_of_the_system_are_the_librarys_own() {
    let flags = ["-fno-builtin", "-rdynamic"];
    let Some(program) = compiled("own calls", "own_calls.c", &flags) else {
        return;
    };
    let ended = run(&mut preloaded(program)).expect_success("own calls");
    assert_eq!(text(&ended.stdout), "done\n");
}

/// Also where the system gives addresses from the lowest on, as valgrind does.
#[test]
fn requests_that_nothing_can_serve_leave_the_heap_as_it_was() {
    let Some(program) = compiled("huge", "huge.c", &["-fno-builtin"]) else {
        return;
    };
    run(&mut preloaded(&program)).expect_success("huge requests");
    let Some(valgrind) = find("valgrind") else {
        skip(
            "huge requests at low addresses",
            "valgrind is not installed",
        );
        return;
    };
    let mut under = command(valgrind);
    under.args(["-q", "--tool=none"]).arg(program);
    under.env("LD_PRELOAD", library());
    run(&mut under).expect_success("huge requests at low addresses");
}

fn threads(case: &str) {
    let Some(program) = compiled(case, "threads.c", &[]) else {
        return;
    };
    let ended = run(preloaded(program).arg(case)).expect_success(case);
    assert_eq!(text(&ended.stdout), "done\n");
    assert_eq!(text(&ended.stderr), "");
}

/// By the heap that `NTHEAP_CRT` names as well as by the process heap.
#[test]
fn small_blocks_of_several_threads_are_their_own_whichever_heap_serves_malloc() {
    let Some(program) = compiled("served", "served.c", &[]) else {
        return;
    };
    for mode in ["", "private", "shared", "process"] {
        for hardened in ["0", "1"] {
            let mut command = preloaded(&program);
            if !mode.is_empty() {
                command.env("NTHEAP_CRT", mode);
            }
            let what = format!("NTHEAP_CRT={mode} NTHEAP_HARDENED={hardened}");
            let ended = run(command.env("NTHEAP_HARDENED", hardened)).expect_success(&what);
            assert_eq!(text(&ended.stdout), "done\n", "{what}");
            assert_eq!(text(&ended.stderr), "", "{what}");
        }
    }
}

#[test]
fn children_forked_among_allocating_threads_allocate() {
    threads("fork");
}

#[test]
fn ten_thousand_short_threads_leave_nothing() {
    threads("short_threads");
}

#[test]
fn key_destructors_allocate_after_the_threads_end() {
    threads("key_destructors");
}

#[test]
fn threads_work_when_no_key_is_left() {
    threads("no_keys_left");
}

#[test]
fn exit_handlers_and_destructors_allocate() {
    threads("exit_handlers");
}

#[test]
fn exit_while_threads_allocate() {
    let Some(program) = compiled("exit", "threads.c", &[]) else {
        return;
    };
    for _ in 0..20 {
        let ended = run(preloaded(&program)
            .arg("exit_while_others_allocate")
            .env("NTHEAP_SHOW_STATS", "1"))
        .expect_success("exit while threads allocate");
        assert_eq!(text(&ended.stdout), "done\n");
        assert!(text(&ended.stderr).starts_with("ntheap statistics\n"));
    }
}

#[test]
fn objects_allocate_after_the_librarys_end() {
    let flags = ["-shared", "-fPIC"];
    let Some(object) = compiled("after exit", "after_exit.c", &flags) else {
        return;
    };
    let Some(program) = compiled("after exit", "threads.c", &[]) else {
        return;
    };
    let (library, object) = (library().as_os_str(), object.as_os_str());
    for [first, second] in [[library, object], [object, library]] {
        let mut list = first.to_owned();
        list.push(":");
        list.push(second);
        let ended = run(command(&program)
            .arg("exit_handlers")
            .env("LD_PRELOAD", &list)
            .env("NTHEAP_SHOW_STATS", "1"))
        .expect_success("after exit");
        // The program's line leaves its buffer last.
        assert_eq!(text(&ended.stdout), "after\ndone\n");
        assert!(text(&ended.stderr).starts_with("ntheap statistics\n"));
    }
}

fn cpp(case: &str) {
    let Some(program) = compiled(&format!("C++ {case}"), "cpp.cpp", &["-std=c++17"]) else {
        return;
    };
    let ended = run(preloaded(program).arg(case)).expect_success(case);
    assert_eq!(text(&ended.stdout), "done\n");
    assert_eq!(text(&ended.stderr), "");
}

#[test]
fn a_failing_new_calls_the_handler_and_throws() {
    cpp("new_fails");
}

#[test]
fn new_works_again_when_the_handler_freed_memory() {
    cpp("address_space");
}

#[test]
fn containers_of_cpp_work() {
    cpp("containers");
}

#[test]
fn thread_local_objects_of_cpp_allocate_after_the_threads_end() {
    cpp("thread_locals");
}

//! Every row of the table of failures: which call notices, what it says, and how
//! the process ends, in each mode and without one.

use super::common::{Ended, command, find, folder, run, skip, text, windows_library};
use super::reports::*;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const PROGRAM: &str = "failures";
/// The heap of malloc, by mode.
const RUNTIME: Heap = ("C runtime", "libntheap.so");
const PROCESS: Heap = ("process heap", "");
/// The process heap where a runtime's heap is concerned as well.
const PROCESS_OF: Heap = ("process heap", "libntheap.so");

/// What `NTHEAP_CRT` is set to; empty counts as not set.
const MODES: [&str; 4] = ["", "private", "shared", "process"];

/// Whether malloc has a heap that is not the process heap.
fn has_heap(mode: &str) -> bool {
    mode == "private" || mode == "shared"
}

/// The heap that malloc is on.
fn of_malloc(mode: &str) -> Heap {
    if has_heap(mode) { RUNTIME } else { PROCESS }
}

fn program() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(build).as_deref()
}

fn build() -> Option<PathBuf> {
    if find("g++").is_none() {
        skip("the failures", "g++ is not installed");
        return None;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = windows_library().parent().expect("a folder");
    let program = folder(PROGRAM).join(PROGRAM);
    run(command("g++")
        .args(["-std=c++11", "-O1", "-fshort-wchar", "-Wall", "-Wextra"])
        .args(["-Wpedantic", "-Wconversion", "-Werror", "-I"])
        .arg(here.join("include"))
        .arg(here.join("tests/modules/failures.cpp"))
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(built)
        .args(["-lntheap_win32", "-lntheap"])
        .arg(format!("-Wl,-rpath,{}", built.display())))
    .expect_success("g++");
    Some(program)
}

fn play(case: &str, mode: &str) -> Option<Ended> {
    Some(run(command(program()?).arg(case).env("NTHEAP_CRT", mode)))
}

/// Asserts the report of stop 6 for the start of a busy block.
fn switched(
    ended: &Ended,
    operation: &'static str,
    size: usize,
    used: Heap,
    owner: Option<Heap>,
    advice: &'static str,
) {
    caught(ended, |pid, lines| {
        Switched {
            operation,
            used,
            address: block(ended),
            size,
            place: start_of(size),
            owner,
            advice,
        }
        .expect(pid, lines);
    });
}

/// Asserts the report of stop 6 for a place inside a busy block.
fn inside(ended: &Ended, used: Heap, size: usize, offset: usize, advice: &'static str) {
    let address = block(ended);
    caught(ended, |pid, lines| {
        Switched {
            operation: "free",
            used,
            address,
            size,
            place: format!(
                "the address lies {offset} bytes inside a busy block of {size} bytes that starts \
                 at {:#x}",
                address - offset
            ),
            owner: None,
            advice,
        }
        .expect(pid, lines);
    });
}

/// Row: free() of another runtime's private-heap block, and the same since all
/// are in one process heap.
#[test]
fn free_of_another_runtimes_block() {
    for mode in MODES {
        let Some(ended) = play("other-runtime", mode) else {
            return;
        };
        if mode.is_empty() || mode == "private" {
            let owner = Some(("a", PROGRAM));
            switched(&ended, "free", 100, ("b", PROGRAM), owner, CROSS_HEAP);
        } else {
            went_on(&ended);
        }
    }
}

/// Row: malloc freed with HeapFree(GetProcessHeap()).
#[test]
fn malloc_freed_by_heap_free() {
    for mode in MODES {
        let Some(ended) = play("heap-free", mode) else {
            return;
        };
        if has_heap(mode) {
            let owner = Some(RUNTIME);
            switched(&ended, "HeapFree", 300, PROCESS_OF, owner, NOT_HEAP_FREE);
        } else {
            went_on(&ended);
        }
    }
}

/// The same the other way round.
#[test]
fn heap_alloc_freed_by_free() {
    const NOT_FREE: &str = "advice: free what HeapAlloc allocated with HeapFree and the same heap \
         (\"HeapFree function\")";
    for mode in MODES {
        let Some(ended) = play("free-of-heap-alloc", mode) else {
            return;
        };
        if has_heap(mode) {
            switched(&ended, "free", 300, RUNTIME, Some(PROCESS_OF), NOT_FREE);
        } else {
            went_on(&ended);
        }

        let ended = play("free-of-another-heap", mode).expect("as before");
        if has_heap(mode) {
            let owner = Some(("heap 1", "libntheap.so"));
            switched(&ended, "free", 300, RUNTIME, owner, NOT_FREE);
        } else {
            let owner = Some(("heap 1", ""));
            switched(&ended, "free", 300, PROCESS, owner, "");
        }
    }
}

/// Row: HeapAlloc freed with LocalFree/GlobalFree. Documented as wrong, and works:
/// fixed memory is the process heap's.
#[test]
fn heap_alloc_freed_by_local_free_or_global_free() {
    for mode in MODES {
        let Some(ended) = play("local-free", mode) else {
            return;
        };
        went_on(&ended);
    }
}

/// Row: a handle of moveable memory given to HeapFree: it lies in the table of
/// handles, which is no block.
#[test]
fn moveable_handle_given_to_heap_free() {
    for mode in MODES {
        let Some(ended) = play("handle-heap-free", mode) else {
            return;
        };
        caught(&ended, |pid, lines| {
            Switched {
                operation: "HeapFree",
                used: PROCESS,
                address: block(&ended),
                size: 0,
                place: "the address belongs to no block of any ntheap heap".to_owned(),
                owner: None,
                advice: "",
            }
            .expect(pid, lines);
        });
    }
}

/// Row: new[]/delete, new/free. Without a cookie nothing is wrong with the
/// address.
#[test]
fn new_freed_by_free() {
    for mode in MODES {
        let Some(ended) = play("new-free", mode) else {
            return;
        };
        went_on(&ended);
    }
}

/// Row: new[]/delete, new/free. The count before the first member shifts the
/// address.
#[test]
fn new_array_freed_by_free_or_delete() {
    for mode in MODES {
        for case in ["array-free", "array-delete"] {
            let Some(ended) = play(case, mode) else {
                return;
            };
            inside(&ended, of_malloc(mode), 3 * 30 + 8, 8, "");
        }
    }
}

/// Row: _aligned_malloc/free.
#[test]
fn aligned_malloc_freed_by_free() {
    for mode in MODES {
        let Some(ended) = play("aligned-free", mode) else {
            return;
        };
        // A word and up to 63 bytes come before; where the block starts is seen
        // in the report, and must fit.
        let errors = text(&ended.stderr);
        let offset = (8..=71)
            .find(|offset| errors.contains(&format!("lies {offset} bytes inside")))
            .unwrap_or_else(|| panic!("{errors}"));
        inside(&ended, of_malloc(mode), 400 + 8 + 63, offset, ALIGNED);
    }
}

/// The same the other way round.
#[test]
fn malloc_freed_by_aligned_free() {
    const NOT_ALIGNED: &str = "advice: _aligned_free and its kin are for blocks of \
         _aligned_malloc alone (\"_aligned_free\")";
    for mode in MODES {
        let Some(ended) = play("free-aligned", mode) else {
            return;
        };
        let used = of_malloc(mode);
        switched(&ended, "_aligned_free", 400, used, None, NOT_ALIGNED);

        let ended = play("aligned-wild", mode).expect("as before");
        caught(&ended, |pid, lines| {
            Switched {
                operation: "_aligned_free",
                used,
                address: 0x1000,
                size: 0,
                place: "the address belongs to no block of any ntheap heap".to_owned(),
                owner: None,
                advice: "",
            }
            .expect(pid, lines);
        });
    }
}

/// Row: a library frees after its static runtime's heap was destroyed at unload.
/// What follows where the process goes on is among the plugins' tests.
#[test]
fn free_after_the_runtimes_heap_was_destroyed() {
    for mode in MODES {
        let Some(ended) = play("destroyed", mode) else {
            return;
        };
        if mode.is_empty() || mode == "private" {
            caught(&ended, |pid, lines| {
                expect_leak(pid, lines, ("a", PROGRAM), block(&ended), 100);
            });
        } else {
            went_on(&ended);
        }
    }
}

/// Row: double free.
#[test]
fn double_free() {
    for mode in MODES {
        let Some(ended) = play("twice", mode) else {
            return;
        };
        // The units of 120 bytes.
        let place = "the address is the start of a free block of 128 bytes";
        let used = of_malloc(mode);
        caught(&ended, |pid, lines| {
            expect_double_free(pid, lines, used, block(&ended), 128, place);
        });
    }
}

/// Row: a block of the debug runtime freed by the release runtime.
#[test]
fn debug_block_freed_by_the_release_runtime() {
    for mode in MODES {
        let Some(ended) = play("debug-free", mode) else {
            return;
        };
        // A stamp and the header before, a fence and the rest behind.
        inside(&ended, of_malloc(mode), 168, 64, DEBUG_BLOCK);
    }
}

/// Asserts that the debug runtime said that the block is none of its heap's, and
/// ended the process.
fn asserted(ended: &Ended) {
    let errors = text(&ended.stderr);
    assert_eq!(ended.status.signal(), Some(6), "{errors}");
    assert_eq!(
        errors,
        "Debug Assertion Failed!\n\nExpression: _CrtIsValidHeapPointer(block)\n"
    );
}

/// Row: the reverse, and a block of another runtime given to the debug runtime.
#[test]
fn block_of_another_runtime_freed_by_the_debug_runtime() {
    for mode in MODES {
        for case in ["free-debug", "other-free-debug"] {
            let Some(ended) = play(case, mode) else {
                return;
            };
            asserted(&ended);
        }
    }
}

/// The debug runtime knows its own blocks from those of a release runtime, whatever
/// heaps they are on. What it says of another debug runtime's, which is the rest of
/// the row, `tests/crt_debug/neighbours.rs` shows: a C program has one.
#[test]
fn a_heap_pointer_of_a_release_runtime_is_not_valid() {
    for mode in MODES {
        let Some(ended) = play("is-valid", mode) else {
            return;
        };
        assert_eq!(text(&ended.stderr), "");
        assert_eq!(text(&ended.stdout), "1 0\nwent on\n");
    }
}

/// That the program has nothing else to say.
#[test]
fn nothing_wrong_says_nothing() {
    for mode in MODES {
        let Some(ended) = play("nothing", mode) else {
            return;
        };
        went_on(&ended);
    }
}

/// Row: an overrun, which the free notices where tails are checked, and where a page
/// lies behind the block: the block ends 8 bytes before it.
#[test]
fn overrun_is_noticed_at_free() {
    for mode in MODES {
        for (flag, fill, seen) in [("+htc", "AB", usize::MAX), ("+hpa", "D0", 8)] {
            let Some(program) = program() else { return };
            let mut command = command(program);
            command.arg("overrun").env("NTHEAP_CRT", mode);
            let ended = run(command.env("NTHEAP_GFLAGS", flag));
            let address = block(&ended);
            caught(&ended, |pid, lines| {
                expect_overrun(pid, lines, of_malloc(mode), address, 120, fill, seen);
            });
        }
    }
}

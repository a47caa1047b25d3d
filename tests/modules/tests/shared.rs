//! One runtime for several modules, each with its own copy of the allocator: what a
//! copy says of a heap that is another one's, and who is the first where all begin
//! at once.

#![cfg(target_os = "linux")]

mod support;

use ntheap::crt::check::{HEAPEND, HEAPOK, HeapInfo, USEDENTRY};
use std::env;
use std::process::{Command, Output};
use std::ptr;
use std::sync::Barrier;
use support::Module;

/// Set in a test's own process.
const CHILD: &str = "NTHEAP_TEST_SHARED";

/// Runs a test's body in a process of its own that goes on after reports; how it
/// ended, in the parent.
fn alone(name: &str, body: impl FnOnce()) -> Option<Output> {
    alone_with(name, &[], body)
}

/// [`alone`], with variables of the environment.
fn alone_with(name: &str, variables: &[(&str, &str)], body: impl FnOnce()) -> Option<Output> {
    if env::var(CHILD).as_deref() == Ok(name) {
        body();
        return None;
    }
    let output = Command::new(env::current_exe().expect("the own path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .env("NTHEAP_ON_CORRUPTION", "continue")
        .env_remove("NTHEAP_CRT")
        .envs(variables.iter().copied())
        .output()
        .expect("the program starts again");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("running 1 test"), "no test {name}:\n{out}");
    Some(output)
}

#[test]
fn a_copy_looks_at_another_copys_heap_as_at_its_own() {
    let name = "a_copy_looks_at_another_copys_heap_as_at_its_own";
    let output = alone(name, || {
        let own = (Module::own().shared)();
        let heap = (own.heap)();
        let other = (Module::load("other").shared)();
        assert_eq!((other.heap)(), heap);

        let block = (own.allocate)(100);
        assert!((other.owns)(block) && !(other.owns)(block.wrapping_add(16)));
        assert_eq!((other.check)(), HEAPOK);
        assert_eq!((other.set)(0xee), HEAPOK);
        assert!((other.give_back)());

        let mut info = HeapInfo {
            entry: ptr::null_mut(),
            size: 0,
            use_flag: 0,
        };
        let mut found = 0;
        let end = loop {
            // SAFETY: the entry is this test's.
            match unsafe { (other.walk)(&raw mut info) } {
                HEAPOK if info.entry.addr() == block.addr() => {
                    assert_eq!((info.size, info.use_flag), (100, USEDENTRY));
                    found += 1;
                }
                HEAPOK => {}
                end => break end,
            }
        };
        assert_eq!((found, end), (1, HEAPEND));

        for (maker, user) in [(own, other), (other, own), (other, other)] {
            let aligned = (maker.aligned_allocate)(300, 64);
            assert_eq!(aligned.addr() % 64, 0);
            assert_eq!((user.aligned_size)(aligned, 64), 300);
            let debug = (user.debug_allocate)(70);
            assert!((user.debug_owns)(debug));
            // Debug blocks are listed by the copy that made them.
            assert_eq!((maker.debug_owns)(debug), ptr::eq(maker, user));
            // SAFETY: nobody uses the blocks any more.
            unsafe {
                (user.aligned_free)(aligned);
                assert!(!(maker.owns)(aligned));
                (user.debug_free)(debug);
            }
            assert!(!(user.debug_owns)(debug));
        }
        // What is no aligned block is told of, by the copy that was asked.
        // SAFETY: the bug to be found; then the block's end.
        unsafe {
            (other.aligned_free)(block);
            assert!((own.owns)(block));
            assert!((other.free)(block));
        }
    });
    if let Some(output) = output {
        let errors = String::from_utf8_lossy(&output.stderr);
        let stops: Vec<&str> = errors.lines().filter(|l| l.contains("STOP")).collect();
        assert_eq!(stops.len(), 1, "{errors}");
        assert!(
            stops[0].contains("STOP 0000000000000006"),
            "another stop: {errors}"
        );
        assert!(
            errors.contains("_aligned_free(") && errors.contains("on heap \"C runtime\" of "),
            "{errors}"
        );
    }
}

/// A block moves and stays as its own copy would have it.
#[test]
fn a_copy_resizes_another_copys_block() {
    let name = "a_copy_resizes_another_copys_block";
    let output = alone(name, || {
        let own = (Module::own().shared)();
        let other = (Module::load("resizes").shared)();
        assert_eq!((other.heap)(), (own.heap)());
        let holds = |block: *mut u8, size: usize| {
            // SAFETY: the block has so many bytes.
            (0..size).all(|at| unsafe { block.add(at).read() } == at as u8)
        };
        for user in [other, own] {
            let mut block = (own.allocate)(100);
            let mut had = 100;
            // SAFETY: the block has so many bytes.
            (0..had).for_each(|at| unsafe { block.add(at).write(at as u8) });
            for size in [120, 5000, 3 << 20, 200_000, 10] {
                // SAFETY: the block is this test's.
                block = unsafe { (user.reallocate)(block, size) };
                assert!(holds(block, had.min(size)), "{size}");
                assert!((own.owns)(block) && (other.owns)(block));
                // SAFETY: as above.
                (0..size).for_each(|at| unsafe { block.add(at).write(at as u8) });
                had = size;
            }
            // What there is no memory for leaves it as it was.
            // SAFETY: as above.
            let none = unsafe { (user.reallocate)(block, 1 << 47) };
            assert!(none.is_null() && (own.owns)(block) && holds(block, had));
            // SAFETY: the bug to be found; then the block's end.
            unsafe {
                assert!((user.reallocate)(block.add(16), 50).is_null());
                assert!((own.owns)(block));
                assert!((user.free)(block));
            }
        }
    });
    if let Some(output) = output {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(errors.matches("VERIFIER STOP").count(), 2, "{errors}");
        assert_eq!(errors.matches("\n  realloc(").count(), 2, "{errors}");
    }
}

/// Another copy's process heap is named with its module; of a heap that is gone no more is
/// known than that.
#[test]
fn what_other_copies_have_beside_runtimes_is_named() {
    let name = "what_other_copies_have_beside_runtimes_is_named";
    let output = alone(name, || {
        let own = Module::own();
        let other = Module::load("has");
        let shared = (other.shared)();
        for size in [40, 5000, 3 << 20] {
            let block = (shared.process_block)(size);
            assert!(!block.is_null());
            println!("\nmodule {} {:#x}", other.name, block.addr());
            // SAFETY: the bug to be found; nothing happens to the block.
            assert!(!unsafe { (own.free)(0, block) });
        }
        let block = (shared.gone_block)(100);
        println!("\nmodule {} {:#x}", other.name, block.addr());
        // SAFETY: as above, and there is none.
        assert!(!unsafe { (own.free)(0, block) });
    });
    if let Some(output) = output {
        let errors = String::from_utf8_lossy(&output.stderr);
        let out = String::from_utf8_lossy(&output.stdout);
        let announced = out.lines().filter_map(|line| line.strip_prefix("module "));
        let mut blocks: Vec<_> = announced
            .map(|line| {
                let (module, address) = line.split_once(' ').expect("two words");
                (module, address, "process heap")
            })
            .collect();
        assert_eq!(blocks.len(), 4);
        blocks[3].2 = "destroyed heap";
        let reports: Vec<_> = errors.split("ntheap: VERIFIER STOP ").skip(1).collect();
        assert_eq!(reports.len(), 4, "{errors}");
        for (report, (module, address, heap)) in reports.iter().zip(blocks) {
            assert!(report.starts_with("0000000000000006: "), "{report}");
            assert!(report.contains(&format!("\n  free({address}) on heap \"first\" of ")));
            let is_live = report.contains("\n  the address is the start of a busy block of ");
            assert_eq!(is_live, heap == "process heap", "{report}");
            let owner = format!("\n  it belongs to heap \"{heap}\" of {module}");
            assert!(report.contains(&owner), "{owner}: {report}");
        }
    }
}

/// The debug runtime of a copy looks at the heap below, which is another copy's.
#[test]
fn damage_below_is_seen_from_another_copy() {
    let name = "damage_below_is_seen_from_another_copy";
    let output = alone_with(name, &[("NTHEAP_GFLAGS", "+htc")], || {
        let own = (Module::own().shared)();
        let block = (own.allocate)(100);
        let other = (Module::load("checks").shared)();
        assert_eq!((other.heap)(), (own.heap)());
        assert!((own.debug_check)() && (other.debug_check)());
        // SAFETY: the bug to be found: what is written is behind the block, and in
        // the heap's own bytes.
        unsafe { block.add(100).write(1) };
        assert!(!(own.debug_check)());
        assert!(!(other.debug_check)());
        // Not to meet the damage once more at the end.
        // SAFETY: as above.
        unsafe { block.add(100).write(0xab) };
        assert!((own.debug_check)() && (other.debug_check)());
    });
    if let Some(output) = output {
        let errors = String::from_utf8_lossy(&output.stderr);
        let warning = "_heapchk fails with _HEAPBADNODE.\n";
        assert_eq!(errors, warning.repeat(2));
    }
}

/// All begin in one instant, two threads of each copy.
#[test]
fn copies_that_begin_at_once_have_one_runtime() {
    const COPIES: usize = 6;
    let name = "copies_that_begin_at_once_have_one_runtime";
    for _ in 0..10 {
        let output = alone(name, || {
            let mut modules = vec![(Module::own().shared)()];
            for number in 1..COPIES {
                modules.push((Module::load(&format!("at_once_{number}_")).shared)());
            }
            let start = Barrier::new(2 * COPIES);
            let heaps: Vec<usize> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..2 * COPIES)
                    .map(|number| {
                        let (module, start) = (modules[number % COPIES], &start);
                        scope.spawn(move || {
                            start.wait();
                            (module.heap)()
                        })
                    })
                    .collect();
                threads.into_iter().map(|t| t.join().unwrap()).collect()
            });
            assert!(
                heaps[0] != 0 && heaps.iter().all(|heap| *heap == heaps[0]),
                "{heaps:x?}"
            );
            // Each copy's blocks are all others'.
            for (number, module) in modules.iter().enumerate() {
                let block = (module.allocate)(50 + number);
                let next = modules[(number + 1) % COPIES];
                assert!((next.owns)(block));
                // SAFETY: nobody uses the block any more.
                assert!(unsafe { (next.free)(block) });
            }
        });
        let Some(output) = output else {
            return;
        };
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

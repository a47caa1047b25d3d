//! Which heap an instance is on.

use super::{alone, passed};
use ntheap::crt::{Crt, Mode};
use ntheap::heap::private::Handle;
use std::sync::Barrier;

/// Forks while a heap is made.
const ROUNDS: usize = 300;

static A: Crt = Crt::private("a");
static B: Crt = Crt::private("b");
static PROCESS: Crt = Crt::with_mode("c", Mode::Process);
static SHARED: [Crt; 2] = [
    Crt::with_mode("d", Mode::Shared),
    Crt::with_mode("e", Mode::Shared),
];

fn heap(crt: &Crt) -> usize {
    crt.heap().expect("there is memory").address()
}

#[test]
fn each_private_instance_has_a_heap() {
    let process = Handle::process().unwrap().address();
    assert_ne!(heap(&A), heap(&B));
    assert_ne!(heap(&A), process);
    assert_eq!(heap(&A), heap(&A));
    assert_eq!(heap(&PROCESS), process);
    assert_eq!(heap(Crt::shared()), process);
    assert_eq!(heap(&SHARED[0]), heap(&SHARED[1]));
    assert_ne!(heap(&SHARED[0]), process);
    assert_eq!(A.mode(), Mode::Private);
    assert_eq!(Crt::shared().mode(), Mode::Process);
}

#[test]
fn an_instance_knows_its_own_blocks() {
    let block = A.allocate(100);
    assert!(A.owns(block));
    assert!(!B.owns(block) && !Crt::shared().owns(block));
    assert!(!A.owns(block.wrapping_add(1)) && !A.owns(std::ptr::null()));
    assert_eq!(A.size_of(block), Some(100));
    // SAFETY: the block is used no more.
    unsafe { A.free(block) }.unwrap();
    assert!(!A.owns(block));
}

/// All instances are on the heaps that the environment says, whatever their
/// makers said.
fn on(mode: &str, are_one: bool, is_process: bool) {
    let name = format!("modes::the_environment_is_stronger_{mode}");
    let output = alone(&name, &[("NTHEAP_CRT", mode)], || {
        let process = Handle::process().unwrap().address();
        let all = [&A, &B, &PROCESS, &SHARED[0], Crt::shared()].map(heap);
        for (index, one) in all.iter().enumerate() {
            assert_eq!(*one == process, is_process);
            for other in &all[index + 1..] {
                assert_eq!(one == other, are_one);
            }
        }
    });
    if let Some(output) = output {
        assert_eq!(passed(&output), "");
    }
}

#[test]
fn the_environment_is_stronger_private() {
    on("private", false, false);
}

#[test]
fn the_environment_is_stronger_shared() {
    on("shared", true, false);
}

#[test]
fn the_environment_is_stronger_process() {
    on("process", true, true);
}

#[test]
fn what_is_no_mode_is_named_once_and_ignored() {
    let name = "modes::what_is_no_mode_is_named_once_and_ignored";
    let output = alone(name, &[("NTHEAP_CRT", "static")], || {
        assert_ne!(heap(&A), heap(&B));
        assert_eq!(A.mode(), Mode::Private);
    });
    if let Some(output) = output {
        assert_eq!(
            passed(&output),
            "ntheap: NTHEAP_CRT is not valid, ignored; valid: private, shared or process\n"
        );
    }
}

#[test]
fn threads_that_come_at_once_get_one_heap() {
    static LATE: Crt = Crt::private("late");
    let heaps: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| heap(&LATE))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(heaps.iter().all(|one| *one == heaps[0] && *one != 0));
}

#[test]
fn a_detached_instance_is_empty_and_begins_anew() {
    static SHORT: Crt = Crt::private("short");
    let block = SHORT.allocate(10);
    assert!(SHORT.owns(block));
    // SAFETY: nobody else uses the instance, and its block is freed.
    let leaked = unsafe {
        SHORT.free(block).unwrap();
        SHORT.detach()
    };
    assert_eq!(leaked, 0);
    let again = SHORT.allocate(10);
    assert!(SHORT.owns(again));
    // SAFETY: as above.
    unsafe {
        SHORT.free(again).unwrap();
        SHORT.detach();
    }
}

#[test]
fn another_instances_block_is_refused_and_told() {
    let name = "modes::another_instances_block_is_refused_and_told";
    let output = alone(name, &[("NTHEAP_ON_CORRUPTION", "continue")], || {
        let block = A.allocate(100);
        // SAFETY: the block stays A's.
        unsafe {
            assert!(B.free(block).is_err());
            assert!(Crt::shared().free(block).is_err());
            assert!(B.reallocate(block, 200).is_null());
            assert_eq!(B.size_of(block), None);
            block.write_bytes(1, 100);
            A.free(block).unwrap();
        }
    });
    if let Some(output) = output {
        let error = passed(&output);
        let stops: Vec<&str> = error
            .lines()
            .filter(|line| line.contains("VERIFIER STOP"))
            .collect();
        assert_eq!(stops.len(), 4, "{error}");
        assert!(stops.iter().all(|line| line.contains("0000000000000006")));
        for call in ["free(", "realloc(", "_msize("] {
            assert!(error.contains(&format!("  {call}0x")), "{call} {error}");
        }
        assert_eq!(error.matches("on heap \"b\" of crt-").count(), 3, "{error}");
        let owner = "it belongs to heap \"a\" of crt-";
        assert_eq!(error.matches(owner).count(), 4, "{error}");
    }
}

/// A fork while another thread makes an instance's heap: the child makes its own.
#[test]
fn a_fork_during_the_first_use_leaves_a_runtime_to_the_child() {
    let name = "modes::a_fork_during_the_first_use_leaves_a_runtime_to_the_child";
    let output = alone(name, &[], || {
        assert!(!A.allocate(1).is_null());
        for round in 0..ROUNDS {
            let crt: &'static Crt = Box::leak(Box::new(Crt::private("forked")));
            let start = Barrier::new(2);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    assert!(!crt.allocate(10).is_null());
                });
                start.wait();
                // Not always at the same moment.
                for _ in 0..round % 50 * 20 {
                    std::hint::spin_loop();
                }
                // SAFETY: the child uses nothing but the runtime, which is whole in it,
                // and ends.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    // SAFETY: ends the child at once, also where it waits for ever.
                    unsafe {
                        libc::alarm(10);
                        let block = crt.allocate(10);
                        let is_right = crt.owns(block) && crt.free(block).is_ok();
                        libc::_exit(if is_right { 7 } else { 1 });
                    }
                }
                let mut status = -1;
                // SAFETY: waits for the child that was just made.
                assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                assert!(libc::WIFEXITED(status), "round {round}: {status:#x}");
                assert_eq!(libc::WEXITSTATUS(status), 7);
            });
        }
    });
    if let Some(output) = output {
        assert_eq!(passed(&output), "");
    }
}

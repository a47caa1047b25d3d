//! What is freed on the wrong heap, twice, or was never a block, is reported by
//! name, and ends the process unless the heap was made to go on.

use super::layout;
use ntheap::{Action, Heap, HeapError};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::ptr::NonNull;

const SIGABRT: i32 = 6;
const CHILD: &str = "NTHEAP_TEST_CHILD";

/// Runs the named test once more in a process of its own, which does `body`:
/// what it wrote to standard error, and the signal that ended it. `None` in
/// that process.
fn child(test: &str, body: impl FnOnce()) -> Option<(String, Option<i32>)> {
    if std::env::var_os(CHILD).is_some() {
        body();
        return None;
    }
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Some((text, output.status.signal()))
}

/// Every line but those of numbers, which differ from run to run.
fn words(report: &str) -> Vec<&str> {
    let line = |line: &'_ &str| !line.contains(" : ");
    report.lines().filter(line).map(str::trim).collect()
}

#[test]
fn a_block_of_another_heap_names_both() {
    let Some((text, signal)) = child("reports::a_block_of_another_heap_names_both", || {
        let ours = Heap::options().name("ours").create().expect("a heap");
        let theirs = Heap::options().name("theirs").create().expect("a heap");
        let block = theirs.alloc(layout(123, 8)).expect("a block");
        // SAFETY: the mistake to be told; the process ends.
        let _ = unsafe { ours.free(block) };
    }) else {
        return;
    };
    assert_eq!(signal, Some(SIGABRT), "{text}");
    assert!(text.contains("VERIFIER STOP 0000000000000006"), "{text}");
    assert!(text.contains("on heap \"ours\""), "{text}");
    assert!(text.contains("\"theirs\""), "{text}");
    assert!(text.contains("123 bytes"), "{text}");
    assert!(text.contains("000000000000007B : "), "{text}");
}

#[test]
fn a_second_free_is_reported_at_the_call() {
    let Some((text, signal)) = child("reports::a_second_free_is_reported_at_the_call", || {
        let heap = Heap::options().name("twice").create().expect("a heap");
        let block = heap.alloc(layout(64, 8)).expect("a block");
        // SAFETY: the first is right, the second the mistake.
        unsafe {
            heap.free(block).expect("freed");
            let _ = heap.free(block);
        }
    }) else {
        return;
    };
    assert_eq!(signal, Some(SIGABRT), "{text}");
    assert!(
        words(&text).iter().any(|line| line.contains("DOUBLE_FREE")),
        "{text}"
    );
    assert!(text.contains("on heap \"twice\""), "{text}");
}

#[test]
fn a_heap_may_go_on_after_a_report() {
    let test = "reports::a_heap_may_go_on_after_a_report";
    let Some((text, signal)) = child(test, || {
        let options = Heap::options()
            .name("patient")
            .on_corruption(Action::Continue);
        let heap = options.create().expect("a heap");
        let other = Heap::new().expect("a heap");
        let block = heap.alloc(layout(100, 8)).expect("a block");
        let foreign = other.alloc(layout(100, 8)).expect("a block");
        let mut local = 0u64;
        let wrong = [
            foreign,
            // SAFETY: inside of the block.
            unsafe { block.add(16) },
            NonNull::from(&mut local).cast(),
            NonNull::without_provenance(std::num::NonZero::new(0x10).expect("not zero")),
        ];
        for wrong in wrong {
            // SAFETY: no blocks of the heap.
            assert_eq!(unsafe { heap.free(wrong) }, Err(HeapError::NotABlock));
            assert_eq!(heap.size_of(wrong), Err(HeapError::NotABlock));
            assert!(!heap.validate_block(wrong));
        }
        assert!(heap.validate());
        assert_eq!(heap.summary().blocks, 1);
        assert_eq!(other.size_of(foreign), Ok(100));
        eprintln!("went on");
    }) else {
        return;
    };
    assert_eq!(signal, None, "{text}");
    assert!(text.contains("went on"), "{text}");
    assert!(text.matches("VERIFIER STOP").count() >= 4, "{text}");
}

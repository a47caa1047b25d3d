//! Debug runtimes of several modules: what one says of another one's blocks, with a
//! heap for each and with one heap for all.

use crate::support::{alone_with, at, normal, own_heap, reported, shown};
use ntheap::crt::debug::kind::{ERROR, HOOK_FREE, NORMAL_BLOCK};
use ntheap::crt::debug::report::{self, Hook};
use std::ffi::{CStr, c_char, c_int, c_long, c_uchar, c_void};
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicUsize, Ordering};

own_heap!(ONE);
own_heap!(OTHER);

static FREED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn note(
    what: c_int,
    _: *mut c_void,
    size: usize,
    _: c_int,
    _: c_long,
    _: *const c_uchar,
    _: c_int,
) -> c_int {
    if what == HOOK_FREE {
        FREED.fetch_add(size, Ordering::Relaxed);
    }
    1
}

/// The block of another runtime counts as one's own where both are on one heap:
/// that it is freed by the wrong one is hidden, also where the wrong one never
/// allocated (`is_fresh`).
fn hidden(name: &str, mode: &str, is_fresh: bool) {
    let output = alone_with(name, &[("NTHEAP_CRT", mode)], || {
        // SAFETY: the hook is there for good.
        unsafe { ONE.set_alloc_hook(Some(note)) };
        let kept = (!is_fresh).then(|| normal(&OTHER, 5, 1));
        let block = normal(&ONE, 100, 2);
        let ((), reports) = reported(|| {
            assert!(ONE.is_block(block) && OTHER.is_block(block));
            assert!(!OTHER.is_block(block.wrapping_add(16)));
            let known = OTHER.block_of(block, 100).expect("known");
            assert_eq!((known.start, known.origin.line()), (block, 2));
            assert_eq!(OTHER.block_type(block), NORMAL_BLOCK);
            assert_eq!(OTHER.size_of(block, NORMAL_BLOCK), Some(100));
            // SAFETY: old addresses are used no more.
            let block = unsafe { OTHER.reallocate(block, 3000, NORMAL_BLOCK, at(3)) };
            assert_eq!(ONE.checkpoint().counts[NORMAL_BLOCK as usize], 1);
            // SAFETY: nobody uses the block any more.
            unsafe { OTHER.free(block, NORMAL_BLOCK) };
            assert!(!ONE.is_block(block) && !OTHER.is_block(block));
        });
        assert_eq!(reports, []);
        assert_eq!(FREED.load(Ordering::Relaxed), 3000);
        for (heap, blocks) in [(&ONE, 0), (&OTHER, usize::from(!is_fresh))] {
            assert_eq!(heap.checkpoint().counts[NORMAL_BLOCK as usize], blocks);
            assert!(heap.check());
        }
        assert!(kept.is_none_or(|kept| OTHER.is_block(kept)));
        println!("hidden");
    });
    if let Some(output) = output {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("hidden"));
        assert_eq!(errors, "");
    }
}

#[test]
fn one_heap_hides_process() {
    hidden("neighbours::one_heap_hides_process", "process", false);
}

#[test]
fn one_heap_hides_shared() {
    hidden("neighbours::one_heap_hides_shared", "shared", false);
}

#[test]
fn one_heap_hides_from_one_that_never_allocated_process() {
    let name = "neighbours::one_heap_hides_from_one_that_never_allocated_process";
    hidden(name, "process", true);
}

#[test]
fn one_heap_hides_from_one_that_never_allocated_shared() {
    let name = "neighbours::one_heap_hides_from_one_that_never_allocated_shared";
    hidden(name, "shared", true);
}

/// A debug block that meets the aligned functions is called what it is, whichever of
/// the runtimes on its heap is asked.
#[test]
fn one_heap_knows_what_is_no_aligned_block() {
    let name = "neighbours::one_heap_knows_what_is_no_aligned_block";
    let output = alone_with(name, &[("NTHEAP_CRT", "process")], || {
        normal(&OTHER, 5, 1);
        let block = normal(&ONE, 100, 2);
        let ((), reports) = reported(|| {
            // SAFETY: the bug to be seen; the block stays as it is.
            unsafe { OTHER.free_aligned(block) };
        });
        let text = format!(
            "The block at {} was not allocated by _aligned routines, use free()",
            shown(block)
        );
        assert_eq!(reports, [(ERROR, text)]);
        assert!(ONE.is_block(block));
        println!("known");
    });
    if let Some(output) = output {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("known"));
    }
}

unsafe extern "C" fn done(_: i32, message: *mut c_char, answer: *mut i32) -> i32 {
    // SAFETY: a hook's message ends with 0, and its answer can be written.
    unsafe {
        answer.write(0);
        println!("{}", CStr::from_ptr(message).to_string_lossy());
    }
    0
}

#[test]
fn a_heap_for_each_shows() {
    let name = "neighbours::a_heap_for_each_shows";
    let output = alone_with(name, &[("NTHEAP_CRT", "private")], || {
        let block = normal(&ONE, 100, 2);
        normal(&OTHER, 5, 1);
        assert!(ONE.is_block(block) && !OTHER.is_block(block));
        assert!(OTHER.block_of(block, 100).is_none());
        assert_eq!(OTHER.block_type(block), -1);
        // SAFETY: the hook is there for good; the bug to be seen.
        unsafe {
            report::install(Hook::Narrow(done));
            OTHER.free(block, NORMAL_BLOCK);
        }
    });
    let output = output.expect("it does not come back");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(6), "{errors}");
    assert_eq!(
        errors,
        "Debug Assertion Failed!\n\nExpression: _CrtIsValidHeapPointer(block)\n"
    );
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("Assertion failed: _CrtIsValidHeapPointer(block)\n"));
}

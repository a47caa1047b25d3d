//! Misuse is reported in the words of Application Verifier, and ends the
//! process: each in a process of its own, whose whole standard error is
//! compared.

use super::support::*;
use ntheap::heap::classes;
use ntheap::vm::root::{self, Anchor};
use std::alloc::Layout;
use std::sync::atomic::Ordering;

const BEFORE: &str = "about to misuse: ";

/// Says what the report will name: the process, its heap, the thread, and the
/// two addresses.
fn announce(address: *mut u8, block: *mut u8) {
    let anchors = &root::own().unwrap().anchors;
    let heap = anchors[Anchor::ProcessHeap as usize].load(Ordering::Relaxed);
    say(&format!(
        "{BEFORE}{} {heap} {} {} {}",
        std::process::id(),
        ntheap::sys::thread_id(),
        address.addr(),
        block.addr()
    ));
}

/// A block that the case is about: 60 bytes in a block of 64.
const LAYOUT: Layout = match Layout::from_size_align(60, 4) {
    Ok(layout) => layout,
    Err(_) => unreachable!(),
};

fn block(face: Face) -> *mut u8 {
    let block = face.allocate(LAYOUT);
    assert!(!block.is_null());
    block
}

/// Asserts that the body ends its process with exactly this text, in which
/// `{pid}`, `{HEAP}`, `{ADDRESS}` (16 digits), `{address}` (0x...), `{block}`
/// and `{thread}` stand for what `announce` said.
fn reports(text: &str, body: impl FnOnce()) {
    let Some(output) = isolated_with(&[], body) else {
        return;
    };
    let out = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    let (_, announced) = out
        .split_once(BEFORE)
        .unwrap_or_else(|| panic!("it did not come so far:\n{out}\n{error}"));
    let words: Vec<u64> = announced
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let [pid, heap, thread, address, block] = words[..] else {
        panic!("{announced}");
    };
    let expected = text
        .replace("{pid}", &format!("{pid:X}"))
        .replace("{HEAP}", &format!("{heap:016X}"))
        .replace("{thread}", &thread.to_string())
        .replace("{ADDRESS}", &format!("{address:016X}"))
        .replace("{address}", &format!("{address:#x}"))
        .replace("{block}", &format!("{block:#x}"));
    assert_eq!(error, expected);
    assert!(!output.status.success());
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    }
}

const DOUBLE_FREE: &str = "\
ntheap: VERIFIER STOP 0000000000000007: pid 0x{pid}: block already freed (DOUBLE_FREE)
    {HEAP} : heap handle
    {ADDRESS} : block
    0000000000000040 : size
    0000000000000000 : not used
  free({address}) on heap \"process heap\", thread {thread}
  the address is the start of a free block of 64 bytes
";

fn free_twice(face: Face) {
    let block = block(face);
    face.free(block, LAYOUT);
    announce(block, block);
    face.free(block, LAYOUT);
}

#[test]
fn a_second_free_is_reported_at_the_call() {
    reports(DOUBLE_FREE, || free_twice(Face::Checked));
}

const INTERIOR: &str = "\
ntheap: VERIFIER STOP 0000000000000006: pid 0x{pid}: bad pointer or wrong heap (SWITCHED_HEAP_HANDLE)
    {HEAP} : heap handle used
    {ADDRESS} : block
    0000000000000040 : size
    {HEAP} : heap the block came from
  free({address}) on heap \"process heap\", thread {thread}
  the address lies 16 bytes inside a busy block of 64 bytes that starts at {block}
";

#[test]
fn an_address_inside_a_block_is_reported() {
    reports(INTERIOR, || {
        let block = block(Face::Checked);
        let inside = block.wrapping_add(16);
        announce(inside, block);
        Face::Checked.free(inside, LAYOUT);
    });
}

const LARGE_INTERIOR: &str = "\
ntheap: VERIFIER STOP 0000000000000006: pid 0x{pid}: bad pointer or wrong heap (SWITCHED_HEAP_HANDLE)
    {HEAP} : heap handle used
    {ADDRESS} : block
    0000000000300000 : size
    {HEAP} : heap the block came from
  free({address}) on heap \"process heap\", thread {thread}
  the address lies 1048576 bytes inside a busy block of 3145728 bytes that starts at {block}
";

#[test]
fn an_address_inside_a_large_block_is_reported() {
    reports(LARGE_INTERIOR, || {
        let block = Face::Checked.allocate(layout(3 * MIB, 16));
        let inside = block.wrapping_add(MIB);
        announce(inside, block);
        Face::Checked.free(inside, layout(3 * MIB, 16));
    });
}

const FOREIGN: &str = "\
ntheap: VERIFIER STOP 0000000000000006: pid 0x{pid}: bad pointer or wrong heap (SWITCHED_HEAP_HANDLE)
    {HEAP} : heap handle used
    {ADDRESS} : block
    0000000000000000 : size
    0000000000000000 : heap the block came from
  free({address}) on heap \"process heap\", thread {thread}
  the address belongs to no block of any ntheap heap
";

/// Frees what the system's allocator made.
fn free_a_foreign_block(face: Face) {
    block(face);
    let foreign = Box::into_raw(Box::new([0u8; 60])).cast::<u8>();
    announce(foreign, foreign);
    face.free(foreign, LAYOUT);
}

#[test]
fn an_address_of_another_allocator_is_reported() {
    reports(FOREIGN, || free_a_foreign_block(Face::Checked));
}

#[test]
fn a_second_free_of_a_large_block_is_reported() {
    // The address leads nowhere any more.
    reports(FOREIGN, || {
        let large = layout(3 * MIB, 16);
        let block = Face::Checked.allocate(large);
        Face::Checked.free(block, large);
        announce(block, block);
        Face::Checked.free(block, large);
    });
}

const DOUBLE_FREE_LATE: &str = "\
ntheap: VERIFIER STOP 0000000000000007: pid 0x{pid}: block already freed (DOUBLE_FREE)
    {HEAP} : heap handle
    {ADDRESS} : block
    0000000000000040 : size
    0000000000000000 : not used
  flush of freed blocks({address}) on heap \"process heap\", thread {thread}
  the address is the start of a free block of 64 bytes
";

/// Frees one block twice in the front end that cannot see it, then empties the
/// cache by `flush`.
fn free_twice_and(flush: impl FnOnce()) {
    let (block, other) = (block(Face::Plain), block(Face::Plain));
    Face::Plain.free(block, LAYOUT);
    Face::Plain.free(block, LAYOUT);
    announce(block, other);
    flush();
}

#[test]
fn a_second_free_without_marks_is_reported_at_the_purge() {
    reports(DOUBLE_FREE_LATE, || free_twice_and(|| Face::Plain.purge()));
}

#[test]
fn a_second_free_of_a_subsegments_last_block_is_still_known_for_one() {
    reports(DOUBLE_FREE_LATE, || {
        let (block, other) = (block(Face::Plain), block(Face::Plain));
        Face::Plain.free(other, LAYOUT);
        Face::Plain.free(block, LAYOUT);
        Face::Plain.free(block, LAYOUT);
        announce(block, other);
        // Nothing of the subsegment is left when the report is written.
        Face::Plain.purge();
    });
}

#[test]
fn a_second_free_without_marks_is_reported_when_magazines_overflow() {
    reports(DOUBLE_FREE_LATE, || {
        let size = classes::size_of(classes::class_of(LAYOUT.size()));
        assert_eq!(size, 64);
        // In disorder, so that little is left in many subsegments and caches
        // and depots are emptied.
        let mut others: Vec<_> = (0..400_000).map(|_| block(Face::Plain)).collect();
        Random::new(1).shuffle(&mut others);
        free_twice_and(|| {
            for other in others {
                Face::Plain.free(other, LAYOUT);
            }
        });
    });
}

#[test]
fn a_second_free_without_marks_is_reported_when_the_thread_ends() {
    reports(DOUBLE_FREE_LATE, || {
        let met = std::sync::Barrier::new(5);
        let begin = || {
            Face::Plain.free(block(Face::Plain), LAYOUT);
            met.wait();
        };
        std::thread::scope(|scope| {
            // Theirs are the caches that are kept for others.
            let others: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
            let last = scope.spawn(|| {
                begin();
                met.wait();
                free_twice_and(|| ());
            });
            for other in others {
                other.join().unwrap();
            }
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| met.wait());
                }
            });
            // Waits for the thread's very end, as the scope does not.
            last.join().unwrap();
        });
    });
}

#[test]
fn a_second_free_without_marks_is_reported_when_a_kept_cache_is_drained() {
    reports(DOUBLE_FREE_LATE, || {
        let ended = std::thread::spawn(|| {
            let (block, other) = (block(Face::Plain), block(Face::Plain));
            Face::Plain.free(block, LAYOUT);
            Face::Plain.free(block, LAYOUT);
            [block, other].map(<*mut u8>::expose_provenance)
        });
        let [block, other] = ended
            .join()
            .unwrap()
            .map(std::ptr::with_exposed_provenance_mut);
        announce(block, other);
        Face::Plain.purge();
    });
}

/// All that one purge finds is told of, each block once, and the heap goes on.
#[test]
fn late_reports_are_survived_if_so_wished() {
    let output = isolated_with(&[("NTHEAP_ON_CORRUPTION", "continue")], || {
        let face = Face::Plain;
        for round in 1..=3 {
            let freed = [(); 3].map(|()| block(face));
            for block in freed {
                face.free(block, LAYOUT);
            }
            for block in &freed[..round] {
                face.free(*block, LAYOUT);
                say(&format!("twice: {:#x}", block.addr()));
            }
            face.purge();
            // Nothing is told of again, and no block is there twice.
            face.purge();
            let fresh: std::collections::BTreeSet<_> = (0..100).map(|_| block(face)).collect();
            assert_eq!(fresh.len(), 100);
            for block in fresh {
                face.free(block, LAYOUT);
            }
        }
    });
    let Some(output) = output else { return };
    assert_done("late reports survived", &output);
    let error = String::from_utf8(output.stderr).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut expected: Vec<_> = said
        .lines()
        .filter_map(|line| Some(line.split_once("twice: ")?.1))
        .collect();
    let mut told: Vec<_> = error
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("flush of freed blocks("))
        .filter_map(|line| Some(line.split_once(')')?.0))
        .collect();
    assert_eq!(expected.len(), 6);
    expected.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, expected, "{error}");
    assert_eq!(error.matches("VERIFIER STOP 0000000000000007").count(), 6);
}

/// What comes back late and is no block is told of once, and counts for none.
#[test]
fn an_address_within_a_block_that_comes_back_late_counts_for_none() {
    let output = isolated_with(&[("NTHEAP_ON_CORRUPTION", "continue")], || {
        let face = Face::Plain;
        let blocks = [(); 9].map(|()| block(face));
        for (at, block) in blocks.iter().enumerate() {
            let within = if at == 4 { 16 } else { 0 };
            face.free(block.wrapping_add(within), LAYOUT);
        }
        face.purge();
        assert_eq!(ntheap::stats().allocated, 64);
        face.free(blocks[4], LAYOUT);
        face.purge();
        assert_eq!(ntheap::stats().allocated, 0);
    });
    let Some(output) = output else { return };
    assert_done("an address within a block survived", &output);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.matches("VERIFIER STOP 0000000000000006").count(), 1);
    assert_eq!(error.matches("VERIFIER STOP").count(), 1, "{error}");
}

#[test]
fn misuse_is_survived_if_so_wished() {
    let output = isolated_with(&[("NTHEAP_ON_CORRUPTION", "continue")], || {
        let face = Face::Checked;
        let kept = block(face);
        let freed = block(face);
        face.free(freed, LAYOUT);
        for _ in 0..3 {
            face.free(freed, LAYOUT);
            face.free(kept.wrapping_add(1), LAYOUT);
            face.free(std::ptr::dangling_mut(), LAYOUT);
        }
        assert_eq!(ntheap::stats().allocated, 64);
        face.free(kept, LAYOUT);
        let mut load = super::workload::Load::new(face, 31);
        load.run(true);
        assert_eq!((load.refused, ntheap::stats().allocated), (0, 0));
    });
    let Some(output) = output else { return };
    assert_done("misuse survived", &output);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.matches("VERIFIER STOP 0000000000000007").count(), 3);
    assert_eq!(error.matches("VERIFIER STOP 0000000000000006").count(), 6);
    assert_eq!(error.matches("VERIFIER STOP").count(), 9);
}

/// What `NtHeap` does in debug builds.
#[cfg(debug_assertions)]
mod global {
    use super::*;

    #[test]
    fn a_second_dealloc_is_reported() {
        reports(DOUBLE_FREE, || free_twice(Face::Global));
    }

    #[test]
    fn a_dealloc_of_another_allocators_block_is_reported() {
        reports(FOREIGN, || free_a_foreign_block(Face::Global));
    }

    const WRONG_LAYOUT: &str = "\
ntheap: VERIFIER STOP 0000000000000008: pid 0x{pid}: corrupt block (CORRUPTED_HEAP_BLOCK)
    {HEAP} : heap handle
    {ADDRESS} : block
    00000000000000C8 : size
    0000000000000000 : not used
  dealloc({address}) on heap \"process heap\", thread {thread}
  the address is the start of a busy block of 64 bytes
";

    #[test]
    fn a_dealloc_with_another_layout_is_reported() {
        reports(WRONG_LAYOUT, || {
            let block = block(Face::Global);
            announce(block, block);
            Face::Global.free(block, layout(200, 4));
        });
    }

    #[test]
    fn a_realloc_with_another_layout_is_reported() {
        reports(&WRONG_LAYOUT.replace("dealloc", "realloc"), || {
            let block = block(Face::Global);
            announce(block, block);
            Face::Global.reallocate(block, layout(200, 4), 300);
        });
    }
}

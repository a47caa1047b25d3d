//! What is done before memory is refused: what is kept idle is given back, and less is asked for.

use super::options::quiet;
use super::support::*;
use super::workload::Load;
use ntheap::heap::private::{self, Error, Handle, Settings, Shape, Tuning, flags};
use ntheap::vm::account;
use std::sync::Barrier;

/// A limit of 16 MiB, and the same for a hardened heap.
const LIMITED: [(&str, &str); 1] = [("NTHEAP_COMMIT_LIMIT", "16M")];
const HARDENED: [(&str, &str); 2] = [LIMITED[0], ("NTHEAP_HARDENED", "1")];

/// Frees blocks that take half of a limit of 16 MiB together, much of which is kept for
/// others of their size.
fn keep_idle(size: usize) {
    let bytes = Load::new(Face::Global, 24).exhaust(size, 8 * MIB) * size;
    assert!(bytes > 6 * MIB, "{} in blocks of {size} bytes", mib(bytes));
}

#[test]
fn what_is_idle_makes_room_for_a_block_larger_than_it() {
    quiet(&LIMITED, || {
        let wanted = layout(14 * MIB, 8);
        for size in [5000, 64 * KIB, 3 * MIB] {
            keep_idle(size);
            let block = Face::Global.allocate(wanted);
            assert!(!block.is_null(), "after blocks of {size} bytes");
            Face::Global.free(block, wanted);
        }
    });
}

#[test]
fn what_is_idle_makes_room_for_a_heap_of_ones_own() {
    if !caches_can_be_emptied() {
        return;
    }
    quiet(&LIMITED, || {
        let heap = ntheap::Heap::new().unwrap();
        for size in [5000, 64 * KIB, 3 * MIB] {
            keep_idle(size);
            let block = heap.alloc(layout(14 * MIB, 8));
            let block = block.unwrap_or_else(|error| panic!("{error} after {size} bytes"));
            // SAFETY: the block is the heap's, and used no more.
            unsafe { heap.free(block) }.unwrap();
        }
    });
}

/// Regions of such a heap take a MiB at once, and more than one.
#[test]
fn what_is_idle_makes_room_for_a_heap_that_commits_much_at_once() {
    const SIZE: usize = 20_000;
    let settings = Settings {
        tuning: Tuning {
            commit: MIB,
            ..Tuning::default()
        },
        ..Settings::DEFAULT
    };
    if !caches_can_be_emptied() {
        return;
    }
    quiet(&[], || {
        for limit in (8400..=12_800).step_by(400) {
            ntheap::vm::set_commit_limit(usize::MAX);
            // SAFETY: no memory is given.
            let heap = unsafe { private::create(&settings) }.unwrap();
            let idle = Load::new(Face::Global, 28).exhaust(5000, 6 * MIB);
            assert!(idle * 5000 > 5 * MIB);
            ntheap::vm::set_commit_limit(limit * KIB);
            let mut got = 0;
            // SAFETY: a live heap.
            while unsafe { private::allocate(heap, 0, SIZE) }.is_ok() {
                got += SIZE;
            }
            assert!(got >= limit * KIB / 3 * 2, "{} of {limit} KiB", mib(got));
            // SAFETY: nobody uses the heap.
            unsafe { private::destroy(heap) }.unwrap();
        }
    });
}

#[test]
fn what_is_idle_makes_room_for_a_heap_that_begins_large() {
    quiet(&LIMITED, || {
        for size in [5000, 64 * KIB, 3 * MIB] {
            for idle in [4, 9, 13] {
                Load::new(Face::Global, 29).exhaust(size, idle * MIB);
                let heap = ntheap::Heap::options().initial_size(8 * MIB).create();
                assert!(heap.is_ok(), "{idle} MiB in blocks of {size} bytes");
            }
        }
        // Not for one that there can be no room for.
        assert!(
            ntheap::Heap::options()
                .initial_size(17 * MIB)
                .create()
                .is_err()
        );
    });
}

/// A heap that may not grow is full however much room there is beside it.
#[test]
fn a_full_heap_takes_nothing_of_what_is_idle_where_there_is_room() {
    let settings = Settings {
        shape: Shape::Fixed(MIB),
        ..Settings::DEFAULT
    };
    quiet(&[("NTHEAP_COMMIT_LIMIT", "1G")], || {
        // SAFETY: no memory is given.
        let heap = unsafe { private::create(&settings) }.unwrap();
        // Of many that are alive some more lie in a magazine.
        let kept = layout(100, 8);
        let blocks: Vec<_> = (0..5000).map(|_| Face::Global.allocate(kept)).collect();
        for &block in &blocks[2500..] {
            Face::Global.free(block, kept);
        }
        // SAFETY: a live heap.
        let allocate = || unsafe { private::allocate(heap, 0, 5000) };
        let cached = |class: usize| ntheap::stats().buckets[class].cached;
        let before = cached(7);
        assert!(before > 0);
        while allocate().is_ok() {}
        assert_eq!(cached(7), before);
        for &block in &blocks[..2500] {
            Face::Global.free(block, kept);
        }
        // SAFETY: nobody uses the heap.
        unsafe { private::destroy(heap) }.unwrap();
    });
}

/// What is remembered of destroyed heaps takes no room from those that are made.
#[test]
fn destroyed_heaps_leave_room_for_the_next() {
    quiet(&LIMITED, || {
        for count in 0..100 {
            let heap = ntheap::Heap::options().initial_size(8 * MIB).create();
            assert!(heap.is_ok(), "after {count} heaps");
        }
    });
}

/// A large block that was freed leaves none of its room to smaller ones, which others need.
#[test]
fn a_freed_large_block_makes_room_for_many() {
    quiet(&LIMITED, || {
        for large in [14 * MIB, 5 * MIB] {
            // Kept, once one was wanted again.
            for _ in 0..4 {
                let block = Face::Global.allocate(layout(large, 8));
                Face::Global.free(block, layout(large, 8));
            }
            let count = Load::new(Face::Global, 25).exhaust(3 * MIB, GIB);
            assert!(count >= 4, "{count} blocks of 3 MiB after {}", mib(large));
        }
    });
}

/// Nor does it leave them a quarter of theirs, as it does without a limit.
#[test]
fn a_freed_large_block_leaves_nothing_to_a_smaller_one() {
    quiet(&LIMITED, || {
        let large = layout(148 * MIB / 10, 8);
        for _ in 0..4 {
            let block = Face::Global.allocate(large);
            assert!(!block.is_null());
            Face::Global.free(block, large);
        }
        let most = Face::Global.allocate(layout(122 * MIB / 10, 8));
        assert!(!most.is_null());
        let rest = Face::Global.allocate(layout(22 * MIB / 10, 8));
        assert!(!rest.is_null());
    });
}

/// Elsewhere it is copied, for which there is no room.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn what_is_idle_makes_room_for_growth(face: Face, sizes: &[usize]) {
    for &size in sizes {
        let small = layout(7_000_000, 8);
        let mut block = super::workload::Held::new(face.allocate(small), small, 26);
        let bytes = Load::new(face, 27).exhaust(size, 7_000_000) * size;
        assert!(bytes > 6 * MIB, "{} in blocks of {size} bytes", mib(bytes));
        assert!(
            block.resize(face, 12_000_000),
            "after blocks of {size} bytes"
        );
        // What does not fit is refused as before, and the block is as it was.
        assert!(!block.resize(face, 17 * MIB));
        block.free(face);
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn what_is_idle_makes_room_for_a_block_that_grows() {
    quiet(&LIMITED, || {
        what_is_idle_makes_room_for_growth(Face::Plain, &[5000, 64 * KIB]);
    });
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn what_is_idle_makes_room_for_a_block_of_cs_that_grows() {
    quiet(&LIMITED, || {
        what_is_idle_makes_room_for_growth(Face::Checked, &[5000, 64 * KIB]);
    });
}

/// A large block grows in place if that fits, though its last huge page as a whole would not.
/// Elsewhere it is copied, for which there is no room.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn a_limit_is_not_passed_by_the_rest_of_a_huge_page() {
    quiet(&[("NTHEAP_COMMIT_LIMIT", "10200K")], || {
        let small = layout(8192 * KIB, 8);
        let block = Face::Checked.allocate(small);
        assert!(!block.is_null());
        let block = Face::Checked.reallocate(block, small, 8208 * KIB);
        assert!(!block.is_null());
        Face::Checked.free(block, layout(8208 * KIB, 8));
    });
}

/// What a hardened heap's free keeps and does to blocks takes no room from one that grows.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn what_is_idle_makes_room_for_a_hardened_block_that_grows() {
    quiet(&HARDENED, || {
        what_is_idle_makes_room_for_growth(Face::Checked, &[5000]);
    });
}

/// A program's handler is the last that is asked for memory, once.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn the_handler_is_asked_last() {
    use ntheap::crt::new_handler;
    use std::sync::atomic::{AtomicUsize, Ordering};
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn ask(_: usize) -> i32 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        0
    }
    new_handler::set(Some(ask));
    assert_eq!(new_handler::set_mode(1), 0);
    let face = Face::Checked;
    let small = layout(7_000_000, 8);
    let mut block = super::workload::Held::new(face.allocate(small), small, 30);
    let bytes = Load::new(face, 31).exhaust(5000, 6_500_000) * 5000;
    assert!(bytes > 6_000_000);
    ASKED.store(0, Ordering::Relaxed);
    assert!(block.resize(face, 12_000_000));
    assert_eq!(ASKED.load(Ordering::Relaxed), 0);
    assert!(!block.resize(face, 17 * MIB));
    assert_eq!(ASKED.load(Ordering::Relaxed), 1);
    block.free(face);
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn the_new_handler_is_asked_after_what_is_idle() {
    quiet(&LIMITED, || {
        the_handler_is_asked_last();
    });
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn the_new_handler_of_a_hardened_heap_is_asked_after_what_is_idle() {
    quiet(&HARDENED, || {
        the_handler_is_asked_last();
    });
}

/// A program's handler that frees something is asked for as long as it does, and what it freed is
/// had.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn what_the_handler_frees_is_had() {
    use ntheap::crt::new_handler;
    use std::sync::Mutex;
    static SPARE: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    unsafe extern "C" fn free_one(_: usize) -> i32 {
        let Some(block) = SPARE.lock().unwrap().pop() else {
            return 0;
        };
        let block = std::ptr::with_exposed_provenance_mut(block);
        Face::Checked.free(block, layout(1, 8));
        1
    }
    let face = Face::Checked;
    let fill = |size| {
        let mut spare = SPARE.lock().unwrap();
        spare.reserve(16 * MIB / size);
        let block = || Some(face.allocate(layout(size, 8))).filter(|block| !block.is_null());
        spare.extend(std::iter::from_fn(block).map(|block| block.expose_provenance()));
        assert!(spare.len() > 1);
    };
    let ask = |on: bool| {
        new_handler::set_mode(i32::from(on));
    };
    new_handler::set(Some(free_one));
    // What fills the heap, what is there before and what is wanted.
    for (filler, before, wanted) in [
        (5000, 0, 100),
        (5000, 0, 20_000),
        (100_000, 0, 5 * MIB),
        (5 * MIB / 2, 0, 5 * MIB),
        (20_000, 100, 3000),
        (20_000, 5000, 200_000),
        (5 * MIB / 2, 5 * MIB / 2, 5 * MIB),
        (100_000, 5 * MIB / 2, 5 * MIB),
    ] {
        let what = format!("{wanted} bytes, {before} before, among blocks of {filler}");
        let had = (before != 0).then(|| {
            let small = layout(before, 8);
            super::workload::Held::new(face.allocate(small), small, 36)
        });
        fill(filler);
        ask(true);
        match had {
            Some(mut block) => {
                assert!(block.resize(face, wanted), "{what}");
                block.free(face);
            }
            None => {
                let block = face.allocate(layout(wanted, 8));
                assert!(!block.is_null(), "{what}");
                face.free(block, layout(wanted, 8));
            }
        }
        // Not once more than it took.
        let left = SPARE.lock().unwrap().len();
        assert!(left > 0, "{what}");
        assert!(face.allocate(layout(17 * MIB, 8)).is_null());
        assert_eq!(SPARE.lock().unwrap().len(), 0, "{what}");
        ask(false);
    }
    assert_eq!(ntheap::stats().allocated, 0);
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn what_the_new_handler_frees_is_had() {
    quiet(&LIMITED, || {
        what_the_handler_frees_is_had();
    });
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn what_the_new_handler_of_a_hardened_heap_frees_is_had() {
    quiet(&HARDENED, || {
        what_the_handler_frees_is_had();
    });
}

/// A block that shrinks by less than an eighth.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn a_block_that_shrinks_leaves_its_room(face: Face) {
    let whole = layout(13 * MIB, 8);
    let mut block = super::workload::Held::new(face.allocate(whole), whole, 32);
    assert!(block.resize(face, 23 * MIB / 2));
    let other = layout(7 * MIB / 2, 8);
    let rest = face.allocate(other);
    assert!(!rest.is_null());
    face.free(rest, other);
    block.free(face);
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn a_block_that_shrinks_leaves_its_room_to_others() {
    quiet(&LIMITED, || {
        a_block_that_shrinks_leaves_its_room(Face::Plain);
    });
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn a_hardened_block_that_shrinks_leaves_its_room_to_others() {
    quiet(&HARDENED, || {
        a_block_that_shrinks_leaves_its_room(Face::Checked);
    });
}

/// One that cannot give it back where it lies keeps it: up to an eighth at once, more where
/// there is no room for a copy.
#[test]
fn an_aligned_block_shrinks_without_room() {
    quiet(&LIMITED, || {
        aligned_blocks_shrink_by(64 * KIB);
        aligned_blocks_shrink_by(MIB);
    });
}

#[test]
fn a_hardened_aligned_block_shrinks_without_room() {
    quiet(&HARDENED, || {
        aligned_blocks_shrink_by(64 * KIB);
        aligned_blocks_shrink_by(MIB);
    });
}

/// Fills a limited heap with blocks that do not start their regions, and shrinks each, which
/// does not move those that lose little.
fn aligned_blocks_shrink_by(bytes: usize) {
    const SIZE: usize = 2 * MIB + 512 * KIB;
    let face = Face::Checked;
    let aligned = layout(SIZE, 128 * KIB);
    let blocks: Vec<_> = (0..)
        .map(|_| face.allocate(aligned))
        .take_while(|block| !block.is_null())
        .collect();
    assert!(blocks.len() >= 3);
    let less = layout(SIZE - bytes, 8);
    let mut shrunk = Vec::new();
    for block in blocks {
        let now = face.reallocate(block, layout(SIZE, 8), less.size());
        assert!(!now.is_null());
        assert!(bytes > SIZE / 8 || now == block);
        shrunk.push(now);
    }
    for block in shrunk {
        face.free(block, less);
    }
    assert_eq!(ntheap::stats().allocated, 0);
}

/// Has a handler asked for memory that ends the process.
#[cfg(all(unix, feature = "crt"))]
fn expect_no_handler_to_be_asked() {
    unsafe extern "C" fn unexpected(_: usize) -> i32 {
        std::process::abort();
    }
    ntheap::crt::new_handler::set(Some(unexpected));
    ntheap::crt::new_handler::set_mode(1);
}

/// Blocks of C's that shrink where there is not a byte left, which keep what they have if need be.
fn blocks_shrink_without_room() {
    const SIZES: [usize; 7] = [3 * MIB, 200_000, 17_000, 5000, 500, 24, 8];
    let face = Face::Checked;
    let mut held = Vec::with_capacity(64 * 1024);
    // Some of each, and then as many as there is room for.
    for most in [2, held.capacity()] {
        for size in SIZES {
            let whole = layout(size, 8);
            let block = || Some(face.allocate(whole)).filter(|block| !block.is_null());
            for block in std::iter::from_fn(block).take(most) {
                let tag = held.len() as u64;
                held.push((super::workload::Held::new(block, whole, tag), size));
            }
        }
    }
    assert!(held.len() < held.capacity());
    #[cfg(all(unix, feature = "crt"))]
    expect_no_handler_to_be_asked();
    // The small ones first: a large one leaves its room to all others.
    held.sort_by_key(|&(_, size)| size);
    for (block, size) in &mut held {
        let to = size.div_ceil(7);
        assert!(block.resize(face, to), "{size} to {to} bytes");
    }
    held.into_iter().for_each(|(block, _)| block.free(face));
    assert_eq!(ntheap::stats().allocated, 0);
}

#[test]
fn a_block_shrinks_without_room() {
    quiet(&LIMITED, || {
        blocks_shrink_without_room();
    });
}

#[test]
fn a_hardened_block_shrinks_without_room() {
    quiet(&HARDENED, || {
        blocks_shrink_without_room();
    });
}

/// Whether what threads' caches keep can be had for others; says so where it cannot.
fn caches_can_be_emptied() -> bool {
    let can = ntheap::sys::barrier();
    if !can {
        eprintln!("skipped: this system has no process-wide barrier, and a cache stays as it is");
    }
    can
}

/// Bytes that may be committed yet.
fn left(limit: usize) -> usize {
    limit - account().total().committed
}

/// Allocates blocks of `size` bytes until one is refused; how many there were.
fn fill(heap: Handle, size: usize) -> usize {
    // SAFETY: a live heap.
    (0..)
        .take_while(|_| unsafe { private::allocate(heap, 0, size) }.is_ok())
        .count()
}

/// Such a heap asks for eight MiB at a time, as far as there are so many.
#[test]
fn a_fixed_heap_that_commits_much_at_once_uses_what_there_is() {
    const LIMIT: usize = 16 * MIB;
    const SIZE: usize = 20_000;
    quiet(&LIMITED, || {
        let settings = Settings {
            shape: Shape::Fixed(64 * MIB),
            tuning: Tuning {
                commit: 8 * MIB,
                ..Tuning::default()
            },
            ..Settings::DEFAULT
        };
        // SAFETY: no memory is given.
        let heap = unsafe { private::create(&settings) }.unwrap();
        let before = left(LIMIT);
        let got = fill(heap, SIZE) * SIZE;
        assert!(
            left(LIMIT) < 64 * KIB,
            "{} left of {}",
            mib(left(LIMIT)),
            mib(before)
        );
        assert!(got > before / 10 * 9, "{} of {}", mib(got), mib(before));
        // SAFETY: nobody uses the heap.
        unsafe { private::destroy(heap) }.unwrap();
    });
}

/// The tables of a region that is as large as usual take a MiB.
#[test]
fn a_heap_makes_smaller_regions_where_there_is_no_room_for_larger() {
    const SIZE: usize = 800_000;
    quiet(&[], || {
        let settings = Settings {
            tuning: Tuning {
                region: 16 * MIB,
                ..Tuning::default()
            },
            ..Settings::DEFAULT
        };
        for room in (1000..4000).step_by(250) {
            ntheap::vm::set_commit_limit(usize::MAX);
            // SAFETY: no memory is given.
            let heap = unsafe { private::create(&settings) }.unwrap();
            let limit = account().total().committed + room * KIB;
            ntheap::vm::set_commit_limit(limit);
            let got = fill(heap, SIZE);
            // A block, its region's tables, and what is rounded up.
            let least = SIZE + SIZE / 16 + 128 * KIB;
            assert!(
                left(limit) < least,
                "{} left of {room} KiB, {got} blocks",
                left(limit)
            );
            // SAFETY: nobody uses the heap.
            unsafe { private::destroy(heap) }.unwrap();
        }
    });
}

/// Nor does a step of commit that is more than a limited heap has left keep it from a region
/// that would do.
#[test]
fn a_limited_heap_that_commits_much_at_once_uses_what_it_may() {
    const SIZE: usize = 20_000;
    for most in [1500, 2300, 2900] {
        let settings = Settings {
            shape: Shape::Limited(most * KIB),
            tuning: Tuning {
                commit: MIB,
                ..Tuning::default()
            },
            ..Settings::DEFAULT
        };
        // SAFETY: no memory is given.
        let heap = unsafe { private::create(&settings) }.unwrap();
        let got = fill(heap, SIZE) * SIZE;
        assert!(got > most * KIB - 200 * KIB, "{got} of {most} KiB");
        // SAFETY: nobody uses the heap.
        unsafe { private::destroy(heap) }.unwrap();
    }
}

/// A heap whose regions are large, and a block of so many bytes at the end of what is committed.
fn heap_with_a_block(size: usize) -> (Handle, *mut u8) {
    let settings = Settings {
        tuning: Tuning {
            region: 16 * MIB,
            ..Tuning::default()
        },
        ..Settings::DEFAULT
    };
    // SAFETY: no memory is given.
    let heap = unsafe { private::create(&settings) }.unwrap();
    // SAFETY: a live heap.
    let block = unsafe { private::allocate(heap, 0, size) }.unwrap();
    (heap, block.as_ptr())
}

#[test]
fn what_is_idle_makes_room_for_a_heaps_block_that_grows_in_place() {
    if !caches_can_be_emptied() {
        return;
    }
    quiet(&[], || {
        for growth in [300_000, 500_000] {
            let (heap, block) = heap_with_a_block(500_000);
            let idle = Load::new(Face::Global, 33).exhaust(5000, 6 * MIB) * 5000;
            assert!(idle > 5 * MIB);
            ntheap::vm::set_commit_limit(account().total().committed);
            let in_place = flags::REALLOC_IN_PLACE_ONLY;
            // SAFETY: a block of the heap.
            let resized = unsafe { private::reallocate(heap, in_place, block, 500_000 + growth) };
            assert_eq!(
                resized.map(|new| new.as_ptr()),
                Ok(block),
                "by {growth} bytes"
            );
            ntheap::vm::set_commit_limit(usize::MAX);
            // SAFETY: nobody uses the heap.
            unsafe { private::destroy(heap) }.unwrap();
        }
    });
}

/// What is idle is less than a copy takes, and more than what the block lacks.
#[test]
fn a_heaps_block_grows_in_place_where_a_copy_has_no_room() {
    if !caches_can_be_emptied() {
        return;
    }
    quiet(&[], || {
        let (heap, block) = heap_with_a_block(900_000);
        let (other, _) = heap_with_a_block(100_000);
        let run = layout(64 * KIB, 8);
        let mut runs: Vec<_> = (0..8).map(|_| Face::Global.allocate(run)).collect();
        ntheap::vm::set_commit_limit(account().total().committed);
        fill(other, 20_000);
        let more = (0..).map(|_| Face::Global.allocate(run));
        runs.extend(more.take_while(|run| !run.is_null()));
        let (idle, held) = runs.split_at(6);
        idle.iter().for_each(|&block| Face::Global.free(block, run));
        // SAFETY: a block of the heap.
        let grow = |flags, size| unsafe { private::reallocate(heap, flags, block, size) };
        assert_eq!(grow(0, 1_000_000).map(|new| new.as_ptr()), Ok(block));
        assert_eq!(grow(0, 1_040_000 + MIB), Err(Error::NoMemory));
        held.iter().for_each(|&block| Face::Global.free(block, run));
        for heap in [heap, other] {
            // SAFETY: nobody uses the heap.
            unsafe { private::destroy(heap) }.unwrap();
        }
    });
}

/// Pages of a program's own are refused only after what is idle was given back.
#[cfg(unix)]
#[test]
fn what_is_idle_makes_room_for_pages_of_ones_own() {
    use ntheap::win32::{
        ERROR_COMMITMENT_LIMIT, GetLastError, MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_READWRITE,
        VirtualAlloc, VirtualFree,
    };
    if !caches_can_be_emptied() {
        return;
    }
    quiet(&LIMITED, || {
        let null = std::ptr::null_mut();
        let allocate = |place, size, kind| {
            // SAFETY: fresh pages, or those of the test's own region.
            unsafe { VirtualAlloc(place, size, kind, PAGE_READWRITE) }
        };
        for size in [5000, 64 * KIB, 3 * MIB] {
            for is_reserved in [false, true] {
                keep_idle(size);
                let pages = if is_reserved {
                    let reserved = allocate(null, 14 * MIB, MEM_RESERVE);
                    allocate(reserved, 14 * MIB, MEM_COMMIT)
                } else {
                    allocate(null, 14 * MIB, MEM_RESERVE | MEM_COMMIT)
                };
                assert!(!pages.is_null(), "after blocks of {size} bytes");
                // SAFETY: the test's own region, which nobody uses.
                assert_ne!(unsafe { VirtualFree(pages, 0, MEM_RELEASE) }, 0);
            }
        }
        assert!(allocate(null, 17 * MIB, MEM_RESERVE | MEM_COMMIT).is_null());
        // SAFETY: reads the calling thread's own.
        assert_eq!(unsafe { GetLastError() }, ERROR_COMMITMENT_LIMIT);
    });
}

/// So are sections, and views that have their own copy of one.
#[cfg(unix)]
#[test]
fn what_is_idle_makes_room_for_sections_and_views() {
    use ntheap::win32::{
        CloseHandle, CreateFileMappingW, FILE_MAP_COPY, INVALID_HANDLE_VALUE, MapViewOfFile,
        PAGE_READWRITE, SEC_RESERVE, UnmapViewOfFile,
    };
    if !caches_can_be_emptied() {
        return;
    }
    quiet(&LIMITED, || {
        const SIZE: usize = 14 * MIB;
        let null = std::ptr::null_mut();
        let make = |kind| {
            let (high, name) = (0, std::ptr::null());
            // SAFETY: there is no name.
            unsafe {
                let protect = PAGE_READWRITE | kind;
                CreateFileMappingW(INVALID_HANDLE_VALUE, null, protect, high, SIZE as u32, name)
            }
        };
        for size in [5000, 64 * KIB, 3 * MIB] {
            keep_idle(size);
            let section = make(0);
            assert!(!section.is_null(), "after blocks of {size} bytes");
            // SAFETY: the test's own handle.
            assert_ne!(unsafe { CloseHandle(section) }, 0);
            let section = make(SEC_RESERVE);
            // By its size, and by none for the whole section.
            for bytes in [SIZE, 0] {
                keep_idle(size);
                // SAFETY: a view that nobody uses.
                unsafe {
                    let view = MapViewOfFile(section, FILE_MAP_COPY, 0, 0, bytes);
                    assert!(!view.is_null(), "{bytes} after blocks of {size} bytes");
                    assert_ne!(UnmapViewOfFile(view), 0);
                }
            }
            // SAFETY: the test's own handle.
            assert_ne!(unsafe { CloseHandle(section) }, 0);
        }
    });
}

/// Whoever is refused while another thread has room made finds that room.
#[test]
fn what_is_idle_makes_room_for_several_threads_at_once() {
    const THREADS: usize = 4;
    const SIZE: usize = 600_000;
    quiet(&[], || {
        for round in 0..100 {
            ntheap::vm::set_commit_limit(usize::MAX);
            // SAFETY: no memory is given.
            let make = || unsafe { private::create(&Settings::DEFAULT) }.unwrap();
            let heaps: Vec<Handle> = (0..THREADS).map(|_| make()).collect();
            // Kept, since as much was wanted again.
            for _ in 0..2 {
                let idle = Load::new(Face::Global, 34).exhaust(3 * MIB, 12 * MIB);
                assert!(idle >= 3);
            }
            let barrier = Barrier::new(THREADS);
            ntheap::vm::set_commit_limit(account().total().committed);
            std::thread::scope(|scope| {
                for &heap in &heaps {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        // SAFETY: a live heap.
                        let block = unsafe { private::allocate(heap, 0, SIZE) };
                        assert!(block.is_ok(), "in round {round}");
                    });
                }
            });
            for heap in heaps {
                // SAFETY: nobody uses the heap.
                unsafe { private::destroy(heap) }.unwrap();
            }
        }
    });
}

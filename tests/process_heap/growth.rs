//! How much more than its blocks a process holds while it works: what caches
//! keep is bounded where other sizes need pages. Linux: the figures come from
//! /proc.
#![cfg(target_os = "linux")]

use super::support::*;
use ntheap::stats;
use ntheap::sys::Call;

/// The most that was resident since `before` was.
fn grown_since(before: usize) -> usize {
    status("VmHWM").saturating_sub(before)
}

/// Page faults so far.
fn faults() -> usize {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name, in parentheses, may hold blanks.
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(7).unwrap().parse().unwrap()
}

fn touched(face: Face, size: usize) -> Block {
    let layout = layout(size, 8);
    let start = face.allocate(layout);
    assert!(!start.is_null());
    // SAFETY: a block just allocated.
    unsafe { start.write_bytes(1, size) };
    Block { start, layout }
}

/// Resident bytes that are no file's: a debug build's code is read in as it is used.
fn without_files() -> usize {
    status("RssAnon")
}

fn sizes_one_after_another_share_pages(face: Face) {
    const ALIVE: usize = 100;
    let before = without_files();
    let mut blocks = Vec::with_capacity(ALIVE);
    for _ in 0..20 {
        for size in (16..=1024).step_by(16) {
            for _ in 0..4 {
                blocks.extend((0..ALIVE).map(|_| touched(face, size)));
                for block in blocks.drain(..) {
                    face.free(block.start, block.layout);
                }
            }
        }
    }
    let grown = without_files().saturating_sub(before);
    figure(&format!(
        "100 blocks of one size after the other, to 1 KiB, {face:?}: {} resident",
        mib(grown)
    ));
    // All sizes' blocks are 3.3 MB together, those of one at most 100 KB.
    assert!(grown < 3 * MIB, "{}", mib(grown));
}

each_face!(sizes_one_after_another_share_pages: plain = Plain, checked = Checked);

/// Of sizes that take turns no magazine becomes large, however many blocks come and go.
fn sizes_that_take_turns_keep_little(face: Face) {
    const SIZES: usize = 65;
    let size_at = |at: usize| match at {
        ..=48 => 256 + at * 16,
        _ => 1024 + (at - 48) * 64,
    };
    let mut blocks = Vec::new();
    // 64 KiB of each size, which two magazines of 32 KiB would hold.
    for turn in 0..256 {
        for at in 0..SIZES {
            let size = size_at(at);
            if turn < 64 * KIB / size {
                blocks.push(touched(face, size));
            }
        }
    }
    let bytes: usize = blocks.iter().map(|block| block.layout.size()).sum();
    for block in blocks {
        face.free(block.start, block.layout);
    }
    let cached = |bucket: &ntheap::BucketStats| bucket.cached as usize * bucket.size;
    let kept: usize = ntheap::stats().buckets.iter().map(cached).sum();
    figure(&format!(
        "{} of 65 sizes in turn, freed in turn, {face:?}: {} in caches",
        mib(bytes),
        mib(kept)
    ));
    // Two magazines of each size and, in depots, a MiB in all.
    assert!(bytes > 4 * MIB && kept < 3 * MIB, "{}", mib(kept));
}

each_face!(sizes_that_take_turns_keep_little: plain = Plain, checked = Checked);

/// Pushes to an array until it has `size` bytes, twice as much at a time.
fn grown(face: Face, size: usize) -> Block {
    let mut block = touched(face, 512 * KIB);
    while block.layout.size() < size {
        let old = block.layout.size();
        block.start = face.reallocate(block.start, block.layout, 2 * old);
        assert!(!block.start.is_null());
        block.layout = layout(2 * old, 8);
        // SAFETY: the second half of the caller's block.
        unsafe { block.start.add(old).write_bytes(1, old) };
    }
    block
}

/// An array that is built and dropped again and again finds its pages, and those that
/// take more than they fill do not go on taking.
fn arrays_grow_into_what_others_left(face: Face) {
    const SIZE: usize = 16 * MIB;
    for _ in 0..3 {
        let array = grown(face, SIZE);
        face.free(array.start, array.layout);
    }
    let (before, advised) = (faults(), stats().os_calls.get(Call::Advise));
    for _ in 0..10 {
        let array = grown(face, SIZE);
        face.free(array.start, array.layout);
    }
    let (again, asked) = (
        faults() - before,
        stats().os_calls.get(Call::Advise) - advised,
    );
    // Arrays that stay at 2 MiB, each where one of 16 MiB may have been.
    let start = resident();
    let stay: Vec<Block> = (0..20)
        .map(|_| {
            let other = grown(face, SIZE);
            face.free(other.start, other.layout);
            grown(face, 2 * MIB)
        })
        .collect();
    let held = resident().saturating_sub(start);
    figure(&format!(
        "16 MiB grown and freed ten times, {face:?}: {again} page faults; 20 arrays of 2 MiB \
         beside one of 16: {} held",
        mib(held)
    ));
    for block in stay {
        face.free(block.start, block.layout);
    }
    // In pages of 4 KiB each round takes 4,096, in huge ones 8.
    assert_eq!(asked, 0, "regions made anew");
    assert!(again < 400, "{again} page faults");
    assert!(held < (40 + 16 + 34) * MIB, "{}", mib(held));
}

each_face!(arrays_grow_into_what_others_left: plain = Plain, checked = Checked);

/// An array that has just outgrown the classes will be filled: a page fault for each
/// page would cost more than all else. What is allocated at once may stay empty.
fn an_array_that_outgrows_the_classes_asks_for_huge_pages(face: Face) {
    let advised = || stats().os_calls.get(Call::Advise);
    let (before, once) = (advised(), touched(face, 2 * MIB));
    assert_eq!(advised(), before, "2 MiB at once");
    let array = touched(face, MIB);
    let start = face.reallocate(array.start, array.layout, 2 * MIB);
    // SAFETY: the block holds what the smaller one did.
    let kept = unsafe { core::slice::from_raw_parts(start, MIB) };
    assert!(kept.iter().all(|&byte| byte == 1));
    assert_eq!(advised(), before + 1, "2 MiB grown");
    face.free(start, layout(2 * MIB, 8));
    face.free(once.start, once.layout);
}

each_face!(an_array_that_outgrows_the_classes_asks_for_huge_pages:
    plain = Plain, checked = Checked);

/// The rest of a region in small pages costs more than all its huge ones; a block is
/// never given more than a quarter for it.
fn large_blocks_end_with_a_huge_page(face: Face) {
    let given = |size: usize| {
        let before = stats().large_bytes;
        let block = touched(face, size);
        let given = stats().large_bytes - before;
        face.free(block.start, block.layout);
        given
    };
    // To 6 MiB a third would be wasted. Smallest first, as kept regions are left larger.
    let small = 4 * MIB + 512 * KIB;
    assert_eq!(given(small), small);
    assert_eq!(given(5 * MIB), 6 * MIB);
    assert_eq!(given(8 * MIB + 512 * KIB), 10 * MIB);
}

each_face!(large_blocks_end_with_a_huge_page: plain = Plain, checked = Checked);

/// What one thread has freed of many sizes is for others to use: it does not stay in depots,
/// however large the heap is.
fn depots_of_one_thread_are_small(face: Face) {
    const SIZES: usize = 8;
    let blocks: Vec<Vec<Block>> = (1..=SIZES)
        .map(|nth| {
            (0..8 * MIB / (64 * nth))
                .map(|_| touched(face, 64 * nth))
                .collect()
        })
        .collect();
    for block in blocks
        .iter()
        .flat_map(|of_size| of_size.iter().skip(1).step_by(2))
    {
        face.free(block.start, block.layout);
    }
    let cached = |bucket: &ntheap::BucketStats| bucket.cached as usize * bucket.size;
    let kept: usize = stats().buckets.iter().map(cached).sum();
    figure(&format!(
        "half of 64 MiB of eight sizes freed, {face:?}: {} in caches",
        mib(kept)
    ));
    // In magazines two times 32 KiB of each size, and a MiB in depots.
    assert!(kept < MIB + SIZES * 64 * KIB + 64 * KIB, "{}", mib(kept));
    for block in blocks.iter().flat_map(|of_size| of_size.iter().step_by(2)) {
        face.free(block.start, block.layout);
    }
}

each_face!(depots_of_one_thread_are_small: plain = Plain, checked = Checked);

fn page_runs_share_pages(face: Face) {
    let mut random = Random::new(41);
    let mut alive: Vec<Block> = Vec::with_capacity(4);
    let before = resident();
    for _ in 0..2000 {
        if alive.len() == 4 {
            let block = alive.swap_remove(random.below(4));
            face.free(block.start, block.layout);
        }
        alive.push(touched(face, random.log_uniform(64 * KIB, 512 * KIB)));
    }
    let grown = grown_since(before);
    for block in alive {
        face.free(block.start, block.layout);
    }
    figure(&format!(
        "4 blocks of 64 to 512 KiB in turn, {face:?}: {} resident",
        mib(grown)
    ));
    assert!(grown < 4 * MIB, "{}", mib(grown));
}

each_face!(page_runs_share_pages: plain = Plain, checked = Checked);

/// Arrays that outgrow the classes find the region that the one before had,
/// whole.
fn arrays_that_grow_use_their_pages_again(face: Face) {
    let cycle = || {
        let mut block = touched(face, 16);
        while block.layout.size() < 2 * MIB {
            let old = block.layout.size();
            let size = (old + old / 2 + 15) & !7;
            let start = face.reallocate(block.start, block.layout, size);
            assert!(!start.is_null());
            // SAFETY: the block is `size` bytes long now.
            unsafe {
                assert_eq!((start.read(), start.add(old - 1).read()), (1, 1));
                start.add(old).write_bytes(1, size - old);
            }
            block = Block {
                start,
                layout: layout(size, 8),
            };
        }
        face.free(block.start, block.layout);
    };
    (0..10).for_each(|_| cycle());
    let before = faults();
    (0..20).for_each(|_| cycle());
    let taken = faults() - before;
    figure(&format!(
        "20 arrays grown to 2 MiB, {face:?}: {taken} page faults"
    ));
    // One array has 600 pages.
    assert!(taken < 20 * 100, "{taken} page faults");
}

each_face!(arrays_that_grow_use_their_pages_again: plain = Plain, checked = Checked);

/// One that has grown into a region larger than it needs gives the rest back
/// when it shrinks.
fn arrays_that_shrink_give_back(face: Face) {
    for size in [3 * MIB, 6 * MIB] {
        let block = touched(face, size);
        face.free(block.start, block.layout);
    }
    let block = touched(face, MIB);
    let mut now = block.layout;
    let mut start = block.start;
    for size in [3 * MIB / 2, 2 * MIB, 5 * MIB / 4] {
        start = face.reallocate(start, now, size);
        assert!(!start.is_null());
        now = layout(size, 8);
    }
    let usable = ntheap::stats().large_bytes as usize;
    assert!(
        (now.size()..=now.size() * 9 / 8 + 4096).contains(&usable),
        "{usable}"
    );
    face.free(start, now);
}

each_face!(arrays_that_shrink_give_back: plain = Plain, checked = Checked);

/// Large blocks in turn take kept regions as they are while all that lies beyond what
/// was asked for is an eighth of the whole.
fn large_blocks_in_turn_have_little_beyond(face: Face) {
    const ALIVE: usize = 8;
    let mut random = Random::new(5);
    let mut alive: Vec<Block> = Vec::with_capacity(ALIVE);
    let (mut most_asked, mut most_beyond) = (0, 0);
    let before = ntheap::stats().large_bytes;
    for _ in 0..400 {
        if alive.len() == ALIVE {
            let block = alive.swap_remove(random.below(ALIVE));
            face.free(block.start, block.layout);
        }
        let layout = layout(5 * MIB + random.below(20 * MIB), 8);
        let start = face.allocate(layout);
        assert!(!start.is_null());
        alive.push(Block { start, layout });
        let asked: usize = alive.iter().map(|block| block.layout.size()).sum();
        let usable = ntheap::stats().large_bytes - before;
        most_asked = most_asked.max(asked);
        most_beyond = most_beyond.max(usable.saturating_sub(asked));
    }
    for block in alive {
        face.free(block.start, block.layout);
    }
    figure(&format!(
        "8 blocks of 5 to 25 MiB in turn, {face:?}: at most {} asked for and {} beyond it",
        mib(most_asked),
        mib(most_beyond)
    ));
    // Beside the eighth, 16 MiB at most, a region may be a quarter larger than its block.
    let bound = (most_asked / 8).min(16 * MIB) + most_asked / 4;
    assert!(most_beyond < bound, "{}", mib(most_beyond));
}

each_face!(large_blocks_in_turn_have_little_beyond: plain = Plain, checked = Checked);

/// A block that grows leaves one of each size on its way: what its thread keeps of them is
/// little, the smallest, and the last one is kept, however large.
fn a_block_that_grows_leaves_few_on_its_way(face: Face) {
    let kept = |above: usize| -> u64 {
        let buckets = stats().buckets;
        let runs = buckets.iter().filter(|bucket| bucket.size > above);
        runs.map(|bucket| bucket.cached * bucket.size as u64).sum()
    };
    for most in [256 * KIB, MIB] {
        let mut block = touched(face, 20 * KIB);
        while block.layout.size() < most {
            let next = touched(face, block.layout.size() + 4 * KIB);
            face.free(block.start, block.layout);
            block = next;
        }
        let last = block.start;
        face.free(block.start, block.layout);
        let kept = kept(16 * KIB);
        // Small ones that have fences stay; others may have made room for a larger one.
        let small = if face == Face::Checked { 64 * KIB } else { 0 };
        let least = most + small;
        let bound = (512 * KIB).max(most + 128 * KIB);
        assert!(
            (least as u64..=bound as u64).contains(&kept),
            "{kept} bytes kept on the way to {most}"
        );
        let again = touched(face, most);
        assert_eq!(again.start, last);
        face.free(again.start, again.layout);
    }
}

each_face!(a_block_that_grows_leaves_few_on_its_way: plain = Plain, checked = Checked);

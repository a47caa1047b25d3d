//! Memory that is freed and used again: what shrinking leaves, what swinging
//! costs, and that blocks in reused memory are whole, apart and zero where they
//! must be.

use super::support::*;
use ntheap::{Config, NtHeap, stats};
use std::alloc::{GlobalAlloc, Layout};

/// A block that is filled with a byte of its own.
fn filled(face: Face, layout: Layout, byte: u8) -> *mut u8 {
    let start = face.allocate(layout);
    assert!(!start.is_null());
    // SAFETY: a block just allocated.
    unsafe { start.write_bytes(byte, layout.size()) };
    start
}

/// Asserts that a held block of `size` bytes holds that byte alone.
fn assert_filled(start: *mut u8, size: usize, byte: u8) {
    // SAFETY: the callers hold the block, and filled all of it.
    let bytes = unsafe { std::slice::from_raw_parts(start, size) };
    assert!(bytes.iter().all(|&at| at == byte), "{start:p} was written");
}

/// What many small blocks leave when all but a few are freed in any order.
#[cfg(target_os = "linux")]
mod sparse {
    use super::*;
    use std::sync::mpsc;

    const TOTAL: usize = 100 * MIB;
    const SIZE: usize = 64;
    /// One block in so many is kept.
    const EVERY: usize = 1200;
    /// Each block kept holds on to a page, and what is in use halves a last
    /// time somewhat before the last block is freed.
    const MOST_LEFT: usize = 40 * MIB;
    /// Nothing but those pages and the heap's records.
    const MOST_PURGED: usize = 20 * MIB;

    fn byte(number: usize) -> u8 {
        (number % 251) as u8 + 1
    }

    /// Fills the heap; the blocks to keep, those to free, and what the heap
    /// occupies when full.
    fn build(face: Face, shuffled: bool) -> (Vec<Block>, Vec<Block>, usize) {
        let layout = layout(SIZE, 8);
        let (mut kept, mut freed) = (Vec::new(), Vec::with_capacity(TOTAL / SIZE));
        for number in 0..TOTAL / SIZE {
            let start = filled(face, layout, byte(number / EVERY));
            if number % EVERY == 0 {
                kept.push(Block { start, layout });
            } else {
                freed.push(Block { start, layout });
            }
        }
        if shuffled {
            Random::new(31).shuffle(&mut freed);
        }
        let own = freed.len() * size_of::<Block>();
        (kept, freed, resident() - own)
    }

    fn assert_kept(kept: &[Block]) {
        for (number, block) in kept.iter().enumerate() {
            assert_filled(block.start, SIZE, byte(number));
        }
    }

    /// What is left has its bounds, and the holes are as good as fresh memory.
    fn assert_thinned(what: &str, face: Face, kept: &[Block], (full, left): (usize, usize)) {
        assert_kept(kept);
        let layout = layout(SIZE, 8);
        let reuse = || {
            let reused: Vec<*mut u8> = (0..100_000).map(|_| filled(face, layout, 0xfe)).collect();
            assert_kept(kept);
            for start in reused {
                assert_filled(start, SIZE, 0xfe);
                face.free(start, layout);
            }
        };
        reuse();
        face.purge();
        let purged = resident();
        assert_kept(kept);
        reuse();
        assert_eq!(stats().allocated, kept.len() * SIZE);
        figure(&format!(
            "100 MiB but for one block of 64 bytes in 1,200 freed {what}, {face:?}: {} resident \
             when full, {} left, {} after a purge",
            mib(full),
            mib(left),
            mib(purged)
        ));
        assert!(full >= TOTAL, "the blocks were not touched");
        assert!(left < MOST_LEFT, "{} stay", mib(left));
        assert!(purged < MOST_PURGED, "{} stay after a purge", mib(purged));
        assert!(purged < left, "a purge gave nothing back");
    }

    fn a_few_blocks_hold_on_to_little(face: Face) {
        let (kept, freed, full) = build(face, true);
        for Block { start, layout } in &freed {
            face.free(*start, *layout);
        }
        drop(freed);
        let left = resident();
        assert_thinned("in any order", face, &kept, (full, left));
    }

    fn freed_in_order_they_hold_on_to_little(face: Face) {
        let (kept, freed, full) = build(face, false);
        for Block { start, layout } in &freed {
            face.free(*start, *layout);
        }
        drop(freed);
        let left = resident();
        assert_thinned("in order", face, &kept, (full, left));
    }

    each_face!(a_few_blocks_hold_on_to_little: plain = Plain, checked = Checked);
    each_face!(freed_in_order_they_hold_on_to_little: plain = Plain, checked = Checked);

    /// Bytes of the mappings in which the system was asked for huge pages.
    fn advised() -> usize {
        let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let (mut size, mut sum) = (0, 0);
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("Size:") => size = words.next().unwrap().parse().unwrap(),
                Some("VmFlags:") if words.any(|flag| flag == "hg") => sum += size * KIB,
                _ => {}
            }
        }
        sum
    }

    /// The system makes huge pages of nearly empty ranges, seconds or minutes
    /// later, where it was asked for them: what was given back would be there
    /// again.
    fn what_was_thinned_out_asks_for_no_huge_pages(face: Face) {
        let (kept, freed, _) = build(face, true);
        let full = advised();
        for Block { start, layout } in freed {
            face.free(start, layout);
        }
        let thinned = advised();
        // A little is used again, and a purge made.
        for _ in 0..10_000 {
            filled(face, layout(1000, 8), 1);
        }
        face.purge();
        let reused = advised();
        figure(&format!(
            "100 MiB of blocks, {face:?}: {} may become huge pages; {} when all but a few are \
             freed, {} when 10 MiB are used again",
            mib(full),
            mib(thinned),
            mib(reused)
        ));
        assert_kept(&kept);
        assert_eq!((thinned, reused), (0, 0));
    }

    each_face!(what_was_thinned_out_asks_for_no_huge_pages: plain = Plain, checked = Checked);

    fn threads_that_free_at_once_thin_out_as_one_does(face: Face) {
        const THREADS: usize = 6;
        let (kept, freed, full) = build(face, true);
        // Lists of their own mappings, all made before the first is freed: the
        // system's allocator would keep some of them otherwise.
        let share = freed.len().div_ceil(THREADS);
        let shares: Vec<Vec<Block>> = freed.chunks(share).map(<[_]>::to_vec).collect();
        drop(freed);
        let (done, all_done) = mpsc::channel();
        let left = std::thread::scope(|scope| {
            // Closed when the figure is taken, or if something panics.
            let mut sleepers = Vec::new();
            for share in shares {
                let (wake, sleep) = mpsc::channel::<()>();
                sleepers.push(wake);
                let done = done.clone();
                scope.spawn(move || {
                    for Block { start, layout } in share {
                        face.free(start, layout);
                    }
                    done.send(()).unwrap();
                    drop(done);
                    // Asleep, with what is in the cache.
                    let _ = sleep.recv();
                });
            }
            drop(done);
            assert_eq!(all_done.iter().take(THREADS).count(), THREADS);
            resident()
        });
        assert_thinned("by six threads at once", face, &kept, (full, left));
    }

    each_face!(threads_that_free_at_once_thin_out_as_one_does: plain = Plain, checked = Checked);
}

/// What a program that swings between some memory and none pays for it.
#[cfg(target_os = "linux")]
mod swings {
    use super::*;

    const SIZE: usize = 32 * KIB;
    const SWING: usize = 14 * MIB;
    /// Beyond what is kept for swings.
    const WIDE: usize = 60 * MIB;
    const MOST_KEPT: usize = 16 * MIB;
    /// What may be left of a heap that was given up, the test program's own
    /// memory included.
    const LITTLE: usize = 12 * MIB;

    /// Page faults of this process so far that needed no reading.
    fn faults() -> i64 {
        // SAFETY: the structure is plain numbers, and the system fills it.
        unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &raw mut usage), 0);
            usage.ru_minflt
        }
    }

    /// Allocates, touches and frees `total` bytes.
    fn swing(face: Face, total: usize) {
        let layout = layout(SIZE, 8);
        let blocks: Vec<*mut u8> = (0..total / SIZE).map(|_| filled(face, layout, 3)).collect();
        for start in blocks {
            face.free(start, layout);
        }
    }

    fn what_is_used_again_is_kept(face: Face) {
        let cycles: Vec<i64> = (0..10)
            .map(|_| {
                let before = faults();
                swing(face, SWING);
                faults() - before
            })
            .collect();
        let idle = resident();
        for _ in 0..10 {
            swing(face, WIDE);
        }
        let wide = resident();
        let (first, last): (i64, i64) = (cycles[..2].iter().sum(), cycles[5..].iter().sum());
        swing(face, 400 * MIB);
        let left = resident();
        figure(&format!(
            "14 MiB used and freed ten times, {face:?}: {first} page faults in the first two, \
             {last} in the last five; {} resident, {} after ten times 60 MiB, {} when 400 MiB \
             were used and freed",
            mib(idle),
            mib(wide),
            mib(left)
        ));
        assert!(first >= (SWING / ntheap::sys::page_size()) as i64);
        assert!(last < first / 10, "page faults of each swing: {cycles:?}");
        assert!(idle < SWING + LITTLE, "{} stay of a swing", mib(idle));
        assert!(
            wide < MOST_KEPT + LITTLE,
            "{} stay of wide swings",
            mib(wide)
        );
        assert!(left < LITTLE, "{} stay of a larger heap", mib(left));
    }

    each_face!(what_is_used_again_is_kept: plain = Plain, checked = Checked);

    /// A heap that stays small is kept as a whole, until it has grown and shrunk.
    fn a_small_heap_is_kept_as_a_whole(face: Face) {
        const SMALL: usize = 24 * MIB;
        let cycles: Vec<i64> = (0..10)
            .map(|_| {
                let before = faults();
                swing(face, SMALL);
                faults() - before
            })
            .collect();
        let idle = resident();
        swing(face, 400 * MIB);
        let left = resident();
        let (first, last): (i64, i64) = (cycles[..2].iter().sum(), cycles[5..].iter().sum());
        figure(&format!(
            "24 MiB used and freed ten times, {face:?}: {first} page faults in the first two, \
             {last} in the last five; {} resident, {} when 400 MiB were used and freed",
            mib(idle),
            mib(left)
        ));
        assert!(first >= (SMALL / ntheap::sys::page_size()) as i64);
        assert!(last < first / 10, "page faults of each swing: {cycles:?}");
        assert!(idle < SMALL + LITTLE, "{} stay of a swing", mib(idle));
        assert!(left < LITTLE, "{} stay of a larger heap", mib(left));
    }

    each_face!(a_small_heap_is_kept_as_a_whole: plain = Plain, checked = Checked);
}

/// A large block, each page marked as its own.
struct Marked {
    block: Block,
    mark: u64,
}

impl Marked {
    fn new(block: Block, mark: u64) -> Marked {
        let marked = Marked { block, mark };
        for (place, value) in marked.marks() {
            // SAFETY: a block just allocated, of whole words.
            unsafe { place.write(value) };
        }
        marked
    }

    /// What is to be in each page, and in the last word.
    fn marks(&self) -> impl Iterator<Item = (*mut u64, u64)> {
        let Block { start, layout } = self.block;
        let mark = self.mark << 32;
        let last = layout.size() - size_of::<u64>();
        (0..last)
            .step_by(4096)
            .chain([last])
            .map(move |at| (start.wrapping_add(at).cast(), mark | at as u64))
    }

    fn assert_whole(&self) {
        for (place, value) in self.marks() {
            // SAFETY: the block is held, and this word was written.
            assert_eq!(unsafe { place.read() }, value, "{:p} was written", place);
        }
    }
}

/// Bytes of the region of a large block at most: in whole pages, or huge ones if
/// that wastes no more than an eighth; and a quarter larger if it was kept.
fn at_most(size: usize) -> usize {
    let pages = size.next_multiple_of(ntheap::sys::page_size());
    let whole = pages.next_multiple_of(2 * MIB);
    let is_huge = size >= 4 * MIB && whole - pages <= pages / 8;
    let bytes = if is_huge { whole } else { pages };
    bytes + bytes / 4
}

fn large_blocks_in_turn_are_whole_and_not_much_larger(face: Face) {
    let mut random = Random::new(33);
    let mut alive: Vec<Marked> = Vec::new();
    let (mut bytes, mut peak) = (0, 0);
    #[cfg(target_os = "linux")]
    let before = resident();
    for mark in 0..1000 {
        if alive.len() == 8 {
            let marked = alive.swap_remove(random.below(8));
            marked.assert_whole();
            bytes -= marked.block.layout.size();
            face.free(marked.block.start, marked.block.layout);
        }
        let size = (1100 * KIB + random.below(5 * MIB - 76 * KIB)) & !7;
        let layout = layout(size, 8);
        let start = face.allocate(layout);
        assert!(!start.is_null());
        let place = start.addr()..start.addr() + size;
        for Marked { block, .. } in &alive {
            let other = block.start.addr()..block.start.addr() + block.layout.size();
            let apart = place.end <= other.start || other.end <= place.start;
            assert!(apart, "{place:x?} and {other:x?}");
        }
        alive.push(Marked::new(Block { start, layout }, mark));
        bytes += size;
        let most: usize = alive
            .iter()
            .map(|marked| at_most(marked.block.layout.size()))
            .sum();
        let usable = stats().large_bytes;
        peak = peak.max(bytes);
        // What was in use before may be left to blocks that ask for less, and some have up
        // to a quarter too much whatever that was.
        assert!(
            (bytes..=most.max((peak + peak / 8).min(most + 16 * MIB))).contains(&usable),
            "{usable} bytes for {bytes}, {peak} before"
        );
    }
    assert_eq!(stats().large_blocks, alive.len());
    for marked in &alive {
        marked.assert_whole();
        face.free(marked.block.start, marked.block.layout);
    }
    assert_eq!((stats().allocated, stats().large_blocks), (0, 0));
    #[cfg(target_os = "linux")]
    {
        let grown = status("VmHWM") - before;
        figure(&format!(
            "1,000 large blocks in turn, 8 alive, {face:?}: {} requested at most, {} resident",
            mib(peak),
            mib(grown)
        ));
        assert!(grown <= peak + peak / 2, "{} for {}", mib(grown), mib(peak));
    }
}

each_face!(large_blocks_in_turn_are_whole_and_not_much_larger:
    plain = Plain, checked = Checked);

/// A region that is there already is taken again by a smaller block: together they hold
/// what the largest one needs.
#[cfg(target_os = "linux")]
fn large_blocks_one_at_a_time_hold_what_the_largest_needs(face: Face) {
    let mut random = Random::new(15);
    let before = resident();
    let mut largest = 0;
    for mark in 0..60 {
        let size = (5 * MIB + random.below(20 * MIB)) & !7;
        let layout = layout(size, 8);
        let marked = Marked::new(
            Block {
                start: face.allocate(layout),
                layout,
            },
            mark,
        );
        marked.assert_whole();
        face.free(marked.block.start, layout);
        largest = largest.max(size);
    }
    let grown = status("VmHWM") - before;
    figure(&format!(
        "60 blocks of 5 to 25 MiB one after the other, {face:?}: {} the largest, {} resident",
        mib(largest),
        mib(grown)
    ));
    assert!(
        grown <= largest + largest / 8,
        "{} for {}",
        mib(grown),
        mib(largest)
    );
}

#[cfg(target_os = "linux")]
each_face!(large_blocks_one_at_a_time_hold_what_the_largest_needs:
    plain = Plain, checked = Checked);

/// Whatever pages a block is made of, purged ones, dirty ones, or a kept
/// region made larger or smaller.
fn zeroed_blocks_are_zero_after_dirty_ones(face: Face) {
    let zeros = vec![0u8; 7 * MIB];
    let mut random = Random::new(34);
    let mut size = |round: usize| match round % 3 {
        0 => MIB + 1 + random.below(6 * MIB),
        _ => random.log_uniform(64 * KIB, MIB),
    };
    let mut checked = 0;
    for cycle in 0..12 {
        let dirty: Vec<Block> = (0..30)
            .map(|round| {
                let layout = layout(size(round), 8);
                let start = filled(face, layout, 0xa5);
                Block { start, layout }
            })
            .collect();
        // Some stay until the zeroed ones lie among them.
        let (freed, held) = dirty.split_at(if cycle % 2 == 0 { 30 } else { 20 });
        for block in freed {
            face.free(block.start, block.layout);
        }
        if cycle == 5 {
            face.purge();
        }
        let zeroed: Vec<Block> = (0..30)
            .map(|round| {
                let layout = layout(size(round), 8);
                let start = face.allocate_zeroed(layout);
                assert!(!start.is_null());
                // SAFETY: a block just allocated; zeroed, so all of it is
                // initialised.
                let bytes = unsafe { std::slice::from_raw_parts(start, layout.size()) };
                assert!(bytes == &zeros[..bytes.len()], "{layout:?} is not zero");
                checked += bytes.len();
                // SAFETY: as above, and nobody else's.
                unsafe { start.write_bytes(0x5a, layout.size()) };
                Block { start, layout }
            })
            .collect();
        for block in zeroed.iter().chain(held) {
            face.free(block.start, block.layout);
        }
    }
    figure(&format!(
        "{} of zeroed blocks in used memory, {face:?}: all zero",
        mib(checked)
    ));
}

each_face!(zeroed_blocks_are_zero_after_dirty_ones:
    plain = Plain, checked = Checked, global = Global);

/// Huge pages that this process has.
#[cfg(target_os = "linux")]
fn huge_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find(|line| line.starts_with("AnonHugePages:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes.map_or(0, |text| text.parse::<usize>().unwrap()) * KIB
}

/// A heap that has shrunk asks for none; one that has grown again does.
#[cfg(target_os = "linux")]
fn huge_pages_come_back(face: Face) {
    const TOTAL: usize = 256 * MIB;
    const SIZE: usize = 2048;
    let name = "huge_pages_come_back";
    let policy = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    let policy = policy.unwrap_or_default();
    if !policy.contains("[madvise]") && !policy.contains("[always]") {
        figure(&format!("{name}, {face:?}: skipped, the system has none"));
        return;
    }
    let layout = layout(SIZE, 8);
    let build = || {
        let blocks: Vec<*mut u8> = (0..TOTAL / SIZE).map(|_| filled(face, layout, 1)).collect();
        let huge = huge_bytes();
        let mut kept = Vec::new();
        for (number, start) in blocks.into_iter().enumerate() {
            if number % 4096 == 0 {
                kept.push(start);
            } else {
                face.free(start, layout);
            }
        }
        (huge, kept)
    };
    // A few blocks stay, so that it is the same pages that are used again.
    let (first, mut kept) = build();
    let left = resident();
    let (second, others) = build();
    kept.extend(others);
    for start in kept {
        assert_filled(start, SIZE, 1);
        face.free(start, layout);
    }
    figure(&format!(
        "256 MiB built twice, {face:?}: {} in huge pages, {} left when dropped, then {}",
        mib(first),
        mib(left),
        mib(second)
    ));
    assert!(stats().os_calls.get(ntheap::sys::Call::Advise) > 0);
    if first == 0 {
        figure(&format!("{name}, {face:?}: skipped, the system gave none"));
        return;
    }
    assert!(left < 12 * MIB, "{} stay", mib(left));
    let few = second < first / 3;
    assert!(!few, "{} of huge pages in a heap grown again", mib(second));
}

#[cfg(target_os = "linux")]
each_face!(huge_pages_come_back: plain = Plain, checked = Checked);

/// Caches of threads that have ended are nobody's, and hide nothing.
fn caches_of_ended_threads_count_for_nobody(face: Face) {
    /// Allocates and frees blocks of mixed sizes; returns one that stays.
    fn work(face: Face, seed: u64) -> Block {
        let mut random = Random::new(seed);
        let mut blocks: Vec<Block> = (0..200)
            .map(|_| {
                let layout = layout(random.log_uniform(1, 64 * KIB), 8);
                let start = filled(face, layout, seed as u8);
                Block { start, layout }
            })
            .collect();
        let kept = blocks.swap_remove(random.below(200));
        for Block { start, layout } in blocks {
            face.free(start, layout);
        }
        kept
    }
    fn usable(blocks: &[Block]) -> usize {
        let size_of = |block: &Block| {
            let class = ntheap::heap::classes::class_for(block.layout.size(), 8);
            ntheap::heap::classes::size_of(class.unwrap())
        };
        blocks.iter().map(size_of).sum()
    }
    let cached = || -> u64 { stats().buckets.iter().map(|bucket| bucket.cached).sum() };
    let mut kept = vec![work(face, 0)];
    for number in 1..=50 {
        let thread = std::thread::spawn(move || {
            let block = work(face, number);
            assert_eq!(stats().threads, 2);
            block
        });
        kept.push(thread.join().unwrap());
        assert_eq!(stats().threads, 1, "thread {number} has ended");
        assert_eq!(stats().allocated, usable(&kept));
    }
    // More at once than caches are kept.
    let threads: Vec<_> = (51..=60)
        .map(|number| std::thread::spawn(move || work(face, number)))
        .collect();
    kept.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
    let after = stats();
    assert_eq!((after.threads, after.allocated), (1, usable(&kept)));
    let before = cached();
    assert!(before > 0, "no cache was kept");
    face.purge();
    for bucket in &stats().buckets {
        assert_eq!(bucket.cached, 0, "blocks of {} bytes", bucket.size);
    }
    figure(&format!(
        "60 threads that ended, {face:?}: {before} blocks in caches, none after a purge"
    ));
    assert_eq!(stats().allocated, usable(&kept));
    for (number, Block { start, layout }) in kept.into_iter().enumerate() {
        assert_filled(start, layout.size(), number as u8);
        face.free(start, layout);
    }
    assert_eq!(stats().allocated, 0);
}

each_face!(caches_of_ended_threads_count_for_nobody:
    plain = Plain, checked = Checked, global = Global);

/// Threads that end leave the next one up to four MiB of blocks, whichever of their caches
/// have them, and no more.
fn caches_of_ended_threads_keep_four_mib_together(face: Face) {
    const MOST: u64 = 4 * MIB as u64;
    let cached = || -> u64 {
        let buckets = stats().buckets;
        let bytes = buckets
            .iter()
            .map(|bucket| bucket.cached * bucket.size as u64);
        bytes.sum()
    };
    /// Blocks of a hundred sizes allocated and freed, often enough for magazines to grow.
    fn work(face: Face) {
        for turn in 0..100 * 4 {
            let layout = layout(80 + turn / 4 * 40, 8);
            let blocks: Vec<usize> = (0..56)
                .map(|_| filled(face, layout, 1).expose_provenance())
                .collect();
            for start in blocks {
                face.free(std::ptr::with_exposed_provenance_mut(start), layout);
            }
        }
    }
    // Where one thread is alone, its idle classes go back while it works.
    let one = layout(16, 8);
    face.free(filled(face, one, 1), one);
    let during = std::thread::spawn(move || {
        work(face);
        cached()
    });
    let during = during.join().unwrap();
    let after = cached();
    assert!((MIB as u64 * 5 / 4..MOST).contains(&during), "{during}");
    assert_eq!(after, during, "a cache of less than four MiB was drained");
    assert!(
        4 * during > 2 * MOST + MIB as u64,
        "four caches kept whole would be seen"
    );
    let barrier = std::sync::Arc::new(std::sync::Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let barrier = std::sync::Arc::clone(&barrier);
            std::thread::spawn(move || {
                work(face);
                barrier.wait();
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    // Depots hold a MiB besides, or a quarter of what was active.
    let left = cached();
    assert!(left > MOST / 4 && left <= 2 * MOST, "{left}");
    face.purge();
    assert!(cached() < left / 4, "{} stay", cached());
    figure(&format!(
        "caches of ended threads, {face:?}: {during} bytes of one, {left} of eight"
    ));
}

each_face!(caches_of_ended_threads_keep_four_mib_together: plain = Plain, checked = Checked);

/// Blocks of every route, forty of a size, twice.
fn use_every_route(heap: &NtHeap) {
    for size in [1, 16, 500, 16 * KIB, 20_000, 100_000, 500_000, MIB, 3 * MIB] {
        let layout = layout(size, 8);
        for round in 0..2u8 {
            let blocks: Vec<*mut u8> = (0..40)
                .map(|number| {
                    // SAFETY: the size is not 0; the block is written within.
                    unsafe {
                        let start = heap.alloc(layout);
                        assert!(!start.is_null());
                        start.write_bytes(number + round, size.min(4096));
                        start
                    }
                })
                .collect();
            for (start, number) in blocks.into_iter().zip(0u8..) {
                assert_filled(start, size.min(4096), number + round);
                // SAFETY: a block of this layout, used no more.
                unsafe { heap.dealloc(start, layout) };
            }
        }
    }
    assert_eq!(stats().allocated, 0);
}

/// Asserts that a class keeps from `least` to `most` page runs; of smaller
/// blocks two magazines and a depot.
fn assert_caches(least: u64, most: u64) {
    for bucket in stats().buckets.iter().filter(|bucket| bucket.blocks > 0) {
        if bucket.size > 16 * KIB {
            assert!((least..=most).contains(&bucket.cached), "{bucket:?}");
        } else {
            let depot = (MIB / bucket.size) as u64;
            assert!(bucket.cached <= depot + 2 * most.max(2), "{bucket:?}");
        }
    }
}

#[test]
fn caches_of_any_size_work() {
    static HEAP: NtHeap = NtHeap::with_config(Config::new().with_cache_bytes(usize::MAX));
    isolated(|| {
        use_every_route(&HEAP);
        // Unbounded in bytes; a magazine has room for 62.
        assert_caches(40, 62);
    });
}

#[test]
fn caches_of_no_size_work() {
    static HEAP: NtHeap = NtHeap::with_config(Config::new().with_cache_bytes(0));
    isolated(|| {
        use_every_route(&HEAP);
        assert_caches(0, 1);
    });
}

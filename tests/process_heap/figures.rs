//! The figures: exact, and those of the system.

use super::support::*;
use ntheap::heap::{checked, classes};
use ntheap::sys::page_size;
use ntheap::{purge, stats};
use std::sync::mpsc;

/// Allocates on every route and frees some, until about `count` are held.
fn mix(face: Face, random: &mut Random, count: usize) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for step in 0..2 * count {
        if step % 2 == 1 && step % 5 != 0 && !blocks.is_empty() {
            let block = blocks.swap_remove(random.below(blocks.len()));
            face.free(block.start, block.layout);
            continue;
        }
        let size = match random.below(200) {
            0 => MIB + 1 + random.below(2 * MIB),
            1..6 => random.log_uniform(16 * KIB, MIB),
            _ => random.log_uniform(1, 16 * KIB),
        };
        let layout = layout(size, 1 << random.below(8));
        let start = face.allocate(layout);
        assert!(!start.is_null());
        blocks.push(Block { start, layout });
    }
    blocks
}

/// Asserts that the statistics tell exactly what is alive.
fn assert_exact(face: Face, blocks: &[Block]) {
    let stats = stats();
    let mut live = [0u64; classes::COUNT];
    let mut large = 0;
    let mut least = 0;
    for Block { layout, .. } in blocks {
        match classes::class_for(layout.size(), layout.align()) {
            Some(class) => live[class] += 1,
            None => {
                large += 1;
                let pages = layout.size().next_multiple_of(page_size());
                least += pages;
            }
        }
    }
    let mut sum = 0;
    for (bucket, live) in stats.buckets.iter().zip(live) {
        assert_eq!(bucket.live, live, "blocks of {} bytes", bucket.size);
        assert!(bucket.live + bucket.cached <= bucket.blocks);
        sum += live as usize * bucket.size;
    }
    assert_eq!(stats.large_blocks, large);
    // A kept region may be a quarter larger than what is asked for, and while all regions
    // together are little larger, up to three times as large: 16 MiB in all.
    let most = (3 * least).min(least + least / 4 + 16 * MIB);
    let usable = stats.large_bytes;
    assert!((least..=most).contains(&usable), "{usable} for {least}");
    assert_eq!(stats.allocated, sum + stats.large_bytes);
    if face == Face::Checked {
        let usable = |block: &Block| checked::usable_size(block.start);
        let exact: usize = blocks.iter().map(usable).sum();
        assert_eq!(stats.allocated, exact);
    }
    assert!(stats.allocated <= stats.active);
    assert_eq!(
        stats.resident,
        stats.active + stats.retained + stats.metadata
    );
    assert!(stats.resident <= stats.committed && stats.committed <= stats.mapped);
}

fn allocated_is_what_is_alive(face: Face) {
    const THREADS: usize = 8;
    // Half of the threads end, the others sleep with full caches.
    let (counted, all_counted) = mpsc::channel();
    let (keep, kept) = mpsc::channel();
    std::thread::scope(|scope| {
        let mut take: Option<mpsc::Receiver<Block>> = None;
        let mut ended = Vec::new();
        // Closed when the figures are taken, or if something panics.
        let mut sleepers = Vec::new();
        for number in 0..THREADS {
            let (give, next) = mpsc::channel();
            let take = take.replace(next);
            let (keep, counted) = (keep.clone(), counted.clone());
            let (wake, sleep) = mpsc::channel::<()>();
            let thread = scope.spawn(move || {
                let mut blocks = mix(face, &mut Random::new(number as u64), 3000);
                for block in take.into_iter().flatten() {
                    face.free(block.start, block.layout);
                }
                for block in blocks.split_off(blocks.len() / 2) {
                    // The last one has nobody to give to.
                    if let Err(mpsc::SendError(block)) = give.send(block) {
                        face.free(block.start, block.layout);
                    }
                }
                drop(give);
                keep.send(blocks).unwrap();
                drop(keep);
                if number % 2 == 1 {
                    counted.send(()).unwrap();
                    drop(counted);
                    // Asleep, until the other end is dropped.
                    let _ = sleep.recv();
                }
            });
            if number % 2 == 0 {
                ended.push(thread);
            } else {
                sleepers.push(wake);
            }
        }
        drop((keep, counted, take));
        let blocks: Vec<Block> = kept.into_iter().flatten().collect();
        for thread in ended {
            thread.join().unwrap();
        }
        assert_eq!(all_counted.iter().take(THREADS / 2).count(), THREADS / 2);
        assert_exact(face, &blocks);
        let now = stats();
        assert_eq!(now.threads, THREADS / 2);
        let cached: u64 = now.buckets.iter().map(|bucket| bucket.cached).sum();
        assert!(cached > 0, "nothing is cached, so nothing is shown");
        figure(&format!(
            "{} blocks alive, {} bytes allocated exactly, {cached} cached, {face:?}",
            blocks.len(),
            now.allocated
        ));
        for block in blocks {
            face.free(block.start, block.layout);
        }
        assert_exact(face, &[]);
    });
}

each_face!(allocated_is_what_is_alive: plain = Plain, checked = Checked);

/// What the system says of this process's mappings, all and writable ones.
#[cfg(target_os = "linux")]
fn mapped_and_writable() -> (usize, usize) {
    (status("VmSize"), status("VmData"))
}

/// The account against the kernel's: whatever the heap does, the process's
/// address space and its private writable part grow by what the account says.
#[cfg(target_os = "linux")]
fn the_account_is_the_systems(face: Face) {
    use ntheap::vm::account;
    // The standard library's own memory is there from here on.
    let mut blocks: Vec<Block> = Vec::with_capacity(20_000);
    let before = mapped_and_writable();
    let before = mapped_and_writable().max(before);
    assert_eq!(account().total(), Default::default());
    let compare = |when: &str| {
        let (mapped, writable) = mapped_and_writable();
        let total = account().total();
        let by_system = (mapped - before.0, writable - before.1);
        assert_eq!((total.reserved, total.committed), by_system, "{when}");
        assert_eq!(stats().committed, total.committed);
        assert_eq!(stats().mapped, total.reserved);
        figure(&format!(
            "{when}, {face:?}: {} reserved, {} committed, as the system says",
            mib(total.reserved),
            mib(total.committed)
        ));
    };
    compare("before the first call");
    let mut random = Random::new(7);
    for round in 0..3 {
        for _ in 0..5000 {
            let size = random.log_uniform(1, if round == 1 { 4 * MIB } else { 64 * KIB });
            let layout = layout(size, 8);
            let start = face.allocate(layout);
            assert!(!start.is_null());
            blocks.push(Block { start, layout });
        }
        compare("after 5,000 allocations");
        random.shuffle(&mut blocks);
        for Block { start, layout } in &mut blocks[..2500] {
            let size = random.log_uniform(1, 4 * MIB);
            *start = face.reallocate(*start, *layout, size);
            assert!(!start.is_null());
            *layout = super::support::layout(size, 8);
        }
        compare("after 2,500 of them were resized");
        for block in blocks.drain(1000..) {
            face.free(block.start, block.layout);
        }
        compare("after all but 1,000 were freed");
        face.purge();
        compare("after a purge");
    }
}

#[cfg(target_os = "linux")]
each_face!(the_account_is_the_systems: plain = Plain, checked = Checked);

/// A load that has found its size costs no call into the system.
fn a_steady_load_makes_no_calls(face: Face) {
    let mut random = Random::new(9);
    let mut blocks: Vec<Block> = Vec::new();
    for _ in 0..1000 {
        let layout = layout(random.log_uniform(8, 1024), 8);
        let start = face.allocate(layout);
        blocks.push(Block { start, layout });
    }
    let mut replace = |count: usize| {
        for _ in 0..count {
            let block = &mut blocks[random.below(1000)];
            face.free(block.start, block.layout);
            block.layout = layout(random.log_uniform(8, 1024), 8);
            block.start = face.allocate(block.layout);
            assert!(!block.start.is_null());
        }
    };
    replace(100_000);
    let before = stats().os_calls;
    replace(1_000_000);
    assert_eq!(stats().os_calls, before, "calls in a million pairs");
    figure(&format!(
        "no call into the system in a million pairs, {face:?}, after {}",
        before.total()
    ));
}

each_face!(a_steady_load_makes_no_calls: plain = Plain, checked = Checked, global = Global);

/// What is free is given back, and nothing else is lost.
fn a_purge_gives_back(face: Face) {
    let mut random = Random::new(11);
    let blocks = mix(face, &mut random, 5000);
    for block in &blocks {
        // SAFETY: a block that is held.
        unsafe { block.start.write_bytes(5, block.layout.size()) };
    }
    let (held, freed) = blocks.split_at(10);
    for block in freed {
        face.free(block.start, block.layout);
    }
    let before = stats();
    assert!(before.retained > 0);
    #[cfg(target_os = "linux")]
    let resident_before = resident();
    if face == Face::Global {
        purge();
    } else {
        face.purge();
    }
    let after = stats();
    #[cfg(target_os = "linux")]
    figure(&format!(
        "purge, {face:?}: {} to {} resident",
        mib(resident_before),
        mib(resident())
    ));
    assert_eq!(after.retained, 0);
    assert_eq!(after.allocated, before.allocated);
    let cached: u64 = after.buckets.iter().map(|bucket| bucket.cached).sum();
    assert_eq!(cached, 0);
    assert_exact(face, held);
    for block in held {
        // SAFETY: a block that is held.
        let bytes = unsafe { std::slice::from_raw_parts(block.start, block.layout.size()) };
        assert!(bytes.iter().all(|&byte| byte == 5));
    }
}

each_face!(a_purge_gives_back: plain = Plain, checked = Checked, global = Global);

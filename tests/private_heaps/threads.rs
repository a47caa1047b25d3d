//! Heaps that many threads make, fill, share and destroy; and forks meanwhile.

use super::heap::*;
use super::support::*;
use ntheap::heap::private::{
    self, Buckets, Cursor, Error, Handle, HeapRef, Settings, Shape, flags,
};
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const THREADS: usize = 8;

/// A heap that threads share, and its blocks: address, size and fill.
struct Shared {
    heap: TestHeap,
    blocks: Mutex<Vec<(usize, usize, usize)>>,
}

impl Shared {
    fn new(random: &mut Random) -> Shared {
        let shape = match random.below(4) {
            0 => Shape::Limited(4 << 20),
            1 => Shape::Fixed(1 << 20),
            _ => Shape::Growable,
        };
        let buckets = match random.below(3) {
            0 => Buckets::Never,
            1 => Buckets::Always,
            _ => Buckets::WindowsRule,
        };
        Shared {
            heap: TestHeap::with(&Settings {
                shape,
                buckets,
                ..Settings::DEFAULT
            }),
            blocks: Mutex::new(Vec::new()),
        }
    }

    fn step(&self, random: &mut Random) {
        let sizes = [16, 40, 64, 64, 200, 1000];
        let size = match random.below(20) {
            0 => random.log_uniform(1, 0x12_0000),
            1 => 0,
            _ => sizes[random.below(sizes.len())],
        };
        if random.below(2) == 0 {
            if let Ok(block) = self.heap.try_allocate(0, size) {
                let seed = random.next() as usize;
                fill(block, size, seed);
                self.blocks.lock().unwrap().push((block, size, seed));
            }
            return;
        }
        let taken = {
            let mut blocks = self.blocks.lock().unwrap();
            let count = blocks.len();
            (count != 0).then(|| blocks.swap_remove(random.below(count)))
        };
        if let Some((block, old, seed)) = taken {
            assert_eq!(self.heap.size(block), Ok(old));
            assert!(is_filled(block, old, seed), "somebody wrote here");
            if random.below(4) == 0
                && let Ok(moved) = self.heap.reallocate(0, block, size)
            {
                assert!(is_filled(moved, old.min(size), seed));
                self.heap.free(moved).unwrap();
            } else {
                self.heap.free(block).unwrap();
            }
        }
    }

    /// Checks and ends the heap; nobody else has it.
    fn end(self) {
        let blocks = self.blocks.into_inner().unwrap();
        assert!(self.heap.is_valid(0));
        let summary = private::summary(self.heap.0).unwrap();
        assert_eq!(summary.blocks, blocks.len());
        assert_eq!(
            summary.allocated,
            blocks.iter().map(|(_, size, _)| size).sum::<usize>()
        );
        for (block, size, seed) in blocks {
            assert!(is_filled(block, size, seed));
        }
    }
}

#[test]
fn threads_make_fill_share_and_destroy_heaps_at_random() {
    isolated(|| {
        // What the threads themselves and the first heap cost stays.
        private::handles(&mut []);
        let before = ntheap::stats();
        let time = Duration::from_secs(if long() { 600 } else { 3 });
        let end = Instant::now() + time;
        let places: Vec<Mutex<Option<std::sync::Arc<Shared>>>> =
            (0..6).map(|_| Mutex::new(None)).collect();
        let steps = AtomicUsize::new(0);
        thread::scope(|scope| {
            for seed in 0..THREADS {
                let (places, steps) = (&places, &steps);
                scope.spawn(move || {
                    let mut random = Random::new(seed as u64 + 1);
                    while Instant::now() < end {
                        let place = &places[random.below(places.len())];
                        let shared = place.lock().unwrap().clone();
                        match shared {
                            Some(shared) => {
                                for _ in 0..200 {
                                    shared.step(&mut random);
                                    steps.fetch_add(1, Ordering::Relaxed);
                                }
                                if random.below(40) == 0 {
                                    // Whoever lets go of it last ends it.
                                    let mut place = place.lock().unwrap();
                                    if place
                                        .as_ref()
                                        .is_some_and(|at| std::sync::Arc::ptr_eq(at, &shared))
                                    {
                                        *place = None;
                                    }
                                }
                                if let Some(last) = std::sync::Arc::into_inner(shared) {
                                    last.end();
                                }
                            }
                            None => {
                                let mut place = place.lock().unwrap();
                                if place.is_none() {
                                    *place = Some(std::sync::Arc::new(Shared::new(&mut random)));
                                }
                            }
                        }
                        // Heaps come and go beside that, and all are listed.
                        let own = TestHeap::new();
                        let block = own.allocate(random.below(3000));
                        let mut listed = [0; 64];
                        let count = private::handles(&mut listed).min(64);
                        assert!(listed[..count].contains(&own.base()));
                        assert!(own.is_valid(block));
                    }
                });
            }
        });
        for place in places {
            if let Some(shared) = place.into_inner().unwrap() {
                std::sync::Arc::into_inner(shared).unwrap().end();
            }
        }
        assert_eq!(private::handles(&mut []), 1);
        let after = ntheap::stats();
        assert_eq!(after.allocated, before.allocated);
        assert_eq!(after.active, before.active);
        assert_eq!((after.large_blocks, after.large_bytes), (0, 0));
        figure(&format!(
            "steps of threads in shared heaps: {}",
            steps.load(Ordering::Relaxed)
        ));
    });
}

#[test]
fn heaps_are_listed_in_the_order_they_were_made() {
    isolated(|| {
        let first = private::handles(&mut []);
        assert_eq!(first, 1, "the process heap's");
        let heaps: Vec<TestHeap> = (0..5).map(|_| TestHeap::new()).collect();
        let mut listed = [7; 8];
        assert_eq!(private::handles(&mut listed), 6);
        assert_eq!(listed[0], Handle::process().unwrap().address());
        for (heap, listed) in heaps.iter().zip(&listed[1..]) {
            assert_eq!(heap.base(), *listed);
        }
        assert_eq!(listed[6..], [7, 7]);
        let mut few = [7; 3];
        assert_eq!(private::handles(&mut few[..2]), 6);
        assert_eq!(few[2], 7);
        let mut heaps = heaps;
        drop(heaps.remove(2));
        assert_eq!(private::handles(&mut listed), 5);
        let expected: Vec<usize> = heaps.iter().map(TestHeap::base).collect();
        assert_eq!(listed[1..5], expected);
        // SAFETY: it is refused.
        let refused = unsafe { private::destroy(Handle::process().unwrap()) };
        assert_eq!(refused, Err(private::Error::ProcessHeap));
    });
}

#[test]
fn a_heap_of_one_thread_serves_by_reference_too() {
    let heap = TestHeap::with(&Settings {
        flags: flags::NO_SERIALIZE,
        buckets: Buckets::Always,
        ..Settings::DEFAULT
    });
    let by_reference = HeapRef::new(heap.0).unwrap();
    assert_eq!(by_reference.handle(), heap.0);
    let mut blocks = HashSet::new();
    for round in 0..2000 {
        // SAFETY: the heap is this thread's and lives; blocks are freed once.
        unsafe {
            let block = by_reference.allocate::<true>(64, 16).unwrap().as_ptr();
            assert!(blocks.insert(block.expose_provenance()));
            // By the handle too, with the slot's lock.
            let other = heap.allocate(64);
            assert!(blocks.insert(other));
            if round % 3 == 0 {
                by_reference.free::<true>(pointer(other)).unwrap();
                heap.free(block.addr()).unwrap();
                blocks.remove(&other);
                blocks.remove(&block.addr());
            }
            assert!(by_reference.allocate::<true>(usize::MAX, 16).is_err());
            assert!(
                by_reference
                    .allocate_or_null::<true>(usize::MAX, 16)
                    .is_null()
            );
        }
    }
    assert!(heap.is_valid(0));
    assert_eq!(private::summary(heap.0).unwrap().blocks, blocks.len());
    for block in blocks {
        // SAFETY: as above.
        unsafe { by_reference.free::<true>(pointer(block)).unwrap() };
    }
    assert_eq!(private::summary(heap.0).unwrap().allocated, 0);
}

#[test]
#[cfg(unix)]
fn a_forked_child_finds_all_heaps_at_rest() {
    isolated(|| {
        let heap = TestHeap::new();
        let held = TestHeap::new();
        private::lock(held.0).unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for seed in 0..3 {
                let (heap, stop) = (&heap, &stop);
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    while !stop.load(Ordering::Relaxed) {
                        let blocks: Vec<usize> =
                            (0..50).map(|_| heap.allocate(random.below(200))).collect();
                        for block in blocks {
                            heap.free(block).unwrap();
                        }
                        drop(TestHeap::new());
                    }
                });
            }
            let outcomes = thread::scope(|inner| {
                // From another thread than the one that holds the lock.
                let forks = inner.spawn(|| {
                    (0..if long() { 300 } else { 40 })
                        .map(|_| {
                            in_fork(|| {
                                let fine = heap.is_valid(0) && held.is_valid(0);
                                let block = heap.allocate(64);
                                heap.free(block).unwrap();
                                held.allocate(10);
                                drop(TestHeap::new());
                                if fine && private::handles(&mut []) >= 3 {
                                    7
                                } else {
                                    8
                                }
                            })
                        })
                        .collect::<Vec<u8>>()
                });
                forks.join().unwrap()
            });
            stop.store(true, Ordering::Relaxed);
            assert!(outcomes.iter().all(|outcome| *outcome == 7), "{outcomes:?}");
        });
        private::unlock(held.0).unwrap();
    });
}

#[test]
#[cfg(unix)]
fn a_fork_does_not_wait_for_a_thread_that_makes_a_slot() {
    isolated(|| {
        // Heaps whose slots a fork takes before those that threads make.
        let many: Vec<TestHeap> = (0..200).map(|_| TestHeap::new()).collect();
        for heap in &many {
            for _ in 0..40 {
                heap.allocate(64);
            }
        }
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let heap = TestHeap::with(&Settings {
                            buckets: Buckets::Always,
                            ..Settings::DEFAULT
                        });
                        // Threads that meet in a bucket's first slot.
                        thread::scope(|inner| {
                            for _ in 0..3 {
                                inner.spawn(|| {
                                    for size in (1..60).map(|step| step * 16) {
                                        for _ in 0..20 {
                                            heap.allocate(size);
                                        }
                                    }
                                });
                            }
                        });
                    }
                });
            }
            for _ in 0..if long() { 2000 } else { 200 } {
                assert_eq!(in_fork(|| 7), 7);
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn a_walk_goes_on_or_ends_where_subsegments_come_and_go() {
    let settings = Settings {
        buckets: Buckets::Always,
        ..Settings::DEFAULT
    };
    let heaps = [TestHeap::with(&settings), TestHeap::with(&settings)];
    let [walked, _] = &heaps;
    let end = Instant::now() + Duration::from_secs(if long() { 60 } else { 1 });
    let (mut walks, mut entries) = (0, 0);
    thread::scope(|scope| {
        for heap in &heaps {
            scope.spawn(move || {
                let mut random = Random::new(walked.base() as u64);
                while Instant::now() < end {
                    let size = [400, 1000, 3000, 9000][random.below(4)];
                    let blocks: Vec<usize> = (0..300).map(|_| heap.allocate(size)).collect();
                    for block in blocks {
                        heap.free(block).unwrap();
                    }
                }
            });
        }
        while Instant::now() < end {
            private::lock(walked.0).unwrap();
            let mut cursor = Cursor::START;
            let error = loop {
                match private::walk(walked.0, &mut cursor) {
                    Ok(entry) => {
                        assert!(entry.size < 1 << 20, "{entry:?}");
                        entries += 1;
                    }
                    Err(error) => break error,
                }
            };
            private::unlock(walked.0).unwrap();
            assert!(
                matches!(error, Error::NoMore | Error::InvalidParameter),
                "{error:?}"
            );
            walks += 1;
        }
    });
    assert!(walks > 10 && entries > walks, "{walks} {entries}");
    assert!(walked.is_valid(0));
}

/// The addresses of a block in a heap's first region, in its second one, in a
/// large block and in a bucket, as another thread makes and ends that heap.
type Places = [AtomicUsize; 4];

fn make_and_end_heaps(places: &Places, end: Instant) {
    while Instant::now() < end {
        let heap = TestHeap::with(&Settings {
            name: "another",
            buckets: Buckets::Always,
            ..Settings::DEFAULT
        });
        let hot: Vec<usize> = (0..20).map(|_| heap.allocate(64)).collect();
        let blocks = [1000, 0x8_0000, 0x20_0000].map(|size| heap.allocate(size));
        for (place, block) in places.iter().zip(blocks.iter().chain(hot.last())) {
            place.store(*block, Ordering::Relaxed);
        }
        // Regions and large blocks that go while the heap stays.
        heap.free(blocks[1]).unwrap();
        heap.free(blocks[2]).unwrap();
    }
}

#[test]
fn blocks_of_heaps_that_others_end_at_that_moment_are_told_for_none() {
    isolated(|| {
        fn note(report: &ntheap::Report<'_>) {
            assert_eq!(report.heap, "own");
            // Whole, and of a heap that has been.
            let owner = report.owner.unwrap_or("");
            assert!(matches!(owner, "" | "another" | "own"), "{owner:?}");
            REPORTS.fetch_add(1, Ordering::Relaxed);
        }
        static REPORTS: AtomicUsize = AtomicUsize::new(0);
        ntheap::set_hook(Some(note));
        let end = Instant::now() + Duration::from_secs(if long() { 30 } else { 2 });
        let places: [Places; 2] = Default::default();
        let told = AtomicUsize::new(0);
        thread::scope(|scope| {
            for places in &places {
                scope.spawn(|| make_and_end_heaps(places, end));
            }
            for nth in 0..2 {
                let (places, told) = (&places, &told);
                scope.spawn(move || {
                    let own = TestHeap::with(&Settings {
                        name: "own",
                        // The second one's mistakes are looked into.
                        action: (nth == 1).then_some(ntheap::Action::Continue),
                        ..Settings::DEFAULT
                    });
                    let _silent = nth == 1 && silence();
                    let mut random = Random::new(nth);
                    while Instant::now() < end {
                        for place in places.iter().flatten() {
                            let address = place.load(Ordering::Relaxed) & !15;
                            if address == 0 {
                                continue;
                            }
                            let near = address + 16 * random.below(3);
                            assert!(!own.is_valid(near));
                            assert!(own.size(near).is_err() && own.free(near).is_err());
                            let _ = (private::owner_of(near), private::region_of(near));
                            told.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    assert!(own.is_valid(0));
                });
            }
        });
        assert!(told.load(Ordering::Relaxed) > 1000);
        assert!(REPORTS.load(Ordering::Relaxed) > 100);
    });
}

/// From here on standard error says nothing, where that can be had: reports go by
/// the thousand.
#[cfg(not(unix))]
fn silence() -> bool {
    false
}

/// As above.
#[cfg(unix)]
fn silence() -> bool {
    use std::os::fd::AsRawFd;
    let nowhere = std::fs::File::options()
        .write(true)
        .open("/dev/null")
        .unwrap();
    // SAFETY: both are open files.
    unsafe { libc::dup2(nowhere.as_raw_fd(), 2) == 2 }
}

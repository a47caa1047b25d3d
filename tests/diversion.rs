//! Diversion: the switch that debug modes are built on.
//!
//! One test, since the front end it switches is the process's.

use ntheap::heap::{Diversion, Kind, Word, classes, divert, plain};
use ntheap::sys::{KEEPS_LOW, LOW};
use ntheap::{Action, Config, Report, Stop, set_hook, stats};
use std::alloc::Layout;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    static WORD: Word = const { Word::new() };
}

const CONFIG: Config = Config::new().with_on_corruption(Action::Continue);

fn allocate(layout: Layout) -> *mut u8 {
    // SAFETY: the word is this thread's own.
    WORD.with(|word| unsafe { plain::allocate(word, &CONFIG, layout) })
}

fn free(block: *mut u8, layout: Layout) {
    // SAFETY: the word is this thread's own; each block is freed once.
    WORD.with(|word| unsafe { plain::free(word, block, layout) })
}

fn set(diversion: Diversion) {
    // SAFETY: the word is this thread's own.
    WORD.with(|word| unsafe { divert(Kind::Plain, word, &CONFIG, diversion) });
}

#[test]
fn calls_are_turned_away_and_no_longer() {
    let layout = Layout::from_size_align(48, 8).unwrap();
    let bucket = || stats().buckets[classes::class_of(48)];

    // Without a diversion a freed block is kept, and nothing is counted.
    free(allocate(layout), layout);
    assert!(bucket().cached > 0);
    assert_eq!(bucket().allocations, 0);

    // Everything: each allocation is seen, each free goes straight back.
    set(Diversion { everything: true });
    assert_eq!(bucket().cached, 0, "the switch empties the cache");
    for round in 1..=100 {
        let block = allocate(layout);
        assert_eq!((bucket().allocations, bucket().live), (round, 1));
        free(block, layout);
        assert_eq!((bucket().cached, bucket().live), (0, 0));
    }

    // No longer: frees are kept as ever.
    set(Diversion::NONE);
    free(allocate(layout), layout);
    assert_eq!(bucket().allocations, 100, "nothing is diverted");
    assert!(bucket().cached > 0);

    // An address as sampled blocks have it is looked up, though the Layout says that it is a
    // small block's: here it is none, and that is found.
    static REPORTS: AtomicUsize = AtomicUsize::new(0);
    fn count(report: &Report<'_>) {
        assert_eq!(report.stop, Stop::SwitchedHeapHandle);
        REPORTS.fetch_add(1, Ordering::Relaxed);
    }
    set_hook(Some(count));
    let own = allocate(layout);
    let before = bucket();
    let address = if KEEPS_LOW {
        LOW - 16
    } else {
        own.expose_provenance() + 8
    };
    free(std::ptr::with_exposed_provenance_mut(address), layout);
    assert_eq!(REPORTS.load(Ordering::Relaxed), 1);
    assert_eq!(
        (bucket().live, bucket().cached),
        (before.live, before.cached)
    );
    // So it is by a thread that has not called the heap before.
    std::thread::spawn(move || free(std::ptr::with_exposed_provenance_mut(address), layout))
        .join()
        .unwrap();
    assert_eq!(REPORTS.load(Ordering::Relaxed), 2);
    free(own, layout);
    assert_eq!(bucket().live, 0);
    free(allocate(layout), layout);
    assert!(bucket().cached > 0, "the fast paths are back");
}

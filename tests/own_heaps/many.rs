//! Many heaps, and what stays when they are gone.

use super::layout;
use crate::clock::worked;
use ntheap::{Heap, heaps};

#[test]
fn a_heap_that_lives_is_listed_whichever_ended_before_it() {
    let made = |name| Heap::options().name(name).create().expect("a heap");
    let (first, second, third) = (made("before"), made("there"), made("behind"));
    let mut listed = heaps();
    assert!(listed.any(|heap| heap.handle == second.handle()));
    drop(first);
    assert!(listed.any(|heap| heap.handle == third.handle()));
    assert_eq!(heaps().filter(|heap| heap.name() == "before").count(), 0);
}

#[test]
fn all_heaps_are_listed_in_the_order_they_were_made() {
    let made: Vec<Heap> = (0..20)
        .map(|number| {
            let options = Heap::options()
                .name(&format!("listed {number}"))
                .limit(1 << 20);
            options.create().expect("a heap")
        })
        .collect();
    let block = made[3].alloc(layout(1000, 8)).expect("a block");
    let find = || -> Vec<_> {
        let listed = heaps().filter(|heap| heap.name().starts_with("listed "));
        listed
            .map(|heap| (heap.name().to_owned(), heap.handle, heap.summary))
            .collect()
    };
    let found = find();
    let expected: Vec<_> = made.iter().map(|heap| heap.handle()).collect();
    assert_eq!(
        found
            .iter()
            .map(|(_, handle, _)| *handle)
            .collect::<Vec<_>>(),
        expected
    );
    for (number, (name, _, summary)) in found.iter().enumerate() {
        assert_eq!(*name, format!("listed {number}"));
        assert_eq!(summary.limit, 1 << 20);
        assert_eq!(summary.blocks, usize::from(number == 3));
    }
    // SAFETY: used no more.
    unsafe { made[3].free(block) }.expect("freed");
    drop(made);
    assert!(find().is_empty());
}

#[test]
fn names_are_cut_between_two_characters() {
    let heap = Heap::options()
        .name("zwölf Boxkämpfer jagen Eva quer über")
        .create()
        .expect("a heap");
    let found = heaps()
        .find(|found| found.handle == heap.handle())
        .expect("listed");
    assert_eq!(found.name(), "zwölf Boxkämpfer jagen Eva que");
    assert!(found.name().len() <= 32);
}

#[test]
fn a_destroyed_heap_takes_its_blocks_along() {
    let before = ntheap::stats().committed;
    for _ in 0..50 {
        let heap = Heap::new().expect("a heap");
        for number in 0..2000 {
            let size = 16 + number % 50 * 40;
            super::fill(heap.alloc(layout(size, 8)).expect("a block"), size, 1);
        }
        heap.alloc(layout(8 << 20, 8)).expect("a large block");
    }
    let after = ntheap::stats().committed;
    assert!(after < before + (64 << 20), "{before} to {after}");
}

#[test]
fn destroying_a_million_blocks_of_16_bytes_takes_a_fiftieth_of_freeing_them() {
    let count = 1_000_000usize;
    let fill = |heap: &Heap| -> Vec<_> {
        (0..count)
            .map(|_| heap.alloc(layout(16, 8)).expect("a block"))
            .collect()
    };
    // The least of a few: other work on the machine can only add.
    let mut ratio = f64::MAX;
    for _ in 0..3 {
        let heap = Heap::new().expect("a heap");
        let blocks = fill(&heap);
        let began = worked();
        for block in blocks {
            // SAFETY: used no more.
            unsafe { heap.free(block) }.expect("freed");
        }
        let freeing = worked() - began;
        drop(heap);
        let heap = Heap::new().expect("a heap");
        fill(&heap);
        let began = worked();
        drop(heap);
        ratio = ratio.min((worked() - began).as_secs_f64() / freeing.as_secs_f64());
    }
    assert!(ratio <= 0.02, "{ratio:.4}");
}

//! Addresses that are no blocks, handles that are no heaps, and what is said
//! of them.

use super::heap::*;
use super::support::*;
use ntheap::heap::private::{self, Error, Handle, Settings};
use ntheap::heap::{self, checked};
use ntheap::{Action, BlockState, Report, Stop};
use std::sync::Mutex;

static STATIC: [u64; 4] = [0x5a5a_5a5a; 4];

/// Addresses of all sorts that are no busy block of `heap`, with what is wrong
/// with each.
fn bad_addresses(heap: &TestHeap, other: &TestHeap) -> Vec<(usize, Error)> {
    let local = [0u64; 4];
    // Before anything is freed, whose place they might get.
    let theirs = [100, 0x20_0000, 100, 0x20_0000].map(|size| other.allocate(size));
    let block = heap.allocate(100);
    let large = heap.allocate(0x20_0000);
    let freed = heap.allocate(200);
    let _behind = heap.allocate(10);
    heap.free(freed).unwrap();
    let freed_large = heap.allocate(0x30_0000);
    heap.free(freed_large).unwrap();
    vec![
        (freed, Error::AlreadyFree),
        (freed_large, Error::NotABlock),
        (block + 16, Error::NotABlock),
        (block + 8, Error::NotABlock),
        (block + 1, Error::NotABlock),
        (block - 16, Error::NotABlock),
        (large + 64, Error::NotABlock),
        (large + 0x18_0000, Error::NotABlock),
        (large - 1, Error::NotABlock),
        (heap.base(), Error::NotABlock),
        (heap.base() + 0xf000, Error::NotABlock),
        (heap.base() + 0xfff0, Error::NotABlock),
        (theirs[0], Error::OtherHeap),
        (theirs[1], Error::OtherHeap),
        (other.base(), Error::OtherHeap),
        // As far away as one entry of the slice table serves for both.
        (theirs[2] + (1 << 40), Error::NotABlock),
        (theirs[3] + (1 << 40), Error::NotABlock),
        (heap.base() + (1 << 40), Error::NotABlock),
        (local.as_ptr().addr(), Error::NotABlock),
        (STATIC.as_ptr().addr(), Error::NotABlock),
        (bad_addresses as *const () as usize, Error::NotABlock),
        (unmapped(), Error::NotABlock),
        (1, Error::NotABlock),
        (usize::MAX, Error::NotABlock),
        (usize::MAX - 15, Error::NotABlock),
        (1 << 63, Error::NotABlock),
    ]
}

#[test]
fn what_is_no_block_is_told_and_changes_nothing() {
    let (heap, other) = (TestHeap::new(), TestHeap::new());
    let bad = bad_addresses(&heap, &other);
    let (before, others) = (heap.walk(), other.walk());
    for (address, error) in bad {
        assert_eq!(heap.free(address), Err(error), "{address:#x}");
        assert_eq!(heap.size(address), Err(error));
        assert_eq!(heap.reallocate(0, address, 10), Err(error));
        assert!(!heap.is_valid(address));
    }
    assert!(heap.is_valid(0) && other.is_valid(0));
    assert_eq!(heap.walk(), before);
    assert_eq!(other.walk(), others);
}

#[test]
fn a_handle_that_is_no_heap_is_told_from_a_destroyed_ones() {
    let heap = TestHeap::new();
    let handle = heap.0;
    assert_eq!(Handle::from_address(handle.address()), Ok(handle));
    let block = heap.allocate(100);
    for address in [
        0,
        1,
        block,
        handle.address() + 0x1000,
        unmapped(),
        usize::MAX,
    ] {
        assert_eq!(
            Handle::from_address(address),
            Err(Error::InvalidHandle),
            "{address:#x}"
        );
    }
    drop(heap);
    assert_eq!(
        Handle::from_address(handle.address()),
        Err(Error::Destroyed)
    );
    // SAFETY: nobody has the heap any more; it says so.
    unsafe {
        assert_eq!(private::allocate(handle, 0, 1), Err(Error::Destroyed));
        assert_eq!(
            private::free(handle, 0, pointer(block)),
            Err(Error::Destroyed)
        );
        assert_eq!(private::destroy(handle), Err(Error::Destroyed));
    }
    assert!(!private::validate(handle, 0, std::ptr::null()));
    assert_eq!(
        private::size_of(handle, 0, pointer(block)),
        Err(Error::Destroyed)
    );
    assert_eq!(private::lock(handle), Err(Error::Destroyed));
    assert_eq!(private::owner_of(block), None);
    // For a while, heaps come and go elsewhere.
    for _ in 0..16 {
        let other = TestHeap::new();
        assert_ne!(other.0, handle);
        assert_eq!(
            Handle::from_address(handle.address()),
            Err(Error::Destroyed)
        );
    }
}

#[test]
fn the_owner_of_an_address_is_known() {
    let (heap, other) = (TestHeap::new(), TestHeap::new());
    let (small, large) = (heap.allocate(10), heap.allocate(0x20_0000));
    assert_eq!(private::owner_of(small), Some(heap.0));
    assert_eq!(private::owner_of(small + 5), Some(heap.0));
    assert_eq!(private::owner_of(large), Some(heap.0));
    assert_eq!(private::owner_of(other.base()), Some(other.0));
    assert_eq!(private::owner_of(STATIC.as_ptr().addr()), None);
    let region = private::region_of(small).unwrap();
    assert_eq!(
        (region.base, region.reserved, region.committed),
        (heap.base(), 0x10000, 0x2000)
    );
    let mapping = private::region_of(large).unwrap();
    assert_eq!(mapping.base + 0x40, large);
    assert_eq!(mapping.reserved, mapping.committed);
    // Any address of it, to its last.
    for inner in [large - 1, large + 0x1_0000, large + 0x1f_ffff] {
        assert_eq!(private::owner_of(inner), Some(heap.0));
        assert_eq!(private::region_of(inner), Some(mapping));
    }
    let end = mapping.base + mapping.reserved;
    assert_ne!(private::region_of(end), Some(mapping));
    // What it was shrunk by is reserved still, and its own.
    assert_eq!(heap.in_place(large, 0x18_0000), Ok(large));
    let shrunk = private::region_of(large + 0x1f_0000).unwrap();
    assert_eq!(
        (shrunk.base, shrunk.reserved),
        (mapping.base, mapping.reserved)
    );
    assert_eq!(shrunk.committed, 0x18_1000);
    heap.free(large).unwrap();
    assert!(private::region_of(large + 0x1_0000).is_none());
    assert_eq!(private::owner_of(large), None);
    assert!(private::region_of(1).is_none());
}

#[test]
fn names_are_kept_and_cut_at_a_character() {
    let named = |name: &str| {
        let heap = TestHeap::with(&Settings {
            name,
            ..Settings::DEFAULT
        });
        let mut buffer = [0; 64];
        let length = private::name_of(heap.0, &mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    assert_eq!(named("parser"), "parser");
    assert_eq!(named(""), "");
    assert_eq!(named(&"x".repeat(40)), "x".repeat(32));
    assert_eq!(named(&"ä".repeat(20)), "ä".repeat(16));
    assert_eq!(
        named(&format!("x{}", "ä".repeat(20))),
        format!("x{}", "ä".repeat(15))
    );
}

/// A report's stop, parameters, heap, owner and operation.
type Told = (Stop, [usize; 4], String, Option<String>, String);

static REPORTS: Mutex<Vec<Told>> = Mutex::new(Vec::new());

fn note(report: &Report<'_>) {
    let mut reports = REPORTS.lock().unwrap();
    reports.push((
        report.stop,
        report.parameters,
        report.heap.to_owned(),
        report.owner.map(str::to_owned),
        report.to_string(),
    ));
    if let Some(block) = report.block {
        assert!(block.state == BlockState::Free || block.size == 100);
    }
}

#[test]
fn a_heap_that_is_to_report_names_both_heaps_and_the_block() {
    isolated(|| {
        ntheap::set_hook(Some(note));
        let named = |name, action| {
            TestHeap::with(&Settings {
                name,
                action,
                ..Settings::DEFAULT
            })
        };
        let first = named("first", Some(Action::Continue));
        let second = named("second", None);
        let block = second.allocate(100);
        let own = first.allocate(100);
        let _behind = first.allocate(1);

        // The second says nothing until it is told to.
        assert_eq!(second.free(own), Err(Error::OtherHeap));
        assert_eq!(second.free(block + 16), Err(Error::NotABlock));
        assert!(REPORTS.lock().unwrap().is_empty());

        assert_eq!(first.free(block), Err(Error::OtherHeap));
        assert_eq!(first.size(own + 16), Err(Error::NotABlock));
        first.free(own).unwrap();
        assert_eq!(first.free(own), Err(Error::AlreadyFree));
        // Validation only answers.
        assert!(!first.is_valid(own));

        let reports = REPORTS.lock().unwrap();
        let [other, inner, twice] = &reports[..] else {
            panic!("{reports:?}");
        };
        assert_eq!(other.0, Stop::SwitchedHeapHandle);
        assert_eq!(other.1, [first.base(), block, 100, second.base()]);
        assert_eq!(
            (other.2.as_str(), other.3.as_deref()),
            ("first", Some("second"))
        );
        assert!(
            other.4.contains("it belongs to heap \"second\""),
            "{}",
            other.4
        );
        assert!(other.4.contains("busy block of 100 bytes"));
        assert_eq!(inner.0, Stop::SwitchedHeapHandle);
        assert_eq!(inner.1, [first.base(), own + 16, 100, first.base()]);
        assert_eq!(twice.0, Stop::DoubleFree);
        assert_eq!(twice.1[..2], [first.base(), own]);
    });
}

#[test]
fn what_is_no_block_is_reported_by_what_asks_for_its_value_or_flags_too() {
    isolated(|| {
        ntheap::set_hook(Some(note));
        let heap = TestHeap::with(&Settings {
            action: Some(Action::Continue),
            ..Settings::DEFAULT
        });
        let silent = TestHeap::new();
        let block = heap.allocate(100);
        let _behind = heap.allocate(1);
        let at = |address| pointer(address).cast_const();
        for heap in [&silent, &heap] {
            let error = if heap.0 == silent.0 {
                Error::OtherHeap
            } else {
                Error::NotABlock
            };
            let inner = at(block + 16);
            assert_eq!(private::set_user_value(heap.0, 0, inner, 1), Err(error));
            assert_eq!(private::user_info(heap.0, 0, inner), Err(error));
            let flagged = private::set_user_flags(heap.0, 0, inner, 0, 0x200);
            assert_eq!(flagged, Err(error));
        }
        // A block without a value, or flags that are none, are no misuse.
        assert_eq!(
            private::set_user_value(heap.0, 0, at(block), 1),
            Err(Error::InvalidParameter)
        );
        assert_eq!(
            private::set_user_flags(heap.0, 0, at(block + 16), 0, 1),
            Err(Error::InvalidParameter)
        );
        let reports = REPORTS.lock().unwrap();
        let operations = [
            "RtlSetUserValueHeap",
            "RtlGetUserInfoHeap",
            "RtlSetUserFlagsHeap",
        ];
        assert_eq!(reports.len(), operations.len(), "{reports:?}");
        for (report, operation) in reports.iter().zip(operations) {
            assert_eq!(report.0, Stop::SwitchedHeapHandle);
            assert_eq!(report.1, [heap.base(), block + 16, 100, heap.base()]);
            assert!(
                report
                    .4
                    .contains(&format!("{operation}({:#x})", block + 16)),
                "{}",
                report.4
            );
        }
    });
}

/// A private heap's block is marked by its unused bytes. None of these marks is one of malloc's.
#[test]
fn malloc_takes_no_block_of_a_bucket_for_its_own() {
    const SIZES: std::ops::RangeInclusive<usize> = 1..=80;
    let output = isolated_with(&[("NTHEAP_ON_CORRUPTION", "continue")], || {
        let heap = TestHeap::new();
        let word = &heap::Word::new();
        for size in SIZES {
            let blocks: Vec<usize> = (0..100).map(|_| heap.allocate(size)).collect();
            let block = *blocks.last().unwrap();
            let start = std::ptr::with_exposed_provenance_mut(block);
            // SAFETY: the mistakes to be told; the block stays.
            unsafe {
                assert_eq!(checked::usable_size(start), 0, "{size}");
                assert!(checked::reallocate(word, start, size + 100).is_null());
                checked::free(word, start);
            }
            assert_eq!(heap.size(block), Ok(size));
            assert!(heap.is_valid(0), "{size}");
            for block in blocks {
                heap.free(block).unwrap();
            }
        }
    });
    if let Some(output) = output {
        assert_done("blocks of buckets", &output);
        let told = String::from_utf8(output.stderr).unwrap();
        let told = told.matches("SWITCHED_HEAP_HANDLE").count();
        assert_eq!(told, 3 * SIZES.count());
    }
}

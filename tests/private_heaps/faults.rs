//! Every call into the system refused in turn.

use super::heap::*;
use super::support::*;
use ntheap::heap::private::{self, Error, Settings, Shape, flags};
use ntheap::sys::fault;

/// Heaps of all kinds.
const KINDS: [(Shape, u32, usize); 5] = [
    (Shape::Growable, 0, 0),
    (Shape::Growable, 0, 0x60000),
    (Shape::Fixed(0x30000), 0, 0),
    (Shape::Limited(0x60_0000), 0, 0),
    (Shape::Growable, flags::CREATE_ENABLE_EXECUTE, 0),
];

/// A load that uses all that heaps of these kinds are made of. Returns how often it
/// was refused.
fn load(kinds: &[(Shape, u32, usize)]) -> usize {
    let mut refused = 0;
    for &(shape, flags, initial) in kinds {
        let settings = Settings {
            shape,
            flags,
            initial,
            ..Settings::DEFAULT
        };
        let before = private::handles(&mut []);
        let Ok(heap) = TestHeap::try_with(&settings) else {
            assert_eq!(private::handles(&mut []), before);
            refused += 1;
            continue;
        };
        let mut blocks: Vec<(usize, usize)> = Vec::new();
        let sizes = (0..30).map(|at| at * 300).chain([40; 24]);
        for size in sizes.chain([0x60000, 0x60000, 0x60000, 0x20_0000, 0x30_0000]) {
            let before = private::summary(heap.0).unwrap();
            match heap.try_allocate(0, size) {
                Ok(block) => {
                    bytes(block, size.min(100)).fill(1);
                    blocks.push((block, size));
                }
                Err(error) => {
                    assert!(matches!(error, Error::NoMemory | Error::LimitReached));
                    let is_full = !matches!(shape, Shape::Growable);
                    refused += usize::from(!is_full);
                    let after = private::summary(heap.0).unwrap();
                    assert_eq!(after, before, "a refusal changed the heap");
                    assert!(heap.is_valid(0));
                }
            }
        }
        for (block, size) in blocks.iter_mut() {
            let old = *size;
            match heap.reallocate(0, *block, old + 5000) {
                Ok(moved) => (*block, *size) = (moved, old + 5000),
                Err(_) => {
                    assert_eq!(heap.size(*block), Ok(old));
                    assert!(heap.is_valid(0));
                }
            }
            let _ = heap.in_place(*block, old / 2).map(|_| *size = old / 2);
        }
        let summary = private::summary(heap.0).unwrap();
        assert_eq!(summary.blocks, blocks.len());
        assert_eq!(
            summary.allocated,
            blocks.iter().map(|(_, size)| size).sum::<usize>()
        );
        for (block, _) in blocks {
            heap.free(block).unwrap();
        }
        assert!(heap.is_valid(0));
        let _ = private::compact(heap.0, 0);
        assert_eq!(private::summary(heap.0).unwrap().allocated, 0);
    }
    refused
}

#[test]
#[cfg(unix)]
fn a_refusal_of_the_system_leaves_everything_as_it_was() {
    for count in [1, u64::MAX] {
        let mut first = 0;
        loop {
            // A process each: the first calls of the process are struck, too.
            let outcome = in_fork(|| {
                fault::plan(first, count, &[]);
                load(&KINDS);
                let (_, struck) = fault::end();
                // Each kind in its turn.
                let kind = first as usize % KINDS.len();
                let refused = load(&KINDS[kind..=kind]);
                assert_eq!(refused, 0, "the heaps did not recover");
                u8::from(struck == 0) + 10
            });
            assert!(
                matches!(outcome, 10 | 11),
                "call {first}: ended with {outcome}"
            );
            if outcome == 11 {
                assert!(first > 30, "{first} calls only");
                break;
            }
            first += if count == 1 || first < 20 { 1 } else { 5 };
        }
    }
}

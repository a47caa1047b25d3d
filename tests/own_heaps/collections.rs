//! Collections in a heap, with each version of the allocator's trait.

use hashbrown::{DefaultHashBuilder, HashMap};
use ntheap::{Heap, LocalHeap};

macro_rules! collections {
    ($test:ident, $api:ident) => {
        #[test]
        fn $test() {
            use $api::{alloc::Allocator, boxed::Box, vec::Vec};

            fn fill<A: Allocator + Copy>(heap: A) -> (Vec<u64, A>, Box<[u8; 300], A>) {
                let mut list = Vec::new_in(heap);
                for number in 0..100_000u64 {
                    list.push(number);
                }
                list.truncate(1000);
                list.shrink_to_fit();
                (list, Box::new_in([7; 300], heap))
            }

            let heap = Heap::options()
                .name("collections")
                .create()
                .expect("a heap");
            let (list, array) = fill(&heap);
            assert!(list.iter().copied().eq(0..1000));
            assert_eq!(array[299], 7);
            let summary = heap.summary();
            assert_eq!((summary.blocks, summary.allocated), (2, 8000 + 300));
            assert!(heap.validate());
            drop((list, array));
            assert_eq!(heap.summary().blocks, 0);

            let heap: LocalHeap = Heap::options().create_local().expect("a heap");
            let (list, array) = fill(&heap);
            assert!(list.iter().copied().eq(0..1000) && array[0] == 7);
            assert_eq!(heap.summary().allocated, 8000 + 300);
            drop((list, array));
            assert_eq!(heap.summary().allocated, 0);
        }
    };
}

collections!(of_allocator_api2_0_2, allocator_api2);
collections!(of_allocator_api2_0_4, allocator_api2_04);
#[cfg(feature = "nightly")]
collections!(of_the_standard_library, std);

#[test]
fn a_map_of_hashbrown() {
    let heap = Heap::new().expect("a heap");
    let mut map: HashMap<u64, std::string::String, DefaultHashBuilder, &Heap> =
        HashMap::new_in(&heap);
    for key in 0..10_000 {
        map.insert(key, format!("value {key}"));
    }
    assert!(heap.summary().allocated >= 10_000 * 32);
    for key in 0..10_000 {
        assert_eq!(map.remove(&key), Some(format!("value {key}")));
    }
    drop(map);
    assert_eq!(heap.summary().blocks, 0);
}

#[test]
fn layouts_change_their_alignment() {
    use allocator_api2::alloc::Allocator;
    use std::alloc::Layout;
    use std::ptr::NonNull;
    let heap = Heap::new().expect("a heap");
    let small = Layout::from_size_align(40, 8).expect("a layout");
    for align in [16, 64, 512, 8192] {
        let large = Layout::from_size_align(200, align).expect("a layout");
        let block = (&heap).allocate(small).expect("a block").cast::<u8>();
        super::fill(block, 40, 1);
        // SAFETY: the block is in use with the layouts named.
        unsafe {
            let grown: NonNull<u8> = (&heap)
                .grow_zeroed(block, small, large)
                .expect("a block")
                .cast();
            assert_eq!(grown.addr().get() % align, 0);
            assert!(super::is_filled(grown, 40, 1));
            assert!((40..200).all(|at| grown.add(at).read() == 0));
            let shrunk = (&heap)
                .shrink(grown, large, small)
                .expect("a block")
                .cast::<u8>();
            assert!(super::is_filled(shrunk, 40, 1));
            (&heap).deallocate(shrunk, small);
        }
    }
    assert_eq!(heap.summary().blocks, 0);
}

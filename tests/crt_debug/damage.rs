//! Each damage is planted and caught, in Microsoft's words.

use crate::support::{at, client, free, messages, normal, own_heap, reported, shown};
use ntheap::crt::debug::kind::{
    ASSERT, CLIENT_BLOCK, CRT_BLOCK, ERROR, IGNORE_BLOCK, NORMAL_BLOCK, WARN, flags,
};
use ntheap::crt::debug::{DebugHeap, Origin};
use std::ffi::CString;

/// Writes a byte at a distance from a block's first.
fn poke(block: *mut u8, at: isize, value: u8) {
    // SAFETY: the tests poke into blocks and their surroundings only.
    unsafe { block.wrapping_offset(at).write(value) };
}

fn before(name: &str, request: u64, block: *mut u8, line: i32) -> String {
    format!(
        "HEAP CORRUPTION DETECTED: before {name} block (#{request}) at {}.\n\
         CRT detected that the application wrote to memory before start of heap buffer.\n\
         \nMemory allocated at test.rs({line}).\n",
        shown(block)
    )
}

fn after(name: &str, request: u64, block: *mut u8, line: i32) -> String {
    format!(
        "HEAP CORRUPTION DETECTED: after {name} block (#{request}) at {}.\n\
         CRT detected that the application wrote to memory after end of heap buffer.\n\
         \nMemory allocated at test.rs({line}).\n",
        shown(block)
    )
}

fn on_top(block: *mut u8, line: i32) -> String {
    format!(
        "HEAP CORRUPTION DETECTED: on top of Free block at {}.\n\
         CRT detected that the application wrote to a heap buffer that was freed.\n\
         \nMemory allocated at test.rs({line}).\n",
        shown(block)
    )
}

const NOT_A_BLOCK: &str = "Assertion failed: _CrtIsValidHeapPointer(block)\n";

/// Every byte before and after a block of every size is watched: by a free as an
/// error, by a check as a warning, and by the calls that take a block.
#[test]
fn every_byte_around_a_block_is_watched() {
    own_heap!(HEAP);
    for size in [0, 1, 7, 8, 15, 16, 100, 4096, 70_000, 1_200_000] {
        // The stamp, the header and the fence before; the fence after.
        for distance in (-64..0).chain(size..size + 4) {
            let block = normal(&HEAP, size as usize, 1);
            let request = HEAP.block_at(block).expect("a block").request;
            let expected = match distance < 0 {
                true => before("Normal", request, block, 1),
                false => after("Normal", request, block, 1),
            };
            // SAFETY: the surroundings of a live block can be read.
            let old = unsafe { block.wrapping_offset(distance).read() };
            poke(block, distance, !old);
            let (is_sound, reports) = reported(|| HEAP.check());
            assert!(!is_sound, "{size} {distance}");
            assert_eq!(reports, [(WARN, expected.clone())], "{size} {distance}");
            let ((), reports) = reported(|| free(&HEAP, block));
            assert_eq!(reports, [(ERROR, expected)], "{size} {distance}");
            assert!(HEAP.check(), "{size} {distance}");
        }
    }
    assert_eq!(HEAP.checkpoint().counts, [0; 5]);
}

#[test]
fn damage_on_both_sides_is_two_reports() {
    own_heap!(HEAP);
    let block = client(&HEAP, 10, 7, 3);
    poke(block, -1, 0);
    poke(block, 13, 0);
    let expected = [before("Client", 1, block, 3), after("Client", 1, block, 3)];
    let ((), reports) = reported(|| free(&HEAP, block));
    assert_eq!(reports, expected.map(|text| (ERROR, text)),);
}

#[test]
fn blocks_of_each_type_are_named() {
    own_heap!(HEAP);
    for (request, (block_use, name)) in (1..).zip([
        (NORMAL_BLOCK, "Normal"),
        (CRT_BLOCK, "CRT"),
        (IGNORE_BLOCK, "Ignore"),
        (CLIENT_BLOCK | 5 << 16, "Client"),
    ]) {
        let block = HEAP.allocate(20, block_use, at(9));
        poke(block, 20, 0);
        assert_eq!(
            messages(|| free(&HEAP, block)),
            after(name, request, block, 9)
        );
    }
}

/// A block whose origin is not known has no line for it; one whose file's name
/// is gone has Microsoft's words.
#[test]
fn origins_are_told_where_they_are_known() {
    own_heap!(HEAP);
    let block = HEAP.allocate(4, NORMAL_BLOCK, Origin::NONE);
    poke(block, 4, 0);
    let text = messages(|| free(&HEAP, block));
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains("Memory allocated"), "{text}");

    // SAFETY: reports look at the text with care, and this test keeps it.
    let gone = unsafe { Origin::from_raw(std::ptr::without_provenance(0x10_0000_0000), 77) };
    let block = HEAP.allocate(4, NORMAL_BLOCK, gone);
    poke(block, 4, 0);
    let text = messages(|| free(&HEAP, block));
    assert!(
        text.ends_with("\nMemory allocated at #File Error#(77).\n"),
        "{text}"
    );

    let long = CString::new("x".repeat(5000)).expect("no 0");
    // SAFETY: reports look at the text with care, and this test keeps it.
    let origin = unsafe { Origin::from_raw(long.as_ptr(), 1) };
    let block = HEAP.allocate(4, NORMAL_BLOCK, origin);
    poke(block, 4, 0);
    let text = messages(|| free(&HEAP, block));
    assert!(
        text.ends_with(&format!("{}(1).\n", "x".repeat(1023))),
        "{text}"
    );
}

/// An overrun of any length is reported and not followed: the links in the
/// headers that it smashes are not what the list is.
#[test]
fn a_long_overrun_is_reported_for_each_block_it_reaches() {
    own_heap!(HEAP);
    let mut blocks: Vec<*mut u8> = (0..100).map(|line| normal(&HEAP, 40, line)).collect();
    blocks.sort();
    // From each block's bytes over the header of its neighbour, and its bytes.
    let mut damaged = 0;
    for pair in blocks.windows(2) {
        let distance = pair[1].addr() - pair[0].addr();
        if distance < 200 {
            for place in 40..distance + 40 {
                poke(pair[0], place as isize, 0x41);
            }
            damaged += 1;
        }
    }
    assert!(damaged > 50, "{damaged} neighbours");
    let (is_sound, reports) = reported(|| HEAP.check());
    assert!(!is_sound);
    let count = |place: &str| {
        let place = format!("{place} Normal block");
        reports
            .iter()
            .filter(|(_, text)| text.contains(&place))
            .count()
    };
    assert_eq!((count("before"), count("after")), (damaged, damaged));
    assert_eq!(reports.len(), 2 * damaged);
    let ((), reports) = reported(|| {
        for &block in &blocks {
            free(&HEAP, block);
        }
    });
    let damaged_before = reports
        .iter()
        .filter(|(_, text)| text.contains("before Normal block"))
        .count();
    assert_eq!(damaged_before, damaged);
    assert_eq!(HEAP.checkpoint().counts, [0; 5]);
    assert!(HEAP.check());
    let again = normal(&HEAP, 40, 1);
    assert_eq!(messages(|| free(&HEAP, again)), "");
}

#[test]
fn writing_to_a_freed_block_that_is_kept_is_found_by_a_check() {
    own_heap!(HEAP);
    HEAP.set_flags(flags::ALLOC_MEM | flags::DELAY_FREE_MEM)
        .expect("flags");
    for size in [1, 63, 64, 65, 1000] {
        let block = normal(&HEAP, size, 5);
        free(&HEAP, block);
        assert!(HEAP.check());
        for place in [0, size / 2, size - 1] {
            poke(block, place as isize, 0);
            let (is_sound, reports) = reported(|| HEAP.check());
            assert!(!is_sound);
            assert_eq!(reports, [(WARN, on_top(block, 5))], "{size} {place}");
            poke(block, place as isize, 0xDD);
            assert!(HEAP.check());
        }
        // Its fences count as well.
        poke(block, size as isize, 1);
        let (_, reports) = reported(|| HEAP.check());
        assert_eq!(reports.len(), 1);
        assert!(reports[0].1.contains("after Free block"), "{reports:?}");
        poke(block, size as isize, 0xFD);
    }
}

#[test]
fn freeing_twice_is_an_assertion() {
    own_heap!(HEAP);
    let block = normal(&HEAP, 10, 1);
    free(&HEAP, block);
    let ((), reports) = reported(|| free(&HEAP, block));
    assert_eq!(reports, [(ASSERT, NOT_A_BLOCK.to_owned())]);

    // One that is kept is known as freed.
    HEAP.set_flags(flags::ALLOC_MEM | flags::DELAY_FREE_MEM)
        .expect("flags");
    let block = normal(&HEAP, 10, 1);
    free(&HEAP, block);
    let ((), reports) = reported(|| free(&HEAP, block));
    assert_eq!(
        reports,
        [(
            ASSERT,
            "Assertion failed: _BLOCK_TYPE_IS_VALID(header->_block_use)\n".to_owned()
        )]
    );
    assert_eq!(HEAP.checkpoint().counts, [1, 0, 0, 0, 0]);
}

/// Whatever is no block is refused, without a fault, and nothing is changed.
#[test]
fn what_is_no_block_is_an_assertion() {
    own_heap!(HEAP);
    own_heap!(OTHER);
    let block = normal(&HEAP, 1000, 1);
    let others = normal(&OTHER, 10, 1);
    let release = ntheap::crt::Crt::shared().allocate(500);
    static STATIC: [u64; 16] = [0; 16];
    let mut local = [0_u64; 16];
    let before = HEAP.checkpoint();
    for address in [
        block.wrapping_add(16),
        block.wrapping_sub(64),
        block.wrapping_sub(1),
        others,
        release,
        release.wrapping_add(64),
        STATIC.as_ptr().cast_mut().cast(),
        local.as_mut_ptr().cast(),
        std::ptr::without_provenance_mut(1),
        std::ptr::without_provenance_mut(64),
        std::ptr::without_provenance_mut(0x1000),
        std::ptr::without_provenance_mut(0xFFFF_8000_0000_0000),
        std::ptr::without_provenance_mut(usize::MAX),
        std::ptr::without_provenance_mut(usize::MAX - 15),
    ] {
        let ((), reports) = reported(|| free(&HEAP, address));
        assert_eq!(reports, [(ASSERT, NOT_A_BLOCK.to_owned())], "{address:p}");
        assert!(!HEAP.is_block(address), "{address:p}");
        assert_eq!(HEAP.block_type(address), -1, "{address:p}");
        assert!(HEAP.block_at(address).is_none(), "{address:p}");
    }
    assert_eq!(HEAP.checkpoint(), before);
    assert_eq!(messages(|| free(&HEAP, block)), "");
    assert_eq!(messages(|| free(&OTHER, others)), "");
    // SAFETY: the block is used no more.
    unsafe { ntheap::crt::Crt::shared().free(release).expect("a block") };
}

#[test]
fn another_type_than_the_blocks_is_an_assertion_and_frees_it() {
    own_heap!(HEAP);
    let expected = (
        ASSERT,
        "Assertion failed: header->_block_use == block_use || \
         header->_block_use == _CRT_BLOCK && block_use == _NORMAL_BLOCK\n"
            .to_owned(),
    );
    let cases = [
        (NORMAL_BLOCK, CLIENT_BLOCK, false),
        (CLIENT_BLOCK, NORMAL_BLOCK, false),
        // As Microsoft's, by the whole number: subtypes count.
        (CLIENT_BLOCK | 4 << 16, CLIENT_BLOCK, false),
        (NORMAL_BLOCK, NORMAL_BLOCK, true),
        (CLIENT_BLOCK | 4 << 16, CLIENT_BLOCK | 4 << 16, true),
        (CRT_BLOCK, NORMAL_BLOCK, true),
        (NORMAL_BLOCK, CRT_BLOCK, false),
        (IGNORE_BLOCK, NORMAL_BLOCK, true),
        (NORMAL_BLOCK, -1, true),
        (CLIENT_BLOCK | 9 << 16, -1, true),
    ];
    for (own, asked, fits) in cases {
        let block = HEAP.allocate(10, own, at(1));
        let size = reported(|| HEAP.size_of(block, asked));
        assert_eq!(size.0, Some(10));
        // SAFETY: the block is used no more.
        let ((), reports) = reported(|| unsafe { HEAP.free(block, asked) });
        assert_eq!(reports, size.1);
        match fits {
            true => assert_eq!(reports, [], "{own:#x} {asked:#x}"),
            false => assert_eq!(
                reports,
                std::slice::from_ref(&expected),
                "{own:#x} {asked:#x}"
            ),
        }
    }
    assert_eq!(HEAP.checkpoint().counts, [0; 5]);
}

/// The stamp leads to the record; without it a search does.
#[test]
fn a_block_is_found_without_its_stamp() {
    own_heap!(HEAP);
    let blocks: Vec<*mut u8> = (0..50).map(|line| normal(&HEAP, 8, line)).collect();
    let block = blocks[20];
    for distance in -64..-48 {
        poke(block, distance, 0);
    }
    let known = HEAP.block_at(block).expect("found");
    assert_eq!((known.request, known.origin.line()), (21, 20));
    // A stamp that leads to another block's record is not believed.
    // SAFETY: both blocks have a stamp there.
    unsafe {
        block
            .wrapping_sub(64)
            .copy_from_nonoverlapping(blocks[3].wrapping_sub(64), 16);
    }
    let known = HEAP.block_at(block).expect("found");
    assert_eq!((known.request, known.origin.line()), (21, 20));
}

/// What a release free sees of a debug block.
#[test]
fn a_release_free_sees_no_block_of_its_own_in_a_debug_block() {
    static RUNTIME: ntheap::crt::Crt = ntheap::crt::Crt::private("release and debug");
    static HEAP: DebugHeap = DebugHeap::on(&RUNTIME);
    let block = normal(&HEAP, 30, 12);
    assert!(!RUNTIME.owns(block));
    assert!(RUNTIME.owns(block.wrapping_sub(64)));
    assert_eq!(RUNTIME.size_of(block.wrapping_sub(64)), Some(30 + 68));
    let known = HEAP.block_at(block).expect("known");
    assert_eq!(
        (known.start, known.size, known.request, known.origin.line()),
        (block, 30, 1, 12)
    );
    assert!(HEAP.block_at(block.wrapping_add(16)).is_none());
    free(&HEAP, block);
    assert!(HEAP.block_at(block).is_none());
}

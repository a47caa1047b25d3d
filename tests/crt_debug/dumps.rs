//! What dumps say, line by line.

use crate::support::{at, client, free, messages, normal, own_heap, reported, shown};
use ntheap::crt::debug::kind::{CLIENT_BLOCK, CRT_BLOCK, IGNORE_BLOCK, NORMAL_BLOCK, WARN, flags};
use ntheap::crt::debug::{Origin, State};
use std::ffi::c_void;

/// Writes a text into a block.
fn write(block: *mut u8, text: &[u8]) {
    // SAFETY: the tests' blocks are as long as their texts.
    unsafe { block.copy_from_nonoverlapping(text.as_ptr(), text.len()) };
}

#[test]
fn leaks_are_listed_newest_first_in_microsofts_lines() {
    own_heap!(HEAP);
    assert!(!HEAP.dump_leaks());
    let hello = normal(&HEAP, 13, 10);
    write(hello, b"hello, world\0");
    let freed = normal(&HEAP, 100, 11);
    let pod = HEAP.allocate(4, NORMAL_BLOCK, Origin::NONE);
    let long = client(&HEAP, 30, 3, 12);
    write(long, b"\x01\x7f\x80\xffABCD 1234\t~!xyz");
    let runtimes = HEAP.allocate(5, CRT_BLOCK, at(13));
    let ignored = HEAP.allocate(6, IGNORE_BLOCK, at(14));
    let empty = normal(&HEAP, 0, 15);
    free(&HEAP, freed);

    let expected = |runtimes_own: &str| {
        format!(
            "Detected memory leaks!\n\
             Dumping objects ->\n\
             test.rs(15) : {{7}} normal block at {}, 0 bytes long.\n \
             Data: <> \n\
             {runtimes_own}\
             test.rs(12) : {{4}} client block at {}, subtype 3, 30 bytes long.\n \
             Data: <    ABCD 1234 ~!> 01 7F 80 FF 41 42 43 44 20 31 32 33 34 09 7E 21 \n\
             {{3}} normal block at {}, 4 bytes long.\n \
             Data: <    > CD CD CD CD \n\
             test.rs(10) : {{1}} normal block at {}, 13 bytes long.\n \
             Data: <hello, world > 68 65 6C 6C 6F 2C 20 77 6F 72 6C 64 00 \n\
             Object dump complete.\n",
            shown(empty),
            shown(long),
            shown(pod),
            shown(hello),
        )
    };
    let (leaks, reports) = reported(|| HEAP.dump_leaks());
    assert!(leaks);
    assert!(reports.iter().all(|&(kind, _)| kind == WARN));
    let text: String = reports.into_iter().map(|(_, text)| text).collect();
    assert_eq!(text, expected(""));

    HEAP.set_flags(flags::ALLOC_MEM | flags::CHECK_CRT)
        .expect("flags");
    let runtimes_own = format!(
        "test.rs(13) : {{5}} crt block at {}, subtype 0, 5 bytes long.\n \
         Data: <     > CD CD CD CD CD \n",
        shown(runtimes)
    );
    assert_eq!(
        messages(|| assert!(HEAP.dump_leaks())),
        expected(&runtimes_own)
    );

    // The runtime's own block alone is a leak if it is asked for.
    for block in [hello, pod, long, empty] {
        free(&HEAP, block);
    }
    assert!(reported(|| HEAP.dump_leaks()).0);
    HEAP.set_flags(flags::ALLOC_MEM).expect("flags");
    assert_eq!(messages(|| assert!(!HEAP.dump_leaks())), "");
    free(&HEAP, runtimes);
    free(&HEAP, ignored);
}

/// 1,000 planted leaks among 9,000 blocks that are freed: exactly those, each by
/// number, place, size and address.
#[test]
fn a_thousand_planted_leaks_are_listed_exactly() {
    own_heap!(HEAP);
    let mut numbers = crate::support::Numbers(0x5eed_0f1e_a45f_0001);
    let mut blocks: Vec<(*mut u8, i32, usize)> = Vec::new();
    for line in 1..=10_000 {
        let size = numbers.below(500);
        blocks.push((normal(&HEAP, size, line), line, size));
    }
    // Which 1,000 stay, and in which order the others go, looks random.
    let mut planted = Vec::new();
    for _ in 0..1000 {
        planted.push(blocks.swap_remove(numbers.below(blocks.len())));
    }
    while !blocks.is_empty() {
        let (block, ..) = blocks.swap_remove(numbers.below(blocks.len()));
        free(&HEAP, block);
    }
    planted.sort_by_key(|&(_, line, _)| std::cmp::Reverse(line));
    let mut expected = String::from("Detected memory leaks!\nDumping objects ->\n");
    for (block, line, size) in &planted {
        let bytes = 16.min(*size);
        expected += &format!(
            "test.rs({line}) : {{{line}}} normal block at {}, {size} bytes long.\n Data: <{}> {}\n",
            shown(*block),
            " ".repeat(bytes),
            "CD ".repeat(bytes),
        );
    }
    expected += "Object dump complete.\n";
    assert_eq!(messages(|| assert!(HEAP.dump_leaks())), expected);
    for (block, ..) in planted {
        free(&HEAP, block);
    }
    assert!(!HEAP.dump_leaks());
}

#[test]
fn figures_are_listed_in_microsofts_lines() {
    own_heap!(HEAP);
    let blocks = [
        normal(&HEAP, 100, 1),
        normal(&HEAP, 200, 1),
        HEAP.allocate(30, CRT_BLOCK, at(1)),
        HEAP.allocate(4, IGNORE_BLOCK, at(1)),
        client(&HEAP, 5, 8, 1),
    ];
    free(&HEAP, blocks[1]);
    let state = HEAP.checkpoint();
    assert_eq!(
        messages(|| HEAP.dump_statistics(&state)),
        "0 bytes in 0 Free Blocks.\n\
         100 bytes in 1 Normal Blocks.\n\
         30 bytes in 1 CRT Blocks.\n\
         4 bytes in 1 Ignore Blocks.\n\
         5 bytes in 1 Client Blocks.\n\
         Largest number used: 339 bytes.\n\
         Total allocations: 339 bytes.\n"
    );
    HEAP.set_flags(flags::ALLOC_MEM | flags::DELAY_FREE_MEM)
        .expect("flags");
    free(&HEAP, blocks[0]);
    let kept = HEAP.checkpoint();
    assert!(
        messages(|| HEAP.dump_statistics(&kept))
            .starts_with("100 bytes in 1 Free Blocks.\n0 bytes in 0 Normal Blocks.\n")
    );
    let (difference, differs) = state.difference(&kept, false);
    assert!(differs);
    assert_eq!(difference.counts, [1, usize::MAX, 0, 0, 0]);
    assert_eq!((difference.highest, difference.total), (0, 0));
    assert_eq!(difference.newest, std::ptr::null_mut());
    assert_eq!(State::EMPTY.difference(&kept, false).0.total, 339);
}

#[test]
fn a_file_that_cannot_be_read_is_named_as_microsofts_runtime_does() {
    own_heap!(HEAP);
    // SAFETY: reports look at the text with care, and this test keeps it.
    let origin = unsafe { Origin::from_raw(std::ptr::without_provenance(0x7000_0000_0001), 5) };
    let block = HEAP.allocate(1, NORMAL_BLOCK, origin);
    let text = messages(|| HEAP.dump_since(None));
    assert!(
        text.contains(&format!(
            "\n#File Error#(5) : {{1}} normal block at {}, 1 bytes long.\n",
            shown(block)
        )),
        "{text}"
    );
    free(&HEAP, block);
}

thread_local! {
    static DUMPED: std::cell::RefCell<Vec<(usize, usize)>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[test]
fn a_program_shows_client_blocks_itself() {
    own_heap!(HEAP);
    unsafe extern "C" fn dump(block: *mut c_void, size: usize) {
        DUMPED.with_borrow_mut(|dumped| dumped.push((block.addr(), size)));
        // It may ask for memory, and give it back.
        let more = normal(&HEAP, 10, 99);
        free(&HEAP, more);
    }
    let first = client(&HEAP, 10, 1, 1);
    let second = normal(&HEAP, 1, 2);
    let third = client(&HEAP, 30, 0xBEEF, 3);
    // SAFETY: the function is there for good.
    assert!(unsafe { HEAP.set_dump_client(Some(dump)) }.is_none());
    assert_eq!(
        messages(|| HEAP.dump_since(None)),
        format!(
            "Dumping objects ->\n\
             test.rs(3) : {{3}} client block at {}, subtype beef, 30 bytes long.\n\
             test.rs(2) : {{2}} normal block at {}, 1 bytes long.\n \
             Data: < > CD \n\
             test.rs(1) : {{1}} client block at {}, subtype 1, 10 bytes long.\n\
             Object dump complete.\n",
            shown(third),
            shown(second),
            shown(first)
        )
    );
    assert_eq!(DUMPED.take(), [(third.addr(), 30), (first.addr(), 10)]);
    assert!(HEAP.dump_client().is_some());
    // SAFETY: as above.
    assert!(unsafe { HEAP.set_dump_client(None) }.is_some());
    assert!(HEAP.dump_client().is_none());
}

/// A function that is called for every client block may free it, and others, and
/// ask for more; each that was there before and still is, is visited once.
#[test]
fn visitors_of_client_blocks_may_free_and_allocate() {
    own_heap!(HEAP);
    struct Visits {
        seen: Vec<usize>,
        blocks: Vec<*mut u8>,
    }
    unsafe extern "C" fn visit(block: *mut c_void, context: *mut c_void) {
        // SAFETY: the context is the one below.
        let visits = unsafe { &mut *context.cast::<Visits>() };
        visits.seen.push(block.addr());
        let index = visits
            .blocks
            .iter()
            .position(|known| known.addr() == block.addr())
            .expect("a block that was there");
        free(&HEAP, visits.blocks.remove(index));
        // The next one, before its turn, every third time.
        if visits.seen.len() % 3 == 0
            && let Some(next) = visits.blocks.pop()
        {
            free(&HEAP, next);
        }
        client(&HEAP, 8, 2, 0);
    }
    let blocks: Vec<*mut u8> = (0..1000).map(|line| client(&HEAP, 8, 1, line)).collect();
    let mut visits = Visits {
        seen: Vec::new(),
        blocks: blocks.clone(),
    };
    // SAFETY: the context is what the function takes it for.
    unsafe { HEAP.for_all_client_blocks(visit, (&raw mut visits).cast()) };
    assert!(visits.blocks.is_empty());
    // Newest first, three of four.
    assert_eq!(visits.seen.len(), 750);
    let place = |address: &usize| blocks.iter().position(|block| block.addr() == *address);
    assert!(
        visits
            .seen
            .windows(2)
            .all(|pair| place(&pair[0]) > place(&pair[1]))
    );
    assert_eq!(HEAP.checkpoint().counts[CLIENT_BLOCK as usize], 750);

    HEAP.set_flags(0).expect("flags");
    // SAFETY: as above.
    unsafe { HEAP.for_all_client_blocks(visit, std::ptr::null_mut()) };
}

//! Frames and windows from inside.

use super::super::{Kind, Protect, Request, Whereabouts, find, release, reserve};
use super::*;
use std::vec;
use std::vec::Vec;

fn window(pages: usize) -> usize {
    let request = Request {
        kind: Kind::Physical,
        ..Request::private(Protect::READ_WRITE)
    };
    let place = reserve(&Whereabouts::default(), pages * page_size(), &request);
    place.expect("address space").0
}

fn frames(count: usize) -> Vec<usize> {
    let mut numbers = vec![0; count];
    assert_eq!(allocate_frames(&mut numbers), Ok(count));
    numbers
}

#[test]
fn a_window_shows_one_frame_and_then_another() {
    let page = page_size();
    let base = window(4);
    let own = frames(6);
    let map =
        |pages: &[usize]| map_frames(pages.len(), |nth| base + nth * page, |nth| Some(pages[nth]));
    let byte = |nth: usize| pointer(base + nth * page);
    map(&own[0..4]).expect("mapped");
    for nth in 0..4 {
        // SAFETY: the window shows four frames.
        unsafe { byte(nth).write(nth as u8 + 1) };
    }
    map(&own[4..6]).expect("mapped");
    // SAFETY: the window shows the frames.
    unsafe {
        assert_eq!((byte(0).read(), byte(1).read()), (0, 0), "fresh frames");
        assert_eq!((byte(2).read(), byte(3).read()), (3, 4), "the others stay");
        byte(0).write(5);
    }
    map(&own[0..1]).expect("mapped");
    // SAFETY: as above.
    unsafe { assert_eq!(byte(0).read(), 1, "what it held") };
    // Within one call pages may change places.
    map(&[own[0], own[5], own[3], own[2]]).expect("mapped");
    // SAFETY: as above.
    unsafe { assert_eq!((byte(2).read(), byte(3).read()), (4, 3)) };
    assert_eq!(map(&own[3..4]), Err(Refusal::Invalid), "mapped elsewhere");
    assert_eq!(map(&[own[1], own[1]]), Err(Refusal::Invalid), "named twice");
    assert_eq!(map(&[own[1], 7]), Err(Refusal::Invalid), "no frame");
    // SAFETY: as above.
    unsafe { assert_eq!(byte(0).read(), 1, "nothing changed") };
    let told = find(base).expect("a window");
    assert_eq!(told.committed, Some(Protect::READ_WRITE));
    map_frames(1, |_| base + page, |_| None).expect("unmapped");
    assert_eq!(find(base + page).expect("a window").committed, None);

    assert_eq!(free_frames(&own), (6, Ok(())));
    assert_eq!(
        find(base).expect("a window").committed,
        None,
        "shows nothing"
    );
    assert_eq!(free_frames(&own[..1]), (0, Err(Refusal::Invalid)), "twice");
    let again = frames(6);
    map_frames(6, |_| base, |_| None).expect_err("a page named twice is none");
    // SAFETY: the window is this test's.
    unsafe { release(base) }.expect("released");
    assert_eq!(free_frames(&again), (6, Ok(())));
}

#[test]
fn frames_are_charged_and_their_memory_goes_back() {
    let own = frames(256);
    let base = window(256);
    let page = page_size();
    map_frames(256, |nth| base + nth * page, |nth| Some(own[nth])).expect("mapped");
    // SAFETY: the window shows the frames.
    unsafe { pointer(base).write_bytes(1, 256 * page) };
    // SAFETY: the window is this test's.
    unsafe { release(base) }.expect("released");
    let base = window(256);
    map_frames(256, |nth| base + nth * page, |nth| Some(own[nth])).expect("mapped again");
    // SAFETY: the window shows the frames.
    unsafe { assert_eq!(pointer(base + 255 * page).read(), 1) };
    assert_eq!(free_frames(&own), (256, Ok(())));
    // SAFETY: the window is this test's.
    unsafe { release(base) }.expect("released");
}

#[test]
fn frames_come_from_named_pages_only() {
    let page = page_size();
    let base = window(8);
    let own = frames(4);
    let scatter = |places: &[usize], numbers: &[usize]| {
        map_frames(
            places.len(),
            |nth| base + places[nth] * page,
            |nth| Some(numbers[nth]),
        )
    };
    scatter(&[0, 1, 2], &own[..3]).expect("mapped");
    for nth in 0..3 {
        // SAFETY: the window shows three frames.
        unsafe { pointer(base + nth * page).write(nth as u8 + 1) };
    }
    // Page 1 lies between the first place and as many pages behind it as are named,
    // but is not named: its frame would be at two places.
    assert_eq!(scatter(&[0, 5], &[own[1], own[3]]), Err(Refusal::Invalid));
    assert_eq!(find(base + 5 * page).expect("a window").committed, None);
    // SAFETY: as above.
    unsafe { assert_eq!(pointer(base + page).read(), 2) };
    // Named pages may be anywhere, and in any order.
    scatter(&[7, 0, 1], &[own[0], own[1], own[3]]).expect("moved");
    // SAFETY: the window shows these.
    unsafe {
        assert_eq!(pointer(base + 7 * page).read(), 1);
        assert_eq!(pointer(base).read(), 2);
    }
    assert_eq!(free_frames(&own), (4, Ok(())));
    // SAFETY: the window is this test's.
    unsafe { release(base) }.expect("released");
}

#[test]
fn a_call_makes_room_for_the_runs_it_can_need() {
    let page = page_size();
    const PAGES: usize = 4096;
    let base = window(PAGES);
    let own = frames(PAGES);
    let before = vm::account().get(Use::Metadata).committed;
    map_frames(PAGES, |nth| base + nth * page, |nth| Some(own[nth])).expect("mapped");
    // Every other page is a run of its own then, scattered.
    map_frames(PAGES / 2, |nth| base + 2 * nth * page, |_| None).expect("unmapped");
    let taken = vm::account().get(Use::Metadata).committed - before;
    // Records of other tests' included, far less than a leaf for each page.
    assert!(taken < PAGES * 1024, "{taken} bytes of metadata");
    assert_eq!(free_frames(&own), (PAGES, Ok(())));
    // SAFETY: the window is this test's.
    unsafe { release(base) }.expect("released");
}

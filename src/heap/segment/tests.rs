//! Runs of slices, and the chunks that they come from.

use super::*;
use crate::heap::classes;

#[test]
fn runs_of_ones_are_found_lowest_first() {
    assert_eq!(find_ones(u64::MAX, 64), Some(0));
    assert_eq!(find_ones(0, 1), None);
    for length in 1..=64usize {
        for at in 0..=64 - length {
            let bits = mask(at as u32, length);
            assert_eq!(find_ones(bits, length), Some(at as u32));
            if length < 64 {
                assert_eq!(find_ones(bits, length + 1), None);
            }
        }
    }
}

/// Blocks that fill huge pages have them before the heap is large, and nobody else; in
/// a large heap all do.
#[test]
fn those_that_fill_huge_pages_have_chunks_of_their_own() {
    // The slice table is the process heap's.
    assert!(crate::heap::PROCESS.is_ready(&crate::config::Config::new()));
    let mut back_end = Backend::new();
    back_end.begin(0, 4 * SEGMENT);
    back_end.note_active(usize::MAX);
    let mut runs = [false, true, true, false, true, false].map(|fills| {
        let alike = if fills {
            Alike::Private(SEGMENT)
        } else {
            Alike::No
        };
        let run = back_end.take(8, HEADER, alike, false).expect("slices");
        // SAFETY: the segment of a run just taken.
        let is_huge = unsafe { (*(*run.segment).leader).is_huge };
        assert_eq!(is_huge, fills);
        run
    });
    assert_eq!(back_end.huge_chunks, 1);
    let mut rest = 0;
    while !back_end.wants_huge() {
        back_end.take(64, HEADER, Alike::No, false).expect("slices");
        rest += 1;
    }
    assert_eq!((rest, back_end.huge_chunks), (4, 1));
    while back_end.huge_chunks == 1 {
        back_end.take(64, HEADER, Alike::No, false).expect("slices");
    }
    // What was used of the huge chunk is used again by whoever comes.
    let run = &mut runs[1];
    // SAFETY: the run was taken with these sizes, and nobody uses it.
    unsafe {
        back_end.put_back(
            run.segment,
            run.first_slice,
            8,
            8 * SLICE,
            run.descriptor,
            HEADER,
        );
    }
    let again = back_end.take(8, HEADER, Alike::No, false).expect("slices");
    assert_eq!(again.base, run.base);
}

/// Fences are laid beside chunks with huge pages; and a heap whose huge chunks have all gone
/// starts over with what is much.
#[test]
fn fences_keep_to_small_pages() {
    // The slice table is the process heap's.
    assert!(crate::heap::PROCESS.is_ready(&crate::config::Config::new()));
    let mut back_end = Backend::new();
    back_end.begin(1, 4 * SEGMENT);
    let alike = Alike::Small(SEGMENT);
    let huge = back_end.take(64, HEADER, alike, false).expect("slices");
    assert_eq!((back_end.huge_chunks, back_end.most_alike), (1, SEGMENT));
    let class = classes::class_of(256 * 1024);
    let record = Descriptor::size_for(class, crate::heap::Kind::Checked);
    let fenced = back_end.take_for(class, record).expect("slices");
    // SAFETY: the segments of runs just taken.
    let is_huge = |run: &Run| unsafe { (*(*run.segment).leader).is_huge };
    assert!(is_huge(&huge) && !is_huge(&fenced));
    // SAFETY: the run was taken with these sizes, and nobody uses it.
    unsafe {
        back_end.put_back(huge.segment, 0, 64, 64 * SLICE, huge.descriptor, HEADER);
    }
    back_end.purge_down_to(0);
    let left = (
        back_end.huge_chunks,
        back_end.huge_from,
        back_end.most_alike,
    );
    assert_eq!(left, (0, 0, 0));
}

/// A large heap asks for huge pages only while most of its slices may hold memory.
#[test]
fn what_is_hardly_touched_gets_small_pages() {
    // The slice table is the process heap's.
    assert!(crate::heap::PROCESS.is_ready(&crate::config::Config::new()));
    let mut back_end = Backend::new();
    back_end.begin(0, 4 * SEGMENT);
    for _ in 0..8 {
        back_end.take(64, HEADER, Alike::No, false).expect("slices");
    }
    let used = 8 * SEGMENT;
    for (active, wants) in [(0, false), (used / 4 * 3 - 1, false), (used / 4 * 3, true)] {
        back_end.note_active(active);
        assert_eq!(back_end.wants_huge(), wants, "{active}");
    }
    assert_eq!(back_end.huge_chunks, 0);
    let mut always = Backend::new();
    always.begin(0, 0);
    for _ in 0..2 {
        let run = always.take(64, HEADER, Alike::No, false).expect("slices");
        // SAFETY: the segment of a run just taken.
        assert!(unsafe { (*(*run.segment).leader).is_huge });
    }
    while back_end.huge_chunks == 0 {
        back_end.note_active(back_end.used_slices * SLICE);
        back_end.take(64, HEADER, Alike::No, false).expect("slices");
    }
}

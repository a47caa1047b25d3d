//! Every call into the system refused in turn, and every call from a certain
//! one on, from the heap's very first on.

use super::support::*;
use super::workload::Load;
use ntheap::stats;
use ntheap::sys::{Call, fault};

const STRUCK: u8 = 10;
const SPARED: u8 = 11;

/// One load under the plan, from the first call of a process on, and one
/// without it afterwards.
fn strike(face: Face, first: u64, count: u64) -> u8 {
    let mut load = Load::new(face, first + 1);
    fault::plan(first, count, &[]);
    load.run(true);
    let (_, struck) = fault::end();
    assert_eq!(stats().allocated, 0, "blocks were lost");
    if count == 1 {
        assert!(load.refused <= 1, "{} refusals for one call", load.refused);
    }
    if (first, count) == (0, u64::MAX) && cfg!(unix) {
        assert!(load.refused > 0, "nothing can be had without any call");
    }
    load.refused = 0;
    // All routes work again: each time with a few blocks, now and then with many.
    if cfg!(not(unix)) || long() || first.is_multiple_of(8) {
        load.run(false);
    } else {
        load.run_briefly();
    }
    assert_eq!(load.refused, 0, "the heap did not recover");
    assert_eq!(stats().allocated, 0);
    if struck == 0 { SPARED } else { STRUCK }
}

/// [`strike`] in a fresh process. Without forks it is the same process each
/// time, so that the heap's first calls are struck once at most.
fn strike_afresh(face: Face, first: u64, count: u64) -> u8 {
    #[cfg(unix)]
    return in_fork(|| strike(face, first, count));
    #[cfg(not(unix))]
    strike(face, first, count)
}

/// Strikes at 0, 1, 2, ... until a plan strikes nothing.
fn strike_everywhere(what: &str, face: Face, count: u64) {
    // Threads make no two runs alike: the end is where several in a row strike
    // nothing.
    let mut spared = 0;
    let mut first = 0;
    let mut struck = 0;
    while spared < 3 {
        match strike_afresh(face, first, count) {
            STRUCK => spared = 0,
            SPARED => spared += 1,
            other => panic!("{what}, call {first}: the process ended with {other}"),
        }
        struck += u64::from(spared == 0);
        // Later ones are much alike: each is struck in one of the two faces, and with all
        // that follows refused as well, every other of these.
        first += match (first, count) {
            (..40, _) => 1,
            _ if long() => 1,
            (40, 1) if face == Face::Checked => 1,
            (_, 1) => 2,
            _ => 4,
        };
    }
    figure(&format!("{what}, {face:?}: {struck} calls struck"));
    if cfg!(not(unix)) {
        figure("skipped without fork: the first calls of a process, refused one by one");
    }
    assert!(struck > 30, "the load makes too few calls");
}

fn each_call_refused_once(face: Face) {
    strike_everywhere("each call refused once", face, 1);
}

fn all_calls_refused_from_each_on(face: Face) {
    strike_everywhere("all calls refused from each on", face, u64::MAX);
}

each_face!(each_call_refused_once: plain = Plain, checked = Checked);
each_face!(all_calls_refused_from_each_on: plain = Plain, checked = Checked);

/// Where there is no room for all of its last huge page, a large block has its pages moved all
/// the same, and is not copied.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn a_block_grows_by_less_than_a_huge_page(face: Face) {
    use ntheap::sys::Call;
    const SMALL: usize = 8192 * KIB;
    let mut block =
        super::workload::Held::new(face.allocate(layout(SMALL, 8)), layout(SMALL, 8), 1);
    let commits = stats().os_calls.get(Call::Commit);
    // To resize the region, and to move it.
    fault::plan(0, 2, &[Call::Remap, Call::Reserve]);
    assert!(block.resize(face, SMALL + 16 * KIB));
    assert_eq!(fault::end().1, 2);
    assert_eq!(stats().os_calls.get(Call::Commit), commits);
    block.free(face);
}

#[cfg(any(target_os = "linux", target_os = "android"))]
each_face!(a_block_grows_by_less_than_a_huge_page: plain = Plain, checked = Checked);

/// Frees want magazines for their blocks. Where there is no memory for any, the system is not
/// asked for one with each.
fn frees_ask_seldom_for_what_is_refused(face: Face) {
    const EACH: usize = 10_000;
    let mut blocks: Vec<Block> = Vec::with_capacity(32 * EACH);
    for size in (32..=1024).step_by(32) {
        let layout = layout(size, 8);
        blocks.extend((0..EACH).map(|_| {
            let start = face.allocate(layout);
            Block { start, layout }
        }));
    }
    let frees = blocks.len();
    fault::plan(0, u64::MAX, &[Call::Reserve, Call::Commit]);
    for Block { start, layout } in blocks {
        face.free(start, layout);
    }
    let (asked, struck) = fault::end();
    figure(&format!("{asked} calls of the system's for {frees} frees"));
    assert!(struck > 0, "nothing was wanted");
    assert!(asked < frees as u64 / 100);
    let mut load = Load::new(face, 37);
    load.run(true);
    assert_eq!((load.refused, stats().allocated), (0, 0));
}

each_face!(frees_ask_seldom_for_what_is_refused: plain = Plain, checked = Checked);

/// What a refusal gives back before is what others can have: the pages between a heap's blocks,
/// of which there are as many as the heap is large, are no part of it.
fn refusals_leave_pages_between_blocks_alone(face: Face) {
    const SIZE: usize = 5000;
    const REFUSALS: u64 = 100;
    let layout = layout(SIZE, 8);
    let all: Vec<_> = (0..20_000).map(|_| face.allocate(layout)).collect();
    let (gone, held): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    gone.iter()
        .for_each(|(_, block)| face.free(**block, layout));
    ntheap::vm::set_commit_limit(ntheap::vm::account().total().committed);
    let large = super::support::layout(32 * MIB, 8);
    fault::plan(u64::MAX, 0, &[Call::Purge]);
    for _ in 0..REFUSALS {
        assert!(face.allocate(large).is_null());
    }
    let (purges, _) = fault::end();
    figure(&format!("{purges} purges in {REFUSALS} refusals"));
    assert!(purges < REFUSALS);
    // Whoever asks for it has them given back.
    fault::plan(u64::MAX, 0, &[Call::Purge]);
    face.purge();
    let (purges, _) = fault::end();
    assert!(purges > 1000, "{purges} purges");
    ntheap::vm::set_commit_limit(usize::MAX);
    held.iter()
        .for_each(|(_, block)| face.free(**block, layout));
    assert_eq!(stats().allocated, 0);
}

each_face!(refusals_leave_pages_between_blocks_alone: plain = Plain, checked = Checked);

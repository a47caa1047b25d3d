//! The counters and the fault plan.

use super::process::exit_hook;
use super::{Range, turn};
use ntheap::sys::{self, Call, Protection, fault};
use std::collections::HashSet;

/// Calls every function that can fail once, in the order of `Call::ALL` but
/// for the release, which is last; says which reported success.
fn one_of_each() -> Vec<(Call, bool)> {
    let page = sys::page_size();
    let reserved = sys::reserve(4 * page, 1);
    // What follows needs a range, also when this reservation was refused.
    let (base, spare) = if reserved.is_null() {
        let spare = sys::reserve(4 * page, 1);
        (spare, true)
    } else {
        (reserved, false)
    };
    assert!(!base.is_null());
    // SAFETY: the range is this function's, and a refused step leaves it
    // in a state that the next one allows.
    unsafe {
        let committed = sys::commit(base, 4 * page);
        let purged = sys::purge(base, page);
        let protected = sys::protect(base, page, Protection::ReadWrite);
        let decommitted = sys::decommit(base, page);
        sys::advise_huge(base, page, true);
        let hooked = sys::at_thread_exit(0, exit_hook::<0>, std::ptr::null_mut());
        let released = sys::release(base, 4 * page);
        if !released {
            assert!(sys::release(base, 4 * page), "the range was still there");
        }
        vec![
            (Call::Reserve, !spare),
            (Call::Commit, committed),
            (Call::Purge, purged),
            (Call::Protect, protected),
            (Call::Decommit, decommitted),
            (Call::ThreadHook, hooked),
            (Call::Release, released),
        ]
    }
}

#[test]
fn every_call_is_counted_once_under_its_kind() {
    let _turn = turn();
    let before = sys::calls();
    assert!(one_of_each().iter().all(|(_, success)| *success));
    // SAFETY: a range of this test's, all committed, used by nobody.
    unsafe {
        let base = sys::allocate(sys::GRANULARITY);
        let other = sys::reserve_readable(sys::GRANULARITY);
        assert!(sys::guard(base, sys::GRANULARITY) && sys::unguard(base, sys::GRANULARITY));
        assert!(sys::release(base, sys::GRANULARITY) && sys::release(other, sys::GRANULARITY));
    }
    let after = sys::calls();
    let expected = [
        (Call::Reserve, 3),
        (Call::Commit, 1),
        (Call::Decommit, 1),
        (Call::Purge, 1),
        (Call::Release, 3),
        (Call::Protect, 3),
        (Call::Remap, 0),
        (Call::Advise, 1),
        (Call::ThreadHook, 1),
    ];
    for (call, count) in expected {
        assert_eq!(after.get(call) - before.get(call), count, "{}", call.name());
    }
    assert_eq!(after.total() - before.total(), 14);
    let names: HashSet<_> = Call::ALL.iter().map(|call| call.name()).collect();
    assert_eq!(names.len(), Call::ALL.len());
}

#[test]
fn a_fault_plan_strikes_exactly_the_chosen_call() {
    let _turn = turn();
    for kind in Call::ALL {
        fault::plan(0, 1, &[kind]);
        let results = one_of_each();
        let (seen, struck) = fault::end();
        // No call of this test resizes; advice has no result.
        let failed: Vec<_> = results.iter().filter(|(_, success)| !success).collect();
        match kind {
            Call::Remap
            | Call::Map
            | Call::File
            | Call::Lock
            | Call::Watch
            | Call::Copy
            | Call::Catch => assert_eq!((seen, struck, failed.len()), (0, 0, 0)),
            Call::Advise => assert_eq!((seen, struck, failed.len()), (1, 1, 0)),
            _ => {
                assert_eq!(struck, 1, "{}", kind.name());
                // A refused reservation or release is tried again.
                let again = u64::from(matches!(kind, Call::Reserve | Call::Release));
                assert_eq!(seen, 1 + again, "{}", kind.name());
                assert_eq!(failed, [&(kind, false)]);
            }
        }
    }
}

#[test]
fn a_fault_plan_strikes_by_number() {
    let _turn = turn();
    let commits = |count: usize| -> Vec<bool> {
        let range = Range::reserved(1);
        // SAFETY: our range; committing again changes nothing.
        let commit = |_| unsafe { sys::commit(range.base, range.size) };
        (0..count).map(commit).collect()
    };
    for first in 0..6u64 {
        for width in [1, 2, 5] {
            fault::plan(first, width, &[Call::Commit]);
            let results = commits(8);
            assert_eq!(fault::end(), (8, width.min(8 - first)));
            for (number, success) in (0..).zip(results) {
                let struck = number >= first && number < first + width;
                assert_eq!(success, !struck, "call {number} of plan {first}+{width}");
            }
        }
    }
    // All kinds together: reserve is 0, the commits follow, the release is 9.
    fault::plan(3, 1, &[]);
    let results = commits(8);
    assert_eq!(fault::end(), (10, 1));
    assert_eq!(results.iter().position(|success| !success), Some(2));
    // After its end a plan does nothing.
    assert!(commits(8).iter().all(|success| *success));
    assert_eq!(fault::end(), (10, 1));
}

#[test]
fn a_refused_call_changes_nothing() {
    let _turn = turn();
    let page = sys::page_size();
    let range = Range::committed(4);
    range.fill(7);
    let (base, size) = (range.base, range.size);
    fault::plan(0, u64::MAX, &[]);
    // SAFETY: our range; every one of these is refused.
    let results = unsafe {
        [
            sys::decommit(base, size),
            sys::purge(base, size),
            sys::guard(base, size),
            sys::protect(base, page, Protection::None),
            sys::resize(base, size, 2 * size),
            sys::move_to(base, size, base.wrapping_add(size), size),
            sys::release(base, size),
            !sys::reserve(size, 1).is_null(),
            !sys::allocate(size).is_null(),
            !sys::reserve_readable(size).is_null(),
        ]
    };
    assert_eq!(fault::end(), (10, 10));
    assert_eq!(results, [false; 10]);
    assert!(range.all(7));
    range.fill(8);
    assert!(range.all(8));
}

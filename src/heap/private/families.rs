//! Which function a block goes back by: C's `free`, or that one of C++'s operators which
//! belongs to the one that it came from.
//!
//! All of them end in the same heap, so a block that goes back by another one is freed
//! all the same, until a program is built with other operators or runs elsewhere. The
//! record of a block says what it came from: malloc says so where it makes the record, an
//! operator after that, the outermost one last. An operator delete compares before it
//! calls free, and takes the word away, for free compares as well.
//!
//! Where a program or a library has operators of its own, a block may rightly come from
//! one and go back to another's. Whoever knows the operators says so ([`judge_by`]); without
//! its word nothing is reported.

use super::{damage, guarded, light};
use crate::heap::PROCESS_HEAP;
use crate::heap::debug::registry::{self, Family, Record, State};
use crate::heap::debug::{self, gflags};
use crate::report::{Families, Report, Stop};
use crate::sync::Function;

const ADVICE: &str = "advice: give a block back by what belongs to the function that it came \
     from: free to malloc, delete to new, delete[] to new[], and with an alignment if it was made \
     with one";

/// Whether all operators of the process lead here.
static JUDGE: Function<fn() -> bool> = Function::none();

/// From here on blocks that go back by the wrong function are reported if `judge` says that
/// all operators are known. It is asked at each such block, with no lock held.
pub(in crate::heap) fn judge_by(judge: fn() -> bool) {
    JUDGE.swap(Some(judge));
}

/// Whether anything is compared: with parameters checked, and with page heap.
pub(in crate::heap) fn are_told() -> bool {
    debug::has(gflags::VALIDATE_PARAMETERS) || debug::has(gflags::PAGE_ALLOCS)
}

/// Notes what a block came from.
pub(in crate::heap) fn note(address: usize, family: Family) {
    if !are_told() {
        return;
    }
    registry::update(address, |record| record.family = family);
}

/// What a block of this family comes from, and what it goes back by; `None` for families
/// that are not compared.
fn names(family: Family) -> Option<[&'static str; 2]> {
    match family {
        Family::Malloc => Some(["malloc", "free"]),
        Family::New => Some(["operator new", "operator delete"]),
        Family::NewArray => Some(["operator new[]", "operator delete[]"]),
        Family::AlignedNew => Some([
            "operator new with an alignment",
            "operator delete with an alignment",
        ]),
        Family::AlignedNewArray => Some([
            "operator new[] with an alignment",
            "operator delete[] with an alignment",
        ]),
        Family::Heap | Family::Layout => None,
    }
}

/// The operation that reports name for a block that goes back as `family` says.
pub(in crate::heap) fn operation(family: Family) -> &'static str {
    match family {
        Family::New | Family::AlignedNew => "operator delete",
        Family::NewArray | Family::AlignedNewArray => "operator delete[]",
        Family::Heap | Family::Malloc | Family::Layout => "free",
    }
}

/// Compares what a block goes back by, `given`, with what it came from, and reports it if
/// they do not belong together. What is no busy block, or not known, passes. No lock may be
/// held. What it came from, to be noted again if it does not go back after all.
pub(in crate::heap) fn expect(operation: &str, address: usize, given: Family) -> Family {
    if !are_told() {
        return Family::Heap;
    }
    let Some(record) = registry::find(address).filter(|record| record.state == State::Busy) else {
        return Family::Heap;
    };
    // Compared here and no more.
    note(address, Family::Heap);
    let (Some([allocated, _]), Some([_, given_by])) = (names(record.family), names(given)) else {
        return record.family;
    };
    if record.family != given && JUDGE.get().is_some_and(|judge| judge()) {
        // A resizing is named by the operation alone.
        let given = if operation == "realloc" {
            "realloc"
        } else {
            given_by
        };
        report(operation, &record, Families::new(given, allocated));
    }
    record.family
}

#[cold]
#[inline(never)]
fn report(operation: &str, record: &Record, families: Families) {
    let (allocated, _) = damage::traces(record);
    let report = Report {
        stop: Stop::CorruptedHeapBlock,
        parameters: [record.heap, record.start, record.size, 0],
        heap: guarded::shown(record.heap).map_or(PROCESS_HEAP, |heap| heap.name),
        operation,
        thread: crate::sys::thread_id(),
        address: record.start,
        block: Some(damage::block_of(record)),
        lacks_guards: light::lacks_guards(record),
        families: Some(families),
        allocated,
        advice: ADVICE,
        ..Report::NOTHING
    };
    super::misuse::raise(report, crate::heap::on_corruption());
}

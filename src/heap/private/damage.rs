//! Reports of what watched heaps find: damaged bytes, threads that are in each
//! other's way, Layouts that do not fit; and what records know of a block.

use super::advice::Modules;
use super::heap::PrivateHeap;
use super::{light, misuse};
use crate::config::Action;
use crate::heap::PROCESS_HEAP;
use crate::heap::debug::registry::{self, Family, Record, State};
use crate::heap::debug::{stacks, threads};
use crate::report::{self, Block, BlockLayout, BlockState, Damage, Layouts, Report, Stop, Trace};
use core::alloc::Layout;

/// What is advised of damage: with stacks recorded, and without.
type Advice = [&'static str; 2];

const OVERRUN: Advice = [
    "advice: something wrote past the end of this block after it was allocated; \
     NTHEAP_GFLAGS=+hpa ends the program at the write",
    "advice: something wrote past the end of this block after it was allocated; \
     NTHEAP_GFLAGS=+hpa ends the program at the write, +ust tells who allocated the block",
];
const UNDERRUN: Advice = [
    "advice: something wrote before the start of this block, or far past the end of the one \
     before it; NTHEAP_GFLAGS=+hpa:backwards ends the program at the write",
    "advice: something wrote before the start of this block, or far past the end of the one \
     before it; NTHEAP_GFLAGS=+hpa:backwards ends the program at the write, +ust tells who \
     allocated the block",
];
const LATE_WRITE: Advice = [
    "advice: something wrote to this block after it was freed; NTHEAP_GFLAGS=+hpa ends the \
     program at the write",
    "advice: something wrote to this block after it was freed; NTHEAP_GFLAGS=+hpa ends the \
     program at the write, +ust tells who freed the block",
];
const TWICE: &str = "advice: free a block once; NTHEAP_GFLAGS=+ust tells who freed it first";
const RACE: &str = "advice: a heap made with HEAP_NO_SERIALIZE is for one thread at a time; \
     make it without, or lock around its calls (\"HeapCreate function\")";
const EXTREME: &str = "advice: the size is more than any process can have: look for a negative \
     number or an overflow in what computed it";
const LAYOUT: &str = "advice: give a block back with the Layout it was allocated with \
     (std::alloc::GlobalAlloc::dealloc)";

/// What follows a report of a watched heap.
pub(super) fn action(heap: &PrivateHeap) -> Action {
    heap.action().unwrap_or_else(crate::heap::on_corruption)
}

/// Damaged bytes, and the block that they belong to or lie behind.
pub(super) struct Finding {
    stop: Stop,
    block: Option<Block>,
    record: Option<Record>,
    pub(super) damage: Damage,
}

impl Finding {
    /// Of the bytes behind a busy block.
    pub(super) fn of_tail(start: usize, size: usize, damage: Damage) -> Finding {
        Finding {
            stop: Stop::CorruptedHeapBlockSuffix,
            block: Some(Block {
                start,
                size,
                state: BlockState::Busy,
            }),
            record: registry::find(start),
            damage,
        }
    }

    /// Of the bytes before a busy block.
    pub(super) fn of_prefix(start: usize, size: usize, damage: Damage) -> Finding {
        Finding {
            stop: Stop::CorruptedHeapBlockPrefix,
            ..Finding::of_tail(start, size, damage)
        }
    }

    /// Of bytes that no block has: the freed block is told that had them last, as
    /// far as it is known.
    pub(super) fn of_free(damage: Damage) -> Finding {
        let record = freed_around(damage.address);
        Finding {
            stop: Stop::CorruptedFreedHeapBlock,
            block: record.as_ref().map(block_of),
            record,
            damage,
        }
    }
}

/// The freed block that had the byte at an address last.
fn freed_around(address: usize) -> Option<Record> {
    let mut best = None::<Record>;
    registry::for_each(&mut |record| {
        let is_around =
            (record.start..=record.start.saturating_add(record.size.max(16))).contains(&address);
        if is_around && record.state != State::Busy {
            best = Some(best.map_or(*record, |best| newer(best, *record)));
        }
    });
    best
}

/// The record of the two that was written last.
fn newer(one: Record, other: Record) -> Record {
    let is_newer = registry::age(other.sequence) < registry::age(one.sequence);
    if is_newer { other } else { one }
}

pub(super) fn block_of(record: &Record) -> Block {
    Block {
        start: record.start,
        size: record.size,
        state: match record.state {
            State::Busy => BlockState::Busy,
            State::Kept | State::Freed => BlockState::Free,
        },
    }
}

/// Who allocated the block of a record, and who freed it.
pub(super) fn traces(record: &Record) -> (Option<Trace<'static>>, Option<Trace<'static>>) {
    let trace = |thread: u32, stack| {
        let name = threads::name_of(thread);
        (thread != 0).then(|| Trace::new(u64::from(thread), name, stacks::frames(stack)))
    };
    (
        trace(record.thread, record.stack),
        match record.state {
            State::Busy => None,
            State::Kept | State::Freed => trace(record.free_thread, record.free_stack),
        },
    )
}

/// What is known of a block that `address` is the start of, or lies in.
pub(super) fn record_at(address: usize, block: Option<Block>) -> Option<Record> {
    registry::find(address)
        .or_else(|| registry::find(block?.start))
        .or_else(|| freed_around(address))
}

/// The freed block of a record as a report shows it, if it starts at `address`.
pub(super) fn freed_at(record: Option<&Record>, address: usize) -> Option<Block> {
    record
        .filter(|record| record.start == address && record.state != State::Busy)
        .map(block_of)
}

/// What is advised to whoever frees a block twice.
pub(super) const ADVICE_TWICE: &str = TWICE;

fn report_of<'a>(operation: &'a str, heap: &'a PrivateHeap, stop: Stop) -> Report<'a> {
    Report {
        stop,
        heap: heap.name(),
        operation,
        thread: crate::sys::thread_id(),
        ..Report::NOTHING
    }
}

/// Reports damaged bytes. No lock may be held.
#[cold]
#[inline(never)]
pub(super) fn raise(operation: &str, heap: &PrivateHeap, finding: &Finding) {
    let handle = heap.handle().address();
    let (allocated, freed) = finding.record.as_ref().map_or((None, None), traces);
    let (start, size) = finding.block.map_or((finding.damage.address, 0), |block| {
        (block.start, block.size)
    });
    let [with_stacks, without] = match finding.stop {
        Stop::CorruptedHeapBlockSuffix => OVERRUN,
        Stop::CorruptedHeapBlockPrefix => UNDERRUN,
        _ => LATE_WRITE,
    };
    let has_stacks = allocated.is_some_and(|by| !by.frames.is_empty());
    let advice = if has_stacks { with_stacks } else { without };
    let modules = Modules::of(heap.module, None);
    let report = Report {
        module: modules.used(),
        parameters: [handle, start, size, 0],
        address: start,
        block: finding.block,
        damage: Some(finding.damage),
        lacks_guards: finding.record.as_ref().is_some_and(light::lacks_guards),
        allocated,
        freed,
        advice,
        ..report_of(operation, heap, finding.stop)
    };
    report::raise(&report, action(heap));
}

/// Reports that a thread came to a heap without serialization while another was
/// in it.
#[cold]
#[inline(never)]
pub(super) fn unsynchronized(operation: &str, heap: &PrivateHeap, owner: u32, current: u32) {
    let report = Report {
        parameters: [heap.handle().address(), owner as usize, current as usize, 0],
        advice: RACE,
        ..report_of(operation, heap, Stop::UnsynchronizedAccess)
    };
    report::raise(&report, action(heap));
}

/// Reports a size that no program can mean.
#[cold]
#[inline(never)]
pub(super) fn extreme_size(operation: &str, heap: &PrivateHeap, size: usize) {
    let report = Report {
        parameters: [heap.handle().address(), size, 0, 0],
        advice: EXTREME,
        ..report_of(operation, heap, Stop::ExtremeSizeRequest)
    };
    report::raise(&report, action(heap));
}

/// Whether a busy block was allocated with `layout`, as far as that is known;
/// reports it if not.
pub(super) fn expect_layout(operation: &str, address: usize, layout: Layout) -> bool {
    let Some(record) = registry::find(address).filter(|record| record.state == State::Busy) else {
        return true;
    };
    let align = 1usize << record.align.min(63);
    // A block of HeapAlloc's has the alignment that all have.
    let is_aligned = record.family != Family::Layout || align == layout.align();
    if record.size == layout.size() && is_aligned {
        return true;
    }
    wrong_layout(operation, &record, align, layout);
    false
}

#[cold]
#[inline(never)]
fn wrong_layout(operation: &str, record: &Record, align: usize, layout: Layout) {
    let (allocated, _) = traces(record);
    let report = Report {
        stop: Stop::CorruptedHeapBlock,
        parameters: [record.heap, record.start, record.size, 0],
        heap: PROCESS_HEAP,
        operation,
        thread: crate::sys::thread_id(),
        address: record.start,
        block: Some(block_of(record)),
        lacks_guards: light::lacks_guards(record),
        layouts: Some(Layouts::new(
            BlockLayout::new(layout.size(), layout.align()),
            BlockLayout::new(record.size, align),
        )),
        allocated,
        advice: LAYOUT,
        ..Report::NOTHING
    };
    misuse::raise(report, crate::heap::on_corruption());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers begin again after four thousand million blocks.
    #[test]
    fn the_newer_record_is_the_newer_one_when_numbers_begin_again() {
        let now = registry::next_sequence();
        let record = |age: u32| Record {
            sequence: now.wrapping_sub(age),
            ..Record::busy(4096, 16, 3)
        };
        // The first of each pair was written last, and has the greater number in one.
        for (new, old) in [(1, 2), (1, 1 << 31), (now, now + 10), (1 << 30, 1 << 31)] {
            for (a, b) in [(new, old), (old, new)] {
                let found = newer(record(a), record(b)).sequence;
                assert_eq!(found, record(new).sequence, "{new} {old}");
            }
        }
    }
}

//! One area: a subsegment, a region or a large block, and its blocks.
//!
//! A process that is not held changes while it is read. What was read is kept if
//! it agrees with itself and the record says the same afterwards; else it is read
//! again, a few times. What then still disagrees is kept as far as it goes and
//! said to be missing, or, where no change explains it, to be wrong.

use crate::memory::Memory;
use crate::model::{Area, AreaKind, Block, State};
use crate::read::{Reader, Tally};
use ntheap::outside::{self, BlockState, RECORD_BYTES, Record, Tables, What};
use std::thread;
use std::time::Duration;

/// How often an area is read before it is taken for what it seems to be.
const TRIES: u32 = 6;

/// Whose areas they are.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The copy, by number.
    pub(crate) copy: u32,
    /// The number of its process heap.
    pub(crate) process: u32,
    /// Whether private heaps can be read.
    pub(crate) has_heaps: bool,
}

pub(crate) enum Found {
    Nothing,
    Area(Area, Tally),
}

/// What one try came to.
enum Try {
    /// It agrees.
    Done(Found),
    /// It is something else now, or changed.
    Changed,
    /// It cannot be.
    Wrong(Found, usize, String),
}

/// Reads the area of the descriptor that the slice at `address` leads to. Its
/// blocks are added to the snapshot's.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    descriptor: usize,
    address: usize,
    place: Place,
) -> Found {
    let first = reader.snapshot.blocks.len();
    let mut wrong = None;
    for attempt in 0..TRIES {
        reader.snapshot.blocks.truncate(first);
        wrong = None;
        match once(reader, descriptor, address, place) {
            Try::Done(found) => return found,
            Try::Changed => {}
            Try::Wrong(found, at, what) => {
                wrong = Some((found, at, what));
                if reader.options.is_held {
                    break;
                }
            }
        }
        thread::sleep(Duration::from_micros(100 << attempt));
    }
    let Some((found, at, what)) = wrong else {
        reader.snapshot.blocks.truncate(first);
        reader.note(format!(
            "what lies at {address:#x}, which changed each time it was read"
        ));
        return Found::Nothing;
    };
    let heap = match &found {
        Found::Area(area, _) => reader.snapshot.heap_of(area).map_or(0, |heap| heap.handle),
        Found::Nothing => 0,
    };
    reader.problem(heap, at, what);
    found
}

fn once(reader: &mut Reader<'_>, descriptor: usize, address: usize, place: Place) -> Try {
    let Some(header) = header(reader.memory, descriptor) else {
        let what = "the descriptor of what lies here is none, or cannot be read";
        return Try::Wrong(Found::Nothing, address, what.to_owned());
    };
    match header.what {
        // Given back since the table was read.
        What::Nothing | What::RegionGone => Try::Done(Found::Nothing),
        _ if header.owner != 0 && !place.has_heaps => Try::Done(Found::Nothing),
        What::Subsegment => subsegment(reader, descriptor, address, header, place),
        What::Large => process_large(reader, descriptor, header, place),
        What::Region => region(reader, descriptor, header, place),
        What::PrivateLarge => private_large(reader, descriptor, header, place),
    }
}

fn header(memory: &dyn Memory, descriptor: usize) -> Option<Record> {
    Record::decode(&memory.bytes(descriptor, RECORD_BYTES)?)
}

/// Whether a descriptor still describes the same.
fn is_still(reader: &Reader<'_>, descriptor: usize, record: &Record) -> bool {
    reader.options.is_held
        || header(reader.memory, descriptor).is_some_and(|now| {
            (now.what, now.base, now.class, now.owner, now.is_marked)
                == (
                    record.what,
                    record.base,
                    record.class,
                    record.owner,
                    record.is_marked,
                )
        })
}

fn subsegment(
    reader: &mut Reader<'_>,
    descriptor: usize,
    address: usize,
    header: Record,
    place: Place,
) -> Try {
    if !header.is_subsegment() || address.wrapping_sub(header.base) >= header.reserved() {
        let what = "the descriptor of a subsegment says what none can be like";
        return Try::Wrong(Found::Nothing, address, what.to_owned());
    }
    let bytes = reader.memory.bytes(descriptor, header.record_bytes());
    let Some(bytes) = bytes else {
        return Try::Changed;
    };
    let record = Record::decode(&bytes).filter(Record::is_subsegment);
    let Some(record) = record.filter(|_| is_still(reader, descriptor, &header)) else {
        return Try::Changed;
    };
    let heap = if record.owner == 0 {
        place.process
    } else {
        match reader.heap(record.owner, place) {
            Some(heap) => heap,
            None => return Try::Changed,
        }
    };
    let size = record.block_size();
    let mut contradicted = None;
    reader.snapshot.blocks.reserve(record.blocks);
    for index in record.indices() {
        let Some(state) = record.block(&bytes, index) else {
            return Try::Changed;
        };
        let (state, unused) = match state {
            BlockState::Free => (State::Free, 0),
            BlockState::Kept => (State::Kept, 0),
            BlockState::Out => (State::Out, 0),
            BlockState::Busy(unused) => (State::Busy, unused),
            BlockState::BusyByWord(at) => {
                let mut word = [0; size_of::<u64>()];
                let unused = if reader.memory.read(at, &mut word) {
                    outside::unused_by_word(u64::from_ne_bytes(word), record.class)
                } else {
                    0
                };
                (State::Busy, unused)
            }
        };
        if state == State::Busy && record.is_contradicted(&bytes, index) {
            contradicted = Some(record.base + index * size);
        }
        let unused = unused.min(size);
        reader.snapshot.blocks.push(Block {
            address: (record.base + index * size) as u64,
            size: (size - unused) as u64,
            slack: unused as u32,
            area: 0,
            stack: 0,
            state,
            tag: 0,
        });
    }
    let area = Area {
        kind: AreaKind::Subsegment,
        heap,
        start: record.base as u64,
        reserved: record.reserved() as u64,
        committed: record.reserved() as u64,
        block_size: size as u32,
        ..Area::default()
    };
    let found = Found::Area(area, Tally::default());
    let bits = record.free_bits(&bytes);
    if let Some(at) = contradicted {
        let what = "a block is busy by its mark and free by its bit";
        return Try::Wrong(found, at, what.to_owned());
    }
    if bits != record.free {
        let what = format!(
            "a subsegment says that {} of its blocks are free, and its bits say {bits}",
            record.free
        );
        return Try::Wrong(found, record.base, what);
    }
    Try::Done(found)
}

fn process_large(reader: &mut Reader<'_>, descriptor: usize, record: Record, place: Place) -> Try {
    if !is_still(reader, descriptor, &record) {
        return Try::Changed;
    }
    large(reader, record, place.process, record.span, record.mapping.1)
}

fn private_large(reader: &mut Reader<'_>, descriptor: usize, record: Record, place: Place) -> Try {
    let bytes = reader.memory.bytes(descriptor, outside::Large::BYTES);
    let more = bytes.and_then(|bytes| outside::Large::decode(&bytes));
    let heap = reader.heap(record.owner, place);
    let (Some(more), Some(heap), true) = (more, heap, is_still(reader, descriptor, &record)) else {
        return Try::Changed;
    };
    large(reader, record, heap, more.size, more.committed)
}

fn large(reader: &mut Reader<'_>, record: Record, heap: u32, size: usize, committed: usize) -> Try {
    let (start, reserved) = record.mapping;
    let fits = start.checked_add(reserved).is_some()
        && committed <= reserved
        && record.base >= start
        && record.base - start <= committed
        && size <= committed - (record.base - start);
    if !fits {
        let what = "a large block does not fit into its mapping";
        return Try::Wrong(Found::Nothing, record.base, what.to_owned());
    }
    let rest = start + committed - record.base - size;
    reader.snapshot.blocks.push(Block {
        address: record.base as u64,
        size: size as u64,
        slack: u32::try_from(rest).unwrap_or(u32::MAX),
        area: 0,
        stack: 0,
        state: State::Busy,
        tag: 0,
    });
    let area = Area {
        kind: AreaKind::Large,
        heap,
        start: start as u64,
        reserved: reserved as u64,
        committed: committed as u64,
        ..Area::default()
    };
    let tally = Tally {
        large_bytes: size,
        large_blocks: 1,
        reserved,
        ..Tally::default()
    };
    Try::Done(Found::Area(area, tally))
}

fn region(reader: &mut Reader<'_>, descriptor: usize, header: Record, place: Place) -> Try {
    let Some(bytes) = reader.memory.bytes(descriptor, outside::Area::BYTES) else {
        return Try::Changed;
    };
    let record = outside::Area::decode(&bytes).filter(|area| area.start == header.base);
    let Some(record) = record else {
        let what = "the record of a region says what none can be like";
        return Try::Wrong(Found::Nothing, header.base, what.to_owned());
    };
    let Some(heap) = reader.heap(header.owner, place) else {
        return Try::Changed;
    };
    let copies = record.tables().map(|(address, bytes)| {
        let is_there = reader.mappings.have(address, bytes);
        is_there
            .then(|| reader.memory.words(address, bytes))
            .flatten()
    });
    let [Some(units), Some(best), Some(upper)] = copies else {
        let what = "the tables of a region cannot be read";
        return Try::Wrong(Found::Nothing, record.start, what.to_owned());
    };
    let tables = Tables {
        units: &units,
        best: &best,
        upper: &upper,
    };
    let mut tally = Tally {
        regions: 1,
        reserved: record.reserved,
        ..Tally::default()
    };
    let mut walk = record.walk(&tables);
    for block in walk.by_ref() {
        let (state, slack) = if block.is_busy {
            tally.blocks += 1;
            tally.bytes += block.size;
            (State::Busy, block.room - block.size)
        } else {
            (State::Free, 0)
        };
        reader.snapshot.blocks.push(Block {
            address: block.address as u64,
            size: block.size as u64,
            slack: slack as u32,
            area: 0,
            stack: 0,
            state,
            tag: 0,
        });
    }
    let is_sound = walk.is_whole() && record.is_sound(&tables);
    let again = reader.memory.bytes(descriptor, outside::Area::BYTES);
    let is_same = reader.options.is_held || again.is_some_and(|again| again == bytes);
    let area = Area {
        kind: AreaKind::Region,
        heap,
        start: record.start as u64,
        reserved: record.reserved as u64,
        committed: record.committed as u64,
        ..Area::default()
    };
    let counted = tally.blocks;
    let found = Found::Area(area, tally);
    if !is_sound {
        let what = "the table of a region's blocks does not agree with itself";
        return Try::Wrong(found, record.start, what.to_owned());
    }
    if counted != record.blocks {
        let what = format!(
            "a region says that it has {} busy blocks, and {counted} were counted",
            record.blocks
        );
        return Try::Wrong(found, record.start, what);
    }
    if is_same {
        Try::Done(found)
    } else {
        Try::Changed
    }
}

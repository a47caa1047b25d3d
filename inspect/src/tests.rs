//! This process's own heaps, read as if they were another's.

use crate::memory::{Memory, Process};
use crate::model::{AreaKind, Snapshot, State};
use crate::read::{self, Options};
use crate::{file, maps};
use ntheap::Heap;
use ntheap::outside::{self, Record, What};
use std::alloc::Layout;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// One test at a time makes and ends heaps.
static QUIET: Mutex<()> = Mutex::new(());

fn process() -> Process {
    let pid = i32::try_from(std::process::id()).expect("a small number");
    Process::open(pid).expect("this process")
}

fn mappings() -> Vec<crate::model::Mapping> {
    maps::of_process(process().pid()).expect("this process")
}

const HELD: Options = Options {
    is_held: true,
    wanted: read::Wanted::Checks,
};

fn snapshot() -> Snapshot {
    read::heaps(&process(), mappings(), HELD).expect("heaps")
}

/// The blocks of a heap that are held, by address.
fn held(snapshot: &Snapshot, heap: &Heap) -> BTreeMap<u64, u64> {
    let number = number_of(snapshot, heap);
    let areas = snapshot.areas.iter().filter(|area| area.heap == number);
    areas
        .flat_map(|area| snapshot.blocks_of(area))
        .filter(|block| block.state.is_held())
        .map(|block| (block.address, block.size))
        .collect()
}

fn number_of(snapshot: &Snapshot, heap: &Heap) -> u32 {
    let handle = heap.handle() as u64;
    let at = snapshot.heaps.iter().position(|heap| heap.handle == handle);
    at.expect("the heap is listed") as u32
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 16).expect("a layout")
}

/// Blocks of every kind: regions', buckets' and large ones.
fn filled(heap: &Heap) -> BTreeMap<u64, u64> {
    let sizes = (1..40)
        .chain([100; 60])
        .chain([3000; 40])
        .chain([20_000, 700_000, 1 << 20, 3 << 20])
        .collect::<Vec<usize>>();
    let block = |&size: &usize| {
        let block = heap.alloc(layout(size)).expect("memory");
        (block.addr().get() as u64, size as u64)
    };
    sizes.iter().map(block).collect()
}

#[test]
fn every_block_of_a_heap_is_found_with_its_size() {
    let _quiet = QUIET.lock();
    let heap = Heap::new().expect("a heap");
    let blocks = filled(&heap);
    let snapshot = snapshot();
    assert_eq!(held(&snapshot, &heap), blocks);
    assert_eq!(snapshot.problems, []);
    assert_eq!(snapshot.missing, Vec::<String>::new());
    let number = number_of(&snapshot, &heap);
    let kinds = snapshot.areas.iter().filter(|area| area.heap == number);
    let kinds: Vec<AreaKind> = kinds.map(|area| area.kind).collect();
    for kind in [AreaKind::Subsegment, AreaKind::Region, AreaKind::Large] {
        assert!(kinds.contains(&kind), "no {kind:?}");
    }
}

#[test]
fn what_is_freed_is_held_no_more_and_an_ended_heap_is_gone() {
    let _quiet = QUIET.lock();
    let heap = Heap::new().expect("a heap");
    let mut blocks = filled(&heap);
    let freed: Vec<u64> = blocks.keys().copied().step_by(2).collect();
    for address in freed {
        blocks.remove(&address).expect("a block");
        let place = std::ptr::with_exposed_provenance_mut(address as usize);
        let place = std::ptr::NonNull::new(place).expect("an address");
        // SAFETY: allocated from this heap, freed once, and used no more.
        unsafe { heap.free(place) }.expect("freed");
    }
    let before = snapshot();
    assert_eq!(held(&before, &heap), blocks);
    let handle = heap.handle() as u64;
    drop(heap);
    let after = snapshot();
    assert!(after.heaps.iter().all(|heap| heap.handle != handle));
    assert_eq!(after.problems, []);
}

#[test]
fn blocks_lie_one_after_another_in_their_areas() {
    let _quiet = QUIET.lock();
    let heap = Heap::new().expect("a heap");
    filled(&heap);
    let snapshot = snapshot();
    for (number, area) in snapshot.areas.iter().enumerate() {
        let blocks = snapshot.blocks_of(area);
        assert!(!blocks.is_empty());
        for pair in blocks.windows(2) {
            assert_eq!(pair[0].address + pair[0].room(), pair[1].address);
        }
        for block in blocks {
            assert_eq!(block.area as usize, number);
            assert!(block.address >= area.start);
            assert!(block.address + block.size <= area.start + area.reserved);
        }
    }
    let all: usize = snapshot.areas.iter().map(|area| area.count).sum();
    assert_eq!(all, snapshot.blocks.len());
}

#[test]
fn an_address_leads_to_its_block() {
    let _quiet = QUIET.lock();
    let heap = Heap::new().expect("a heap");
    let blocks = filled(&heap);
    let snapshot = snapshot();
    let at = |address: u64| {
        snapshot
            .held_at(address)
            .map(|at| snapshot.blocks[at].address)
    };
    for (&address, &size) in &blocks {
        assert_eq!(at(address), Some(address));
        assert_eq!(at(address + size - 1), Some(address));
        assert_ne!(at(address + size), Some(address));
        assert_ne!(at(address - 1), Some(address));
    }
    assert_eq!(at(0), None);
    assert_eq!(at(u64::MAX), None);
}

#[test]
fn a_file_holds_all_of_a_snapshot() {
    let _quiet = QUIET.lock();
    let heap = Heap::new().expect("a heap");
    filled(&heap);
    let mut snapshot = snapshot();
    snapshot.process.program = "/a program".to_owned();
    snapshot.process.stack_pointers = vec![1, u64::MAX];
    snapshot.missing = vec!["something".to_owned()];
    snapshot.problems = vec![crate::model::Problem {
        heap: 1,
        address: 2,
        what: "wrong".to_owned(),
    }];
    snapshot.stacks = vec![crate::model::Stack {
        id: 7,
        frames: vec!["main".to_owned(), "start".to_owned()],
    }];
    snapshot.blocks[0].stack = 7;
    let mut bytes = Vec::new();
    file::write_to(&snapshot, &mut bytes).expect("written");
    assert_eq!(file::from_bytes(&bytes).expect("read"), snapshot);
    // Wherever a file is cut, it says so.
    for length in (1..bytes.len())
        .step_by(61)
        .chain([1, 16, 20, bytes.len() - 1])
    {
        let cut = file::from_bytes(&bytes[..length]);
        assert!(
            matches!(cut, Err(crate::Error::Truncated)),
            "{length}: {cut:?}"
        );
    }
    // Whichever bit of the contents is changed, it is seen.
    for at in (20..bytes.len()).step_by(37) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(file::from_bytes(&damaged).is_err(), "byte {at}");
    }
    assert!(matches!(
        file::from_bytes(b""),
        Err(crate::Error::NotASnapshot)
    ));
    assert!(matches!(
        file::from_bytes(b"text"),
        Err(crate::Error::NotASnapshot)
    ));
}

/// This process's memory with some bytes changed.
struct Damaged {
    process: Process,
    at: usize,
    change: u8,
}

impl Memory for Damaged {
    fn read(&self, address: usize, to: &mut [u8]) -> bool {
        let is_read = self.process.read(address, to);
        let offset = self.at.checked_sub(address);
        if let Some(byte) = offset.and_then(|offset| to.get_mut(offset)) {
            *byte ^= self.change;
        }
        is_read
    }
}

/// The problems that are found when a byte is changed.
fn problems(at: usize, change: u8) -> Vec<String> {
    let damaged = Damaged {
        process: process(),
        at,
        change,
    };
    let found = read::heaps(&damaged, mappings(), HELD).expect("heaps");
    found
        .problems
        .into_iter()
        .map(|problem| problem.what)
        .collect()
}

/// The address of the descriptor of what lies at `address`, by the slice table.
fn descriptor(address: u64) -> usize {
    use ntheap::vm::root::{self, Anchor};
    use std::sync::atomic::Ordering;
    let root = root::own().expect("a root record");
    let anchor = |which: Anchor| root.anchors[which as usize].load(Ordering::Relaxed);
    let entries = anchor(Anchor::SliceTable);
    let index = (address as usize / outside::SLICE_BYTES) & anchor(Anchor::SliceMask);
    let entry = process().words(entries + index * 8, 8).expect("an entry")[0];
    outside::descriptor_at(entries, entry as usize).expect("something lies there")
}

#[test]
fn damaged_records_are_seen() {
    let _quiet = QUIET.lock();
    let heap = Heap::new().expect("a heap");
    filled(&heap);
    let snapshot = snapshot();
    let number = number_of(&snapshot, &heap);
    let area = |kind: AreaKind| {
        let is_it = |area: &&crate::model::Area| area.heap == number && area.kind == kind;
        *snapshot.areas.iter().find(is_it).expect("such an area")
    };
    let record = |at: usize| {
        let bytes = process()
            .bytes(at, outside::RECORD_BYTES)
            .expect("a record");
        Record::decode(&bytes).expect("a record")
    };
    assert_eq!(problems(0, 1), Vec::<String>::new());

    let bucket = area(AreaKind::Subsegment);
    let at = descriptor(bucket.start);
    assert_eq!(record(at).what, What::Subsegment);
    // A busy block's free bit, which lies behind the header and the marks.
    let blocks = snapshot.blocks_of(&bucket);
    let busy = blocks.iter().position(|block| block.state == State::Busy);
    let busy = busy.expect("a busy block");
    let marks = record(at).blocks.next_multiple_of(8);
    let found = problems(
        at + outside::RECORD_BYTES + marks + busy / 8,
        1 << (busy % 8),
    );
    assert_eq!(found, ["a block is busy by its mark and free by its bit"]);
    // A mark: the figures of buckets are not kept, so nothing but the bit tells.
    let found = problems(at, 0x10);
    assert_eq!(
        found[0],
        "the descriptor of a subsegment says what none can be like"
    );

    let region = area(AreaKind::Region);
    let at = descriptor(region.start);
    let bytes = process().bytes(at, outside::Area::BYTES).expect("a record");
    let tables = outside::Area::decode(&bytes).expect("a region").tables();
    let first = (snapshot.blocks_of(&region)[0].address - region.start) as usize / 16 - 1;
    // The busy bit, then the start bit, of the first block.
    for change in [0x40, 0x80] {
        let found = problems(tables[0].0 + first, change);
        let what = "the table of a region's blocks does not agree with itself";
        assert!(
            found.iter().any(|found| found == what),
            "{change:#x}: {found:?}"
        );
    }
    // Its unused bytes: the table makes sense, the heap's figures do not.
    let found = problems(tables[0].0 + first, 1);
    assert!(found[0].contains("bytes in regions"), "{found:?}");

    let large = area(AreaKind::Large);
    let at = descriptor(large.start);
    assert_eq!(record(at).what, What::PrivateLarge);
    let found = problems(at + 7, 0x40);
    assert_eq!(found[0], "a large block does not fit into its mapping");
}

/// Segments that lie in each other cannot be, whatever a file says.
#[test]
fn segments_that_overlap_are_refused() {
    let segment = |base, slices| crate::model::Segment {
        base,
        slices,
        ..Default::default()
    };
    let read = |segments: Vec<crate::model::Segment>| {
        let snapshot = Snapshot {
            copies: vec![crate::model::Copy::default()],
            segments,
            ..Snapshot::default()
        };
        let mut bytes = Vec::new();
        file::write_to(&snapshot, &mut bytes).expect("written");
        file::from_bytes(&bytes)
    };
    assert!(read(vec![segment(0x90_0000, 64), segment(0x40_0000, 64)]).is_ok());
    let found = read(vec![segment(0x40_0000, 64), segment(0x7f_0000, 2)]);
    assert!(
        matches!(found, Err(crate::Error::Damaged("segments that overlap"))),
        "{found:?}"
    );
}

#[test]
fn other_layouts_and_versions_are_refused() {
    let _quiet = QUIET.lock();
    let _heap = Heap::new().expect("a heap");
    let root = ntheap::vm::root::own().expect("a root record");
    let error = |offset: usize| {
        let damaged = Damaged {
            process: process(),
            at: root.address + offset,
            change: 0x40,
        };
        read::heaps(&damaged, mappings(), HELD).expect_err("nothing to read")
    };
    let version = std::mem::offset_of!(ntheap::vm::root::RootRecord, version);
    assert!(
        matches!(error(version), crate::Error::OtherVersion(found, own) if found == own ^ 0x40)
    );
    let anchors = std::mem::offset_of!(ntheap::vm::root::RootRecord, anchors);
    let layout = anchors + 8 * ntheap::vm::root::Anchor::Layout as usize;
    assert!(matches!(error(layout), crate::Error::OtherBuild));
    assert!(matches!(error(0), crate::Error::NoHeap));
}

/// Of two ranges of the heaps' own one has the other in it, and what is looked through
/// starts behind the inner one.
#[test]
fn ranges_within_ranges_are_one() {
    use crate::model::{Area, Block, Mapping, Range};
    struct Words(Vec<u64>);
    impl Memory for Words {
        fn read(&self, address: usize, to: &mut [u8]) -> bool {
            let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let from = bytes.get(address - 0x1000..).unwrap_or_default();
            let Some(from) = from.get(..to.len()) else {
                return false;
            };
            to.copy_from_slice(from);
            true
        }
    }
    let range = |start, end| Range { start, end };
    let block = Block {
        address: 0x9000,
        size: 32,
        state: State::Busy,
        ..Block::default()
    };
    let snapshot = Snapshot {
        mappings: vec![Mapping {
            start: 0x1300,
            end: 0x2000,
            is_readable: true,
            is_writable: true,
            ..Mapping::default()
        }],
        // The first ends last.
        records: vec![range(0x1000, 0x1f00), range(0x1100, 0x1200)],
        areas: vec![Area {
            start: 0x9000,
            reserved: 32,
            count: 1,
            ..Area::default()
        }],
        blocks: vec![block],
        ..Snapshot::default()
    };
    let lost = |at: usize| {
        let mut words = vec![0; 0x1000 / 8];
        words[(at - 0x1000) / 8] = 0x9008;
        crate::reach::unreached(&Words(words), &snapshot, &[]).lost
    };
    assert_eq!(lost(0x1f08), Vec::<usize>::new());
    assert_eq!(lost(0x1400), [0]);
    assert_eq!(lost(0x1ef8), [0]);
}

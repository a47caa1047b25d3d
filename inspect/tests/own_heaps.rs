//! A process whose heaps are known is read from outside: a private heap, whose blocks'
//! sizes are told exactly, and a heap profile.

#![cfg(target_os = "linux")]

use ntheap::heap::private::{self, Buckets, Handle, HeapRef, Settings};
use ntheap_inspect::held::Held;
use ntheap_inspect::model::State;
use ntheap_inspect::{Snapshot, Wanted, profile};
use std::alloc::{Layout, alloc, dealloc};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::ptr::with_exposed_provenance_mut;

#[global_allocator]
static ALLOCATOR: ntheap::NtHeap = ntheap::NtHeap::new();

const CHILD: &str = "INSPECT_TEST_CHILD";
const BEGIN: &str = "begin";
const READY: &str = "ready";

/// A process that runs `body` and then stands until it is dropped; in that process, `None`.
struct Other {
    child: Child,
    lines: Vec<String>,
}

impl Other {
    fn start(test: &str, variables: &[(&str, &str)], body: fn() -> Vec<String>) -> Option<Other> {
        if std::env::var_os(CHILD).is_some() {
            let mut lines = body();
            // The harness has begun a line.
            lines.insert(0, format!("\n{BEGIN}"));
            lines.push(READY.to_owned());
            let mut out = std::io::stdout().lock();
            out.write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
            out.flush().unwrap();
            let _ = std::io::stdin().read(&mut [0]);
            std::process::exit(0);
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(CHILD, test)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let lines = said.lines().map(|line| line.unwrap());
        let lines = lines.skip_while(|line| line != BEGIN).skip(1);
        let lines = lines.take_while(|line| line != READY).collect();
        Some(Other { child, lines })
    }

    fn pid(&self) -> i32 {
        self.child.id() as i32
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The blocks that a heap has, by their addresses.
fn busy(snapshot: &Snapshot, handle: u64) -> BTreeMap<u64, u64> {
    let blocks = snapshot.blocks.iter().filter(|block| {
        let area = snapshot.area_of(block).unwrap();
        snapshot.heap_of(area).unwrap().handle == handle && block.state == State::Busy
    });
    blocks.map(|block| (block.address, block.size)).collect()
}

/// Blocks of all kinds that a private heap has; those of odd numbers are freed again.
fn fill(heap: Handle) -> BTreeMap<usize, usize> {
    let mut held = BTreeMap::new();
    // Many of a size are served by buckets, others by regions, and the last by mappings.
    let sizes = (0..35)
        .flat_map(|at| std::iter::repeat_n(1 + at * 29, 120))
        .chain((0..40).map(|at| 20_000 + at * 777))
        .chain([0x10_0000, 0x20_0001]);
    for (nth, size) in sizes.enumerate() {
        let is_settable = nth % 3 == 0;
        // SAFETY: the heap is serialized, and lives on.
        let block = unsafe {
            if is_settable {
                let heap = HeapRef::new(heap).unwrap();
                heap.allocate_settable(size, 0x200, usize::MAX)
            } else {
                private::allocate(heap, 0, size)
            }
        };
        let block = block.unwrap().as_ptr();
        let mut size = size;
        // A block's end may tell of its size, which the program has not written over.
        if nth % 7 == 0 && size <= 2000 {
            let less = size - size / 3;
            // SAFETY: as above, of a block that is nobody else's.
            let is_less = unsafe { private::shrink(heap, 0, block, less) }.is_ok();
            assert!(is_less || !is_settable);
            size = if is_less { less } else { size };
        }
        // SAFETY: the block has so many bytes.
        unsafe { block.write_bytes(0xff, size) };
        if nth % 2 == 1 {
            // SAFETY: as above; nobody uses the block.
            unsafe { private::free(heap, 0, block) }.unwrap();
            continue;
        }
        held.insert(block.expose_provenance(), size);
    }
    held
}

fn private_heap() -> Vec<String> {
    let settings = Settings {
        buckets: Buckets::Always,
        name: "known",
        ..Settings::DEFAULT
    };
    // SAFETY: the settings name no memory.
    let heap = unsafe { private::create(&settings) }.unwrap();
    let mut lines = vec![heap.address().to_string()];
    let held = fill(heap);
    assert!(private::validate(heap, 0, std::ptr::null()));
    lines.extend(held.iter().map(|(at, size)| format!("{at} {size}")));
    lines
}

#[test]
fn a_private_heaps_blocks_have_the_sizes_that_were_asked_for() {
    let test = "a_private_heaps_blocks_have_the_sizes_that_were_asked_for";
    let Some(other) = Other::start(test, &[], private_heap) else {
        return;
    };
    let handle: u64 = other.lines[0].parse().unwrap();
    let known: BTreeMap<u64, u64> = other.lines[1..]
        .iter()
        .map(|line| {
            let (address, size) = line.split_once(' ').unwrap();
            (address.parse().unwrap(), size.parse().unwrap())
        })
        .collect();
    assert_eq!(known.len(), 2121);
    let held = Held::stop(other.pid()).unwrap();
    let snapshot = ntheap_inspect::of_process(other.pid(), Some(&held), Wanted::Checks).unwrap();
    drop(held);
    assert_eq!(snapshot.missing, Vec::<String>::new());
    assert_eq!(snapshot.problems, []);
    let heap = snapshot.heaps.iter().find(|heap| heap.handle == handle);
    assert_eq!(heap.unwrap().name, "known");
    let found = busy(&snapshot, handle);
    for (address, size) in &known {
        assert_eq!(found.get(address), Some(size), "at {address:#x}");
    }
    assert_eq!(found.len(), known.len());
}

const COUNT: usize = 60_000;
const SIZE: usize = 300;

/// A block that comes and goes before each one that stays.
fn profiled() -> Vec<String> {
    let layout = Layout::from_size_align(SIZE, 8).unwrap();
    let take = || {
        // SAFETY: a layout of some bytes.
        let block = unsafe { alloc(layout) };
        assert!(!block.is_null());
        std::hint::black_box(block.expose_provenance())
    };
    let stay = |_| {
        // SAFETY: just allocated with this layout, and nobody else's.
        unsafe { dealloc(with_exposed_provenance_mut(take()), layout) };
        take()
    };
    let blocks: Vec<usize> = (0..COUNT).map(stay).collect();
    std::mem::forget(blocks);
    Vec::new()
}

#[test]
fn a_profile_estimates_what_is_there() {
    let variables = [("NTHEAP_PROFILE", "4K")];
    let test = "a_profile_estimates_what_is_there";
    let Some(other) = Other::start(test, &variables, profiled) else {
        return;
    };
    let held = Held::stop(other.pid()).unwrap();
    let profile = profile::of_process(other.pid(), &held).unwrap().unwrap();
    drop(held);
    assert_eq!(profile.missing, Vec::<String>::new());
    assert_eq!((profile.rate, profile.lost), (4096, 0));
    let (allocated, live) = profile.totals();
    let truth = (COUNT * SIZE) as f64;
    // Some 4,400 blocks are noted: an estimate is off by more once in a million times.
    for (estimate, truth) in [
        (live.bytes, truth),
        (allocated.bytes, 2.0 * truth),
        (live.blocks, COUNT as f64),
    ] {
        assert!((estimate / truth - 1.0).abs() < 0.1, "{estimate}: {truth}");
    }
    let noted = truth / 4096.0;
    assert!((profile.noted as f64 / noted - 1.0).abs() < 0.1);
    // Nearly all of it has a stack, and stays on one.
    let most = profile
        .sites
        .iter()
        .max_by(|a, b| a.live.bytes.total_cmp(&b.live.bytes));
    let most = most.unwrap();
    assert!(most.stack.len() > 1 && most.live.bytes > 0.8 * truth);
    for address in &most.stack {
        let inside = |map: &&ntheap_inspect::model::Mapping| {
            map.is_executable && (map.start..=map.end).contains(address)
        };
        assert!(profile.mappings.iter().any(|map| inside(&map)));
    }
}

#[test]
fn a_process_without_a_profile_has_none() {
    let test = "a_process_without_a_profile_has_none";
    let Some(other) = Other::start(test, &[("NTHEAP_PROFILE", "0")], profiled) else {
        return;
    };
    let held = Held::stop(other.pid()).unwrap();
    assert!(profile::of_process(other.pid(), &held).unwrap().is_none());
}

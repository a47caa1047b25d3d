//! Files that say they are snapshots, and what is done with those that are.
//!
//! The first byte says what the rest is: a whole file, or sections without their
//! checks, which are put in, so that what is behind them is reached.

use ntheap_inspect::file::{MAGIC, VERSION, check, from_bytes, write_to};
use ntheap_inspect::{Snapshot, diff, reach};

const NAMES: [[u8; 4]; 10] = [
    *b"PROC", *b"MAPS", *b"COPY", *b"HEAP", *b"SEGM", *b"RECS", *b"AREA", *b"STAK", *b"MISS",
    *b"PROB",
];

/// One input; whether it was a snapshot.
///
/// # Panics
/// When a file that is read is not the same once it was written again, or an index in
/// it leads nowhere.
pub fn run(data: &[u8]) -> bool {
    let Some((first, rest)) = data.split_first() else {
        return false;
    };
    let read = if first & 1 == 0 {
        from_bytes(rest)
    } else {
        from_bytes(&with_checks(rest))
    };
    match read {
        Ok(snapshot) => use_all(&snapshot),
        Err(_) => return false,
    }
    true
}

/// A file of sections: each a byte for its name, two for its length, its contents.
fn with_checks(mut data: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend(VERSION.to_le_bytes());
    let mut add = |name: [u8; 4], contents: &[u8]| {
        file.extend(name);
        file.extend(check(name, contents).to_le_bytes());
        file.extend((contents.len() as u64).to_le_bytes());
        file.extend(contents);
    };
    while let [name, low, high, rest @ ..] = data {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (contents, after) = rest.split_at(length);
        add(NAMES[usize::from(*name) % NAMES.len()], contents);
        data = after;
    }
    add(*b"END\0", &[]);
    file
}

/// Bytes that are looked through at most.
const MOST_READ: u64 = 1 << 28;

/// Memory that cannot be read.
struct Nothing;

impl ntheap_inspect::memory::Memory for Nothing {
    fn read(&self, _address: usize, _to: &mut [u8]) -> bool {
        false
    }
}

fn use_all(snapshot: &Snapshot) {
    let mut file = Vec::new();
    write_to(snapshot, &mut file).expect("a vector takes all");
    let again = from_bytes(&file).expect("what was written can be read");
    assert_eq!(again, *snapshot);
    let mut seen = 0;
    for area in &snapshot.areas {
        assert!(snapshot.heap_of(area).is_some());
        for block in snapshot.blocks_of(area) {
            assert!(snapshot.area_of(block) == Some(area));
            assert!(block.address - area.start + block.size <= area.reserved);
            seen += 1;
            if let Some(found) = snapshot.held_at(block.address) {
                assert!(snapshot.blocks[found].state.is_held());
            }
        }
    }
    assert_eq!(seen, snapshot.blocks.len());
    let same = diff::between(snapshot, snapshot);
    assert_eq!(same.before, same.after);
    let mut text = String::new();
    same.write_umdh(&mut text).expect("a string takes all");
    let registers: Vec<u64> = snapshot.blocks.iter().map(|block| block.address).collect();
    // It takes time with the bytes of what is mapped, of which a file may claim any
    // number; a running process's mappings are what the system says.
    let mapped = snapshot
        .mappings
        .iter()
        .map(|mapping| mapping.end.saturating_sub(mapping.start));
    let held = snapshot.blocks.iter().map(|block| block.size);
    if mapped.chain(held).fold(0, u64::saturating_add) > MOST_READ {
        return;
    }
    let reached = reach::unreached(&Nothing, snapshot, &registers);
    assert!(reached.reached + reached.lost.len() + reached.unsure.len() <= seen);
}

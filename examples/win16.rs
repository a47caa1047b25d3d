//! An arena of 16-bit Windows before and after compaction, as text and as SVG.
//!
//! ```console
//! $ cargo run --example win16 --features win16
//! $ cargo run --example win16 --features win16 -- arena.svg
//! ```
//!
//! The first prints both pictures, the second writes the SVG to a file.

use ntheap::win16::{Error, Flags, GlobalHeap, Snapshot};

/// Bytes of a KiB.
const KIB: u32 = 1024;

/// An arena with holes between blocks of every kind, and what it becomes when a
/// block is allocated for which no hole is large enough.
pub(crate) fn pictures() -> Result<[Snapshot; 2], Error> {
    let heap = GlobalHeap::new(256 * KIB)?;
    let moveable = Flags::MOVEABLE;
    let discardable = Flags::MOVEABLE | Flags::DISCARDABLE;
    heap.alloc(Flags::FIXED, 20 * KIB)?;
    heap.alloc(Flags::FIXED, 12 * KIB)?;
    let mut blocks = Vec::new();
    for size in [24, 16, 28, 12, 20, 16] {
        blocks.push(heap.alloc(moveable, size * KIB)?);
    }
    for size in [32, 24, 28] {
        heap.alloc(discardable, size * KIB)?;
    }
    heap.free(blocks[0])?;
    heap.free(blocks[2])?;
    heap.free(blocks[4])?;
    // Locked: it stays where it is.
    let _guard = heap.lock(blocks[1])?;
    let before = heap.snapshot()?;
    // 96 KiB are free, in four pieces. Moving makes 84 KiB of them one piece;
    // the least recently used discardable block makes it enough.
    heap.alloc(moveable, 100 * KIB)?;
    Ok([before, heap.snapshot()?])
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [before, after] = pictures()?;
    let mut svg = String::new();
    before.write_svg_beside(&after, &mut svg)?;
    if let Some(path) = std::env::args_os().nth(1) {
        std::fs::write(path, svg)?;
        return Ok(());
    }
    let mut text = String::new();
    before.write_text_beside(&after, &mut text)?;
    println!("{text}\n{svg}");
    Ok(())
}

//! Pictures of an arena: exact text, and an SVG whose boxes are to scale.

use super::support::*;
use ntheap::win16::{Error, Flags, GlobalHeap, LocalHeap, Piece, PieceKind, Snapshot};
use std::path::Path;

/// The example program, whose pictures the guide shows.
#[path = "../../examples/win16.rs"]
#[allow(dead_code)]
mod example;

fn text(draw: impl FnOnce(&mut String) -> std::fmt::Result) -> String {
    let mut text = String::new();
    draw(&mut text).expect("strings take all");
    text
}

/// The guide's program, word for word.
mod guide_program {
    include!("guide_program.rs");

    pub(super) fn run() -> Result<(), Error> {
        main()
    }
}

/// The text of a file in the repository.
fn committed(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_guide_shows_what_the_example_draws() {
    let [before, after] = example::pictures().unwrap();
    let drawn = text(|out| before.write_text_beside(&after, out));
    let guide = committed("docs/win16.md");
    assert!(guide.contains(&drawn), "docs/win16.md is to show:\n{drawn}");
    let svg = text(|out| before.write_svg_beside(&after, out));
    let shown = committed("docs/win16.svg");
    assert!(
        shown == svg,
        "docs/win16.svg is out of date: cargo run --example win16 --features win16 -- docs/win16.svg"
    );
    assert!(guide.contains("(win16.svg)"));
}

#[test]
fn the_guides_program_runs() {
    let guide = committed("docs/win16.md");
    assert!(guide.contains(include_str!("guide_program.rs")));
    assert_eq!(guide_program::run(), Ok(()));
}

#[test]
fn text_has_a_line_for_each_piece_and_more_for_large_ones() {
    let heap = arena(64);
    heap.alloc(FIXED, KIB).unwrap();
    let locked = heap.alloc(MOVEABLE, 1000).unwrap();
    heap.alloc(discardable(), 16 * KIB).unwrap();
    let _guard = heap.lock(locked).unwrap();
    let drawn = text(|out| heap.snapshot().unwrap().write_text(out));
    let expected = "\
0x010000 +--------------------------------+
         |~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~|
         |~~~~ 3 discardable, 16 KiB ~~~~~|
         |~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~|
         |~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~|
0x00c000 +--------------------------------+
         |                                |
         |                                |
         |                                |
         |                                |
         |          free, 46 KiB          |
         |                                |
         |                                |
         |                                |
         |                                |
0x000800 +--------------------------------+
         |*** 2 moveable locked, 1 KiB ***|
0x000400 +--------------------------------+
         |######## 1 fixed, 1 KiB ########|
0x000000 +--------------------------------+
# fixed  = moveable  ~ discardable  * locked
";
    assert_eq!(drawn, expected);
}

#[test]
fn columns_stand_on_one_ground() {
    let heap = arena(64);
    let blocks: Vec<_> = (0..3)
        .map(|_| heap.alloc(MOVEABLE, 2080).unwrap())
        .collect();
    heap.free(blocks[1]).unwrap();
    let before = heap.snapshot().unwrap();
    heap.compact(0).unwrap();
    let after = heap.snapshot().unwrap();
    let drawn = text(|out| before.write_text_beside(&after, out));
    let lines: Vec<_> = drawn.lines().collect();
    assert!(lines[0].starts_with("         before   ") && lines[0].ends_with("   after"));
    // The picture before is two lines higher, and nothing stands beside them.
    assert_eq!(lines[1], format!("0x010000 +{}+", "-".repeat(32)));
    let ground = format!("0x000000 +{}+", "-".repeat(32));
    assert_eq!(lines[lines.len() - 2], format!("{ground}   {ground}"));
    assert!(lines.iter().all(|line| line.trim_end() == *line));
    assert!(drawn.contains("== 3 moveable, 2080 B =="));
}

/// The numbers of all attributes of this name, in tenths.
fn numbers(svg: &str, line: &str, name: &str) -> Vec<u64> {
    let of_line = |text: &str| {
        let after = text.split(&format!(" {name}=\"")).nth(1)?;
        let number = after.split('"').next()?;
        Some((number.parse::<f64>().ok()? * 10.0).round() as u64)
    };
    let lines = svg.lines().filter(|text| text.starts_with(line));
    lines.filter_map(of_line).collect()
}

#[test]
fn boxes_are_to_scale_and_join_without_gaps() {
    let [before, after] = example::pictures().unwrap();
    let svg = text(|out| before.write_svg_beside(&after, out));
    for (snapshot, left) in [(&before, 76), (&after, 376)] {
        let of = format!("<rect x=\"{left}\"");
        let (tops, heights) = (numbers(&svg, &of, "y"), numbers(&svg, &of, "height"));
        let pieces: Vec<Piece> = snapshot.pieces().collect();
        assert_eq!((tops.len(), heights.len()), (pieces.len(), pieces.len()));
        let mut bottom = 5240;
        for ((piece, top), height) in pieces.iter().zip(tops).zip(heights) {
            assert_eq!(top + height, bottom);
            // 480 units are 256 KiB.
            let scaled = f64::from(piece.size) * 4800.0 / f64::from(256 * KIB);
            assert!((height as f64 - scaled).abs() <= 1.0, "{piece:?}: {height}");
            bottom = top;
        }
        assert_eq!(bottom, 440);
    }
    // A line for each block that lies elsewhere, and for no other.
    let same = |old: &Piece| after.pieces().find(|new| new.is_same_block(old));
    let moved = |old: &Piece| same(old).is_some_and(|new| new.start != old.start);
    let count = before.pieces().filter(moved).count();
    assert_eq!(svg.matches("<line ").count(), count);
    assert_eq!(count, 4);
    let (from, to) = (numbers(&svg, "<line", "x1"), numbers(&svg, "<line", "x2"));
    assert!(from.iter().all(|x| *x == 2660) && to.iter().all(|x| *x == 3760));
    assert_eq!(svg.matches("<svg ").count(), svg.matches("</svg>").count());
}

#[test]
fn a_snapshot_is_what_lay_where() {
    let heap = arena(64);
    let fixed = heap.alloc(FIXED, KIB).unwrap();
    let gone = heap.alloc(discardable(), KIB).unwrap();
    let high = heap.alloc(discardable(), KIB).unwrap();
    heap.discard(gone).unwrap();
    let snapshot = heap.snapshot().unwrap();
    let pieces: Vec<_> = snapshot
        .pieces()
        .map(|piece| (piece.start, piece.size, piece.kind, piece.number()))
        .collect();
    let expected = [
        (0, KIB, PieceKind::Fixed, Some(fixed.number())),
        (KIB, 61 * KIB, PieceKind::Free, None),
        (62 * KIB, KIB, PieceKind::Discardable, Some(high.number())),
        (63 * KIB, KIB, PieceKind::Free, None),
    ];
    assert_eq!(pieces, expected);
    assert_eq!((snapshot.low(), snapshot.high()), (0, 64 * KIB));
    assert!(format!("{snapshot:?}").contains("Discardable"));
    // An empty arena, and one that is full.
    let heap = arena(64);
    assert_eq!(heap.snapshot().unwrap().pieces().count(), 1);
    heap.alloc(FIXED, 64 * KIB).unwrap();
    assert_eq!(heap.snapshot().unwrap().pieces().count(), 1);
}

#[test]
fn local_heaps_are_drawn_by_near_addresses() {
    let heap = arena(64);
    let segment = heap.alloc(MOVEABLE, 8 * KIB).unwrap();
    let local = LocalHeap::init(&heap, segment, 0x400..0x2000).unwrap();
    local.alloc(FIXED, 0x400).unwrap();
    let drawn = text(|out| local.snapshot().unwrap().write_text(out));
    let starts: Vec<_> = drawn.lines().filter_map(|line| line.get(..8)).collect();
    let addresses: Vec<_> = starts.iter().filter(|at| at.starts_with("0x")).collect();
    assert_eq!(addresses, [&"0x002000", &"0x000800", &"0x000400"]);
    let svg = text(|out| local.snapshot().unwrap().write_svg(out));
    assert_eq!(svg.matches("<line ").count(), 0);
    assert!(svg.contains(">1 fixed, 1 KiB</text>") && svg.contains(">arena</text>"));
}

/// A writer that takes so many bytes.
struct Narrow(usize);

impl std::fmt::Write for Narrow {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 = self.0.checked_sub(text.len()).ok_or(std::fmt::Error)?;
        Ok(())
    }
}

#[test]
fn a_writers_error_is_passed_on() {
    let [before, after] = example::pictures().unwrap();
    type Draw = fn(&Snapshot, &Snapshot, &mut dyn std::fmt::Write) -> std::fmt::Result;
    let draws: [Draw; 4] = [
        |before, _, out| before.write_text(out),
        |before, after, out| before.write_text_beside(after, out),
        |before, _, out| before.write_svg(out),
        |before, after, out| before.write_svg_beside(after, out),
    ];
    for draw in draws {
        let length = text(|out| draw(&before, &after, out)).len();
        for room in [0, 100, length / 2, length - 1] {
            assert!(draw(&before, &after, &mut Narrow(room)).is_err());
        }
        assert!(draw(&before, &after, &mut Narrow(length)).is_ok());
    }
}

#[test]
fn pieces_too_low_for_letters_have_none_in_an_svg() {
    let heap = GlobalHeap::new(1024 * KIB).unwrap();
    for _ in 0..100 {
        heap.alloc(MOVEABLE | Flags::NOCOMPACT, 32).unwrap();
    }
    let svg = text(|out| heap.snapshot().unwrap().write_svg(out));
    // All have boxes and names; only the large hole has letters on it.
    assert_eq!(svg.matches("</title></rect>").count(), 101);
    assert_eq!(
        svg.matches("KiB</text>").count() + svg.matches(" B</text>").count(),
        1
    );
    assert_eq!(heap.alloc(FIXED, 2048 * KIB).err(), Some(Error::NoMemory));
}

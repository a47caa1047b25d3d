//! The picture, from its title to its buckets.

use super::canvas::{Anchor, Canvas, INNER, MARGIN};
use super::cells::{self, Cell, Stretch, Strip, Use};
use super::kinds::{self, Kind};
use crate::format::{bytes, count};
use crate::look::figures::{self, Bucket, Figures};
use crate::look::output::{self, hex};
use ntheap_inspect::model::{Area, AreaKind, Mapping, Snapshot};
use ntheap_inspect::progress::Work;
use serde_json::{Value, json};
use std::cmp::Reverse;

/// Cells of a row of a heap's memory: as many as keep the picture small.
const MOST: usize = 256;
const FEWEST: usize = 32;
const ALL_CELLS: usize = 32_000;
/// Rows of a heap's memory: more are put together.
const ROWS: usize = 64;
/// Large blocks that are drawn.
const LARGE: usize = 40;
/// Rows of the address space.
const CLUSTERS: usize = 14;
/// Heaps that are drawn; the others are counted.
const HEAPS: usize = 40;

/// The whole picture.
pub(crate) fn picture(snapshot: &Snapshot) -> String {
    let kinds = kinds::of(snapshot);
    let mut canvas = Canvas::new();
    title(&mut canvas, snapshot);
    by_kind(&mut canvas, snapshot, &kinds);
    address_space(&mut canvas, snapshot, &kinds);
    heaps(&mut canvas, snapshot);
    canvas.finish()
}

fn title(canvas: &mut Canvas, snapshot: &Snapshot) {
    let process = &snapshot.process;
    let program = process.program.rsplit('/').next().unwrap_or_default();
    canvas.y = MARGIN + 20.0;
    let name = if program.is_empty() {
        "a process"
    } else {
        program
    };
    canvas.text(MARGIN, canvas.y, "title", Anchor::Start, name);
    let held: Vec<u64> = snapshot
        .blocks
        .iter()
        .filter(|block| block.state.is_held())
        .map(|block| block.size)
        .collect();
    let told = format!(
        "process {}  ·  {} heap{}  ·  {} blocks in use  ·  {}",
        process.pid,
        snapshot.heaps.len(),
        if snapshot.heaps.len() == 1 { "" } else { "s" },
        count(held.len() as u64),
        bytes(held.iter().sum()),
    );
    canvas.y += 22.0;
    canvas.text(MARGIN, canvas.y, "dim", Anchor::Start, &told);
    if snapshot.is_partial() {
        let told = format!(
            "partial: {} things could not be read",
            snapshot.missing.len()
        );
        canvas.text(MARGIN + INNER, canvas.y, "dim", Anchor::End, &told);
    }
}

/// A kind's sums.
#[derive(Clone, Copy, Default)]
struct Sums {
    size: u64,
    committed: u64,
    resident: u64,
    mappings: u64,
    largest: u64,
}

fn sums_of(snapshot: &Snapshot, of: &[Kind]) -> [Sums; Kind::ALL.len()] {
    let mut sums = [Sums::default(); Kind::ALL.len()];
    for (mapping, &kind) in snapshot.mappings.iter().zip(of) {
        let size = mapping.end - mapping.start;
        let sum = &mut sums[kind as usize];
        sum.size += size;
        sum.committed += kinds::committed(mapping);
        sum.resident += mapping.resident.unwrap_or(0);
        sum.mappings += 1;
        sum.largest = sum.largest.max(size);
    }
    sums
}

/// Each kind's sums, for programs.
pub(crate) fn kinds_json(snapshot: &Snapshot) -> Value {
    let sums = sums_of(snapshot, &kinds::of(snapshot));
    let kinds = Kind::ALL.iter().map(|&kind| {
        let sum = &sums[kind as usize];
        json!({
            "kind": kind.name(), "size": sum.size, "committed": sum.committed,
            "resident": sum.resident, "mappings": sum.mappings, "largest": sum.largest,
        })
    });
    kinds.collect()
}

fn by_kind(canvas: &mut Canvas, snapshot: &Snapshot, of: &[Kind]) {
    let sums = sums_of(snapshot, of);
    let committed: u64 = sums.iter().map(|sum| sum.committed).sum();
    let resident: u64 = sums.iter().map(|sum| sum.resident).sum();
    let note = format!(
        "{} committed, {} in memory",
        bytes(committed),
        bytes(resident)
    );
    canvas.section("Memory by kind", &note);
    // All that is committed in one bar.
    let mut x = MARGIN;
    for kind in Kind::ALL {
        let share = sums[kind as usize].committed as f64 / committed.max(1) as f64;
        canvas.rect(x, canvas.y, share * INNER, 18.0, kind.class());
        x += share * INNER;
    }
    canvas.y += 44.0;
    let columns = [470.0, 590.0, 710.0, 830.0, 950.0];
    let heads = ["size", "committed", "in memory", "mappings", "largest"];
    for (&x, head) in columns.iter().zip(heads) {
        canvas.text(x, canvas.y, "dim", Anchor::End, head);
    }
    canvas.text(970.0, canvas.y, "dim", Anchor::Start, "committed");
    canvas.y += 8.0;
    for kind in Kind::ALL {
        let sum = sums[kind as usize];
        canvas.y += 20.0;
        let y = canvas.y;
        canvas.rect(MARGIN, y - 10.0, 12.0, 12.0, kind.class());
        canvas.text(MARGIN + 20.0, y, "label", Anchor::Start, kind.name());
        let numbers = [
            bytes(sum.size),
            bytes(sum.committed),
            bytes(sum.resident),
            count(sum.mappings),
            bytes(sum.largest),
        ];
        for (&x, number) in columns.iter().zip(&numbers) {
            canvas.text(x, y, "num", Anchor::End, number);
        }
        let room = MARGIN + INNER - 970.0;
        let of_all = |bytes: u64| bytes as f64 / committed.max(1) as f64 * room;
        canvas.rect(970.0, y - 9.0, room, 10.0, "track");
        canvas.rect(970.0, y - 9.0, of_all(sum.committed), 10.0, kind.class());
    }
}

/// Mappings near one another.
struct Cluster<'a> {
    mappings: Vec<(&'a Mapping, Kind)>,
}

impl Cluster<'_> {
    fn bounds(&self) -> (u64, u64) {
        let first = self
            .mappings
            .first()
            .map_or(0, |(mapping, _)| mapping.start);
        let last = self.mappings.last().map_or(0, |(mapping, _)| mapping.end);
        (first, last)
    }
}

/// Cuts the list at its widest gaps.
fn clusters<'a>(snapshot: &'a Snapshot, of: &[Kind]) -> Vec<Cluster<'a>> {
    let mappings = &snapshot.mappings;
    let mut gaps: Vec<u64> = mappings
        .windows(2)
        .map(|pair| pair[1].start - pair[0].end)
        .filter(|&gap| gap >= 64 << 20)
        .collect();
    gaps.sort_unstable_by(|a, b| b.cmp(a));
    let least = gaps.get(CLUSTERS - 1).map_or(64 << 20, |&gap| gap + 1);
    let mut clusters: Vec<Cluster<'a>> = Vec::new();
    let mut end = None;
    for (mapping, &kind) in mappings.iter().zip(of) {
        let is_new = end.is_none_or(|end| mapping.start - end >= least);
        match clusters.last_mut() {
            Some(last) if !is_new => last.mappings.push((mapping, kind)),
            _ => clusters.push(Cluster {
                mappings: vec![(mapping, kind)],
            }),
        }
        end = Some(mapping.end);
    }
    clusters
}

fn address_space(canvas: &mut Canvas, snapshot: &Snapshot, of: &[Kind]) {
    let clusters = clusters(snapshot, of);
    canvas.section(
        "Address space",
        "each row to its own scale; nothing lies between rows",
    );
    let legend: Vec<_> = Kind::ALL
        .iter()
        .map(|kind| (kind.class(), kind.name()))
        .collect();
    canvas.legend(&legend);
    const LEFT: f64 = MARGIN + 130.0;
    const RIGHT: f64 = MARGIN + INNER - 90.0;
    for cluster in &clusters {
        let (start, end) = cluster.bounds();
        canvas.y += 22.0;
        let y = canvas.y;
        canvas.text(MARGIN, y - 3.0, "mono dim", Anchor::Start, &hex(start));
        canvas.text(
            MARGIN + INNER,
            y - 3.0,
            "num dim",
            Anchor::End,
            &bytes(end - start),
        );
        let scale = (RIGHT - LEFT) / (end - start).max(1) as f64;
        canvas.rect(LEFT, y - 14.0, RIGHT - LEFT, 16.0, "track");
        // Small ones are drawn over large ones, so that they are seen.
        let mut mappings: Vec<&(&Mapping, Kind)> = cluster.mappings.iter().collect();
        mappings.sort_by_key(|(mapping, _)| std::cmp::Reverse(mapping.end - mapping.start));
        for (mapping, kind) in mappings {
            let x = LEFT + (mapping.start - start) as f64 * scale;
            let width = ((mapping.end - mapping.start) as f64 * scale).max(0.6);
            canvas.rect(x, y - 14.0, width.min(RIGHT - x), 16.0, kind.class());
        }
    }
}

fn heaps(canvas: &mut Canvas, snapshot: &Snapshot) {
    let note = "a column is a stretch of addresses, filled from below by what it holds";
    canvas.section("Heaps", note);
    let legend: Vec<_> = Use::ALL
        .iter()
        .map(|each| (each.class(), each.name()))
        .collect();
    canvas.legend(&legend);
    let figures = figures::of(snapshot);
    let mut order: Vec<usize> = (0..figures.len()).collect();
    order.sort_by_key(|&at| (Reverse(figures[at].committed), at));
    let more = order.len().saturating_sub(HEAPS);
    order.truncate(HEAPS);
    let drawn: Vec<(usize, Vec<Stretch>)> = order
        .iter()
        .map(|&at| (at, cells::stretches(snapshot, at as u32)))
        .collect();
    let rows: usize = drawn.iter().map(|(_, rows)| rows.len().min(ROWS)).sum();
    let columns = (ALL_CELLS / rows.max(1)).clamp(FEWEST, MOST);
    let work = Work::of(drawn.iter().map(|(_, rows)| rows.len() as u64).sum());
    let mut done = 0;
    for (at, rows) in &drawn {
        heap(
            canvas,
            snapshot,
            (*at as u32, &figures[*at]),
            (rows, columns),
            &mut || {
                done += 1;
                work.at(done);
            },
        );
    }
    if more != 0 {
        canvas.y += 24.0;
        let told = format!(
            "and {} smaller heaps, which are not drawn",
            count(more as u64)
        );
        canvas.text(MARGIN, canvas.y, "dim", Anchor::Start, &told);
    }
}

fn heap(
    canvas: &mut Canvas,
    snapshot: &Snapshot,
    (number, figures): (u32, &Figures),
    (rows, columns): (&[Stretch], usize),
    is_done: &mut dyn FnMut(),
) {
    let areas = snapshot.areas.iter().filter(|area| area.heap == number);
    let mut large: Vec<&Area> = areas.filter(|area| area.kind == AreaKind::Large).collect();
    heading(canvas, snapshot, number, figures);
    draw_rows(canvas, snapshot, (rows, columns), is_done);
    draw_large(canvas, snapshot, &mut large);
    draw_buckets(canvas, &figures.buckets);
}

fn heading(canvas: &mut Canvas, snapshot: &Snapshot, number: u32, figures: &Figures) {
    let Some(heap) = snapshot.heaps.get(number as usize) else {
        return;
    };
    canvas.y += 38.0;
    let y = canvas.y;
    canvas.rect(MARGIN, y - 12.0, 4.0, 36.0, "heap");
    canvas.text(
        MARGIN + 14.0,
        y,
        "label",
        Anchor::Start,
        &output::heap_name(heap),
    );
    let copy = snapshot.copies.get(heap.copy as usize);
    let module = copy.map_or("", |copy| {
        copy.module.rsplit('/').next().unwrap_or_default()
    });
    let whose = format!("{}  {module}", hex(heap.handle));
    canvas.text(MARGIN + INNER, y, "mono dim", Anchor::End, &whose);
    let part = 100.0 * figures.free() as f64 / figures.committed.max(1) as f64;
    let blocks = if figures.blocks == 1 { "" } else { "s" };
    let told = format!(
        "{} block{blocks} in use, {}  ·  {} committed  ·  {} free ({part:.0} %)  ·  {} in caches  ·  \
         {} in large blocks  ·  {} reserved without memory",
        count(figures.blocks),
        bytes(figures.in_use),
        bytes(figures.committed),
        bytes(figures.free()),
        bytes(figures.cached),
        bytes(figures.large_bytes),
        bytes(figures.reserved.saturating_sub(figures.committed)),
    );
    canvas.text(MARGIN + 14.0, y + 18.0, "dim", Anchor::Start, &told);
    canvas.y += 30.0;
}

/// Rows of a heap's memory that are drawn as one.
struct Group {
    /// Its longest row's bytes, and those of all.
    longest: u64,
    whole: u64,
    cells: Vec<Cell>,
}

impl Group {
    fn new(cells: usize) -> Group {
        Group {
            longest: 0,
            whole: 0,
            cells: vec![[0; 4]; cells.max(1)],
        }
    }

    fn add(&mut self, strip: &Strip) {
        self.longest = self.longest.max(strip.length);
        self.whole += strip.length;
        for (sum, cell) in self.cells.iter_mut().zip(&strip.cells) {
            for (sum, bytes) in sum.iter_mut().zip(cell) {
                *sum += bytes;
            }
        }
    }
}

/// Rows one by one, or put together where there are too many: of all only one is cut
/// into cells at a time.
fn draw_rows(
    canvas: &mut Canvas,
    snapshot: &Snapshot,
    (rows, columns): (&[Stretch], usize),
    is_done: &mut dyn FnMut(),
) {
    let each = rows.len().div_ceil(ROWS).max(1);
    const LEFT: f64 = MARGIN + 210.0;
    let right = MARGIN + INNER - 80.0;
    let most = rows.iter().map(|row| row.end - row.start).max();
    for group in rows.chunks(each) {
        canvas.y += 20.0;
        let y = canvas.y;
        let Some(first) = group.first() else {
            continue;
        };
        let name = match group.len() {
            1 => first.name.clone(),
            many => format!("{many} × {}", first.name),
        };
        let mut sum = Group::new(columns);
        for row in group {
            sum.add(&row.strip(snapshot, columns));
            is_done();
        }
        canvas.text(MARGIN + 14.0, y, "dim", Anchor::Start, &name);
        canvas.text(LEFT - 10.0, y, "mono dim", Anchor::End, &hex(first.start));
        canvas.text(MARGIN + INNER, y, "num dim", Anchor::End, &bytes(sum.whole));
        // The square root keeps a region of 64 KiB visible beside one of 16 MiB.
        let part = (sum.longest as f64 / most.unwrap_or(1).max(1) as f64).sqrt();
        let width = (right - LEFT) * part.max(0.08);
        draw_columns(canvas, &sum, (LEFT, y - 12.0), (width, 16.0));
    }
    canvas.y += 4.0;
}

/// A group's cells as columns that are filled from below. What neighbours have in common
/// is drawn once.
fn draw_columns(
    canvas: &mut Canvas,
    group: &Group,
    (x, y): (f64, f64),
    (width, height): (f64, f64),
) {
    let count = group.cells.len();
    // What is not the heap's leaves a column short.
    let all = group.whole / count as u64;
    // In tenths of the height's units, as they are written.
    let scale = height * 10.0 / all.max(1) as f64;
    let cells: Vec<[u32; 4]> = group
        .cells
        .iter()
        .map(|cell| cell.map(|bytes| (bytes as f64 * scale).round() as u32))
        .collect();
    let each = width / count as f64;
    for kind in Use::ALL.iter().rev() {
        let of = *kind as usize;
        let mut at = 0;
        for run in cells.chunk_by(|a, b| a == b) {
            let cell = run[0];
            let below: u32 = cell[..of].iter().sum();
            let top = f64::from(below + cell[of]) / 10.0;
            let left = x + at as f64 * each;
            let wide = run.len() as f64 * each;
            canvas.rect(
                left,
                y + height - top,
                wide,
                f64::from(cell[of]) / 10.0,
                kind.class(),
            );
            at += run.len();
        }
    }
}

fn draw_large(canvas: &mut Canvas, snapshot: &Snapshot, large: &mut [&Area]) {
    large.sort_by_key(|area| std::cmp::Reverse(area.reserved));
    const LEFT: f64 = MARGIN + 210.0;
    let right = MARGIN + INNER - 80.0;
    let most = large.first().map_or(1, |area| area.reserved);
    for area in large.iter().take(LARGE) {
        canvas.y += 20.0;
        let y = canvas.y;
        canvas.text(MARGIN + 14.0, y, "dim", Anchor::Start, "large block");
        canvas.text(LEFT - 10.0, y, "mono dim", Anchor::End, &hex(area.start));
        canvas.text(
            MARGIN + INNER,
            y,
            "num dim",
            Anchor::End,
            &bytes(area.reserved),
        );
        let mut strip = Strip::new(area.start, area.reserved, 64);
        strip.add_area(snapshot, area);
        let part = (area.reserved as f64 / most.max(1) as f64).sqrt();
        let mut group = Group::new(strip.cells.len());
        group.add(&strip);
        let width = (right - LEFT) * part.max(0.02);
        draw_columns(canvas, &group, (LEFT, y - 12.0), (width, 16.0));
    }
    if let Some(more) = large.get(LARGE..).filter(|more| !more.is_empty()) {
        canvas.y += 20.0;
        let all: u64 = more.iter().map(|area| area.reserved).sum();
        let told = format!(
            "and {} smaller large blocks, {}",
            count(more.len() as u64),
            bytes(all)
        );
        canvas.text(LEFT, canvas.y, "dim", Anchor::Start, &told);
    }
}

/// Buckets that are listed one by one; of the others there is a sum.
const BUCKETS: usize = 32;

/// Where a bucket's figures end, from its size to the bytes not asked for.
const ENDS: [f64; 7] = [100.0, 190.0, 270.0, 350.0, 430.0, 530.0, 640.0];

fn draw_buckets(canvas: &mut Canvas, buckets: &[Bucket]) {
    if buckets.is_empty() {
        return;
    }
    // Those with the most bytes, by size.
    let mut listed: Vec<&Bucket> = buckets.iter().collect();
    listed.sort_by_key(|bucket| (Reverse(bucket.bytes()), bucket.size));
    let others = listed.split_off(BUCKETS.min(listed.len()));
    listed.sort_by_key(|bucket| bucket.size);
    let knows_unused = buckets.iter().any(|bucket| bucket.unused != 0);
    canvas.y += 34.0;
    let heads = [
        "bucket",
        "subsegments",
        "busy",
        "cached",
        "free",
        "free bytes",
        if knows_unused { "not asked for" } else { "" },
    ];
    for (&x, head) in ENDS.iter().zip(heads) {
        canvas.text(x, canvas.y, "dim", Anchor::End, head);
    }
    canvas.text(
        BARS,
        canvas.y,
        "dim",
        Anchor::Start,
        "share of blocks, as wide as the root of the bucket's bytes",
    );
    canvas.y += 6.0;
    let most = buckets.iter().map(Bucket::bytes).max().unwrap_or(1);
    for bucket in listed {
        draw_bucket(canvas, bucket, &count(bucket.size), knows_unused);
        let width = BAR_ROOM
            * (bucket.bytes() as f64 / most.max(1) as f64)
                .sqrt()
                .max(0.02);
        let shares = bucket.shares();
        let all = shares.iter().sum::<u64>().max(1) as f64;
        let mut x = BARS;
        for (blocks, class) in shares.into_iter().zip(["busy", "cached", "free"]) {
            let part = width * blocks as f64 / all;
            canvas.rect(x, canvas.y - 9.0, part, 11.0, class);
            x += part;
        }
    }
    if !others.is_empty() {
        let mut sum = Bucket::default();
        let mut free = 0;
        for bucket in &others {
            sum.subsegments += bucket.subsegments;
            sum.unused += bucket.unused;
            free += bucket.shares()[2] * bucket.size;
            for (sum, blocks) in sum.blocks.iter_mut().zip(bucket.blocks) {
                *sum += blocks;
            }
        }
        draw_bucket(
            canvas,
            &sum,
            &format!("{} more", others.len()),
            knows_unused,
        );
        // Blocks of many sizes: their free bytes are no multiple of one.
        canvas.text(ENDS[5], canvas.y, "num", Anchor::End, &bytes(free));
    }
    canvas.y += 10.0;
}

/// Where bars begin, and their room.
const BARS: f64 = 665.0;
const BAR_ROOM: f64 = MARGIN + INNER - BARS;

fn draw_bucket(canvas: &mut Canvas, bucket: &Bucket, name: &str, knows_unused: bool) {
    canvas.y += 16.0;
    let [busy, cached, free] = bucket.shares();
    let of_one_size = bucket.size != 0;
    let cells = [
        name.to_owned(),
        count(bucket.subsegments),
        count(busy),
        count(cached),
        count(free),
        if of_one_size {
            bytes(free * bucket.size)
        } else {
            String::new()
        },
        match bucket.unused {
            _ if !knows_unused => String::new(),
            0 => "–".to_owned(),
            unused => bytes(unused),
        },
    ];
    for (at, (&x, cell)) in ENDS.iter().zip(&cells).enumerate() {
        let class = if at == 0 { "num label" } else { "num" };
        canvas.text(x, canvas.y, class, Anchor::End, cell);
    }
}

//! Snapshots as files.
//!
//! ```text
//!   magic, version   16 + 4 bytes, then sections up to the one named END
//!   section          name (4 bytes), check (4), length (8), contents
//! ```
//!
//! Numbers in contents are of seven bits a byte, the lowest first, the top bit
//! says that more follow; texts are a length and UTF-8. An area's blocks follow one
//! another, a subsegment's with as many bytes between them as stand above its kind's two bits,
//! so that an address is never written: alike ones are a count of up to
//! [`RUN`] and what they are like, two bytes or three.
//!
//! ```text
//!   block run   | count - 1, 6 bits | has stack | state, 2 bits | size | slack | (stack) |
//! ```
//!
//! A reader knows where a file was cut: the last section is missing or short. It
//! passes over sections whose names it does not know. What a run can claim is
//! bounded, so that no file asks for more than five hundred times its own length.

use crate::Error;
use crate::model::{
    Area, AreaKind, Block, Copy, Heap, Mapping, Problem, ProcessInfo, Range, Segment, Snapshot,
    Stack,
};
use crate::progress::Work;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

/// The first bytes of every snapshot.
pub const MAGIC: [u8; 16] = *b"ntheap\0snap\0\x1f\xf1\xee\xff";
/// The version that is written and read.
pub const VERSION: u32 = 1;
/// Blocks of a run at most.
pub const RUN: usize = 64;

pub(crate) const PROCESS: [u8; 4] = *b"PROC";
pub(crate) const MAPPINGS: [u8; 4] = *b"MAPS";
pub(crate) const COPIES: [u8; 4] = *b"COPY";
pub(crate) const HEAPS: [u8; 4] = *b"HEAP";
pub(crate) const SEGMENTS: [u8; 4] = *b"SEGM";
pub(crate) const RECORDS: [u8; 4] = *b"RECS";
pub(crate) const AREAS: [u8; 4] = *b"AREA";
pub(crate) const STACKS: [u8; 4] = *b"STAK";
pub(crate) const TAGS: [u8; 4] = *b"TAGS";
pub(crate) const MISSING: [u8; 4] = *b"MISS";
pub(crate) const PROBLEMS: [u8; 4] = *b"PROB";
pub(crate) const END: [u8; 4] = *b"END\0";

/// Areas of a section at most: a file is written in pieces.
const AREAS_EACH: usize = 4096;

/// Sums a section up, to tell a damaged file from a whole one. It keeps nobody from
/// writing what is wrong on purpose.
pub fn check(name: [u8; 4], bytes: &[u8]) -> u32 {
    let mut sum = 0xcbf2_9ce4_8422_2325u64 ^ u64::from(u32::from_le_bytes(name));
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        sum = (sum ^ u64::from_le_bytes(*word))
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(23);
    }
    for &byte in rest {
        sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (sum ^ sum >> 32) as u32
}

/// Reads a snapshot's file.
///
/// # Errors
/// When it cannot be read, is none, was cut or is damaged.
pub fn read(path: &Path) -> Result<Snapshot, Error> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    from_bytes(&bytes)
}

/// Reads a snapshot from a file's bytes.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8]) -> Result<Snapshot, Error> {
    crate::parse::snapshot(bytes)
}

/// Writes a snapshot to a file, which appears when it is whole: it is written
/// beside its place, and moved there. What is there and is no regular file, as a
/// pipe or a terminal, is written to.
///
/// # Errors
/// The system's.
pub fn write(snapshot: &Snapshot, path: &Path) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|known| !known.is_file()) {
        let mut to = BufWriter::with_capacity(1 << 20, File::options().write(true).open(path)?);
        write_to(snapshot, &mut to)?;
        return to.flush();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = Path::new(&name);
    // Nobody else's, nor through a link that somebody put there.
    let mut to = BufWriter::with_capacity(1 << 20, File::create_new(part)?);
    let written = write_to(snapshot, &mut to)
        .and_then(|()| to.flush())
        .and_then(|()| std::fs::rename(part, path));
    if written.is_err() {
        let _ = std::fs::remove_file(part);
    }
    written
}

/// Writes a snapshot.
///
/// # Errors
/// The system's.
pub fn write_to(snapshot: &Snapshot, to: &mut dyn Write) -> io::Result<()> {
    to.write_all(&MAGIC)?;
    to.write_all(&VERSION.to_le_bytes())?;
    let mut out = Section::new(to);
    process(&mut out, &snapshot.process);
    out.end(PROCESS)?;
    list(&mut out, &snapshot.mappings, mapping);
    out.end(MAPPINGS)?;
    list(&mut out, &snapshot.copies, |out, copy: &Copy| {
        out.number(copy.root);
        out.text(&copy.module);
    });
    out.end(COPIES)?;
    list(&mut out, &snapshot.heaps, heap);
    out.end(HEAPS)?;
    list(&mut out, &snapshot.segments, segment);
    out.end(SEGMENTS)?;
    list(&mut out, &snapshot.records, |out, range: &Range| {
        out.number(range.start);
        out.number(range.end - range.start);
    });
    out.end(RECORDS)?;
    let work = Work::of(snapshot.areas.len().div_ceil(AREAS_EACH) as u64);
    for (nth, areas) in (0..).zip(snapshot.areas.chunks(AREAS_EACH)) {
        work.at(nth);
        list(&mut out, areas, |out, area| {
            area_and_blocks(out, area, snapshot.blocks_of(area));
        });
        out.end(AREAS)?;
    }
    list(&mut out, &snapshot.stacks, |out, stack: &Stack| {
        out.number(u64::from(stack.id));
        list(out, &stack.frames, |out, frame: &String| out.text(frame));
    });
    out.end(STACKS)?;
    if !snapshot.tags.is_empty() {
        tags(&mut out, snapshot);
        out.end(TAGS)?;
    }
    list(&mut out, &snapshot.missing, |out, what: &String| {
        out.text(what)
    });
    out.end(MISSING)?;
    list(&mut out, &snapshot.problems, |out, problem: &Problem| {
        out.number(problem.heap);
        out.number(problem.address);
        out.text(&problem.what);
    });
    out.end(PROBLEMS)?;
    out.end(END)
}

/// A section's contents, until it ends.
struct Section<'a> {
    to: &'a mut dyn Write,
    contents: Vec<u8>,
}

impl<'a> Section<'a> {
    fn new(to: &'a mut dyn Write) -> Section<'a> {
        Section {
            to,
            contents: Vec::new(),
        }
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.contents.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.contents.push(number as u8);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.contents.extend_from_slice(text.as_bytes());
    }

    fn end(&mut self, name: [u8; 4]) -> io::Result<()> {
        self.to.write_all(&name)?;
        self.to
            .write_all(&check(name, &self.contents).to_le_bytes())?;
        self.to
            .write_all(&(self.contents.len() as u64).to_le_bytes())?;
        self.to.write_all(&self.contents)?;
        self.contents.clear();
        Ok(())
    }
}

fn list<T>(out: &mut Section<'_>, items: &[T], mut each: impl FnMut(&mut Section<'_>, &T)) {
    out.number(items.len() as u64);
    for item in items {
        each(out, item);
    }
}

fn process(out: &mut Section<'_>, process: &ProcessInfo) {
    out.number(process.pid);
    out.number(process.started);
    out.text(&process.program);
    out.number(process.time);
    out.number(u64::from(process.was_held));
    list(out, &process.stack_pointers, |out, sp| out.number(*sp));
}

fn mapping(out: &mut Section<'_>, mapping: &Mapping) {
    out.number(mapping.start);
    out.number(mapping.end - mapping.start);
    let bits = [
        mapping.is_readable,
        mapping.is_writable,
        mapping.is_executable,
        mapping.is_shared,
        mapping.is_file,
        mapping.resident.is_some(),
        mapping.offset != 0,
    ];
    let flags = bits
        .iter()
        .rev()
        .fold(0, |flags, &bit| flags << 1 | u64::from(bit));
    out.number(flags);
    if let Some(resident) = mapping.resident {
        out.number(resident);
    }
    if mapping.offset != 0 {
        out.number(mapping.offset);
    }
    out.text(&mapping.name);
}

fn heap(out: &mut Section<'_>, heap: &Heap) {
    out.number(u64::from(heap.copy));
    out.number(heap.handle);
    out.number(u64::from(heap.is_process));
    out.number(u64::from(heap.flags));
    out.text(&heap.name);
}

fn segment(out: &mut Section<'_>, segment: &Segment) {
    out.number(u64::from(segment.copy));
    out.number(segment.base);
    out.number(u64::from(segment.slices));
    out.number(segment.used);
    out.number(segment.dirty);
    out.number(segment.absent);
}

/// The names of tags, and how many blocks in a row have each: a pair of numbers for blocks in
/// the order of the areas.
fn tags(out: &mut Section<'_>, snapshot: &Snapshot) {
    list(out, &snapshot.tags, |out, name: &String| out.text(name));
    let areas = snapshot.areas.iter();
    let blocks = areas.flat_map(|area| snapshot.blocks_of(area));
    let mut runs: Vec<(u64, u16)> = Vec::new();
    for block in blocks {
        match runs.last_mut() {
            Some((count, tag)) if *tag == block.tag => *count += 1,
            _ => runs.push((1, block.tag)),
        }
    }
    list(out, &runs, |out, &(count, tag)| {
        out.number(count);
        out.number(u64::from(tag));
    });
}

/// Bytes between a subsegment's blocks, which are the same between all of them: fences. The
/// blocks of others lie side by side.
fn gap(area: &Area, blocks: &[Block]) -> u64 {
    match (area.kind, blocks) {
        (AreaKind::Subsegment, [first, second, ..]) => {
            let end = first.address + first.size + u64::from(first.slack);
            second.address.saturating_sub(end)
        }
        _ => 0,
    }
}

fn area_and_blocks(out: &mut Section<'_>, area: &Area, blocks: &[Block]) {
    out.number(gap(area, blocks) << 2 | area.kind as u64);
    out.number(u64::from(area.heap));
    out.number(area.start);
    out.number(area.reserved);
    out.number(area.committed);
    out.number(u64::from(area.block_size));
    out.number(blocks.len() as u64);
    let Some(first) = blocks.first() else {
        return;
    };
    out.number(first.address - area.start);
    let is_alike = |a: &Block, b: &Block| {
        (a.state, a.size, a.slack, a.stack) == (b.state, b.size, b.slack, b.stack)
    };
    for alike in blocks.chunk_by(is_alike) {
        for run in alike.chunks(RUN) {
            let has_stack = first_of(run).stack != 0;
            let count = run.len() as u64 - 1;
            let block = first_of(run);
            out.number(count << 3 | u64::from(has_stack) << 2 | block.state as u64);
            out.number(block.size);
            out.number(u64::from(block.slack));
            if has_stack {
                out.number(u64::from(block.stack));
            }
        }
    }
}

fn first_of(run: &[Block]) -> Block {
    run.first().copied().unwrap_or_default()
}

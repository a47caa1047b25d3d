//! Reading what file.rs writes.

use crate::Error;
use crate::file::{
    AREAS, COPIES, END, HEAPS, MAGIC, MAPPINGS, MISSING, PROBLEMS, PROCESS, RECORDS, SEGMENTS,
    STACKS, TAGS, VERSION, check,
};
use crate::model::{
    Area, AreaKind, Block, Copy, Heap, Mapping, Problem, ProcessInfo, Range, Segment, Snapshot,
    Stack, State,
};
use crate::progress::Work;

pub(crate) fn snapshot(bytes: &[u8]) -> Result<Snapshot, Error> {
    if !bytes.starts_with(&MAGIC) {
        // A file of a few of the right bytes was cut.
        let is_start = !bytes.is_empty() && MAGIC.starts_with(bytes);
        return Err(if is_start {
            Error::Truncated
        } else {
            Error::NotASnapshot
        });
    }
    let rest = bytes.get(MAGIC.len()..).unwrap_or_default();
    let (version, mut rest) = rest.split_first_chunk().ok_or(Error::Truncated)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(Error::FileVersion(version));
    }
    let mut snapshot = Snapshot::default();
    let work = Work::of(bytes.len() as u64);
    loop {
        work.at((bytes.len() - rest.len()) as u64);
        let (name, after) = rest.split_first_chunk::<4>().ok_or(Error::Truncated)?;
        let (sum, after) = after.split_first_chunk::<4>().ok_or(Error::Truncated)?;
        let (length, after) = after.split_first_chunk::<8>().ok_or(Error::Truncated)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| Error::Truncated)?;
        let (contents, after) = after.split_at_checked(length).ok_or(Error::Truncated)?;
        if check(*name, contents) != u32::from_le_bytes(*sum) {
            return Err(Error::Damaged("a section's check does not match it"));
        }
        rest = after;
        if *name == END {
            break;
        }
        section(&mut snapshot, *name, &mut Contents(contents))?;
    }
    if !rest.is_empty() {
        return Err(Error::Damaged("something follows the end"));
    }
    agree(&snapshot)?;
    Ok(snapshot)
}

/// Whether numbers lead to what there is, and what has an order is in it.
fn agree(snapshot: &Snapshot) -> Result<(), Error> {
    let copies = snapshot.copies.len();
    let is_copy = |number: u32| (number as usize) < copies;
    if !snapshot.heaps.iter().all(|heap| is_copy(heap.copy))
        || !snapshot
            .segments
            .iter()
            .all(|segment| is_copy(segment.copy))
    {
        return Err(Error::Damaged("a copy of ntheap that is not listed"));
    }
    let heaps = snapshot.heaps.len();
    if !snapshot
        .areas
        .iter()
        .all(|area| (area.heap as usize) < heaps)
    {
        return Err(Error::Damaged("a heap that is not listed"));
    }
    let is_sorted = snapshot.areas.windows(2).all(|pair| match pair {
        [a, b] => a.start + a.reserved <= b.start,
        _ => true,
    });
    if !is_sorted {
        return Err(Error::Damaged("areas that overlap"));
    }
    let is_sorted = snapshot.mappings.windows(2).all(|pair| match pair {
        [a, b] => a.end <= b.start,
        _ => true,
    });
    if !is_sorted {
        return Err(Error::Damaged("mappings that overlap"));
    }
    let mut segments: Vec<Range> = snapshot.segments.iter().map(Segment::range).collect();
    segments.sort_unstable();
    if segments
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a.end > b.start))
    {
        return Err(Error::Damaged("segments that overlap"));
    }
    Ok(())
}

fn section(snapshot: &mut Snapshot, name: [u8; 4], from: &mut Contents<'_>) -> Result<(), Error> {
    match name {
        PROCESS => snapshot.process = process(from)?,
        MAPPINGS => from.list(|from| {
            snapshot.mappings.push(mapping(from)?);
            Ok(())
        })?,
        COPIES => from.list(|from| {
            snapshot.copies.push(Copy {
                root: from.number()?,
                module: from.text()?,
            });
            Ok(())
        })?,
        HEAPS => from.list(|from| {
            snapshot.heaps.push(heap(from)?);
            Ok(())
        })?,
        SEGMENTS => from.list(|from| {
            snapshot.segments.push(segment(from)?);
            Ok(())
        })?,
        RECORDS => from.list(|from| {
            let start = from.number()?;
            let length = from.number()?;
            let end = start.checked_add(length);
            let end = end.ok_or(Error::Damaged("a range without an end"))?;
            snapshot.records.push(Range { start, end });
            Ok(())
        })?,
        AREAS => from.list(|from| area(from, snapshot))?,
        STACKS => from.list(|from| {
            let id = from.small()?;
            let mut frames = Vec::new();
            from.list(|from| {
                frames.push(from.text()?);
                Ok(())
            })?;
            snapshot.stacks.push(Stack { id, frames });
            Ok(())
        })?,
        TAGS => tags(from, snapshot)?,
        MISSING => from.list(|from| {
            snapshot.missing.push(from.text()?);
            Ok(())
        })?,
        PROBLEMS => from.list(|from| {
            snapshot.problems.push(Problem {
                heap: from.number()?,
                address: from.number()?,
                what: from.text()?,
            });
            Ok(())
        })?,
        // Of a later writer.
        _ => return Ok(()),
    }
    if !from.0.is_empty() {
        return Err(Error::Damaged("a section is longer than what it lists"));
    }
    Ok(())
}

/// What is left of a section.
struct Contents<'a>(&'a [u8]);

const SHORT: Error = Error::Damaged("a section is shorter than what it lists");

impl Contents<'_> {
    fn byte(&mut self) -> Result<u8, Error> {
        let (first, rest) = self.0.split_first().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, Error> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let digits = u64::from(byte & 0x7f);
            if shift == 63 && digits > 1 {
                break;
            }
            number |= digits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Error::Damaged("a number is too large"))
    }

    fn small(&mut self) -> Result<u32, Error> {
        u32::try_from(self.number()?).map_err(|_| Error::Damaged("a number is too large"))
    }

    fn text(&mut self) -> Result<String, Error> {
        let length = usize::try_from(self.number()?).map_err(|_| SHORT)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        let text = std::str::from_utf8(text);
        text.map(str::to_owned)
            .map_err(|_| Error::Damaged("a text is none"))
    }

    /// Reads as many items as are told; each takes a byte at least, so that no
    /// number makes this longer than the file.
    fn list(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        for _ in 0..self.number()? {
            each(self)?;
        }
        Ok(())
    }
}

/// The tags of the blocks that were read, which their areas go before.
fn tags(from: &mut Contents<'_>, snapshot: &mut Snapshot) -> Result<(), Error> {
    from.list(|from| {
        snapshot.tags.push(from.text()?);
        Ok(())
    })?;
    let names = snapshot.tags.len();
    let mut blocks = snapshot.blocks.iter_mut();
    from.list(|from| {
        let count = from.number()?;
        let tag = u16::try_from(from.number()?).ok();
        let tag = tag.filter(|&tag| usize::from(tag) <= names);
        let tag = tag.ok_or(Error::Damaged("a tag that is not listed"))?;
        for _ in 0..count {
            let block = blocks.next();
            block
                .ok_or(Error::Damaged("tags of more blocks than there are"))?
                .tag = tag;
        }
        Ok(())
    })
}

fn process(from: &mut Contents<'_>) -> Result<ProcessInfo, Error> {
    let mut process = ProcessInfo {
        pid: from.number()?,
        started: from.number()?,
        program: from.text()?,
        time: from.number()?,
        was_held: from.number()? != 0,
        stack_pointers: Vec::new(),
    };
    from.list(|from| {
        process.stack_pointers.push(from.number()?);
        Ok(())
    })?;
    Ok(process)
}

fn mapping(from: &mut Contents<'_>) -> Result<Mapping, Error> {
    let start = from.number()?;
    let length = from.number()?;
    let end = start.checked_add(length).filter(|&end| end > start);
    let end = end.ok_or(Error::Damaged("a mapping of no bytes"))?;
    let flags = from.number()?;
    let has = |bit: u32| flags >> bit & 1 != 0;
    let resident = if has(5) { Some(from.number()?) } else { None };
    let offset = if has(6) { from.number()? } else { 0 };
    Ok(Mapping {
        start,
        end,
        is_readable: has(0),
        is_writable: has(1),
        is_executable: has(2),
        is_shared: has(3),
        is_file: has(4),
        offset,
        resident,
        name: from.text()?,
    })
}

fn heap(from: &mut Contents<'_>) -> Result<Heap, Error> {
    Ok(Heap {
        copy: from.small()?,
        handle: from.number()?,
        is_process: from.number()? != 0,
        flags: from.small()?,
        name: from.text()?,
    })
}

fn segment(from: &mut Contents<'_>) -> Result<Segment, Error> {
    let segment = Segment {
        copy: from.small()?,
        base: from.number()?,
        slices: from.small()?,
        used: from.number()?,
        dirty: from.number()?,
        absent: from.number()?,
    };
    let end = segment.base.checked_add(64 << 16);
    if segment.slices > 64 || end.is_none() {
        return Err(Error::Damaged("a segment of too many slices"));
    }
    Ok(segment)
}

fn area(from: &mut Contents<'_>, snapshot: &mut Snapshot) -> Result<(), Error> {
    const OUTSIDE: Error = Error::Damaged("a block outside of its area");
    let head = from.number()?;
    let (kind, gap) = match head & 3 {
        0 => (AreaKind::Subsegment, head >> 2),
        _ if head > 3 => return Err(Error::Damaged("an area of no known kind")),
        1 => (AreaKind::Region, 0),
        2 => (AreaKind::Large, 0),
        _ => (AreaKind::Guarded, 0),
    };
    let mut area = Area {
        kind,
        heap: from.small()?,
        start: from.number()?,
        reserved: from.number()?,
        committed: from.number()?,
        block_size: from.small()?,
        first: snapshot.blocks.len(),
        count: usize::try_from(from.number()?).map_err(|_| SHORT)?,
    };
    let end = area.start.checked_add(area.reserved).ok_or(OUTSIDE)?;
    if area.committed > area.reserved {
        return Err(Error::Damaged("an area that has more than it reserved"));
    }
    let number = u32::try_from(snapshot.areas.len()).map_err(|_| SHORT)?;
    if area.count == 0 {
        snapshot.areas.push(area);
        return Ok(());
    }
    let mut address = area.start.checked_add(from.number()?).ok_or(OUTSIDE)?;
    let mut left = area.count;
    while left != 0 {
        let head = from.number()?;
        let count = usize::try_from(head >> 3)
            .map_err(|_| SHORT)?
            .saturating_add(1);
        if count > left.min(crate::file::RUN) {
            return Err(Error::Damaged("a run of too many blocks"));
        }
        left -= count;
        let state = match head & 3 {
            0 => State::Free,
            1 => State::Kept,
            2 => State::Busy,
            _ => State::Out,
        };
        let size = from.number()?;
        let slack = from.small()?;
        let stack = if head & 4 != 0 { from.small()? } else { 0 };
        let room = size.checked_add(u64::from(slack)).ok_or(OUTSIDE)?;
        for _ in 0..count {
            let next = address
                .checked_add(room)
                .and_then(|end| end.checked_add(gap));
            let next = next.ok_or(OUTSIDE)?;
            // The last block's slack may be cut short where it is told.
            if address + size > end {
                return Err(OUTSIDE);
            }
            snapshot.blocks.push(Block {
                address,
                size,
                slack,
                area: number,
                stack,
                state,
                tag: 0,
            });
            address = next;
        }
    }
    area.count = snapshot.blocks.len() - area.first;
    snapshot.areas.push(area);
    Ok(())
}

//! What is known of a process's heaps at a time.

/// A process, its mappings and its heaps.
///
/// Areas are in the order of their addresses and do not overlap; the blocks of an
/// area follow one another without a gap, and those of all areas lie in
/// `blocks`, an area's after those of the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose it is.
    pub process: ProcessInfo,
    /// What the system has mapped, by address.
    pub mappings: Vec<Mapping>,
    /// The copies of ntheap in the process.
    pub copies: Vec<Copy>,
    /// The heaps, each copy's process heap before its others.
    pub heaps: Vec<Heap>,
    /// The segments that process heaps take memory from.
    pub segments: Vec<Segment>,
    /// Where the heaps keep their own records, by address.
    pub records: Vec<Range>,
    /// What blocks lie in.
    pub areas: Vec<Area>,
    /// All blocks.
    pub blocks: Vec<Block>,
    /// Stacks that blocks were allocated at, by their numbers.
    pub stacks: Vec<Stack>,
    /// The names of tags, by their numbers, from 1: a call's number, or a module.
    pub tags: Vec<String>,
    /// What could not be read, or changed while it was read, in words.
    pub missing: Vec<String>,
    /// What the records say that cannot be, in words.
    pub problems: Vec<Problem>,
}

/// Whose a snapshot is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its number.
    pub pid: u64,
    /// When it was started, in the system's ticks since its own start: two
    /// processes of one number differ in this.
    pub started: u64,
    /// The program's file.
    pub program: String,
    /// Seconds since 1970 when it was looked at.
    pub time: u64,
    /// Whether it was held still meanwhile.
    pub was_held: bool,
    /// Stack pointers of its threads, as far as they are known.
    pub stack_pointers: Vec<u64>,
}

/// What the system has mapped in one piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Its first byte.
    pub start: u64,
    /// The byte after its last.
    pub end: u64,
    /// Whether it can be read.
    pub is_readable: bool,
    /// Whether it can be written to.
    pub is_writable: bool,
    /// Whether code in it can run.
    pub is_executable: bool,
    /// Whether others see what is written to it.
    pub is_shared: bool,
    /// Whether it is a file's.
    pub is_file: bool,
    /// Where in the file it begins.
    pub offset: u64,
    /// Bytes of memory that it holds, where the system told.
    pub resident: Option<u64>,
    /// The file's path, or the system's name for it.
    pub name: String,
}

/// A copy of ntheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copy {
    /// Where its root record lies.
    pub root: u64,
    /// The file of the module that it is linked into; empty where that is not
    /// known.
    pub module: String,
}

/// A heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// Its copy, by number.
    pub copy: u32,
    /// The heap's handle; of a process heap's own blocks, malloc's and
    /// `NtHeap`'s, the address of its record.
    pub handle: u64,
    /// Whether it is a process heap's front end: malloc's and `NtHeap`'s blocks.
    pub is_process: bool,
    /// The flags of its creation.
    pub flags: u32,
    /// Its name.
    pub name: String,
}

/// A segment of a process heap: up to 64 slices of 64 KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Its copy, by number.
    pub copy: u32,
    /// Address of the first slice.
    pub base: u64,
    /// Slices there are.
    pub slices: u32,
    /// Slices in use, a bit each.
    pub used: u64,
    /// Unused slices that may hold memory.
    pub dirty: u64,
    /// Unused slices that are not committed.
    pub absent: u64,
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The first byte.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
}

/// What an area is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AreaKind {
    /// A bucket's: blocks of one size.
    #[default]
    Subsegment = 0,
    /// Blocks of any size.
    Region = 1,
    /// One large block.
    Large = 2,
    /// One block of page heap's, in pages of its own.
    Guarded = 3,
}

/// Memory that a heap's blocks lie in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// What it is.
    pub kind: AreaKind,
    /// The heap, by number.
    pub heap: u32,
    /// Its first byte.
    pub start: u64,
    /// Bytes of address space.
    pub reserved: u64,
    /// Bytes of them that are committed, from the start.
    pub committed: u64,
    /// Bytes of each block in a subsegment; else 0.
    pub block_size: u32,
    /// The number of its first block.
    pub first: usize,
    /// Its blocks.
    pub count: usize,
}

/// How a block is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// It is free.
    #[default]
    Free = 0,
    /// It is free and at hand, in a cache.
    Kept = 1,
    /// A program has it.
    Busy = 2,
    /// A program has it, or it is in a thread's cache: the heap does not tell.
    Out = 3,
}

impl State {
    /// The state in a word.
    pub const fn name(self) -> &'static str {
        match self {
            State::Free => "free",
            State::Kept => "cached",
            State::Busy => "busy",
            State::Out => "out",
        }
    }

    /// Whether a program has the block, as far as is known.
    pub const fn is_held(self) -> bool {
        matches!(self, State::Busy | State::Out)
    }
}

/// A block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Its first byte.
    pub address: u64,
    /// Bytes that were asked for, as far as the heap knows: malloc's knows the
    /// bytes that can be used.
    pub size: u64,
    /// Bytes beside these to the next block.
    pub slack: u32,
    /// Its area, by number.
    pub area: u32,
    /// Where it was allocated: a stack's number, 0 where none was noted.
    pub stack: u32,
    /// How it is.
    pub state: State,
    /// What asked for it: a tag's number, 0 where none is known.
    pub tag: u16,
}

impl Block {
    /// Bytes from its start to the next block's.
    pub const fn room(&self) -> u64 {
        self.size + self.slack as u64
    }
}

/// A stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// Its number, not 0.
    pub id: u32,
    /// Its frames, the innermost first: addresses, or as words.
    pub frames: Vec<String>,
}

/// Something that cannot be.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The heap's handle.
    pub heap: u64,
    /// Where it was found.
    pub address: u64,
    /// What was found.
    pub what: String,
}

/// Ranges in order, neighbours and overlaps joined.
pub fn joined(ranges: impl IntoIterator<Item = Range>) -> Vec<Range> {
    let mut ranges: Vec<Range> = ranges.into_iter().collect();
    ranges.sort_unstable();
    let mut joined: Vec<Range> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

impl Segment {
    /// Its slices' addresses.
    pub const fn range(&self) -> Range {
        Range {
            start: self.base,
            end: self.base.saturating_add((self.slices as u64) << 16),
        }
    }
}

impl Area {
    /// Its addresses.
    pub const fn range(&self) -> Range {
        Range {
            start: self.start,
            end: self.start.saturating_add(self.reserved),
        }
    }
}

impl Snapshot {
    /// The heaps' own memory, their records included, in order.
    pub fn own_ranges(&self) -> Vec<Range> {
        let areas = self.areas.iter().map(Area::range);
        let segments = self.segments.iter().map(Segment::range);
        joined(areas.chain(segments).chain(self.records.iter().copied()))
    }

    /// The area's heap.
    pub fn heap_of(&self, area: &Area) -> Option<&Heap> {
        self.heaps.get(area.heap as usize)
    }

    /// The block's area.
    pub fn area_of(&self, block: &Block) -> Option<&Area> {
        self.areas.get(block.area as usize)
    }

    /// The area's blocks.
    pub fn blocks_of(&self, area: &Area) -> &[Block] {
        let end = area.first.saturating_add(area.count);
        self.blocks.get(area.first..end).unwrap_or_default()
    }

    /// The frames of the stack that the block was allocated at; none where it was not
    /// noted. Stacks are by their numbers, from 1.
    pub fn frames_of(&self, block: &Block) -> &[String] {
        let place = (block.stack as usize).checked_sub(1);
        let stack = place.and_then(|place| self.stacks.get(place));
        stack.map_or(&[], |stack| &stack.frames)
    }

    /// The block's tag; none where there is none.
    pub fn tag_of(&self, block: &Block) -> Option<&str> {
        let place = usize::from(block.tag).checked_sub(1)?;
        self.tags.get(place).map(String::as_str)
    }

    /// Whether something is missing from it.
    pub fn is_partial(&self) -> bool {
        !self.missing.is_empty()
    }

    /// The block that a program has and `address` lies in, by number. Takes
    /// logarithmic time.
    pub fn held_at(&self, address: u64) -> Option<usize> {
        let area = self.areas.partition_point(|area| area.start <= address);
        let area = self.areas.get(area.checked_sub(1)?)?;
        if address - area.start >= area.reserved {
            return None;
        }
        let blocks = self.blocks_of(area);
        let at = blocks.partition_point(|block| block.address <= address);
        let at = at.checked_sub(1)?;
        let block = blocks.get(at)?;
        // A block of no bytes is at its first.
        let is_in = address - block.address < block.size.max(1);
        (is_in && block.state.is_held()).then_some(area.first + at)
    }
}

//! Programs: segments that are loaded, discarded and brought back.
//!
//! ```text
//!   Definition (attributes) --\
//!   Image (names, bytes) ------> Module --instance()--> Instance --run()--> Running
//!                                 |  code segments        |  data segment     locks it
//!                                 |  of all instances     |  and local heap
//! ```
//!
//! A module's code is in memory once, whatever its instances. A discarded code
//! segment, or one to be loaded on call, is loaded by the next access. Each
//! instance has an automatic data segment of its own, unless it is `SINGLE`:
//!
//! ```text
//!   0           static data         stack          local heap     <= 64 KiB
//!   |<-- the image's bytes -->|<-- STACKSIZE -->|<-- HEAPSIZE -->| -> grows
//! ```

use super::definition::{Attributes, Definition, Load, SEGMENTS, SegmentKind, Sharing};
use super::error::Error;
use super::flags::Flags;
use super::global::{GlobalHeap, HGlobal, Task};
use super::local::{LocalHeap, SEGMENT_MAX};
use super::lock::{Code, Locked};
use super::space::{Record, State};
use core::cell::{Cell, OnceCell};

/// A segment as it lies in a program's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSegment<'i> {
    /// Its name, which a definition may list.
    pub name: &'i str,
    /// Code or data.
    pub kind: SegmentKind,
    /// Bytes that are loaded, 1 to 65,536; a data segment may have 0.
    pub size: u32,
}

/// A program's file: what its loader reads.
pub trait Image {
    /// Its segments, at most [`SEGMENTS`].
    fn segments(&self) -> &[ImageSegment<'_>];

    /// Writes a segment's bytes, of the number that [`segments`](Self::segments)
    /// says, to `into`; false if it cannot. May be called again whenever the
    /// segment was discarded, and for each instance.
    fn load(&self, segment: usize, into: &[Cell<u8>]) -> bool;
}

/// How many code and data segments a program has.
///
/// Source: "Memory Models" of the Windows 3.1 SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryModel {
    /// One of each.
    Small,
    /// Several of code, one of data.
    Medium,
    /// One of code, several of data.
    Compact,
    /// Several of each.
    Large,
}

impl MemoryModel {
    /// The model with so many segments.
    pub const fn of(code: usize, data: usize) -> MemoryModel {
        match (code > 1, data > 1) {
            (false, false) => MemoryModel::Small,
            (true, false) => MemoryModel::Medium,
            (false, true) => MemoryModel::Compact,
            (true, true) => MemoryModel::Large,
        }
    }
}

/// A program whose segments are, or may be, in memory.
///
/// Dropping it frees its segments.
pub struct Module<'g, 'n, 'i> {
    heap: &'g GlobalHeap<'n>,
    image: &'i dyn Image,
    attributes: [Attributes; SEGMENTS],
    /// Segments that were loaded once, but for automatic data segments.
    segments: [Cell<Option<HGlobal>>; SEGMENTS],
    /// The first data segment, unless `DATA NONE`.
    automatic: Option<usize>,
    /// The automatic data segment of all instances, if it is single.
    shared: OnceCell<LocalHeap<'g, 'n>>,
    data_segments: usize,
    heap_size: u32,
    stack_size: u32,
    instances: Cell<u32>,
}

impl<'g, 'n, 'i> Module<'g, 'n, 'i> {
    /// Loads a program: the segments that are `PRELOAD`, in the image's order.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for more than [`SEGMENTS`] segments or a code
    /// segment of 0 bytes;
    /// [`Error::TooLarge`] for a segment of more than 64 KiB, or an automatic
    /// data segment that has more with its stack and heap;
    /// [`Error::SegmentAttributes`] for discardable data; [`Error::NoMemory`],
    /// [`Error::NoHandles`], [`Error::LoadFailed`], [`Error::Busy`].
    pub fn load(
        heap: &'g GlobalHeap<'n>,
        definition: &Definition<'_>,
        image: &'i dyn Image,
    ) -> Result<Module<'g, 'n, 'i>, Error> {
        let all = image.segments();
        if all.len() > SEGMENTS {
            return Err(Error::InvalidParameter);
        }
        let mut attributes = [Attributes::default(); SEGMENTS];
        for (place, segment) in attributes.iter_mut().zip(all) {
            *place = definition.attributes(segment.name, segment.kind);
            check(segment, place)?;
        }
        let data = |segment: &ImageSegment<'_>| segment.kind == SegmentKind::Data;
        let automatic = all.iter().position(data);
        let has = |at: &usize| {
            let known = attributes.get(*at).and_then(|known| known.sharing);
            known != Some(Sharing::None)
        };
        let module = Module {
            heap,
            image,
            attributes,
            segments: [const { Cell::new(None) }; SEGMENTS],
            automatic: automatic.filter(has),
            shared: OnceCell::new(),
            data_segments: all.iter().filter(|segment| data(segment)).count(),
            heap_size: definition.heap_size,
            stack_size: definition.stack_size,
            instances: Cell::new(0),
        };
        module.automatic_size()?;
        for at in 0..all.len() {
            let preload = module.attributes(at).load == Some(Load::Preload);
            if preload && module.automatic != Some(at) {
                drop(module.present(at)?);
            }
        }
        Ok(module)
    }

    fn attributes(&self, at: usize) -> Attributes {
        self.attributes.get(at).copied().unwrap_or_default()
    }

    /// Bytes of the automatic data segment, and of its parts before the heap.
    fn automatic_size(&self) -> Result<(u32, u32), Error> {
        let at = self.automatic;
        let data = at.and_then(|at| self.image.segments().get(at));
        let data = data.map_or(0, |segment| segment.size);
        let before = data.next_multiple_of(4).saturating_add(self.stack_size);
        let before = before.saturating_add(3) & !3;
        if before > SEGMENT_MAX {
            return Err(Error::TooLarge);
        }
        // MAXVAL is what is left.
        let most = SEGMENT_MAX - before;
        if self.heap_size > most && self.heap_size != SEGMENT_MAX {
            return Err(Error::TooLarge);
        }
        Ok((before + self.heap_size.min(most), before))
    }

    /// The model that its segments make.
    pub fn model(&self) -> MemoryModel {
        let all = self.image.segments().len();
        MemoryModel::of(all - self.data_segments, self.data_segments)
    }

    /// The segment's number, by its name in letters of either case.
    pub fn find(&self, name: &str) -> Option<usize> {
        let mut all = self.image.segments().iter();
        all.position(|segment| segment.name.eq_ignore_ascii_case(name))
    }

    /// A segment's block, if it was loaded once: for pictures, and to ask
    /// whether it is discarded. An automatic data segment is its instance's.
    pub fn segment(&self, at: usize) -> Option<HGlobal> {
        self.segments.get(at).and_then(Cell::get)
    }

    /// Locks a code segment to run it, and loads it before if it is not in
    /// memory. It is then the most recently used.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] if it is no code segment;
    /// [`Error::NoMemory`], [`Error::NoHandles`], [`Error::LoadFailed`],
    /// [`Error::Busy`].
    pub fn code(&self, at: usize) -> Result<Code<'_>, Error> {
        match self.image.segments().get(at) {
            Some(segment) if segment.kind == SegmentKind::Code => {
                self.present(at).map(|bytes| Code { bytes })
            }
            _ => Err(Error::InvalidParameter),
        }
    }

    /// Locks a data segment other than the automatic one, and loads it before if
    /// it is not in memory.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] if it is no such segment;
    /// [`Error::NoMemory`], [`Error::NoHandles`], [`Error::LoadFailed`],
    /// [`Error::Busy`].
    pub fn data(&self, at: usize) -> Result<Locked<'_>, Error> {
        match self.image.segments().get(at) {
            Some(segment) if segment.kind == SegmentKind::Data && self.automatic != Some(at) => {
                self.present(at)
            }
            _ => Err(Error::InvalidParameter),
        }
    }

    /// A segment in memory, loaded if need be.
    fn present(&self, at: usize) -> Result<Locked<'g>, Error> {
        let (Some(segment), Some(place)) = (self.image.segments().get(at), self.segments.get(at))
        else {
            return Err(Error::InvalidParameter);
        };
        let size = segment.size.max(1);
        let block = match place.get() {
            Some(block) => {
                let record = self.heap.space.find(block.0)?;
                if record.state == State::Present {
                    return self.heap.lock_any(block);
                }
                self.heap.resize(block, size, Flags::ZEROINIT)?
            }
            None => {
                let attributes = self.attributes(at);
                let record = Record {
                    segment: true,
                    code: segment.kind == SegmentKind::Code,
                    ..Record::UNUSED
                };
                let flags = block_flags(attributes) | Flags::ZEROINIT;
                self.heap.alloc_as(flags, size, record)?
            }
        };
        place.set(Some(block));
        let bytes = self.heap.lock_any(block)?;
        match self.fill(at, segment.size, &bytes) {
            Ok(()) => Ok(bytes),
            Err(error) => {
                // Bytes that were not loaded must not be taken for the segment's.
                drop(bytes);
                place.set(None);
                self.release(block);
                Err(error)
            }
        }
    }

    /// Has the image write a segment's bytes.
    fn fill(&self, at: usize, size: u32, bytes: &[Cell<u8>]) -> Result<(), Error> {
        let into = bytes.get(..size as usize).unwrap_or(bytes);
        if self.image.load(at, into) {
            Ok(())
        } else {
            Err(Error::LoadFailed)
        }
    }

    /// Makes an instance: a running copy of the program, which is a task. Its
    /// automatic data segment is loaded, or shared if it is `SINGLE`.
    ///
    /// # Errors
    /// [`Error::SecondInstance`] for another instance of a program with several
    /// data segments that are not `SINGLE`, as `WinExec` has it (error 16,
    /// "WinExec", Windows 3.1 SDK); [`Error::NoMemory`], [`Error::NoHandles`],
    /// [`Error::LoadFailed`], [`Error::Busy`].
    pub fn instance(&self) -> Result<Instance<'_, 'g, 'n>, Error> {
        let single = self
            .automatic
            .is_some_and(|at| self.attributes(at).sharing == Some(Sharing::Single));
        let several = self.data_segments > 1 && self.automatic.is_some() && !single;
        if several && self.instances.get() != 0 {
            return Err(Error::SecondInstance);
        }
        let data = match self.automatic {
            None => InstanceData::None,
            Some(_) if single => match self.shared.get() {
                Some(local) => InstanceData::Shared(local),
                None => {
                    let local = self.automatic_segment()?;
                    InstanceData::Shared(self.shared.get_or_init(|| local))
                }
            },
            Some(_) => InstanceData::Own(self.automatic_segment()?),
        };
        self.instances.set(self.instances.get() + 1);
        Ok(Instance {
            heap: self.heap,
            instances: &self.instances,
            task: self.heap.new_task(),
            data,
        })
    }

    /// Loads the automatic data segment, with a local heap in it.
    fn automatic_segment(&self) -> Result<LocalHeap<'g, 'n>, Error> {
        let at = self.automatic.ok_or(Error::NoDataSegment)?;
        let (size, before) = self.automatic_size()?;
        let flags = block_flags(self.attributes(at)) | Flags::ZEROINIT;
        let block = self.heap.alloc(flags, size.max(1))?;
        let made = self.heap.lock(block).and_then(|bytes| {
            let segments = self.image.segments();
            let static_size = segments.get(at).map_or(0, |segment| segment.size);
            self.fill(at, static_size, &bytes)?;
            let end = self.heap.size_of(block)?;
            LocalHeap::init_with(self.heap, block, before.min(end)..end, size - before)
        });
        match made {
            Ok(local) => {
                // The initial lock is `run`'s.
                let _ = local.unlock_data();
                Ok(local)
            }
            Err(error) => {
                self.release(block);
                Err(error)
            }
        }
    }

    /// Frees a segment, unless it is locked for ever.
    fn release(&self, block: HGlobal) {
        let unused = |record: &mut Record| record.segment = false;
        self.heap.space.update(block.0.slot, unused);
        let _ = self.heap.free(block);
    }
}

impl Drop for Module<'_, '_, '_> {
    fn drop(&mut self) {
        for block in self.segments.iter().filter_map(Cell::get) {
            self.release(block);
        }
        if let Some(local) = self.shared.take() {
            let block = local.data_segment();
            drop(local);
            let _ = self.heap.free(block);
        }
    }
}

fn check(segment: &ImageSegment<'_>, attributes: &Attributes) -> Result<(), Error> {
    if segment.size > SEGMENT_MAX {
        return Err(Error::TooLarge);
    }
    match segment.kind {
        SegmentKind::Data if attributes.discardable == Some(true) => Err(Error::SegmentAttributes),
        SegmentKind::Code if segment.size == 0 => Err(Error::InvalidParameter),
        _ => Ok(()),
    }
}

/// A segment's attributes as flags of a block.
fn block_flags(attributes: Attributes) -> Flags {
    match (attributes.moveable, attributes.discardable) {
        (_, Some(true)) => Flags::MOVEABLE | Flags::DISCARDABLE,
        (Some(true), _) => Flags::MOVEABLE,
        _ => Flags::FIXED,
    }
}

enum InstanceData<'m, 'g, 'n> {
    None,
    Own(LocalHeap<'g, 'n>),
    Shared(&'m LocalHeap<'g, 'n>),
}

/// A running copy of a program. Dropping it ends it: its blocks that are not
/// locked are freed, and its own data segment.
pub struct Instance<'m, 'g, 'n> {
    heap: &'g GlobalHeap<'n>,
    instances: &'m Cell<u32>,
    task: Task,
    data: InstanceData<'m, 'g, 'n>,
}

impl<'g, 'n> Instance<'_, 'g, 'n> {
    /// The task that it is.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The local heap in its automatic data segment.
    ///
    /// # Errors
    /// [`Error::NoDataSegment`].
    pub fn local(&self) -> Result<&LocalHeap<'g, 'n>, Error> {
        match &self.data {
            InstanceData::None => Err(Error::NoDataSegment),
            InstanceData::Own(local) => Ok(local),
            InstanceData::Shared(local) => Ok(local),
        }
    }

    /// The automatic data segment's block.
    ///
    /// # Errors
    /// [`Error::NoDataSegment`].
    pub fn data_segment(&self) -> Result<HGlobal, Error> {
        self.local().map(LocalHeap::data_segment)
    }

    /// Gives control to it: its data segment is locked until the guard is
    /// dropped, and blocks that are allocated belong to it.
    pub fn run(&self) -> Running<'_, 'g, 'n> {
        if let Ok(local) = self.local() {
            local.soften(1);
        }
        Running {
            instance: self,
            before: self.heap.switch_to(self.task),
        }
    }
}

impl Drop for Instance<'_, '_, '_> {
    fn drop(&mut self) {
        self.instances.set(self.instances.get().saturating_sub(1));
        let _ = self.heap.end_task(self.task);
        let data = core::mem::replace(&mut self.data, InstanceData::None);
        if let InstanceData::Own(local) = data {
            let block = local.data_segment();
            drop(local);
            let _ = self.heap.free(block);
        }
    }
}

/// An instance that has control. Its data segment is locked, but for what the
/// instance itself does: allocating from the global heap here, and growing its
/// local heap, may move it.
#[must_use = "the instance runs until this is dropped"]
pub struct Running<'r, 'g, 'n> {
    instance: &'r Instance<'r, 'g, 'n>,
    before: Task,
}

impl Running<'_, '_, '_> {
    /// [`GlobalHeap::alloc`] by the instance: its data segment may be moved for
    /// it.
    ///
    /// # Errors
    /// Those of [`GlobalHeap::alloc`].
    pub fn alloc(&self, flags: Flags, size: u32) -> Result<HGlobal, Error> {
        let heap = self.instance.heap;
        match self.instance.local() {
            Ok(local) => local.yielding(|| heap.alloc(flags, size)),
            Err(_) => heap.alloc(flags, size),
        }
    }
}

impl Drop for Running<'_, '_, '_> {
    fn drop(&mut self) {
        if let Ok(local) = self.instance.local() {
            local.soften(-1);
        }
        self.instance.heap.switch_to(self.before);
    }
}

//! What is chosen before a heap is made.

use super::{Heap, HeapError, LocalHeap};
use crate::config::Action;
use crate::heap::private::{self, Buckets, HeapRef, NAME_MAX, Settings, Shape, flags};

/// How large a heap may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeapShape {
    /// As large as the system allows.
    Growable,
    /// Growable, with so many bytes committed at most.
    Limited(usize),
    /// One reservation of so many bytes, as `HeapCreate` makes with a maximum
    /// size.
    Fixed(usize),
}

/// Options of a heap to be made: of [`Heap::options`].
///
/// ```
/// let heap = ntheap::Heap::options()
///     .name("requests")
///     .initial_size(64 << 10)
///     .limit(16 << 20)
///     .create()?;
/// # Ok::<(), ntheap::HeapError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "options make no heap until `create` is called"]
pub struct HeapOptions {
    shape: HeapShape,
    initial: usize,
    flags: u32,
    name: [u8; NAME_MAX],
    name_length: usize,
    action: Action,
}

impl Default for HeapOptions {
    fn default() -> Self {
        HeapOptions::new()
    }
}

impl HeapOptions {
    /// A growable heap without a name, whose corruption ends the process.
    pub const fn new() -> Self {
        HeapOptions {
            shape: HeapShape::Growable,
            initial: 0,
            flags: 0,
            name: [0; NAME_MAX],
            name_length: 0,
            action: Action::Abort,
        }
    }

    /// Bytes committed from the start, rounded up to a page. 0: one page.
    pub const fn initial_size(mut self, bytes: usize) -> Self {
        self.initial = bytes;
        self
    }

    /// At most so many bytes are committed at any time, the heap's own records
    /// apart. An allocation that would need more fails with
    /// [`HeapError::LimitReached`], and the heap goes on working. Blocks may
    /// have any size; replaces [`fixed`](Self::fixed).
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.shape = HeapShape::Limited(bytes);
        self
    }

    /// One reservation of so many bytes, rounded up to 8 KiB, and no more:
    /// `HeapCreate`'s `dwMaximumSize` ("HeapCreate function (heapapi.h)").
    /// Blocks of nearly 1 MiB and more are refused, even where there is room.
    /// Replaces [`limit`](Self::limit).
    pub const fn fixed(mut self, bytes: usize) -> Self {
        self.shape = HeapShape::Fixed(bytes);
        self
    }

    /// Every block starts out zeroed. `HEAP_ZERO_MEMORY`.
    pub const fn zeroed(self, zeroed: bool) -> Self {
        self.flag(flags::ZERO_MEMORY, zeroed)
    }

    /// Blocks may be executed. `HEAP_CREATE_ENABLE_EXECUTE`.
    pub const fn executable(self, executable: bool) -> Self {
        self.flag(flags::CREATE_ENABLE_EXECUTE, executable)
    }

    /// The heap's name in reports and in [`heaps`](crate::heaps()): its first
    /// 32 bytes, cut between two characters.
    pub const fn name(mut self, name: &str) -> Self {
        let bytes = name.as_bytes();
        let mut length = if bytes.len() < NAME_MAX {
            bytes.len()
        } else {
            NAME_MAX
        };
        while !name.is_char_boundary(length) {
            length -= 1;
        }
        let mut at = 0;
        while at < length {
            self.name[at] = bytes[at];
            at += 1;
        }
        self.name_length = length;
        self
    }

    /// What follows the report of a corrupt record or a misused block: by
    /// default the process ends.
    pub const fn on_corruption(mut self, action: Action) -> Self {
        self.action = action;
        self
    }

    const fn flag(mut self, flag: u32, on: bool) -> Self {
        self.flags = if on {
            self.flags | flag
        } else {
            self.flags & !flag
        };
        self
    }

    /// Makes a heap that any thread may use.
    ///
    /// # Errors
    /// [`HeapError::OutOfMemory`]; [`HeapError::InvalidParameter`] where the
    /// initial size is above the limit or the fixed size.
    pub fn create(&self) -> Result<Heap, HeapError> {
        self.make(0).map(Heap::from_ref)
    }

    /// Makes a heap for one thread at a time, without a lock.
    /// `HEAP_NO_SERIALIZE`, but with buckets for the sizes in common use.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub fn create_local(&self) -> Result<LocalHeap, HeapError> {
        self.make(flags::NO_SERIALIZE).map(LocalHeap::from_ref)
    }

    fn make(&self, more: u32) -> Result<HeapRef, HeapError> {
        let name = self.name.get(..self.name_length).unwrap_or_default();
        let shape = match self.shape {
            HeapShape::Growable => Shape::Growable,
            HeapShape::Limited(bytes) => Shape::Limited(bytes),
            HeapShape::Fixed(bytes) => Shape::Fixed(bytes),
        };
        let settings = Settings {
            shape,
            initial: self.initial,
            flags: self.flags | more,
            buckets: Buckets::Always,
            name: core::str::from_utf8(name).unwrap_or_default(),
            action: Some(self.action),
            ..Settings::DEFAULT
        };
        // SAFETY: the settings give no memory.
        let made = unsafe { private::create(&settings) };
        made.and_then(HeapRef::new).map_err(Into::into)
    }
}

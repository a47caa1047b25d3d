//! Why a 16-bit heap did not do what it was asked for.

use core::fmt;

/// Why a call failed. After any of them the heap, and the block that the call
/// was about, are as before, but that blocks may have been moved or discarded
/// to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// No room, even after what the flags allow to be moved and discarded; or
    /// the system has no memory for the arena or for records.
    NoMemory,
    /// All handles are in use.
    NoHandles,
    /// No block has this handle: it was freed, or belongs to another heap.
    InvalidHandle,
    /// Flags that do not go together or not with this function.
    InvalidFlags,
    /// A size, a range or an index that cannot be.
    InvalidParameter,
    /// A size of 0 where that is no request for discarding.
    ZeroSize,
    /// More than 64 KiB in one segment, or more than a block may have.
    TooLarge,
    /// The block is locked, and would have to move, shrink or go.
    Locked,
    /// More unlocks than locks.
    NotLocked,
    /// The block has no memory: it was discarded, or made with a size of 0.
    Discarded,
    /// The block is not discardable.
    NotDiscardable,
    /// A fixed block's attributes cannot be changed so.
    Fixed,
    /// The block is a segment that a local heap or a program lives in.
    InUse,
    /// The heap is asking a task whether a block may go, and nothing may move.
    Busy,
    /// All tasks that the heap has room for have a notification already.
    TooManyTasks,
    /// A write to a code segment: general protection fault.
    GeneralProtection,
    /// The segment's contents could not be loaded.
    LoadFailed,
    /// A second instance of a program with several data segments.
    SecondInstance,
    /// The program has no automatic data segment: `DATA NONE`.
    NoDataSegment,
    /// A segment's attributes are not those that its kind may have.
    SegmentAttributes,
}

impl Error {
    const fn text(self) -> &'static str {
        match self {
            Error::NoMemory => "out of memory",
            Error::NoHandles => "no handle is free",
            Error::InvalidHandle => "not a block of this heap",
            Error::InvalidFlags => "flags that do not go together",
            Error::InvalidParameter => "invalid parameter",
            Error::ZeroSize => "a size of 0",
            Error::TooLarge => "too large for a segment or a block",
            Error::Locked => "the block is locked",
            Error::NotLocked => "the block is not locked",
            Error::Discarded => "the block is discarded",
            Error::NotDiscardable => "the block is not discardable",
            Error::Fixed => "the block is fixed",
            Error::InUse => "the segment is in use",
            Error::Busy => "nothing may move while a task is asked",
            Error::TooManyTasks => "no room for another task's notification",
            Error::GeneralProtection => "general protection fault: a write to a code segment",
            Error::LoadFailed => "the segment could not be loaded",
            Error::SecondInstance => "a second instance of a program with several data segments",
            Error::NoDataSegment => "the program has no automatic data segment",
            Error::SegmentAttributes => "attributes that this kind of segment cannot have",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text())
    }
}

impl core::error::Error for Error {}

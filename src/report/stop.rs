//! The stops: Application Verifier's numbers, names and parameters.

/// What was found, by the number and name that Application Verifier gives it
/// ("Application Verifier - Stop Codes - Basics", sections "Heaps Stop Details"
/// and "Leak Stop Details").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum Stop {
    /// An error of no kind below.
    UnknownError = 0x1,
    /// An access outside of a block or to a freed one.
    AccessViolation = 0x2,
    /// Two threads at once in a heap without serialization.
    UnsynchronizedAccess = 0x3,
    /// A size that no program can mean.
    ExtremeSizeRequest = 0x4,
    /// A handle that is no heap's.
    BadHeapHandle = 0x5,
    /// An address that is no block of this heap.
    SwitchedHeapHandle = 0x6,
    /// A block that is free already.
    DoubleFree = 0x7,
    /// A corruption of no kind below.
    CorruptedHeapBlock = 0x8,
    /// The process heap asked to be destroyed.
    DestroyProcessHeap = 0x9,
    /// An exception inside the heap's own code.
    UnexpectedException = 0xA,
    /// An exception while a block's header was read.
    CorruptedHeapBlockExceptionRaisedForHeader = 0xB,
    /// An exception while a block's bytes were probed.
    CorruptedHeapBlockExceptionRaisedForProbing = 0xC,
    /// A block damaged after it was freed.
    CorruptedHeapBlockHeader = 0xD,
    /// A free block whose fill was changed: written to after it was freed.
    CorruptedFreedHeapBlock = 0xE,
    /// The fill behind a block changed: written past its end.
    CorruptedHeapBlockSuffix = 0xF,
    /// The stamp at the start of a block's header changed.
    CorruptedHeapBlockStartStamp = 0x10,
    /// The stamp at the end of a block's header changed.
    CorruptedHeapBlockEndStamp = 0x11,
    /// The fill before a block changed: written before its start.
    CorruptedHeapBlockPrefix = 0x12,
    /// As [`Stop::AccessViolation`], seen before any handler of the program.
    FirstChanceAccessViolation = 0x13,
    /// The list of heaps is not what it should be.
    CorruptedHeapList = 0x14,
    /// Blocks in use of a module that is unloaded: of the layer "Leak".
    Allocation = 0x900,
}

/// What is known of one stop.
struct Entry {
    symbol: &'static str,
    meaning: &'static str,
    labels: [&'static str; 4],
}

const HEAP: &str = "heap handle";
const BLOCK: &str = "block";
const SIZE: &str = "size";
const SIZE_OR_ZERO: &str = "size, or 0 where not known";
const STAMP: &str = "stamp found";
const UNUSED: &str = "not used";

impl Stop {
    /// All stops, by number.
    pub const ALL: [Stop; 21] = [
        Stop::UnknownError,
        Stop::AccessViolation,
        Stop::UnsynchronizedAccess,
        Stop::ExtremeSizeRequest,
        Stop::BadHeapHandle,
        Stop::SwitchedHeapHandle,
        Stop::DoubleFree,
        Stop::CorruptedHeapBlock,
        Stop::DestroyProcessHeap,
        Stop::UnexpectedException,
        Stop::CorruptedHeapBlockExceptionRaisedForHeader,
        Stop::CorruptedHeapBlockExceptionRaisedForProbing,
        Stop::CorruptedHeapBlockHeader,
        Stop::CorruptedFreedHeapBlock,
        Stop::CorruptedHeapBlockSuffix,
        Stop::CorruptedHeapBlockStartStamp,
        Stop::CorruptedHeapBlockEndStamp,
        Stop::CorruptedHeapBlockPrefix,
        Stop::FirstChanceAccessViolation,
        Stop::CorruptedHeapList,
        Stop::Allocation,
    ];

    /// The stop's number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The stop's name in Application Verifier, such as `DOUBLE_FREE`.
    pub const fn symbol(self) -> &'static str {
        self.entry().symbol
    }

    /// The stop in a few words of lower case.
    pub const fn meaning(self) -> &'static str {
        self.entry().meaning
    }

    /// What each of the four parameters is.
    pub const fn parameter_labels(self) -> [&'static str; 4] {
        self.entry().labels
    }

    const fn entry(self) -> Entry {
        let (symbol, meaning, labels) = match self {
            Stop::UnknownError => (
                "UNKNOWN_ERROR",
                "unknown error",
                [UNUSED, UNUSED, UNUSED, UNUSED],
            ),
            Stop::AccessViolation => (
                "ACCESS_VIOLATION",
                "access violation",
                [
                    "address accessed",
                    "code that accessed it",
                    "exception record",
                    "context record",
                ],
            ),
            Stop::UnsynchronizedAccess => (
                "UNSYNCHRONIZED_ACCESS",
                "two threads at once in a heap without serialization",
                [HEAP, "owner thread", "current thread", UNUSED],
            ),
            Stop::ExtremeSizeRequest => (
                "EXTREME_SIZE_REQUEST",
                "extreme size request",
                [HEAP, "size requested", UNUSED, UNUSED],
            ),
            Stop::BadHeapHandle => (
                "BAD_HEAP_HANDLE",
                "bad heap handle",
                [HEAP, UNUSED, UNUSED, UNUSED],
            ),
            Stop::SwitchedHeapHandle => (
                "SWITCHED_HEAP_HANDLE",
                "bad pointer or wrong heap",
                ["heap handle used", BLOCK, SIZE, "heap the block came from"],
            ),
            Stop::DoubleFree => (
                "DOUBLE_FREE",
                "block already freed",
                [HEAP, BLOCK, SIZE, UNUSED],
            ),
            Stop::CorruptedHeapBlock => (
                "CORRUPTED_HEAP_BLOCK",
                "corrupt block",
                [HEAP, BLOCK, SIZE, UNUSED],
            ),
            Stop::DestroyProcessHeap => (
                "DESTROY_PROCESS_HEAP",
                "attempt to destroy the process heap",
                [HEAP, UNUSED, UNUSED, UNUSED],
            ),
            Stop::UnexpectedException => (
                "UNEXPECTED_EXCEPTION",
                "exception inside the heap's code",
                [HEAP, "exception record", "context record", "exception code"],
            ),
            Stop::CorruptedHeapBlockExceptionRaisedForHeader => (
                "CORRUPTED_HEAP_BLOCK_EXCEPTION_RAISED_FOR_HEADER",
                "exception while the block's header was read",
                [HEAP, BLOCK, SIZE_OR_ZERO, UNUSED],
            ),
            Stop::CorruptedHeapBlockExceptionRaisedForProbing => (
                "CORRUPTED_HEAP_BLOCK_EXCEPTION_RAISED_FOR_PROBING",
                "exception while the block was probed",
                [HEAP, BLOCK, SIZE, UNUSED],
            ),
            Stop::CorruptedHeapBlockHeader => (
                "CORRUPTED_HEAP_BLOCK_HEADER",
                "block damaged after it was freed",
                [HEAP, BLOCK, SIZE_OR_ZERO, UNUSED],
            ),
            Stop::CorruptedFreedHeapBlock => (
                "CORRUPTED_FREED_HEAP_BLOCK",
                "freed block written to",
                [HEAP, BLOCK, SIZE, UNUSED],
            ),
            Stop::CorruptedHeapBlockSuffix => (
                "CORRUPTED_HEAP_BLOCK_SUFFIX",
                "written past the end of the block",
                [HEAP, BLOCK, SIZE, UNUSED],
            ),
            Stop::CorruptedHeapBlockStartStamp => (
                "CORRUPTED_HEAP_BLOCK_START_STAMP",
                "start stamp of the block's header changed",
                [HEAP, BLOCK, SIZE, STAMP],
            ),
            Stop::CorruptedHeapBlockEndStamp => (
                "CORRUPTED_HEAP_BLOCK_END_STAMP",
                "end stamp of the block's header changed",
                [HEAP, BLOCK, SIZE, STAMP],
            ),
            Stop::CorruptedHeapBlockPrefix => (
                "CORRUPTED_HEAP_BLOCK_PREFIX",
                "written before the start of the block",
                [HEAP, BLOCK, SIZE, UNUSED],
            ),
            Stop::FirstChanceAccessViolation => (
                "FIRST_CHANCE_ACCESS_VIOLATION",
                "first-chance access violation",
                [
                    "address accessed",
                    "code that accessed it",
                    "exception record",
                    "context record",
                ],
            ),
            Stop::CorruptedHeapList => (
                "CORRUPTED_HEAP_LIST",
                "count of the process's heaps is wrong",
                ["actual count", "expected count", UNUSED, UNUSED],
            ),
            Stop::Allocation => (
                "ALLOCATION",
                "heap allocation leaked by a module that is unloaded",
                [
                    "leaked allocation",
                    "allocation's stack, 0 where not recorded",
                    "owner's name",
                    "address in the owner",
                ],
            ),
        };
        Entry {
            symbol,
            meaning,
            labels,
        }
    }
}

//! Windows' constants, by Windows' names and numbers.

use super::types::{BOOL, DWORD, HEAP_INFORMATION_CLASS, LONG, NTSTATUS};

/// No.
pub const FALSE: BOOL = 0;
/// Yes.
pub const TRUE: BOOL = 1;

macro_rules! constants {
    ($type:ty: $($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        $($(#[$doc])* pub const $name: $type = $value;)*
    };
}

mod pages;
mod sections;
mod system;

pub use pages::*;
pub use sections::*;
pub use system::*;

constants! { DWORD:
    /// The caller excludes other threads itself.
    HEAP_NO_SERIALIZE = 0x1;
    /// The heap may grow.
    HEAP_GROWABLE = 0x2;
    /// Failures to allocate are exceptions.
    HEAP_GENERATE_EXCEPTIONS = 0x4;
    /// New bytes are 0.
    HEAP_ZERO_MEMORY = 0x8;
    /// The block must stay where it is.
    HEAP_REALLOC_IN_PLACE_ONLY = 0x10;
    /// Bytes after a block are checked.
    HEAP_TAIL_CHECKING_ENABLED = 0x20;
    /// Free blocks are checked.
    HEAP_FREE_CHECKING_ENABLED = 0x40;
    /// Free blocks are not joined.
    HEAP_DISABLE_COALESCE_ON_FREE = 0x80;
    /// The block has a user value.
    HEAP_SETTABLE_USER_VALUE = 0x100;
    /// The first user flag.
    HEAP_SETTABLE_USER_FLAG1 = 0x200;
    /// The second user flag.
    HEAP_SETTABLE_USER_FLAG2 = 0x400;
    /// The third user flag.
    HEAP_SETTABLE_USER_FLAG3 = 0x800;
    /// All user flags.
    HEAP_SETTABLE_USER_FLAGS = 0xE00;
    /// Blocks lie at multiples of 16, as they always do.
    HEAP_CREATE_ALIGN_16 = 0x1_0000;
    /// Accepted, without effect.
    HEAP_CREATE_ENABLE_TRACING = 0x2_0000;
    /// Code in blocks may run.
    HEAP_CREATE_ENABLE_EXECUTE = 0x4_0000;
    /// Accepted, without effect.
    HEAP_SHARED = 0x0400_0000;
    /// The version of
    /// [`HEAP_OPTIMIZE_RESOURCES_INFORMATION`](super::HEAP_OPTIMIZE_RESOURCES_INFORMATION).
    HEAP_OPTIMIZE_RESOURCES_CURRENT_VERSION = 1;
}

constants! { HEAP_INFORMATION_CLASS:
    /// Which front end the heap has: a ULONG of 0 (none), 1 (look-aside lists)
    /// or 2 (low-fragmentation heap).
    HeapCompatibilityInformation = 0;
    /// The process ends when the heap finds corruption.
    HeapEnableTerminationOnCorruption = 1;
    /// Caches are emptied and memory is given back.
    HeapOptimizeResources = 3;
}

constants! { u16:
    /// The entry is a region.
    PROCESS_HEAP_REGION = 0x1;
    /// The entry is a range that is reserved only.
    PROCESS_HEAP_UNCOMMITTED_RANGE = 0x2;
    /// The entry is a block handed out.
    PROCESS_HEAP_ENTRY_BUSY = 0x4;
    /// The entry is a region's own bookkeeping.
    PROCESS_HEAP_SEG_ALLOC = 0x8;
    /// The block is moveable.
    PROCESS_HEAP_ENTRY_MOVEABLE = 0x10;
    /// The block was for dynamic data exchange.
    PROCESS_HEAP_ENTRY_DDESHARE = 0x20;
}

constants! { DWORD:
    /// All is well.
    ERROR_SUCCESS = 0;
    /// All is well.
    NO_ERROR = 0;
    /// A handle is none of its kind.
    ERROR_INVALID_HANDLE = 6;
    /// There is no memory.
    ERROR_NOT_ENOUGH_MEMORY = 8;
    /// What was found makes no sense.
    ERROR_INVALID_DATA = 13;
    /// There are no more.
    ERROR_NO_MORE_FILES = 18;
    /// A structure has the wrong size.
    ERROR_BAD_LENGTH = 24;
    /// Something failed.
    ERROR_GEN_FAILURE = 31;
    /// The system cannot tell.
    ERROR_NOT_SUPPORTED = 50;
    /// An argument is wrong.
    ERROR_INVALID_PARAMETER = 87;
    /// There is no block: it was discarded.
    ERROR_DISCARDED = 157;
    /// A buffer is too small.
    ERROR_INSUFFICIENT_BUFFER = 122;
    /// There are no more.
    ERROR_NO_MORE_ITEMS = 259;
    /// Another thread owns it, or none.
    ERROR_NOT_OWNER = 288;
    /// An address is not what it must be.
    ERROR_INVALID_ADDRESS = 487;
    /// An address cannot be accessed.
    ERROR_NOACCESS = 998;
    /// The limit of committed memory is reached.
    ERROR_COMMITMENT_LIMIT = 1455;
}

constants! { NTSTATUS:
    /// All is well.
    STATUS_SUCCESS = 0;
    /// An address was accessed that cannot be; for a heap: an argument is wrong.
    STATUS_ACCESS_VIOLATION = 0xC000_0005_u32 as NTSTATUS;
    /// A handle is none of its kind.
    STATUS_INVALID_HANDLE = 0xC000_0008_u32 as NTSTATUS;
    /// An argument is wrong.
    STATUS_INVALID_PARAMETER = 0xC000_000D_u32 as NTSTATUS;
    /// There is no memory.
    STATUS_NO_MEMORY = 0xC000_0017_u32 as NTSTATUS;
    /// A handler continued what cannot be continued.
    STATUS_NONCONTINUABLE_EXCEPTION = 0xC000_0025_u32 as NTSTATUS;
    /// A walk is at its end.
    STATUS_NO_MORE_ENTRIES = 0x8000_001A_u32 as NTSTATUS;
}

constants! { LONG:
    /// A handler's answer: go on where the exception was raised.
    EXCEPTION_CONTINUE_EXECUTION = -1;
    /// A handler's answer: ask the next one.
    EXCEPTION_CONTINUE_SEARCH = 0;
}

/// The flag of exceptions that cannot be continued.
pub const EXCEPTION_NONCONTINUABLE: DWORD = 0x1;
/// Most parameters of an exception.
pub const EXCEPTION_MAXIMUM_PARAMETERS: usize = 15;
/// [`CONTEXT`](super::CONTEXT) has Rip, Rsp, EFlags.
pub const CONTEXT_CONTROL: DWORD = 0x10_0001;
/// [`CONTEXT`](super::CONTEXT) has Rax to R15.
pub const CONTEXT_INTEGER: DWORD = 0x10_0002;
/// [`CONTEXT`](super::CONTEXT) has FltSave.
pub const CONTEXT_FLOATING_POINT: DWORD = 0x10_0008;

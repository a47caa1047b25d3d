//! Constants about pages.

use super::super::types::{
    DWORD, MEM_EXTENDED_PARAMETER_TYPE, MEMORY_INFORMATION_CLASS, NTSTATUS, OFFER_PRIORITY,
    VIRTUAL_MEMORY_INFORMATION_CLASS,
};

constants! { DWORD:
    /// Makes pages usable.
    MEM_COMMIT = 0x1000;
    /// Takes address space.
    MEM_RESERVE = 0x2000;
    /// Makes pages reserved again.
    MEM_DECOMMIT = 0x4000;
    /// Takes a placeholder's place.
    MEM_REPLACE_PLACEHOLDER = 0x4000;
    /// Ends a reservation.
    MEM_RELEASE = 0x8000;
    /// Neither reserved nor committed.
    MEM_FREE = 0x1_0000;
    /// The process's own pages.
    MEM_PRIVATE = 0x2_0000;
    /// Pages of a mapping.
    MEM_MAPPED = 0x4_0000;
    /// Address space that is to be replaced.
    MEM_RESERVE_PLACEHOLDER = 0x4_0000;
    /// What pages hold is not needed.
    MEM_RESET = 0x8_0000;
    /// At the highest address.
    MEM_TOP_DOWN = 0x10_0000;
    /// Which pages are written to is noted.
    MEM_WRITE_WATCH = 0x20_0000;
    /// A window for physical pages.
    MEM_PHYSICAL = 0x40_0000;
    /// What pages hold is needed after all.
    MEM_RESET_UNDO = 0x100_0000;
    /// Pages of a program or library.
    MEM_IMAGE = 0x100_0000;
    /// Large pages.
    MEM_LARGE_PAGES = 0x2000_0000;
    /// Makes one placeholder of several.
    MEM_COALESCE_PLACEHOLDERS = 0x1;
    /// Leaves a placeholder behind.
    MEM_PRESERVE_PLACEHOLDER = 0x2;
    /// No access.
    PAGE_NOACCESS = 0x1;
    /// Reading.
    PAGE_READONLY = 0x2;
    /// Reading and writing.
    PAGE_READWRITE = 0x4;
    /// Reading, and writing to a copy.
    PAGE_WRITECOPY = 0x8;
    /// Running code.
    PAGE_EXECUTE = 0x10;
    /// Running code and reading.
    PAGE_EXECUTE_READ = 0x20;
    /// Running code, reading and writing.
    PAGE_EXECUTE_READWRITE = 0x40;
    /// Running code, reading, and writing to a copy.
    PAGE_EXECUTE_WRITECOPY = 0x80;
    /// The next access raises an exception, once.
    PAGE_GUARD = 0x100;
    /// Not to be cached: noted, without effect.
    PAGE_NOCACHE = 0x200;
    /// Writes may be combined: noted, without effect.
    PAGE_WRITECOMBINE = 0x400;
    /// [`GetWriteWatch`](crate::win32::GetWriteWatch) forgets what it tells.
    WRITE_WATCH_FLAG_RESET = 0x1;
}

constants! { MEM_EXTENDED_PARAMETER_TYPE:
    /// No parameter has this type.
    MemExtendedParameterInvalidType = 0;
    /// Where the pages may lie: a
    /// [`MEM_ADDRESS_REQUIREMENTS`](crate::win32::MEM_ADDRESS_REQUIREMENTS).
    MemExtendedParameterAddressRequirements = 1;
    /// The preferred node of memory: a wish, not followed.
    MemExtendedParameterNumaNode = 2;
    /// A partition of memory: there are none.
    MemExtendedParameterPartitionHandle = 3;
    /// Physical pages of a handle: there are none.
    MemExtendedParameterUserPhysicalHandle = 4;
    /// Attributes of the pages.
    MemExtendedParameterAttributeFlags = 5;
    /// The machine that an image is for.
    MemExtendedParameterImageMachine = 6;
    /// One past the last type.
    MemExtendedParameterMax = 7;
}

constants! { MEMORY_INFORMATION_CLASS:
    /// A [`MEMORY_BASIC_INFORMATION`](crate::win32::MEMORY_BASIC_INFORMATION).
    MemoryBasicInformation = 0;
    /// A [`MEMORY_REGION_INFORMATION`](crate::win32::MEMORY_REGION_INFORMATION).
    MemoryRegionInformation = 3;
}

constants! { VIRTUAL_MEMORY_INFORMATION_CLASS:
    /// To say that ranges will be used soon.
    VmPrefetchInformation = 0;
}

constants! { OFFER_PRIORITY:
    /// To be discarded first.
    VmOfferPriorityVeryLow = 1;
    /// To be discarded early.
    VmOfferPriorityLow = 2;
    /// To be discarded before others.
    VmOfferPriorityBelowNormal = 3;
    /// To be discarded last.
    VmOfferPriorityNormal = 4;
}

constants! { DWORD:
    /// Access is denied.
    ERROR_ACCESS_DENIED = 5;
    /// The resource is in use.
    ERROR_BUSY = 170;
    /// Pages are not locked.
    ERROR_NOT_LOCKED = 158;
    /// Only a part was copied.
    ERROR_PARTIAL_COPY = 299;
    /// The system has not enough of something.
    ERROR_NO_SYSTEM_RESOURCES = 1450;
    /// No more pages may be locked.
    ERROR_WORKING_SET_QUOTA = 1453;
}

constants! { NTSTATUS:
    /// A page was accessed that was to be guarded.
    STATUS_GUARD_PAGE_VIOLATION = 0x8000_0001_u32 as NTSTATUS;
    /// Only a part was copied.
    STATUS_PARTIAL_COPY = 0x8000_000D_u32 as NTSTATUS;
    /// There is no such class of information.
    STATUS_INVALID_INFO_CLASS = 0xC000_0003_u32 as NTSTATUS;
    /// A buffer has the wrong length.
    STATUS_INFO_LENGTH_MISMATCH = 0xC000_0004_u32 as NTSTATUS;
    /// A page of a file could not be read.
    STATUS_IN_PAGE_ERROR = 0xC000_0006_u32 as NTSTATUS;
    /// The addresses are not free, or not those of one region.
    STATUS_CONFLICTING_ADDRESSES = 0xC000_0018_u32 as NTSTATUS;
    /// More is named than the region has.
    STATUS_UNABLE_TO_FREE_VM = 0xC000_001A_u32 as NTSTATUS;
    /// The pages are a view's.
    STATUS_UNABLE_TO_DELETE_SECTION = 0xC000_001B_u32 as NTSTATUS;
    /// The pages are committed already.
    STATUS_ALREADY_COMMITTED = 0xC000_0021_u32 as NTSTATUS;
    /// Access is denied.
    STATUS_ACCESS_DENIED = 0xC000_0022_u32 as NTSTATUS;
    /// Pages are not locked.
    STATUS_NOT_LOCKED = 0xC000_002A_u32 as NTSTATUS;
    /// Pages are not committed.
    STATUS_NOT_COMMITTED = 0xC000_002D_u32 as NTSTATUS;
    /// A protection is none that the pages can have.
    STATUS_INVALID_PAGE_PROTECTION = 0xC000_0045_u32 as NTSTATUS;
    /// A protection is more than the section allows.
    STATUS_SECTION_PROTECTION = 0xC000_004E_u32 as NTSTATUS;
    /// The system has not enough of something.
    STATUS_INSUFFICIENT_RESOURCES = 0xC000_009A_u32 as NTSTATUS;
    /// No region begins there.
    STATUS_FREE_VM_NOT_AT_BASE = 0xC000_009F_u32 as NTSTATUS;
    /// Nothing is reserved there.
    STATUS_MEMORY_NOT_ALLOCATED = 0xC000_00A0_u32 as NTSTATUS;
    /// No more pages may be locked.
    STATUS_WORKING_SET_QUOTA = 0xC000_00A1_u32 as NTSTATUS;
    /// The system cannot do it.
    STATUS_NOT_SUPPORTED = 0xC000_00BB_u32 as NTSTATUS;
    /// The first argument is wrong.
    STATUS_INVALID_PARAMETER_1 = 0xC000_00EF_u32 as NTSTATUS;
    /// The second argument is wrong.
    STATUS_INVALID_PARAMETER_2 = 0xC000_00F0_u32 as NTSTATUS;
    /// The third argument is wrong.
    STATUS_INVALID_PARAMETER_3 = 0xC000_00F1_u32 as NTSTATUS;
    /// The fourth argument is wrong.
    STATUS_INVALID_PARAMETER_4 = 0xC000_00F2_u32 as NTSTATUS;
    /// The fifth argument is wrong.
    STATUS_INVALID_PARAMETER_5 = 0xC000_00F3_u32 as NTSTATUS;
    /// The sixth argument is wrong.
    STATUS_INVALID_PARAMETER_6 = 0xC000_00F4_u32 as NTSTATUS;
    /// A stack is at its end.
    STATUS_STACK_OVERFLOW = 0xC000_00FD_u32 as NTSTATUS;
    /// Nothing is at an address.
    STATUS_INVALID_ADDRESS = 0xC000_0141_u32 as NTSTATUS;
    /// The limit of committed memory is reached.
    STATUS_COMMITMENT_LIMIT = 0xC000_012D_u32 as NTSTATUS;
}

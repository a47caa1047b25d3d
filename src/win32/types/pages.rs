//! Types about pages.

use super::{DWORD, HANDLE, PVOID, SIZE_T};

/// What is known of pages that are alike.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MEMORY_BASIC_INFORMATION {
    /// The first page of those that are alike, from the one asked for on.
    pub BaseAddress: PVOID,
    /// Where the reservation begins.
    pub AllocationBase: PVOID,
    /// The protection that it was made with.
    pub AllocationProtect: DWORD,
    /// Always 0.
    pub PartitionId: u16,
    /// Bytes of the pages that are alike.
    pub RegionSize: SIZE_T,
    /// [`MEM_COMMIT`](crate::win32::MEM_COMMIT),
    /// [`MEM_RESERVE`](crate::win32::MEM_RESERVE) or
    /// [`MEM_FREE`](crate::win32::MEM_FREE).
    pub State: DWORD,
    /// The protection of committed pages.
    pub Protect: DWORD,
    /// [`MEM_PRIVATE`](crate::win32::MEM_PRIVATE),
    /// [`MEM_MAPPED`](crate::win32::MEM_MAPPED),
    /// [`MEM_IMAGE`](crate::win32::MEM_IMAGE) or, for free addresses, 0.
    pub Type: DWORD,
}

/// Where it lies.
pub type PMEMORY_BASIC_INFORMATION = *mut MEMORY_BASIC_INFORMATION;

/// Where a number lies.
pub type PDWORD = *mut DWORD;
/// A number as wide as a pointer.
pub type UINT_PTR = usize;
/// Where a number as wide as a pointer lies.
pub type PULONG_PTR = *mut usize;

/// Any function.
pub type FARPROC = Option<unsafe extern "system" fn() -> isize>;

/// The type of a [`MEM_EXTENDED_PARAMETER`].
pub type MEM_EXTENDED_PARAMETER_TYPE = i32;

/// A further argument of [`VirtualAlloc2`](crate::win32::VirtualAlloc2).
#[derive(Clone, Copy)]
#[repr(C)]
pub struct MEM_EXTENDED_PARAMETER {
    /// The type in the low 8 bits; the others are 0.
    pub Type: u64,
    /// The value, by its type.
    pub Anonymous: MEM_EXTENDED_PARAMETER_0,
}

/// The value of a [`MEM_EXTENDED_PARAMETER`].
#[derive(Clone, Copy)]
#[repr(C)]
pub union MEM_EXTENDED_PARAMETER_0 {
    /// 64 bits.
    pub ULong64: u64,
    /// An address.
    pub Pointer: PVOID,
    /// A number of bytes.
    pub Size: SIZE_T,
    /// A handle.
    pub Handle: HANDLE,
    /// 32 bits.
    pub ULong: DWORD,
}

/// Where further arguments lie.
pub type PMEM_EXTENDED_PARAMETER = *mut MEM_EXTENDED_PARAMETER;

/// Where pages may lie.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MEM_ADDRESS_REQUIREMENTS {
    /// Not below this address, a multiple of 64 KiB; null for no limit.
    pub LowestStartingAddress: PVOID,
    /// Not above this address, the last byte of a page; null for no limit.
    pub HighestEndingAddress: PVOID,
    /// At a multiple of this power of two, at least 64 KiB; 0 for 64 KiB.
    pub Alignment: SIZE_T,
}

/// Where it lies.
pub type PMEM_ADDRESS_REQUIREMENTS = *mut MEM_ADDRESS_REQUIREMENTS;

/// Bytes from an address on.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct WIN32_MEMORY_RANGE_ENTRY {
    /// The first byte.
    pub VirtualAddress: PVOID,
    /// How many there are.
    pub NumberOfBytes: SIZE_T,
}

/// Where ranges lie.
pub type PWIN32_MEMORY_RANGE_ENTRY = *mut WIN32_MEMORY_RANGE_ENTRY;

/// The same, as the native functions call it.
pub type MEMORY_RANGE_ENTRY = WIN32_MEMORY_RANGE_ENTRY;

/// Where ranges lie.
pub type PMEMORY_RANGE_ENTRY = *mut MEMORY_RANGE_ENTRY;

/// What [`NtSetInformationVirtualMemory`](crate::win32::NtSetInformationVirtualMemory)
/// is to do.
pub type VIRTUAL_MEMORY_INFORMATION_CLASS = i32;

/// How much offered pages are still worth.
pub type OFFER_PRIORITY = i32;

/// What [`NtQueryVirtualMemory`](crate::win32::NtQueryVirtualMemory) is asked
/// for.
pub type MEMORY_INFORMATION_CLASS = i32;

/// What is known of a reservation as a whole.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MEMORY_REGION_INFORMATION {
    /// Where it begins.
    pub AllocationBase: PVOID,
    /// The protection that it was made with.
    pub AllocationProtect: DWORD,
    /// Bits about its type: 2 for a view of a file, 4 for an image, 0 for private pages
    /// and sections without a file.
    pub RegionType: DWORD,
    /// Its bytes.
    pub RegionSize: SIZE_T,
    /// Bytes that are charged as committed.
    pub CommitSize: SIZE_T,
    /// Always 0.
    pub PartitionId: usize,
    /// Always 0.
    pub NodePreference: usize,
}

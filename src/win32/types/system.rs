//! Types about the machine, its memory and who uses it.

use super::{DWORD, LPVOID, SIZE_T, ULONG_PTR};

/// What machine this is.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct SYSTEM_INFO {
    /// `PROCESSOR_ARCHITECTURE_…`.
    pub wProcessorArchitecture: u16,
    /// Always 0.
    pub wReserved: u16,
    /// Bytes of a page.
    pub dwPageSize: DWORD,
    /// The lowest address that programs can have.
    pub lpMinimumApplicationAddress: LPVOID,
    /// The highest one.
    pub lpMaximumApplicationAddress: LPVOID,
    /// A bit for each of the first 64 processors.
    pub dwActiveProcessorMask: ULONG_PTR,
    /// How many processors there are.
    pub dwNumberOfProcessors: DWORD,
    /// Obsolete: `PROCESSOR_AMD_X8664` or 0.
    pub dwProcessorType: DWORD,
    /// Reservations begin at multiples of this.
    pub dwAllocationGranularity: DWORD,
    /// The processor's family.
    pub wProcessorLevel: u16,
    /// Its model and stepping.
    pub wProcessorRevision: u16,
}

/// Where it lies.
pub type LPSYSTEM_INFO = *mut SYSTEM_INFO;

/// Memory and its use, in bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MEMORYSTATUS {
    /// Size of this structure.
    pub dwLength: DWORD,
    /// Percent of memory in use.
    pub dwMemoryLoad: DWORD,
    /// Memory.
    pub dwTotalPhys: SIZE_T,
    /// What of it is available.
    pub dwAvailPhys: SIZE_T,
    /// What can be committed.
    pub dwTotalPageFile: SIZE_T,
    /// What can still be committed.
    pub dwAvailPageFile: SIZE_T,
    /// Address space.
    pub dwTotalVirtual: SIZE_T,
    /// What of it is not mapped.
    pub dwAvailVirtual: SIZE_T,
}

/// Where it lies.
pub type LPMEMORYSTATUS = *mut MEMORYSTATUS;

/// Memory and its use, in bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MEMORYSTATUSEX {
    /// Size of this structure, set by the caller.
    pub dwLength: DWORD,
    /// Percent of memory in use.
    pub dwMemoryLoad: DWORD,
    /// Memory.
    pub ullTotalPhys: u64,
    /// What of it is available.
    pub ullAvailPhys: u64,
    /// What can be committed, by all or by this process.
    pub ullTotalPageFile: u64,
    /// What this process can still commit.
    pub ullAvailPageFile: u64,
    /// Address space.
    pub ullTotalVirtual: u64,
    /// What of it is not mapped.
    pub ullAvailVirtual: u64,
    /// Always 0.
    pub ullAvailExtendedVirtual: u64,
}

/// Where it lies.
pub type LPMEMORYSTATUSEX = *mut MEMORYSTATUSEX;

/// The system's memory, in pages.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PERFORMANCE_INFORMATION {
    /// Size of this structure.
    pub cb: DWORD,
    /// Committed by all.
    pub CommitTotal: SIZE_T,
    /// What can be committed.
    pub CommitLimit: SIZE_T,
    /// The most that was, as far as this process saw.
    pub CommitPeak: SIZE_T,
    /// Memory.
    pub PhysicalTotal: SIZE_T,
    /// What of it is available.
    pub PhysicalAvailable: SIZE_T,
    /// What is kept of files.
    pub SystemCache: SIZE_T,
    /// The kernel's own.
    pub KernelTotal: SIZE_T,
    /// What of that could be taken back.
    pub KernelPaged: SIZE_T,
    /// What of that could not.
    pub KernelNonpaged: SIZE_T,
    /// Bytes of a page.
    pub PageSize: SIZE_T,
    /// This process's handles.
    pub HandleCount: DWORD,
    /// Processes.
    pub ProcessCount: DWORD,
    /// Threads.
    pub ThreadCount: DWORD,
}

/// Where it lies.
pub type PPERFORMANCE_INFORMATION = *mut PERFORMANCE_INFORMATION;

/// A process's memory, in bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PROCESS_MEMORY_COUNTERS {
    /// Size of this structure.
    pub cb: DWORD,
    /// Times that memory was missing when it was touched.
    pub PageFaultCount: DWORD,
    /// The most memory that it had.
    pub PeakWorkingSetSize: SIZE_T,
    /// Memory that it has.
    pub WorkingSetSize: SIZE_T,
    /// Always 0: the system keeps no such account.
    pub QuotaPeakPagedPoolUsage: SIZE_T,
    /// Always 0.
    pub QuotaPagedPoolUsage: SIZE_T,
    /// Always 0.
    pub QuotaPeakNonPagedPoolUsage: SIZE_T,
    /// Always 0.
    pub QuotaNonPagedPoolUsage: SIZE_T,
    /// Memory of its own that it may write to.
    pub PagefileUsage: SIZE_T,
    /// The most of that, as far as such calls saw it.
    pub PeakPagefileUsage: SIZE_T,
}

/// Where it lies.
pub type PPROCESS_MEMORY_COUNTERS = *mut PROCESS_MEMORY_COUNTERS;

/// A process's memory, in bytes, with one more figure.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PROCESS_MEMORY_COUNTERS_EX {
    /// The others.
    pub Counters: PROCESS_MEMORY_COUNTERS,
    /// Memory of its own that it may write to.
    pub PrivateUsage: SIZE_T,
}

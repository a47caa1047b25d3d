//! Types and structures have 64-bit Windows' sizes and offsets: asserted by the
//! compilers, and equal to the Rust types that the library has behind them.

use super::common::{find, folder, skip};
use super::{STRICT, printed};
use heap::win32;
use std::mem::offset_of;

const SOURCE: &str = include_str!("layouts.c");

#[test]
fn layouts_are_those_of_64_bit_windows() {
    for (compiler, standard) in [("gcc", "-std=c11"), ("g++", "-std=c++11")] {
        if find(compiler).is_none() {
            skip("the layouts", &format!("{compiler} is not installed"));
            continue;
        }
        let options = [&STRICT[..], &[standard]].concat();
        let output = printed(compiler, &options, SOURCE, &folder("layouts"));
        assert_eq!(output, "as on Windows\n");
    }
}

/// An offset that the C file asserts.
fn asserted(structure: &str, member: &str) -> usize {
    let start = format!("OFFSET({structure}, {member}, ");
    let rest = SOURCE.split_once(&start);
    let (_, rest) = rest.unwrap_or_else(|| panic!("no {start}"));
    let (number, _) = rest.split_once(')').expect("a parenthesis");
    number.parse().expect("a number")
}

/// A size that the C file asserts.
fn asserted_size(structure: &str) -> usize {
    let start = format!("SIZE({structure}, ");
    let (_, rest) = SOURCE
        .split_once(&start)
        .unwrap_or_else(|| panic!("no {start}"));
    let (number, _) = rest.split_once(')').expect("a parenthesis");
    number.parse().expect("a number")
}

macro_rules! same {
    ($($structure:ident { $($member:ident)* })*) => {
        $(
            let name = stringify!($structure);
            assert_eq!(size_of::<win32::$structure>(), asserted_size(name), "{name}");
            $(
                let member = stringify!($member);
                assert_eq!(
                    offset_of!(win32::$structure, $member),
                    asserted(name, member),
                    "{name}.{member}"
                );
            )*
        )*
    };
}

#[test]
fn the_library_has_the_headers_layouts() {
    same! {
        PROCESS_HEAP_ENTRY { lpData cbData cbOverhead iRegionIndex wFlags }
        HEAP_SUMMARY { cb cbAllocated cbCommitted cbReserved cbMaxReserve }
        HEAP_OPTIMIZE_RESOURCES_INFORMATION { Version Flags }
        MEMORY_BASIC_INFORMATION {
            BaseAddress AllocationBase AllocationProtect PartitionId RegionSize State Protect Type
        }
        MEM_EXTENDED_PARAMETER {}
        MEM_ADDRESS_REQUIREMENTS { LowestStartingAddress HighestEndingAddress Alignment }
        WIN32_MEMORY_RANGE_ENTRY { VirtualAddress NumberOfBytes }
        MEMORY_REGION_INFORMATION {
            AllocationBase AllocationProtect RegionType RegionSize CommitSize PartitionId
            NodePreference
        }
        EXCEPTION_RECORD {
            ExceptionCode ExceptionFlags ExceptionRecord ExceptionAddress NumberParameters
            ExceptionInformation
        }
        EXCEPTION_POINTERS { ExceptionRecord ContextRecord }
        CONTEXT {
            ContextFlags MxCsr EFlags Rax Rcx Rdx Rbx Rsp Rbp Rsi Rdi R8 R15 Rip FltSave
            VectorRegister VectorControl
        }
        RTL_HEAP_PARAMETERS {
            Length SegmentReserve SegmentCommit DeCommitFreeBlockThreshold
            DeCommitTotalFreeThreshold MaximumAllocationSize VirtualMemoryThreshold InitialCommit
            InitialReserve CommitRoutine Reserved
        }
        RTL_HEAP_WALK_ENTRY { DataAddress DataSize OverheadBytes SegmentIndex Flags }
        SECURITY_ATTRIBUTES { nLength lpSecurityDescriptor bInheritHandle }
        OVERLAPPED { Internal InternalHigh Offset OffsetHigh hEvent }
        UNICODE_STRING { Length MaximumLength Buffer }
        OBJECT_ATTRIBUTES { Length RootDirectory ObjectName Attributes SecurityDescriptor
            SecurityQualityOfService }
        SECTION_BASIC_INFORMATION { BaseAddress AllocationAttributes MaximumSize }
        LUID { LowPart HighPart }
        LUID_AND_ATTRIBUTES { Luid Attributes }
        TOKEN_PRIVILEGES { PrivilegeCount Privileges }
        SYSTEM_INFO { wProcessorArchitecture wReserved dwPageSize
            lpMinimumApplicationAddress lpMaximumApplicationAddress dwActiveProcessorMask
            dwNumberOfProcessors dwProcessorType dwAllocationGranularity wProcessorLevel
            wProcessorRevision }
        MEMORYSTATUS { dwLength dwMemoryLoad dwTotalPhys dwAvailPhys dwTotalPageFile
            dwAvailPageFile dwTotalVirtual dwAvailVirtual }
        MEMORYSTATUSEX { dwLength dwMemoryLoad ullTotalPhys ullAvailPhys ullTotalPageFile
            ullAvailPageFile ullTotalVirtual ullAvailVirtual ullAvailExtendedVirtual }
        PERFORMANCE_INFORMATION { cb CommitTotal CommitLimit CommitPeak PhysicalTotal
            PhysicalAvailable SystemCache KernelTotal KernelPaged KernelNonpaged PageSize
            HandleCount ProcessCount ThreadCount }
        PROCESS_MEMORY_COUNTERS { cb PageFaultCount PeakWorkingSetSize WorkingSetSize
            QuotaPeakPagedPoolUsage QuotaPagedPoolUsage QuotaPeakNonPagedPoolUsage
            QuotaNonPagedPoolUsage PagefileUsage PeakPagefileUsage }
        PROCESS_MEMORY_COUNTERS_EX { PrivateUsage }
    }
}

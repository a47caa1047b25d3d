/* The native layer below the functions about pages.
 *
 * Follows "NtAllocateVirtualMemory", "NtAllocateVirtualMemoryEx",
 * "NtFreeVirtualMemory", "NtQueryVirtualMemory" and "ZwSetInformationVirtualMemory" of
 * ntifs.h on Microsoft Learn; NtProtectVirtualMemory has the shape that ntdll.dll is generally known to have.
 *
 * The same file serves on Windows, where no header for programs declares these;
 * a program there links with ntdll. */
#ifndef NTHEAP_NTVIRTUAL_H
#define NTHEAP_NTVIRTUAL_H

#ifdef _WIN32
#include <windows.h>
#endif
#include <winternl.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum _MEMORY_INFORMATION_CLASS {
    MemoryBasicInformation = 0,
    MemoryRegionInformation = 3
} MEMORY_INFORMATION_CLASS;

typedef enum _VIRTUAL_MEMORY_INFORMATION_CLASS {
    VmPrefetchInformation = 0
} VIRTUAL_MEMORY_INFORMATION_CLASS;

typedef struct _MEMORY_RANGE_ENTRY {
    PVOID VirtualAddress;
    SIZE_T NumberOfBytes;
} MEMORY_RANGE_ENTRY, *PMEMORY_RANGE_ENTRY;

typedef struct _MEMORY_REGION_INFORMATION {
    PVOID AllocationBase;
    ULONG AllocationProtect;
    ULONG RegionType;
    SIZE_T RegionSize;
    SIZE_T CommitSize;
    ULONG_PTR PartitionId;
    ULONG_PTR NodePreference;
} MEMORY_REGION_INFORMATION, *PMEMORY_REGION_INFORMATION;

NTSYSAPI NTSTATUS NTAPI NtAllocateVirtualMemory(HANDLE ProcessHandle, PVOID *BaseAddress,
                                                ULONG_PTR ZeroBits, PSIZE_T RegionSize,
                                                ULONG AllocationType, ULONG Protect);
NTSYSAPI NTSTATUS NTAPI NtAllocateVirtualMemoryEx(HANDLE ProcessHandle, PVOID *BaseAddress,
                                                  PSIZE_T RegionSize, ULONG AllocationType,
                                                  ULONG PageProtection,
                                                  PMEM_EXTENDED_PARAMETER ExtendedParameters,
                                                  ULONG ExtendedParameterCount);
NTSYSAPI NTSTATUS NTAPI NtFreeVirtualMemory(HANDLE ProcessHandle, PVOID *BaseAddress,
                                            PSIZE_T RegionSize, ULONG FreeType);
NTSYSAPI NTSTATUS NTAPI NtProtectVirtualMemory(HANDLE ProcessHandle, PVOID *BaseAddress,
                                               PSIZE_T RegionSize, ULONG NewProtect,
                                               PULONG OldProtect);
NTSYSAPI NTSTATUS NTAPI NtQueryVirtualMemory(HANDLE ProcessHandle, PVOID BaseAddress,
                                             MEMORY_INFORMATION_CLASS MemoryInformationClass,
                                             PVOID MemoryInformation,
                                             SIZE_T MemoryInformationLength,
                                             PSIZE_T ReturnLength);
NTSYSAPI NTSTATUS NTAPI NtSetInformationVirtualMemory(
    HANDLE ProcessHandle, VIRTUAL_MEMORY_INFORMATION_CLASS VmInformationClass,
    ULONG_PTR NumberOfEntries, PMEMORY_RANGE_ENTRY VirtualAddresses, PVOID VmInformation,
    ULONG VmInformationLength);

#ifdef __cplusplus
}
#endif

#endif

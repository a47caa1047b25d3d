/* The native layer below the heap functions.
 *
 * Follows "RtlCreateHeap", "RtlAllocateHeap", "RtlFreeHeap", "RtlDestroyHeap"
 * and "RTL_HEAP_PARAMETERS" of ntifs.h on Microsoft Learn. The others have no
 * page; their shapes are those that ntdll.dll is generally known to have.
 *
 * The same file serves on Windows, where no header for programs declares all
 * of this; a program there links with ntdll. */
#ifndef NTHEAP_NTRTLHEAP_H
#define NTHEAP_NTRTLHEAP_H

#ifdef _WIN32
#include <windows.h>
#endif
#include <winternl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of a call that give the block a word and three bits of the caller's. */
#define HEAP_SETTABLE_USER_VALUE 0x00000100
#define HEAP_SETTABLE_USER_FLAG1 0x00000200
#define HEAP_SETTABLE_USER_FLAG2 0x00000400
#define HEAP_SETTABLE_USER_FLAG3 0x00000800
#define HEAP_SETTABLE_USER_FLAGS 0x00000E00

/* MinGW's winternl.h has these already. */
#ifndef __MINGW32__
/* Commits `*CommitSize` bytes from `*CommitAddress` on, in a heap that lives in
 * its creator's memory. */
typedef NTSTATUS(NTAPI *PRTL_HEAP_COMMIT_ROUTINE)(PVOID Base, PVOID *CommitAddress,
                                                  PSIZE_T CommitSize);

typedef struct _RTL_HEAP_PARAMETERS {
    ULONG Length;
    SIZE_T SegmentReserve;
    SIZE_T SegmentCommit;
    SIZE_T DeCommitFreeBlockThreshold;
    SIZE_T DeCommitTotalFreeThreshold;
    SIZE_T MaximumAllocationSize;
    SIZE_T VirtualMemoryThreshold;
    SIZE_T InitialCommit;
    SIZE_T InitialReserve;
    PRTL_HEAP_COMMIT_ROUTINE CommitRoutine;
    SIZE_T Reserved[2];
} RTL_HEAP_PARAMETERS, *PRTL_HEAP_PARAMETERS;

NTSYSAPI PVOID NTAPI RtlCreateHeap(ULONG Flags, PVOID HeapBase, SIZE_T ReserveSize,
                                   SIZE_T CommitSize, PVOID Lock, PRTL_HEAP_PARAMETERS Parameters);
NTSYSAPI PVOID NTAPI RtlAllocateHeap(PVOID HeapHandle, ULONG Flags, SIZE_T Size);
NTSYSAPI ULONG NTAPI RtlFreeHeap(PVOID HeapHandle, ULONG Flags, PVOID BaseAddress);
#endif

/* What RtlWalkHeap tells of a block or range. `Flags` has no names of its own:
 * 0 a free block, 0x4011 a busy one, 2 a region, 0x1000 an uncommitted range;
 * of blocks in buckets 0x8000 free, 0x8001 busy, 0x8002 their region. */
typedef struct _RTL_HEAP_WALK_ENTRY {
    PVOID DataAddress;
    SIZE_T DataSize;
    UCHAR OverheadBytes;
    UCHAR SegmentIndex;
    USHORT Flags;
    __extension__ union {
        struct {
            SIZE_T Settable;
            USHORT TagIndex;
            USHORT AllocatorBackTraceIndex;
            ULONG Reserved[2];
        } Block;
        struct {
            ULONG CommittedSize;
            ULONG UnCommittedSize;
            PVOID FirstEntry;
            PVOID LastEntry;
        } Segment;
    };
} RTL_HEAP_WALK_ENTRY, *PRTL_HEAP_WALK_ENTRY;

NTSYSAPI PVOID NTAPI RtlDestroyHeap(PVOID HeapHandle);
NTSYSAPI PVOID NTAPI RtlReAllocateHeap(PVOID HeapHandle, ULONG Flags, PVOID BaseAddress,
                                       SIZE_T Size);
NTSYSAPI SIZE_T NTAPI RtlSizeHeap(PVOID HeapHandle, ULONG Flags, PVOID BaseAddress);
NTSYSAPI BOOLEAN NTAPI RtlValidateHeap(PVOID HeapHandle, ULONG Flags, PVOID BaseAddress);
NTSYSAPI SIZE_T NTAPI RtlCompactHeap(PVOID HeapHandle, ULONG Flags);
NTSYSAPI NTSTATUS NTAPI RtlWalkHeap(PVOID HeapHandle, PRTL_HEAP_WALK_ENTRY Entry);
NTSYSAPI BOOLEAN NTAPI RtlLockHeap(PVOID HeapHandle);
NTSYSAPI BOOLEAN NTAPI RtlUnlockHeap(PVOID HeapHandle);
NTSYSAPI ULONG NTAPI RtlGetProcessHeaps(ULONG NumberOfHeaps, PVOID *ProcessHeaps);

/* The number of blocks allocated, or freed: the first failure ends the call. */
NTSYSAPI ULONG NTAPI RtlMultipleAllocateHeap(PVOID HeapHandle, ULONG Flags, SIZE_T Size,
                                             ULONG Count, PVOID *Array);
NTSYSAPI ULONG NTAPI RtlMultipleFreeHeap(PVOID HeapHandle, ULONG Flags, ULONG Count,
                                         PVOID *Array);

NTSYSAPI BOOLEAN NTAPI RtlSetUserValueHeap(PVOID HeapHandle, ULONG Flags, PVOID BaseAddress,
                                           PVOID UserValue);
NTSYSAPI BOOLEAN NTAPI RtlGetUserInfoHeap(PVOID HeapHandle, ULONG Flags, PVOID BaseAddress,
                                          PVOID *UserValue, PULONG UserFlags);
NTSYSAPI BOOLEAN NTAPI RtlSetUserFlagsHeap(PVOID HeapHandle, ULONG Flags, PVOID BaseAddress,
                                           ULONG UserFlagsReset, ULONG UserFlagsSet);

NTSYSAPI ULONG NTAPI RtlGetNtGlobalFlags(VOID);

#ifdef __cplusplus
}
#endif

#endif

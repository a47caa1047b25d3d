/* What the programs about pages share: functions that not every system has, and
 * short names. */
#ifndef CONFORMANCE_PAGES_H
#define CONFORMANCE_PAGES_H

#include "check.h"

#include "../../include/ntstatus.h"
#include "../../include/ntvirtual.h"

/* MinGW's headers do not have these. */
#ifndef MEM_RESERVE_PLACEHOLDER
#define MEM_RESERVE_PLACEHOLDER 0x00040000
#define MEM_REPLACE_PLACEHOLDER 0x00004000
#define MEM_COALESCE_PLACEHOLDERS 0x00000001
#define MEM_PRESERVE_PLACEHOLDER 0x00000002
#endif

#define PAGE 0x1000u
#define UNIT 0x10000u
#define HERE ((HANDLE)(LONG_PTR)-1)

/* How much memory there is; zeros where that is not told. */
HELPER MEMORYSTATUSEX memory_now(void)
{
    MEMORYSTATUSEX status;
    memset(&status, 0x55, sizeof status);
    status.dwLength = sizeof status;
    if (!GlobalMemoryStatusEx(&status))
        memset(&status, 0, sizeof status);
    return status;
}

/* A function by its name: linked here, looked up on Windows, where it may be in
 * either library, and NULL where there is none. */
#ifdef _WIN32
HELPER FARPROC look_up(const char *name)
{
    FARPROC found = GetProcAddress(GetModuleHandleA("kernelbase.dll"), name);
    if (!found)
        found = GetProcAddress(GetModuleHandleA("ntdll.dll"), name);
    return found;
}
#define FIND(type, name) type name##_ = (type)(void (*)(void))look_up(#name)
#else
#define FIND(type, name) type name##_ = name
#endif
#define NEED_FUNCTION(name)                                                                        \
    do {                                                                                           \
        if (!name##_) {                                                                            \
            say("ok no-function\n");                                                               \
            return 3;                                                                              \
        }                                                                                          \
    } while (0)

/* DiscardVirtualMemory and ReclaimVirtualMemory; OfferVirtualMemory. */
typedef DWORD(WINAPI *discard_function)(PVOID, SIZE_T);
typedef DWORD(WINAPI *offer_function)(PVOID, SIZE_T, OFFER_PRIORITY);

/* Finds all three, under the names `discard`, `offer` and `reclaim`; a program ends here
 * where the system has none. */
#define NEED_OFFERS()                                                                              \
    do {                                                                                           \
        FIND(discard_function, DiscardVirtualMemory);                                              \
        FIND(offer_function, OfferVirtualMemory);                                                  \
        FIND(discard_function, ReclaimVirtualMemory);                                              \
        NEED_FUNCTION(DiscardVirtualMemory);                                                       \
        NEED_FUNCTION(OfferVirtualMemory);                                                         \
        NEED_FUNCTION(ReclaimVirtualMemory);                                                       \
        discard = DiscardVirtualMemory_;                                                           \
        offer = OfferVirtualMemory_;                                                               \
        reclaim = ReclaimVirtualMemory_;                                                           \
    } while (0)

typedef PVOID(WINAPI *alloc2_function)(HANDLE, PVOID, SIZE_T, ULONG, ULONG,
                                       MEM_EXTENDED_PARAMETER *, ULONG);

/* What a query tells; all zeros when it fails. */
HELPER MEMORY_BASIC_INFORMATION query(const void *address)
{
    MEMORY_BASIC_INFORMATION info;
    memset(&info, 0, sizeof info);
    if (VirtualQuery(address, &info, sizeof info) != sizeof info)
        memset(&info, 0, sizeof info);
    return info;
}

/* Whether a query tells this of pages: how many bytes from there on are alike,
 * the state, the protection (0 for reserved pages) and where they were reserved. */
HELPER BOOL tells(const void *address, SIZE_T size, DWORD state, DWORD protect, const void *base)
{
    MEMORY_BASIC_INFORMATION info = query(address);
    BOOL holds = info.BaseAddress == address && info.RegionSize == size && info.State == state &&
                 info.Protect == protect && info.AllocationBase == base;
#ifndef _WIN32
    if (!holds)
        fprintf(stderr, "%p: base %p size %#llx state %#x protect %#x reservation %p\n", address,
                info.BaseAddress, (unsigned long long)info.RegionSize, (unsigned)info.State,
                (unsigned)info.Protect, info.AllocationBase);
#endif
    return holds;
}

/* Says that a call returns `result` and leaves the last error. */
#define FAILS(name, call, result, error)                                                           \
    do {                                                                                           \
        SetLastError(UNTOUCHED);                                                                   \
        EQUAL(name, call, result);                                                                 \
        EQUAL(name "-error", GetLastError(), error);                                               \
    } while (0)

#endif

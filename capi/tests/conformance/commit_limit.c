/* The limit of what can be committed: refused, and nothing changed, and as much as before
 * can be committed again. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "pages.h"
#include <stdlib.h>

#define MIB ((SIZE_T)1 << 20)

/* A size above the limit: that is set here, and on Windows the system's. */
static SIZE_T too_much(void)
{
#ifdef _WIN32
    return round_up((SIZE_T)memory_now().ullTotalPageFile, UNIT) + 1024 * MIB;
#else
    return 256 * MIB;
#endif
}

static ULONGLONG left(void)
{
    return memory_now().ullAvailPageFile;
}

int main(int count, char **arguments)
{
#ifndef _WIN32
    /* The limit is read when the process begins. */
    if (!getenv("NTHEAP_COMMIT_LIMIT")) {
        setenv("NTHEAP_COMMIT_LIMIT", "128M", 1);
        execv("/proc/self/exe", arguments);
        return 1;
    }
    /* The machine's limit is larger. */
    EQUAL("limit-told", memory_now().ullTotalPageFile, 128 * MIB);
    CHECK("less-is-left", left() <= 128 * MIB);
#else
    (void)arguments;
#endif
    NEED("name", count > 0);
    const SIZE_T much = too_much();
    ULONGLONG before = left();
    FAILS("at-once", VirtualAlloc(NULL, much, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE), 0,
          ERROR_COMMITMENT_LIMIT);
    char *base = (char *)VirtualAlloc(NULL, much, MEM_RESERVE, PAGE_READWRITE);
    NEED("reserving-is-free", base);
    NEED("some", VirtualAlloc(base, 16 * MIB, MEM_COMMIT, PAGE_READWRITE));
    base[0] = 7;
    FAILS("the-rest", VirtualAlloc(base, much, MEM_COMMIT, PAGE_READONLY), 0,
          ERROR_COMMITMENT_LIMIT);
    CHECK("untouched", tells(base, 16 * MIB, MEM_COMMIT, PAGE_READWRITE, base));
    EQUAL("kept", base[0], 7);
    PVOID at = base;
    SIZE_T size = much;
    EQUAL("nt", (ULONG)NtAllocateVirtualMemory(HERE, &at, 0, &size, MEM_COMMIT, PAGE_READWRITE),
          0xC000012Du);
    EQUAL("nt-size-kept", size, much);
    FAILS("section",
          CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE,
                             (DWORD)((ULONGLONG)much >> 32), (DWORD)much, NULL),
          0, ERROR_COMMITMENT_LIMIT);
    HANDLE sparse = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE | SEC_RESERVE,
                                       (DWORD)((ULONGLONG)much >> 32), (DWORD)much, NULL);
    NEED("sparse", sparse);
    char *view = (char *)MapViewOfFile(sparse, FILE_MAP_WRITE, 0, 0, 0);
    NEED("sparse-view", view);
    FAILS("sparse-commit", VirtualAlloc(view, much, MEM_COMMIT, PAGE_READWRITE), 0,
          ERROR_COMMITMENT_LIMIT);
    CHECK("sparse-untouched", tells(view, much, MEM_RESERVE, 0, view));
    CHECK("sparse-ended", UnmapViewOfFile(view) && CloseHandle(sparse));
    CHECK("heap", !HeapAlloc(GetProcessHeap(), 0, much));
    CHECK("decommitted", VirtualFree(base, 0, MEM_DECOMMIT));
    NEED("some-again", VirtualAlloc(base + 64 * MIB, 16 * MIB, MEM_COMMIT, PAGE_READWRITE));
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    CHECK("as-much-as-before", left() + 16 * MIB >= before);
    return finish();
}

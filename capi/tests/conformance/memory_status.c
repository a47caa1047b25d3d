/* How much memory there is, and what reserving and committing take of it. */
#include "pages.h"

#define MIB ((SIZE_T)1 << 20)

/* Whether so many bytes can be committed less in `later` than in `earlier`. */
static BOOL lies_between(MEMORYSTATUSEX earlier, MEMORYSTATUSEX later, SIZE_T least, SIZE_T most)
{
    return earlier.ullAvailPageFile >= later.ullAvailPageFile + least &&
           earlier.ullAvailPageFile <= later.ullAvailPageFile + most;
}

int main(void)
{
    MEMORYSTATUSEX status = memory_now(), short_one = status;
    EQUAL("length", status.dwLength, 64);
    CHECK("load", status.dwMemoryLoad <= 100);
    CHECK("physical", status.ullTotalPhys > 0 && status.ullAvailPhys <= status.ullTotalPhys);
    CHECK("page-file", status.ullTotalPageFile > 0 &&
                           status.ullAvailPageFile <= status.ullTotalPageFile);
    CHECK("virtual", status.ullAvailVirtual < status.ullTotalVirtual);
    EQUAL("virtual-total", status.ullTotalVirtual, 0x7FFFFFFE0000u);
    EQUAL("extended", status.ullAvailExtendedVirtual, 0);
    short_one.dwLength = 63;
    SetLastError(UNTOUCHED);
    CHECK("wrong-length", !GlobalMemoryStatusEx(&short_one));
    EQUAL("wrong-length-error", GetLastError(), ERROR_INVALID_PARAMETER);
    MEMORYSTATUS old;
    memset(&old, 0x55, sizeof old);
    GlobalMemoryStatus(&old);
    EQUAL("old-length", old.dwLength, sizeof old);
    EQUAL("old-physical", old.dwTotalPhys, status.ullTotalPhys);

    char *pages = (char *)VirtualAlloc(NULL, 1024 * MIB, MEM_RESERVE, PAGE_READWRITE);
    NEED("reserved", pages);
    MEMORYSTATUSEX reserved = memory_now();
    CHECK("reserving-takes-addresses",
          status.ullAvailVirtual - reserved.ullAvailVirtual >= 1000 * MIB);
    /* Commit is the whole machine's. Other programs come and go: once in a few times they
     * do not. */
    BOOL took = FALSE, took_addresses = FALSE, gave = FALSE, commits = TRUE, decommits = TRUE;
    for (int i = 0; i < 20 && !(took && gave); i++) {
        MEMORYSTATUSEX before = memory_now();
        commits = commits && VirtualAlloc(pages, 256 * MIB, MEM_COMMIT, PAGE_READWRITE);
        MEMORYSTATUSEX committed = memory_now();
        decommits = decommits && VirtualFree(pages, 256 * MIB, MEM_DECOMMIT);
        MEMORYSTATUSEX decommitted = memory_now();
        took = took || lies_between(before, committed, 200 * MIB, 400 * MIB);
        gave = gave || lies_between(decommitted, committed, 200 * MIB, 400 * MIB);
        took_addresses = took_addresses ||
                         before.ullAvailVirtual - committed.ullAvailVirtual >= 16 * MIB;
    }
    CHECK("committed", commits);
    CHECK("decommitted", decommits);
    CHECK("committing-takes-commit", took);
    CHECK("committing-takes-no-addresses", !took_addresses);
    CHECK("releasing-gives-commit", gave);
    NEED("released", VirtualFree(pages, 0, MEM_RELEASE));
    CHECK("releasing-gives-addresses",
          memory_now().ullAvailVirtual - reserved.ullAvailVirtual >= 1000 * MIB);

    /* A section of memory takes commit, and a view that copies as much again. */
    BOOL section_took = FALSE, copy_took = FALSE, ending_gave = FALSE;
    for (int i = 0; i < 20 && !(section_took && copy_took && ending_gave); i++) {
        MEMORYSTATUSEX before = memory_now();
        HANDLE section = make_section(PAGE_READWRITE, (DWORD)(256 * MIB));
        MEMORYSTATUSEX made = memory_now();
        void *copy = MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 0);
        MEMORYSTATUSEX copied = memory_now();
        if (!copy || !UnmapViewOfFile(copy) || !CloseHandle(section))
            break;
        MEMORYSTATUSEX ended = memory_now();
        section_took = section_took || lies_between(before, made, 200 * MIB, 400 * MIB);
        copy_took = copy_took || lies_between(made, copied, 200 * MIB, 400 * MIB);
        ending_gave = ending_gave || lies_between(ended, copied, 400 * MIB, 700 * MIB);
    }
    CHECK("section-takes-commit", section_took);
    CHECK("copy-takes-commit", copy_took);
    CHECK("ending-gives-commit", ending_gave);
    return finish();
}

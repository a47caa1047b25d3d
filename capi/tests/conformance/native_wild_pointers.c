/* Pointers into the first 64 KiB, which nobody is given, and beyond what programs have:
 * the functions that write through them say so, and nothing changes. */
#include "bad_pages.h"

static char *base;

static void wild(const char *what, ULONG_PTR where)
{
    PVOID nowhere = (PVOID)where, at = base, addresses[2];
    SIZE_T size = PAGE;
    ULONG old = 0, granularity;
    ULONG_PTR count = 2;
    MEMORY_BASIC_INFORMATION info;
    SECTION_BASIC_INFORMATION told;
    HANDLE section = make_section(PAGE_READWRITE, UNIT);
    LARGE_INTEGER length;
    length.QuadPart = UNIT;
    const NTSTATUS none = STATUS_ACCESS_VIOLATION;
    SetLastError(UNTOUCHED);
    refuses("allocate-base", what,
            NtAllocateVirtualMemory(HERE, (PVOID *)nowhere, 0, &size, MEM_COMMIT,
                                    PAGE_READONLY) == none, 0);
    refuses("allocate-size", what,
            NtAllocateVirtualMemory(HERE, &at, 0, (PSIZE_T)nowhere, MEM_COMMIT,
                                    PAGE_READONLY) == none, 0);
    refuses("free-base", what,
            NtFreeVirtualMemory(HERE, (PVOID *)nowhere, &size, MEM_DECOMMIT) == none, 0);
    refuses("free-size", what,
            NtFreeVirtualMemory(HERE, &at, (PSIZE_T)nowhere, MEM_DECOMMIT) == none, 0);
    refuses("protect-base", what,
            NtProtectVirtualMemory(HERE, (PVOID *)nowhere, &size, PAGE_READONLY, &old) == none, 0);
    refuses("protect-old", what,
            NtProtectVirtualMemory(HERE, &at, &size, PAGE_READONLY, (PULONG)nowhere) == none, 0);
    refuses("query-buffer", what,
            NtQueryVirtualMemory(HERE, base, MemoryBasicInformation, nowhere, sizeof info,
                                 NULL) == none, 0);
    /* These may be null. */
    refuses("query-length", what,
            !nowhere || NtQueryVirtualMemory(HERE, base, MemoryBasicInformation, &info, sizeof info,
                                             (PSIZE_T)nowhere) == none, 0);
    refuses("create-handle", what,
            NtCreateSection((PHANDLE)nowhere, SECTION_ALL_ACCESS, NULL, &length, PAGE_READWRITE,
                            SEC_COMMIT, NULL) == none, 0);
    refuses("map-base", what,
            NtMapViewOfSection(section, HERE, (PVOID *)nowhere, 0, 0, NULL, &size, ViewShare, 0,
                               PAGE_READONLY) == none, 0);
    refuses("map-offset", what,
            !nowhere || NtMapViewOfSection(section, HERE, &at, 0, 0, (PLARGE_INTEGER)nowhere, &size,
                                           ViewShare, 0, PAGE_READONLY) == none, 0);
    refuses("section-buffer", what,
            NtQuerySection(section, SectionBasicInformation, nowhere, sizeof told, NULL) == none, 0);
    refuses("virtual-query", what,
            !VirtualQuery(base, (PMEMORY_BASIC_INFORMATION)nowhere, sizeof info), ERROR_NOACCESS);
    refuses("virtual-protect", what, !VirtualProtect(base, PAGE, PAGE_READONLY, (PDWORD)nowhere),
            ERROR_NOACCESS);
    refuses("watch-addresses", what,
            GetWriteWatch(0, base, PAGE, (PVOID *)nowhere, &count, &granularity) == ~0u,
            ERROR_NOACCESS);
    count = 2;
    refuses("watch-count", what,
            GetWriteWatch(0, base, PAGE, addresses, (PULONG_PTR)nowhere, &granularity) == ~0u,
            ERROR_NOACCESS);
    count = 2;
    refuses("watch-granularity", what,
            GetWriteWatch(0, base, PAGE, addresses, &count, (PULONG)nowhere) == ~0u,
            ERROR_NOACCESS);
    refuses("read-memory", what, !ReadProcessMemory(HERE, base, nowhere, 1, NULL), ERROR_NOACCESS);
    CHECK(what, at == base && size == PAGE && CloseHandle(section) &&
                    tells(base, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE, base));
}

int main(void)
{
    base = (char *)VirtualAlloc(NULL, 2 * PAGE, MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH,
                                PAGE_READWRITE);
    NEED("committed", base);
    wild("null", 0);
    wild("eight", 8);
    wild("in-the-first-unit", 0x8010);
    wild("the-systems", 0xFFFF800000000000ull);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}

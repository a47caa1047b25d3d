/* PrefetchVirtualMemory takes any ranges but empty ones. */
#include "pages.h"

typedef BOOL(WINAPI *prefetch_function)(HANDLE, ULONG_PTR, PWIN32_MEMORY_RANGE_ENTRY, ULONG);

int main(void)
{
    FIND(prefetch_function, PrefetchVirtualMemory);
    NEED_FUNCTION(PrefetchVirtualMemory);
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    NEED("committed", base);
    WIN32_MEMORY_RANGE_ENTRY ranges[3] = {{base, 2 * PAGE}, {base + 5, 1}, {NULL, PAGE}};
    base[0] = 3;
    CHECK("none", !PrefetchVirtualMemory_(HERE, 0, NULL, 0));
    CHECK("none-of-some", !PrefetchVirtualMemory_(HERE, 0, ranges, 0));
    CHECK("one", PrefetchVirtualMemory_(HERE, 1, ranges, 0));
    CHECK("unaligned", PrefetchVirtualMemory_(HERE, 2, ranges, 0));
    CHECK("null-address", PrefetchVirtualMemory_(HERE, 3, ranges, 0));
    SetLastError(UNTOUCHED);
    CHECK("no-ranges", !PrefetchVirtualMemory_(HERE, 1, NULL, 0));
    EQUAL("no-ranges-error", GetLastError(), ERROR_NOACCESS);
    ranges[1].NumberOfBytes = 0;
    CHECK("empty", !PrefetchVirtualMemory_(HERE, 2, ranges, 0));
    CHECK("no-process", !PrefetchVirtualMemory_(NULL, 1, ranges, 0));
    EQUAL("kept", base[0], 3);
    return finish();
}

/* VirtualProtect: what it changes, and what it refuses. */
#include "pages.h"

int main(void)
{
    DWORD old = 0;
    char *base = (char *)VirtualAlloc(NULL, 8 * PAGE, MEM_RESERVE, PAGE_NOACCESS);
    NEED("reserved", base);
    FAILS("reserved-only", VirtualProtect(base, PAGE, PAGE_READONLY, &old), FALSE,
          ERROR_INVALID_ADDRESS);
    NEED("committed", VirtualAlloc(base, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE));
    FAILS("no-old", VirtualProtect(base, PAGE, PAGE_READONLY, NULL), FALSE, ERROR_NOACCESS);
    FAILS("partly", VirtualProtect(base, 5 * PAGE, PAGE_READONLY, &old), FALSE,
          ERROR_INVALID_ADDRESS);
    FAILS("past-the-end", VirtualProtect(base, 9 * PAGE, PAGE_READONLY, &old), FALSE,
          ERROR_INVALID_ADDRESS);
    FAILS("none", VirtualProtect(base, PAGE, 0, &old), FALSE, ERROR_INVALID_PARAMETER);
    FAILS("two", VirtualProtect(base, PAGE, PAGE_READONLY | PAGE_READWRITE, &old), FALSE,
          ERROR_INVALID_PARAMETER);
    FAILS("write-copy", VirtualProtect(base, PAGE, PAGE_WRITECOPY, &old), FALSE,
          ERROR_INVALID_PARAMETER);
    CHECK("untouched", tells(base, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE, base));

    base[PAGE] = 3;
    CHECK("second-page", VirtualProtect(base + PAGE + 1, 1, PAGE_READONLY, &old));
    EQUAL("old", old, PAGE_READWRITE);
    CHECK("first", tells(base, PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    CHECK("second", tells(base + PAGE, PAGE, MEM_COMMIT, PAGE_READONLY, base));
    EQUAL("kept", base[PAGE], 3);
    CHECK("over-both", VirtualProtect(base + PAGE, 2 * PAGE, PAGE_EXECUTE_READWRITE, &old));
    EQUAL("old-of-the-first", old, PAGE_READONLY);
    CHECK("both", tells(base + PAGE, 2 * PAGE, MEM_COMMIT, PAGE_EXECUTE_READWRITE, base));
    CHECK("no-access", VirtualProtect(base, 4 * PAGE, PAGE_NOACCESS, &old));
    CHECK("shown", tells(base, 4 * PAGE, MEM_COMMIT, PAGE_NOACCESS, base));
    EQUAL("first-protection", query(base).AllocationProtect, PAGE_NOACCESS);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    FAILS("free", VirtualProtect(base, PAGE, PAGE_READONLY, &old), FALSE, ERROR_INVALID_ADDRESS);

    /* A program's own code and constants, which were not reserved this way. */
    static const char constant[] = "constant";
    CHECK("image", VirtualProtect((void *)(ULONG_PTR)constant, 1, PAGE_READONLY, &old));
    CHECK("image-old", VirtualProtect((void *)(ULONG_PTR)constant, 1, old, &old));
    return finish();
}

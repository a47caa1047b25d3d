/* NtProtectVirtualMemory: rounded values come back, and each refusal has its status. */
#include "pages.h"

static ULONG old;

static NTSTATUS protect(PVOID at, SIZE_T bytes, ULONG wanted)
{
    old = 0x77;
    return NtProtectVirtualMemory(HERE, &at, &bytes, wanted, &old);
}

int main(void)
{
    char *base = (char *)VirtualAlloc(NULL, 8 * PAGE, MEM_RESERVE, PAGE_READWRITE);
    NEED("reserved", base);
    NEED("committed", VirtualAlloc(base, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE));
    base[PAGE] = 3;
    PVOID at = base + PAGE + 5;
    SIZE_T size = PAGE;
    EQUAL("protected", NtProtectVirtualMemory(HERE, &at, &size, PAGE_READONLY, &old), 0);
    EQUAL("old", old, PAGE_READWRITE);
    EQUAL("at", at, base + PAGE);
    EQUAL("size", size, 2 * PAGE);
    CHECK("told", tells(base + PAGE, 2 * PAGE, MEM_COMMIT, PAGE_READONLY, base));
    EQUAL("kept", base[PAGE], 3);
    EQUAL("over-both", protect(base, 4 * PAGE, PAGE_READWRITE), 0);
    EQUAL("old-of-the-first", old, PAGE_READWRITE);

    at = base;
    size = PAGE;
    EQUAL("no-old", NtProtectVirtualMemory(HERE, &at, &size, PAGE_READONLY, NULL),
          STATUS_ACCESS_VIOLATION);
    EQUAL("no-process", NtProtectVirtualMemory(NULL, &at, &size, PAGE_READONLY, &old),
          STATUS_INVALID_HANDLE);
    EQUAL("not-committed", protect(base + 4 * PAGE, PAGE, PAGE_READONLY), STATUS_NOT_COMMITTED);
    EQUAL("partly", protect(base, 5 * PAGE, PAGE_READONLY), STATUS_NOT_COMMITTED);
    EQUAL("past-the-end", protect(base, 9 * PAGE, PAGE_READONLY), STATUS_CONFLICTING_ADDRESSES);
    EQUAL("none", protect(base, PAGE, 0), STATUS_INVALID_PAGE_PROTECTION);
    EQUAL("two", protect(base, PAGE, PAGE_READONLY | PAGE_READWRITE),
          STATUS_INVALID_PAGE_PROTECTION);
    EQUAL("write-copy", protect(base, PAGE, PAGE_WRITECOPY), STATUS_INVALID_PAGE_PROTECTION);
    CHECK("untouched", tells(base, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    EQUAL("free", protect(base, PAGE, PAGE_READONLY), STATUS_CONFLICTING_ADDRESSES);
    return finish();
}

/* NtAllocateVirtualMemory: rounded values come back, and each refusal has its
 * status. */
#include "pages.h"

static NTSTATUS allocate(PVOID at, SIZE_T bytes, ULONG type, ULONG protect)
{
    return NtAllocateVirtualMemory(HERE, &at, 0, &bytes, type, protect);
}

int main(void)
{
    PVOID base = NULL;
    SIZE_T size = 0x1234;
    EQUAL("reserved",
          NtAllocateVirtualMemory(HERE, &base, 0, &size, MEM_RESERVE, PAGE_READWRITE), 0);
    EQUAL("unit", (ULONG_PTR)base % UNIT, 0);
    EQUAL("size", size, 2 * PAGE);
    PVOID at = behind(base, 0x10);
    size = 1;
    EQUAL("committed", NtAllocateVirtualMemory(HERE, &at, 0, &size, MEM_COMMIT, PAGE_READWRITE),
          0);
    EQUAL("committed-at", at, base);
    EQUAL("committed-size", size, PAGE);
    EQUAL("conflict", allocate(base, PAGE, MEM_RESERVE, PAGE_READWRITE),
          STATUS_CONFLICTING_ADDRESSES);
    EQUAL("past-the-end", allocate(base, 3 * PAGE, MEM_COMMIT, PAGE_READWRITE),
          STATUS_CONFLICTING_ADDRESSES);
    EQUAL("protection", allocate(base, PAGE, MEM_COMMIT, 0), STATUS_INVALID_PAGE_PROTECTION);
    EQUAL("write-copy", allocate(base, PAGE, MEM_COMMIT, PAGE_WRITECOPY),
          STATUS_INVALID_PAGE_PROTECTION);
    CHECK("no-size", allocate(NULL, 0, MEM_RESERVE, PAGE_READWRITE) < 0);
    CHECK("no-type", allocate(NULL, PAGE, 0, PAGE_READWRITE) < 0);
    CHECK("placeholder",
          allocate(NULL, UNIT, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS) < 0);
    size = PAGE;
    EQUAL("no-process",
          NtAllocateVirtualMemory(NULL, &base, 0, &size, MEM_COMMIT, PAGE_READWRITE),
          STATUS_INVALID_HANDLE);
    size = 0;
    EQUAL("freed", NtFreeVirtualMemory(HERE, &base, &size, MEM_RELEASE), 0);
    return finish();
}

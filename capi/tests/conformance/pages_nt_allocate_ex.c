/* NtAllocateVirtualMemoryEx: limits of the address and placeholders, with statuses. */
#include "pages.h"

typedef NTSTATUS(NTAPI *allocate_function)(HANDLE, PVOID *, PSIZE_T, ULONG, ULONG,
                                           PMEM_EXTENDED_PARAMETER, ULONG);
static allocate_function allocate_ex;
static MEM_ADDRESS_REQUIREMENTS wanted;
static PVOID at;
static SIZE_T size;

static NTSTATUS reserve(SIZE_T bytes, ULONG_PTR lowest, ULONG_PTR highest, SIZE_T alignment)
{
    MEM_EXTENDED_PARAMETER parameter;
    memset(&parameter, 0, sizeof parameter);
    parameter.Type = MemExtendedParameterAddressRequirements;
    parameter.Pointer = &wanted;
    wanted.LowestStartingAddress = (PVOID)lowest;
    wanted.HighestEndingAddress = (PVOID)highest;
    wanted.Alignment = alignment;
    at = NULL;
    size = bytes;
    return allocate_ex(HERE, &at, &size, MEM_RESERVE, PAGE_READWRITE, &parameter, 1);
}

int main(void)
{
    FIND(allocate_function, NtAllocateVirtualMemoryEx);
    NEED_FUNCTION(NtAllocateVirtualMemoryEx);
    allocate_ex = NtAllocateVirtualMemoryEx_;
    const ULONG_PTR low = 0x20000000, high = 0x2FFFFFFF;
    size = 0x1234;
    EQUAL("plain", allocate_ex(HERE, &at, &size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE, NULL, 0),
          0);
    EQUAL("plain-unit", (ULONG_PTR)at % UNIT, 0);
    EQUAL("plain-size", size, 2 * PAGE);
    CHECK("plain-told", tells(at, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE, at));
    PVOID base = at;
    at = behind(base, PAGE + 0x10);
    size = 1;
    EQUAL("commit", allocate_ex(HERE, &at, &size, MEM_COMMIT, PAGE_READONLY, NULL, 0), 0);
    EQUAL("commit-at", at, behind(base, PAGE));
    EQUAL("commit-size", size, PAGE);
    CHECK("plain-released", VirtualFree(base, 0, MEM_RELEASE));

    EQUAL("bounds", reserve(UNIT, low, high, 0), 0);
    CHECK("bounds-kept", (ULONG_PTR)at >= low && (ULONG_PTR)at + UNIT - 1 <= high);
    CHECK("bounds-released", VirtualFree(at, 0, MEM_RELEASE));
    EQUAL("aligned", reserve(UNIT, 0, 0, 0x1000000), 0);
    EQUAL("aligned-at", (ULONG_PTR)at % 0x1000000, 0);
    CHECK("aligned-released", VirtualFree(at, 0, MEM_RELEASE));
    EQUAL("no-room", reserve(0x20000000, low, high, 0), STATUS_NO_MEMORY);
    EQUAL("odd-alignment", reserve(UNIT, 0, 0, 0x30000), STATUS_INVALID_PARAMETER);
    EQUAL("crossed", reserve(UNIT, high + 1, low - 1, 0), STATUS_INVALID_PARAMETER);

    at = NULL;
    size = 2 * UNIT;
    NEED("placeholder", allocate_ex(HERE, &at, &size, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
                                    PAGE_NOACCESS, NULL, 0) == 0);
    base = at;
    EQUAL("commit-placeholder",
          allocate_ex(HERE, &at, &size, MEM_COMMIT, PAGE_READWRITE, NULL, 0),
          STATUS_CONFLICTING_ADDRESSES);
    EQUAL("replaced", allocate_ex(HERE, &at, &size, MEM_RESERVE | MEM_REPLACE_PLACEHOLDER,
                                  PAGE_READWRITE, NULL, 0),
          0);
    EQUAL("replaced-at", at, base);
    CHECK("replaced-told", tells(base, 2 * UNIT, MEM_RESERVE, 0, base));
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    at = NULL;
    EQUAL("no-process",
          allocate_ex(NULL, &at, &size, MEM_RESERVE, PAGE_READWRITE, NULL, 0),
          STATUS_INVALID_HANDLE);
    EQUAL("no-parameters", allocate_ex(HERE, &at, &size, MEM_RESERVE, PAGE_READWRITE, NULL, 1),
          STATUS_INVALID_PARAMETER);
    return finish();
}

/* The further arguments of VirtualAlloc2. */
#include "pages.h"

static alloc2_function alloc2;
static MEM_ADDRESS_REQUIREMENTS wanted;

static PVOID reserve(PVOID at, SIZE_T size, ULONG type, ULONG_PTR lowest, ULONG_PTR highest,
                     SIZE_T alignment)
{
    MEM_EXTENDED_PARAMETER parameter;
    memset(&parameter, 0, sizeof parameter);
    parameter.Type = MemExtendedParameterAddressRequirements;
    parameter.Pointer = &wanted;
    wanted.LowestStartingAddress = (PVOID)lowest;
    wanted.HighestEndingAddress = (PVOID)highest;
    wanted.Alignment = alignment;
    return alloc2(NULL, at, size, type, PAGE_READWRITE, &parameter, 1);
}

int main(void)
{
    FIND(alloc2_function, VirtualAlloc2);
    NEED_FUNCTION(VirtualAlloc2);
    alloc2 = VirtualAlloc2_;
    const ULONG_PTR low = 0x20000000, high = 0x2FFFFFFF;
    MEM_EXTENDED_PARAMETER two[2];
    memset(two, 0, sizeof two);
    char *at = (char *)alloc2(NULL, NULL, UNIT, MEM_RESERVE, PAGE_READWRITE, NULL, 0);
    NEED("without", at);
    CHECK("without-released", VirtualFree(at, 0, MEM_RELEASE));

    at = (char *)reserve(NULL, 2 * UNIT, MEM_RESERVE, low, high, 0);
    CHECK("bounds", (ULONG_PTR)at >= low && (ULONG_PTR)at + 2 * UNIT - 1 <= high);
    VirtualFree(at, 0, MEM_RELEASE);
    at = (char *)reserve(NULL, UNIT, MEM_RESERVE | MEM_TOP_DOWN, low, high, 0);
    CHECK("top-down", (ULONG_PTR)at >= low && (ULONG_PTR)at + UNIT - 1 <= high);
    char *lowest = (char *)reserve(NULL, UNIT, MEM_RESERVE, low, high, 0);
    CHECK("top-down-is-higher", lowest && lowest < at);
    VirtualFree(lowest, 0, MEM_RELEASE);
    VirtualFree(at, 0, MEM_RELEASE);
    at = (char *)reserve(NULL, UNIT, MEM_RESERVE | MEM_COMMIT, 0, 0, 0x1000000);
    CHECK("aligned", at && (ULONG_PTR)at % 0x1000000 == 0);
    CHECK("aligned-committed", at && tells(at, UNIT, MEM_COMMIT, PAGE_READWRITE, at));
    VirtualFree(at, 0, MEM_RELEASE);

    FAILS("null", alloc2(NULL, NULL, UNIT, MEM_RESERVE, PAGE_READWRITE, NULL, 1), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("type-0", alloc2(NULL, NULL, UNIT, MEM_RESERVE, PAGE_READWRITE, two, 1), 0,
          ERROR_INVALID_PARAMETER);
    two[0].Type = 200;
    FAILS("type-unknown", alloc2(NULL, NULL, UNIT, MEM_RESERVE, PAGE_READWRITE, two, 1), 0,
          ERROR_INVALID_PARAMETER);
    two[0].Type = two[1].Type = MemExtendedParameterNumaNode;
    FAILS("type-twice", alloc2(NULL, NULL, UNIT, MEM_RESERVE, PAGE_READWRITE, two, 2), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("highest-of-a-page", reserve(NULL, UNIT, MEM_RESERVE, low, high - 1, 0), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("highest-above-all", reserve(NULL, UNIT, MEM_RESERVE, 0, (ULONG_PTR)1 << 60, 0), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("lowest-of-a-page", reserve(NULL, UNIT, MEM_RESERVE, low + PAGE, high, 0), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("lowest-above-all", reserve(NULL, UNIT, MEM_RESERVE, (ULONG_PTR)1 << 60, 0, 0), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("crossed", reserve(NULL, UNIT, MEM_RESERVE, high + 1, low - 1, 0), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("alignment-small", reserve(NULL, UNIT, MEM_RESERVE, 0, 0, 0x8000), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("alignment-odd", reserve(NULL, UNIT, MEM_RESERVE, 0, 0, 0x30000), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("with-address", reserve((PVOID)low, UNIT, MEM_RESERVE, low, high, 0), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("commit-only", reserve((PVOID)low, UNIT, MEM_COMMIT, low, high, 0), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("no-room", reserve(NULL, 0x20000000, MEM_RESERVE, low, high, 0), 0,
          ERROR_NOT_ENOUGH_MEMORY);
    FAILS("size-of-no-page", alloc2(NULL, NULL, UNIT + 1, MEM_RESERVE, PAGE_READWRITE, NULL, 0), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("address-of-a-page",
          alloc2(NULL, (PVOID)(low + PAGE), UNIT, MEM_RESERVE, PAGE_READWRITE, NULL, 0), 0,
          ERROR_INVALID_PARAMETER);
    memset(two, 0, sizeof two);
    two[0].Type = MemExtendedParameterNumaNode;
    at = (char *)alloc2(NULL, NULL, UNIT, MEM_RESERVE, PAGE_READWRITE, two, 1);
    CHECK("node", at && VirtualFree(at, 0, MEM_RELEASE));
    /* There is no partition but the system's, nor a handle of one. */
    static const int handles[] = {MemExtendedParameterPartitionHandle,
                                  MemExtendedParameterUserPhysicalHandle};
    for (int i = 0; i < 2; i++) {
        char name[64];
        two[0].Type = (DWORD64)handles[i] & 0xFF;
        two[0].Handle = (HANDLE)0xDEADBEE8;
        SetLastError(UNTOUCHED);
        at = (char *)alloc2(NULL, NULL, UNIT, MEM_RESERVE, PAGE_READWRITE, two, 1);
        DWORD error = GetLastError();
        snprintf(name, sizeof name, "no-partition-%d", handles[i]);
        CHECK(name, !at);
        snprintf(name, sizeof name, "no-partition-%d-error", handles[i]);
        CHECK(name, error == ERROR_NOT_SUPPORTED || error == ERROR_INVALID_HANDLE ||
                        error == ERROR_INVALID_PARAMETER);
    }
    memset(two, 0, sizeof two);
    two[0].Type = MemExtendedParameterAttributeFlags;
    two[0].ULong64 = 0x40;
    SetLastError(UNTOUCHED);
    EQUAL("ec-code", alloc2(NULL, NULL, UNIT, MEM_RESERVE, PAGE_READWRITE, two, 1), 0);
    CHECK("ec-code-error",
          GetLastError() == ERROR_INVALID_PARAMETER || GetLastError() == ERROR_NOT_SUPPORTED);
    return finish();
}

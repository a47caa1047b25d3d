/* NtQueryVirtualMemory: basic and region information. */
#include "pages.h"

int main(void)
{
    MEMORY_BASIC_INFORMATION basic;
    MEMORY_REGION_INFORMATION region;
    SIZE_T length = 0;
    char *base = (char *)VirtualAlloc(NULL, 8 * PAGE, MEM_RESERVE, PAGE_EXECUTE_READWRITE);
    NEED("reserved", base);
    NEED("committed", VirtualAlloc(base + PAGE, PAGE, MEM_COMMIT, PAGE_READONLY));
    EQUAL("basic", NtQueryVirtualMemory(HERE, base + PAGE, MemoryBasicInformation, &basic,
                                        sizeof basic, &length), 0);
    EQUAL("basic-length", length, sizeof basic);
    EQUAL("basic-size", basic.RegionSize, PAGE);
    EQUAL("basic-short", NtQueryVirtualMemory(HERE, base, MemoryBasicInformation, &basic,
                                              sizeof basic - 1, &length),
          STATUS_INFO_LENGTH_MISMATCH);
    EQUAL("above-all",
          NtQueryVirtualMemory(HERE, (PVOID)(ULONG_PTR)0xFFFF800000000000ull,
                               MemoryBasicInformation, &basic, sizeof basic, &length),
          STATUS_INVALID_PARAMETER);
    memset(&region, 0xAA, sizeof region);
    EQUAL("region", NtQueryVirtualMemory(HERE, base + 2 * PAGE, MemoryRegionInformation, &region,
                                         sizeof region, &length), 0);
    EQUAL("region-base", region.AllocationBase, base);
    EQUAL("region-protection", region.AllocationProtect, PAGE_EXECUTE_READWRITE);
    EQUAL("region-type", region.RegionType, 0);
    EQUAL("region-size", region.RegionSize, 8 * PAGE);
    EQUAL("region-committed", region.CommitSize, PAGE);
    memset(&region, 0, sizeof region);
    SIZE_T enough = offsetof(MEMORY_REGION_INFORMATION, RegionSize) + sizeof(SIZE_T);
    EQUAL("region-shorter", NtQueryVirtualMemory(HERE, base, MemoryRegionInformation, &region,
                                                 enough, &length), 0);
    EQUAL("region-shorter-size", region.RegionSize, 8 * PAGE);
    EQUAL("region-too-short", NtQueryVirtualMemory(HERE, base, MemoryRegionInformation, &region,
                                                   enough - 1, &length),
          STATUS_INFO_LENGTH_MISMATCH);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}

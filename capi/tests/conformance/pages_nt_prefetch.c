/* NtSetInformationVirtualMemory: which argument is at fault. */
#include "pages.h"

typedef NTSTATUS(NTAPI *set_function)(HANDLE, VIRTUAL_MEMORY_INFORMATION_CLASS, ULONG_PTR,
                                      PMEMORY_RANGE_ENTRY, PVOID, ULONG);

int main(void)
{
    FIND(set_function, NtSetInformationVirtualMemory);
    NEED_FUNCTION(NtSetInformationVirtualMemory);
    set_function set_information = NtSetInformationVirtualMemory_;
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    NEED("committed", base);
    base[0] = 3;
    const VIRTUAL_MEMORY_INFORMATION_CLASS prefetch = VmPrefetchInformation;
    int unknown = -1; /* a constant would not compile as C++ */
    MEMORY_RANGE_ENTRY ranges[3] = {{base, 2 * PAGE}, {base + 5, 1}, {NULL, PAGE}};
    ULONG none = 0;
    EQUAL("one", set_information(HERE, prefetch, 1, ranges, &none, sizeof none), 0);
    EQUAL("unaligned", set_information(HERE, prefetch, 2, ranges, &none, sizeof none), 0);
    EQUAL("null-address", set_information(HERE, prefetch, 3, ranges, &none, sizeof none), 0);
    EQUAL("class", set_information(HERE, (VIRTUAL_MEMORY_INFORMATION_CLASS)unknown, 1, ranges,
                                   &none, sizeof none),
          STATUS_INVALID_PARAMETER_2);
    EQUAL("no-information", set_information(HERE, prefetch, 1, ranges, NULL, sizeof none),
          STATUS_INVALID_PARAMETER_5);
    EQUAL("short", set_information(HERE, prefetch, 1, ranges, &none, sizeof none - 1),
          STATUS_INVALID_PARAMETER_6);
    EQUAL("long", set_information(HERE, prefetch, 1, ranges, &none, sizeof none * 2),
          STATUS_INVALID_PARAMETER_6);
    EQUAL("no-count", set_information(HERE, prefetch, 0, ranges, &none, sizeof none),
          STATUS_INVALID_PARAMETER_3);
    EQUAL("no-ranges", set_information(HERE, prefetch, 1, NULL, &none, sizeof none),
          STATUS_ACCESS_VIOLATION);
    ranges[1].NumberOfBytes = 0;
    EQUAL("empty", set_information(HERE, prefetch, 2, ranges, &none, sizeof none),
          STATUS_INVALID_PARAMETER_4);
    EQUAL("no-process", set_information(NULL, prefetch, 1, ranges, &none, sizeof none),
          STATUS_INVALID_HANDLE);
    EQUAL("kept", base[0], 3);
    return finish();
}

/* The native functions with pointers to nothing, classes and flags that are none, and
 * handles of nobody: each has its status, and nothing changes. */
#include "pages.h"

static void is(const char *name, NTSTATUS got, NTSTATUS want)
{
    EQUAL(name, (ULONG)got, (ULONG)want);
}

static char *base;

static void pages(void)
{
    PVOID at = base;
    SIZE_T size = PAGE;
    ULONG old = 0, none = 0;
    MEMORY_BASIC_INFORMATION info;
    const HANDLE nobody = (HANDLE)0xDEADBEE8;
    is("allocate-no-base", NtAllocateVirtualMemory(HERE, NULL, 0, &size, MEM_COMMIT, PAGE_READWRITE),
       STATUS_ACCESS_VIOLATION);
    is("allocate-no-size", NtAllocateVirtualMemory(HERE, &at, 0, NULL, MEM_COMMIT, PAGE_READWRITE),
       STATUS_ACCESS_VIOLATION);
    is("allocate-nobody",
       NtAllocateVirtualMemory(nobody, &at, 0, &size, MEM_COMMIT, PAGE_READWRITE),
       STATUS_INVALID_HANDLE);
    is("allocate-zero-bits",
       NtAllocateVirtualMemory(HERE, &at, 22, &size, MEM_COMMIT, PAGE_READWRITE),
       STATUS_INVALID_PARAMETER_3);
    is("free-no-base", NtFreeVirtualMemory(HERE, NULL, &size, MEM_DECOMMIT),
       STATUS_ACCESS_VIOLATION);
    is("free-no-size", NtFreeVirtualMemory(HERE, &at, NULL, MEM_DECOMMIT),
       STATUS_ACCESS_VIOLATION);
    is("free-nobody", NtFreeVirtualMemory(nobody, &at, &size, MEM_DECOMMIT),
       STATUS_INVALID_HANDLE);
    is("protect-no-base", NtProtectVirtualMemory(HERE, NULL, &size, PAGE_READONLY, &old),
       STATUS_ACCESS_VIOLATION);
    is("protect-no-size", NtProtectVirtualMemory(HERE, &at, NULL, PAGE_READONLY, &old),
       STATUS_ACCESS_VIOLATION);
    is("protect-nobody", NtProtectVirtualMemory(nobody, &at, &size, PAGE_READONLY, &old),
       STATUS_INVALID_HANDLE);
    EQUAL("base-kept", at, base);
    EQUAL("size-kept", size, PAGE);
    is("query-no-buffer",
       NtQueryVirtualMemory(HERE, base, MemoryBasicInformation, NULL, sizeof info, NULL),
       STATUS_ACCESS_VIOLATION);
    is("query-nobody",
       NtQueryVirtualMemory(nobody, base, MemoryBasicInformation, &info, sizeof info, NULL),
       STATUS_INVALID_HANDLE);
    int unknown = 99; /* a constant would not compile as C++ */
    is("query-class",
       NtQueryVirtualMemory(HERE, base, (MEMORY_INFORMATION_CLASS)unknown, &info, sizeof info, NULL),
       STATUS_INVALID_INFO_CLASS);
    is("query-empty", NtQueryVirtualMemory(HERE, base, MemoryBasicInformation, &info, 0, NULL),
       STATUS_INFO_LENGTH_MISMATCH);
    MEMORY_RANGE_ENTRY range = {base, PAGE};
    is("advise-nobody",
       NtSetInformationVirtualMemory(nobody, VmPrefetchInformation, 1, &range, &none, sizeof none),
       STATUS_INVALID_HANDLE);
    none = 1;
    is("advise-flags",
       NtSetInformationVirtualMemory(HERE, VmPrefetchInformation, 1, &range, &none, sizeof none),
       STATUS_INVALID_PARAMETER_5);
    CHECK("untouched", tells(base, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE, base) && base[0] == 5);
}

static NTSTATUS map(HANDLE section, HANDLE process, PVOID *at, SIZE_T *size, ULONG_PTR bits,
                    int inherit, ULONG allocation)
{
    return NtMapViewOfSection(section, process, at, bits, 0, NULL, size, (SECTION_INHERIT)inherit,
                              allocation, PAGE_READWRITE);
}

static void sections(void)
{
    LARGE_INTEGER length;
    HANDLE section = NULL, other = NULL;
    PVOID at = NULL;
    SIZE_T size = 0;
    SECTION_BASIC_INFORMATION info;
    length.QuadPart = UNIT;
    is("section", NtCreateSection(&section, SECTION_ALL_ACCESS, NULL, &length, PAGE_READWRITE,
                                  SEC_COMMIT, NULL),
       STATUS_SUCCESS);
    is("create-no-handle", NtCreateSection(NULL, SECTION_ALL_ACCESS, NULL, &length, PAGE_READWRITE,
                                           SEC_COMMIT, NULL),
       STATUS_ACCESS_VIOLATION);
    is("create-no-file", NtCreateSection(&other, SECTION_ALL_ACCESS, NULL, &length, PAGE_READWRITE,
                                         SEC_COMMIT, (HANDLE)0xDEADBEE8),
       STATUS_INVALID_HANDLE);
    is("create-two-kinds", NtCreateSection(&other, SECTION_ALL_ACCESS, NULL, &length,
                                           PAGE_READWRITE, SEC_COMMIT | SEC_RESERVE, NULL),
       STATUS_INVALID_PARAMETER_6);
    EQUAL("none-made", other, 0);
    is("map-no-base", map(section, HERE, NULL, &size, 0, ViewShare, 0), STATUS_ACCESS_VIOLATION);
    is("map-no-size", map(section, HERE, &at, NULL, 0, ViewShare, 0), STATUS_ACCESS_VIOLATION);
    is("map-nobody", map(section, (HANDLE)0xDEADBEE8, &at, &size, 0, ViewShare, 0),
       STATUS_INVALID_HANDLE);
    is("map-inherit-0", map(section, HERE, &at, &size, 0, 0, 0), STATUS_INVALID_PARAMETER_8);
    is("map-inherit-3", map(section, HERE, &at, &size, 0, 3, 0), STATUS_INVALID_PARAMETER_8);
    is("map-allocation", map(section, HERE, &at, &size, 0, ViewShare, MEM_COMMIT),
       STATUS_INVALID_PARAMETER_9);
    is("map-zero-bits", map(section, HERE, &at, &size, 22, ViewShare, 0),
       STATUS_INVALID_PARAMETER_4);
    EQUAL("nothing-mapped", at, 0);
    EQUAL("size-as-it-was", size, 0);
    is("query-no-room", NtQuerySection(section, SectionBasicInformation, NULL, sizeof info, NULL),
       STATUS_ACCESS_VIOLATION);
    is("closed", NtClose(section), STATUS_SUCCESS);
    is("close-null", NtClose(NULL), STATUS_INVALID_HANDLE);
    is("map-closed", map(section, HERE, &at, &size, 0, ViewShare, 0), STATUS_INVALID_HANDLE);
}

int main(void)
{
    base = (char *)VirtualAlloc(NULL, 2 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    NEED("committed", base);
    base[0] = 5;
    pages();
    sections();
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}

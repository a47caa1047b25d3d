/* Sections whose pages are committed one by one. */
#include "check.h"

static void is(const char *name, char *at, DWORD state, DWORD protect, SIZE_T size)
{
    char full[64];
    MEMORY_BASIC_INFORMATION info;
    VirtualQuery(at, &info, sizeof info);
    snprintf(full, sizeof full, "%s-state", name);
    EQUAL(full, info.State, state);
    snprintf(full, sizeof full, "%s-protect", name);
    EQUAL(full, info.Protect, protect);
    snprintf(full, sizeof full, "%s-size", name);
    EQUAL(full, info.RegionSize, size);
    snprintf(full, sizeof full, "%s-type", name);
    EQUAL(full, info.Type, MEM_MAPPED);
}

int main(void)
{
    HANDLE section = make_section(PAGE_READWRITE | SEC_RESERVE, 0x10000);
    NEED("section", section);
    char *view = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    char *other = (char *)MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    NEED("views", view && other);
    is("at-first", view, MEM_RESERVE, 0, 0x10000);
    EQUAL("commit", VirtualAlloc(view + 0x2000, 0x2000, MEM_COMMIT, PAGE_READWRITE), view + 0x2000);
    is("before", view, MEM_RESERVE, 0, 0x2000);
    is("committed", view + 0x2000, MEM_COMMIT, PAGE_READWRITE, 0x2000);
    is("behind", view + 0x4000, MEM_RESERVE, 0, 0xC000);
    is("other-before", other, MEM_RESERVE, 0, 0x2000);
    is("other-committed", other + 0x2000, MEM_COMMIT, PAGE_READONLY, 0x2000);
    view[0x2000] = 'r';
    EQUAL("shared", other[0x2000], 'r');
    SetLastError(UNTOUCHED);
    CHECK("decommit-refused", !VirtualFree(view + 0x2000, 0x1000, MEM_DECOMMIT));
    EQUAL("decommit-error", GetLastError(), ERROR_INVALID_PARAMETER);
    SetLastError(UNTOUCHED);
    CHECK("release-refused", !VirtualFree(view, 0, MEM_RELEASE));
    EQUAL("release-error", GetLastError(), ERROR_INVALID_PARAMETER);
    char *third = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("third", third);
    is("third-committed", third + 0x2000, MEM_COMMIT, PAGE_READWRITE, 0x2000);
    EQUAL("third-shared", third[0x2000], 'r');
    CHECK("unmapped", UnmapViewOfFile(view) && UnmapViewOfFile(other) && UnmapViewOfFile(third));
    CloseHandle(section);
    return finish();
}

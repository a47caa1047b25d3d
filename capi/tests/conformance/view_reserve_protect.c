/* The protection that pages of a section of reserved pages are committed with. */
#include "check.h"

static void is(const char *name, char *at, DWORD state, DWORD protect)
{
    char full[64];
    MEMORY_BASIC_INFORMATION info;
    VirtualQuery(at, &info, sizeof info);
    snprintf(full, sizeof full, "%s-state", name);
    EQUAL(full, info.State, state);
    snprintf(full, sizeof full, "%s-protect", name);
    EQUAL(full, info.Protect, protect);
}

int main(void)
{
    HANDLE section = make_section(PAGE_READWRITE | SEC_RESERVE, 0x10000);
    NEED("section", section);
    char *view = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    char *other = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("views", view && other);
    CHECK("commit", VirtualAlloc(view, 0x2000, MEM_COMMIT, PAGE_READONLY));
    is("read-only", view, MEM_COMMIT, PAGE_READONLY);
    is("in-the-other", other, MEM_COMMIT, PAGE_READWRITE);
    other[0x1000] = 'o';
    EQUAL("shared", view[0x1000], 'o');
    CHECK("again", VirtualAlloc(view + 0x1000, 0x2000, MEM_COMMIT, PAGE_READWRITE));
    is("first", view, MEM_COMMIT, PAGE_READONLY);
    is("changed", view + 0x1000, MEM_COMMIT, PAGE_READWRITE);
    is("fresh", view + 0x2000, MEM_COMMIT, PAGE_READWRITE);
    is("behind", view + 0x3000, MEM_RESERVE, 0);
    view[0x1000] = 'v';
    EQUAL("written", other[0x1000], 'v');
    SetLastError(UNTOUCHED);
    CHECK("too-much", !VirtualAlloc(view + 0x3000, 0x1000, MEM_COMMIT, PAGE_EXECUTE_READWRITE));
    EQUAL("too-much-error", GetLastError(), ERROR_INVALID_PARAMETER);
    is("not-committed", view + 0x3000, MEM_RESERVE, 0);
    CHECK("unmapped", UnmapViewOfFile(view) && UnmapViewOfFile(other));
    CloseHandle(section);
    return finish();
}

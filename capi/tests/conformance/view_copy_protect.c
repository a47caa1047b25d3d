/* Pages that are copied when they are written to: what they say of themselves then, and
 * copies that VirtualProtect asks for in a view that is written to. */
#include "check.h"

static void is(const char *name, char *at, DWORD protect, SIZE_T size)
{
    char full[64];
    MEMORY_BASIC_INFORMATION info;
    VirtualQuery(at, &info, sizeof info);
    snprintf(full, sizeof full, "%s-protect", name);
    EQUAL(full, info.Protect, protect);
    snprintf(full, sizeof full, "%s-size", name);
    EQUAL(full, info.RegionSize, size);
}

int main(void)
{
    HANDLE section = make_section(PAGE_READWRITE, 0x8000);
    NEED("section", section);
    char *copy = (char *)MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 0);
    char *view = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    char *other = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("views", copy && view && other);
    DWORD old = 0;

    is("untouched", copy, PAGE_WRITECOPY, 0x8000);
    CHECK("read", copy[0x1000] == 0);
    copy[0x2000] = 'c';
    copy[0x3000] = 'c';
    is("before", copy, PAGE_WRITECOPY, 0x2000);
    is("written", copy + 0x2000, PAGE_READWRITE, 0x2000);
    is("behind", copy + 0x4000, PAGE_WRITECOPY, 0x4000);
    MEMORY_BASIC_INFORMATION info;
    VirtualQuery(copy + 0x2000, &info, sizeof info);
    EQUAL("allocation-protect", info.AllocationProtect, PAGE_WRITECOPY);
    CHECK("to-read", VirtualProtect(copy + 0x2000, 0x1000, PAGE_READONLY, &old));
    EQUAL("was-written", old, PAGE_READWRITE);
    EQUAL("kept", copy[0x2000], 'c');

    view[0] = 'v';
    CHECK("to-copy", VirtualProtect(view, 0x3000, PAGE_WRITECOPY, &old));
    EQUAL("was", old, PAGE_READWRITE);
    is("copies", view, PAGE_WRITECOPY, 0x3000);
    other[0] = 'o';
    EQUAL("sees-the-others", view[0], 'o');
    view[0x1000] = 'm';
    EQUAL("own", view[0x1000], 'm');
    EQUAL("not-the-others", other[0x1000], 0);
    is("one-copied", view + 0x1000, PAGE_READWRITE, 0x1000);
    view[0x3000] = 's';
    EQUAL("the-rest-is-shared", other[0x3000], 's');

    /* Copies stay, the other pages are shared again. */
    CHECK("to-write", VirtualProtect(view, 0x3000, PAGE_READWRITE, &old));
    view[0] = 'w';
    EQUAL("shared-again", other[0], 'w');
    EQUAL("still-own", view[0x1000], 'm');
    view[0x1000] = 'n';
    EQUAL("still-not-the-others", other[0x1000], 0);
    CHECK("to-copy-again", VirtualProtect(view, 0x3000, PAGE_WRITECOPY, &old));
    EQUAL("copy-kept", view[0x1000], 'n');

    CHECK("unmapped", UnmapViewOfFile(copy) && UnmapViewOfFile(view) && UnmapViewOfFile(other));
    CloseHandle(section);
    return finish();
}

/* Where views can begin. */
#include "check.h"

static void refused(const char *name, void *view, DWORD want)
{
    char full[64];
    DWORD error = GetLastError();
    CHECK(name, !view);
    snprintf(full, sizeof full, "%s-error", name);
    EQUAL(full, error, want);
    SetLastError(UNTOUCHED);
}

int main(void)
{
    HANDLE section = make_section(PAGE_READWRITE, 0x40000);
    NEED("section", section);
    SetLastError(UNTOUCHED);
    refused("offset-page", MapViewOfFile(section, FILE_MAP_READ, 0, 0x1000, 0),
            ERROR_MAPPED_ALIGNMENT);
    refused("offset-odd", MapViewOfFile(section, FILE_MAP_READ, 0, 1, 0), ERROR_MAPPED_ALIGNMENT);
    refused("too-long", MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0x50000), ERROR_ACCESS_DENIED);
    refused("too-long-from-offset", MapViewOfFile(section, FILE_MAP_READ, 0, 0x30000, 0x20000),
            ERROR_ACCESS_DENIED);
    char *view = (char *)MapViewOfFile(section, FILE_MAP_READ, 0, 0x10000, 0x10001);
    NEED("view", view);
    MEMORY_BASIC_INFORMATION info;
    VirtualQuery(view, &info, sizeof info);
    EQUAL("whole-pages", info.RegionSize, 0x11000);
    char *rest = (char *)MapViewOfFile(section, FILE_MAP_READ, 0, 0x30000, 0);
    NEED("rest", rest);
    VirtualQuery(rest, &info, sizeof info);
    EQUAL("to-the-end", info.RegionSize, 0x10000);
    UnmapViewOfFile(rest);
    SetLastError(UNTOUCHED);
    refused("occupied", MapViewOfFileEx(section, FILE_MAP_READ, 0, 0, 0, view),
            ERROR_INVALID_ADDRESS);
    refused("address-page", MapViewOfFileEx(section, FILE_MAP_READ, 0, 0, 0, view + 0x1000),
            ERROR_MAPPED_ALIGNMENT);
    UnmapViewOfFile(view);

    char *place = (char *)VirtualAlloc(NULL, 0x40000, MEM_RESERVE, PAGE_NOACCESS);
    NEED("place", place && VirtualFree(place, 0, MEM_RELEASE));
    view = (char *)MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, place);
    EQUAL("at-the-address", view, place);
    if (view)
        UnmapViewOfFile(view);

    SetLastError(UNTOUCHED);
    refused("no-handle", MapViewOfFile((HANDLE)0xDEADBEE8, FILE_MAP_READ, 0, 0, 0),
            ERROR_INVALID_HANDLE);
    CloseHandle(section);
    SetLastError(UNTOUCHED);
    refused("closed", MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0), ERROR_INVALID_HANDLE);
    return finish();
}

/* What FILE_MAP_... make of a view. */
#include "check.h"

/* MinGW's headers do not have it. */
#ifndef FILE_MAP_TARGETS_INVALID
#define FILE_MAP_TARGETS_INVALID 0x40000000
#endif

static void gives(const char *name, HANDLE section, DWORD access, DWORD protect)
{
    char full[64];
    MEMORY_BASIC_INFORMATION info;
    void *view = MapViewOfFile(section, access, 0, 0, 0);
    if (!CHECK(name, view))
        return;
    VirtualQuery(view, &info, sizeof info);
    snprintf(full, sizeof full, "%s-allocation", name);
    EQUAL(full, info.AllocationProtect, protect);
    snprintf(full, sizeof full, "%s-protect", name);
    EQUAL(full, info.Protect, protect);
    snprintf(full, sizeof full, "%s-type", name);
    EQUAL(full, info.Type, MEM_MAPPED);
    snprintf(full, sizeof full, "%s-state", name);
    EQUAL(full, info.State, MEM_COMMIT);
    UnmapViewOfFile(view);
}

static void refused(const char *name, HANDLE section, DWORD access)
{
    char full[64];
    SetLastError(UNTOUCHED);
    void *view = MapViewOfFile(section, access, 0, 0, 0);
    CHECK(name, !view);
    snprintf(full, sizeof full, "%s-error", name);
    EQUAL(full, GetLastError(), ERROR_ACCESS_DENIED);
    if (view)
        UnmapViewOfFile(view);
}

int main(void)
{
    HANDLE all = make_section(PAGE_EXECUTE_READWRITE, 0x3000);
    NEED("all", all);
    gives("nothing", all, 0, PAGE_NOACCESS);
    gives("copy", all, FILE_MAP_COPY, PAGE_WRITECOPY);
    gives("read", all, FILE_MAP_READ, PAGE_READONLY);
    gives("write", all, FILE_MAP_WRITE, PAGE_READWRITE);
    gives("both", all, FILE_MAP_WRITE | FILE_MAP_READ, PAGE_READWRITE);
    gives("everything", all, FILE_MAP_ALL_ACCESS, PAGE_READWRITE);
    gives("copy-run", all, FILE_MAP_COPY | FILE_MAP_EXECUTE, PAGE_EXECUTE_WRITECOPY);
    gives("read-run", all, FILE_MAP_READ | FILE_MAP_EXECUTE, PAGE_EXECUTE_READ);
    gives("write-run", all, FILE_MAP_WRITE | FILE_MAP_EXECUTE, PAGE_EXECUTE_READWRITE);
    gives("map-execute-is-nothing", all, FILE_MAP_READ | SECTION_MAP_EXECUTE, PAGE_READONLY);
    gives("no-targets", all, FILE_MAP_READ | FILE_MAP_EXECUTE | FILE_MAP_TARGETS_INVALID,
          PAGE_EXECUTE_READ);
    CloseHandle(all);

    HANDLE read = make_section(PAGE_READONLY, 0x1000);
    NEED("readonly", read);
    gives("readonly-nothing", read, 0, PAGE_NOACCESS);
    gives("readonly-copy", read, FILE_MAP_COPY, PAGE_WRITECOPY);
    gives("readonly-read", read, FILE_MAP_READ, PAGE_READONLY);
    refused("readonly-write", read, FILE_MAP_WRITE);
    refused("readonly-everything", read, FILE_MAP_ALL_ACCESS);
    refused("readonly-run", read, FILE_MAP_READ | FILE_MAP_EXECUTE);
    CloseHandle(read);

    HANDLE copy = make_section(PAGE_WRITECOPY, 0x1000);
    NEED("writecopy", copy);
    gives("writecopy-copy", copy, FILE_MAP_COPY, PAGE_WRITECOPY);
    gives("writecopy-read", copy, FILE_MAP_READ, PAGE_READONLY);
    refused("writecopy-write", copy, FILE_MAP_WRITE);
    CloseHandle(copy);
    return finish();
}

/* The rights of a section's handle are enforced. */
#include "check.h"

#define NAME "ntheap-conformance-rights"

static void maps(const char *name, HANDLE section, DWORD access, BOOL want)
{
    char full[64];
    SetLastError(UNTOUCHED);
    void *view = MapViewOfFile(section, access, 0, 0, 0);
    EQUAL(name, view != NULL, want);
    if (!want) {
        snprintf(full, sizeof full, "%s-error", name);
        EQUAL(full, GetLastError(), ERROR_ACCESS_DENIED);
    }
    if (view)
        UnmapViewOfFile(view);
}

static HANDLE duplicate(HANDLE handle, DWORD access)
{
    HANDLE other = NULL;
    DuplicateHandle(GetCurrentProcess(), handle, GetCurrentProcess(), &other, access, FALSE, 0);
    return other;
}

int main(void)
{
    HANDLE all = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 0x1000, NAME);
    NEED("all", all);
    HANDLE read = OpenFileMappingA(FILE_MAP_READ, FALSE, NAME);
    HANDLE write = OpenFileMappingA(FILE_MAP_WRITE, FALSE, NAME);
    HANDLE copy = OpenFileMappingA(FILE_MAP_COPY, FALSE, NAME);
    NEED("opened", read && write && copy);
    maps("read-read", read, FILE_MAP_READ, TRUE);
    maps("read-copy", read, FILE_MAP_COPY, TRUE);
    maps("read-nothing", read, 0, TRUE);
    maps("read-write", read, FILE_MAP_WRITE, FALSE);
    maps("write-read", write, FILE_MAP_READ, FALSE);
    maps("write-nothing", write, 0, FALSE);
    maps("write-write", write, FILE_MAP_WRITE, TRUE);
    maps("copy-copy", copy, FILE_MAP_COPY, TRUE);
    maps("copy-write", copy, FILE_MAP_WRITE, FALSE);
    CloseHandle(read);
    CloseHandle(write);
    CloseHandle(copy);
    read = duplicate(all, FILE_MAP_READ);
    write = duplicate(all, FILE_MAP_WRITE);
    NEED("duplicated", read && write);
    maps("duplicate-read-read", read, FILE_MAP_READ, TRUE);
    maps("duplicate-read-write", read, FILE_MAP_WRITE, FALSE);
    maps("duplicate-write-read", write, FILE_MAP_READ, FALSE);
    CloseHandle(read);
    CloseHandle(write);
    CloseHandle(all);
    return finish();
}

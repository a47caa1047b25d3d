/* Views that are asked for beyond their section, beyond the addresses that there are, or
 * of what is no section; sections of sizes that there is no room for; and what is flushed
 * beyond a view. */
#include "bad_pages.h"

int main(void)
{
    HANDLE section = make_section(PAGE_READWRITE, 4 * UNIT);
    char *view = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 2 * UNIT);
    char *room = (char *)VirtualAlloc(NULL, 8 * UNIT, MEM_RESERVE, PAGE_NOACCESS);
    NEED("views", view && room && VirtualFree(room, 0, MEM_RELEASE));
    const DWORD read = FILE_MAP_READ;
    SetLastError(UNTOUCHED);
    refuses("map", "at-the-end", !MapViewOfFile(section, read, 0, 4 * UNIT, 0),
            ERROR_ACCESS_DENIED);
    refuses("map", "behind-the-end", !MapViewOfFile(section, read, 0, 8 * UNIT, 0),
            ERROR_ACCESS_DENIED);
    refuses("map", "far-behind", !MapViewOfFile(section, read, 0x7FFFFFFF, 0xFFFF0000u, 0), 0);
    refuses("map", "negative-offset", !MapViewOfFile(section, read, 0xFFFFFFFFu, 0xFFFF0000u, 0),
            0);
    refuses("map", "all-sizes", !MapViewOfFile(section, read, 0, 0, (SIZE_T)-1), 0);
    refuses("map", "offset-and-size-wrap",
            !MapViewOfFile(section, read, 0, UNIT, (SIZE_T)0 - UNIT), 0);
    refuses("map", "a-byte-more", !MapViewOfFile(section, read, 0, UNIT, 3 * UNIT + 1),
            ERROR_ACCESS_DENIED);
    refuses("map-at", "the-first-unit",
            !MapViewOfFileEx(section, read, 0, 0, 0, (void *)(ULONG_PTR)PAGE), 0);
    refuses("map-at", "no-address",
            !MapViewOfFileEx(section, read, 0, 0, 0, (void *)(ULONG_PTR)0xFFFF800000000000ull), 0);
    refuses("map-at", "the-last-unit",
            !MapViewOfFileEx(section, read, 0, 0, 0, (void *)~(ULONG_PTR)0xFFFF), 0);
    refuses("map-at", "over-the-view", !MapViewOfFileEx(section, read, 0, 0, 0, view + UNIT),
            ERROR_INVALID_ADDRESS);
    refuses("map-at", "into-the-view",
            !MapViewOfFileEx(section, read, 0, 0, 0, view - UNIT * 2), ERROR_INVALID_ADDRESS);
    refuses("map", "null", !MapViewOfFile(NULL, read, 0, 0, 0), ERROR_INVALID_HANDLE);
    refuses("map", "the-process", !MapViewOfFile(GetCurrentProcess(), read, 0, 0, 0),
            ERROR_INVALID_HANDLE);
    const char *path = scratch("viewbad");
    NEED("file", make_file(path, UNIT));
    HANDLE file = open_file(path, GENERIC_READ);
    SetLastError(UNTOUCHED);
    refuses("map", "a-file", !MapViewOfFile(file, read, 0, 0, 0), ERROR_INVALID_HANDLE);
    refuses("section", "of-a-section",
            !CreateFileMappingA(section, NULL, PAGE_READONLY, 0, 0, NULL), ERROR_INVALID_HANDLE);
    refuses("section", "of-garbage",
            !CreateFileMappingA((HANDLE)0xDEADBEE8, NULL, PAGE_READONLY, 0, 0, NULL),
            ERROR_INVALID_HANDLE);
    refuses("section", "of-all-bytes",
            !CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0xFFFFFFFFu,
                                0xFFFFFFFFu, NULL),
            0);
    refuses("section", "of-more-than-the-file",
            !CreateFileMappingA(file, NULL, PAGE_READONLY, 0x7FFFFFFF, 0, NULL), 0);
    CloseHandle(file);
    remove(path);

    SetLastError(UNTOUCHED);
    refuses("flush", "beyond", !FlushViewOfFile(view, 2 * UNIT + PAGE + 1), 0);
    refuses("flush", "from-inside", !FlushViewOfFile(view + UNIT, 2 * UNIT), 0);
    refuses("flush", "where-none-is", !FlushViewOfFile(room, PAGE), 0);
    refuses("unmap", "behind", !UnmapViewOfFile(view + 2 * UNIT), ERROR_INVALID_ADDRESS);
    CHECK("untouched", tells(view, 2 * UNIT, MEM_COMMIT, PAGE_READWRITE, view));
    EQUAL("nothing-there", query(room).State, MEM_FREE);
    CHECK("ended", UnmapViewOfFile(view) && CloseHandle(section));
    return finish();
}

/* Views that copy what is written to. */
#include "check.h"

int main(void)
{
    const char *path = scratch("copy");
    NEED("file", make_file(path, 0x3000));
    HANDLE file = open_file(path, GENERIC_READ | GENERIC_WRITE);
    NEED("opened", file != INVALID_HANDLE_VALUE);
    HANDLE section = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, NULL);
    NEED("section", section);
    char *copy = (char *)MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 0);
    char *other = (char *)MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 0);
    char *shared = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("views", copy && other && shared);

    shared[1] = 'a';
    EQUAL("seen-before-the-copy", copy[1], 'a');
    copy[0] = 'c';
    EQUAL("own", copy[0], 'c');
    EQUAL("not-in-the-section", shared[0], 0);
    EQUAL("not-in-the-other-copy", other[0], 0);
    shared[1] = 'b';
    EQUAL("copied-page-stays", copy[1], 'a');
    EQUAL("other-still-sees", other[1], 'b');
    shared[0x1000] = 'd';
    EQUAL("next-page-still-sees", copy[0x1000], 'd');

    MEMORY_BASIC_INFORMATION info;
    EQUAL("query", VirtualQuery(copy + 0x1000, &info, sizeof info), sizeof info);
    EQUAL("allocation-protect", info.AllocationProtect, PAGE_WRITECOPY);
    EQUAL("untouched-protect", info.Protect, PAGE_WRITECOPY);
    CHECK("unmapped", UnmapViewOfFile(copy) && UnmapViewOfFile(other) && UnmapViewOfFile(shared));

    char bytes[2] = {9, 9};
    DWORD count = 0;
    CHECK("read", ReadFile(file, bytes, 2, &count, NULL) && count == 2);
    EQUAL("file-not-written", bytes[0], 0);
    EQUAL("file-written", bytes[1], 'b');
    CloseHandle(section);
    CloseHandle(file);
    remove(path);
    return finish();
}

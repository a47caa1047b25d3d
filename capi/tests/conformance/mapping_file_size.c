/* A section and its file's length. */
#include "check.h"

int main(void)
{
    const char *path = scratch("size");
    NEED("file", make_file(path, 0x1100));
    HANDLE file = open_file(path, GENERIC_READ | GENERIC_WRITE);
    NEED("opened", file != INVALID_HANDLE_VALUE);

    SetLastError(UNTOUCHED);
    CHECK("read-only-refused", !CreateFileMappingA(file, NULL, PAGE_READONLY, 0, 0x3000, NULL));
    EQUAL("read-only-error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    EQUAL("still-short", GetFileSize(file, NULL), 0x1100);

    HANDLE section = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0x3000, NULL);
    NEED("grows", section);
    EQUAL("grown", GetFileSize(file, NULL), 0x3000);
    char *view = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("view", view);
    EQUAL("old-contents", (BYTE)view[0x10FF], 0x10FF % 251);
    EQUAL("new-contents", view[0x1100], 0);
    view[0x2FFF] = 'x';
    CHECK("flushed", FlushViewOfFile(view, 0));
    CHECK("flushed-part", FlushViewOfFile(view + 0x1000, 0x800));
    CHECK("unmapped", UnmapViewOfFile(view));
    CloseHandle(section);

    char last = 0;
    DWORD count = 0;
    EQUAL("seek", SetFilePointer(file, -1, NULL, FILE_END), 0x2FFF);
    CHECK("read", ReadFile(file, &last, 1, &count, NULL) && count == 1);
    EQUAL("written-through", last, 'x');

    LARGE_INTEGER size, zero;
    zero.QuadPart = 0;
    CHECK("size-ex", GetFileSizeEx(file, &size));
    EQUAL("size-ex-value", size.QuadPart, 0x3000);

    CHECK("to-start", SetFilePointerEx(file, zero, NULL, FILE_BEGIN));
    CHECK("emptied", SetEndOfFile(file));
    SetLastError(UNTOUCHED);
    CHECK("empty-refused", !CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, NULL));
    EQUAL("empty-error", GetLastError(), ERROR_FILE_INVALID);

    SetLastError(UNTOUCHED);
    CHECK("memory-without-size", !make_section(PAGE_READWRITE, 0));
    EQUAL("memory-without-size-error", GetLastError(), ERROR_INVALID_PARAMETER);
    CloseHandle(file);
    remove(path);
    return finish();
}

/* Files and sections by wide names. */
#include "check.h"

static const WCHAR NAME[] = {'n', 't', 'h', 'e', 'a', 'p', '-', 'w', 'i', 'd', 'e', 0};

int main(void)
{
    const char *path = scratch("wide");
    WCHAR wide[260];
    NEED("file", make_file(path, 0x1000));
    for (size_t i = 0; i <= strlen(path); i++)
        wide[i] = (WCHAR)(unsigned char)path[i];
    HANDLE file = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, NULL,
                              OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    NEED("opened", file != INVALID_HANDLE_VALUE);
    HANDLE section = CreateFileMappingW(file, NULL, PAGE_READWRITE, 0, 0, NAME);
    NEED("section", section);
    HANDLE other = OpenFileMappingW(FILE_MAP_READ, FALSE, NAME);
    NEED("other", other);
    char *view = (char *)MapViewOfFile(other, FILE_MAP_READ, 0, 0, 0);
    NEED("view", view);
    EQUAL("contents", (BYTE)view[300], 300 % 251);
    CHECK("unmapped", UnmapViewOfFile(view));
    SetLastError(UNTOUCHED);
    HANDLE third = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 0x1000, NAME);
    EQUAL("third-error", GetLastError(), ERROR_ALREADY_EXISTS);
    CHECK("third", third != NULL);
    CloseHandle(third);
    CloseHandle(other);
    CloseHandle(section);
    CloseHandle(file);
    remove(path);
    SetLastError(UNTOUCHED);
    EQUAL("missing", CreateFileW(wide, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL),
          INVALID_HANDLE_VALUE);
    EQUAL("missing-error", GetLastError(), ERROR_FILE_NOT_FOUND);
    SetLastError(UNTOUCHED);
    CHECK("gone", !OpenFileMappingW(FILE_MAP_READ, FALSE, NAME));
    EQUAL("gone-error", GetLastError(), ERROR_FILE_NOT_FOUND);
    return finish();
}

/* Names of sections. */
#include "check.h"

#define NAME "ntheap-conformance-Names"

static HANDLE named(const char *name, DWORD size)
{
    return CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, size, name);
}

int main(void)
{
    SetLastError(UNTOUCHED);
    CHECK("missing-refused", !OpenFileMappingA(FILE_MAP_READ, FALSE, NAME));
    EQUAL("missing-error", GetLastError(), ERROR_FILE_NOT_FOUND);

    SetLastError(UNTOUCHED);
    HANDLE first = named(NAME, 0x2000);
    DWORD error = GetLastError();
    NEED("first", first);
    EQUAL("first-error", error, ERROR_SUCCESS);
    char *view = (char *)MapViewOfFile(first, FILE_MAP_WRITE, 0, 0, 0);
    NEED("first-view", view);
    strcpy(view, "seen by all");

    SetLastError(UNTOUCHED);
    HANDLE second = named(NAME, 0x10000);
    error = GetLastError();
    NEED("second", second);
    EQUAL("second-error", error, ERROR_ALREADY_EXISTS);
    CHECK("second-is-another-handle", second != first);
    char *other = (char *)MapViewOfFile(second, FILE_MAP_READ, 0, 0, 0);
    NEED("second-view", other);
    CHECK("second-is-the-first", strcmp(other, "seen by all") == 0);
    MEMORY_BASIC_INFORMATION info;
    EQUAL("query", VirtualQuery(other, &info, sizeof info), sizeof info);
    EQUAL("size-of-the-first", info.RegionSize, 0x2000);

    static const WCHAR wide[] = {'n', 't', 'h', 'e', 'a', 'p', '-', 'c', 'o', 'n', 'f', 'o', 'r',
                                 'm', 'a', 'n', 'c', 'e', '-', 'N', 'a', 'm', 'e', 's', 0};
    HANDLE third = OpenFileMappingW(FILE_MAP_READ, FALSE, wide);
    NEED("wide", third);
    CloseHandle(third);
    third = OpenFileMappingA(FILE_MAP_READ, FALSE, "Local\\" NAME);
    NEED("local", third);
    CloseHandle(third);
    SetLastError(UNTOUCHED);
    CHECK("case", !OpenFileMappingA(FILE_MAP_READ, FALSE, "ntheap-conformance-names"));
    EQUAL("case-error", GetLastError(), ERROR_FILE_NOT_FOUND);

    CloseHandle(first);
    third = OpenFileMappingA(FILE_MAP_READ, FALSE, NAME);
    CHECK("held-by-the-second", third != NULL);
    CloseHandle(third);
    CloseHandle(second);
    SetLastError(UNTOUCHED);
    CHECK("gone-refused", !OpenFileMappingA(FILE_MAP_READ, FALSE, NAME));
    EQUAL("gone-error", GetLastError(), ERROR_FILE_NOT_FOUND);
    CHECK("views-remain", strcmp(view, "seen by all") == 0);

    SetLastError(UNTOUCHED);
    first = named(NAME, 0x1000);
    error = GetLastError();
    NEED("again", first);
    EQUAL("again-error", error, ERROR_SUCCESS);
    char *fresh = (char *)MapViewOfFile(first, FILE_MAP_READ, 0, 0, 0);
    NEED("again-view", fresh);
    EQUAL("again-is-fresh", fresh[0], 0);
    UnmapViewOfFile(fresh);
    CloseHandle(first);
    CHECK("unmapped", UnmapViewOfFile(view) && UnmapViewOfFile(other));

    SetLastError(UNTOUCHED);
    CHECK("path-refused", !named("no\\such\\folder", 0x1000));
    EQUAL("path-error", GetLastError(), ERROR_PATH_NOT_FOUND);
    return finish();
}

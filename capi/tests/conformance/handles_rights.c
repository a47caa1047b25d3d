/* The rights of a duplicated handle: of a file no more than the source has, of a section
 * whatever is asked for. */
#include "check.h"

/* FILE_READ_ATTRIBUTES: not to read the contents. */
#define FILE_ATTRIBUTES_RIGHT 0x80

static HANDLE duplicate(HANDLE handle, DWORD access, DWORD options)
{
    HANDLE self = GetCurrentProcess(), other = NULL;
    SetLastError(UNTOUCHED);
    return DuplicateHandle(self, handle, self, &other, access, FALSE, options) ? other : NULL;
}

static void denied(const char *name, HANDLE file, DWORD access)
{
    char full[64];
    EQUAL(name, duplicate(file, access, 0), 0);
    snprintf(full, sizeof full, "%s-error", name);
    EQUAL(full, GetLastError(), ERROR_ACCESS_DENIED);
}

int main(void)
{
    const char *path = scratch("handles-rights");
    char bytes[4];
    DWORD count = 0;
    NEED("made", make_file(path, 100));
    HANDLE file = open_file(path, GENERIC_READ);
    NEED("opened", file != INVALID_HANDLE_VALUE);
    denied("read-to-write", file, GENERIC_WRITE);
    denied("read-to-both", file, GENERIC_READ | GENERIC_WRITE);
    denied("read-to-all", file, GENERIC_ALL);
    HANDLE other = duplicate(file, GENERIC_READ, 0);
    NEED("read-to-read", other);
    CHECK("reads", ReadFile(other, bytes, 4, &count, NULL) && count == 4 && bytes[3] == 3);
    CHECK("closed", CloseHandle(other));
    HANDLE none = duplicate(file, FILE_ATTRIBUTES_RIGHT, 0);
    NEED("read-to-less", none);
    SetLastError(UNTOUCHED);
    EQUAL("less-does-not-read", ReadFile(none, bytes, 4, &count, NULL), FALSE);
    EQUAL("less-error", GetLastError(), ERROR_ACCESS_DENIED);
    denied("less-to-read", none, GENERIC_READ);
    EQUAL("source-closed-if-denied", duplicate(none, GENERIC_READ, DUPLICATE_CLOSE_SOURCE), 0);
    EQUAL("it-is-closed", CloseHandle(none), FALSE);
    CHECK("file-closed", CloseHandle(file));
    file = open_file(path, GENERIC_READ | GENERIC_WRITE);
    NEED("opened-for-both", file != INVALID_HANDLE_VALUE);
    other = duplicate(file, GENERIC_WRITE, 0);
    NEED("both-to-write", other);
    EQUAL("write-does-not-read", ReadFile(other, bytes, 4, &count, NULL), FALSE);
    CHECK("both-closed", CloseHandle(other) && CloseHandle(file));
    remove(path);

    HANDLE section = make_section(PAGE_READWRITE, 0x1000);
    NEED("section", section);
    HANDLE read = duplicate(section, FILE_MAP_READ, 0);
    HANDLE again = duplicate(read, FILE_MAP_WRITE, 0);
    NEED("section-to-more", read && again);
    void *view = MapViewOfFile(again, FILE_MAP_WRITE, 0, 0, 0);
    CHECK("section-maps", view && UnmapViewOfFile(view));
    CHECK("all-closed", CloseHandle(again) && CloseHandle(read) && CloseHandle(section));
    return finish();
}

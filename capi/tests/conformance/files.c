/* Opening, reading and writing files. */
#include "check.h"

static HANDLE created(const char *path, DWORD access, DWORD disposition)
{
    SetLastError(UNTOUCHED);
    return CreateFileA(path, access, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, disposition,
                       FILE_ATTRIBUTE_NORMAL, NULL);
}

static void refused(const char *name, HANDLE file, DWORD want)
{
    char full[64];
    DWORD error = GetLastError();
    EQUAL(name, file, INVALID_HANDLE_VALUE);
    snprintf(full, sizeof full, "%s-error", name);
    EQUAL(full, error, want);
}

int main(void)
{
    const char *path = scratch("files");
    char missing[300];
    remove(path);
    refused("missing", created(path, GENERIC_READ, OPEN_EXISTING), ERROR_FILE_NOT_FOUND);
    refused("truncate-missing", created(path, GENERIC_WRITE, TRUNCATE_EXISTING),
            ERROR_FILE_NOT_FOUND);
    snprintf(missing, sizeof missing, "%s.folder/file", path);
    refused("no-folder", created(missing, GENERIC_READ, OPEN_EXISTING), ERROR_PATH_NOT_FOUND);
    refused("folder", created(".", GENERIC_READ, OPEN_EXISTING), ERROR_ACCESS_DENIED);
    refused("disposition", created(path, GENERIC_READ, 77), ERROR_INVALID_PARAMETER);

    HANDLE file = created(path, GENERIC_READ | GENERIC_WRITE, CREATE_NEW);
    NEED("new", file != INVALID_HANDLE_VALUE);
    refused("new-again", created(path, GENERIC_WRITE, CREATE_NEW), ERROR_FILE_EXISTS);
    DWORD count = 77;
    CHECK("written", WriteFile(file, "0123456789", 10, &count, NULL));
    EQUAL("written-count", count, 10);
    char bytes[16];
    CHECK("at-the-end", ReadFile(file, bytes, 4, &count, NULL));
    EQUAL("at-the-end-count", count, 0);
    EQUAL("seek", SetFilePointer(file, 3, NULL, FILE_BEGIN), 3);
    CHECK("read", ReadFile(file, bytes, 4, &count, NULL));
    CHECK("read-bytes", count == 4 && memcmp(bytes, "3456", 4) == 0);
    EQUAL("place", SetFilePointer(file, 0, NULL, FILE_CURRENT), 7);
    SetLastError(UNTOUCHED);
    EQUAL("before-the-start", SetFilePointer(file, -8, NULL, FILE_CURRENT),
          INVALID_SET_FILE_POINTER);
    EQUAL("before-the-start-error", GetLastError(), ERROR_NEGATIVE_SEEK);
    OVERLAPPED at;
    memset(&at, 0, sizeof at);
    at.Offset = 8;
    CHECK("read-at", ReadFile(file, bytes, 16, &count, &at));
    CHECK("read-at-bytes", count == 2 && memcmp(bytes, "89", 2) == 0);
    EQUAL("read-at-told", at.InternalHigh, 2);
    at.Offset = 10;
    SetLastError(UNTOUCHED);
    CHECK("read-behind", !ReadFile(file, bytes, 1, &count, &at));
    EQUAL("read-behind-error", GetLastError(), ERROR_HANDLE_EOF);
    EQUAL("size", GetFileSize(file, NULL), 10);
    CHECK("flushed", FlushFileBuffers(file));
    CloseHandle(file);

    file = created(path, GENERIC_READ, OPEN_ALWAYS);
    EQUAL("open-always-existing", GetLastError(), ERROR_ALREADY_EXISTS);
    SetLastError(UNTOUCHED);
    CHECK("write-denied", !WriteFile(file, "x", 1, &count, NULL));
    EQUAL("write-denied-error", GetLastError(), ERROR_ACCESS_DENIED);
    CloseHandle(file);
    file = created(path, GENERIC_WRITE, CREATE_ALWAYS);
    EQUAL("create-always-existing", GetLastError(), ERROR_ALREADY_EXISTS);
    EQUAL("emptied", GetFileSize(file, NULL), 0);
    CloseHandle(file);
    SetLastError(UNTOUCHED);
    CHECK("closed", !ReadFile(file, bytes, 1, &count, NULL));
    EQUAL("closed-error", GetLastError(), ERROR_INVALID_HANDLE);
    remove(path);
    file = created(path, GENERIC_WRITE, OPEN_ALWAYS);
    EQUAL("open-always-new", GetLastError(), ERROR_SUCCESS);
    CloseHandle(file);
    remove(path);
    return finish();
}

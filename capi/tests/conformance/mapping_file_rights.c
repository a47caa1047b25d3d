/* A section needs the rights of its file's handle. */
#include "check.h"

static void made(const char *name, HANDLE file, DWORD protect, BOOL want)
{
    char full[64];
    SetLastError(UNTOUCHED);
    HANDLE section = CreateFileMappingA(file, NULL, protect, 0, 0, NULL);
    EQUAL(name, section != NULL, want);
    if (!want) {
        snprintf(full, sizeof full, "%s-error", name);
        DWORD error = GetLastError();
        CHECK(full, error == ERROR_ACCESS_DENIED || error == ERROR_INVALID_PARAMETER);
    }
    if (section)
        CloseHandle(section);
}

int main(void)
{
    const char *path = scratch("rights");
    NEED("file", make_file(path, 0x1000));
    HANDLE read = open_file(path, GENERIC_READ);
    HANDLE both = open_file(path, GENERIC_READ | GENERIC_WRITE);
    HANDLE write = open_file(path, GENERIC_WRITE);
    HANDLE none = open_file(path, 0);
    NEED("opened", read != INVALID_HANDLE_VALUE && both != INVALID_HANDLE_VALUE &&
                       write != INVALID_HANDLE_VALUE && none != INVALID_HANDLE_VALUE);
    made("read-readonly", read, PAGE_READONLY, TRUE);
    made("read-writecopy", read, PAGE_WRITECOPY, TRUE);
    made("read-readwrite", read, PAGE_READWRITE, FALSE);
    made("both-readonly", both, PAGE_READONLY, TRUE);
    made("both-writecopy", both, PAGE_WRITECOPY, TRUE);
    made("both-readwrite", both, PAGE_READWRITE, TRUE);
    made("write-readonly", write, PAGE_READONLY, FALSE);
    made("write-readwrite", write, PAGE_READWRITE, FALSE);
    made("none-readonly", none, PAGE_READONLY, FALSE);
    made("none-writecopy", none, PAGE_WRITECOPY, FALSE);
    made("none-readwrite", none, PAGE_READWRITE, FALSE);

    CloseHandle(read);
    SetLastError(UNTOUCHED);
    CHECK("closed-refused", !CreateFileMappingA(read, NULL, PAGE_READONLY, 0, 0, NULL));
    EQUAL("closed-error", GetLastError(), ERROR_INVALID_HANDLE);
    CloseHandle(both);
    CloseHandle(write);
    CloseHandle(none);
    remove(path);
    return finish();
}

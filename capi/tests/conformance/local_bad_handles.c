/* The local functions with a freed handle and one that nobody made. */
#include "moveable.h"

static void bad(const char *what, HLOCAL handle)
{
    char name[64];
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("free"), LocalFree(handle), handle);
    EQUAL(NAMED("free-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("flags"), LocalFlags(handle), LMEM_INVALID_HANDLE);
    EQUAL(NAMED("flags-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("size"), LocalSize(handle), 0);
    EQUAL(NAMED("size-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("lock"), LocalLock(handle), 0);
    EQUAL(NAMED("lock-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("unlock"), LocalUnlock(handle), FALSE);
    EQUAL(NAMED("unlock-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("realloc"), LocalReAlloc(handle, 10, LMEM_MOVEABLE), 0);
    EQUAL(NAMED("realloc-error"), GetLastError(), ERROR_INVALID_HANDLE);
}

int main(void)
{
    HLOCAL freed = LocalAlloc(LMEM_MOVEABLE, 10);
    CHECK("freed", !LocalFree(freed));
    bad("freed", freed);
    bad("made-up", BAD_HANDLE);
    EQUAL("free-null", LocalFree(NULL), 0);
    EQUAL("realloc-null", LocalReAlloc(NULL, 10, LMEM_MOVEABLE), 0);
    EQUAL("size-null", LocalSize(NULL), 0);
    EQUAL("flags-null", LocalFlags(NULL), LMEM_INVALID_HANDLE);
    EQUAL("lock-null", LocalLock(NULL), 0);
    EQUAL("handle-null", LocalHandle(NULL), 0);
    return finish();
}

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
    HLOCAL freed = LocalAlloc(LMEM_MOVEABLE, 10), other = LocalAlloc(LMEM_MOVEABLE, 10);
    CHECK("freed", !LocalFree(freed));
    bad("freed", freed);
    bad("made-up", BAD_HANDLE);
    bad("beside-one", (HLOCAL)((char *)other + 0x100000));
    EQUAL("other-unharmed", LocalSize(other), 10);
    CHECK("other-freed", !LocalFree(other));
    return finish();
}

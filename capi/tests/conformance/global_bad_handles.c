/* The global functions with a freed handle and one that nobody made. */
#include "moveable.h"

static void bad(const char *what, HGLOBAL handle)
{
    char name[64];
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("free"), GlobalFree(handle), handle);
    EQUAL(NAMED("free-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("flags"), GlobalFlags(handle), GMEM_INVALID_HANDLE);
    EQUAL(NAMED("flags-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("size"), GlobalSize(handle), 0);
    EQUAL(NAMED("size-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("lock"), GlobalLock(handle), 0);
    EQUAL(NAMED("lock-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("unlock"), GlobalUnlock(handle), TRUE);
    EQUAL(NAMED("unlock-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("realloc"), GlobalReAlloc(handle, 10, GMEM_MOVEABLE), 0);
    EQUAL(NAMED("realloc-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("wire"), GlobalWire(handle), 0);
    EQUAL(NAMED("wire-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("unwire"), GlobalUnWire(handle), TRUE);
    EQUAL(NAMED("unwire-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    GlobalFix(handle);
    EQUAL(NAMED("fix-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    GlobalUnfix(handle);
    EQUAL(NAMED("unfix-error"), GetLastError(), ERROR_INVALID_HANDLE);
}

int main(void)
{
    HGLOBAL freed = GlobalAlloc(GMEM_MOVEABLE, 10), other = GlobalAlloc(GMEM_MOVEABLE, 10);
    CHECK("freed", !GlobalFree(freed));
    bad("freed", freed);
    bad("made-up", BAD_HANDLE);
    bad("beside-one", (HGLOBAL)((char *)other + 0x100000));
    EQUAL("other-unharmed", GlobalSize(other), 10);
    EQUAL("other-not-locked", GlobalFlags(other), 0);
    CHECK("other-freed", !GlobalFree(other));
    return finish();
}

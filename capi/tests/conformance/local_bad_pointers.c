/* The local functions with an address at which nothing can be read. */
#include "moveable.h"

int main(void)
{
    SetLastError(UNTOUCHED);
    EQUAL("size", LocalSize(NO_ADDRESS), 0);
    EQUAL("size-error", GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL("lock", LocalLock(NO_ADDRESS), 0);
    EQUAL("lock-error", GetLastError(), UNTOUCHED);
    SetLastError(UNTOUCHED);
    EQUAL("unlock", LocalUnlock(NO_ADDRESS), FALSE);
    EQUAL("unlock-error", GetLastError(), ERROR_NOT_LOCKED);
    SetLastError(UNTOUCHED);
    EQUAL("flags", LocalFlags(NO_ADDRESS), LMEM_INVALID_HANDLE);
    EQUAL("flags-error", GetLastError(), ERROR_NOACCESS);
    SetLastError(UNTOUCHED);
    EQUAL("handle", LocalHandle(NO_ADDRESS), 0);
    EQUAL("handle-error", GetLastError(), ERROR_NOACCESS);
    SetLastError(UNTOUCHED);
    EQUAL("free", LocalFree(NO_ADDRESS), NO_ADDRESS);
    EQUAL("free-error", GetLastError(), ERROR_NOACCESS);
    SetLastError(UNTOUCHED);
    EQUAL("realloc", LocalReAlloc(NO_ADDRESS, 10, LMEM_MOVEABLE), 0);
    EQUAL("realloc-error", GetLastError(), ERROR_NOACCESS);
    return finish();
}

/* The local functions with an address at which nothing can be read. */
#include "moveable.h"

int main(void)
{
    SetLastError(UNTOUCHED);
    EQUAL("size", LocalSize(BAD_ADDRESS), 0);
    EQUAL("size-error", GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL("lock", LocalLock(BAD_ADDRESS), 0);
    EQUAL("lock-error", GetLastError(), UNTOUCHED);
    SetLastError(UNTOUCHED);
    EQUAL("unlock", LocalUnlock(BAD_ADDRESS), FALSE);
    EQUAL("unlock-error", GetLastError(), ERROR_NOT_LOCKED);
    SetLastError(UNTOUCHED);
    EQUAL("flags", LocalFlags(BAD_ADDRESS), LMEM_INVALID_HANDLE);
    EQUAL("flags-error", GetLastError(), ERROR_NOACCESS);
    SetLastError(UNTOUCHED);
    EQUAL("handle", LocalHandle(BAD_ADDRESS), 0);
    EQUAL("handle-error", GetLastError(), ERROR_NOACCESS);
    SetLastError(UNTOUCHED);
    EQUAL("free", LocalFree(BAD_ADDRESS), BAD_ADDRESS);
    EQUAL("free-error", GetLastError(), ERROR_NOACCESS);
    SetLastError(UNTOUCHED);
    EQUAL("realloc", LocalReAlloc(BAD_ADDRESS, 10, LMEM_MOVEABLE), 0);
    EQUAL("realloc-error", GetLastError(), ERROR_NOACCESS);
    return finish();
}

/* The global functions with an address at which nothing can be read. */
#include "moveable.h"

int main(void)
{
    SetLastError(UNTOUCHED);
    EQUAL("flags", GlobalFlags(BAD_ADDRESS), GMEM_INVALID_HANDLE);
    EQUAL("flags-error", GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL("size", GlobalSize(BAD_ADDRESS), 0);
    EQUAL("size-error", GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL("lock", GlobalLock(BAD_ADDRESS), 0);
    EQUAL("lock-error", GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL("unlock", GlobalUnlock(BAD_ADDRESS), TRUE);
    EQUAL("unlock-error", GetLastError(), UNTOUCHED);
    SetLastError(UNTOUCHED);
    EQUAL("handle", GlobalHandle(BAD_ADDRESS), 0);
    EQUAL("handle-error", GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL("free", GlobalFree(BAD_ADDRESS), BAD_ADDRESS);
    EQUAL("free-error", GetLastError(), ERROR_NOACCESS);
    SetLastError(UNTOUCHED);
    EQUAL("realloc", GlobalReAlloc(BAD_ADDRESS, 10, GMEM_MOVEABLE), 0);
    EQUAL("realloc-error", GetLastError(), ERROR_NOACCESS);
    return finish();
}

/* The local functions with NULL, and the last errors they leave. */
#include "moveable.h"

int main(void)
{
    SetLastError(UNTOUCHED);
    EQUAL("free", LocalFree(NULL), 0);
    EQUAL("free-error", GetLastError(), UNTOUCHED);
    SetLastError(UNTOUCHED);
    EQUAL("realloc", LocalReAlloc(NULL, 10, GMEM_MOVEABLE), 0);
    EQUAL("realloc-error", GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL("size", LocalSize(NULL), 0);
    EQUAL("size-error", GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL("flags", LocalFlags(NULL), GMEM_INVALID_HANDLE);
    EQUAL("flags-error", GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL("handle", LocalHandle(NULL), 0);
    EQUAL("handle-error", GetLastError(), ERROR_INVALID_PARAMETER);
    /* Null is an address at which nothing can be read. */
    SetLastError(UNTOUCHED);
    EQUAL("lock", LocalLock(NULL), 0);
    EQUAL("lock-error", GetLastError(), UNTOUCHED);
    SetLastError(UNTOUCHED);
    EQUAL("unlock", LocalUnlock(NULL), FALSE);
    EQUAL("unlock-error", GetLastError(), ERROR_NOT_LOCKED);
    SetLastError(UNTOUCHED);
    EQUAL("discard", LocalDiscard(NULL), 0);
    EQUAL("discard-error", GetLastError(), ERROR_INVALID_HANDLE);
    return finish();
}

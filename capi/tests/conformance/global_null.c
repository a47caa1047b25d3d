/* The global functions with NULL, and the last errors they leave. */
#include "moveable.h"

int main(void)
{
    SetLastError(UNTOUCHED);
    EQUAL("free", GlobalFree(NULL), 0);
    EQUAL("free-error", GetLastError(), UNTOUCHED);
    SetLastError(UNTOUCHED);
    EQUAL("realloc", GlobalReAlloc(NULL, 10, GMEM_MOVEABLE), 0);
    EQUAL("realloc-error", GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL("size", GlobalSize(NULL), 0);
    EQUAL("size-error", GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL("flags", GlobalFlags(NULL), GMEM_INVALID_HANDLE);
    EQUAL("flags-error", GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL("handle", GlobalHandle(NULL), 0);
    EQUAL("handle-error", GetLastError(), ERROR_INVALID_PARAMETER);
    /* Null is an address at which nothing can be read. */
    SetLastError(UNTOUCHED);
    EQUAL("lock", GlobalLock(NULL), 0);
    EQUAL("lock-error", GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL("unlock", GlobalUnlock(NULL), TRUE);
    EQUAL("unlock-error", GetLastError(), UNTOUCHED);
    SetLastError(UNTOUCHED);
    EQUAL("discard", GlobalDiscard(NULL), 0);
    EQUAL("discard-error", GetLastError(), ERROR_INVALID_HANDLE);
    return finish();
}

/* HeapReAlloc of NULL is NULL and no allocation; the last error becomes 0. */
#include "check.h"

int main(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    SetLastError(UNTOUCHED);
    EQUAL("refused", HeapReAlloc(heap, 0, NULL, 100), 0);
    EQUAL("error", GetLastError(), NO_ERROR);
    EQUAL("zero-refused", HeapReAlloc(heap, 0, NULL, 0), 0);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

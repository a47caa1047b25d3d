/* HeapFree of NULL is TRUE, even of no heap; so is HeapFree of a block. */
#include "check.h"

int main(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    SetLastError(UNTOUCHED);
    EQUAL("null", HeapFree(heap, 0, NULL), TRUE);
    EQUAL("null-of-no-heap", HeapFree(NULL, 0, NULL), TRUE);
    EQUAL("block", HeapFree(heap, 0, HeapAlloc(heap, 0, 100)), TRUE);
    EQUAL("large-block", HeapFree(heap, 0, HeapAlloc(heap, 0, 0x200000)), TRUE);
    EQUAL("error-untouched", GetLastError(), UNTOUCHED);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

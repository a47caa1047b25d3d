/* HeapReAlloc to a size that no address space holds: NULL, and the block is as
 * it was. */
#include "check.h"

int main(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    char *block = (char *)HeapAlloc(heap, 0, 100);
    memset(block, 0x5A, 100);
    SetLastError(UNTOUCHED);
    EQUAL("all-ones", HeapReAlloc(heap, 0, block, ~(SIZE_T)0), 0);
    EQUAL("all-ones-error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    EQUAL("all-ones-but-7", HeapReAlloc(heap, 0, block, ~(SIZE_T)7), 0);
    EQUAL("in-place", HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, block, ~(SIZE_T)0), 0);
    CHECK("block-valid", HeapValidate(heap, 0, block));
    EQUAL("block-size", HeapSize(heap, 0, block), 100);
    EQUAL("block-contents", block[0] == 0x5A && block[99] == 0x5A, 1);
    CHECK("block-freed", HeapFree(heap, 0, block));
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

/* HEAP_REALLOC_IN_PLACE_ONLY of a large block: shrinking gives its pages back,
 * and it does not grow again. */
#include "check.h"

int main(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    char *block = (char *)HeapAlloc(heap, 0, 0x40000 * 8);
    memset(block, 0x77, 0x40000 * 8);
    SIZE_T less = 0x40000 + 0x20000;
    EQUAL("shrinks", HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, block, less), block);
    EQUAL("shrunk-size", HeapSize(heap, 0, block), less);
    EQUAL("contents", block[0] == 0x77 && block[less - 1] == 0x77, 1);
    MEMORY_BASIC_INFORMATION info;
    memset(&info, 0, sizeof info);
    VirtualQuery(block + 0x80000, &info, sizeof info);
    EQUAL("tail-decommitted", info.State, MEM_RESERVE);
    SetLastError(UNTOUCHED);
    EQUAL("does-not-grow", HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, block, 0x40000 * 8), 0);
    EQUAL("does-not-grow-error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    EQUAL("block-size", HeapSize(heap, 0, block), less);
    CHECK("freed", HeapFree(heap, 0, block));
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

/* How large a block a fixed heap of 256 KiB holds, and that none of a fixed heap
 * is a large block with memory of its own. */
#include "check.h"

int main(void)
{
    const SIZE_T size = 0x40000;
    HANDLE heap = HeapCreate(0, 0, size);
    NEED("created", heap);
    void *block = HeapAlloc(heap, 0, size - 0xC00);
    CHECK("nearly-all", block);
    EQUAL("nearly-all-size", block ? HeapSize(heap, 0, block) : 0, size - 0xC00);
    SetLastError(UNTOUCHED);
    EQUAL("then-full", HeapAlloc(heap, 0, 0x600), 0);
    EQUAL("then-full-error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    CHECK("freed", HeapFree(heap, 0, block));
    SetLastError(UNTOUCHED);
    EQUAL("more-than-there-is", HeapAlloc(heap, 0, size - 0x600), 0);
    EQUAL("more-than-there-is-error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    CHECK("nearly-all-again", HeapAlloc(heap, 0, size - 0xC00));
    CHECK("destroyed", HeapDestroy(heap));

    heap = HeapCreate(0, 0, 8 * size);
    NEED("created-large", heap);
    SetLastError(UNTOUCHED);
    EQUAL("no-large-block", HeapAlloc(heap, 0, 4 * size), 0);
    EQUAL("no-large-block-error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    block = HeapAlloc(heap, 0, 2 * size);
    CHECK("half-of-that", block);
    EQUAL("half-of-that-inside", reservation(block), heap);
    CHECK("destroyed-large", HeapDestroy(heap));
    return finish();
}

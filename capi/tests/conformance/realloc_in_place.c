/* HEAP_REALLOC_IN_PLACE_ONLY of a block in a region: it shrinks, and grows into
 * what is free behind it. */
#include "check.h"

int main(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    void *block = HeapAlloc(heap, 0, 0xC0000);
    EQUAL("shrinks", HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, block, 0x60000), block);
    EQUAL("shrunk-size", HeapSize(heap, 0, block), 0x60000);
    EQUAL("grows-back", HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, block, 0x80000), block);
    EQUAL("grown-size", HeapSize(heap, 0, block), 0x80000);

    void *small = HeapAlloc(heap, 0, 0x100), *after = HeapAlloc(heap, 0, 0x100);
    CHECK("neighbour", after);
    EQUAL("no-room", HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, small, 0x10000), 0);
    EQUAL("no-room-kept", HeapSize(heap, 0, small), 0x100);
    CHECK("valid", HeapValidate(heap, 0, NULL));
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

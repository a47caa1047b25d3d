/* Large blocks in a walk: after everything else, in the order of allocation,
 * with region index 64; what comes before does not change. */
#include "check.h"

int main(void)
{
    PROCESS_HEAP_ENTRY before[8], with[8], after[8];
    static const SIZE_T sizes[] = {0x300001, 0x200000, 0x123456};
    void *blocks[3];
    memset(before, 0, sizeof before);
    memset(with, 0, sizeof with);
    memset(after, 0, sizeof after);
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    CHECK("small-one", HeapAlloc(heap, 0, 100));
    NEED("entries-before", walk(heap, before, 8) == 4);
    for (int i = 0; i < 3; i++)
        blocks[i] = HeapAlloc(heap, 0, sizes[i]);
    NEED("entries-with", walk(heap, with, 8) == 7);
    EQUAL("first-entries-same", memcmp(before, with, 4 * sizeof *before), 0);
    SIZE_T place = 0, flags = 0, exact = 0, overhead = 0, index = 0;
    for (int i = 0; i < 3; i++) {
        place += with[4 + i].lpData == blocks[i];
        flags += with[4 + i].wFlags == PROCESS_HEAP_ENTRY_BUSY;
        exact += with[4 + i].cbData == sizes[i];
        overhead += with[4 + i].cbOverhead == 0;
        index += with[4 + i].iRegionIndex == 64;
    }
    EQUAL("in-order-of-allocation", place, 3);
    EQUAL("flags", flags, 3);
    EQUAL("size-exact", exact, 3);
    EQUAL("overhead-0", overhead, 3);
    EQUAL("index-64", index, 3);
    CHECK("freed", HeapFree(heap, 0, blocks[1]));
    EQUAL("one-less", walk(heap, after, 8), 6);
    EQUAL("first-entries-still-same", memcmp(before, after, 4 * sizeof *before), 0);
    EQUAL("order-kept-first", after[4].lpData, blocks[0]);
    EQUAL("order-kept-second", after[5].lpData, blocks[2]);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

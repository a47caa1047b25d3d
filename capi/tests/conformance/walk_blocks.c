/* A walk of busy and free blocks in a region: in the order of their addresses,
 * and at the distances that the sizes tell. */
#include "check.h"

static PROCESS_HEAP_ENTRY entries[64];

int main(void)
{
    static const SIZE_T sizes[] = {5, 24, 100, 0x230, 3};
    char *block[5];
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    for (int i = 0; i < 5; i++)
        block[i] = (char *)HeapAlloc(heap, 0, sizes[i]);
    SIZE_T count = walk(heap, entries, 64);
    NEED("entries", count == 3 + 5);
    SIZE_T flags = 0, exact = 0, overhead = 0, index = 0, place = 0, distance = 0;
    for (int i = 0; i < 5; i++) {
        PROCESS_HEAP_ENTRY *entry = &entries[1 + i];
        flags += entry->wFlags == PROCESS_HEAP_ENTRY_BUSY;
        exact += entry->cbData == sizes[i];
        overhead += entry->cbOverhead != 0;
        index += entry->iRegionIndex == 0;
        place += entry->lpData == block[i];
        if (i < 4)
            distance += behind(block[i], entry->cbData + (SIZE_T)entry->cbOverhead) == block[i + 1];
    }
    EQUAL("busy-flags", flags, 5);
    EQUAL("busy-size-exact", exact, 5);
    EQUAL("busy-has-overhead", overhead, 5);
    EQUAL("busy-index", index, 5);
    EQUAL("busy-in-order", place, 5);
    EQUAL("busy-neighbours", distance, 4);
    PROCESS_HEAP_ENTRY *last = &entries[5], *rest = &entries[6];
    EQUAL("remainder-is-free", rest->wFlags, 0);
    EQUAL("remainder-follows", rest->lpData,
          behind(last->lpData, last->cbData + (SIZE_T)last->cbOverhead + 16));
    EQUAL("then-uncommitted", entries[7].wFlags, PROCESS_HEAP_UNCOMMITTED_RANGE);

    CHECK("freed-one", HeapFree(heap, 0, block[2]));
    count = walk(heap, entries, 64);
    NEED("entries-with-a-hole", count == 3 + 5);
    PROCESS_HEAP_ENTRY *before = &entries[2], *hole = &entries[3];
    EQUAL("hole-is-free", hole->wFlags, 0);
    EQUAL("hole-follows", hole->lpData,
          behind(before->lpData, before->cbData + (SIZE_T)before->cbOverhead + 16));
    EQUAL("after-the-hole", entries[4].lpData, block[3]);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

/* What a walk shows of buckets: nothing at first, though the heap was told to
 * have them; then each of their blocks. */
#include "check.h"

static PROCESS_HEAP_ENTRY entries[4096];

int main(void)
{
    ULONG two = 2;
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    CHECK("told", HeapSetInformation(heap, HeapCompatibilityInformation, &two, sizeof two));
    EQUAL("is-2", compatibility(heap), 2);
    CHECK("17-allocated-and-freed", allocate_and_free(heap, 40, 0x11));
    EQUAL("17-leave-3-entries", walk(heap, entries, 4096), 3);

    CHECK("18-allocated-and-freed", allocate_and_free(heap, 40, 0x12));
    SIZE_T count = walk(heap, entries, 4096);
    CHECK("18-leave-more-than-24-entries", count > 24);
    NEED("count-in-bounds", count <= 4096);
    SIZE_T free_blocks = 0;
    for (SIZE_T i = 4; i < count && i < 4 + 18; i++)
        free_blocks += entries[i].wFlags == 0 && entries[i].cbData == 0x20 &&
                       entries[i].cbOverhead == 0x10;
    EQUAL("free-blocks-from-4-on", free_blocks, 18);
    SIZE_T range = 0;
    while (range + 1 < count && entries[range].wFlags != PROCESS_HEAP_UNCOMMITTED_RANGE)
        range++;
    EQUAL("region-follows-uncommitted", range + 1 < count ? entries[range + 1].wFlags : 0,
          PROCESS_HEAP_REGION);

    void *block = HeapAlloc(heap, 0, 40);
    count = walk(heap, entries, 4096);
    PROCESS_HEAP_ENTRY *entry = entry_of(entries, count <= 4096 ? count : 0, block);
    NEED("busy-block-found", entry);
    EQUAL("busy-flags", entry->wFlags, PROCESS_HEAP_ENTRY_BUSY);
    EQUAL("busy-size", entry->cbData, 0x28);
    EQUAL("busy-overhead", entry->cbOverhead, 8);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

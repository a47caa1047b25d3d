/* A walk of a heap with buckets ends with an entry of a region, after the range
 * not yet committed. */
#include "check.h"

static PROCESS_HEAP_ENTRY entries[4096];

int main(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    CHECK("activated", allocate_and_free(heap, 40, 0x12) && allocate_and_free(heap, 40, 0x12));
    SIZE_T count = walk(heap, entries, 4096);
    NEED("count-in-bounds", count > 3 && count <= 4096);
    EQUAL("last-is-region", entries[count - 1].wFlags, PROCESS_HEAP_REGION);
    EQUAL("before-it-uncommitted", entries[count - 2].wFlags, PROCESS_HEAP_UNCOMMITTED_RANGE);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

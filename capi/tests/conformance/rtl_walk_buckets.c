/* RtlWalkHeap's flags of blocks in buckets. */
#include "check.h"

int main(void)
{
    RTL_HEAP_WALK_ENTRY entry;
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    allocate_and_free(heap, 40, 0x12);
    allocate_and_free(heap, 40, 0x12);
    void *block = HeapAlloc(heap, 0, 40);
    SIZE_T regions = 0, free_blocks = 0, count = 0, others = 0, busy_flags = 0;
    memset(&entry, 0, sizeof entry);
    while (RtlWalkHeap(heap, &entry) == 0 && count++ < 100000) {
        regions += entry.Flags == 0x8002;
        if (entry.DataAddress == block)
            busy_flags = entry.Flags;
        if (entry.DataSize == 0x20 && entry.OverheadBytes == 0x10) {
            free_blocks++;
            others += entry.Flags != 0x8000 && entry.Flags != 0;
        }
    }
    CHECK("region", regions >= 1);
    EQUAL("busy", busy_flags, 0x8001);
    CHECK("free-blocks", free_blocks >= 17);
    EQUAL("free-blocks-with-other-flags", others, 0);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

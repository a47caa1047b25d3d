/* HeapMinimize gives the memory of freed blocks back, and harms no block. */
#include "spy.h"

#define BLOCKS 4000

/* Bytes that the process heap's regions have committed. */
static SIZE_T committed(void)
{
    PROCESS_HEAP_ENTRY entry;
    SIZE_T bytes = 0;
    memset(&entry, 0, sizeof entry);
    while (HeapWalk(GetProcessHeap(), &entry)) {
        if (entry.wFlags & PROCESS_HEAP_REGION)
            bytes += entry.Region.dwCommittedSize;
    }
    return bytes;
}

int main(void)
{
    static char *blocks[BLOCKS];
    IMalloc *allocator = task_allocator();
    NEED("allocator", allocator);
    int allocated = 0, intact = 0;
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = (char *)IMalloc_Alloc(allocator, (SIZE_T)(2000 + i % 8 * 500));
        if (blocks[i]) {
            memset(blocks[i], i, 2000);
            allocated++;
        }
    }
    EQUAL("allocated", allocated, BLOCKS);
    SIZE_T at_most = committed();
    CHECK("committed", at_most > (SIZE_T)BLOCKS * 2000);
    for (int i = 1; i < BLOCKS; i++)
        IMalloc_Free(allocator, blocks[i]);
    SIZE_T freed = committed();
    IMalloc_HeapMinimize(allocator);
    SIZE_T left = committed();
    CHECK("gives-back", left < freed);
    CHECK("little-left", left <= 0x40000);
    for (int i = 0; i < 2000; i++)
        intact += blocks[0][i] == 0;
    EQUAL("intact", intact, 2000);
    EQUAL("size-still", IMalloc_GetSize(allocator, blocks[0]), 2000);
    IMalloc_Free(allocator, blocks[0]);
    return finish();
}

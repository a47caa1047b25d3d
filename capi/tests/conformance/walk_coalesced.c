/* When all blocks are freed, in whatever order, a walk is to the byte what it
 * was when the heap was fresh. */
#include "check.h"

int main(void)
{
    PROCESS_HEAP_ENTRY fresh[8], freed[8];
    void *blocks[12];
    memset(fresh, 0, sizeof fresh);
    memset(freed, 0, sizeof freed);
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    NEED("three-entries", walk(heap, fresh, 8) == 3);

    for (int i = 0; i < 12; i++)
        blocks[i] = HeapAlloc(heap, 0, 20 + 30 * (SIZE_T)i);
    for (int i = 0; i < 12; i++)
        HeapFree(heap, 0, blocks[i * 5 % 12]);
    EQUAL("small-three-entries", walk(heap, freed, 8), 3);
    EQUAL("small-same", memcmp(fresh, freed, sizeof fresh), 0);

    for (int i = 0; i < 12; i++)
        blocks[i] = HeapAlloc(heap, 0, i % 2 ? 0x200000 + (SIZE_T)i : 40 + (SIZE_T)i);
    for (int i = 12; i-- > 0;)
        HeapFree(heap, 0, blocks[i]);
    EQUAL("large-three-entries", walk(heap, freed, 8), 3);
    EQUAL("large-same", memcmp(fresh, freed, sizeof fresh), 0);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

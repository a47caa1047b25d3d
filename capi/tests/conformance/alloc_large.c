/* From which size on a block has memory of its own, and how that is aligned: to
 * 64 and not to more. */
#include "check.h"

/* Whether a block is in no region: a walk says so by index 64. */
static int is_large(HANDLE heap, const void *block)
{
    PROCESS_HEAP_ENTRY entries[64];
    SIZE_T count = walk(heap, entries, 64);
    PROCESS_HEAP_ENTRY *entry = count <= 64 ? entry_of(entries, count, block) : NULL;
    return entry ? entry->iRegionIndex == 64 : -1;
}

int main(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    void *region = HeapAlloc(heap, 0, 0x20000 * 8 - 0x3000);
    EQUAL("below-is-in-a-region", is_large(heap, region), 0);
    void *large = HeapAlloc(heap, 0, 0x20000 * 8 - 0x1000);
    EQUAL("above-is-large", is_large(heap, large), 1);
    CHECK("freed", HeapFree(heap, 0, region) && HeapFree(heap, 0, large));

    ULONG_PTR bits = 0;
    int exact = 0;
    for (int i = 0; i < 16; i++) {
        void *block = HeapAlloc(heap, 0, 0x20000 * 8 + 0x1234 * (SIZE_T)i);
        bits |= (ULONG_PTR)block;
        exact += HeapSize(heap, 0, block) == 0x20000 * 8 + 0x1234 * (SIZE_T)i;
        *(volatile char *)block = 1;
    }
    EQUAL("aligned-to-64", bits & 63, 0);
    EQUAL("some-not-to-128", bits & 64, 64);
    EQUAL("sizes-exact", exact, 16);
    for (SIZE_T size = 0x20000 * 8 - 0x3000; size < 0x20000 * 8 - 0x1000; size += 0x100)
        bits |= (ULONG_PTR)HeapAlloc(heap, 0, size);
    EQUAL("in-between-aligned", bits & 15, 0);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

/* A heap's handle is an address, aligned to 64 KiB, and its first region starts
 * there. */
#include "check.h"

int main(void)
{
    PROCESS_HEAP_ENTRY first;
    HANDLE heap = HeapCreate(0, 0, 0), fixed = HeapCreate(0, 0, 0x40000);
    NEED("created", heap && fixed);
    EQUAL("growable-aligned", (ULONG_PTR)heap & 0xFFFF, 0);
    EQUAL("fixed-aligned", (ULONG_PTR)fixed & 0xFFFF, 0);
    EQUAL("growable-starts-reservation", reservation(heap), heap);
    EQUAL("fixed-starts-reservation", reservation(fixed), fixed);
    NEED("walked", walk(heap, &first, 1) > 0);
    EQUAL("first-entry-is-handle", first.lpData, heap);
    EQUAL("first-entry-is-region", first.wFlags, PROCESS_HEAP_REGION);
    CHECK("destroyed", HeapDestroy(heap) && HeapDestroy(fixed));
    return finish();
}

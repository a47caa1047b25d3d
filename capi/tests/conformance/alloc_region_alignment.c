/* Blocks in regions are aligned to 16 and not to more. */
#include "check.h"

int main(void)
{
    ULONG_PTR bits = 0;
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    for (int i = 0; i < 128; i++)
        bits |= (ULONG_PTR)HeapAlloc(heap, 0, 0x40000);
    EQUAL("aligned-to-16", bits & 15, 0);
    EQUAL("some-not-to-32", bits & 16, 16);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

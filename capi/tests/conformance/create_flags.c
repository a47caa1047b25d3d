/* Flags of HeapCreate: HEAP_SHARED is taken and ignored, HEAP_CREATE_ALIGN_16
 * aligns all blocks to 16. An initial size above the maximum is refused. */
#include "check.h"

int main(void)
{
    HANDLE heap = HeapCreate(0x04000000, 0, 0);
    NEED("shared-created", heap);
    CHECK("shared-allocates", HeapAlloc(heap, 0, 100));
    CHECK("shared-destroyed", HeapDestroy(heap));

    heap = HeapCreate(HEAP_CREATE_ALIGN_16, 0, 0);
    NEED("align-16-created", heap);
    ULONG_PTR bits = 0;
    for (SIZE_T size = 0; size < 200; size++)
        bits |= (ULONG_PTR)HeapAlloc(heap, 0, size);
    EQUAL("align-16-aligned", bits & 15, 0);
    CHECK("align-16-destroyed", HeapDestroy(heap));

    SetLastError(UNTOUCHED);
    heap = HeapCreate(0, 0x20000, 0x10000);
    EQUAL("initial-above-maximum-refused", heap, 0);
    EQUAL("initial-above-maximum-error", GetLastError(), ERROR_INVALID_PARAMETER);
    return finish();
}

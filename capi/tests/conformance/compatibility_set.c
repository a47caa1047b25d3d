/* HeapSetInformation of HeapCompatibilityInformation: 2 is for good, and not for
 * heaps without serialisation or of fixed size. */
#include "check.h"

static BOOL set_to(HANDLE heap, ULONG value)
{
    SetLastError(UNTOUCHED);
    return HeapSetInformation(heap, HeapCompatibilityInformation, &value, sizeof value);
}

int main(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    EQUAL("to-2", set_to(heap, 2), TRUE);
    EQUAL("is-2", compatibility(heap), 2);
    EQUAL("back-to-0", set_to(heap, 0), FALSE);
    EQUAL("back-to-0-error", GetLastError(), ERROR_GEN_FAILURE);
    EQUAL("back-to-1", set_to(heap, 1), FALSE);
    EQUAL("back-to-1-error", GetLastError(), ERROR_GEN_FAILURE);
    EQUAL("still-2", compatibility(heap), 2);
    CHECK("destroyed", HeapDestroy(heap));

    heap = HeapCreate(HEAP_NO_SERIALIZE, 0, 0);
    NEED("created-no-serialize", heap);
    EQUAL("no-serialize", set_to(heap, 2), FALSE);
    EQUAL("no-serialize-error", GetLastError(), ERROR_INVALID_PARAMETER);
    EQUAL("no-serialize-stays-0", compatibility(heap), 0);
    CHECK("destroyed-no-serialize", HeapDestroy(heap));

    heap = HeapCreate(0, 0x1000, 0x40000);
    NEED("created-fixed", heap);
    EQUAL("fixed", set_to(heap, 2), FALSE);
    EQUAL("fixed-stays-0", compatibility(heap), 0);
    CHECK("destroyed-fixed", HeapDestroy(heap));
    return finish();
}

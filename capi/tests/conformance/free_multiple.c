/* RtlMultipleAllocateHeap and RtlMultipleFreeHeap: how many were done; freeing
 * stops at the first that is no block, and counts NULL as freed. */
#include "check.h"

int main(void)
{
    PVOID blocks[5] = {NULL, NULL, NULL, NULL, NULL};
    static char no_block[64];
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    EQUAL("allocated", RtlMultipleAllocateHeap(heap, 0, 0x123, 5, blocks), 5);
    SIZE_T exact = 0;
    for (int i = 0; i < 5; i++)
        exact += HeapSize(heap, 0, blocks[i]) == 0x123;
    EQUAL("sizes-exact", exact, 5);
    EQUAL("freed", RtlMultipleFreeHeap(heap, 0, 5, blocks), 5);

    EQUAL("allocated-again", RtlMultipleAllocateHeap(heap, 0, 10, 5, blocks), 5);
    PVOID mixed[5] = {blocks[0], NULL, blocks[1], no_block + 32, blocks[2]};
    SetLastError(UNTOUCHED);
    EQUAL("stops-at-the-bad-one", RtlMultipleFreeHeap(heap, 0, 5, mixed), 3);
    EQUAL("bad-one-error", GetLastError(), ERROR_INVALID_PARAMETER);
    CHECK("after-the-bad-one-kept", HeapValidate(heap, 0, blocks[2]));

    SetLastError(UNTOUCHED);
    EQUAL("none-of-all-ones", RtlMultipleAllocateHeap(heap, 0, ~(SIZE_T)0, 5, blocks), 0);
    EQUAL("all-ones-error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

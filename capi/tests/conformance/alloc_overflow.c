/* Sizes that no address space holds: NULL, ERROR_NOT_ENOUGH_MEMORY. */
#include "check.h"

int main(void)
{
    static const SIZE_T sizes[] = {~(SIZE_T)0, ~(SIZE_T)7};
    static const char *const names[] = {"all-ones", "all-ones-but-7"};
    static const char *const errors[] = {"all-ones-error", "all-ones-but-7-error"};
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    for (int i = 0; i < 2; i++) {
        SetLastError(UNTOUCHED);
        EQUAL(names[i], HeapAlloc(heap, 0, sizes[i]), 0);
        EQUAL(errors[i], GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    }
    EQUAL("zeroed", HeapAlloc(heap, HEAP_ZERO_MEMORY, ~(SIZE_T)0), 0);
    CHECK("heap-goes-on", HeapAlloc(heap, 0, 10));
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

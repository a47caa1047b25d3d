/* 18 allocations of one size, freed again, put buckets in front of a heap. */
#include "check.h"

int main(void)
{
    static const SIZE_T sizes[] = {0, 24, 100, 1000};
    static const char *const fewer[] = {"17-of-0", "17-of-24", "17-of-100", "17-of-1000"};
    static const char *const enough[] = {"18-of-0", "18-of-24", "18-of-100", "18-of-1000"};
    for (int i = 0; i < 4; i++) {
        HANDLE heap = HeapCreate(0, 0, 0);
        allocate_and_free(heap, sizes[i], 0x11);
        EQUAL(fewer[i], compatibility(heap), 0);
        HeapDestroy(heap);
        heap = HeapCreate(0, 0, 0);
        allocate_and_free(heap, sizes[i], 0x12);
        EQUAL(enough[i], compatibility(heap), 2);
        HeapDestroy(heap);
    }
    HANDLE heap = HeapCreate(HEAP_NO_SERIALIZE, 0, 0);
    NEED("created-no-serialize", heap);
    allocate_and_free(heap, 24, 100);
    EQUAL("no-serialize-stays-0", compatibility(heap), 0);
    CHECK("destroyed-no-serialize", HeapDestroy(heap));
    return finish();
}

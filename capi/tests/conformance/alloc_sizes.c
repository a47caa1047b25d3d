/* HeapAlloc: aligned to 16, and HeapSize says what was asked for, to the byte;
 * for 0 too, which gives a block like any other. */
#include "check.h"

int main(void)
{
    static const SIZE_T large[] = {0x4000,  0x4001,  0x7FFF,   0x1FFFF,  0x80001,
                                   0xFD000, 0xFF000, 0x100001, 0x345678, 0x1000000};
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    void *a = HeapAlloc(heap, 0, 0), *b = HeapAlloc(heap, 0, 0);
    CHECK("zero-is-a-block", a && b);
    CHECK("zero-is-unique", a != b);
    EQUAL("zero-size", HeapSize(heap, 0, a), 0);
    CHECK("zero-is-valid", HeapValidate(heap, 0, a));
    CHECK("zero-is-freed", HeapFree(heap, 0, a) && HeapFree(heap, 0, b));

    SIZE_T wrong = 0;
    ULONG_PTR bits = 0;
    for (SIZE_T size = 0; size < 0x1200; size++) {
        void *block = HeapAlloc(heap, 0, size);
        bits |= (ULONG_PTR)block;
        wrong += !block || HeapSize(heap, 0, block) != size;
    }
    for (int i = 0; i < 10; i++) {
        void *block = HeapAlloc(heap, 0, large[i]);
        bits |= (ULONG_PTR)block;
        wrong += !block || HeapSize(heap, 0, block) != large[i];
    }
    EQUAL("aligned", bits & 15, 0);
    EQUAL("sizes-not-exact", wrong, 0);
    CHECK("valid", HeapValidate(heap, 0, NULL));
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

/* HeapReAlloc to 0 keeps the block, with size 0; it grows again. */
#include "check.h"

int main(void)
{
    static const SIZE_T sizes[] = {10, 1000, 0x20000, 0x200000};
    SIZE_T kept = 0, zero = 0, valid = 0, grown = 0, freed = 0;
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    for (int i = 0; i < 4; i++) {
        void *block = HeapReAlloc(heap, 0, HeapAlloc(heap, 0, sizes[i]), 0);
        kept += block != NULL;
        zero += HeapSize(heap, 0, block) == 0;
        valid += HeapValidate(heap, 0, block) != FALSE;
        block = HeapReAlloc(heap, 0, block, sizes[i] + 1);
        grown += block && HeapSize(heap, 0, block) == sizes[i] + 1;
        freed += HeapFree(heap, 0, block) != FALSE;
    }
    EQUAL("kept", kept, 4);
    EQUAL("size-0", zero, 4);
    EQUAL("valid", valid, 4);
    EQUAL("grown-again", grown, 4);
    EQUAL("freed", freed, 4);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

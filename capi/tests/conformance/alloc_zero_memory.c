/* HEAP_ZERO_MEMORY: all bytes asked for are 0, whatever was there before. */
#include "check.h"

static SIZE_T nonzero(const char *bytes, SIZE_T size)
{
    SIZE_T count = 0;
    for (SIZE_T i = 0; i < size; i++)
        count += bytes[i] != 0;
    return count;
}

int main(void)
{
    static const SIZE_T sizes[] = {1, 24, 100, 1000, 0x3FFF, 0x20001, 0x90000, 0x120001};
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    SIZE_T wrong = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 8; i++) {
            char *dirty = (char *)HeapAlloc(heap, 0, sizes[i]);
            memset(dirty, 0xA5, sizes[i]);
            HeapFree(heap, 0, dirty);
            char *clean = (char *)HeapAlloc(heap, HEAP_ZERO_MEMORY, sizes[i]);
            wrong += nonzero(clean, sizes[i]);
            memset(clean, 0xA5, sizes[i]);
            HeapFree(heap, 0, clean);
        }
    }
    EQUAL("allocated-bytes-not-zero", wrong, 0);
    /* Buckets, once they are in use. */
    allocate_and_free(heap, 100, 0x40);
    char *dirty[64];
    for (int i = 0; i < 64; i++)
        memset(dirty[i] = (char *)HeapAlloc(heap, 0, 100), 0xA5, 100);
    for (int i = 0; i < 64; i++)
        HeapFree(heap, 0, dirty[i]);
    for (int i = 0; i < 64; i++)
        wrong += nonzero((char *)HeapAlloc(heap, HEAP_ZERO_MEMORY, 100), 100);
    EQUAL("bucket-bytes-not-zero", wrong, 0);
    CHECK("destroyed", HeapDestroy(heap));

    /* Given to HeapCreate, the flag holds for every call. */
    heap = HeapCreate(HEAP_ZERO_MEMORY, 0, 0);
    NEED("created-with-the-flag", heap);
    char *block = (char *)HeapAlloc(heap, 0, 500);
    memset(block, 0xA5, 500);
    HeapFree(heap, 0, block);
    EQUAL("heaps-flag", nonzero((char *)HeapAlloc(heap, 0, 500), 500), 0);
    CHECK("destroyed-with-the-flag", HeapDestroy(heap));
    return finish();
}

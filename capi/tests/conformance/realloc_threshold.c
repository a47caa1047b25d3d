/* Growing and shrinking past the size from which blocks are large: contents
 * stay, and HEAP_ZERO_MEMORY zeroes what is new. */
#include "check.h"

static void fill(char *block, SIZE_T from, SIZE_T to)
{
    if (from < to)
        memset(block + from, 0x5C, to - from);
}

static SIZE_T others(const char *block, SIZE_T from, SIZE_T to, char value)
{
    SIZE_T count = 0;
    for (SIZE_T i = from; i < to; i++)
        count += block[i] != value;
    return count;
}

int main(void)
{
    /* The lines between which Windows was watched, and the threshold itself. */
    static const SIZE_T from[] = {0x78000, 0xF8000}, to[] = {0x90000, 0x108000};
    SIZE_T lost = 0, dirty = 0, size_wrong = 0, steps = 0;
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    for (int range = 0; range < 2; range++) {
        SIZE_T size = from[range];
        char *block = (char *)HeapAlloc(heap, 0, size);
        fill(block, 0, size);
        for (; size < to[range]; size += 0x100, steps++) {
            block = (char *)HeapReAlloc(heap, HEAP_ZERO_MEMORY, block, size + 0x100);
            if (!block)
                return finish();
            size_wrong += HeapSize(heap, 0, block) != size + 0x100;
            /* All of it once in a while, its end always. */
            lost += others(block, steps % 16 ? size - 0x100 : 0, size, 0x5C);
            dirty += others(block, size, size + 0x100, 0);
            fill(block, size, size + 0x100);
        }
        for (; size > from[range]; size -= 0x100, steps++) {
            block = (char *)HeapReAlloc(heap, HEAP_ZERO_MEMORY, block, size - 0x100);
            if (!block)
                return finish();
            size_wrong += HeapSize(heap, 0, block) != size - 0x100;
            lost += others(block, steps % 16 ? size - 0x200 : 0, size - 0x100, 0x5C);
        }
        HeapFree(heap, 0, block);
    }
    EQUAL("steps", steps, 2 * (0x180 + 0x100));
    EQUAL("contents-lost", lost, 0);
    EQUAL("new-bytes-not-zero", dirty, 0);
    EQUAL("sizes-wrong", size_wrong, 0);
    CHECK("valid", HeapValidate(heap, 0, NULL));
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

/* The distance of neighbours in a fresh heap: 8 bytes more than the size, which
 * counts as 16 at least, in units of 16. */
#include "check.h"

int main(void)
{
    static char names[12][32];
    static const SIZE_T sizes[12] = {0, 1, 8, 15, 16, 24, 25, 40, 100, 0x100, 0x1F0, 0x1000};
    for (int i = 0; i < 12; i++) {
        HANDLE heap = HeapCreate(HEAP_NO_SERIALIZE, 0, 0);
        SIZE_T size = sizes[i], want = round_up((size > 16 ? size : 16) + 8, 16);
        char *at = heap ? (char *)HeapAlloc(heap, 0, size) : NULL;
        SIZE_T distance = at ? want : 0;
        for (int n = 0; at && n < 7; n++) {
            char *next = (char *)HeapAlloc(heap, 0, size);
            if ((SIZE_T)(next - at) != want)
                distance = (SIZE_T)(next - at);
            at = next;
        }
        snprintf(names[i], sizeof names[i], "size-%u", (unsigned)size);
        EQUAL(names[i], distance, want);
        HeapDestroy(heap);
    }
    return finish();
}

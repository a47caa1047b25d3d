/* The distance of neighbours under flags: 16 bytes where there are 8 without, 16
 * more for the fill behind each, 16 more for validation. */
#include "gflags.h"

static void body(DWORD flags)
{
    SIZE_T overhead = 16;
    static const SIZE_T sizes[] = {0, 1, 15, 16, 17, 24, 32, 33, 100, 0x1000};
    if (flags & (FLG_TAIL | FLG_PARAMETERS | FLG_ALL))
        overhead += 16;
    if (flags & (FLG_PARAMETERS | FLG_ALL))
        overhead += 16;
    for (int i = 0; i < 10; i++) {
        char what[20];
        HANDLE heap = HeapCreate(HEAP_NO_SERIALIZE, 0, 0);
        SIZE_T size = sizes[i], want = round_up((size > 16 ? size : 16) + overhead, 16);
        char *from = heap ? (char *)HeapAlloc(heap, 0, size) : NULL;
        SIZE_T distance = from ? want : 0;
        for (int n = 0; from && n < 7; n++) {
            char *next = (char *)HeapAlloc(heap, 0, size);
            if ((SIZE_T)(next - from) != want)
                distance = (SIZE_T)(next - from);
            from = next;
        }
        snprintf(what, sizeof what, "size-%u", (unsigned)size);
        EQUAL(named(flags, what), distance, want);
        HeapDestroy(heap);
    }
}

int main(int argc, char **argv)
{
    static const DWORD flags[] = {FLG_TAIL, FLG_FREE, FLG_PARAMETERS, FLG_ALL,
                                  FLG_APART, FLG_TAIL | FLG_FREE, 0};
    return under_flags(argc, argv, flags, body);
}

/* Free checking: 0xFEEEFEEE in freed blocks from offset 16 on, 0xBAADF00D in fresh
 * ones and in what they grow by, by whole dwords. */
#include "gflags.h"

static void body(DWORD flags)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    char *first = heap ? (char *)HeapAlloc(heap, 0, 62) : NULL;
    char *fence = heap ? (char *)HeapAlloc(heap, 0, 32) : NULL;
    if (!CHECK(named(flags, "allocated"), first && fence))
        return;
    BOOL fresh = TRUE;
    for (SIZE_T i = 0; i < 60; i += 4)
        fresh = fresh && at(first, i) == 0xBAADF00Du;
    CHECK(named(flags, "fresh"), fresh);
    CHECK(named(flags, "not-the-last-bytes"), first[60] != 0x0D || first[61] != (char)0xF0);
    char *zero = (char *)HeapAlloc(heap, HEAP_ZERO_MEMORY, 62);
    CHECK(named(flags, "zero"), zero && all_are(zero, 62, 0));

    memset(first, 0x11, 62);
    CHECK(named(flags, "freed"), HeapFree(heap, 0, first));
    BOOL filled = TRUE;
    for (SIZE_T i = 16; i < 60; i += 4)
        filled = filled && at(first, i) == 0xFEEEFEEEu;
    CHECK(named(flags, "filled"), filled);
    CHECK(named(flags, "valid"), HeapValidate(heap, 0, NULL));
    char kept = first[40];
    first[40] = 1;
    CHECK(named(flags, "altered"), !HeapValidate(heap, 0, NULL));
    first[40] = kept;
    CHECK(named(flags, "valid-again"), HeapValidate(heap, 0, NULL));

    char *grown = (char *)HeapAlloc(heap, 0, 201);
    CHECK(named(flags, "to-grow"), grown != NULL);
    if (grown) {
        memset(grown, 0x22, 201);
        char *more = (char *)HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, grown, 263);
        CHECK(named(flags, "grown"), more && more == grown);
        BOOL new_ones = more != NULL;
        for (SIZE_T i = 204; new_ones && i < 260; i += 4)
            new_ones = at(more, i) == 0xBAADF00Du;
        CHECK(named(flags, "new-dwords"), new_ones);
        CHECK(named(flags, "old-bytes"), more && all_are(more, 201, 0x22));
    }
    CHECK(named(flags, "destroyed"), HeapDestroy(heap));
}

int main(int argc, char **argv)
{
    static const DWORD flags[] = {FLG_FREE, FLG_PARAMETERS, 0};
    return under_flags(argc, argv, flags, body);
}

/* Who notices a byte that changed behind a block: HeapValidate; with validation of
 * parameters HeapSize, HeapReAlloc and HeapFree too, which then do nothing. */
#include "gflags.h"

static void body(DWORD flags)
{
    BOOL validates = (flags & FLG_PARAMETERS) != 0;
    HANDLE heap = HeapCreate(0, 0, 0);
    char *block = heap ? (char *)HeapAlloc(heap, 0, 21) : NULL;
    char *other = heap ? (char *)HeapAlloc(heap, 0, 21) : NULL;
    if (!CHECK(named(flags, "allocated"), block && other))
        return;
    CHECK(named(flags, "valid-at-first"), HeapValidate(heap, 0, block));
    char kept = block[21];
    block[21] = 0;
    CHECK(named(flags, "block-is-not"), !HeapValidate(heap, 0, block));
    CHECK(named(flags, "heap-is-not"), !HeapValidate(heap, 0, NULL));
    CHECK(named(flags, "other-still-is"), HeapValidate(heap, 0, other));
    EQUAL(named(flags, "size"), HeapSize(heap, 0, block), validates ? (SIZE_T)-1 : 21);
    if (validates) {
        CHECK(named(flags, "not-resized"), !HeapReAlloc(heap, 0, block, 5));
        CHECK(named(flags, "not-freed"), !HeapFree(heap, 0, block));
    }
    block[21] = kept;
    CHECK(named(flags, "valid-again"), HeapValidate(heap, 0, block) && HeapValidate(heap, 0, NULL));
    EQUAL(named(flags, "size-again"), HeapSize(heap, 0, block), 21);
    CHECK(named(flags, "freed"), HeapFree(heap, 0, block));
    CHECK(named(flags, "destroyed"), HeapDestroy(heap));
}

int main(int argc, char **argv)
{
    static const DWORD flags[] = {FLG_TAIL, FLG_PARAMETERS, 0};
    return under_flags(argc, argv, flags, body);
}

/* With page heap a heap's handle leads to no header: it reads 0xEE. */
#include "gflags.h"

#define FLG_PAGES 0x2000000u

static void body(DWORD flags)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    if (!CHECK(named(flags, "created"), heap != NULL))
        return;
    EQUAL(named(flags, "no-signature"), at(heap, 0x10), 0xEEEEEEEEu);
    EQUAL(named(flags, "no-flags"), at(heap, 0x70), 0xEEEEEEEEu);
    char *block = (char *)HeapAlloc(heap, 0, 100);
    if (!CHECK(named(flags, "allocated"), block != NULL))
        return;
    block[99] = 'x';
    EQUAL(named(flags, "size"), HeapSize(heap, 0, block), 100);
    CHECK(named(flags, "valid"), HeapValidate(heap, 0, block) && HeapValidate(heap, 0, NULL));
    CHECK(named(flags, "freed"), HeapFree(heap, 0, block));
    CHECK(named(flags, "destroyed"), HeapDestroy(heap));
}

int main(int argc, char **argv)
{
    static const DWORD flags[] = {FLG_PAGES, 0};
    return under_flags(argc, argv, flags, body);
}

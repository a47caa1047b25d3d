/* What lies behind blocks with tail checking: 16 bytes of 0xAB, not behind large
 * blocks; a settable value lies behind them. */
#include "gflags.h"

static void body(DWORD flags)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    if (!CHECK(named(flags, "created"), heap != NULL))
        return;
    BOOL eight = TRUE, sixteen = TRUE;
    for (SIZE_T size = 0; size < 64; size++) {
        char *block = (char *)HeapAlloc(heap, 0, size);
        eight = eight && block && all_are(block + size, 8, 0xAB);
        sixteen = sixteen && block && all_are(block + size, 16, 0xAB);
    }
    CHECK(named(flags, "eight-of-small-ones"), eight);
    CHECK(named(flags, "sixteen"), sixteen);
    char *region = (char *)HeapAlloc(heap, 0, 0xFD000);
    CHECK(named(flags, "largest-of-a-region"), region && all_are(region + 0xFD000, 16, 0xAB));
    char *large = (char *)HeapAlloc(heap, 0, 0x100005);
    CHECK(named(flags, "large"), large && all_are(large + 0x100005, 16, 0));

    char *shrunk = (char *)HeapAlloc(heap, 0, 100);
    char *same = (char *)HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, shrunk, 51);
    CHECK(named(flags, "shrunk"), same && same == shrunk);
    CHECK(named(flags, "shrunk-tail"), same && all_are(same + 51, 16, 0xAB));
    CHECK(named(flags, "shrunk-valid"), HeapValidate(heap, 0, same));

    void *marker = (void *)(ULONG_PTR)0x123456789ABCULL, *value = NULL;
    char *user = (char *)RtlAllocateHeap(heap, HEAP_SETTABLE_USER_VALUE, 32);
    CHECK(named(flags, "value-set"), user && RtlSetUserValueHeap(heap, 0, user, marker));
    CHECK(named(flags, "value-tail"), user && all_are(user + 32, 16, 0xAB));
    if (user)
        memcpy(&value, user + 32 + 16 + 8, sizeof value);
    EQUAL(named(flags, "value-behind-it"), value, marker);
    CHECK(named(flags, "all-valid"), HeapValidate(heap, 0, NULL));
    CHECK(named(flags, "destroyed"), HeapDestroy(heap));
}

int main(int argc, char **argv)
{
    static const DWORD flags[] = {FLG_TAIL, FLG_PARAMETERS, 0};
    return under_flags(argc, argv, flags, body);
}

/* HeapLock of a heap without serialisation is TRUE and excludes nobody. */
#include "check.h"

static void lock_and_allocate(struct helper *helper)
{
    if (HeapLock(helper->heap)) {
        helper->block = HeapAlloc(helper->heap, 0, 100);
        HeapUnlock(helper->heap);
    }
}

int main(void)
{
    struct helper helper;
    HANDLE heap = HeapCreate(HEAP_NO_SERIALIZE, 0, 0);
    NEED("created", heap);
    EQUAL("locked", HeapLock(heap), TRUE);
    start(&helper, heap, NULL, lock_and_allocate);
    CHECK("another-goes-on", is_set_within(&helper.ended, SOON));
    EQUAL("unlocked", HeapUnlock(heap), TRUE);
    join(&helper);
    CHECK("another-allocated", helper.block);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

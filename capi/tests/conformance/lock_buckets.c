/* Once a size has its bucket, its blocks are allocated and freed while another
 * thread holds HeapLock. HeapLock itself still excludes. */
#include "check.h"

static void allocate_and_release(struct helper *helper)
{
    helper->block = HeapAlloc(helper->heap, 0, 100);
    HeapFree(helper->heap, 0, helper->block);
}

static void lock(struct helper *helper)
{
    HeapLock(helper->heap);
    HeapUnlock(helper->heap);
}

int main(void)
{
    struct helper allocator, locker;
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    CHECK("activated", allocate_and_free(heap, 100, 0x12) && allocate_and_free(heap, 100, 0x12));
    EQUAL("has-buckets", compatibility(heap), 2);
    EQUAL("locked", HeapLock(heap), TRUE);
    start(&allocator, heap, NULL, allocate_and_release);
    CHECK("bucket-goes-on", is_set_within(&allocator.ended, 2000));
    start(&locker, heap, NULL, lock);
    CHECK("lock-waits", !is_set_within(&locker.ended, WHILE));
    EQUAL("unlocked", HeapUnlock(heap), TRUE);
    CHECK("lock-had", is_set_within(&locker.ended, SOON));
    join(&allocator), join(&locker);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

/* While one thread holds HeapLock, another's HeapLock, HeapAlloc and HeapFree
 * wait; with HEAP_NO_SERIALIZE a call does not. The owner may lock again. */
#include "check.h"

static void lock(struct helper *helper)
{
    HeapLock(helper->heap);
    HeapUnlock(helper->heap);
}

static void allocate(struct helper *helper)
{
    helper->block = HeapAlloc(helper->heap, 0, 100);
}

static void release(struct helper *helper)
{
    HeapFree(helper->heap, 0, helper->block);
}

static void unserialized(struct helper *helper)
{
    helper->block = HeapAlloc(helper->heap, HEAP_NO_SERIALIZE, 200);
    HeapFree(helper->heap, HEAP_NO_SERIALIZE, helper->block);
}

int main(void)
{
    struct helper locker, allocator, releaser, free_one;
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    void *block = HeapAlloc(heap, 0, 300);
    EQUAL("locked", HeapLock(heap), TRUE);
    EQUAL("locked-again", HeapLock(heap), TRUE);
    CHECK("owner-allocates", HeapAlloc(heap, 0, 100));

    start(&free_one, heap, NULL, unserialized);
    CHECK("no-serialize-goes-on", is_set_within(&free_one.ended, SOON));
    EQUAL("unlocked-once", HeapUnlock(heap), TRUE);
    start(&locker, heap, NULL, lock);
    start(&allocator, heap, NULL, allocate);
    start(&releaser, heap, block, release);
    CHECK("lock-waits", !is_set_within(&locker.ended, WHILE));
    CHECK("alloc-waits", !is_set_within(&allocator.ended, 1));
    CHECK("free-waits", !is_set_within(&releaser.ended, 1));
    EQUAL("unlocked", HeapUnlock(heap), TRUE);
    CHECK("lock-had", is_set_within(&locker.ended, SOON));
    CHECK("alloc-done", is_set_within(&allocator.ended, SOON));
    CHECK("free-done", is_set_within(&releaser.ended, SOON));
    if (checks_failed == 0) {
        join(&locker), join(&allocator), join(&releaser), join(&free_one);
        CHECK("destroyed", HeapDestroy(heap));
    }
    return finish();
}

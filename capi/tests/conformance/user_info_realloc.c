/* What becomes of a block's value and flags when it is resized: shrinking keeps
 * the flags, growing takes those of the call; the value stays. */
#include "check.h"

int main(void)
{
    PVOID marker = (PVOID)(ULONG_PTR)0x5678, value = NULL;
    ULONG flags = 77;
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    void *block = RtlAllocateHeap(heap, HEAP_SETTABLE_USER_VALUE | 0xC00, 0x200);
    NEED("allocated", block);
    CHECK("value-set", RtlSetUserValueHeap(heap, 0, block, marker));

    block = RtlReAllocateHeap(heap, HEAP_SETTABLE_USER_VALUE | 0x200, block, 0x40);
    NEED("shrunk", block);
    CHECK("shrunk-info", RtlGetUserInfoHeap(heap, 0, block, &value, &flags));
    EQUAL("shrunk-value", value, marker);
    EQUAL("shrunk-flags", flags, 0xC00);

    value = NULL;
    block = RtlReAllocateHeap(heap, HEAP_SETTABLE_USER_VALUE | 0x200, block, 0x1000);
    NEED("grown", block);
    CHECK("grown-info", RtlGetUserInfoHeap(heap, 0, block, &value, &flags));
    EQUAL("grown-value", value, marker);
    EQUAL("grown-flags", flags, 0x200);
    EQUAL("grown-size", HeapSize(heap, 0, block), 0x1000);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

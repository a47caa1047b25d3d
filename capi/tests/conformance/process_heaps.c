/* GetProcessHeaps: the process heap first, then the heaps in the order of their
 * creation; always the whole count, and no more filled than fits. */
#include "check.h"

int main(void)
{
    HANDLE heaps[64], marker = (HANDLE)(ULONG_PTR)0x12345670;
    DWORD before = GetProcessHeaps(0, NULL);
    CHECK("fresh-process-has-one", before >= 1);
    CHECK("fresh-process-has-at-most-6", before <= 6);

    HANDLE first = HeapCreate(0, 0, 0), second = HeapCreate(HEAP_NO_SERIALIZE, 0, 0x10000);
    HANDLE third = RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, NULL);
    NEED("created", first && second && third);
    DWORD count = GetProcessHeaps(0, NULL);
    EQUAL("counted", count, before + 3);
    EQUAL("rtl-counts-the-same", RtlGetProcessHeaps(0, NULL), count);

    EQUAL("all-told", GetProcessHeaps(64, heaps), count);
    EQUAL("process-heap-first", heaps[0], GetProcessHeap());
    EQUAL("appended-first", heaps[before], first);
    EQUAL("appended-second", heaps[before + 1], second);
    EQUAL("appended-third", heaps[before + 2], third);

    for (int i = 0; i < 64; i++)
        heaps[i] = marker;
    EQUAL("small-array-whole-count", GetProcessHeaps(1, heaps), count);
    EQUAL("small-array-filled", heaps[0], GetProcessHeap());
    EQUAL("small-array-next-untouched", heaps[1], marker);

    CHECK("destroyed-second", HeapDestroy(second));
    EQUAL("count-drops", GetProcessHeaps(64, heaps), count - 1);
    EQUAL("order-kept-first", heaps[before], first);
    EQUAL("order-kept-third", heaps[before + 1], third);
    second = HeapCreate(0, 0, 0);
    GetProcessHeaps(64, heaps);
    EQUAL("new-one-at-the-end", heaps[before + 2], second);
    CHECK("destroyed-all", HeapDestroy(first) && HeapDestroy(second) && !RtlDestroyHeap(third));
    EQUAL("count-as-before", GetProcessHeaps(0, NULL), before);
    return finish();
}

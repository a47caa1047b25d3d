/* HeapDestroy of a heap with blocks in it is TRUE; the process heap cannot be
 * destroyed. */
#include "check.h"

int main(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    for (SIZE_T size = 1; size < 0x300000; size *= 3)
        HeapAlloc(heap, 0, size);
    EQUAL("destroyed", HeapDestroy(heap), TRUE);
    EQUAL("process-heap-refused", HeapDestroy(GetProcessHeap()), FALSE);
    CHECK("process-heap-lives", HeapFree(GetProcessHeap(), 0, HeapAlloc(GetProcessHeap(), 0, 9)));
    heap = RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, NULL);
    NEED("rtl-created", heap);
    EQUAL("rtl-destroyed", RtlDestroyHeap(heap), 0);
    return finish();
}

/* HeapFree of an address where nothing is: FALSE, with ERROR_NOACCESS or the
 * last error untouched. */
#include "check.h"

int main(void)
{
    ULONG_PTR wild = 0xDEADBEE0;
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    SetLastError(UNTOUCHED);
    EQUAL("refused", HeapFree(heap, 0, (void *)wild), FALSE);
    CHECK("error", GetLastError() == ERROR_NOACCESS || GetLastError() == UNTOUCHED);
    CHECK("heap-goes-on", HeapFree(heap, 0, HeapAlloc(heap, 0, 100)));
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

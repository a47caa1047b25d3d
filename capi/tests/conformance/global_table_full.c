/* A process has 65,536 moveable handles, of both families together; fixed blocks need
 * none. */
#include "moveable.h"

int main(void)
{
    static HGLOBAL handles[0x10001];
    int count = 0;
    while (count < 0x10001) {
        SetLastError(UNTOUCHED);
        handles[count] = count % 2 ? LocalAlloc(LMEM_MOVEABLE, 0) : GlobalAlloc(GMEM_MOVEABLE, 0);
        if (!handles[count])
            break;
        count++;
    }
    EQUAL("error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    /* Nothing in the process but this program has handles. */
    EQUAL("count", count, 0x10000);
    SetLastError(UNTOUCHED);
    EQUAL("local-too", LocalAlloc(LMEM_MOVEABLE, 10), 0);
    EQUAL("local-error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    HGLOBAL fixed = GlobalAlloc(GMEM_DISCARDABLE, 10);
    CHECK("discardable-alone-is-fixed", fixed && ((ULONG_PTR)fixed & 15) == 0);
    CHECK("fixed-freed", !GlobalFree(fixed));
    SetLastError(UNTOUCHED);
    fixed = GlobalAlloc(GMEM_FIXED, 10);
    EQUAL("conversion", GlobalReAlloc(fixed, 10, GMEM_MODIFY | GMEM_MOVEABLE), 0);
    EQUAL("conversion-error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    EQUAL("not-converted", GlobalSize(fixed), 10);
    CHECK("one-freed", !GlobalFree(handles[1000]));
    handles[1000] = LocalAlloc(LMEM_MOVEABLE, 20);
    CHECK("one-again", handles[1000] != NULL);
    int freed = 0;
    for (int i = 0; i < count; i++)
        freed += GlobalFree(handles[i]) == NULL;
    EQUAL("all-freed", freed, count);
    CHECK("fixed-freed-too", !GlobalFree(fixed));
    return finish();
}

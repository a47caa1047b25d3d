/* A block with a moveable handle is told as one. */
#include "check.h"
#include <tlhelp32.h>

int main(void)
{
    HGLOBAL handle = GlobalAlloc(GMEM_MOVEABLE, 0x2345), fixed = GlobalAlloc(GMEM_FIXED, 0x2346);
    HEAPENTRY32 entry;
    memset(&entry, 0, sizeof entry);
    entry.dwSize = sizeof entry;
    int moveable_found = 0, fixed_found = 0;
    BOOL more = Heap32First(&entry, 0, (ULONG_PTR)GetProcessHeap());
    NEED("first", more);
    for (; more; more = Heap32Next(&entry)) {
        if (entry.dwBlockSize == 0x2345 && entry.dwAddress == (ULONG_PTR)GlobalLock(handle))
            moveable_found += entry.dwFlags == LF32_MOVEABLE && entry.hHandle == handle &&
                              entry.dwLockCount == 0 && entry.dwResvd == 0;
        if (entry.dwBlockSize == 0x2346 && entry.dwAddress == (ULONG_PTR)fixed)
            fixed_found += entry.dwFlags == LF32_FIXED && entry.hHandle == fixed;
    }
    EQUAL("moveable", moveable_found, 1);
    EQUAL("fixed", fixed_found, 1);
    CHECK("freed", !GlobalFree(handle) && !GlobalFree(fixed));
    return finish();
}

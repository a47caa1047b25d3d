/* A walk of the process heap comes to its end, finds a block of it, and shows no
 * moveable or shared blocks, though there are some. */
#include "check.h"

int main(void)
{
    PROCESS_HEAP_ENTRY entry;
    HANDLE heap = GetProcessHeap();
    void *block = HeapAlloc(heap, 0, 0x1234);
    HGLOBAL moveable = GlobalAlloc(GMEM_MOVEABLE, 0x100);
    HGLOBAL shared = GlobalAlloc(GMEM_MOVEABLE | GMEM_DDESHARE, 0x100);
    SIZE_T count = 0, marked = 0, found = 0;
    NEED("allocated", block && moveable && shared);
    NEED("locked", HeapLock(heap));
    memset(&entry, 0, sizeof entry);
    SetLastError(UNTOUCHED);
    while (HeapWalk(heap, &entry)) {
        count++;
        marked += (entry.wFlags & (PROCESS_HEAP_ENTRY_MOVEABLE | PROCESS_HEAP_ENTRY_DDESHARE)) != 0;
        found += entry.lpData == block && entry.cbData == 0x1234;
    }
    EQUAL("end-error", GetLastError(), ERROR_NO_MORE_ITEMS);
    EQUAL("unlocked", HeapUnlock(heap), TRUE);
    CHECK("entries", count >= 3);
    EQUAL("found-once", found, 1);
    EQUAL("moveable-or-shared", marked, 0);
    CHECK("freed", HeapFree(heap, 0, block) && !GlobalFree(moveable) && !GlobalFree(shared));
    return finish();
}

/* A handle is no block of the process heap, and a walk shows no handles. */
#include "moveable.h"

int main(void)
{
    HANDLE heap = GetProcessHeap();
    HGLOBAL handle = GlobalAlloc(GMEM_MOVEABLE | GMEM_DDESHARE, 0x4321);
    NEED("allocated", handle);
    SetLastError(UNTOUCHED);
    EQUAL("validate", HeapValidate(heap, 0, handle), FALSE);
    EQUAL("validate-error", GetLastError(), UNTOUCHED);
    PVOID value = NULL;
    ULONG flags = 0;
    SetLastError(UNTOUCHED);
    EQUAL("info", RtlGetUserInfoHeap(heap, 0, handle, &value, &flags), FALSE);
    EQUAL("info-error", GetLastError(), ERROR_INVALID_PARAMETER);
    PROCESS_HEAP_ENTRY entry;
    SIZE_T marked = 0, found = 0;
    memset(&entry, 0, sizeof entry);
    NEED("locked", HeapLock(heap));
    while (HeapWalk(heap, &entry)) {
        marked += (entry.wFlags & (PROCESS_HEAP_ENTRY_MOVEABLE | PROCESS_HEAP_ENTRY_DDESHARE)) != 0;
        found += entry.lpData == data_of(handle) && entry.cbData == 0x4321;
    }
    CHECK("unlocked", HeapUnlock(heap));
    EQUAL("moveable-or-shared", marked, 0);
    EQUAL("data-found-once", found, 1);
    EQUAL("freed", GlobalFree(handle), 0);
    return finish();
}

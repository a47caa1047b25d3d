/* What Toolhelp's heap functions refuse. */
#include "check.h"
#include <tlhelp32.h>

int main(void)
{
    HEAPLIST32 list;
    HEAPENTRY32 entry;
    HANDLE heap = HeapCreate(0, 0, 0);
    memset(&list, 0, sizeof list);
    memset(&entry, 0, sizeof entry);
    SetLastError(UNTOUCHED);
    EQUAL("no-flags", CreateToolhelp32Snapshot(0, 0), INVALID_HANDLE_VALUE);
    EQUAL("no-flags-error", GetLastError(), ERROR_INVALID_PARAMETER);
    SetLastError(UNTOUCHED);
    EQUAL("no-process", CreateToolhelp32Snapshot(TH32CS_SNAPHEAPLIST, 0x7ffffff1),
          INVALID_HANDLE_VALUE);
    EQUAL("no-process-error", GetLastError(), ERROR_INVALID_PARAMETER);
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPHEAPLIST, GetCurrentProcessId());
    NEED("snapshot", snapshot != INVALID_HANDLE_VALUE);
    SetLastError(UNTOUCHED);
    EQUAL("list-unsized", Heap32ListFirst(snapshot, &list), FALSE);
    EQUAL("list-unsized-error", GetLastError(), ERROR_BAD_LENGTH);
    SetLastError(UNTOUCHED);
    EQUAL("entry-unsized", Heap32First(&entry, 0, (ULONG_PTR)heap), FALSE);
    EQUAL("entry-unsized-error", GetLastError(), ERROR_BAD_LENGTH);
    list.dwSize = sizeof list;
    SetLastError(UNTOUCHED);
    EQUAL("no-snapshot", Heap32ListFirst((HANDLE)heap, &list), FALSE);
    EQUAL("no-snapshot-error", GetLastError(), ERROR_INVALID_HANDLE);
    entry.dwSize = sizeof entry;
    SetLastError(UNTOUCHED);
    EQUAL("no-heap", Heap32First(&entry, 0, 0x12340000), FALSE);
    EQUAL("no-heap-error", GetLastError(), ERROR_INVALID_PARAMETER);

    /* The block that a walk is at goes. */
    void *block = HeapAlloc(heap, 0, 0x10000), *at = HeapAlloc(heap, 0, 0x10000);
    CHECK("allocated", block && at);
    BOOL more = Heap32First(&entry, 0, (ULONG_PTR)heap);
    while (more && entry.dwAddress != (ULONG_PTR)at)
        more = Heap32Next(&entry);
    NEED("at-the-block", more);
    CHECK("freed", HeapFree(heap, 0, block) && HeapFree(heap, 0, at));
    SetLastError(UNTOUCHED);
    EQUAL("gone", Heap32Next(&entry), FALSE);
    EQUAL("gone-error", GetLastError(), ERROR_INVALID_DATA);
    CHECK("destroyed", HeapDestroy(heap));
    SetLastError(UNTOUCHED);
    EQUAL("destroyed-heap", Heap32First(&entry, 0, (ULONG_PTR)heap), FALSE);
    EQUAL("destroyed-heap-error", GetLastError(), ERROR_INVALID_PARAMETER);
    CHECK("closed", CloseHandle(snapshot));
    return finish();
}

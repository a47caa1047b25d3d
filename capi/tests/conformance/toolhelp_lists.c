/* A snapshot has the heaps there were, the process heap first. */
#include "check.h"
#include <tlhelp32.h>

int main(void)
{
    HANDLE own = HeapCreate(0, 0, 0);
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPHEAPLIST, 0);
    NEED("snapshot", own && snapshot != INVALID_HANDLE_VALUE);
    HANDLE later = HeapCreate(0, 0, 0);
    HEAPLIST32 list;
    memset(&list, 0, sizeof list);
    list.dwSize = sizeof list;
    NEED("first", Heap32ListFirst(snapshot, &list));
    EQUAL("first-is-the-process-heap", list.th32HeapID, (ULONG_PTR)GetProcessHeap());
    EQUAL("default", list.dwFlags, HF32_DEFAULT);
    EQUAL("process", list.th32ProcessID, GetCurrentProcessId());
    int count = 1, own_found = 0, later_found = 0, other_defaults = 0;
    SetLastError(UNTOUCHED);
    while (Heap32ListNext(snapshot, &list)) {
        count++;
        own_found += list.th32HeapID == (ULONG_PTR)own;
        later_found += list.th32HeapID == (ULONG_PTR)later;
        other_defaults += list.dwFlags != 0;
    }
    EQUAL("end-error", GetLastError(), ERROR_NO_MORE_FILES);
    EQUAL("own-found", own_found, 1);
    EQUAL("later-not-found", later_found, 0);
    EQUAL("one-default", other_defaults, 0);
    HANDLE heaps[64];
    EQUAL("all", count, GetProcessHeaps(64, heaps) - 1);
    CHECK("first-again", Heap32ListFirst(snapshot, &list));
    EQUAL("same-again", list.th32HeapID, (ULONG_PTR)GetProcessHeap());
    CHECK("closed", CloseHandle(snapshot));
    SetLastError(UNTOUCHED);
    EQUAL("closed-first", Heap32ListFirst(snapshot, &list), FALSE);
    EQUAL("closed-first-error", GetLastError(), ERROR_INVALID_HANDLE);
    CHECK("destroyed", HeapDestroy(own) && HeapDestroy(later));
    return finish();
}

/* Heap32First and Heap32Next tell a heap's blocks as HeapWalk does, without regions. */
#include "check.h"
#include <tlhelp32.h>

#define BLOCKS 100

int main(void)
{
    static PROCESS_HEAP_ENTRY entries[4096];
    static void *blocks[BLOCKS];
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = HeapAlloc(heap, 0, (SIZE_T)(i * i + 1));
    void *large = HeapAlloc(heap, 0, 0x200000);
    for (int i = 0; i < BLOCKS; i += 3)
        HeapFree(heap, 0, blocks[i]);
    SIZE_T total = walk(heap, entries, 4096), expected = 0, told = 0, same = 0, found = 0;
    SIZE_T unused = 0;
    HEAPENTRY32 entry;
    memset(&entry, 0, sizeof entry);
    entry.dwSize = sizeof entry;
    BOOL more = Heap32First(&entry, GetCurrentProcessId(), (ULONG_PTR)heap);
    NEED("first", more);
    EQUAL("heap", entry.th32HeapID, (ULONG_PTR)heap);
    EQUAL("process", entry.th32ProcessID, GetCurrentProcessId());
    for (SIZE_T i = 0; i < total; i++) {
        PROCESS_HEAP_ENTRY *walked = &entries[i];
        if (walked->wFlags & (PROCESS_HEAP_REGION | PROCESS_HEAP_UNCOMMITTED_RANGE))
            continue;
        expected++;
        if (!more)
            break;
        told++;
        BOOL busy = (walked->wFlags & PROCESS_HEAP_ENTRY_BUSY) != 0;
        same += entry.dwAddress == (ULONG_PTR)walked->lpData &&
                entry.dwBlockSize == walked->cbData &&
                entry.dwFlags == (DWORD)(busy ? LF32_FIXED : LF32_FREE);
        found += entry.dwAddress == (ULONG_PTR)large && entry.dwBlockSize == 0x200000;
        unused += entry.dwLockCount == 0 && entry.dwResvd == 0 && entry.dwSize == sizeof entry;
        entry.dwLockCount = entry.dwResvd = 77;
        SetLastError(UNTOUCHED);
        more = Heap32Next(&entry);
    }
    EQUAL("end", more, FALSE);
    EQUAL("end-error", GetLastError(), ERROR_NO_MORE_FILES);
    EQUAL("all-told", told, expected);
    EQUAL("all-same", same, expected);
    EQUAL("all-unused-0", unused, expected);
    EQUAL("large-found", found, 1);
    CHECK("busy-and-free", expected > BLOCKS);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}

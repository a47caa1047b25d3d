/* Addresses that the program has nothing at, or nothing that was reserved: every function
 * of pages refuses them, and nothing of them changes. */
#include "bad_pages.h"

/* DiscardVirtualMemory and ReclaimVirtualMemory. */
static discard_function discard, reclaim;
static offer_function offer;

/* What is refused wherever nothing is. `error` is that of addresses that are free or that
 * programs cannot have. */
static void nothing(const char *what, char *at, DWORD error)
{
    MEMORY_BASIC_INFORMATION info;
    PVOID addresses[4];
    ULONG_PTR count = 4;
    ULONG granularity;
    DWORD old;
    char byte = 1;
    SIZE_T done = 77;
    SetLastError(UNTOUCHED);
    if (at)
        refuses("commit", what, !VirtualAlloc(at, PAGE, MEM_COMMIT, PAGE_READWRITE), error);
    refuses("reset", what, !VirtualAlloc(at, PAGE, MEM_RESET, PAGE_NOACCESS), 0);
    refuses("undo", what, !VirtualAlloc(at, PAGE, MEM_RESET_UNDO, PAGE_NOACCESS), 0);
    refuses("release", what, !VirtualFree(at, 0, MEM_RELEASE), error);
    refuses("decommit", what, !VirtualFree(at, PAGE, MEM_DECOMMIT), error);
    refuses("protect", what, !VirtualProtect(at, PAGE, PAGE_READONLY, &old), error);
    refuses("lock", what, !VirtualLock(at, PAGE), 0);
    refuses("unlock", what, !VirtualUnlock(at, PAGE), 0);
    refuses("watch", what,
            GetWriteWatch(0, at, PAGE, addresses, &count, &granularity) == ~0u,
            ERROR_INVALID_PARAMETER);
    refuses("forget", what, ResetWriteWatch(at, PAGE) == ~0u, ERROR_INVALID_PARAMETER);
    refuses("unmap", what, !UnmapViewOfFile(at), ERROR_INVALID_ADDRESS);
    refuses("flush", what, !FlushViewOfFile(at, 0), 0);
    refuses("physical", what, !MapUserPhysicalPages(at, 1, NULL), 0);
    refuses("discard", what, discard(at, PAGE) != ERROR_SUCCESS, 0);
    refuses("offer", what, offer(at, PAGE, VmOfferPriorityLow) != ERROR_SUCCESS, 0);
    refuses("reclaim", what, reclaim(at, PAGE) != ERROR_SUCCESS, 0);
    refuses("read", what, IsBadReadPtr(at, 1), 0);
    refuses("write", what, IsBadWritePtr(at, 1), 0);
    refuses("huge-read", what, IsBadHugeReadPtr(at, 1), 0);
    refuses("huge-write", what, IsBadHugeWritePtr(at, 1), 0);
    refuses("code", what, IsBadCodePtr((FARPROC)(ULONG_PTR)at), 0);
    refuses("text", what, IsBadStringPtrA(at, 1), 0);
    refuses("wide-text", what, IsBadStringPtrW((LPCWSTR)(void *)at, 1), 0);
    refuses("read-memory", what, !ReadProcessMemory(HERE, at, &byte, 1, &done), 0);
    refuses("write-memory", what, !WriteProcessMemory(HERE, at, &byte, 1, &done), 0);
    refuses("write-from", what, !WriteProcessMemory(HERE, &byte, at, 1, &done), 0);
    EQUAL(what, byte, 1);
    if (error == ERROR_INVALID_PARAMETER)
        refuses("query", what, !VirtualQuery(at, &info, sizeof info), ERROR_INVALID_PARAMETER);
}

int main(void)
{
    NEED_OFFERS();
    char *room = (char *)VirtualAlloc(NULL, 16 * UNIT, MEM_RESERVE, PAGE_NOACCESS);
    NEED("room", room && VirtualFree(room, 0, MEM_RELEASE));
    nothing("null", NULL, ERROR_INVALID_ADDRESS);
    nothing("first-unit", (char *)(ULONG_PTR)0x8000, ERROR_INVALID_ADDRESS);
    /* Nor is anything reserved there. */
    refuses("reserve", "first-unit",
            !VirtualAlloc((void *)(ULONG_PTR)0x8000, PAGE, MEM_RESERVE, PAGE_NOACCESS), 0);
    refuses("reserve-and-commit", "first-unit",
            !VirtualAlloc((void *)(ULONG_PTR)1, PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE), 0);
    EQUAL("first-unit-free", query((void *)(ULONG_PTR)0x8000).State, MEM_FREE);
    nothing("free", room + 4 * UNIT, ERROR_INVALID_ADDRESS);
    nothing("free-inside-a-page", room + 4 * UNIT + 0x123, ERROR_INVALID_ADDRESS);
    nothing("above-all", (char *)(ULONG_PTR)0x800000000000ull, ERROR_INVALID_PARAMETER);
    nothing("no-address", (char *)(ULONG_PTR)0x8000000000000000ull, ERROR_INVALID_PARAMETER);
    nothing("the-systems", (char *)(ULONG_PTR)0xFFFF800000000000ull, ERROR_INVALID_PARAMETER);
    nothing("last", (char *)~(ULONG_PTR)0xFFFF, ERROR_INVALID_PARAMETER);

    /* Memory of the program's that no function of pages gave it. */
    char local[16] = "stack";
    static char variable[16] = "variable";
    PVOID addresses[4];
    ULONG_PTR count = 4;
    ULONG granularity;
    SetLastError(UNTOUCHED);
    refuses("release", "stack", !VirtualFree(local, 0, MEM_RELEASE), ERROR_INVALID_ADDRESS);
    refuses("unmap", "stack", !UnmapViewOfFile(local), ERROR_INVALID_ADDRESS);
    refuses("watch", "stack",
            GetWriteWatch(0, local, 1, addresses, &count, &granularity) == ~0u,
            ERROR_INVALID_PARAMETER);
    refuses("forget", "stack", ResetWriteWatch(local, 1) == ~0u, ERROR_INVALID_PARAMETER);
    refuses("reclaim", "stack", reclaim(local, 1) != ERROR_SUCCESS, 0);
    refuses("release", "variable", !VirtualFree(variable, 0, MEM_RELEASE), 0);
    refuses("release-part", "variable", !VirtualFree(variable, 1, MEM_RELEASE), 0);
    refuses("decommit", "variable", !VirtualFree(variable, 1, MEM_DECOMMIT), 0);
    refuses("watch", "variable",
            GetWriteWatch(0, variable, 1, addresses, &count, &granularity) == ~0u,
            ERROR_INVALID_PARAMETER);
    refuses("offer", "variable", offer(variable, 16, VmOfferPriorityLow) != ERROR_SUCCESS, 0);
    refuses("discard", "variable", discard(variable, 16) != ERROR_SUCCESS, 0);
    CHECK("unharmed", strcmp(local, "stack") == 0 && strcmp(variable, "variable") == 0);
    return finish();
}

/* Sizes that go on past a region, the address space, or its end and round to its start;
 * and 0. Every function of pages refuses them, and nothing of the region changes. */
#include "bad_pages.h"

#define PAGES 4

static discard_function discard, reclaim;
static offer_function offer;
static char *base, *watched, *view;
/* As much as can be read from `base` on. */
static char room[PAGES * PAGE];

static BOOL is_untouched(void)
{
    return tells(base, PAGES * PAGE, MEM_COMMIT, PAGE_READWRITE, base) &&
           tells(watched, PAGES * PAGE, MEM_COMMIT, PAGE_READWRITE, watched) &&
           tells(view, PAGES * PAGE, MEM_COMMIT, PAGE_READWRITE, view) && base[0] == 1 &&
           base[PAGES * PAGE - 1] == 2;
}

static void size_is_bad(const char *what, SIZE_T size)
{
    PVOID addresses[4];
    ULONG_PTR count = 4;
    ULONG granularity;
    DWORD old;
    SIZE_T done = 77;
    SetLastError(UNTOUCHED);
    refuses("commit", what, !VirtualAlloc(base, size, MEM_COMMIT, PAGE_READONLY), 0);
    refuses("reset", what, !VirtualAlloc(base, size, MEM_RESET, PAGE_NOACCESS), 0);
    refuses("undo", what, !VirtualAlloc(base, size, MEM_RESET_UNDO, PAGE_NOACCESS), 0);
    refuses("reserve", what, !VirtualAlloc(base, size, MEM_RESERVE, PAGE_NOACCESS), 0);
    refuses("release", what, size ? !VirtualFree(base, size, MEM_RELEASE) : TRUE, 0);
    refuses("decommit", what, size ? !VirtualFree(base, size, MEM_DECOMMIT) : TRUE, 0);
    refuses("protect", what, !VirtualProtect(base, size, PAGE_READONLY, &old), 0);
    refuses("watch", what,
            GetWriteWatch(0, watched, size, addresses, &count, &granularity) == ~0u,
            ERROR_INVALID_PARAMETER);
    refuses("forget", what, ResetWriteWatch(watched, size) == ~0u, ERROR_INVALID_PARAMETER);
    refuses("discard", what, discard(base, size) != ERROR_SUCCESS, 0);
    refuses("offer", what, offer(base, size, VmOfferPriorityLow) != ERROR_SUCCESS, 0);
    refuses("reclaim", what, reclaim(base, size) != ERROR_SUCCESS, 0);
    if (size) {
        refuses("lock", what, !VirtualLock(base, size), 0);
        refuses("unlock", what, !VirtualUnlock(base, size), 0);
        refuses("flush", what, !FlushViewOfFile(view, size), 0);
        refuses("read", what, IsBadReadPtr(base, size), 0);
        refuses("write", what, IsBadWritePtr(base, size), 0);
        refuses("huge-read", what, IsBadHugeReadPtr(base, size), 0);
        refuses("huge-write", what, IsBadHugeWritePtr(base, size), 0);
        refuses("read-memory", what, !ReadProcessMemory(HERE, base, room, size, &done), 0);
        refuses("write-memory", what, !WriteProcessMemory(HERE, base, base, size, &done), 0);
    }
    CHECK(what, is_untouched());
}

int main(void)
{
    NEED_OFFERS();
    const DWORD both = MEM_RESERVE | MEM_COMMIT;
    /* Behind the pages are as many that cannot be accessed. */
    base = (char *)VirtualAlloc(NULL, 2 * PAGES * PAGE, MEM_RESERVE, PAGE_READWRITE);
    NEED("committed", base && VirtualAlloc(base, PAGES * PAGE, MEM_COMMIT, PAGE_READWRITE));
    watched = (char *)VirtualAlloc(NULL, PAGES * PAGE, both | MEM_WRITE_WATCH, PAGE_READWRITE);
    HANDLE section = make_section(PAGE_READWRITE, PAGES * PAGE);
    view = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("regions", watched && view);
    base[0] = 1;
    base[PAGES * PAGE - 1] = 2;
    size_is_bad("none", 0);
    size_is_bad("half-the-space", (SIZE_T)1 << 46);
    size_is_bad("the-space", 0x800000000000ull);
    size_is_bad("up-to-the-end", (SIZE_T)0 - (ULONG_PTR)base);
    size_is_bad("wraps", (SIZE_T)0 - (ULONG_PTR)base + PAGE);
    size_is_bad("all", (SIZE_T)-1);
    size_is_bad("negative", (SIZE_T)-PAGE);
    CHECK("ended", UnmapViewOfFile(view) && CloseHandle(section));
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE) && VirtualFree(watched, 0, MEM_RELEASE));
    return finish();
}

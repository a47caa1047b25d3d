/* GetWriteWatch tells the pages that were written to, and no others. */
#include "pages.h"

#define PAGES 64

static char *base;
static PVOID addresses[PAGES];
static ULONG_PTR count;

/* Which pages are told, as bits; all bits when the call fails or they are not in
 * order, inside, and at the starts of pages. */
static ULONGLONG told(DWORD flags, ULONG_PTR room)
{
    ULONG granularity = 0;
    ULONGLONG bits = 0;
    count = room;
    if (GetWriteWatch(flags, base, PAGES * PAGE, addresses, &count, &granularity) != 0 ||
        granularity != PAGE || count > room)
        return ~0ull;
    for (ULONG_PTR i = 0; i < count; i++) {
        SIZE_T offset = (SIZE_T)((char *)addresses[i] - base);
        if (offset % PAGE || offset >= PAGES * PAGE || (i && addresses[i] <= addresses[i - 1]))
            return ~0ull;
        bits |= 1ull << (offset / PAGE);
    }
    return bits;
}

int main(void)
{
    DWORD old;
    base = (char *)VirtualAlloc(NULL, PAGES * PAGE, MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH,
                                PAGE_READWRITE);
    NEED("reserved", base);
    EQUAL("none", told(0, PAGES), 0);
    char sum = 0;
    for (SIZE_T i = 0; i < PAGES; i++)
        sum = (char)(sum + *(volatile char *)(base + i * PAGE));
    EQUAL("reading-is-none", told(0, PAGES), 0);
    EQUAL("zero", sum, 0);
    base[0] = 1;
    base[5 * PAGE + 7] = 1;
    base[63 * PAGE] = 1;
    EQUAL("three", told(0, PAGES), 1ull | 1ull << 5 | 1ull << 63);
    EQUAL("still-three", told(0, PAGES), 1ull | 1ull << 5 | 1ull << 63);
    EQUAL("two-of-three", told(WRITE_WATCH_FLAG_RESET, 2), 1ull | 1ull << 5);
    EQUAL("third-left", told(WRITE_WATCH_FLAG_RESET, 2), 1ull << 63);
    EQUAL("reset", told(0, PAGES), 0);
    base[5 * PAGE] = 2;
    EQUAL("again", told(0, PAGES), 1ull << 5);
    EQUAL("forgotten", ResetWriteWatch(base, PAGES * PAGE), 0);
    EQUAL("none-again", told(0, PAGES), 0);

    base[7 * PAGE] = 1;
    CHECK("protect", VirtualProtect(base, PAGES * PAGE, PAGE_READONLY, &old));
    EQUAL("kept-by-protect", told(0, PAGES), 1ull << 7);
    CHECK("protect-back", VirtualProtect(base, PAGES * PAGE, PAGE_READWRITE, &old));
    EQUAL("kept-again", told(WRITE_WATCH_FLAG_RESET, PAGES), 1ull << 7);
    base[8 * PAGE] = 1;
    EQUAL("after-protect", told(WRITE_WATCH_FLAG_RESET, PAGES), 1ull << 8);

    base[9 * PAGE] = 1;
    CHECK("decommit", VirtualFree(base + 9 * PAGE, PAGE, MEM_DECOMMIT));
    EQUAL("kept-by-decommit", told(WRITE_WATCH_FLAG_RESET, PAGES), 1ull << 9);
    CHECK("commit", VirtualAlloc(base + 9 * PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE) != NULL);
    EQUAL("fresh", told(0, PAGES), 0);
    base[9 * PAGE] = 1;
    EQUAL("watched-again", told(WRITE_WATCH_FLAG_RESET, PAGES), 1ull << 9);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}

/* How addresses and sizes are rounded when pages are reserved. */
#include "pages.h"

static const struct {
    const char *name;
    ULONG_PTR offset;
    SIZE_T size, covered;
} cases[] = {
    {"middle", 0x8000, 1, 0x9000},
    {"over-a-page", 0x10, 0x1000, 0x2000},
    {"over-units", 0xFFFF, 0x3000, 0x13000},
};

int main(void)
{
    char *base = (char *)VirtualAlloc(NULL, 0xFFFC, MEM_RESERVE, PAGE_NOACCESS);
    NEED("reserved", base);
    EQUAL("unit", (ULONG_PTR)base % UNIT, 0);
    CHECK("size", tells(base, UNIT, MEM_RESERVE, 0, base));
    EQUAL("protection-kept", query(base).AllocationProtect, PAGE_NOACCESS);
    EQUAL("private", query(base).Type, MEM_PRIVATE);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));

    /* Commit alone reserves where no address is given. */
    base = (char *)VirtualAlloc(NULL, PAGE, MEM_COMMIT, PAGE_READONLY);
    NEED("commit-alone", base);
    CHECK("committed", tells(base, PAGE, MEM_COMMIT, PAGE_READONLY, base));
    CHECK("released-too", VirtualFree(base, 0, MEM_RELEASE));

    /* From the highest address down, above what any 32-bit address could be. */
    base = (char *)VirtualAlloc(NULL, UNIT, MEM_RESERVE | MEM_TOP_DOWN, PAGE_NOACCESS);
    CHECK("top-down", (ULONGLONG)(ULONG_PTR)base > 0xFFFFFFFFu);
    CHECK("top-down-unit", (ULONG_PTR)base % UNIT == 0 && VirtualFree(base, 0, MEM_RELEASE));

    /* An address that is free: a larger region was there. */
    char *room = (char *)VirtualAlloc(NULL, 16 * UNIT, MEM_RESERVE, PAGE_NOACCESS);
    NEED("room", room);
    CHECK("room-freed", VirtualFree(room, 0, MEM_RELEASE));
    for (SIZE_T i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[64];
        char *at = (char *)VirtualAlloc(room + cases[i].offset, cases[i].size, MEM_RESERVE,
                                        PAGE_NOACCESS);
        snprintf(name, sizeof name, "%s-address", cases[i].name);
        EQUAL(name, at, room);
        snprintf(name, sizeof name, "%s-size", cases[i].name);
        CHECK(name, at && tells(at, cases[i].covered, MEM_RESERVE, 0, at));
        if (at)
            VirtualFree(at, 0, MEM_RELEASE);
    }
    return finish();
}

/* VirtualLock of a guard page fails once and clears it. */
#include "pages.h"

int main(void)
{
    char *base = (char *)VirtualAlloc(NULL, PAGE, MEM_RESERVE | MEM_COMMIT,
                                      PAGE_READWRITE | PAGE_GUARD);
    NEED("committed", base);
    FAILS("first", VirtualLock(base, PAGE), FALSE, (DWORD)STATUS_GUARD_PAGE_VIOLATION);
    CHECK("cleared", tells(base, PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    CHECK("second", VirtualLock(base, PAGE));
    CHECK("unlocked", VirtualUnlock(base, PAGE));
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}
